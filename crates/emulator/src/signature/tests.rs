//! Tests with requests that an SDK signed, and with changed and malformed ones.

use aws_sigv4::http_request::PayloadChecksumKind;
use http::Request;

use super::*;

const BODY: &[u8] = b"{}";

fn verifier() -> Verifier {
    let secret = SecretString::from("secret");
    Verifier::new("key".into(), &secret, "us-east-1".into())
}

/// Returns a request that is signed at this time, as an SDK signs it.
fn signed(time: SystemTime) -> Parts {
    let mut request = Request::post("/tags/a%3Ab?tagKeys=x%20y&tagKeys=a")
        .header("host", "localhost")
        .header("x-amz-meta", "a   b")
        .body(())
        .unwrap();
    let verifier = verifier();
    let mut settings = SigningSettings::default();
    settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    let params = v4::SigningParams::builder()
        .identity(&verifier.identity)
        .region("us-east-1")
        .name("ivs")
        .time(time)
        .settings(settings)
        .build()
        .unwrap();
    let target = request.uri().to_string();
    let headers = [("host", "localhost"), ("x-amz-meta", "a   b")];
    let signable =
        SignableRequest::new("POST", target, headers.into_iter(), SignableBody::Bytes(BODY));
    let params = SigningParams::from(params);
    let (instructions, _) = sign(signable.unwrap(), &params).unwrap().into_parts();
    instructions.apply_to_request_http1x(&mut request);
    request.into_parts().0
}

fn now() -> SystemTime {
    parse_date("20251122T081600Z").unwrap()
}

fn code(result: Result<()>) -> String {
    result.unwrap_err().code.into_owned()
}

#[test]
fn accepts_a_request_that_an_sdk_signed() {
    verifier().verify(&signed(now()), BODY, now()).unwrap();
}

#[test]
fn rejects_a_request_that_was_changed_after_signing() {
    let mut head = signed(now());
    assert_eq!(code(verifier().verify(&head, b"{ }", now())), "InvalidSignatureException");
    head.headers.insert("x-amz-meta", "b".parse().unwrap());
    assert_eq!(code(verifier().verify(&head, BODY, now())), "InvalidSignatureException");
    let mut head = signed(now());
    head.uri = "/tags/a%3Ab?tagKeys=z".parse().unwrap();
    assert_eq!(code(verifier().verify(&head, BODY, now())), "InvalidSignatureException");
    let mut head = signed(now());
    head.headers.insert("x-amz-added", "later".parse().unwrap());
    assert_eq!(code(verifier().verify(&head, BODY, now())), "InvalidSignatureException");
}

#[test]
fn a_date_may_differ_from_the_clock_by_five_minutes() {
    let (near, far) = (MAX_SKEW, MAX_SKEW + Duration::from_secs(1));
    let head = signed(now());
    for good in [now() + near, now() - near] {
        verifier().verify(&head, BODY, good).unwrap();
    }
    for bad in [now() + far, now() - far] {
        assert_eq!(code(verifier().verify(&head, BODY, bad)), "InvalidSignatureException");
    }
}

#[test]
fn rejects_an_incomplete_authorization_header() {
    let mut head = signed(now());
    for text in [
        "Bearer x",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=key/20251122/us-east-1/ivs/aws4_request",
        "AWS4-HMAC-SHA256 Credential=key, SignedHeaders=host, Signature=0",
    ] {
        head.headers.insert(AUTHORIZATION, text.parse().unwrap());
        assert_eq!(code(verifier().verify(&head, BODY, now())), "IncompleteSignatureException");
    }
    for names in ["", ";", "x-amz-date", "host;host", "Host;x-amz-date", "x-none"] {
        let text = format!(
            "AWS4-HMAC-SHA256 Credential=key/20251122/us-east-1/ivs/aws4_request, \
             SignedHeaders={names}, Signature=0"
        );
        head.headers.insert(AUTHORIZATION, text.parse().unwrap());
        assert_eq!(code(verifier().verify(&head, BODY, now())), "InvalidSignatureException");
    }
}

#[test]
fn rejects_dates_in_other_formats() {
    for bad in ["", "20251122081600ZZ", "2025-11-22T08:16", "20251322T081600Z", "２０２５１Z"]
    {
        assert_eq!(parse_date(bad), None, "{bad}");
    }
}
