//! Server features around the methods: identity, call ids, bounds, health, reflection, TLS.

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

/// Returns the paths of all methods.
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
    let caller = gateway.caller("acme");
    assert!(methods().len() >= 6);
    for path in methods() {
        let rejected =
            caller.rejection(&call(&gateway, &path, Request::new(())).await.unwrap_err());
        let expected = (Code::Unauthenticated, "CREDENTIAL_MISSING");
        assert_eq!((rejected.code, rejected.reason()), expected, "{path}");
    }
    // Without a credential, an unknown method returns the same code.
    let unknown = "/ivs.ingest.v1.IngestService/NoSuchMethod";
    let rejected = call(&gateway, unknown, Request::new(())).await.unwrap_err();
    assert_eq!(rejected.code(), Code::Unauthenticated);
}

/// The server waits for the rest of a rejected request, but only for a limited time.
#[tokio::test]
async fn a_rejected_call_whose_request_does_not_end_gets_its_response() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let response = tokio::time::timeout(TIMEOUT, create_without_end(&gateway)).await;
    assert_eq!(response.unwrap().unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn an_unknown_service_is_unimplemented() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let path = "/ivs.ingest.v2.IngestService/GetQuota";
    let rejected = call(&gateway, path, acme.request(())).await.unwrap_err();
    let rejected = acme.rejection(&rejected);
    assert_eq!((rejected.code, rejected.reason()), (Code::Unimplemented, "UNIMPLEMENTED"));
    assert!(rejected.message.contains("ivs.ingest.v1.IngestService"), "{rejected:?}");
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

    let response = acme.send(with_id(create("acme"), "trace-7/b")).await.unwrap();
    assert_eq!(response.metadata().get("x-request-id").unwrap(), "trace-7/b");
    let rejected = acme.send(with_id(invalid(), "trace-8")).await.unwrap_err();
    assert_eq!(rejected.metadata.get("x-request-id").unwrap(), "trace-8");
    // For an invalid or missing id, the gateway generates one.
    for request in [with_id(invalid(), "two words"), acme.request(invalid())] {
        let rejected = acme.send(request).await.unwrap_err();
        let id = rejected.metadata.get("x-request-id").unwrap().to_str().unwrap().to_owned();
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
    // A message within the bound is parsed, and then its field is too long.
    assert_eq!(acme.create(long(1900)).await.unwrap_err().reason(), "INVALID_FIELDS");
    let rejected = acme.create(long(2100)).await.unwrap_err();
    assert_eq!((rejected.code, rejected.reason()), (Code::InvalidArgument, "INVALID_MESSAGE"));
    let bytes: u32 = rejected.info("bytes").unwrap().parse().unwrap();
    assert!(bytes > 2100, "{rejected:?}");
    assert_eq!(rejected.info("limit"), Some("2048"));

    let mut request = acme.request(create("acme"));
    request.metadata_mut().insert("x-long", "x".repeat(3000).parse().unwrap());
    let rejected = acme.client.clone().create_ingest_configuration(request).await.unwrap_err();
    assert_ne!(rejected.code(), Code::Ok);
    // gRPC specifies the code and the list of supported compressions.
    let mut request = acme.request(create("acme"));
    request.metadata_mut().insert("grpc-encoding", "gzip".parse().unwrap());
    let rejected = acme.client.clone().create_ingest_configuration(request).await.unwrap_err();
    assert_eq!(rejected.metadata().get("grpc-accept-encoding").unwrap(), "identity");
    let rejected = acme.rejection(&rejected);
    assert_eq!((rejected.code, rejected.reason()), (Code::Unimplemented, "UNIMPLEMENTED"));
    assert!(rejected.message.contains("compressed"), "{rejected:?}");
    assert_eq!(world.emulator.creates(), 0);
    // The connection still works.
    acme.create_one().await.unwrap();
}

#[tokio::test]
async fn an_undecodable_message_is_rejected() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    let acme = gateway.caller("acme");
    let path = "/ivs.ingest.v1.IngestService/CreateIngestConfiguration";
    // Field 1 of the request is text; this message has a number in it.
    let rejected = call(&gateway, path, acme.request(7_u64)).await.unwrap_err();
    let rejected = acme.rejection(&rejected);
    assert_eq!((rejected.code, rejected.reason()), (Code::InvalidArgument, "INVALID_MESSAGE"));
}

#[tokio::test]
async fn health_and_reflection_need_no_credential() {
    let world = World::new();
    let gateway = world.gateway(&[]).await;
    for service in ["", "ivs.ingest.v1.IngestService"] {
        assert_eq!(check_health(&gateway, service).await.unwrap(), "SERVING");
    }
    let unknown = check_health(&gateway, "no-such-service").await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    assert!(unknown.metadata().contains_key("x-request-id"));
    let watched = watch_health(&gateway, "ivs.ingest.v1.IngestService").await.unwrap();
    assert_eq!(watched.first, "SERVING");
    // The health protocol requires an open stream for an unknown service. The stream must end
    // with the gateway.
    let mut watched = watch_health(&gateway, "no-such-service").await.unwrap();
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
        assert!(knows_v1alpha(&gateway, symbol).await.unwrap(), "v1alpha does not know {symbol}");
    }
    gateway.stop().await;
    assert_eq!(watched.rest.message().await.unwrap(), None);

    let gateway = world.gateway(&["server.reflection = false"]).await;
    let rejected = knows_v1(&gateway, symbols[0]).await.unwrap_err();
    assert_eq!(rejected.code(), Code::Unimplemented);
    assert_eq!(check_health(&gateway, "").await.unwrap(), "SERVING");
}

#[tokio::test]
async fn tls_is_required_when_it_is_configured() {
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
    let response = IngestServiceClient::new(channel).create_ingest_configuration(request).await;
    let configuration = response.unwrap().into_inner().ingest_configuration.unwrap();
    assert!(configuration.ingest_endpoint.starts_with("rtmps://"));

    let distrusting = endpoint.tls_config(ClientTlsConfig::new()).unwrap();
    assert!(distrusting.connect().await.is_err());
    assert_eq!(gateway.log("TLS handshakes failed").await["level"], "INFO");
    assert!(rejects_plain_text(&plain).await);
}

async fn rejects_plain_text(plain: &Caller) -> bool {
    let request = plain.request(create("acme"));
    plain.client.clone().create_ingest_configuration(request).await.is_err()
}
