//! The HTTP side of a call: whether the request was handed to a connection, whether the response
//! is AWS's, and the clock of AWS.

use std::{cell::Cell, error::Error};

use aws_smithy_runtime_api::client::{
    http::{
        HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
        SharedHttpConnector,
    },
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};

use super::signing_clock::{Reading, SigningClock};

tokio::task_local! {
    /// Whether the call of this scope has handed its request to a connection.
    static IS_HANDED_OVER: Cell<bool>;
}

/// Makes a call of the SDK. Returns its result, and whether the SDK has handed the request to a
/// connection: before that, AWS cannot have received a byte.
pub(super) async fn watch<T>(call: impl Future<Output = T>) -> (T, bool) {
    let watched = async {
        let result = call.await;
        (result, IS_HANDED_OVER.with(Cell::get))
    };
    IS_HANDED_OVER.scope(Cell::new(false), watched).await
}

/// An HTTP client that accepts only AWS's responses.
#[derive(Debug, Clone)]
pub(super) struct AwsHttpClient {
    inner: SharedHttpClient,
    clock: SigningClock,
}

impl AwsHttpClient {
    pub(super) const fn new(inner: SharedHttpClient, clock: SigningClock) -> Self {
        Self { inner, clock }
    }
}

impl HttpClient for AwsHttpClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(AwsHttpConnector { inner, clock: self.clock.clone() })
    }
}

#[derive(Debug)]
struct AwsHttpConnector {
    inner: SharedHttpConnector,
    clock: SigningClock,
}

impl HttpConnector for AwsHttpConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        // Outside of a scope: calls of the SDK that are not the gateway's.
        let _ = IS_HANDED_OVER.try_with(|is_handed_over| is_handed_over.set(true));
        let (response, clock) = (self.inner.call(request), self.clock.clone());
        let sent_at = clock.reading();
        HttpConnectorFuture::new(async move {
            let response = response.await?;
            check(&response).map_err(|problem| {
                let status = response.status().as_u16();
                let message = format!("the response with status {status} is not AWS's: {problem}");
                ConnectorError::other(Box::<dyn Error + Send + Sync>::from(message), None)
            })?;
            learn(&clock, &response, sent_at);
            Ok(response)
        })
    }
}

/// Fails if the response is not AWS's, but for example that of a proxy. Every response of AWS has a
/// request id, and its bodies are JSON.
fn check(response: &HttpResponse) -> Result<(), &'static str> {
    let headers = response.headers();
    if headers.get("x-amzn-requestid").is_none_or(str::is_empty) {
        return Err("it has no x-amzn-requestid");
    }
    let content_type = headers.get("content-type").unwrap_or("application/json");
    let is_json = content_type.split(';').next().is_some_and(|it| it.contains("json"));
    if is_json { Ok(()) } else { Err("its content-type is not JSON") }
}

/// Corrects the clock of signatures by the response's date.
fn learn(clock: &SigningClock, response: &HttpResponse, sent_at: Reading) {
    let headers = response.headers();
    // The date of a response from a cache is old.
    let date = headers.get("date").filter(|_| headers.get("age").is_none());
    if let Some(date) = date.and_then(|date| httpdate::parse_http_date(date).ok()) {
        clock.learn(date, sent_at, clock.reading());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(headers: &[(&'static str, &'static str)]) -> HttpResponse {
        let status = aws_smithy_runtime_api::http::StatusCode::try_from(200).unwrap();
        let mut response = HttpResponse::new(status, "{}".into());
        for (name, value) in headers {
            response.headers_mut().insert(*name, *value);
        }
        response
    }

    #[test]
    fn a_response_of_aws_has_a_request_id_and_json() {
        let id = ("x-amzn-requestid", "1");
        for good in [
            &[id][..],
            &[id, ("content-type", "application/json")],
            &[id, ("content-type", "application/x-amz-json-1.1; charset=utf-8")],
        ] {
            assert_eq!(check(&response(good)), Ok(()), "{good:?}");
        }
        for bad in [
            &[][..],
            &[("x-amzn-requestid", "")],
            &[("content-type", "application/json")],
            &[id, ("content-type", "text/html")],
            &[id, ("content-type", "")],
        ] {
            assert!(check(&response(bad)).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn a_call_that_makes_no_request_hands_nothing_over() {
        assert_eq!(watch(async { 1 }).await, (1, false));
        let handing_over = async { IS_HANDED_OVER.with(|it| it.set(true)) };
        assert_eq!(watch(handing_over).await, ((), true));
    }
}
