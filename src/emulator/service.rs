//! One request: from the head and the body to the answer, or to a closed connection.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use bytes::Bytes;
use http::{Response, StatusCode, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{Request as HttpRequest, body::Incoming};
use tokio::time;

use super::{
    Settings, control,
    faults::{Kind, Planned},
    operation::Operation,
    operations::Request,
    signature::Verifier,
    wire::{self, AnswerBody, ApiError, Result},
    world::World,
};

/// No request of the API comes near it.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Hyper closes a connection whose request ends in an error.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without an answer")]
pub(super) struct Closed;

/// What all connections share.
pub(super) struct Service {
    settings: Settings,
    verifier: Verifier,
    world: Mutex<World>,
}

impl Service {
    pub(super) fn new(settings: Settings) -> Self {
        let verifier = Verifier::new(
            settings.access_key_id.clone(),
            &settings.secret_access_key,
            settings.region.clone(),
        );
        let world = Mutex::new(World::new(&settings));
        Self { settings, verifier, world }
    }

    /// How it was started.
    pub(super) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Never held over an await.
    pub(super) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn answer(
        self: Arc<Self>,
        request: HttpRequest<Incoming>,
    ) -> std::result::Result<Response<AnswerBody>, Closed> {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Ok(too_large().response()),
            Err(_) => return Err(Closed),
        };
        if let Some(path) = head.uri.path().strip_prefix(control::PATH) {
            return Ok(control::answer(&self, &head.method, path, &body));
        }
        let Some(operation) = Operation::route(&head.method, head.uri.path()) else {
            return Ok(unknown_operation().response());
        };
        self.call(operation, &head, &body).await
    }

    async fn call(
        self: Arc<Self>,
        operation: Operation,
        head: &Parts,
        body: &Bytes,
    ) -> std::result::Result<Response<AnswerBody>, Closed> {
        let signature = self.verifier.verify(head, body, SystemTime::now());
        let request = Request::parse(operation, &head.uri, body);
        let planned = {
            let mut world = self.world();
            match world.admit(operation, signature) {
                Err(refusal) => return Ok(refusal.response()),
                Ok(None) => return Ok(wire::answer(world.execute(operation, request))),
                Ok(Some(planned)) => planned,
            }
        };
        self.go_wrong(planned, operation, request).await
    }

    async fn go_wrong(
        self: Arc<Self>,
        mut planned: Planned,
        operation: Operation,
        request: Result<Request>,
    ) -> std::result::Result<Response<AnswerBody>, Closed> {
        let result = if planned.kind == Kind::SlowBefore {
            // A task of its own: this future ends when the client goes.
            let late = tokio::spawn(async move {
                time::sleep(planned.delay).await;
                self.world().execute(operation, request)
            });
            late.await.map_err(|_| Closed)?
        } else {
            let result = if planned.kind.executes() {
                self.world().execute(operation, request)
            } else {
                Ok(Bytes::new())
            };
            if planned.kind == Kind::Hold {
                // It ends also when a reset drops what would tell.
                let _ = planned.removed.changed().await;
            }
            if !planned.delay.is_zero() {
                time::sleep(planned.delay).await;
            }
            result
        };
        if let Some(error) = planned.error {
            return Ok(error.response());
        }
        match planned.kind {
            Kind::DropBefore | Kind::DropAfter => Err(Closed),
            Kind::Truncate => Ok(wire::truncated(wire::answer(result))),
            Kind::Garbage => Ok(wire::answer(result.map(|body| without_its_end(&body)))),
            _ => Ok(wire::answer(result)),
        }
    }
}

/// A JSON text that ends too early. What it held is in it still, its secrets too.
fn without_its_end(body: &Bytes) -> Bytes {
    body.slice(..body.len().saturating_sub(1))
}

fn too_large() -> ApiError {
    let message = "The request is longer than 64 KiB";
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLargeException", message)
}

fn unknown_operation() -> ApiError {
    let message = "No operation has this method and path";
    ApiError::new(StatusCode::NOT_FOUND, "UnknownOperationException", message)
}
