//! What every call passes before it reaches its RPC, in one place and in order.
//!
//! Built on the transport of `server`; calls `rpc`. Each step says why it stands
//! where it stands.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tower::{Service, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer, sensitive_headers::SetSensitiveRequestHeadersLayer,
};

use super::{
    deadline::Deadlines,
    identity::{Authenticator, Caller},
};
use crate::{
    error::Error,
    handlers::Handlers,
    proto::{
        self,
        v1::ingest_service_server::{IngestServiceServer, SERVICE_NAME},
    },
    rpc::{Rpc, status},
    telemetry::{AccessLogLine, CALL_ID_HEADER, CallRecord},
};

/// How long the rest of a refused request may take to come. A client sends it at once,
/// with the headers.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);

/// The most refused requests whose rest is waited for: whoever sends headers alone must
/// not fill the memory.
const MAX_DISCARDS: usize = 1024;

/// What all workers share of the front.
#[derive(Debug)]
pub struct Edge {
    authenticator: Authenticator,
    deadlines: Deadlines,
    places: Semaphore,
    discards: Semaphore,
    max_message_bytes: usize,
    reflection: bool,
    draining: CancellationToken,
}

impl Edge {
    /// The front of `config`. Once `draining` fires, new calls are sent elsewhere.
    #[must_use]
    pub fn new(
        config: &crate::config::Server,
        authenticator: Authenticator,
        draining: CancellationToken,
    ) -> Self {
        Self {
            authenticator,
            deadlines: Deadlines { default: config.default_deadline, max: config.max_deadline },
            places: Semaphore::new(config.max_concurrent_requests),
            discards: Semaphore::new(MAX_DISCARDS),
            max_message_bytes: config.max_message_bytes,
            reflection: config.reflection,
            draining,
        }
    }

    /// Lets a call in, or refuses it for what its metadata and the load say.
    fn admit(
        &self,
        metadata: &HeaderMap,
        record: &CallRecord,
    ) -> Result<(SemaphorePermit<'_>, Caller), Error> {
        // Before any work: a gateway that is going, or full, says so for free.
        if self.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        let place = self.places.try_acquire().map_err(|_| Error::Overloaded)?;
        // Before the limits, which are the tenant's.
        let tenant = self.authenticator.authenticate(metadata)?;
        record.tenant(&tenant.id);
        // Before the message is read: a flood costs its headers and little more.
        let deadline = Instant::now() + self.deadlines.of(metadata);
        let caller = self.authenticator.admit(tenant, deadline.into_std(), record)?;
        Ok((place, caller))
    }

    /// Receives the rest of a request that is refused, without looking at it. An HTTP/2
    /// stream whose end is not received is reset, and h2 ends a connection after 1,024 of
    /// those: the refusals of one tenant would cut off the others behind the same proxy.
    async fn discard(&self, body: Incoming) {
        // Too many at once are those that do not end: their streams are reset.
        let Ok(_place) = self.discards.try_acquire() else { return };
        let mut body = Limited::new(body, self.max_message_bytes);
        let ended = async { while let Some(Ok(_)) = body.frame().await {} };
        let _ = tokio::time::timeout(DISCARD_TIMEOUT, ended).await;
    }

    /// The service of one worker.
    pub fn service<H: HealthService>(
        self: &Arc<Self>,
        handlers: Handlers,
        health: H,
    ) -> impl crate::server::HttpService + use<H> {
        let ingest = IngestServiceServer::new(Rpc::new(handlers))
            .max_decoding_message_size(self.max_message_bytes);
        let mut others = Routes::new(health);
        if self.reflection {
            others = with_reflection(others);
        }
        let stack = Stack { front: Arc::clone(self), ingest, others };
        ServiceBuilder::new()
            // First, so that nothing below can print a credential.
            .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
            // A panic below answers its own call and no other: HTTP/2 shares the
            // connection.
            .layer(CatchPanicLayer::custom(|_| answer_of(&Error::Internal)))
            .service(stack)
    }
}

/// The two services of a worker behind the steps.
#[derive(Clone)]
struct Stack {
    front: Arc<Edge>,
    ingest: IngestServiceServer<Rpc>,
    others: Routes,
}

impl Stack {
    async fn call_in_order(mut self, mut request: Request<Incoming>) -> Response<Body> {
        // Before all else: whatever refuses the call below, it has an id and a line
        // in the log.
        let record = CallRecord::begin(request.headers());
        let rpc = request.uri().path().strip_prefix('/').unwrap_or_default().to_owned();
        let is_ingest = rpc.strip_prefix(SERVICE_NAME).is_some_and(|rest| rest.starts_with('/'));
        let line = AccessLogLine::begin(record.clone(), rpc);
        request.extensions_mut().insert(record.clone());

        let served = if is_ingest {
            self.serve(request, &record).await
        } else {
            // Health and reflection tell nothing of a tenant and cost AWS nothing.
            Ok(infallible(self.others.call(request).await))
        };
        let mut response = served.unwrap_or_else(|error| {
            record.failed(&error);
            answer_of(&error)
        });

        response.headers_mut().insert(CALL_ID_HEADER, record.request_id().clone());
        let code = response.headers().get("grpc-status").map_or(&b"0"[..], HeaderValue::as_bytes);
        line.answered(status::code_name(code));
        response
    }

    async fn serve(
        &mut self,
        mut request: Request<Incoming>,
        record: &CallRecord,
    ) -> Result<Response<Body>, Error> {
        let front = Arc::clone(&self.front);
        let (_place, caller) = match front.admit(request.headers(), record) {
            Ok(admitted) => admitted,
            Err(error) => {
                front.discard(request.into_body()).await;
                return Err(error);
            }
        };
        let deadline = Instant::from_std(caller.deadline());
        request.extensions_mut().insert(caller);
        // Around all that waits, reading the body included.
        let answered = tokio::time::timeout_at(deadline, self.ingest.call(request)).await;
        let response = answered
            .map(infallible)
            .map_err(|_| Error::DeadlineExceeded { operation_id: record.operation_id() })?;
        status::refused_unseen(response.headers()).map_or(Ok(response), Err)
    }
}

impl Service<Request<Incoming>> for Stack {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Always ready: a full gateway answers so, and never makes a caller wait.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let stack = self.clone();
        Box::pin(async move { Ok(stack.call_in_order(request).await) })
    }
}

/// Whatever can be added to tonic's routes.
pub trait HealthService:
    Service<Request<Body>, Response = Response<Body>, Error = Infallible, Future: Send + 'static>
    + tonic::server::NamedService
    + Clone
    + Send
    + Sync
    + 'static
{
}

impl<S> HealthService for S where
    S: Service<
            Request<Body>,
            Response = Response<Body>,
            Error = Infallible,
            Future: Send + 'static,
        > + tonic::server::NamedService
        + Clone
        + Send
        + Sync
        + 'static
{
}

/// Reflection v1, and v1alpha for grpcurl up to 1.8.7. The descriptors of the
/// error details are registered too, or grpcurl prints them as base64.
fn with_reflection(routes: Routes) -> Routes {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (builder().build_v1(), builder().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (v1, v1alpha) => {
            let error = v1.err().or(v1alpha.err());
            tracing::error!(?error, "reflection is off: its descriptors cannot be read");
            routes
        }
    }
}

fn answer_of(error: &Error) -> Response<Body> {
    status::of(error).into_http()
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
