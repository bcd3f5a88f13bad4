//! The operations of AWS as types, so that a [`Permit`](crate::pacer::Permit) of one
//! operation cannot be used for another.

/// An operation of AWS. Each has its own call rate in an account and region.
pub trait AwsOperation {
    /// AWS's name of the operation.
    const NAME: &'static str;

    /// The multiple of [`Upstream::calls_per_second`](crate::config::Upstream) that AWS
    /// allows. Source: the service quotas of Amazon IVS Real-Time.
    const RATE_FACTOR: f64 = 1.0;
}

macro_rules! operation {
    ($type:ident, $name:literal $(, $factor:literal)?) => {
        #[doc = concat!("`", $name, "`.")]
        #[derive(Debug)]
        pub struct $type(());

        impl $type {
            /// Returns the value that a pacer of the operation needs. Only `ivs` can make it.
            pub(super) const fn new() -> Self {
                Self(())
            }
        }

        impl AwsOperation for $type {
            const NAME: &'static str = $name;
            $(const RATE_FACTOR: f64 = $factor;)?
        }
    };
}

operation!(Create, "CreateIngestConfiguration");
operation!(Get, "GetIngestConfiguration");
operation!(Update, "UpdateIngestConfiguration");
operation!(Delete, "DeleteIngestConfiguration");
operation!(List, "ListIngestConfigurations");
operation!(GetStage, "GetStage");
operation!(ListTags, "ListTagsForResource", 2.0);
operation!(Tag, "TagResource", 2.0);
