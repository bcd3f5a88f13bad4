//! The server around the methods: identity, ids, limits, health, reflection, TLS.

pub(crate) mod grpc;

use ivs_ingest_gateway::proto::{
    FILE_DESCRIPTOR_SET,
    v1::{CreateIngestConfigurationRequest, ingest_service_client::IngestServiceClient},
};
use prost_reflect::DescriptorPool;
use tonic::{
    Code, Request,
    transport::{Certificate, Channel, ClientTlsConfig},
};

use crate::{
    server::grpc::{call, check_health, create_without_end, knows_v1, knows_v1alpha, watch_health},
    support::{Caller, TIMEOUT, World, create},
};

/// The paths of all methods.
fn methods() -> Vec<String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let path = |method: prost_reflect::MethodDescriptor| {
        format!("/{}/{}", method.parent_service().full_name(), method.name())
    };
    pool.services().flat_map(|service| service.methods().map(path).collect::<Vec<_>>()).collect()
}

#[tokio::test]
async fn no_method_is_served_without_a_credential() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    assert!(methods().len() >= 6);
    for path in methods() {
        let refused = acme.refused(&call(&gateway, &path, Request::new(())).await.unwrap_err());
        let expected = (Code::Unauthenticated, "CREDENTIAL_MISSING");
        assert_eq!((refused.code, refused.reason()), expected, "{path}");
    }
    // The same for a method that does not exist.
    let unknown = "/ivs.ingest.v1.IngestService/NoSuchMethod";
    let refused = call(&gateway, unknown, Request::new(())).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

/// The gateway waits for the rest of a rejected request, for a limited time.
#[tokio::test]
async fn a_refused_call_that_does_not_end_is_answered() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let answered = tokio::time::timeout(TIMEOUT, create_without_end(&gateway)).await;
    assert_eq!(answered.unwrap().unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let path = "/ivs.ingest.v2.IngestService/GetQuota";
    let nowhere = call(&gateway, path, acme.request(())).await.unwrap_err();
    let nowhere = acme.refused(&nowhere);
    assert_eq!((nowhere.code, nowhere.reason()), (Code::Unimplemented, "UNIMPLEMENTED"));
    assert!(nowhere.message.contains("ivs.ingest.v1.IngestService"), "{nowhere:?}");
}

#[tokio::test]
async fn a_call_has_an_id_that_the_caller_may_choose() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let with_id = |message, id: &str| {
        let mut request = acme.request(message);
        request.metadata_mut().insert("x-request-id", id.parse().unwrap());
        request
    };
    let invalid = CreateIngestConfigurationRequest::default;

    let answer = acme.send(with_id(create("acme"), "trace-7/b")).await.unwrap();
    assert_eq!(answer.metadata().get("x-request-id").unwrap(), "trace-7/b");
    let refused = acme.send(with_id(invalid(), "trace-8")).await.unwrap_err();
    assert_eq!(refused.metadata.get("x-request-id").unwrap(), "trace-8");
    // Where it could not stand in a log, and where there is none, one is made.
    for request in [with_id(invalid(), "two words"), acme.request(invalid())] {
        let refused = acme.send(request).await.unwrap_err();
        let id = refused.metadata.get("x-request-id").unwrap().to_str().unwrap().to_owned();
        assert_eq!(id.len(), 26, "{id}");
        assert_eq!(gateway.call_log(&id).await["reason"], "INVALID_FIELDS");
    }
}

#[tokio::test]
async fn messages_and_metadata_have_bounds() {
    let world = World::new();
    let lines = ["server.max_message_bytes = 2048", "server.max_metadata_bytes = 2048"];
    let acme = world.gateway(&lines).await.caller("acme");
    let long = |bytes: usize| CreateIngestConfigurationRequest {
        user_id: "x".repeat(bytes),
        ..create("acme")
    };
    // Within the bound it is the field that is too long.
    assert_eq!(acme.create(long(1900)).await.unwrap_err().reason(), "INVALID_FIELDS");
    let refused = acme.create(long(2100)).await.unwrap_err();
    assert_eq!((refused.code, refused.reason()), (Code::InvalidArgument, "INVALID_MESSAGE"));
    let bytes: u32 = refused.info("bytes").unwrap().parse().unwrap();
    assert!(bytes > 2100, "{refused:?}");
    assert_eq!(refused.info("limit"), Some("2048"));

    let mut request = acme.request(create("acme"));
    request.metadata_mut().insert("x-long", "x".repeat(3000).parse().unwrap());
    let refused = acme.client.clone().create_ingest_configuration(request).await.unwrap_err();
    assert_ne!(refused.code(), Code::Ok);
    // gRPC prescribes the code and the list of compressions.
    let mut request = acme.request(create("acme"));
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let refused = acme.client.clone().create_ingest_configuration(request).await.unwrap_err();
    assert_eq!(refused.metadata().get("grpc-accept-encoding").unwrap(), "identity");
    let refused = acme.refused(&refused);
    assert_eq!((refused.code, refused.reason()), (Code::Unimplemented, "UNIMPLEMENTED"));
    assert!(refused.message.contains("compressed"), "{refused:?}");
    assert_eq!(world.emulator.creates(), 0);
    // The connection is none the worse for it.
    acme.create_one().await.unwrap();
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let path = "/ivs.ingest.v1.IngestService/CreateIngestConfiguration";
    // Field 1 is text. As a message of another type it is a number.
    let refused = call(&gateway, path, acme.request(7_u64)).await.unwrap_err();
    let refused = acme.refused(&refused);
    assert_eq!((refused.code, refused.reason()), (Code::InvalidArgument, "INVALID_MESSAGE"));
}

#[tokio::test]
async fn health_and_reflection_need_no_credential() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    for service in ["", "ivs.ingest.v1.IngestService"] {
        assert_eq!(check_health(&gateway, service).await.unwrap(), "SERVING");
    }
    let unknown = check_health(&gateway, "unknown").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.metadata().contains_key("x-request-id"));
    let watched = watch_health(&gateway, "ivs.ingest.v1.IngestService").await.unwrap();
    assert_eq!(watched.first, "SERVING");
    // The protocol wants an open stream. It must not outlive the gateway.
    let mut watched = watch_health(&gateway, "unknown").await.unwrap();
    assert_eq!(watched.first, "SERVICE_UNKNOWN");

    let symbols = [
        "ivs.ingest.v1.IngestService",
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.rpc.QuotaFailure",
        "google.rpc.RetryInfo",
        "google.rpc.ResourceInfo",
        "grpc.health.v1.Health",
    ];
    for symbol in symbols {
        assert!(knows_v1(&gateway, symbol).await.unwrap(), "v1 does not know {symbol}");
        assert!(knows_v1alpha(&gateway, symbol).await.unwrap(), "v1alpha not {symbol}");
    }
    gateway.stop().await;
    assert_eq!(watched.rest.message().await.unwrap(), None);

    let gateway = world.gateway(&["server.reflection = false"]).await;
    let refused = knows_v1(&gateway, symbols[0]).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert_eq!(check_health(&gateway, "").await.unwrap(), "SERVING");
}

#[tokio::test]
async fn tls_protects_the_way_to_the_gateway() {
    let world = World::new();
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(world.path("server.pem"), issued.cert.pem()).unwrap();
    std::fs::write(world.path("server.key"), issued.signing_key.serialize_pem()).unwrap();
    let lines = ["server.tls.cert = 'server.pem'", "server.tls.key = 'server.key'"];
    let gateway = world.gateway(&lines).await;
    assert_eq!(gateway.log("serving").await["tls"], true);

    let url = format!("https://localhost:{}", gateway.address.port());
    let endpoint = Channel::from_shared(url).unwrap();
    let authority = Certificate::from_pem(issued.cert.pem());
    let trusting = ClientTlsConfig::new().ca_certificate(authority);
    let channel = endpoint.clone().tls_config(trusting).unwrap().connect().await.unwrap();
    let plain = gateway.caller("acme");
    let request = plain.request(create("acme"));
    let answer = IngestServiceClient::new(channel).create_ingest_configuration(request).await;
    let configuration = answer.unwrap().into_inner().ingest_configuration.unwrap();
    assert!(configuration.ingest_endpoint.starts_with("rtmps://"));

    let distrusting = endpoint.tls_config(ClientTlsConfig::new()).unwrap();
    assert!(distrusting.connect().await.is_err());
    assert_eq!(gateway.log("TLS handshakes failed").await["level"], "INFO");
    assert!(refuses_plain_text(&plain).await);
}

async fn refuses_plain_text(plain: &Caller) -> bool {
    let request = plain.request(create("acme"));
    plain.client.clone().create_ingest_configuration(request).await.is_err()
}
