//! Everything that changes, behind the one lock of [`super::service`]: resources,
//! call rates, faults, counts.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{
    Settings,
    bucket::CallRates,
    faults::{Faults, Planned},
    operation::{Operation, PerOperation},
    operations::{Moment, Request},
    resources::Resources,
    wire::{ApiError, Result},
};

/// What came in for one operation.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Counts {
    /// All calls, the refused ones as well.
    pub(super) calls: u64,
    pub(super) throttled: u64,
    /// Those that took effect, whether or not the answer reached the client.
    pub(super) executed: u64,
}

/// What changes.
pub(super) struct World {
    pub(super) resources: Resources,
    pub(super) rates: CallRates,
    pub(super) faults: Faults,
    pub(super) calls: PerOperation<Counts>,
    pub(super) visibility_delay: Duration,
}

impl World {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            resources: Resources::new(settings.region.clone(), settings.account_id.clone()),
            rates: CallRates::new(settings.calls_per_second, Instant::now()),
            faults: Faults::new(settings.seed),
            calls: PerOperation::new(|_| Counts::default()),
            visibility_delay: settings.visibility_delay,
        }
    }

    /// Back to the start, but for the stages that the program made.
    pub(super) fn reset(&mut self, settings: &Settings) {
        self.resources.reset();
        self.rates = CallRates::new(settings.calls_per_second, Instant::now());
        self.faults = Faults::new(settings.seed);
        self.calls = PerOperation::new(|_| Counts::default());
        self.visibility_delay = settings.visibility_delay;
    }

    /// Counts a call and says what is to go wrong with it.
    ///
    /// # Errors
    /// The refusal of the signature, or `ThrottlingException`. Neither uses up a fault,
    /// and a bad signature uses up no token.
    pub(super) fn admit(
        &mut self,
        operation: Operation,
        signature: Result<()>,
    ) -> Result<Option<Planned>> {
        let counts = self.calls.of(operation);
        counts.calls += 1;
        signature?;
        if !self.rates.take(operation, Instant::now()) {
            counts.throttled += 1;
            return Err(ApiError::throttled());
        }
        Ok(self.faults.draw(operation))
    }

    /// # Errors
    /// What is wrong with the request, or what the operation declares.
    pub(super) fn execute(&mut self, operation: Operation, request: Result<Request>) -> Result {
        let moment = Moment { now: Instant::now(), visibility_delay: self.visibility_delay };
        let answer = request?.execute(&mut self.resources, moment)?;
        self.calls.of(operation).executed += 1;
        Ok(answer)
    }
}
