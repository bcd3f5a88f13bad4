//! The rows that AWS brings about, or what is between it and the gateway.

use ivs_ingest_gateway::proto::v1::CreateIngestConfigurationRequest;
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use tokio::net::TcpSocket;

use super::{acme, refused, repeatable};
use crate::support::{Refusal, World, create};

pub(crate) async fn aws_validation(world: &World) -> Refusal {
    aws_error(world, 400, "ValidationException").await
}

pub(crate) async fn aws_throttled(world: &World) -> Refusal {
    // AWS wants it to come back later than that.
    let acme = acme(world, &["server.default_deadline_ms = 5000"]).await;
    let throttled = Fault::error(429, "ThrottlingException").with_retry_after(7);
    world.emulator.fault(&throttled.on(Operation::CreateIngestConfiguration));
    let refused = refused(&acme, create("acme")).await;
    assert_eq!(refused.retry_after().unwrap().as_secs(), 7);
    refused
}

pub(crate) async fn aws_service_quota(world: &World) -> Refusal {
    aws_error(world, 402, "ServiceQuotaExceededException").await
}

pub(crate) async fn aws_pending_verification(world: &World) -> Refusal {
    aws_error(world, 403, "PendingVerification").await
}

pub(crate) async fn aws_conflict(world: &World) -> Refusal {
    aws_error(world, 409, "ConflictException").await
}

pub(crate) async fn aws_access_denied(world: &World) -> Refusal {
    aws_error(world, 403, "AccessDeniedException").await
}

pub(crate) async fn aws_bad_signature(world: &World) -> Refusal {
    with_a_ledger_that_knows_aws(world).await;
    let wrong = [("AWS_SECRET_ACCESS_KEY", "not-the-secret")];
    let acme = world.gateway_in(&[], &wrong).await.caller("acme");
    refused(&acme, create("acme")).await
}

pub(crate) async fn aws_rejected(world: &World) -> Refusal {
    aws_error(world, 400, "SomethingNewException").await
}

async fn aws_error(world: &World, status: u16, code: &str) -> Refusal {
    let acme = acme(world, &[]).await;
    world.emulator.create_errors(status, code);
    refused(&acme, create("acme")).await
}

pub(crate) async fn aws_unreachable(world: &World) -> Refusal {
    with_a_ledger_that_knows_aws(world).await;
    // Bound, so that no other program listens there, and without a listener of the test.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let closed = format!("upstream.endpoint_url = 'http://{}'", socket.local_addr().unwrap());
    let one = "tenants.acme.max_ingest_configurations = 1";
    let acme = acme(world, &[&closed, one]).await;
    let request = CreateIngestConfigurationRequest { stage_arn: String::new(), ..repeatable() };
    // The quota does not reject the second: a create that was never sent uses none.
    refused(&acme, request.clone()).await;
    refused(&acme, request).await
}

pub(crate) async fn credentials_unavailable(world: &World) -> Refusal {
    with_a_ledger_that_knows_aws(world).await;
    let none = [("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")];
    let acme = world.gateway_in(&[], &none).await.caller("acme");
    let request = CreateIngestConfigurationRequest { stage_arn: String::new(), ..repeatable() };
    refused(&acme, request).await
}

/// An empty one would wait until it has seen what AWS has.
async fn with_a_ledger_that_knows_aws(world: &World) {
    let gateway = world.gateway(&[]).await;
    gateway.caller("globex").create_one().await.unwrap();
    gateway.stop().await;
}

pub(crate) async fn aws_unavailable(world: &World) -> Refusal {
    let acme = acme(world, &[]).await;
    let unavailable = Fault::new(FaultKind::Error503Before).on(Operation::GetStage);
    world.emulator.fault(&unavailable);
    refused(&acme, create("acme")).await
}

pub(crate) async fn outcome_unknown(world: &World) -> Refusal {
    unknown_after(FaultKind::DropAfter, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_for_good(world: &World) -> Refusal {
    unknown_after(FaultKind::DropAfter, create("acme"), world).await
}

pub(crate) async fn outcome_unknown_after_500(world: &World) -> Refusal {
    unknown_after(FaultKind::Error500After, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_garbage(world: &World) -> Refusal {
    unknown_after(FaultKind::Garbage, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_truncated(world: &World) -> Refusal {
    unknown_after(FaultKind::Truncate, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_too_late(world: &World) -> Refusal {
    unknown_after(FaultKind::Hold, repeatable(), world).await
}

async fn unknown_after(
    kind: FaultKind,
    request: CreateIngestConfigurationRequest,
    world: &World,
) -> Refusal {
    let times = ["upstream.attempt_timeout_ms = 500", "upstream.connect_timeout_ms = 400"];
    let acme = acme(world, &times).await;
    world.emulator.fault(&Fault::new(kind).on(Operation::CreateIngestConfiguration));
    let refused = refused(&acme, request).await;
    assert_eq!(refused.info("operation_id").unwrap().len(), 26);
    assert_eq!(world.emulator.creates(), 1);
    refused
}
