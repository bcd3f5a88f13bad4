//! Tenants, AWS and the network in virtual time, around the gateway's schedule.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use ivs_ingest_gateway::pacer::schedule::{
    Budget, Decision, Flow, FlowId, Outcome as CallOutcome, QueueEnd, Rejection, RejectionCause,
    Schedule, Terms,
};

/// AWS's limit: the calls per second, and also the burst.
pub(crate) const AWS_RATE: f64 = 5.0;

/// Deadline of every call.
const DEADLINE: Duration = Duration::from_secs(30);

/// Calls per second of all tenants together if all of them flood: ten times AWS's rate.
const FLOOD_PER_SECOND: u64 = 50;

/// The arrival pattern of a tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Demand {
    /// More calls than it can get, at all times.
    Flood,
    /// At even intervals.
    Even { per_second: f64 },
    /// At random, with this mean rate a second.
    Random { per_second: f64 },
    /// A flood in the first half of each period.
    Bursts { period: Duration },
}

#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) weight: u32,
    pub(crate) demand: Demand,
    /// The maximum number of waiting calls.
    pub(crate) max_queued: u32,
}

/// The input of a simulation.
#[derive(Debug, Clone)]
pub(crate) struct Scene {
    pub(crate) tenants: Vec<Tenant>,
    pub(crate) seconds: u64,
    /// Calls a second of other software in the account.
    pub(crate) used_elsewhere: f64,
    pub(crate) seed: u64,
}

/// One call that the schedule admitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) tenant: usize,
    pub(crate) arrived: Duration,
    pub(crate) predicted: Duration,
    /// The time of its last grant since the start. A throttled call gets another grant.
    pub(crate) granted: Duration,
}

impl Call {
    pub(crate) fn waited(&self) -> Duration {
        self.granted.saturating_sub(self.arrived)
    }
}

/// The result of a simulation.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Completed calls, in the order of their responses.
    pub(crate) calls: Vec<Call>,
    /// The times of grants, including those of throttled calls.
    pub(crate) grants: Vec<Duration>,
    /// Calls that AWS throttled.
    pub(crate) throttled: usize,
    /// Calls that AWS throttled and whose deadline did not allow a retry.
    pub(crate) failed: usize,
    /// Rejections of each tenant: because of a full queue, and because of the deadline.
    pub(crate) rejected: Vec<[usize; 2]>,
    /// The largest number of calls that waited at the same time.
    pub(crate) most_queued: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Arrival {
        tenant: usize,
    },
    /// A call that was granted at `sent_us` reaches AWS.
    AtAws {
        call: usize,
        sent_us: u64,
    },
    Response {
        call: usize,
        sent_us: u64,
        throttled: bool,
    },
    /// The next slot may be free.
    Slot,
}

struct Simulation {
    scene: Scene,
    names: Vec<FlowId>,
    start: Instant,
    now_us: u64,
    schedule: Schedule<usize>,
    agenda: BinaryHeap<Reverse<(u64, u64, Event)>>,
    sequence: u64,
    /// The time of the next planned [`Event::Slot`].
    slot_us: Option<u64>,
    draws: Draws,
    aws: Bucket,
    calls: Vec<Call>,
    outcome: Outcome,
}

pub(crate) fn simulate(scene: Scene) -> Outcome {
    Simulation::new(scene).run()
}

impl Simulation {
    fn new(scene: Scene) -> Self {
        let start = Instant::now();
        let outcome = Outcome { rejected: vec![[0; 2]; scene.tenants.len()], ..Outcome::default() };
        let name = |index| FlowId::Caller(format!("tenant-{index}").into());
        let mut new = Self {
            names: (0..scene.tenants.len()).map(name).collect(),
            start,
            now_us: 0,
            schedule: Schedule::new(Budget::new(AWS_RATE, start), start),
            agenda: BinaryHeap::new(),
            sequence: 0,
            slot_us: None,
            draws: Draws(scene.seed),
            aws: Bucket { tokens: AWS_RATE, at_us: 0, used_elsewhere: scene.used_elsewhere },
            calls: Vec::new(),
            outcome,
            scene,
        };
        for tenant in 0..new.scene.tenants.len() {
            // Each tenant starts at a different moment.
            let first = new.draws.below(1_000_000);
            new.plan(first, Event::Arrival { tenant });
        }
        new
    }

    fn run(mut self) -> Outcome {
        let end = self.scene.seconds * 1_000_000;
        while let Some(Reverse((at_us, _, event))) = self.agenda.pop() {
            if at_us > end {
                break;
            }
            self.now_us = at_us;
            match event {
                Event::Arrival { tenant } => self.arrive(tenant),
                Event::AtAws { call, sent_us } => self.reach_aws(call, sent_us),
                Event::Response { call, sent_us, throttled } => {
                    self.receive(call, sent_us, throttled);
                }
                Event::Slot => self.slot_us = None,
            }
            self.grant_permits();
        }
        self.outcome
    }

    fn arrive(&mut self, tenant: usize) {
        let Tenant { demand, .. } = self.scene.tenants[tenant];
        let next = self.draws.next_arrival(demand, self.names.len(), self.now_us);
        self.plan(next, Event::Arrival { tenant });
        let (flow, now) = (self.flow(tenant), self.now());
        let ahead = self.schedule.waiting(&flow.id);
        let predicted = self.schedule.predicted_wait(&flow, ahead, now);
        match self.schedule.admit(&flow, now + DEADLINE, now) {
            Ok(()) => {
                let arrived = Duration::from_micros(self.now_us);
                self.calls.push(Call { tenant, arrived, predicted, granted: Duration::ZERO });
                let call = self.calls.len() - 1;
                self.schedule.join(&flow.id, Some(now + DEADLINE), QueueEnd::Back, call, now);
            }
            Err(Rejection { cause, .. }) => {
                let cause = usize::from(cause == RejectionCause::DeadlineTooShort);
                self.outcome.rejected[tenant][cause] += 1;
            }
        }
        self.outcome.most_queued = self.outcome.most_queued.max(self.schedule.queued());
    }

    fn grant_permits(&mut self) {
        while let Some(next) = self.schedule.next(self.now()) {
            let Decision::Grant(call) = next else { continue };
            let granted = Duration::from_micros(self.now_us);
            self.calls[call].granted = granted;
            self.outcome.grants.push(granted);
            // The network delays calls at random.
            let at_aws = self.now_us + 1_000 + self.draws.below(20_000);
            self.plan(at_aws, Event::AtAws { call, sent_us: self.now_us });
        }
        if let Some(at) = self.schedule.wakes_at() {
            let at_us = u64::try_from((at - self.start).as_micros()).unwrap() + 1;
            if self.slot_us.is_none_or(|planned| at_us < planned) {
                self.slot_us = Some(at_us);
                self.plan(at_us, Event::Slot);
            }
        }
    }

    fn reach_aws(&mut self, call: usize, sent_us: u64) {
        let throttled = !self.aws.take(self.now_us);
        let took = if throttled { 5_000 } else { 30_000 + self.draws.below(120_000) };
        self.plan(self.now_us + took, Event::Response { call, sent_us, throttled });
    }

    fn receive(&mut self, call: usize, sent_us: u64, throttled: bool) {
        let tenant = self.calls[call].tenant;
        let (flow, now) = (self.flow(tenant), self.now());
        let sent_at = self.start + Duration::from_micros(sent_us);
        if !throttled {
            self.schedule.ended(&flow.id, sent_at, CallOutcome::Completed, now);
            self.outcome.calls.push(self.calls[call]);
            return;
        }
        self.outcome.throttled += 1;
        self.schedule.ended(&flow.id, sent_at, CallOutcome::Throttled(None), now);
        let deadline = self.start + self.calls[call].arrived + DEADLINE;
        match self.schedule.readmit(&flow, deadline, now) {
            Ok(()) => {
                self.schedule.join(&flow.id, Some(deadline), QueueEnd::Front, call, now);
            }
            Err(_) => self.outcome.failed += 1,
        }
    }

    fn plan(&mut self, at_us: u64, event: Event) {
        self.sequence += 1;
        self.agenda.push(Reverse((at_us, self.sequence, event)));
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_micros(self.now_us)
    }

    fn flow(&self, tenant: usize) -> Flow {
        let Tenant { weight, max_queued, .. } = self.scene.tenants[tenant];
        let terms = Terms { weight, max_queued, max_in_flight: 2 };
        Flow { id: self.names[tenant].clone(), terms }
    }
}

/// AWS's token bucket, which other software may use too.
struct Bucket {
    tokens: f64,
    at_us: u64,
    used_elsewhere: f64,
}

impl Bucket {
    fn take(&mut self, now_us: u64) -> bool {
        let seconds = Duration::from_micros(now_us - self.at_us).as_secs_f64();
        self.at_us = now_us;
        self.tokens = (self.tokens + seconds * (AWS_RATE - self.used_elsewhere)).min(AWS_RATE);
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

/// Pseudo-random draws that a seed reproduces (`SplitMix64`).
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A number above 0, at most 1.
    fn fraction(&mut self) -> f64 {
        let high_bits = u32::try_from(self.next() >> 32).unwrap();
        (f64::from(high_bits) + 1.0) / (f64::from(u32::MAX) + 1.0)
    }

    fn next_arrival(&mut self, demand: Demand, tenants: usize, now_us: u64) -> u64 {
        let flood = u64::try_from(tenants).unwrap() * 1_000_000 / FLOOD_PER_SECOND;
        let after = |seconds: f64| {
            now_us + u64::try_from(Duration::from_secs_f64(seconds).as_micros()).unwrap()
        };
        match demand {
            Demand::Flood => now_us + flood,
            Demand::Even { per_second } => after(1.0 / per_second),
            Demand::Random { per_second } => after(-self.fraction().ln() / per_second),
            Demand::Bursts { period } => {
                let period = u64::try_from(period.as_micros()).unwrap();
                let next = now_us + flood;
                if next % period < period / 2 { next } else { (next / period + 1) * period }
            }
        }
    }
}

/// The largest number of grants in any second.
pub(crate) fn most_in_a_second(grants: &[Duration]) -> usize {
    let mut window = VecDeque::new();
    let mut most = 0;
    for at in grants {
        window.push_back(*at);
        while at.saturating_sub(window[0]) >= Duration::from_secs(1) {
            window.pop_front();
        }
        most = most.max(window.len());
    }
    most
}
