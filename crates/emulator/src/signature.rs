//! Verification of Signature Version 4. Like AWS, the emulator signs the request again,
//! with the headers that the client signed, and compares the signatures.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningParams, SigningSettings, sign},
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use aws_smithy_types::{DateTime, date_time::Format};
use http::{HeaderMap, StatusCode, header::AUTHORIZATION, request::Parts};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::wire::{ApiError, Result};

const SIGNING_NAME: &str = "ivs";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// AWS rejects a request whose date differs from its own clock by more than this.
const MAX_SKEW: Duration = Duration::from_mins(5);
const MISMATCH: &str = "The request signature we calculated does not match the signature you \
                        provided. Check your AWS Secret Access Key and signing method.";

/// Verifies the signatures of one access key.
pub(crate) struct Verifier {
    access_key_id: String,
    identity: Identity,
    region: String,
    settings: SigningSettings,
}

/// The content of an `Authorization` header.
struct Authorization<'a> {
    access_key_id: &'a str,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    signed_headers: &'a str,
    signature: &'a str,
}

impl Verifier {
    pub(crate) fn new(access_key_id: String, secret: &SecretString, region: String) -> Self {
        let credentials =
            Credentials::new(access_key_id.clone(), secret.expose_secret(), None, None, "emulator");
        let mut settings = SigningSettings::default();
        // Without exclusions, so that every header that the client signed is included, even
        // one that SDKs do not sign.
        settings.excluded_headers = None;
        Self { access_key_id, identity: credentials.into(), region, settings }
    }

    /// Verifies the signature of a request at the wall time `now`.
    ///
    /// # Errors
    /// The errors that AWS returns, all with status 403: `MissingAuthenticationTokenException`,
    /// `IncompleteSignatureException`, `UnrecognizedClientException` or
    /// `InvalidSignatureException`.
    pub(crate) fn verify(&self, head: &Parts, body: &[u8], now: SystemTime) -> Result<()> {
        let header = head.headers.get(AUTHORIZATION).ok_or_else(|| {
            forbidden("MissingAuthenticationTokenException", "Missing Authentication Token")
        })?;
        let authorization =
            header.to_str().ok().and_then(Authorization::parse).ok_or_else(|| {
                forbidden(
                    "IncompleteSignatureException",
                    "Authorization header requires 'Credential', 'SignedHeaders' and 'Signature'.",
                )
            })?;
        // The only key is a long-term one, which has no session token.
        let unknown = authorization.access_key_id != self.access_key_id;
        if unknown || head.headers.contains_key("x-amz-security-token") {
            return Err(forbidden(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            ));
        }
        self.check_scope(&authorization)?;
        let time = signing_time(&head.headers, authorization.date, now)?;
        check_signed_headers(&head.headers, authorization.signed_headers)?;
        check_payload_hash(&head.headers, body)?;
        let signature = self.sign(head, body, time, authorization.signed_headers);
        // `None` means that the request cannot be signed, so no signature can match.
        let signature = signature.ok_or_else(|| invalid(MISMATCH))?;
        if !equal_in_constant_time(signature.as_bytes(), authorization.signature.as_bytes()) {
            return Err(invalid(MISMATCH));
        }
        Ok(())
    }

    fn check_scope(&self, authorization: &Authorization<'_>) -> Result<()> {
        if authorization.region != self.region {
            return Err(invalid("Credential should be scoped to a valid region."));
        }
        if authorization.service != SIGNING_NAME {
            return Err(invalid("Credential should be scoped to correct service: 'ivs'."));
        }
        Ok(())
    }

    fn sign(
        &self,
        head: &Parts,
        body: &[u8],
        time: SystemTime,
        signed_headers: &str,
    ) -> Option<String> {
        let names = || signed_headers.split(';');
        let values =
            names().flat_map(|name| head.headers.get_all(name)).map(|value| value.to_str());
        if values.into_iter().any(|value| value.is_err()) {
            return None;
        }
        let headers = names().flat_map(|name| {
            let values = head.headers.get_all(name).into_iter();
            values.filter_map(move |value| Some((name, value.to_str().ok()?)))
        });
        let target = head.uri.path_and_query()?.as_str();
        let body = SignableBody::Bytes(body);
        let request = SignableRequest::new(head.method.as_str(), target, headers, body).ok()?;
        let params = v4::SigningParams::builder()
            .identity(&self.identity)
            .region(&self.region)
            .name(SIGNING_NAME)
            .time(time)
            .settings(self.settings.clone())
            .build()
            .ok()?;
        let params = SigningParams::from(params);
        Some(sign(request, &params).ok()?.into_parts().1)
    }
}

impl<'a> Authorization<'a> {
    fn parse(header: &'a str) -> Option<Self> {
        let rest = header.strip_prefix(ALGORITHM)?.strip_prefix(' ')?;
        let part = |name: &str| {
            let mut parts = rest.split(',').map(str::trim);
            parts.find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
        };
        let mut scope = part("Credential")?.splitn(5, '/');
        let authorization = Self {
            access_key_id: scope.next()?,
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            signed_headers: part("SignedHeaders")?,
            signature: part("Signature")?,
        };
        (scope.next()? == "aws4_request").then_some(authorization)
    }
}

/// Returns the time in the `x-amz-date` header. It must be within [`MAX_SKEW`] of `now` and
/// on the date of the credential scope.
fn signing_time(headers: &HeaderMap, scope_date: &str, now: SystemTime) -> Result<SystemTime> {
    let text = headers.get("x-amz-date").and_then(|value| value.to_str().ok());
    let parsed = text.and_then(|text| Some((text, parse_date(text)?)));
    let Some((text, time)) = parsed else {
        return Err(forbidden(
            "IncompleteSignatureException",
            "Date must be in ISO-8601 'basic format' in the header 'x-amz-date'.",
        ));
    };
    if !text.starts_with(scope_date) || scope_date.len() != 8 {
        return Err(invalid(
            "Date in Credential scope does not match the date of the header 'x-amz-date'.",
        ));
    }
    if now.duration_since(time).is_ok_and(|age| age > MAX_SKEW) {
        return Err(invalid(format!("Signature expired: {text} is more than 5 min. ago.")));
    }
    if time.duration_since(now).is_ok_and(|lead| lead > MAX_SKEW) {
        return Err(invalid(format!(
            "Signature not yet current: {text} is more than 5 min. ahead."
        )));
    }
    Ok(time)
}

/// Parses a date such as `20251122T081600Z`.
fn parse_date(text: &str) -> Option<SystemTime> {
    if text.len() != 16 || !text.is_ascii() {
        return None;
    }
    let (year, month, day) = (&text[..4], &text[4..6], &text[6..8]);
    let (hour, minute, second) = (&text[9..11], &text[11..13], &text[13..15]);
    let extended = format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z");
    let date = DateTime::from_str(&extended, Format::DateTime).ok()?;
    (text.as_bytes()[8] == b'T' && text.ends_with('Z')).then(|| SystemTime::try_from(date).ok())?
}

/// Checks the names of the signed headers. AWS requires that `host` and every `x-amz-`
/// header are signed, and that the names are sorted and unique.
fn check_signed_headers(headers: &HeaderMap, signed: &str) -> Result<()> {
    let names: Vec<&str> = signed.split(';').collect();
    let sorted_and_unique = names.windows(2).all(|pair| pair[0] < pair[1]);
    let lower_case = !signed.bytes().any(|byte| byte.is_ascii_uppercase());
    let all_sent = names.iter().all(|name| headers.contains_key(*name));
    if !sorted_and_unique || !lower_case || !all_sent {
        return Err(invalid(MISMATCH));
    }
    let amz = headers.keys().map(http::HeaderName::as_str).filter(|it| it.starts_with("x-amz-"));
    for required in amz.chain(["host"]) {
        if names.binary_search(&required).is_err() {
            return Err(invalid(format!("'{required}' must be a 'SignedHeader' in the request.")));
        }
    }
    Ok(())
}

/// Checks the hash of the body in the header, if the request has that header.
fn check_payload_hash(headers: &HeaderMap, body: &[u8]) -> Result<()> {
    match headers.get("x-amz-content-sha256") {
        Some(hash) if *hash != hex(&Sha256::digest(body)) => {
            Err(invalid("The value of 'x-amz-content-sha256' is not the hash of the body."))
        }
        _ => Ok(()),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn equal_in_constant_time(left: &[u8], right: &[u8]) -> bool {
    let difference = left.iter().zip(right).fold(0, |found, (l, r)| found | (l ^ r));
    left.len() == right.len() && std::hint::black_box(difference) == 0
}

fn invalid(message: impl Into<Cow<'static, str>>) -> ApiError {
    forbidden("InvalidSignatureException", message)
}

fn forbidden(code: &'static str, message: impl Into<Cow<'static, str>>) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, message)
}

#[cfg(test)]
mod tests;
