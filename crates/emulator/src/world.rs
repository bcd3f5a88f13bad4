//! The mutable state of an emulator, which the lock of `service` guards: resources, call
//! rates, faults and counts.

use tokio::time::Instant;

use crate::{
    bucket::CallRates,
    clock::Clock,
    faults::{Faults, PlannedFault},
    operation::{Operation, PerOperation},
    operations::{Consistency, Moment, Request},
    resources::Resources,
    settings::Settings,
    shapes::Calls,
    wire::{ApiError, Result},
};

/// The mutable state of an emulator.
pub(crate) struct World {
    pub(crate) resources: Resources,
    pub(crate) rates: CallRates,
    pub(crate) faults: Faults,
    pub(crate) calls: PerOperation<Calls>,
    pub(crate) consistency: Consistency,
    clock: Clock,
}

impl World {
    pub(crate) fn new(settings: &Settings) -> Self {
        let Settings { region, account_id, ids, clock, .. } = settings.clone();
        Self {
            resources: Resources::new(region, account_id, ids),
            rates: CallRates::new(settings.calls_per_second, Instant::now()),
            faults: Faults::new(settings.seed),
            calls: PerOperation::new(|_| Calls::default()),
            consistency: settings.into(),
            clock,
        }
    }

    /// Restores the initial state, but keeps built-in stages.
    pub(crate) fn reset(&mut self, settings: &Settings) {
        self.resources.reset();
        self.rates = CallRates::new(settings.calls_per_second, Instant::now());
        self.faults = Faults::new(settings.seed);
        self.calls = PerOperation::new(|_| Calls::default());
        self.consistency = settings.into();
    }

    /// Counts a call and returns the fault to inject into it, if any.
    ///
    /// # Errors
    /// The error of the signature, or `ThrottlingException`. In both cases no fault is
    /// injected. A call with an invalid signature takes no token.
    pub(crate) fn admit(
        &mut self,
        operation: Operation,
        signature: Result<()>,
        names: impl Fn(&str) -> bool,
    ) -> Result<Option<PlannedFault>> {
        let counts = self.calls.of(operation);
        counts.calls += 1;
        signature?;
        if !self.rates.take(operation, Instant::now()) {
            counts.throttled += 1;
            return Err(ApiError::throttled());
        }
        Ok(self.faults.draw(operation, names))
    }

    /// Executes a request and returns the body of the response.
    ///
    /// # Errors
    /// The error of the parser, or an error that the operation declares.
    pub(crate) fn execute(&mut self, operation: Operation, request: Result<Request>) -> Result {
        let moment = Moment {
            now: Instant::now(),
            wall_time: self.clock.now(),
            consistency: self.consistency,
        };
        let body = request?.execute(&mut self.resources, moment)?;
        self.calls.of(operation).executed += 1;
        Ok(body)
    }
}
