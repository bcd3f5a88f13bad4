//! Section `[identity]`: how a caller shows whose call it is.

use super::{reference::Key, section::Section};

pub(super) const UNSUPPORTED: &str = "is not supported by this version; use identity.metadata";

/// The ways that are enabled, at least one.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The tenant is what `x-tenant-id` says. `None` unless
    /// `identity.metadata.enabled = true`.
    pub metadata: Option<MetadataIdentity>,
}

/// `x-tenant-id` is believed as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct MetadataIdentity {
    /// Whether it is believed of callers beyond the loopback also, because a mesh or
    /// a proxy in front sets it. Default false.
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
        // Trust in a header is never had by the section's name alone.
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
