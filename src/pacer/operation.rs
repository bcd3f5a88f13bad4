//! The operations of AWS.

/// The operations of AWS that the gateway calls. Each has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// `CreateIngestConfiguration`.
    Create,
    /// `GetIngestConfiguration`.
    Get,
    /// `UpdateIngestConfiguration`.
    Update,
    /// `DeleteIngestConfiguration`.
    Delete,
    /// `ListIngestConfigurations`.
    List,
    /// `GetStage`.
    GetStage,
    /// `ListTagsForResource`.
    ListTags,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Create,
        Self::Get,
        Self::Update,
        Self::Delete,
        Self::List,
        Self::GetStage,
        Self::ListTags,
    ];

    /// AWS's name of it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "CreateIngestConfiguration",
            Self::Get => "GetIngestConfiguration",
            Self::Update => "UpdateIngestConfiguration",
            Self::Delete => "DeleteIngestConfiguration",
            Self::List => "ListIngestConfigurations",
            Self::GetStage => "GetStage",
            Self::ListTags => "ListTagsForResource",
        }
    }

    /// How many times the rate of the others AWS allows.
    pub(super) const fn factor(self) -> f64 {
        match self {
            Self::ListTags => 2.0,
            _ => 1.0,
        }
    }
}
