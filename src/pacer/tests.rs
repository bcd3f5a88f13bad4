use std::time::{Duration, Instant};

use super::*;

struct Read;

const TERMS: Terms = Terms { weight: 1, max_queued: 10, max_in_flight: 10 };

fn flow(name: &str) -> Flow {
    Flow { id: FlowId::Caller(name.into()), terms: TERMS }
}

fn deadline() -> Instant {
    queue::now() + Duration::from_secs(30)
}

/// A pacer of five calls a second whose task runs.
fn pacer() -> Pacer<Read> {
    let pacer = Pacer::new(Read, 5.0);
    let running = pacer.clone();
    tokio::spawn(async move { running.run().await });
    pacer
}

async fn permit(pacer: &Pacer<Read>) -> Permit<Read> {
    pacer.admit(&flow("a"), deadline()).unwrap().permit().await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_permit_waits_for_its_slot_and_reports_the_wait() {
    let pacer = pacer();
    let first = permit(&pacer).await;
    assert_eq!(first.waited(), Duration::ZERO);
    let second = permit(&pacer).await;
    assert!(second.waited() >= Duration::from_millis(200), "{:?}", second.waited());
}

#[tokio::test(start_paused = true)]
async fn an_unused_permit_frees_its_slot_immediately() {
    let pacer = pacer();
    drop(permit(&pacer).await);
    assert_eq!(permit(&pacer).await.waited(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_unused_permit_makes_the_next_slot_earlier_during_a_pause() {
    let pacer = pacer();
    let unused = permit(&pacer).await;
    let pause = Duration::from_secs(10);
    permit(&pacer).await.spend(async {}, |()| Outcome::Throttled(Some(pause))).await;
    let next = permit(&pacer);
    let drops = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(unused);
    };
    let (next, ()) = tokio::join!(next, drops);
    // One interval earlier, at 70 % of five calls a second.
    assert!(next.waited() < pause.mul_f64(0.98), "{:?}", next.waited());
}

#[tokio::test(start_paused = true)]
async fn a_ticket_that_is_dropped_leaves_the_queue() {
    let pacer = pacer();
    let _first = permit(&pacer).await;
    let unused = pacer.admit(&flow("a"), deadline()).unwrap();
    let waiting = pacer.admit(&flow("a"), deadline()).unwrap();
    assert_eq!(pacer.outlook(&flow("a")).queued, 2);
    drop(unused);
    let waited = tokio::time::timeout(Duration::from_millis(10), waiting.permit()).await;
    assert!(waited.is_err());
    assert_eq!((pacer.outlook(&flow("a")).queued, pacer.load().queued), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_its_permit_leaves_the_other_tickets() {
    let pacer = pacer();
    let _unused = pacer.admit(&flow("a"), deadline()).unwrap();
    drop(permit(&pacer).await);
    assert_eq!(pacer.outlook(&flow("a")).queued, 1);
}

/// Returns a call that waits, until it is polled again.
async fn waiting(pacer: &Pacer<Read>, deadline: Instant) -> impl Future + use<> {
    let mut waiting = Box::pin(pacer.admit(&flow("a"), deadline).unwrap().permit());
    let waited = tokio::time::timeout(Duration::from_millis(1), &mut waiting).await;
    assert!(waited.is_err());
    waiting
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_granted_to_a_call_that_leaves_is_free() {
    let pacer = pacer();
    let unused = permit(&pacer).await;
    let waiting = waiting(&pacer, deadline()).await;
    drop(unused);
    assert_eq!(pacer.outlook(&flow("a")).in_flight, 1);
    drop(waiting);
    assert_eq!(pacer.outlook(&flow("a")).in_flight, 0);
    assert_eq!(permit(&pacer).await.waited(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_call_that_leaves_frees_no_slot() {
    let pacer = pacer();
    let _in_flight = permit(&pacer).await;
    let throttled = permit(&pacer).await;
    let waiting = waiting(&pacer, queue::now() + Duration::from_millis(300)).await;
    let pause = Some(Duration::from_secs(1));
    throttled.spend(async {}, |()| Outcome::Throttled(pause)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(pacer.load().queued, 0);
    drop(waiting);
    assert_eq!(pacer.outlook(&flow("a")).in_flight, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_reports_its_outcome_once() {
    let pacer = pacer();
    let throttled = |(): &()| Outcome::Throttled(None);
    permit(&pacer).await.spend(async {}, throttled).await;
    assert!(pacer.load().calls_per_second < 4.0);
    // A call that is dropped ends without a response, and is no longer in flight.
    let never = permit(&pacer).await.spend(std::future::pending::<()>(), |()| Outcome::Completed);
    assert!(tokio::time::timeout(Duration::from_millis(1), never).await.is_err());
    let mut narrow = flow("a");
    narrow.terms.max_in_flight = 1;
    assert!(pacer.admit(&narrow, deadline()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_internal_call_waits_and_is_never_rejected() {
    let pacer = pacer();
    for _ in 0..20 {
        pacer.internal_permit().await.spend(async {}, |()| Outcome::Completed).await;
    }
    assert!(pacer.readmit(&flow("a"), deadline()).is_ok());
}
