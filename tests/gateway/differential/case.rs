//! One sequence of steps. The gateway and the model carry out each step, and then their
//! states are compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use ivs_ingest_gateway::proto::v1::{DeleteIngestConfigurationRequest, IngestConfigurationState};
use ivs_realtime_emulator::PublishState;

use super::{
    agreement::{Agreement, at_aws, same},
    calls::{Outcome, Request, Success},
    faults::Fault,
    model::{Model, Tenant},
    requests::pick,
    steps::{Action, Step, TENANTS},
};
use crate::support::{Caller, Gateway, TIMEOUT, World};

/// The number of occurrences of each outcome of each method.
pub(super) type Tally = BTreeMap<String, usize>;

pub(super) struct Case<'a> {
    pub(super) world: &'a World,
    pub(super) callers: Vec<Caller>,
    pub(super) model: Model,
    /// The ARNs of configurations that other cases left at AWS.
    pub(super) others: BTreeSet<String>,
    /// The steps so far, one line each.
    history: Vec<String>,
    tally: &'a mut Tally,
}

impl<'a> Case<'a> {
    /// Begins a case with three new tenants, each with two stages.
    pub(super) async fn begin(
        world: &'a World,
        gateway: &Gateway,
        number: usize,
        tally: &'a mut Tally,
    ) -> Self {
        // A case that failed may have left faults.
        world.emulator.release();
        let mut tenants = Vec::new();
        for index in 0..TENANTS {
            let id = format!("case{number}.{}", ["a", "b", "c"][index]);
            let stages =
                [world.emulator.create_stage(&id).await, world.emulator.create_stage(&id).await];
            tenants.push(Tenant { id, stages, configurations: Vec::new() });
        }
        Self {
            callers: tenants.iter().map(|tenant| gateway.caller(&tenant.id)).collect(),
            model: Model { tenants },
            others: at_aws(world).into_keys().collect(),
            history: Vec::new(),
            tally,
            world,
        }
    }

    /// # Errors
    /// The first difference, after the steps that led to it.
    pub(super) async fn run(mut self, steps: &[Step]) -> Agreement {
        let agreement = self.take(steps).await;
        agreement.map_err(|difference| {
            let history = self.history.join("\n");
            format!("{difference}\n\nthe last line is the failing step:\n{history}")
        })
    }

    async fn take(&mut self, steps: &[Step]) -> Agreement {
        for step in steps {
            self.step(step).await?;
            self.compare_all().await?;
        }
        // Deletes every configuration, so that the whole quota is returned.
        for tenant in 0..TENANTS {
            let live = self.model.tenants[tenant].live();
            let arns: Vec<String> = live.map(|one| one.shown.arn.clone()).collect();
            for arn in arns {
                let delete = DeleteIngestConfigurationRequest { arn, force: true };
                self.call(tenant, &Request::Delete(delete), &[]).await?;
            }
        }
        self.compare_all().await
    }

    async fn step(&mut self, step: &Step) -> Agreement {
        if let Some(request) = step.request(&self.model) {
            return self.call(step.tenant, &request, &step.faults).await;
        }
        let Action::Encoder { nth, state } = step.action else { return Ok(()) };
        let live = self.model.tenants[step.tenant].live();
        if let Some(arn) = pick(live, nth).map(|one| one.shown.arn.clone()) {
            self.history.push(format!("an encoder makes {arn} {state:?}"));
            let is_active = state == IngestConfigurationState::Active;
            let there = if is_active { PublishState::Active } else { PublishState::Inactive };
            self.world.emulator.control().set_state(&arn, there).unwrap();
            self.model.encoder(&arn, state);
        }
        Ok(())
    }

    /// Makes one call, and repeats it while faults leave its outcome open.
    async fn call(&mut self, tenant: usize, request: &Request, faults: &[Fault]) -> Agreement {
        let id = &self.model.tenants[tenant].id;
        self.history.push(format!("{id}: {request:?} {faults:?}"));
        for fault in faults {
            self.world.emulator.fault(&fault.for_request(request));
        }
        let (Success { outcome: found, keys }, existed) =
            self.call_until_final(tenant, request, faults).await?;
        if !faults.is_empty() {
            self.world.emulator.release();
        }
        for key in &keys {
            self.world.secrets().add_key(key);
        }
        self.count(request, found.kind());
        let expected = self.expected(tenant, request, existed, !faults.is_empty(), &found)?;
        same("the outcome", &expected, &found)?;
        self.compare_keys(&found, &keys)
    }

    /// Returns the final outcome, and whether an earlier attempt had already created the
    /// configuration.
    async fn call_until_final(
        &mut self,
        tenant: usize,
        request: &Request,
        faults: &[Fault],
    ) -> Result<(Success, bool), String> {
        let may_be_repeated: BTreeSet<_> =
            faults.iter().flat_map(|fault| fault.rejections(request)).copied().collect();
        let mut request = request.clone();
        let live = self.model.tenants.iter().map(|tenant| tenant.live().count());
        let before = self.others.len() + live.sum::<usize>();
        let mut existed = false;
        let started = Instant::now();
        loop {
            match self.callers[tenant].send_once(&request).await {
                Ok(success) => return Ok((success, existed)),
                Err(rejection) if may_be_repeated.contains(rejection.reason()) => {
                    if started.elapsed() > TIMEOUT {
                        return Err(format!("no final outcome within {TIMEOUT:?}: {rejection:?}"));
                    }
                    self.history.push(format!("  {}", rejection.reason()));
                    self.count(&request, rejection.reason());
                    request.repeat_after(&rejection);
                    existed = at_aws(self.world).len() > before;
                }
                Err(rejection) => {
                    let outcome = Outcome::Rejected(rejection.reason().to_owned());
                    return Ok((Success { outcome, keys: Vec::new() }, existed));
                }
            }
        }
    }

    fn count(&mut self, request: &Request, outcome: &str) {
        *self.tally.entry(format!("{} {outcome}", request.method())).or_default() += 1;
    }

    /// Returns the model's outcome, completed with values that only the gateway's outcome has:
    /// the ARN of a new configuration, and the result of a call with faults.
    fn expected(
        &mut self,
        tenant: usize,
        request: &Request,
        existed: bool,
        is_faulty: bool,
        found: &Outcome,
    ) -> Result<Outcome, String> {
        let mut expected = self.model.outcome(tenant, request);
        match (&mut expected, found, request) {
            (
                Outcome::Created { shown, replayed: replayed @ false },
                Outcome::Created { shown: made, .. },
                Request::Create(create),
            ) if !create.validate_only => {
                if !self.model.complete_last(tenant, made) {
                    return Err(format!("the created configuration is not new: {made:?}"));
                }
                shown.arn.clone_from(&made.arn);
                shown.participant_id.clone_from(&made.participant_id);
                shown.create_time = made.create_time;
                *replayed = existed;
            }
            (Outcome::Rejected(reason), Outcome::One(_), _)
                if is_faulty && reason == "AWS_CONFLICT" =>
            {
                return Ok(self.model.looked_up(tenant, request).unwrap_or(expected));
            }
            _ => {}
        }
        Ok(expected)
    }

    /// Checks that the stream keys of a response are those at AWS.
    fn compare_keys(&self, outcome: &Outcome, keys: &[String]) -> Agreement {
        let (Outcome::Created { shown, .. } | Outcome::One(shown)) = outcome else { return Ok(()) };
        if keys.is_empty() {
            return Ok(());
        }
        let rows = at_aws(self.world);
        let there = rows.get(&shown.arn).map(|row| row.stream_keys.as_slice());
        // The message must not contain a key.
        if there == Some(keys) { Ok(()) } else { Err("the keys are not those of AWS".into()) }
    }
}
