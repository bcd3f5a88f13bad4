//! One sequence of steps: each is taken by the gateway and by the model, and then all that
//! both know is compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use ivs_ingest_gateway::proto::v1::{DeleteIngestConfigurationRequest, IngestConfigurationState};
use ivs_realtime_emulator::PublishState;

use super::{
    agreement::{Agreement, at_aws, same},
    calls::{Answer, Answered, Request},
    faults::Fault,
    model::{Model, Tenant},
    requests::pick,
    steps::{Action, Step, TENANTS},
};
use crate::support::{Caller, Gateway, TIMEOUT, World};

/// How often each method was answered in each way.
pub(super) type Tally = BTreeMap<String, usize>;

pub(super) struct Case<'a> {
    pub(super) world: &'a World,
    pub(super) callers: Vec<Caller>,
    pub(super) model: Model,
    /// Configurations at AWS from other cases.
    pub(super) others: BTreeSet<String>,
    /// The steps so far, one line each.
    story: Vec<String>,
    tally: &'a mut Tally,
}

impl<'a> Case<'a> {
    /// Three new tenants with two stages each.
    pub(super) async fn begin(
        world: &'a World,
        gateway: &Gateway,
        number: usize,
        tally: &'a mut Tally,
    ) -> Self {
        // One that failed may have left some.
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
            story: Vec::new(),
            tally,
            world,
        }
    }

    /// # Errors
    /// The first difference, after the steps that led to it.
    pub(super) async fn run(mut self, steps: &[Step]) -> Agreement {
        let agreement = self.take(steps).await;
        agreement.map_err(|difference| {
            let story = self.story.join("\n");
            format!("{difference}\n\nthe last line is the step that shows it:\n{story}")
        })
    }

    async fn take(&mut self, steps: &[Step]) -> Agreement {
        for step in steps {
            self.step(step).await?;
            self.compare_all().await?;
        }
        // All of it can be given back.
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
            self.story.push(format!("an encoder makes {arn} {state:?}"));
            let is_active = state == IngestConfigurationState::Active;
            let there = if is_active { PublishState::Active } else { PublishState::Inactive };
            self.world.emulator.control().set_state(&arn, there).unwrap();
            self.model.encoder(&arn, state);
        }
        Ok(())
    }

    /// One call, repeated while faults leave its outcome unknown.
    async fn call(&mut self, tenant: usize, request: &Request, faults: &[Fault]) -> Agreement {
        let id = &self.model.tenants[tenant].id;
        self.story.push(format!("{id}: {request:?} {faults:?}"));
        for fault in faults {
            self.world.emulator.fault(&fault.order(request));
        }
        let (Answered { answer: found, keys }, existed) =
            self.ask_until_final(tenant, request, faults).await?;
        if !faults.is_empty() {
            self.world.emulator.release();
        }
        for key in &keys {
            self.world.secrets().learn(key);
        }
        self.count(request, found.kind());
        let expected = self.expected(tenant, request, existed, !faults.is_empty(), &found)?;
        same("the answer", &expected, &found)?;
        self.compare_keys(&found, &keys)
    }

    /// The last response, and whether the call that got it found a creation of an earlier one.
    async fn ask_until_final(
        &mut self,
        tenant: usize,
        request: &Request,
        faults: &[Fault],
    ) -> Result<(Answered, bool), String> {
        let may_be_repeated: BTreeSet<_> =
            faults.iter().flat_map(|fault| fault.refusals(request)).copied().collect();
        let mut request = request.clone();
        let live = self.model.tenants.iter().map(|tenant| tenant.live().count());
        let before = self.others.len() + live.sum::<usize>();
        let mut existed = false;
        let started = Instant::now();
        loop {
            match self.callers[tenant].ask(&request).await {
                Ok(answered) => return Ok((answered, existed)),
                Err(refusal) if may_be_repeated.contains(refusal.reason()) => {
                    if started.elapsed() > TIMEOUT {
                        return Err(format!("it does not end: {refusal:?}"));
                    }
                    self.story.push(format!("  {}", refusal.reason()));
                    self.count(&request, refusal.reason());
                    request.repeat_after(&refusal);
                    existed = at_aws(self.world).len() > before;
                }
                Err(refusal) => {
                    let answer = Answer::Refused(refusal.reason().to_owned());
                    return Ok((Answered { answer, keys: Vec::new() }, existed));
                }
            }
        }
    }

    fn count(&mut self, request: &Request, outcome: &str) {
        *self.tally.entry(format!("{} {outcome}", request.method())).or_default() += 1;
    }

    /// The model's response, with what only the gateway's can tell: the ARN of a new
    /// configuration, and what became of a call that met faults.
    fn expected(
        &mut self,
        tenant: usize,
        request: &Request,
        existed: bool,
        is_faulty: bool,
        found: &Answer,
    ) -> Result<Answer, String> {
        let mut expected = self.model.answer(tenant, request);
        match (&mut expected, found, request) {
            (
                Answer::Created { shown, replayed: replayed @ false },
                Answer::Created { shown: made, .. },
                Request::Create(create),
            ) if !create.validate_only => {
                if !self.model.learn(tenant, made) {
                    return Err(format!("what was created is another: {made:?}"));
                }
                shown.arn.clone_from(&made.arn);
                shown.participant_id.clone_from(&made.participant_id);
                shown.create_time = made.create_time;
                *replayed = existed;
            }
            (Answer::Refused(reason), Answer::One(_), _)
                if is_faulty && reason == "AWS_CONFLICT" =>
            {
                return Ok(self.model.looked_up(tenant, request).unwrap_or(expected));
            }
            _ => {}
        }
        Ok(expected)
    }

    /// Asserts that the keys in a response are those that AWS has now.
    fn compare_keys(&self, answer: &Answer, keys: &[String]) -> Agreement {
        let (Answer::Created { shown, .. } | Answer::One(shown)) = answer else { return Ok(()) };
        if keys.is_empty() {
            return Ok(());
        }
        let rows = at_aws(self.world);
        let there = rows.get(&shown.arn).map(|row| row.stream_keys.as_slice());
        // A key is not to stand in a message.
        if there == Some(keys) { Ok(()) } else { Err("the keys are not those of AWS".into()) }
    }
}
