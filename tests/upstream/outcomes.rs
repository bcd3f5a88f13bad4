//! One test for each way in which a create can fail. It asserts whether AWS may have executed
//! the create.

use std::{io::ErrorKind, net::SocketAddr, time::Duration};

use aws_credential_types::provider::{
    ProvideCredentials, SharedCredentialsProvider, error::CredentialsError, future,
};
use ivs_ingest_gateway::{
    ids::Ids,
    ivs::{CallError, FailureKind, Ivs},
    request::RequestId,
    tenancy::TenantId,
    tenancy::tags::TenancyTags,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
};

use super::support::{self, ivs_at, request};

async fn fail(ivs: &Ivs) -> CallError {
    let request = request("studio", "");
    let tags = TenancyTags {
        tenant: TenantId::parse("acme").unwrap(),
        operation_id: Ids::random().next_operation_id(std::time::SystemTime::now()),
        request_id: Some(RequestId::parse("r").unwrap()),
        fingerprint: request.fingerprint(),
    };
    support::create(ivs, &request, &tags).await.unwrap_err()
}

#[track_caller]
fn not_executed(error: CallError) -> FailureKind {
    match error {
        CallError::NotExecuted(failure) => failure.kind,
        CallError::Ambiguous(failure) => panic!("classified as ambiguous: {failure}"),
    }
}

#[track_caller]
fn ambiguous(error: CallError) -> FailureKind {
    match error {
        CallError::Ambiguous(failure) => failure.kind,
        CallError::NotExecuted(failure) => panic!("classified as not executed: {failure}"),
    }
}

/// A server that runs `serve` with its first connection and keeps listening.
async fn upstream<F: Future<Output = ()> + Send>(
    serve: impl FnOnce(TcpStream) -> F + Send + 'static,
) -> Ivs {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve(stream).await;
        // A second connection would be a retry, and retries are disabled.
        let second = listener.accept().await;
        panic!("the client connected twice: {second:?}");
    });
    ivs_at(&url).await
}

async fn read_request(stream: &mut TcpStream) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.ends_with(b"}") {
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(read > 0, "the client closed the connection");
        request.extend_from_slice(&buffer[..read]);
    }
}

/// A server that reads the request, sends these bytes, and closes the connection.
async fn responding(response: String) -> Ivs {
    upstream(async move |mut stream| {
        read_request(&mut stream).await;
        stream.write_all(response.as_bytes()).await.unwrap();
    })
    .await
}

fn response(status: &str, headers: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\nx-amzn-requestid: call-1\r\n\
         content-length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

fn closed_port() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn connection_refused() {
    let ivs = ivs_at(&format!("http://{}", closed_port())).await;
    let error = fail(&ivs).await;
    // An operator needs the cause, which is the last error of the chain.
    assert!(error.failure().message.contains("Connection refused"), "{}", error.failure());
    assert_eq!(not_executed(error), FailureKind::Unreachable);
}

#[tokio::test]
async fn name_not_found() {
    let ivs = ivs_at("http://no-such-host.invalid").await;
    assert_eq!(not_executed(fail(&ivs).await), FailureKind::Unreachable);
}

/// The kernel drops connections to a listener whose backlog is full.
#[tokio::test]
async fn connect_timed_out() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) =
        tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
    {
        queued.push(stream.unwrap());
    }
    let ivs = ivs_at(&format!("http://{address}")).await;
    assert_eq!(not_executed(fail(&ivs).await), FailureKind::Unreachable);
}

#[tokio::test]
async fn tls_handshake_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"this is not TLS\n").await;
        }
    });
    let ivs = ivs_at(&url).await;
    assert_eq!(not_executed(fail(&ivs).await), FailureKind::Unreachable);
}

#[derive(Debug)]
struct NoCredentials;

impl ProvideCredentials for NoCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("none here")))
    }
}

#[tokio::test]
async fn no_credentials() {
    let url = format!("http://{}", closed_port());
    let credentials = SharedCredentialsProvider::new(NoCredentials);
    let ivs = support::ivs_with(&url, credentials).await;
    assert_eq!(not_executed(fail(&ivs).await), FailureKind::NoCredentials);
}

#[tokio::test]
async fn closed_after_accept() {
    let ivs = upstream(async |stream| drop(stream)).await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse);
}

#[tokio::test]
async fn closed_before_the_response() {
    let ivs = upstream(async |mut stream| read_request(&mut stream).await).await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse);
}

#[tokio::test]
async fn reset_after_the_request() {
    let ivs = upstream(async |mut stream| {
        read_request(&mut stream).await;
        stream.set_zero_linger().unwrap();
    })
    .await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse);
}

#[tokio::test]
async fn no_response_in_time() {
    let ivs = upstream(async |mut stream| {
        read_request(&mut stream).await;
        // Waits until the client closes the connection.
        let ended = stream.read(&mut [0]).await;
        assert!(matches!(ended, Ok(0)) || ended.unwrap_err().kind() == ErrorKind::ConnectionReset);
    })
    .await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse);
}

#[tokio::test]
async fn truncated_success() {
    let text = response("200 OK", "", r#"{"ingestConfiguration": {"arn": "a"#);
    let ivs = responding(text.replace("content-length: ", "content-length: 9")).await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse);
}

#[tokio::test]
async fn unparsable_success() {
    for body in ["<html>", "", "{", "{}", "[]", r#"{"ingestConfiguration": {}}"#] {
        let ivs = responding(response("200 OK", "", body)).await;
        assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse, "{body}");
    }
}

#[tokio::test]
async fn response_is_not_http() {
    let ivs = responding("SSH-2.0-OpenSSH_9.2\r\n".to_owned()).await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse);
}

#[tokio::test]
async fn server_errors() {
    for status in ["500 Internal Server Error", "502 Bad Gateway", "503 Service Unavailable"] {
        for body in [r#"{"exceptionMessage": "sorry"}"#, "<html>", ""] {
            let ivs = responding(response(status, "", body)).await;
            assert_eq!(ambiguous(fail(&ivs).await), FailureKind::ServerError, "{status} {body}");
        }
    }
    // A code that means "not executed" elsewhere proves nothing with a 500.
    let headers = "x-amzn-errortype: ValidationException\r\n";
    let ivs = responding(response("500 Internal Server Error", headers, "{}")).await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::ServerError);
}

#[tokio::test]
async fn request_timeout_of_a_proxy() {
    let ivs = responding(response("408 Request Timeout", "", "")).await;
    assert_eq!(ambiguous(fail(&ivs).await), FailureKind::NoResponse);
}

#[tokio::test]
async fn throttled() {
    let by_code = "x-amzn-errortype: ThrottlingException\r\n";
    for (status, headers) in [
        ("429 Too Many Requests", by_code),
        ("429 Too Many Requests", ""),
        ("400 Bad Request", by_code),
    ] {
        let ivs = responding(response(status, headers, r#"{"message": "Rate exceeded"}"#)).await;
        let error = fail(&ivs).await;
        assert!(error.is_throttled(), "{status} {headers}");
        assert_eq!(not_executed(error), FailureKind::Throttled { retry_after: None });
    }
    let headers = format!("{by_code}retry-after: 7\r\n");
    let ivs = responding(response("429 Too Many Requests", &headers, "{}")).await;
    let retry_after = Some(Duration::from_secs(7));
    assert_eq!(not_executed(fail(&ivs).await), FailureKind::Throttled { retry_after });
}

#[tokio::test]
async fn each_declared_error() {
    for (status, code, kind) in [
        ("400 Bad Request", "ValidationException", FailureKind::Validation),
        ("403 Forbidden", "AccessDeniedException", FailureKind::AccessDenied),
        (
            "402 Payment Required",
            "ServiceQuotaExceededException",
            FailureKind::ServiceQuotaExceeded,
        ),
        ("403 Forbidden", "PendingVerification", FailureKind::PendingVerification),
        ("404 Not Found", "ResourceNotFoundException", FailureKind::NotFound),
        ("409 Conflict", "ConflictException", FailureKind::Conflict),
        ("403 Forbidden", "InvalidSignatureException", FailureKind::CredentialsRejected),
        ("403 Forbidden", "ExpiredTokenException", FailureKind::CredentialsRejected),
        ("400 Bad Request", "SomethingNewException", FailureKind::Rejected),
    ] {
        let headers = format!("x-amzn-errortype: {code}\r\n");
        let ivs =
            responding(response(status, &headers, r#"{"exceptionMessage": "because"}"#)).await;
        let error = fail(&ivs).await;
        assert_eq!(error.failure().aws_request_id.as_deref(), Some("call-1"), "{code}");
        // A caller gets the message of a validation, and an operator all others.
        let is_for_caller = kind == FailureKind::Validation;
        let message = if is_for_caller { "because".into() } else { format!("{code}: because") };
        assert_eq!(error.failure().message, message);
        assert_eq!(error.failure().to_string(), format!("{kind:?}: {message}"));
        assert!(!error.is_throttled(), "{code}");
        assert_eq!(not_executed(error), kind, "{code}");
    }
}
