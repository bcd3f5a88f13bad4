//! Walls between tenants: every method, and every way to reach for what is another's.

use std::collections::BTreeSet;

use ivs_ingest_gateway::proto::{
    FILE_DESCRIPTOR_SET,
    v1::{
        CreateIngestConfigurationRequest, DeleteIngestConfigurationRequest,
        GetIngestConfigurationRequest, GetQuotaRequest, IngestProtocol,
        ListIngestConfigurationsRequest, UpdateIngestConfigurationRequest,
    },
};
use prost_reflect::DescriptorPool;
use prost_types::FieldMask;
use tonic::{Code, Status};

use crate::support::{Caller, Refusal, World, create, stage_of};

const UNKNOWN: &str = "arn:aws:ivs:us-east-1:123456789012:ingest-configuration/NotThere0000";

/// The resource that a caller names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    OthersArn,
    UnknownArn,
    OthersStage,
    UnknownStage,
    Malformed,
}

/// The methods, and what can be reached for by each. What a method has no field for
/// cannot be reached for.
const CASES: [(&str, &[Reach]); 6] = {
    use Reach::{Malformed, OthersArn, OthersStage, UnknownArn, UnknownStage};
    [
        ("CreateIngestConfiguration", &[OthersStage, UnknownStage, Malformed]),
        ("GetIngestConfiguration", &[OthersArn, UnknownArn, Malformed]),
        ("ListIngestConfigurations", &[OthersStage, UnknownStage, Malformed]),
        (
            "UpdateIngestConfiguration",
            &[OthersArn, UnknownArn, OthersStage, UnknownStage, Malformed],
        ),
        ("DeleteIngestConfiguration", &[OthersArn, UnknownArn, Malformed]),
        ("GetQuota", &[]),
    ]
};

/// The request of `acme`, with its own resources by default.
struct Reaching {
    own_arn: String,
    others_arn: String,
}

impl Reaching {
    fn arn(&self, reach: Reach) -> String {
        match reach {
            Reach::OthersArn => self.others_arn.clone(),
            Reach::UnknownArn => UNKNOWN.to_owned(),
            Reach::Malformed => "arn:aws:ivs:us-east-1:123456789012:stage/a".to_owned(),
            Reach::OthersStage | Reach::UnknownStage => self.own_arn.clone(),
        }
    }

    fn stage(reach: Reach) -> String {
        match reach {
            Reach::OthersStage => stage_of("globex"),
            Reach::UnknownStage => stage_of("acme").replace("AcmeStudio", "NotThere"),
            Reach::Malformed => "no-arn".to_owned(),
            Reach::OthersArn | Reach::UnknownArn => stage_of("acme"),
        }
    }

    async fn call(
        &self,
        caller: &Caller,
        method: &str,
        reach: Reach,
    ) -> Result<Vec<String>, Status> {
        let (arn, stage_arn) = (self.arn(reach), Self::stage(reach));
        let mut client = caller.client.clone();
        match method {
            "CreateIngestConfiguration" => {
                let message = CreateIngestConfigurationRequest { stage_arn, ..create("acme") };
                client.create_ingest_configuration(caller.request(message)).await.map(|_| vec![])
            }
            "GetIngestConfiguration" => {
                let message = GetIngestConfigurationRequest { arn, ..Default::default() };
                client.get_ingest_configuration(caller.request(message)).await.map(|_| vec![])
            }
            "ListIngestConfigurations" => {
                let message = ListIngestConfigurationsRequest { stage_arn, ..Default::default() };
                let answer = client.list_ingest_configurations(caller.request(message)).await?;
                let listed = answer.into_inner().ingest_configurations.into_iter();
                Ok(listed.map(|one| one.arn).collect())
            }
            "UpdateIngestConfiguration" => {
                let message = UpdateIngestConfigurationRequest {
                    arn,
                    stage_arn,
                    update_mask: Some(FieldMask { paths: vec!["stage_arn".into()] }),
                    ..Default::default()
                };
                client.update_ingest_configuration(caller.request(message)).await.map(|_| vec![])
            }
            "DeleteIngestConfiguration" => {
                let message = DeleteIngestConfigurationRequest { arn, force: true };
                client.delete_ingest_configuration(caller.request(message)).await.map(|_| vec![])
            }
            "GetQuota" => {
                client.get_quota(caller.request(GetQuotaRequest {})).await.map(|_| vec![])
            }
            other => panic!("{other} has no message here: write one"),
        }
    }
}

fn methods() -> BTreeSet<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let service = pool.get_service_by_name("ivs.ingest.v1.IngestService").unwrap();
    service.methods().map(|method| method.name().to_owned()).collect()
}

#[test]
fn every_method_has_its_cases() {
    let cases: BTreeSet<String> = CASES.iter().map(|(method, _)| (*method).to_owned()).collect();
    assert_eq!(cases, methods());
}

#[tokio::test]
async fn nothing_of_another_tenant_can_be_reached_or_told_from_nothing() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let (acme, globex) = (gateway.caller("acme"), gateway.caller("globex"));
    let arn_of = async |caller: &Caller| {
        caller.create_one().await.unwrap().ingest_configuration.unwrap().arn
    };
    let (own_arn, others_arn) = (arn_of(&acme).await, arn_of(&globex).await);
    let reaching = Reaching { own_arn, others_arn: others_arn.clone() };
    let before = world.emulator.configurations();

    for (method, reaches) in CASES {
        let mut refusals: Vec<(Reach, Refusal)> = Vec::new();
        for reach in reaches {
            match reaching.call(&acme, method, *reach).await {
                Ok(listed) => {
                    // A filter is no reach: it leaves the tenant's own out.
                    assert_eq!(method, "ListIngestConfigurations", "{reach:?}");
                    assert!(listed.is_empty(), "{listed:?}");
                }
                Err(status) => refusals.push((*reach, acme.refused(&status))),
            }
        }
        for (reach, refusal) in &refusals {
            let expected = match reach {
                Reach::OthersArn | Reach::UnknownArn => (Code::NotFound, "NOT_FOUND"),
                Reach::OthersStage | Reach::UnknownStage => {
                    (Code::PermissionDenied, "STAGE_FORBIDDEN")
                }
                Reach::Malformed => (Code::InvalidArgument, "INVALID_FIELDS"),
            };
            assert_eq!((refusal.code, refusal.reason()), expected, "{method} {reach:?}");
        }
        // The responses for a foreign and an unknown resource differ only in the requested name.
        for (one, other) in
            [(Reach::OthersArn, Reach::UnknownArn), (Reach::OthersStage, Reach::UnknownStage)]
        {
            let of = |wanted| {
                let found = refusals.iter().find(|(reach, _)| *reach == wanted);
                found.map(|(_, refusal)| {
                    let mut said =
                        format!("{:?} {} {:?}", refusal.code, refusal.message, refusal.details);
                    said = said.replace(&others_arn, "ARN").replace(UNKNOWN, "ARN");
                    let mut keys: Vec<_> =
                        refusal.metadata.keys().map(|key| format!("{key:?}")).collect();
                    keys.sort();
                    (said, keys)
                })
            };
            assert_eq!(of(one), of(other), "{method}");
        }
    }
    assert_eq!(world.emulator.configurations(), before);
}

#[tokio::test]
async fn an_unknown_tenant_learns_nothing() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let reaching = Reaching { own_arn: UNKNOWN.into(), others_arn: UNKNOWN.into() };
    let initech = gateway.caller("initech");
    for (method, _) in CASES {
        let status = reaching.call(&initech, method, Reach::OthersArn).await.unwrap_err();
        let refusal = initech.refused(&status);
        assert_eq!(
            (refusal.code, refusal.reason()),
            (Code::PermissionDenied, "TENANT_FORBIDDEN"),
            "{method}"
        );
    }
}

/// A configuration can be moved only to a stage of the same tenant, and its tags cannot
/// be forged on the way in.
#[tokio::test]
async fn the_gateways_tags_cannot_be_written() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    for key in ["ivs-ingest-gateway:tenant", "Ivs-Ingest-Gateway:operation-id", "aws:x", "AWS:x"] {
        let message = CreateIngestConfigurationRequest {
            ingest_protocol: IngestProtocol::Rtmps.into(),
            tags: [(key.to_owned(), "globex".to_owned())].into(),
            ..Default::default()
        };
        let refusal = acme.create(message).await.unwrap_err();
        assert_eq!(refusal.code, Code::InvalidArgument, "{key}");
    }
    assert_eq!(world.emulator.creates(), 0);
}
