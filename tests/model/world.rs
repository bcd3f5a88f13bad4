//! The state of the model: the ledger, AWS, and the memory of each gateway.

use std::hash::{Hash, Hasher};

use ivs_ingest_gateway::ledger::{Comparison, State};

use crate::{
    memory::Gateway,
    scene::Scene,
    sets::{Arn, Set},
};

// The upper bounds of every scene. They are constants, so that a state has a fixed size.
pub(crate) const MAX_CREATES: usize = 4;
pub(crate) const MAX_SENDS: usize = 3;
pub(crate) const MAX_REQUESTS: usize = 2;
pub(crate) const MAX_GATEWAYS: usize = 2;

/// The `request_id` of a row for a second configuration, which no client uses.
pub(crate) const NEW_REQUEST: u8 = u8::MAX;

/// One state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct World {
    /// The creates, by operation id.
    pub(crate) creates: [Create; MAX_CREATES],
    /// Number of operation ids so far.
    pub(crate) minted: u8,
    pub(crate) gateways: [Gateway; MAX_GATEWAYS],
    /// Number of gateways of the scene.
    pub(crate) gateway_count: u8,
    /// The ledger was lost, or replaced by its copy.
    pub(crate) ledger_lost: bool,
    /// The rows of the copy of the ledger.
    pub(crate) copy: Option<[Option<Row>; MAX_CREATES]>,
    /// The number of the durable `ledger::Comparison`.
    pub(crate) comparison: u8,
    /// The calls to AWS go to another account.
    pub(crate) other_account: bool,
    /// A permission to send was used twice.
    pub(crate) sent_twice: bool,
    /// The configurations whose stream key a caller has received.
    pub(crate) keys: Set,
    /// The gateway deleted a configuration whose key a caller had received.
    pub(crate) key_deleted: bool,
    /// The configurations whose delete a caller got confirmed.
    pub(crate) confirmed: Set,
}

/// One create: its row, and its attempts at AWS. The row of a second configuration has an
/// operation id of its own, without attempts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Create {
    pub(crate) request: u8,
    pub(crate) row: Option<Row>,
    pub(crate) attempts: [Attempt; MAX_SENDS],
    /// The delete of the configuration of the row.
    pub(crate) delete: Delete,
}

/// A row of the ledger, which is durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    pub(crate) state: State,
    /// The number of sendings so far.
    pub(crate) sends: u8,
    /// Whether an earlier sending may have been executed.
    pub(crate) was_resent: bool,
    /// Whether the row has another `request_id` than its create.
    pub(crate) is_renamed: bool,
    /// Whether the row records AWS's response.
    pub(crate) response_recorded: bool,
    /// Time since the last sending by the wall clock, at most `Times::give_up_after`; 0 in a
    /// state in which it is irrelevant.
    pub(crate) age: u8,
    /// The configuration that the row owns.
    pub(crate) arn: Option<Arn>,
    /// Number of consecutive scans that did not list the configuration.
    pub(crate) missed: u8,
}

/// One sending, from its permission to its configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Attempt {
    /// Not sent, lost, rejected, or deleted after its creation.
    #[default]
    Nothing,
    /// Permitted; no byte has left the gateway.
    Permitted,
    /// Sent: AWS may execute it. Holds the time since it was sent.
    Sent { age: u8 },
    /// AWS rejected it, and the response has not arrived yet.
    Rejected,
    /// The configuration exists. Holds the time since its creation, at most the time until AWS
    /// shows everything of it.
    Made { age: u8 },
}

/// One delete, from its sending to the end of the call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Delete {
    /// Not sent, lost, or its response has no receiver.
    #[default]
    Nothing,
    /// Sent: AWS may execute it. Holds the time since it was sent.
    /// `is_young`: AWS may not show the configuration yet.
    Sent { arn: Arn, is_young: bool, age: u8 },
    /// AWS has deleted the configuration.
    Done,
    /// AWS has responded that it does not have the configuration.
    NotFound { was_young: bool },
    /// AWS has rejected the delete.
    Refused,
}

impl World {
    /// The initial state, without running work.
    pub(crate) fn new(scene: &Scene) -> Self {
        let gateway = Gateway { complete: true, ..Gateway::default() };
        let mut creates = [Create::default(); MAX_CREATES];
        for (request, create) in (0..scene.live_at_start).zip(&mut creates) {
            create.request = request;
            let arn = Some(Arn::of(usize::from(request), 0));
            create.row =
                Some(Row { arn, age: scene.kept_age(State::Live), ..Row::new(State::Live) });
            create.attempts[0] = Attempt::Made { age: scene.all_shown_after() };
        }
        Self {
            creates,
            minted: scene.live_at_start,
            gateways: [gateway; MAX_GATEWAYS],
            gateway_count: u8::try_from(scene.gateways).unwrap(),
            ledger_lost: false,
            copy: None,
            comparison: Comparison::NotNeeded as u8,
            other_account: false,
            sent_twice: false,
            keys: Set::default(),
            key_deleted: false,
            confirmed: Set::default(),
        }
    }

    /// The existing creates, by operation id.
    pub(crate) fn minted(&self) -> impl Iterator<Item = (usize, &Create)> {
        self.creates.iter().enumerate().take(usize::from(self.minted))
    }

    pub(crate) fn attempt(&self, arn: Arn) -> Attempt {
        self.creates[arn.create()].attempts[arn.attempt()]
    }

    /// The configurations at AWS, each with its age, in the order of lists.
    pub(crate) fn made(&self) -> impl Iterator<Item = (Arn, u8)> {
        self.minted().flat_map(|(index, create)| create.made(index))
    }
}

/// Leaves out creates and gateways that do not exist: an unoptimised hash takes most of the time.
impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let Self { creates, minted, gateways, gateway_count, comparison, keys, confirmed, .. } =
            self;
        creates[..usize::from(*minted)].hash(state);
        gateways[..usize::from(*gateway_count)].hash(state);
        self.copy.hash(state);
        (*comparison, *keys, *confirmed).hash(state);
        let flags = [self.ledger_lost, self.other_account, self.sent_twice, self.key_deleted];
        let flags = flags.iter().fold(0, |flags, flag| flags * 2 + u8::from(*flag));
        flags.hash(state);
    }
}
