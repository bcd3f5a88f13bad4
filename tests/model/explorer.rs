//! Visits every reachable state in breadth-first order.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasherDefault, Hash, Hasher},
};

use crate::{
    scene::Scene,
    steps::{Step, Steps},
    world::World,
};

/// The result of an exploration.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) states: usize,
    pub(crate) steps: usize,
    /// The distance of the farthest state from the start, in steps.
    pub(crate) depth: usize,
    /// The shortest path to a violation.
    pub(crate) violation: Option<Trace>,
    /// The shortest path to a state from which no resolved state can be reached without faults
    /// and clients.
    pub(crate) never_resolves: Option<Trace>,
}

/// The path to a state, and the problem of the state.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) wrong: &'static str,
    pub(crate) steps: Vec<Step>,
    pub(crate) world: World,
}

/// Whether a violation ends the exploration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnViolation {
    Stop,
    Continue,
}

/// A 64-bit hash that is fast in unoptimised builds, where the hash of the standard library
/// would take most of the time.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number.cast_unsigned() as u64);
    }

    /// Multiplies, and folds the high half of the product onto the low one.
    fn write_u64(&mut self, number: u64) {
        let mixed = self.0 ^ number ^ 0xa076_1d64_78bd_642f;
        let (low, high) = mixed.carrying_mul(0x9e37_79b9_7f4a_7c15, 0);
        self.0 = low ^ high;
    }
}

/// The visited states, by 64-bit fingerprint. The probability that two of a million states
/// have the same fingerprint, so that one is skipped, is 1 in 10^7.
struct Seen {
    indices: HashMap<u64, u32, BuildHasherDefault<Mixer>>,
    /// For each state: the state from which it was reached first, and the index of the step.
    reached: Vec<(u32, u16)>,
}

impl Seen {
    /// Returns the index of the state, and whether it is new.
    fn visit(&mut self, world: &World, from: u32, by: usize) -> (u32, bool) {
        let next = u32::try_from(self.reached.len()).unwrap();
        let mut hasher = Mixer::default();
        world.hash(&mut hasher);
        let index = *self.indices.entry(hasher.finish()).or_insert(next);
        if index == next {
            self.reached.push((from, u16::try_from(by).unwrap()));
        }
        (index, index == next)
    }

    /// Repeats the steps to a state from the start.
    fn trace(&self, scene: &Scene, to: u32, wrong: &'static str) -> Trace {
        let mut choices = Vec::new();
        let mut index = to;
        while index != 0 {
            let (from, by) = self.reached[index as usize];
            choices.push(by);
            index = from;
        }
        let mut world = World::new(scene);
        let steps = choices.iter().rev().map(|by| {
            let (step, next) = Steps::from(scene, &world)[usize::from(*by)];
            world = next;
            step
        });
        Trace { wrong, steps: steps.collect(), world }
    }
}

/// Visits every state of the scene.
pub(crate) fn explore(scene: &Scene, on_violation: OnViolation) -> Report {
    let mut seen = Seen { indices: HashMap::default(), reached: Vec::new() };
    let mut report = Report::default();
    // For each state: whether it is resolved, and its successors without faults.
    let mut resolves = Vec::new();
    let mut leads_to: Vec<(u32, u32)> = Vec::new();
    let mut frontier = vec![(0, World::new(scene))];
    seen.visit(&frontier[0].1, 0, 0);
    while !frontier.is_empty() {
        let mut next_frontier = Vec::new();
        for (index, world) in frontier {
            if let Some(wrong) = world.violation(scene)
                && report.violation.is_none()
            {
                report.violation = Some(seen.trace(scene, index, wrong));
                if on_violation == OnViolation::Stop {
                    report.states = seen.reached.len();
                    return report;
                }
            }
            resolves.push(world.is_resolved(scene));
            for (by, (step, next)) in Steps::from(scene, &world).into_iter().enumerate() {
                report.steps += 1;
                let (next_index, is_new) = seen.visit(&next, index, by);
                if is_new {
                    next_frontier.push((next_index, next));
                }
                if !step.is_fault_or_client() {
                    leads_to.push((index, next_index));
                }
            }
        }
        report.depth += usize::from(!next_frontier.is_empty());
        frontier = next_frontier;
    }
    report.states = seen.reached.len();
    report.never_resolves = first_unresolvable(resolves, &leads_to)
        .map(|index| seen.trace(scene, index, "no resolved state can be reached from here"));
    report
}

/// Returns the first state from which no resolved state can be reached. Searches backwards
/// from the resolved states.
fn first_unresolvable(mut resolves: Vec<bool>, leads_to: &[(u32, u32)]) -> Option<u32> {
    let mut changed = true;
    while changed {
        changed = false;
        for (from, to) in leads_to.iter().rev() {
            if resolves[*to as usize] && !resolves[*from as usize] {
                resolves[*from as usize] = true;
                changed = true;
            }
        }
    }
    let index = resolves.iter().position(|resolves| !resolves)?;
    u32::try_from(index).ok()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, steps, depth, violation, never_resolves } = self;
        write!(f, "{states} states, {steps} steps, depth {depth}")?;
        for trace in [violation, never_resolves].into_iter().flatten() {
            write!(f, "\n{}, after {} steps:", trace.wrong, trace.steps.len())?;
            for step in &trace.steps {
                write!(f, "\n  {step:?}")?;
            }
            for (create, state) in trace.world.minted() {
                write!(f, "\n  final state of create {create}: {state:?}")?;
            }
        }
        Ok(())
    }
}
