//! The predicted wait of a call.

use std::time::{Duration, Instant};

use super::{
    Flow, FlowId, Schedule,
    flow::{FlowState, VirtualTime},
    shares::{CALLERS_WEIGHT, INTERNAL_WEIGHT},
};

/// Maximum number of rounds of the search for the wait. Most searches end after three.
const MAX_ROUNDS: usize = 8;

/// Another flow, from the view of the call whose wait is predicted.
struct Other {
    /// The number of its calls that its share allows before that call.
    share: f64,
    /// The number of its calls that wait.
    waiting: f64,
    /// Its expected arrivals a second.
    per_second: f64,
}

impl<E> Schedule<E> {
    /// Returns the predicted wait of a call of the flow that arrives now behind `ahead` calls of
    /// the same flow, at the rate in force. Calls that wait are known. Calls that arrive later
    /// and are granted earlier are expected at the recent rate of their flow.
    #[must_use]
    pub fn predicted_wait(&self, flow: &Flow, ahead: usize, now: Instant) -> Duration {
        let rate = self.budget().rate(now);
        let slot = self.budget().free_at().saturating_duration_since(now).as_secs_f64();
        let others = self.others(flow, ahead, now);
        let wait_for = |callers: f64| slot + self.with_internal(callers) / rate;

        // An upper bound: every flow before it uses its whole share. A flow with too few
        // calls for its share within a bound has too few within any shorter one.
        let mut most = wait_for(count(ahead) + others.iter().map(|it| it.share).sum::<f64>());
        for _ in 0..MAX_ROUNDS {
            let (mut calls, mut growth) = (count(ahead), 0.0);
            for other in &others {
                if other.waiting + other.per_second * most < other.share {
                    calls += other.waiting;
                    growth += other.per_second;
                } else {
                    calls += other.share;
                }
            }
            // wait = wait_for(calls + growth * wait)
            let wait = wait_for(calls) / (1.0 - growth / rate).max(f64::EPSILON);
            if wait >= most {
                break;
            }
            most = wait;
        }
        seconds(most).max(self.wait_for_in_flight(flow, ahead, now))
    }

    /// Returns the flows that may be granted a call before this one.
    fn others(&self, flow: &Flow, ahead: usize, now: Instant) -> Vec<Other> {
        let head = |state: &FlowState<E>| -> VirtualTime {
            state.position.map_or_else(|| self.virtual_time.max(state.finish), |(start, _)| start)
        };
        let own = self.flows.get(&flow.id).map_or(self.virtual_time, head);
        let start = own.after(ahead, flow.terms.weight);
        let others =
            self.flows.iter().filter(|(id, _)| **id != FlowId::Internal && **id != flow.id);
        others
            .map(|(_, state)| Other {
                share: count(head(state).calls_until(start, state.terms.weight)),
                waiting: count(state.waiting()),
                per_second: state.demand.per_second(now),
            })
            .filter(|other| other.share > 0.0 && other.waiting + other.per_second > 0.0)
            .collect()
    }

    /// Returns the number of callers' calls plus that of the internal calls granted among them.
    fn with_internal(&self, callers: f64) -> f64 {
        let share = callers * f64::from(INTERNAL_WEIGHT) / f64::from(CALLERS_WEIGHT) + 1.0;
        callers + count(self.waiting(&FlowId::Internal)).min(share)
    }

    /// Returns the wait for the flow's own responses, if it has reached its in-flight bound.
    fn wait_for_in_flight(&self, flow: &Flow, ahead: usize, now: Instant) -> Duration {
        let max_in_flight = flow.terms.max_in_flight;
        let in_flight = self.flows.get(&flow.id).map_or(0, |state| state.in_flight);
        let calls = (ahead + 1 + in_flight as usize).saturating_sub(max_in_flight as usize);
        if calls == 0 {
            return Duration::ZERO;
        }
        let latency = self.latencies.median(now).as_secs_f64();
        seconds(latency * count(calls) / f64::from(max_in_flight))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
const fn count(calls: usize) -> f64 {
    calls as f64
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
