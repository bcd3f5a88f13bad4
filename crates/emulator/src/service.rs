//! The handling of one request, which ends in a response or a closed connection.

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
    faults::PlannedFault,
    operation::Operation,
    operations::Request,
    settings::Settings,
    shapes::PATH,
    signature::Verifier,
    wire::{self, ApiError, ResponseBody, Result},
    world::World,
};

/// The largest body of a request, far above what the API needs.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// The error of a request that gets no response because the emulator closes the connection.
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

    /// Acquires the lock. Callers must not hold it over an await.
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
        wire::set_request_id(&mut response, &ids);
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
        let names = |resource: &str| {
            let resource = resource.as_bytes();
            let holds = |text: &[u8]| text.windows(resource.len()).any(|part| part == resource);
            holds(head.uri.path().as_bytes()) || holds(body)
        };
        let planned = {
            let mut world = self.world();
            match world.admit(operation, signature, names) {
                Err(error) => return Ok(error.response()),
                Ok(None) => return Ok(wire::from_result(world.execute(operation, request))),
                Ok(Some(planned)) => planned,
            }
        };
        self.respond_with_fault(planned, operation, request).await
    }

    async fn respond_with_fault(
        self: Arc<Self>,
        mut planned: PlannedFault,
        operation: Operation,
        request: Result<Request>,
    ) -> Responded {
        let result = if planned.kind == FaultKind::SlowBefore {
            // The execution runs in its own task, because a disconnect of the client drops
            // this future.
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
                // A reset drops the sender, which also ends the wait.
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
            FaultKind::Truncate => Ok(wire::truncated(wire::from_result(result))),
            FaultKind::Garbage => {
                Ok(wire::from_result(result.map(|body| without_last_byte(&body))))
            }
            _ => Ok(wire::from_result(result)),
        }
    }
}

/// Makes a JSON text invalid. Its content stays, including stream keys, so that tests can
/// check that a caller does not log it.
fn without_last_byte(body: &Bytes) -> Bytes {
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
