//! Steps of a sequence: a call of a tenant or an action of an encoder, with faults of AWS. A
//! step names its target by position, so that earlier steps can be removed when a failing
//! sequence is reduced.

use ivs_ingest_gateway::proto::v1::{
    IngestConfigurationState, IngestConfigurationView, IngestProtocol,
};
use proptest::{collection::vec, prelude::*, sample::select};

use super::faults::{Fault, faults};

pub(super) const TENANTS: usize = 3;

/// The maximum length of a sequence; the average is half of it.
const MAX_STEPS: usize = 80;

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) tenant: usize,
    pub(super) action: Action,
    pub(super) faults: Vec<Fault>,
}

#[derive(Debug, Clone)]
pub(super) enum Action {
    Create { content: Content, id: Id, validate_only: bool },
    Get { target: Target, view: IngestConfigurationView },
    List { stage: Option<Stage>, state: IngestConfigurationState, page_size: i32 },
    Update { target: Target, stage: Stage, redundant_ingest: bool, mask: Vec<&'static str> },
    Delete { target: Target, force: bool },
    Encoder { nth: usize, state: IngestConfigurationState },
}

/// The content of a create.
#[derive(Debug, Clone)]
pub(super) struct Content {
    pub(super) name: &'static str,
    pub(super) stage: Stage,
    pub(super) protocol: IngestProtocol,
    pub(super) redundant_ingest: bool,
    pub(super) user_id: &'static str,
    pub(super) attribute: Option<(&'static str, &'static str)>,
    pub(super) tag: Option<(&'static str, &'static str)>,
}

#[derive(Debug, Clone)]
pub(super) enum Id {
    None,
    Fresh,
    /// The id of an earlier create, with the same content.
    Again(usize),
    /// The id of an earlier create, with content that differs in one field.
    Reused(usize, Field),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Field {
    Name,
    Stage,
    UserId,
    Attributes,
    Protocol,
    Redundancy,
    Tags,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    None,
    Own(usize),
    Others,
    Absent,
}

/// A configuration by position. Without such a configuration, the target is `Unknown`.
#[derive(Debug, Clone)]
pub(super) enum Target {
    Live(usize),
    Gone(usize),
    Others(usize),
    Unknown,
}

/// Draws a sequence of steps, each of which has faults with the probability `chance`.
pub(super) fn steps(chance: f64) -> impl Strategy<Value = Vec<Step>> {
    let faults = (prop::bool::weighted(chance), faults())
        .prop_map(|(happen, faults)| if happen { faults } else { Vec::new() });
    // One tenant makes most calls, so that it reaches its quota.
    let tenant = prop_oneof![5 => Just(0), 2 => Just(1), 1 => Just(2)];
    let step = (tenant, action(), faults);
    let step = step.prop_map(|(tenant, action, faults)| Step { tenant, action, faults });
    vec(step, 1..=MAX_STEPS)
}

fn action() -> impl Strategy<Value = Action> {
    use IngestConfigurationState::{Active, Inactive, Unspecified};
    use IngestConfigurationView as View;
    let view = select(vec![View::Basic, View::Full, View::Unspecified]);
    let states = vec![Unspecified, Inactive, Active];
    let page_sizes = vec![0, 1, 2, 100];
    let force = prop::bool::weighted(0.3);
    prop_oneof![
        8 => (content(), id(), prop::bool::weighted(0.1))
            .prop_map(|(content, id, validate_only)| Action::Create { content, id, validate_only }),
        2 => (target(), view).prop_map(|(target, view)| Action::Get { target, view }),
        2 => (prop::option::of(stage()), select(states), select(page_sizes))
            .prop_map(|(stage, state, page_size)| Action::List { stage, state, page_size }),
        5 => (target(), stage(), any::<bool>(), mask())
            .prop_map(|(target, stage, redundant_ingest, mask)| {
                Action::Update { target, stage, redundant_ingest, mask }
            }),
        3 => (target(), force).prop_map(|(target, force)| Action::Delete { target, force }),
        2 => (0..8_usize, select(vec![Active, Active, Inactive]))
            .prop_map(|(nth, state)| Action::Encoder { nth, state }),
    ]
}

fn mask() -> impl Strategy<Value = Vec<&'static str>> {
    prop_oneof![
        4 => Just(vec!["stage_arn"]),
        4 => Just(vec!["redundant_ingest"]),
        4 => Just(vec!["redundant_ingest", "stage_arn"]),
        1 => Just(vec![]),
    ]
}

fn content() -> impl Strategy<Value = Content> {
    let protocol = select(vec![IngestProtocol::Rtmps, IngestProtocol::Rtmp]);
    let texts = (select(vec!["", "camera"]), select(vec!["", "guest 7"]));
    let pairs =
        (select(vec![None, Some(("role", "host"))]), select(vec![None, Some(("show", "1"))]));
    (texts, stage(), protocol, any::<bool>(), pairs).prop_map(
        |((name, user_id), stage, protocol, redundant_ingest, (attribute, tag))| Content {
            name,
            stage,
            protocol,
            redundant_ingest,
            user_id,
            attribute,
            tag,
        },
    )
}

const FIELDS: [Field; 7] = [
    Field::Name,
    Field::Stage,
    Field::UserId,
    Field::Attributes,
    Field::Protocol,
    Field::Redundancy,
    Field::Tags,
];

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![
        3 => Just(Id::None),
        4 => Just(Id::Fresh),
        2 => (0..8_usize).prop_map(Id::Again),
        2 => (0..8_usize, select(FIELDS.to_vec())).prop_map(|(nth, field)| Id::Reused(nth, field)),
    ]
}

fn stage() -> impl Strategy<Value = Stage> {
    prop_oneof![
        3 => Just(Stage::None),
        8 => (0..2_usize).prop_map(Stage::Own),
        1 => Just(Stage::Others),
        1 => Just(Stage::Absent),
    ]
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![
        12 => (0..8_usize).prop_map(Target::Live),
        1 => (0..8_usize).prop_map(Target::Gone),
        1 => (0..8_usize).prop_map(Target::Others),
        1 => Just(Target::Unknown),
    ]
}
