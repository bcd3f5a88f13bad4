//! One request: from the head and the body to the response, or to a closed connection.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use http::{Request as HttpRequest, Response, StatusCode, request::Parts};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time;

use crate::{
    control,
    fault::FaultKind,
    faults::Planned,
    operation::Operation,
    operations::Request,
    settings::Settings,
    shapes::PATH,
    signature::Verifier,
    wire::{self, ApiError, ResponseBody, Result},
    world::World,
};

/// No request of the API comes near it.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The emulator closes the connection without a response.
#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without a response")]
pub struct ConnectionClosed;

type Responded = std::result::Result<Response<ResponseBody>, ConnectionClosed>;

/// The state that all connections share.
pub(crate) struct Service {
    settings: Settings,
    verifier: Verifier,
    world: Mutex<World>,
}

impl Service {
    pub(crate) fn new(settings: Settings) -> Self {
        let verifier = Verifier::new(
            settings.access_key_id.clone(),
            &settings.secret_access_key,
            settings.region.clone(),
        );
        let world = Mutex::new(World::new(&settings));
        Self { settings, verifier, world }
    }

    /// Never held over an await.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) async fn respond<B>(self: Arc<Self>, request: HttpRequest<B>) -> Responded
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let ids = self.settings.ids.clone();
        let mut response = self.route(request).await?;
        wire::identify(&mut response, &ids);
        Ok(response)
    }

    async fn route<B>(self: Arc<Self>, request: HttpRequest<B>) -> Responded
    where
        B: Body<Data = Bytes>,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return Ok(too_large().response()),
            Err(_) => return Err(ConnectionClosed),
        };
        if let Some(path) = head.uri.path().strip_prefix(PATH) {
            let world = &mut self.world();
            return Ok(control::respond(world, &self.settings, &head.method, path, &body));
        }
        let Some(operation) = Operation::route(&head.method, head.uri.path()) else {
            return Ok(unknown_operation().response());
        };
        self.call(operation, &head, &body).await
    }

    async fn call(self: Arc<Self>, operation: Operation, head: &Parts, body: &Bytes) -> Responded {
        let signature = self.verifier.verify(head, body, self.settings.clock.now());
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
    ) -> Responded {
        let result = if planned.kind == FaultKind::SlowBefore {
            // A task of its own: this future ends when the client goes.
            let late = tokio::spawn(async move {
                time::sleep(planned.delay).await;
                self.world().execute(operation, request)
            });
            late.await.map_err(|_| ConnectionClosed)?
        } else {
            let result = if planned.kind.executes() {
                self.world().execute(operation, request)
            } else {
                Ok(Bytes::new())
            };
            if planned.kind == FaultKind::Hold {
                // A reset drops the sender, which ends the wait too.
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
            FaultKind::DropBefore | FaultKind::DropAfter => Err(ConnectionClosed),
            FaultKind::Truncate => Ok(wire::truncated(wire::answer(result))),
            FaultKind::Garbage => Ok(wire::answer(result.map(|body| without_its_end(&body)))),
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
