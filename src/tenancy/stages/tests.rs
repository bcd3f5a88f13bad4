use std::sync::atomic::{AtomicU32, Ordering};

use prometheus_client::registry::Registry;

use super::*;
use crate::{
    clock::Clock,
    tenancy::{LimitCounts, TenancySettings, TenantSettings},
};

const HOUR: Duration = Duration::from_hours(1);

fn arn() -> StageArn {
    StageArn::parse("arn:aws:ivs:us-east-1:123456789012:stage/a").unwrap()
}

fn ownership() -> (StageOwnership<&'static str>, Arc<Tenants>) {
    let settings = TenancySettings {
        default: Some(Arc::new(TenantSettings::default())),
        ..TenancySettings::default()
    };
    let counts = LimitCounts::register(&mut Registry::default());
    let tenants = Arc::new(Tenants::new(settings, counts, Clock::system()));
    let account = Some("123456789012".to_owned());
    (
        StageOwnership::new(
            Arc::clone(&tenants),
            "us-east-1".to_owned(),
            account,
            HOUR,
            Clock::system(),
        ),
        tenants,
    )
}

fn tenant(tenants: &Tenants, id: &str) -> Arc<Tenant> {
    tenants.get(&TenantId::parse(id).unwrap()).unwrap()
}

fn stage_of(owner: &str) -> Stage {
    Stage {
        tags: HashMap::from([("tenant".to_owned(), owner.to_owned())]),
        rtmp_endpoint: None,
        rtmps_endpoint: Some("rtmps://x".to_owned()),
    }
}

/// A stub of the lookup that counts its calls.
#[derive(Default)]
struct Lookups(AtomicU32);

impl Lookups {
    async fn find(
        &self,
        found: Result<Option<Stage>, &'static str>,
    ) -> Result<Option<Stage>, &'static str> {
        self.0.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        found
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[tokio::test]
async fn concurrent_callers_share_a_lookup_and_other_tenants_have_their_own() {
    let (stages, tenants) = ownership();
    let (acme, globex) = (tenant(&tenants, "acme"), tenant(&tenants, "globex"));
    let lookups = &Lookups::default();
    let arn = arn();
    let look =
        |tenant| stages.owned_by(tenant, &arn, move || lookups.find(Ok(Some(stage_of("acme")))));
    let (first, second) = tokio::join!(look(&acme), look(&acme));
    assert_eq!((first.unwrap(), lookups.count()), (second.unwrap(), 1));
    assert_eq!(look(&globex).await, Err(OwnershipError::Forbidden));
    assert_eq!(lookups.count(), 2);
    assert_eq!(look(&globex).await, Err(OwnershipError::Forbidden));
    assert_eq!(lookups.count(), 2);
    let known = stages.known(arn.as_str()).unwrap();
    assert_eq!(known.ingest_endpoint(IngestProtocol::Rtmps), Some("rtmps://x"));
    assert_eq!(known.ingest_endpoint(IngestProtocol::Rtmp), None);
}

#[tokio::test]
async fn an_absent_stage_is_cached_and_a_failed_lookup_is_not() {
    let (stages, tenants) = ownership();
    let acme = tenant(&tenants, "acme");
    let lookups = &Lookups::default();
    let arn = arn();
    let look = |found| stages.owned_by(&acme, &arn, move || lookups.find(found));
    assert_eq!(look(Err("down")).await, Err(OwnershipError::Lookup("down")));
    assert_eq!(look(Ok(None)).await, Err(OwnershipError::Forbidden));
    assert_eq!(look(Ok(Some(stage_of("acme")))).await, Err(OwnershipError::Forbidden));
    assert_eq!(lookups.count(), 2);
}

#[tokio::test]
async fn a_stage_of_another_region_or_account_costs_no_lookup() {
    let (stages, tenants) = ownership();
    let acme = tenant(&tenants, "acme");
    let lookups = &Lookups::default();
    for arn in ["arn:aws:ivs:eu-west-1:123456789012:stage/a", "arn:aws:ivs:us-east-1:1:stage/a"] {
        let arn = StageArn::parse(arn).unwrap();
        let found = lookups.find(Ok(Some(stage_of("acme"))));
        assert_eq!(stages.owned_by(&acme, &arn, || found).await, Err(OwnershipError::Forbidden));
    }
    assert_eq!(lookups.count(), 0);
}

#[tokio::test]
async fn a_listed_owner_overrides_the_tag() {
    let (stages, tenants) = ownership();
    let (acme, globex) = (tenant(&tenants, "acme"), tenant(&tenants, "globex"));
    let lookups = &Lookups::default();
    let arn = arn();
    let look =
        |tenant| stages.owned_by(tenant, &arn, move || lookups.find(Ok(Some(stage_of("acme")))));
    assert!(look(&acme).await.is_ok());
    // A reload changes the owner of a cached stage.
    tenants.reload(TenancySettings {
        default: Some(Arc::new(TenantSettings::default())),
        stage_owners: HashMap::from([(arn.clone(), globex.id.clone())]),
        ..TenancySettings::default()
    });
    assert_eq!(look(&acme).await, Err(OwnershipError::Forbidden));
    assert!(look(&globex).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_cached_for_ten_seconds_and_an_owner_for_the_configured_age() {
    let (stages, tenants) = ownership();
    let acme = tenant(&tenants, "acme");
    let lookups = &Lookups::default();
    let arn = arn();
    let look = |found| stages.owned_by(&acme, &arn, move || lookups.find(Ok(found)));
    assert_eq!(look(None).await, Err(OwnershipError::Forbidden));
    tokio::time::sleep(Duration::from_millis(9_999)).await;
    assert_eq!(look(Some(stage_of("acme"))).await, Err(OwnershipError::Forbidden));
    tokio::time::sleep(Duration::from_millis(1)).await;
    look(Some(stage_of("acme"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(3_599_999)).await;
    look(None).await.unwrap();
    assert_eq!(lookups.count(), 2);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(look(None).await, Err(OwnershipError::Forbidden));
    assert_eq!(lookups.count(), 3);
    assert!(stages.known(arn.as_str()).is_some());
    tokio::time::sleep(ENDPOINT_AGE).await;
    assert!(stages.known(arn.as_str()).is_none());
}
