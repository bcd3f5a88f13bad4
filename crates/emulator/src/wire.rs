//! Responses and errors in the shape of AWS.

use std::{
    borrow::Cow,
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
};
use http_body::{Body, Frame, SizeHint};
use serde::Serialize;
use serde_json::json;

use crate::ids::Ids;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// An error that the service declares. The member of its message has another name than in
/// the errors that all AWS services share.
const DECLARED: [&str; 7] = [
    "AccessDeniedException",
    "ConflictException",
    "InternalServerException",
    "PendingVerification",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ValidationException",
];

/// The body of a successful response, or the error.
pub(crate) type Result<T = Bytes> = std::result::Result<T, ApiError>;

/// An error as AWS returns it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
    /// Seconds, for a `Retry-After` header.
    pub(crate) retry_after: Option<u32>,
}

impl ApiError {
    pub(crate) fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { code: code.into(), status, message: message.into(), retry_after: None }
    }

    pub(crate) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "ValidationException", message)
    }

    pub(crate) fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "ResourceNotFoundException", message)
    }

    pub(crate) fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, "ConflictException", message)
    }

    pub(crate) fn throttled() -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "ThrottlingException", "Rate exceeded")
    }

    pub(crate) fn internal() -> Self {
        let message = "An internal error has occurred.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerException", message)
    }

    pub(crate) fn unavailable() -> Self {
        let message = "The service is unavailable. Try again later.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException", message)
    }

    /// The response. A code that is not valid in a header is left out.
    pub(crate) fn response(&self) -> Response<ResponseBody> {
        let member = if DECLARED.contains(&&*self.code) { "exceptionMessage" } else { "message" };
        let body = json!({ member: self.message }).to_string();
        let mut response = response(self.status, body.into());
        if let Ok(code) = HeaderValue::from_str(&self.code) {
            response.headers_mut().insert(ERROR_TYPE, code);
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// The response to what an operation returned.
pub(crate) fn answer(result: Result) -> Response<ResponseBody> {
    match result {
        Ok(body) => response(StatusCode::OK, body),
        Err(error) => error.response(),
    }
}

/// A response of any status that holds a JSON text.
pub(crate) fn response(status: StatusCode, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody { unsent: Some(body), cut_short: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Sets the request id, which every response has.
pub(crate) fn identify(response: &mut Response<ResponseBody>, ids: &Ids) {
    if let Ok(id) = HeaderValue::from_str(&ids.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

/// The JSON text of a value.
pub(crate) fn json<T: Serialize>(value: &T) -> Result {
    // No type of this module can fail here; the signature cannot say so.
    serde_json::to_vec(value).map(Bytes::from).map_err(|_| ApiError::internal())
}

/// Announces a longer body than the one that is sent before the connection closes.
pub(crate) fn truncated(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let sent = response.body().unsent.as_ref().map_or(0, Bytes::len);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(sent + 64));
    response.body_mut().cut_short = Some(Cut::Due);
    response
}

/// The body of a response: one piece, or less than was announced.
pub struct ResponseBody {
    unsent: Option<Bytes>,
    cut_short: Option<Cut>,
}

enum Cut {
    Due,
    Flushed,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        if let Some(bytes) = self.unsent.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        // hyper drops what it has not written when a body ends too early, and writes
        // when the body has nothing at hand: pretend that once.
        if matches!(self.cut_short, Some(Cut::Due)) {
            self.cut_short = Some(Cut::Flushed);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.unsent.is_none() && self.cut_short.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.unsent, &self.cut_short) {
            // An unknown size makes hyper believe the header.
            (_, Some(_)) => SizeHint::default(),
            (Some(bytes), None) => SizeHint::with_exact(bytes.len() as u64),
            (None, None) => SizeHint::with_exact(0),
        }
    }
}
