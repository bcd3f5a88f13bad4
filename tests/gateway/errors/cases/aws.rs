//! Errors that AWS causes, or the network between AWS and the gateway.

use ivs_ingest_gateway::proto::v1::CreateIngestConfigurationRequest;
use ivs_realtime_emulator::{Fault, FaultKind, Operation};
use tokio::net::TcpSocket;

use super::{acme, rejected, repeatable};
use crate::support::{Rejection, UNSET, World, create};

pub(crate) async fn aws_validation(world: &World) -> Rejection {
    aws_error(world, 400, "ValidationException").await
}

pub(crate) async fn aws_throttled(world: &World) -> Rejection {
    // AWS requests a longer delay than the deadline allows.
    let acme = acme(world, &["server.default_deadline_ms = 5000"]).await;
    let throttled = Fault::error(429, "ThrottlingException").with_retry_after(7);
    world.emulator.fault(&throttled.on(Operation::CreateIngestConfiguration));
    let rejected = rejected(&acme, create("acme")).await;
    assert_eq!(rejected.retry_after().unwrap().as_secs(), 7);
    rejected
}

pub(crate) async fn aws_service_quota(world: &World) -> Rejection {
    aws_error(world, 402, "ServiceQuotaExceededException").await
}

pub(crate) async fn aws_pending_verification(world: &World) -> Rejection {
    aws_error(world, 403, "PendingVerification").await
}

pub(crate) async fn aws_conflict(world: &World) -> Rejection {
    aws_error(world, 409, "ConflictException").await
}

pub(crate) async fn aws_access_denied(world: &World) -> Rejection {
    aws_error(world, 403, "AccessDeniedException").await
}

pub(crate) async fn aws_bad_signature(world: &World) -> Rejection {
    let wrong = [("AWS_SECRET_ACCESS_KEY", "not-the-secret")];
    let acme = world.gateway_in(&[], &wrong).await.caller("acme");
    rejected(&acme, create("acme")).await
}

pub(crate) async fn aws_rejected(world: &World) -> Rejection {
    aws_error(world, 400, "SomethingNewException").await
}

async fn aws_error(world: &World, status: u16, code: &str) -> Rejection {
    let acme = acme(world, &[]).await;
    world.emulator.create_errors(status, code);
    rejected(&acme, create("acme")).await
}

pub(crate) async fn aws_unreachable(world: &World) -> Rejection {
    // The bound socket keeps the port, and refuses connections because it does not listen.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let unreachable = format!("upstream.endpoint_url = 'http://{}'", socket.local_addr().unwrap());
    let one = "tenants.acme.max_ingest_configurations = 1";
    let acme = acme(world, &[&unreachable, one]).await;
    let request = CreateIngestConfigurationRequest { stage_arn: String::new(), ..repeatable() };
    // The quota does not reject the second create, because a create that was not sent does not
    // count.
    rejected(&acme, request.clone()).await;
    rejected(&acme, request).await
}

pub(crate) async fn credentials_unavailable(world: &World) -> Rejection {
    let none = [("AWS_ACCESS_KEY_ID", UNSET), ("AWS_SECRET_ACCESS_KEY", UNSET)];
    let acme = world.gateway_in(&[], &none).await.caller("acme");
    let request = CreateIngestConfigurationRequest { stage_arn: String::new(), ..repeatable() };
    rejected(&acme, request).await
}

pub(crate) async fn aws_unavailable(world: &World) -> Rejection {
    let acme = acme(world, &[]).await;
    let unavailable = Fault::new(FaultKind::Error503Before).on(Operation::GetStage);
    world.emulator.fault(&unavailable);
    rejected(&acme, create("acme")).await
}

pub(crate) async fn outcome_unknown(world: &World) -> Rejection {
    unknown_after(FaultKind::DropAfter, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_final(world: &World) -> Rejection {
    unknown_after(FaultKind::DropAfter, create("acme"), world).await
}

pub(crate) async fn outcome_unknown_after_500(world: &World) -> Rejection {
    unknown_after(FaultKind::Error500After, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_garbage(world: &World) -> Rejection {
    unknown_after(FaultKind::Garbage, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_truncated(world: &World) -> Rejection {
    unknown_after(FaultKind::Truncate, repeatable(), world).await
}

pub(crate) async fn outcome_unknown_timeout(world: &World) -> Rejection {
    unknown_after(FaultKind::Hold, repeatable(), world).await
}

async fn unknown_after(
    kind: FaultKind,
    request: CreateIngestConfigurationRequest,
    world: &World,
) -> Rejection {
    let times = ["upstream.attempt_timeout_ms = 500", "upstream.connect_timeout_ms = 400"];
    let acme = acme(world, &times).await;
    world.emulator.fault(&Fault::new(kind).on(Operation::CreateIngestConfiguration));
    let rejected = rejected(&acme, request).await;
    assert_eq!(rejected.info("operation_id").unwrap().len(), 26);
    assert_eq!(world.emulator.creates(), 1);
    rejected
}
