//! Section `[identity]`: the identities that callers can have.

use super::{reference::Key, section::Section};

pub(super) const UNSUPPORTED: &str = "is not supported by this version; use identity.metadata";

/// The enabled kinds of identity, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The caller names its tenant in `x-tenant-id`. `None` unless
    /// `identity.metadata.enabled = true`.
    pub metadata: Option<MetadataIdentity>,
}

/// The settings of the identity in `x-tenant-id`, which the gateway does not verify.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataIdentity {
    /// Whether callers beyond loopback may name their tenant, because a proxy or a mesh
    /// authenticates them. Default false.
    pub allow_remote: bool,
}

impl Identity {
    pub(super) fn read(mut section: Section<'_>) -> Self {
        section.refuse("jwt", UNSUPPORTED);
        section.refuse("mtls", UNSUPPORTED);
        let mut metadata = section.section(Key::new(
            "metadata",
            "The tenant is the value of the metadata key `x-tenant-id`.",
        ));
        // The presence of the section is not sufficient: trust in a header must be explicit.
        let enabled = metadata.boolean(
            Key::new(
                "enabled",
                "Whether callers name their tenant in `x-tenant-id`. One kind of identity must be \
                 enabled.",
            )
            .set_in_example("true"),
            false,
        );
        let allow_remote = metadata.boolean(
            Key::new(
                "allow_remote",
                "Whether callers beyond loopback may name their tenant. Only behind a proxy or a mesh \
                 that authenticates them and sets `x-tenant-id`.",
            ),
            false,
        );
        Self { metadata: enabled.then_some(MetadataIdentity { allow_remote }) }
    }
}
