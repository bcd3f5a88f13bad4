//! The parsed request of `CreateIngestConfiguration`.

use std::collections::BTreeMap;

use super::{
    arn::StageArn,
    attributes::Attributes,
    caller_tags::CallerTags,
    fingerprint::{Encoding, Fingerprint},
    protocol::IngestProtocol,
    text::{ConfigurationName, RequestId, UserId, unless_empty},
    violations::{Found, Violations, reason},
};
use crate::proto::v1::CreateIngestConfigurationRequest;

/// A valid create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIngestConfiguration {
    /// The name of the configuration; may be empty and need not be unique.
    pub name: ConfigurationName,
    /// The stage to publish to, if any.
    pub stage_arn: Option<StageArn>,
    /// The caller's name for the participant; may be empty.
    pub user_id: UserId,
    /// The attributes of the participant.
    pub attributes: Attributes,
    /// The protocol that the encoder uses.
    pub ingest_protocol: IngestProtocol,
    /// Whether the stage accepts ingest without TLS; true for RTMP.
    pub insecure_ingest: bool,
    /// Whether a second encoder may publish as a hot spare.
    pub redundant_ingest: bool,
    /// The caller's own tags.
    pub tags: CallerTags,
    /// The conflicts of the tags with those of the operator, if any. Such a create is not executed;
    /// it may repeat an earlier one.
    pub tag_conflicts: Option<Violations>,
    /// The caller's idempotency key; `None` if the caller sends none.
    pub request_id: Option<RequestId>,
    /// Whether to check the request without creating anything.
    pub validate_only: bool,
}

impl CreateIngestConfiguration {
    /// Parses the message. `extra_tags` are those that the operator sets for the caller's
    /// tenant. Strings are moved out of the message, not copied.
    ///
    /// # Errors
    /// All violations of the message, unless they are only conflicts with `extra_tags`.
    pub fn parse(
        message: CreateIngestConfigurationRequest,
        extra_tags: &BTreeMap<String, String>,
    ) -> Result<Self, Violations> {
        let mut found = Found::default();
        let name = found.value("name", ConfigurationName::parse(message.name));
        let stage_arn = found.value("stage_arn", unless_empty(message.stage_arn, StageArn::parse));
        let user_id = found.value("user_id", UserId::parse(message.user_id));
        let attributes = found.value("attributes", Attributes::parse(message.attributes));
        let ingest_protocol =
            found.value("ingest_protocol", IngestProtocol::parse(message.ingest_protocol));
        if ingest_protocol == Some(IngestProtocol::Rtmp) && !message.insecure_ingest {
            let description = "false is not allowed with INGEST_PROTOCOL_RTMP; use true, or set \
                               ingest_protocol to INGEST_PROTOCOL_RTMPS";
            found.add("insecure_ingest", reason::CONFLICT, description);
        }
        let (tags, conflicts) = CallerTags::parse_into(message.tags, extra_tags, &mut found);
        let request_id =
            found.value("request_id", unless_empty(message.request_id, RequestId::parse));

        match (name, stage_arn, user_id, attributes, ingest_protocol, request_id) {
            (
                Some(name),
                Some(stage_arn),
                Some(user_id),
                Some(attributes),
                Some(ingest_protocol),
                Some(request_id),
            ) if found.count() == conflicts => Ok(Self {
                name,
                stage_arn,
                user_id,
                attributes,
                ingest_protocol,
                insecure_ingest: message.insecure_ingest,
                redundant_ingest: message.redundant_ingest,
                tags,
                tag_conflicts: (conflicts > 0).then(|| found.into_violations()),
                request_id,
                validate_only: message.validate_only,
            }),
            _ => Err(found.into_violations()),
        }
    }

    /// Returns the fingerprint of all fields except `request_id` and `validate_only`. Each
    /// field is encoded with its number in the message.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        // Destructured, so that the compiler reports a new field that is missing here.
        let Self {
            name,
            stage_arn,
            user_id,
            attributes,
            ingest_protocol,
            insecure_ingest,
            redundant_ingest,
            tags,
            tag_conflicts: _,
            request_id: _,
            validate_only: _,
        } = self;
        let mut encoding = Encoding::begin();
        encoding
            .text(1, name.as_str())
            .text(2, stage_arn.as_ref().map_or("", StageArn::as_str))
            .text(3, user_id.as_str())
            .map(4, attributes.as_map())
            .text(5, ingest_protocol.as_str())
            .flag(6, *insecure_ingest)
            .flag(7, *redundant_ingest)
            .map(8, tags.as_map());
        encoding.finish()
    }
}

#[cfg(test)]
mod tests;
