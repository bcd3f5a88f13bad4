//! Isolation of tenants: every method, with every kind of identifier of another tenant.

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

use crate::support::{Caller, Rejection, World, create, stage_of};

const UNKNOWN: &str = "arn:aws:ivs:us-east-1:123456789012:ingest-configuration/NotThere0000";

/// The kind of the identifier that a request of `acme` contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    OthersArn,
    UnknownArn,
    OthersStage,
    UnknownStage,
    Malformed,
}

/// The methods, each with the kinds of identifiers that its request can contain.
const CASES: [(&str, &[Identifier]); 6] = {
    use Identifier::{Malformed, OthersArn, OthersStage, UnknownArn, UnknownStage};
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

/// The requests of `acme`. An identifier that a case does not replace belongs to `acme`.
struct Requests {
    own_arn: String,
    others_arn: String,
}

impl Requests {
    fn arn(&self, identifier: Identifier) -> String {
        match identifier {
            Identifier::OthersArn => self.others_arn.clone(),
            Identifier::UnknownArn => UNKNOWN.to_owned(),
            Identifier::Malformed => "arn:aws:ivs:us-east-1:123456789012:stage/a".to_owned(),
            Identifier::OthersStage | Identifier::UnknownStage => self.own_arn.clone(),
        }
    }

    fn stage(identifier: Identifier) -> String {
        match identifier {
            Identifier::OthersStage => stage_of("globex"),
            Identifier::UnknownStage => stage_of("acme").replace("AcmeStudio", "NotThere"),
            Identifier::Malformed => "no-arn".to_owned(),
            Identifier::OthersArn | Identifier::UnknownArn => stage_of("acme"),
        }
    }

    async fn call(
        &self,
        caller: &Caller,
        method: &str,
        identifier: Identifier,
    ) -> Result<Vec<String>, Status> {
        let (arn, stage_arn) = (self.arn(identifier), Self::stage(identifier));
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
                let response = client.list_ingest_configurations(caller.request(message)).await?;
                let listed = response.into_inner().ingest_configurations.into_iter();
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
            other => panic!("{other} has no request in this test; add one"),
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
async fn resources_of_another_tenant_are_indistinguishable_from_absent_ones() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let (acme, globex) = (gateway.caller("acme"), gateway.caller("globex"));
    let arn_of = async |caller: &Caller| {
        caller.create_one().await.unwrap().ingest_configuration.unwrap().arn
    };
    let (own_arn, others_arn) = (arn_of(&acme).await, arn_of(&globex).await);
    let requests = Requests { own_arn, others_arn: others_arn.clone() };
    let before = world.emulator.configurations();

    for (method, identifiers) in CASES {
        let mut rejections: Vec<(Identifier, Rejection)> = Vec::new();
        for identifier in identifiers {
            match requests.call(&acme, method, *identifier).await {
                Ok(listed) => {
                    // A list filters the tenant's own configurations, so it returns none.
                    assert_eq!(method, "ListIngestConfigurations", "{identifier:?}");
                    assert!(listed.is_empty(), "{listed:?}");
                }
                Err(status) => rejections.push((*identifier, acme.rejection(&status))),
            }
        }
        for (identifier, rejection) in &rejections {
            let expected = match identifier {
                Identifier::OthersArn | Identifier::UnknownArn => (Code::NotFound, "NOT_FOUND"),
                Identifier::OthersStage | Identifier::UnknownStage => {
                    (Code::PermissionDenied, "STAGE_FORBIDDEN")
                }
                Identifier::Malformed => (Code::InvalidArgument, "INVALID_FIELDS"),
            };
            assert_eq!((rejection.code, rejection.reason()), expected, "{method} {identifier:?}");
        }
        // The errors for the other tenant's and for an unknown identifier must be equal,
        // except for the identifier that the caller sent.
        for (one, other) in [
            (Identifier::OthersArn, Identifier::UnknownArn),
            (Identifier::OthersStage, Identifier::UnknownStage),
        ] {
            let of = |wanted| {
                let found = rejections.iter().find(|(identifier, _)| *identifier == wanted);
                found.map(|(_, rejection)| {
                    let mut text = format!(
                        "{:?} {} {:?}",
                        rejection.code, rejection.message, rejection.details
                    );
                    text = text.replace(&others_arn, "ARN").replace(UNKNOWN, "ARN");
                    let mut keys: Vec<_> =
                        rejection.metadata.keys().map(|key| format!("{key:?}")).collect();
                    keys.sort();
                    (text, keys)
                })
            };
            assert_eq!(of(one), of(other), "{method}");
        }
    }
    assert_eq!(world.emulator.configurations(), before);
}

#[tokio::test]
async fn an_unknown_tenant_is_forbidden_to_call_any_method() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let requests = Requests { own_arn: UNKNOWN.into(), others_arn: UNKNOWN.into() };
    let initech = gateway.caller("initech");
    for (method, _) in CASES {
        let status = requests.call(&initech, method, Identifier::OthersArn).await.unwrap_err();
        let rejection = initech.rejection(&status);
        assert_eq!(
            (rejection.code, rejection.reason()),
            (Code::PermissionDenied, "TENANT_FORBIDDEN"),
            "{method}"
        );
    }
}

/// Callers cannot set tags with the prefix of the gateway or of AWS. A rebuild of the ledger
/// reads the owner of a configuration from such a tag.
#[tokio::test]
async fn reserved_tags_are_rejected() {
    let world = World::new();
    let acme = world.gateway(&[]).await.caller("acme");
    for key in ["ivs-ingest-gateway:tenant", "Ivs-Ingest-Gateway:operation-id", "aws:x", "AWS:x"] {
        let message = CreateIngestConfigurationRequest {
            ingest_protocol: IngestProtocol::Rtmps.into(),
            tags: [(key.to_owned(), "globex".to_owned())].into(),
            ..Default::default()
        };
        let rejection = acme.create(message).await.unwrap_err();
        assert_eq!(rejection.code, Code::InvalidArgument, "{key}");
    }
    assert_eq!(world.emulator.creates(), 0);
}
