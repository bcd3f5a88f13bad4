//! The usual answers of AWS: IVS, STS and the sources of credentials.

use std::collections::BTreeMap;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Response;
use serde_json::{Value, json};

use super::Seen;

/// An expiry of credentials that no test reaches.
const EXPIRY: &str = "2100-01-01T00:00:00Z";

/// A response of the server.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// Returns a response without the headers of AWS.
    pub(crate) fn foreign(status: u16, content_type: &str, body: &str) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, body: body.to_owned() }
    }

    /// Returns a response of AWS.
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::foreign(status, "application/json", &body.to_string())
            .with("x-amzn-requestid", "3f2504e0-4f89-11d3-9a0c-0305e82c3301")
    }

    /// Returns an error of AWS.
    pub(crate) fn error(status: u16, code: &str, body: &Value) -> Self {
        Self::json(status, body).with("x-amzn-errortype", code)
    }

    /// Adds a header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        response.body(Full::new(self.body.into())).unwrap()
    }
}

/// The configurations at this AWS, by ARN.
#[derive(Default)]
pub(super) struct Resources {
    configurations: BTreeMap<String, Value>,
    made: u32,
}

impl Resources {
    pub(super) fn answer(&mut self, seen: &Seen) -> Answer {
        let body: Value = serde_json::from_str(&seen.body).unwrap_or_default();
        let arn = || body["arn"].as_str().unwrap_or_default();
        match seen.path.as_str() {
            "/CreateIngestConfiguration" => {
                let configuration = self.create(&body);
                Answer::json(200, &json!({ "ingestConfiguration": configuration }))
            }
            "/GetIngestConfiguration" => match self.configurations.get(arn()) {
                Some(found) => Answer::json(200, &json!({ "ingestConfiguration": found })),
                None => not_found(),
            },
            "/DeleteIngestConfiguration" => match self.configurations.remove(arn()) {
                Some(_) => Answer::json(200, &json!({})),
                None => not_found(),
            },
            "/ListIngestConfigurations" => {
                let all: Vec<_> = self.configurations.values().collect();
                Answer::json(200, &json!({ "ingestConfigurations": all }))
            }
            "/GetStage" => {
                let stage = json!({
                    "arn": arn(),
                    "tags": { "tenant": "acme" },
                    "endpoints": {
                        "rtmp": "rtmp://stage.example/app/",
                        "rtmps": "rtmps://stage.example:443/app/",
                    },
                });
                Answer::json(200, &json!({ "stage": stage }))
            }
            "/" if seen.body.contains("Action=AssumeRoleWithWebIdentity") => {
                sts("AssumeRoleWithWebIdentity", "WEBIDENTITY")
            }
            "/" if seen.body.contains("Action=AssumeRole") => sts("AssumeRole", "ASSUMEDROLE"),
            "/credentials" => container(),
            path => instance(path).unwrap_or_else(|| self.tags(path)),
        }
    }

    fn create(&mut self, request: &Value) -> Value {
        self.made += 1;
        let id = format!("{:012}", self.made);
        let arn = format!("arn:aws:ivs:us-east-1:123456789012:ingest-configuration/{id}");
        let text = |member: &str| request[member].as_str().unwrap_or_default().to_owned();
        let configuration = json!({
            "arn": arn,
            "name": text("name"),
            "ingestProtocol": text("ingestProtocol"),
            "streamKey": format!("sk_us-east-1_responder{id}"),
            "stageArn": text("stageArn"),
            "participantId": format!("participant{id}"),
            "state": "INACTIVE",
            "userId": text("userId"),
            "redundantIngest": false,
            "attributes": request["attributes"].as_object().cloned().unwrap_or_default(),
            "tags": request["tags"],
        });
        self.configurations.insert(arn, configuration.clone());
        configuration
    }

    /// `ListTagsForResource` has the ARN in its path, percent-encoded.
    fn tags(&self, path: &str) -> Answer {
        let arn = path.trim_start_matches("/tags/").replace("%3A", ":").replace("%2F", "/");
        match self.configurations.get(&arn) {
            Some(found) => Answer::json(200, &json!({ "tags": found["tags"] })),
            None => not_found(),
        }
    }
}

fn not_found() -> Answer {
    let words = json!({ "exceptionMessage": "Resource does not exist" });
    Answer::error(404, "ResourceNotFoundException", &words)
}

/// The response of the Security Token Service.
fn sts(action: &str, key_id: &str) -> Answer {
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
         <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/gateway/s</Arn>\
         <AssumedRoleId>AROA:s</AssumedRoleId></AssumedRoleUser><Credentials>\
         <AccessKeyId>{key_id}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
         <SessionToken>token</SessionToken><Expiration>{EXPIRY}</Expiration></Credentials>\
         </{action}Result></{action}Response>"
    );
    Answer::foreign(200, "text/xml", &body)
}

/// The response of the agent of containers.
fn container() -> Answer {
    let credentials = json!({
        "AccessKeyId": "CONTAINER", "SecretAccessKey": "secret", "Token": "token",
        "Expiration": EXPIRY,
    });
    Answer::foreign(200, "application/json", &credentials.to_string())
}

/// The responses of the metadata service of instances.
fn instance(path: &str) -> Option<Answer> {
    let role = "/latest/meta-data/iam/security-credentials";
    let extended = "/latest/meta-data/iam/security-credentials-extended";
    if path == "/latest/api/token" {
        let token = Answer::foreign(200, "text/plain", "token");
        return Some(token.with("x-aws-ec2-metadata-token-ttl-seconds", "21600"));
    }
    let path = path.trim_end_matches('/');
    if path == role || path == extended {
        return Some(Answer::foreign(200, "text/plain", "gateway"));
    }
    if !path.starts_with(role) {
        return None;
    }
    let credentials = json!({
        "Code": "Success", "LastUpdated": "2020-01-01T00:00:00Z", "Type": "AWS-HMAC",
        "AccessKeyId": "INSTANCE", "SecretAccessKey": "secret", "Token": "token",
        "Expiration": EXPIRY, "AccountId": "123456789012",
    });
    Some(Answer::foreign(200, "application/json", &credentials.to_string()))
}
