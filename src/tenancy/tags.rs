//! The gateway's tags on an AWS resource. They name the tenant that owns the resource and the
//! create that made it. The resolver uses them to resolve in-doubt creates, and a lost ledger
//! is rebuilt from them.
//!
//! Callers cannot forge these tags: `request` rejects their prefix, and [`TenancyTags::write`]
//! writes them last. This module does no I/O.

use std::collections::{BTreeMap, HashMap};

use crate::{
    request::{CallerTags, Fingerprint, MANAGED_TAGS, OperationId, RequestId, is_managed_tag},
    tenancy::TenantId,
};

const TENANT: &str = "ivs-ingest-gateway:tenant";
const OPERATION_ID: &str = "ivs-ingest-gateway:operation-id";
const REQUEST_ID: &str = "ivs-ingest-gateway:request-id";
const FINGERPRINT: &str = "ivs-ingest-gateway:fingerprint";

/// The content of the gateway's tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenancyTags {
    /// The tenant that owns the resource.
    pub tenant: TenantId,
    /// The create that made the resource.
    pub operation_id: OperationId,
    /// The caller's idempotency key, if the caller sent one.
    pub request_id: Option<RequestId>,
    /// The fingerprint of the create.
    pub fingerprint: Fingerprint,
}

impl TenancyTags {
    /// Returns all tags of a new resource. The operator's `extra` tags override those of the
    /// caller, and the gateway's tags override both.
    #[must_use]
    pub fn write(
        &self,
        caller: &CallerTags,
        extra: &BTreeMap<String, String>,
    ) -> HashMap<String, String> {
        let caller = caller.as_map();
        let mut tags = HashMap::with_capacity(caller.len() + extra.len() + MANAGED_TAGS);
        tags.extend(caller.iter().chain(extra).map(|(key, value)| (key.clone(), value.clone())));
        tags.insert(TENANT.to_owned(), self.tenant.to_string());
        tags.insert(OPERATION_ID.to_owned(), self.operation_id.to_string());
        tags.insert(FINGERPRINT.to_owned(), self.fingerprint.to_string());
        if let Some(request_id) = &self.request_id {
            tags.insert(REQUEST_ID.to_owned(), request_id.to_string());
        }
        tags
    }

    /// Reads the gateway's tags. Returns `None` if a required tag is missing or a tag is
    /// malformed: the gateway did not create such a resource and must not adopt it.
    #[must_use]
    pub fn read(tags: &HashMap<String, String>) -> Option<Self> {
        let request_id = match tags.get(REQUEST_ID) {
            Some(text) => Some(RequestId::parse(text.as_str()).ok()?),
            None => None,
        };
        Some(Self {
            tenant: TenantId::parse(tags.get(TENANT)?).ok()?,
            operation_id: OperationId::parse(tags.get(OPERATION_ID)?).ok()?,
            request_id,
            fingerprint: Fingerprint::parse(tags.get(FINGERPRINT)?).ok()?,
        })
    }
}

/// Returns the tags that the caller sees: without the gateway's tags and the operator's
/// `extra` tags.
#[must_use]
pub fn visible(
    tags: impl IntoIterator<Item = (String, String)>,
    extra: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    tags.into_iter().filter(|(key, _)| !is_managed_tag(key) && !extra.contains_key(key)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ulid::Ulid;

    use super::*;
    use crate::request::MANAGED_TAG_PREFIX;

    fn tenancy() -> impl Strategy<Value = TenancyTags> {
        let request_id = prop::option::of("[a-zA-Z0-9_.:/=+@-]{1,128}");
        ("[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}", any::<u128>(), request_id, any::<[u8; 16]>()).prop_map(
            |(tenant, id, request_id, fingerprint)| TenancyTags {
                tenant: TenantId::parse(&tenant).unwrap(),
                operation_id: Ulid(id).into(),
                request_id: request_id.map(|text| RequestId::parse(text).unwrap()),
                fingerprint: fingerprint.into(),
            },
        )
    }

    fn pairs() -> impl Strategy<Value = BTreeMap<String, String>> {
        prop::collection::btree_map("[a-e]{1,2}", "[a-e]{0,2}", 0..20)
    }

    proptest! {
        #[test]
        fn written_tags_can_be_read(tenancy in tenancy(), caller in pairs(), extra in pairs()) {
            let free = caller.into_iter().filter(|(key, _)| !extra.contains_key(key)).collect();
            let caller = CallerTags::parse(free, &extra).unwrap();
            let tags = tenancy.write(&caller, &extra);
            prop_assert_eq!(TenancyTags::read(&tags), Some(tenancy));
            prop_assert!(extra.iter().all(|(key, value)| tags.get(key) == Some(value)));
            prop_assert_eq!(&visible(tags, &extra), caller.as_map());
        }

        #[test]
        fn managed_tags_are_never_visible(
            tags in prop::collection::hash_map(
                "(?i:ivs-ingest-gateway:|aws:|ivs-ingest-gateway)?[a-e]{0,2}", "[a-e]", 0..30),
            extra in pairs(),
        ) {
            let managed = |key: &str| key.replace('ſ', "s").to_ascii_lowercase().starts_with(MANAGED_TAG_PREFIX);
            let is_shown = |key: &String| !managed(key) && !extra.contains_key(key);
            let expected = tags.keys().filter(|key| is_shown(key)).count();
            let shown = visible(tags, &extra);
            prop_assert!(shown.keys().all(is_shown));
            prop_assert_eq!(shown.len(), expected);
        }
    }

    fn written() -> HashMap<String, String> {
        let tenancy = TenancyTags {
            tenant: TenantId::parse("acme").unwrap(),
            operation_id: Ulid(1).into(),
            request_id: Some(RequestId::parse("r-1").unwrap()),
            fingerprint: [7; 16].into(),
        };
        tenancy.write(&CallerTags::default(), &BTreeMap::new())
    }

    #[test]
    fn the_gateway_writes_its_maximum_number_of_tags_all_with_its_prefix() {
        let tags = written();
        assert_eq!(tags.len(), MANAGED_TAGS);
        assert!(tags.keys().all(|key| key.starts_with(MANAGED_TAG_PREFIX)));
    }

    #[test]
    fn the_gateways_tags_override_the_operators() {
        let tenancy = TenancyTags::read(&written()).unwrap();
        let extra = BTreeMap::from([(TENANT.to_owned(), "globex".to_owned())]);
        let tags = tenancy.write(&CallerTags::default(), &extra);
        assert_eq!(TenancyTags::read(&tags), Some(tenancy));
    }

    #[test]
    fn incomplete_or_malformed_tags_are_not_read() {
        for key in [TENANT, OPERATION_ID, FINGERPRINT] {
            let mut tags = written();
            tags.remove(key);
            assert_eq!(TenancyTags::read(&tags), None, "{key} is missing");
        }
        for key in [TENANT, OPERATION_ID, FINGERPRINT, REQUEST_ID] {
            let mut tags = written();
            tags.insert(key.to_owned(), "#".to_owned());
            assert_eq!(TenancyTags::read(&tags), None, "{key} is malformed");
        }
        let mut tags = written();
        tags.remove(REQUEST_ID);
        assert_eq!(TenancyTags::read(&tags).unwrap().request_id, None);
    }
}
