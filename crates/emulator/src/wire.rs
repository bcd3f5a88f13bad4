//! Responses and errors in the format of AWS.

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

/// The errors that the service declares. Their text is in `exceptionMessage`; the text of
/// errors that all AWS services share is in `message`.
const DECLARED: [&str; 7] = [
    "AccessDeniedException",
    "ConflictException",
    "InternalServerException",
    "PendingVerification",
    "ResourceNotFoundException",
    "ServiceQuotaExceededException",
    "ValidationException",
];

/// The body of a successful response, or an error.
pub(crate) type Result<T = Bytes> = std::result::Result<T, ApiError>;

/// An error as AWS returns it.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) code: Cow<'static, str>,
    pub(crate) status: StatusCode,
    pub(crate) message: Cow<'static, str>,
    /// The value of the `Retry-After` header, in seconds.
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

    /// Returns the error response. It has no error type header if the code is not valid in a
    /// header.
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

/// Returns the response for the result of an operation.
pub(crate) fn from_result(result: Result) -> Response<ResponseBody> {
    match result {
        Ok(body) => response(StatusCode::OK, body),
        Err(error) => error.response(),
    }
}

/// Returns a response with any status and a JSON body.
pub(crate) fn response(status: StatusCode, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody { unsent: Some(body), truncation: None });
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// Sets the `x-amzn-requestid` header, which every response has.
pub(crate) fn set_request_id(response: &mut Response<ResponseBody>, ids: &Ids) {
    if let Ok(id) = HeaderValue::from_str(&ids.request_id()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
}

/// Serializes a value as JSON.
pub(crate) fn json<T: Serialize>(value: &T) -> Result {
    // The serialization of this crate's types cannot fail.
    serde_json::to_vec(value).map(Bytes::from).map_err(|_| ApiError::internal())
}

/// Sets a `content-length` that is greater than the length of the body.
pub(crate) fn truncated(mut response: Response<ResponseBody>) -> Response<ResponseBody> {
    let sent = response.body().unsent.as_ref().map_or(0, Bytes::len);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(sent + 64));
    response.body_mut().truncation = Some(Truncation::Unflushed);
    response
}

/// The body of a response, in one frame. Under a `truncate` fault it ends before
/// `content-length` is reached.
pub struct ResponseBody {
    unsent: Option<Bytes>,
    truncation: Option<Truncation>,
}

enum Truncation {
    /// hyper has not written the frame yet.
    Unflushed,
    /// hyper has written the frame.
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
        // If a body ends before `content-length`, hyper discards the bytes that it has not
        // written yet. It writes them when the body is pending, so the body is pending once.
        if matches!(self.truncation, Some(Truncation::Unflushed)) {
            self.truncation = Some(Truncation::Flushed);
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.unsent.is_none() && self.truncation.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.unsent, &self.truncation) {
            // With an unknown size, hyper keeps the `content-length` header.
            (_, Some(_)) => SizeHint::default(),
            (Some(bytes), None) => SizeHint::with_exact(bytes.len() as u64),
            (None, None) => SizeHint::with_exact(0),
        }
    }
}
