//! The steps of every call, in their order, each with the reason for its position.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderMap, HeaderValue, Request, Response, header::AUTHORIZATION};
use hyper::body::Incoming;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tonic::{body::Body, service::Routes};
use tonic_health::pb::health_server::HealthServer;
use tower::{Service, ServiceBuilder};
use tower_http::{
    catch_panic::CatchPanicLayer, sensitive_headers::SetSensitiveRequestHeadersLayer,
};

use super::{
    deadline::Deadlines, discard::Discards, health::GatewayHealth, identity::Authenticator, limits,
    reflection::with_reflection,
};
use crate::{
    clock::Clock,
    error::{Error, UnfinishedCreate},
    handlers::{CallContext, Handlers},
    ids::Ids,
    proto::v1::ingest_service_server::{IngestServiceServer, SERVICE_NAME},
    rpc::{Rpc, status},
    telemetry::{AccessLogLine, CALL_ID_HEADER, CallRecord},
    tenancy::ConcurrencyPermit,
};

/// The part of the edge that all workers share.
#[derive(Debug)]
pub struct Edge {
    authenticator: Authenticator,
    deadlines: Deadlines,
    running: Semaphore,
    discards: Discards,
    max_message_bytes: usize,
    reflection: bool,
    draining: CancellationToken,
    clock: Clock,
    ids: Ids,
}

/// An admitted call and its permits.
struct Admitted<'a> {
    _running: SemaphorePermit<'a>,
    _permit: ConcurrencyPermit,
    context: CallContext,
}

impl Edge {
    /// Returns the edge that `config` describes. It rejects new calls after `draining` fires.
    #[must_use]
    pub fn new(
        config: &crate::config::Server,
        authenticator: Authenticator,
        draining: CancellationToken,
        clock: Clock,
        ids: Ids,
    ) -> Self {
        Self {
            authenticator,
            deadlines: Deadlines { default: config.default_deadline, max: config.max_deadline },
            running: Semaphore::new(config.max_concurrent_requests),
            discards: Discards::new(config.max_message_bytes),
            max_message_bytes: config.max_message_bytes,
            reflection: config.reflection,
            draining,
            clock,
            ids,
        }
    }

    /// Runs the steps that need only the metadata.
    fn admit(
        &self,
        method: &str,
        metadata: &HeaderMap,
        record: &CallRecord,
    ) -> Result<Admitted<'_>, Error> {
        // Before any work, so that a draining or full gateway rejects at no cost.
        if self.draining.is_cancelled() {
            return Err(Error::Draining);
        }
        let running = self.running.try_acquire().map_err(|_| Error::Overloaded)?;
        // Before the limits, which belong to the tenant.
        let tenant = self.authenticator.authenticate(metadata)?;
        record.tenant(tenant.id.as_str());
        // Before the message is read, so that a flood costs little more than its headers.
        let permit = limits::admit(&tenant, method, record)?;
        let deadline = self.clock.monotonic() + self.deadlines.of(metadata);
        let context = CallContext::new(tenant, &permit, deadline, record.clone());
        Ok(Admitted { _running: running, _permit: permit, context })
    }

    /// Returns the service of one worker.
    pub fn service(
        self: &Arc<Self>,
        handlers: Handlers,
        health: HealthServer<GatewayHealth>,
    ) -> impl crate::server::HttpService + use<> {
        let ingest = IngestServiceServer::new(Rpc::new(handlers))
            .max_decoding_message_size(self.max_message_bytes);
        let mut others = Routes::new(health);
        if self.reflection {
            others = with_reflection(others);
        }
        ServiceBuilder::new()
            // First, so that no step below can print a credential.
            .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION]))
            // A panic ends its call only, because calls share the HTTP/2 connection.
            .layer(CatchPanicLayer::custom(|_| response_of(&Error::Internal)))
            .service(Stack { edge: Arc::clone(self), ingest, others })
    }
}

/// The steps, and the services of a worker that they protect.
#[derive(Clone)]
struct Stack {
    edge: Arc<Edge>,
    ingest: IngestServiceServer<Rpc>,
    others: Routes,
}

impl Stack {
    async fn call_in_order(mut self, request: Request<Incoming>) -> Response<Body> {
        // First, so that a call that a later step rejects has an id and a line in the log.
        let Edge { clock, ids, .. } = &*self.edge;
        let generate_id = || ids.next_call_id(clock.wall());
        let record = CallRecord::begin(request.headers(), clock.monotonic(), generate_id);
        let rpc = request.uri().path().strip_prefix('/').unwrap_or_default().to_owned();
        let is_ingest = rpc.strip_prefix(SERVICE_NAME).is_some_and(|rest| rest.starts_with('/'));
        let clock = clock.clone();
        let line = AccessLogLine::begin(record.clone(), rpc, move || clock.monotonic());

        let served = if is_ingest {
            self.serve(request, &record).await
        } else {
            // Health and reflection reveal nothing about tenants and cost no AWS call.
            let response = infallible(self.others.call(request).await);
            match status::rejected_by_tonic(response.headers()) {
                Some(error @ Error::Unimplemented) => Err(error),
                _ => Ok(response),
            }
        };
        let mut response = served.unwrap_or_else(|error| {
            record.failed(error.reason(), error.aws_request_id());
            response_of(&error)
        });

        response.headers_mut().insert(CALL_ID_HEADER, record.call_id().clone());
        let code = response.headers().get("grpc-status").map_or(&b"0"[..], HeaderValue::as_bytes);
        line.finish(status::code_name(code));
        response
    }

    async fn serve(
        &mut self,
        mut request: Request<Incoming>,
        record: &CallRecord,
    ) -> Result<Response<Body>, Error> {
        let edge = Arc::clone(&self.edge);
        // The permits are held until the handler returns or the caller disconnects.
        let method = request.uri().path().rsplit('/').next().unwrap_or_default();
        let admitted = edge.admit(method, request.headers(), record);
        let Admitted { _running, _permit, context } = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                edge.discards.receive(request.into_body()).await;
                return Err(error);
            }
        };
        let deadline = Instant::from_std(context.deadline());
        request.extensions_mut().insert(context);
        // The deadline includes the read of the body.
        let served = timeout_at(deadline, self.ingest.call(request)).await;
        let response = served
            .map(infallible)
            .map_err(|_| Error::DeadlineExceeded { unfinished: unfinished_create(record) })?;
        status::rejected_by_tonic(response.headers()).map_or(Ok(response), Err)
    }
}

impl Service<Request<Incoming>> for Stack {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // Always ready: a full gateway rejects calls instead of delaying them.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let stack = self.clone();
        Box::pin(async move { Ok(stack.call_in_order(request).await) })
    }
}

/// The create of the call, if AWS may have received it.
fn unfinished_create(record: &CallRecord) -> Option<UnfinishedCreate> {
    let has_request_id = record.create_has_request_id().filter(|_| record.may_be_sent())?;
    let operation_id = record.operation_id()?.into();
    Some(UnfinishedCreate { operation_id, has_request_id })
}

fn response_of(error: &Error) -> Response<Body> {
    status::of(error).into_http()
}

fn infallible<T>(result: Result<T, Infallible>) -> T {
    match result {
        Ok(value) => value,
        Err(never) => match never {},
    }
}
