//! The core of the gateway without sockets, threads or real time. Tests set the time and
//! the ids, so that a run can be repeated exactly.
//!
//! | module | content |
//! | --- | --- |
//! | `aws` | the emulator as the SDK's HTTP client, and the trace of its calls |
//! | `system` | a core with a ledger, both on the runtime of the test |

#![allow(clippy::unwrap_used, reason = "tests")]

mod aws;
mod system;

use std::time::{Duration, SystemTime};

use ivs_ingest_gateway::request::MANAGED_TAG_PREFIX;
use ivs_realtime_emulator::{ConfigurationSnapshot, Fault, FaultKind, Operation};
use tokio::time::{Instant, sleep};

use crate::system::System;

/// The time between the creates and the delete. The scan lists AWS 60 times during it.
const PAUSE: Duration = Duration::from_hours(1);

/// The result of a run.
struct Run {
    /// Every call of AWS and every response of a handler, in order.
    trace: Vec<String>,
    /// The ids of the two creates.
    operation_ids: [String; 2],
    /// The ARNs of the two creates.
    arns: [String; 2],
    /// The configurations that exist at AWS at the end.
    left: Vec<ConfigurationSnapshot>,
    /// The virtual time of the run.
    took: Duration,
}

/// Creates a configuration, creates another whose response is lost, repeats that create,
/// and deletes the first configuration.
async fn run(seed: u64) -> Run {
    let began = Instant::now();
    let system = System::start(seed).await;
    let first = system.create("first").await;
    let lost = Fault::new(FaultKind::DropAfter).on(Operation::CreateIngestConfiguration).times(1);
    system.aws.add_fault(&lost).await;
    let second = system.create("second").await;
    let replay = system.create("second").await;
    assert!(!first.replayed && !second.replayed && replay.replayed);
    let created = [&first, &second].map(|created| created.configuration.arn.clone().unwrap());
    assert_eq!(replay.configuration.arn.as_ref(), Some(&created[1]));
    sleep(PAUSE).await;
    system.delete(&created[0]).await;
    Run {
        operation_ids: [&first, &second].map(|created| created.operation_id.unwrap().to_string()),
        arns: created,
        left: system.aws.configurations().await,
        trace: system.stop().await,
        took: began.elapsed(),
    }
}

#[expect(clippy::disallowed_methods, reason = "the test compares real time with virtual time")]
#[tokio::test(start_paused = true)]
async fn a_seed_repeats_a_run_in_virtual_time() {
    let began = SystemTime::now();
    let first = run(7).await;
    let second = run(7).await;
    let real = began.elapsed().unwrap();
    assert!(first.took > PAUSE && real < Duration::from_mins(1), "{real:?} for {:?}", first.took);
    assert_eq!(first.took, second.took);
    for (left, right) in first.trace.iter().zip(&second.trace) {
        assert_eq!(left, right);
    }
    assert_eq!(first.trace.len(), second.trace.len());
}

#[tokio::test(start_paused = true)]
async fn different_seeds_give_different_ids() {
    let (one, other) = (run(7).await, run(8).await);
    let ids = |run: &Run| [run.operation_ids.clone(), run.arns.clone()].concat();
    for (left, right) in ids(&one).into_iter().zip(ids(&other)) {
        assert_ne!(left, right);
    }
    assert_eq!(one.took, other.took);
}

#[tokio::test(start_paused = true)]
async fn a_lost_response_leaves_one_configuration_of_its_request_id() {
    let run = run(1).await;
    let [left] = run.left.as_slice() else { panic!("{:?}", run.left) };
    assert_eq!(left.arn, run.arns[1]);
    assert_eq!(left.tags[&format!("{MANAGED_TAG_PREFIX}request-id")], "second");
    assert_eq!(left.tags[&format!("{MANAGED_TAG_PREFIX}operation-id")], run.operation_ids[1]);
    // Each create is sent once, and the resolver finds the second by a list and its tags.
    let calls = |path: &str| run.trace.iter().filter(|line| line.contains(path)).count();
    assert_eq!(calls("POST /CreateIngestConfiguration"), 2, "{:#?}", run.trace);
    assert!(calls("GET /tags/") >= 1, "{:#?}", run.trace);
    assert_eq!(calls("POST /DeleteIngestConfiguration"), 1);
}
