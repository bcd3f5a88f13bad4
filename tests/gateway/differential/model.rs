//! The model of the gateway: the tenants' configurations as plain data, and one method per
//! operation. It has no I/O, no AWS, no ledger and no faults.

use ivs_ingest_gateway::proto::v1::{
    CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest,
    GetIngestConfigurationRequest, IngestConfigurationState, IngestConfigurationView,
    IngestProtocol, ListIngestConfigurationsRequest, UpdateIngestConfigurationRequest,
};

use super::calls::{Outcome, Request, Shown};

/// The quota of a tenant. It is small, so that sequences reach it often.
pub(super) const QUOTA: usize = 3;

/// The page size of a list request without one.
const DEFAULT_PAGE_SIZE: usize = 50;

pub(super) struct Model {
    pub(super) tenants: Vec<Tenant>,
}

pub(super) struct Tenant {
    pub(super) id: String,
    pub(super) stages: [String; 2],
    /// All configurations that were ever created, oldest first.
    pub(super) configurations: Vec<Configuration>,
}

pub(super) struct Configuration {
    pub(super) asked: CreateIngestConfigurationRequest,
    /// The configuration at AWS.
    pub(super) shown: Shown,
    /// The state that the gateway last observed. A basic view returns it.
    observed: IngestConfigurationState,
    pub(super) gone: bool,
}

impl Configuration {
    /// Returns the configuration as the gateway knows it without a call to AWS.
    fn basic(&self) -> Shown {
        Shown { state: self.observed, keys: 0, ..self.shown.clone() }
    }

    fn observe(&mut self) -> Outcome {
        self.observed = self.shown.state;
        Outcome::One(self.shown.clone())
    }

    fn is_active(&self) -> bool {
        self.shown.state == IngestConfigurationState::Active
    }
}

impl Tenant {
    pub(super) fn live(&self) -> impl Iterator<Item = &Configuration> {
        self.configurations.iter().filter(|one| !one.gone)
    }

    /// Returns a configuration of this tenant.
    fn find(&mut self, arn: &str) -> Option<&mut Configuration> {
        self.configurations.iter_mut().find(|one| one.shown.arn == arn)
    }

    fn may_use(&self, stage_arn: &str) -> bool {
        stage_arn.is_empty() || self.stages.iter().any(|stage| stage == stage_arn)
    }

    fn create(&mut self, request: &CreateIngestConfigurationRequest) -> Outcome {
        if !self.may_use(&request.stage_arn) {
            return rejected("STAGE_FORBIDDEN");
        }
        let is_full = self.live().count() >= QUOTA;
        if request.validate_only {
            let shown = Shown { keys: 0, ..requested(request) };
            return if is_full {
                over_quota()
            } else {
                Outcome::Created { shown, replayed: false }
            };
        }
        let mut earlier = self.configurations.iter();
        let same_id = |one: &&Configuration| one.asked.request_id == request.request_id;
        if let Some(earlier) = earlier.find(same_id).filter(|_| !request.request_id.is_empty()) {
            return if earlier.asked != *request {
                rejected("REQUEST_ID_REUSED")
            } else if earlier.gone {
                rejected("NOT_FOUND")
            } else {
                Outcome::Created { shown: earlier.shown.clone(), replayed: true }
            };
        }
        if is_full {
            return over_quota();
        }
        let shown = requested(request);
        self.configurations.push(Configuration {
            asked: request.clone(),
            observed: shown.state,
            shown: shown.clone(),
            gone: false,
        });
        Outcome::Created { shown, replayed: false }
    }

    fn get(&mut self, request: &GetIngestConfigurationRequest) -> Outcome {
        match self.find(&request.arn).filter(|one| !one.gone) {
            None => rejected("NOT_FOUND"),
            Some(found) if request.view() == IngestConfigurationView::Basic => {
                Outcome::One(found.basic())
            }
            Some(found) => found.observe(),
        }
    }

    pub(super) fn list(&self, request: &ListIngestConfigurationsRequest) -> Outcome {
        let ListIngestConfigurationsRequest { stage_arn, page_size, .. } = request;
        let state = request.state();
        let fits = |one: &Shown| {
            (stage_arn.is_empty() || one.stage_arn == *stage_arn)
                && (state == IngestConfigurationState::Unspecified || one.state == state)
        };
        let mut listed: Vec<Shown> = self.live().map(Configuration::basic).filter(fits).collect();
        listed.reverse();
        let page_size = match usize::try_from(*page_size).unwrap() {
            0 => DEFAULT_PAGE_SIZE,
            named => named,
        };
        let pages: Vec<_> = listed.chunks(page_size).map(<[_]>::to_vec).collect();
        Outcome::Pages(if pages.is_empty() { vec![Vec::new()] } else { pages })
    }

    fn update(&mut self, request: &UpdateIngestConfigurationRequest) -> Outcome {
        let Some(mask) = request.update_mask.as_ref().filter(|mask| !mask.paths.is_empty()) else {
            return rejected("INVALID_FIELDS");
        };
        let is_named = |field: &str| mask.paths.iter().any(|path| path == field);
        let is_mine = !is_named("stage_arn") || self.may_use(&request.stage_arn);
        let Some(found) = self.find(&request.arn).filter(|one| !one.gone) else {
            return rejected("NOT_FOUND");
        };
        if !is_mine {
            return rejected("STAGE_FORBIDDEN");
        }
        if found.is_active() {
            return rejected("AWS_CONFLICT");
        }
        found.shown = changed(&found.shown, request);
        found.observe()
    }

    fn delete(&mut self, request: &DeleteIngestConfigurationRequest) -> Outcome {
        match self.find(&request.arn) {
            None => rejected("NOT_FOUND"),
            Some(found) if !found.gone && found.is_active() && !request.force => {
                rejected("AWS_CONFLICT")
            }
            // A repeated delete succeeds.
            Some(found) => {
                found.gone = true;
                Outcome::Deleted
            }
        }
    }
}

impl Model {
    pub(super) fn outcome(&mut self, tenant: usize, request: &Request) -> Outcome {
        let tenant = &mut self.tenants[tenant];
        match request {
            Request::Create(create) => tenant.create(create),
            Request::Get(get) => tenant.get(get),
            Request::List(list) => tenant.list(list),
            Request::Update(update) => tenant.update(update),
            Request::Delete(delete) => tenant.delete(delete),
        }
    }

    /// Adds the values that only AWS assigns to the tenant's last configuration. Returns
    /// false if they belong to another configuration.
    #[must_use]
    pub(super) fn complete_last(&mut self, tenant: usize, made: &Shown) -> bool {
        let mut all = self.tenants.iter().flat_map(|tenant| &tenant.configurations);
        let differs = |one: &Shown| {
            one.arn != made.arn && one.participant_id != made.participant_id && !made.arn.is_empty()
        };
        let is_new = all.all(|one| differs(&one.shown));
        let new = self.tenants[tenant].configurations.last_mut().unwrap();
        new.shown.arn.clone_from(&made.arn);
        new.shown.participant_id.clone_from(&made.participant_id);
        new.shown.create_time = made.create_time;
        is_new
    }

    /// Returns the outcome of an update of an active configuration whose rejection by AWS was
    /// lost. The gateway reads the configuration, so an update that changes nothing succeeds.
    /// Returns `None` if the update would have changed something.
    pub(super) fn looked_up(&mut self, tenant: usize, request: &Request) -> Option<Outcome> {
        let Request::Update(update) = request else { return None };
        let found = self.tenants[tenant].find(&update.arn)?;
        (changed(&found.shown, update) == found.shown).then(|| found.observe())
    }

    /// Sets the state: an encoder starts or stops publishing.
    pub(super) fn encoder(&mut self, arn: &str, state: IngestConfigurationState) {
        let found = self.tenants.iter_mut().find_map(|tenant| tenant.find(arn));
        found.unwrap().shown.state = state;
    }
}

fn rejected(reason: &str) -> Outcome {
    Outcome::Rejected(reason.to_owned())
}

fn over_quota() -> Outcome {
    rejected("TENANT_COUNT_QUOTA")
}

/// Returns the requested configuration without the values that only AWS assigns.
fn requested(request: &CreateIngestConfigurationRequest) -> Shown {
    Shown {
        arn: String::new(),
        name: request.name.clone(),
        protocol: request.ingest_protocol(),
        stage_arn: request.stage_arn.clone(),
        ingest_endpoint: endpoint(&request.stage_arn, request.ingest_protocol()),
        participant_id: String::new(),
        state: IngestConfigurationState::Inactive,
        user_id: request.user_id.clone(),
        redundant_ingest: request.redundant_ingest,
        attributes: request.attributes.clone(),
        tags: request.tags.clone(),
        create_time: None,
        keys: keys(request.redundant_ingest),
    }
}

/// Returns the configuration after the update, which changes only the fields in the mask.
fn changed(before: &Shown, request: &UpdateIngestConfigurationRequest) -> Shown {
    let mut after = before.clone();
    for path in &request.update_mask.as_ref().unwrap().paths {
        match path.as_str() {
            "stage_arn" => after.stage_arn.clone_from(&request.stage_arn),
            _ => after.redundant_ingest = request.redundant_ingest,
        }
    }
    after.ingest_endpoint = endpoint(&after.stage_arn, after.protocol);
    after.keys = keys(after.redundant_ingest);
    after
}

/// Returns the number of stream keys: one, and two more with redundant ingest.
fn keys(redundant_ingest: bool) -> usize {
    if redundant_ingest { 3 } else { 1 }
}

/// Returns the ingest endpoint as the emulator makes it.
fn endpoint(stage_arn: &str, protocol: IngestProtocol) -> String {
    let Some((_, id)) = stage_arn.rsplit_once('/') else { return String::new() };
    let host = format!("{}.global-contribute.live-video.net", id.to_ascii_lowercase());
    if protocol == IngestProtocol::Rtmp {
        format!("rtmp://{host}:1935/app/")
    } else {
        format!("rtmps://{host}:443/app/")
    }
}
