//! How long a call would wait for its turn.

use std::time::{Duration, Instant};

use super::{
    flow::{Flow, Tag},
    schedule::{Schedule, Terms, Who},
    shares::{CALLERS_WEIGHT, OWN_WEIGHT},
};

/// The most rounds of the search for the wait. It nearly always ends after three.
const MAX_ROUNDS: usize = 8;

/// One other tenant, seen from a call that is to be predicted.
struct Other {
    /// The calls that it may make before that call, by its share.
    share: f64,
    /// Those of it that wait.
    waiting: f64,
    /// How many more it is expected to make each second.
    per_second: f64,
}

impl<E> Schedule<E> {
    /// How long a call of `who` that came now would wait behind `ahead` others of its
    /// own, at the rate in force. What waits is known; those who come later and are served
    /// before it are expected to come as often as they did of late.
    #[must_use]
    pub fn predicted_wait(&self, who: &Who, terms: Terms, ahead: usize, now: Instant) -> Duration {
        let rate = self.budget().rate(now);
        let slot = self.budget().free_at().saturating_duration_since(now).as_secs_f64();
        let others = self.others(who, terms, ahead, now);
        let wait_for = |callers: f64| slot + self.with_own(callers) / rate;

        // All who are before it use their share: it is no longer than this. Whoever has
        // too few calls for that until then has too few until sooner.
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
        seconds(most).max(self.wait_for_answers(who, terms, ahead, now))
    }

    /// The tenants that may be served before it.
    fn others(&self, who: &Who, terms: Terms, ahead: usize, now: Instant) -> Vec<Other> {
        let head = |flow: &Flow<E>| -> Tag {
            flow.position.map_or_else(|| self.time.max(flow.finish), |(start, _)| start)
        };
        let start = self.flows.get(who).map_or(self.time, head).after(ahead, terms.weight);
        let others = self.flows.iter().filter(|(it, _)| **it != Who::Gateway && *it != who);
        others
            .map(|(_, flow)| Other {
                share: count(head(flow).calls_until(start, flow.terms.weight)),
                waiting: count(flow.waiting()),
                per_second: flow.demand.per_second(now),
            })
            .map(|other| Other { waiting: other.waiting.min(other.share), ..other })
            .filter(|other| other.share > 0.0 && other.waiting + other.per_second > 0.0)
            .collect()
    }

    /// So many calls of callers, and the gateway's own that go among them.
    fn with_own(&self, callers: f64) -> f64 {
        let share = callers * f64::from(OWN_WEIGHT) / f64::from(CALLERS_WEIGHT) + 1.0;
        callers + count(self.waiting(&Who::Gateway)).min(share)
    }

    /// A tenant with as many calls at AWS as it may have waits for their answers.
    fn wait_for_answers(&self, who: &Who, terms: Terms, ahead: usize, now: Instant) -> Duration {
        let in_flight = self.flows.get(who).map_or(0, |flow| flow.in_flight);
        let calls = (ahead + 1 + in_flight as usize).saturating_sub(terms.max_in_flight as usize);
        if calls == 0 {
            return Duration::ZERO;
        }
        let answer = self.latencies.median(now).as_secs_f64();
        seconds(answer * count(calls) / f64::from(terms.max_in_flight))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
const fn count(calls: usize) -> f64 {
    calls as f64
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}
