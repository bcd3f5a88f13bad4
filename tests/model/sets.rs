//! Small sets and maps, which the states of the model hold.

use crate::world::MAX_SENDS;

/// A configuration: the attempt that created it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Arn(u8);

impl Arn {
    pub(crate) fn of(create: usize, attempt: usize) -> Self {
        Self(u8::try_from(create * MAX_SENDS + attempt).unwrap())
    }

    pub(crate) fn create(self) -> usize {
        self.index() / MAX_SENDS
    }

    pub(crate) fn attempt(self) -> usize {
        self.index() % MAX_SENDS
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// A set of numbers below 16: creates, attempts, or configurations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Set(u16);

impl Set {
    pub(crate) fn contains(self, number: usize) -> bool {
        self.0 & 1 << number != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn insert(&mut self, number: usize) {
        self.0 |= 1 << number;
    }

    pub(crate) fn remove(&mut self, number: usize) {
        self.0 &= !(1 << number);
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = usize> {
        (0..16).filter(move |number| self.contains(*number))
    }

    /// The set without its smallest number.
    pub(crate) fn without_first(self) -> Self {
        Self(self.0 & self.0.wrapping_sub(1))
    }

    /// The smallest number alone.
    pub(crate) fn first(self) -> Self {
        Self(self.0 & !self.0.wrapping_sub(1))
    }

    /// The configurations of the set.
    pub(crate) fn arns(self) -> impl Iterator<Item = Arn> {
        self.iter().map(|index| Arn::of(index / MAX_SENDS, index % MAX_SENDS))
    }
}

/// The age of some configurations, each at most 5, or their mark. Three bits for each
/// configuration: 0 if it has no age, 7 if it is marked, its age + 1 otherwise.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Ages(u64);

/// The three bits of a marked configuration.
const MARK: u64 = 7;

/// The three bits of any configuration.
const ALL_BITS: u64 = 7;

impl Ages {
    pub(crate) fn get(self, arn: Arn) -> Option<u8> {
        u8::try_from(self.bits(arn)).unwrap().checked_sub(1)
    }

    pub(crate) fn set(&mut self, arn: Arn, age: u8) {
        self.remove(arn);
        self.0 |= u64::from(age + 1) << Self::shift(arn);
    }

    pub(crate) fn remove(&mut self, arn: Arn) {
        self.0 &= !(ALL_BITS << Self::shift(arn));
    }

    pub(crate) fn mark(&mut self, arn: Arn) {
        self.0 |= MARK << Self::shift(arn);
    }

    pub(crate) fn is_marked(self, arn: Arn) -> bool {
        self.bits(arn) == MARK
    }

    fn bits(self, arn: Arn) -> u64 {
        self.0 >> Self::shift(arn) & ALL_BITS
    }

    fn shift(arn: Arn) -> usize {
        arn.index() * 3
    }

    /// Increases all ages by one, up to `longest`.
    pub(crate) fn tick(&mut self, longest: u8) {
        for arn in Set(0xfff).arns() {
            if let Some(age) = self.get(arn).filter(|_| !self.is_marked(arn)) {
                self.set(arn, longest.min(age + 1));
            }
        }
    }
}
