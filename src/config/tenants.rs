//! Section `[tenants]`: who may call, and how much.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::Arc,
};

use aws_tag_rules::{KEY_CHARACTERS, VALUE_CHARACTERS};

use super::section::Section;
use crate::{ingest::StageArn, proto::v1::IngestProtocol, tenant::TenantId};

/// AWS allows 50 tags on a resource; callers and the gateway itself share the rest.
const MAX_EXTRA_TAGS: usize = 16;

/// Every tenant's settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Tenants {
    /// `[tenants.default]`: for tenants that are not listed. Absent: they are refused.
    pub default: Option<Arc<TenantSettings>>,
    /// The listed tenants.
    pub named: HashMap<TenantId, Arc<TenantSettings>>,
    /// Whose the stages of every tenant's `stage_arns` are, whatever their tags say.
    pub stage_owners: HashMap<StageArn, TenantId>,
}

/// What one tenant may do. A key that is not set is inherited from
/// `[tenants.default]` if the file has that, else it has the default given here.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantSettings {
    /// Ingest configurations that may exist at AWS at once. Default 20.
    pub max_ingest_configurations: u32,
    /// Calls of all RPCs. Default 100 a second, bursts of 200.
    pub request_rate: Rate,
    /// Creates. Default 0.5 a second, bursts of 3.
    pub create_rate: Rate,
    /// Calls of one AWS operation that wait for their turn. Default 10.
    pub max_queued: u32,
    /// Calls of one AWS operation that are there at once, at least 1. Default 2.
    pub max_in_flight: u32,
    /// The share of AWS's budget beside other tenants that wait, 1 to 1000. Default 1.
    pub weight: u32,
    /// Whether its limits are only counted, and none is enforced but the account's own
    /// budget. Default false.
    pub shadow: bool,
    /// What encoders may speak; not empty. Default RTMPS and RTMP.
    pub allowed_protocols: Vec<IngestProtocol>,
    /// Tags that every create of the tenant gets; at most 16, with AWS's rules. Set
    /// as a whole: they are not mixed with inherited ones. Default none.
    pub extra_tags: BTreeMap<String, String>,
    /// A stage is the tenant's when this tag of the stage holds the tenant's id.
    /// Default `tenant`.
    pub stage_owner_tag: String,
}

/// A rate with bursts (GCRA).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// In the long run; above 0, at most a million.
    pub per_second: f64,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

impl Tenants {
    /// The settings of a tenant, listed or not. `None`: the tenant is unknown.
    #[must_use]
    pub fn settings(&self, tenant: &TenantId) -> Option<&Arc<TenantSettings>> {
        self.named.get(tenant).or(self.default.as_ref())
    }

    pub(super) fn read(mut section: Section<'_>) -> Self {
        let built_in = TenantSettings::default();
        let default = section.has("default").then(|| {
            let mut keys = section.section("default");
            keys.refuse("stage_arns", "a stage has one owner; list it under that tenant");
            Arc::new(TenantSettings::read(keys, &built_in))
        });
        let inherited = default.as_deref().unwrap_or(&built_in);
        let (mut named, mut stage_owners) = (HashMap::new(), HashMap::new());
        for name in section.names() {
            match TenantId::parse(&name) {
                Ok(tenant) => {
                    let mut keys = section.section(&name);
                    stages(&mut keys, &tenant, &mut stage_owners);
                    let settings = TenantSettings::read(keys, inherited);
                    named.insert(tenant, Arc::new(settings));
                }
                Err(rule) => section.refuse(&name, format!("{rule}; rename the tenant")),
            }
        }
        Self { default, named, stage_owners }
    }
}

impl Default for TenantSettings {
    fn default() -> Self {
        let burst = |burst: u32| NonZeroU32::MIN.saturating_add(burst - 1);
        Self {
            max_ingest_configurations: 20,
            request_rate: Rate { per_second: 100.0, burst: burst(200) },
            create_rate: Rate { per_second: 0.5, burst: burst(3) },
            max_queued: 10,
            max_in_flight: 2,
            weight: 1,
            shadow: false,
            allowed_protocols: vec![IngestProtocol::Rtmps, IngestProtocol::Rtmp],
            extra_tags: BTreeMap::new(),
            stage_owner_tag: "tenant".to_owned(),
        }
    }
}

impl TenantSettings {
    fn read(mut section: Section<'_>, inherited: &Self) -> Self {
        Self {
            max_ingest_configurations: section.integer(
                "max_ingest_configurations",
                inherited.max_ingest_configurations,
                0..=1_000_000,
            ),
            request_rate: Rate::read(section.section("request_rate"), inherited.request_rate),
            create_rate: Rate::read(section.section("create_rate"), inherited.create_rate),
            max_queued: section.integer("max_queued", inherited.max_queued, 0..=100_000),
            max_in_flight: section.integer("max_in_flight", inherited.max_in_flight, 1..=10_000),
            weight: section.integer("weight", inherited.weight, 1..=1000),
            shadow: section.boolean("shadow", inherited.shadow),
            allowed_protocols: protocols(&mut section)
                .unwrap_or_else(|| inherited.allowed_protocols.clone()),
            extra_tags: extra_tags(&mut section).unwrap_or_else(|| inherited.extra_tags.clone()),
            stage_owner_tag: section
                .text("stage_owner_tag", |text| tag_key(text).map(|()| text.to_owned()))
                .unwrap_or_else(|| inherited.stage_owner_tag.clone()),
        }
    }
}

impl Rate {
    fn read(mut section: Section<'_>, inherited: Self) -> Self {
        let per_second = section.positive("per_second", inherited.per_second, 1e6);
        let burst = section.integer("burst", inherited.burst.get(), 1..=1_000_000);
        Self { per_second, burst: NonZeroU32::new(burst).unwrap_or(inherited.burst) }
    }
}

/// Reads `stage_arns`. A stage that two tenants list would be whose the order says.
fn stages(section: &mut Section<'_>, tenant: &TenantId, owners: &mut HashMap<StageArn, TenantId>) {
    let listed = section.texts("stage_arns", |text| {
        StageArn::parse(text).map_err(|_| {
            "is not the ARN of a stage; give one as arn:aws:ivs:REGION:ACCOUNT:stage/ID".to_owned()
        })
    });
    for arn in listed.unwrap_or_default() {
        if let Some(other) = owners.insert(arn, tenant.clone()) {
            let words = format!("names a stage that {other} lists too; list it once");
            section.problem("stage_arns", words);
        }
    }
}

fn protocols(section: &mut Section<'_>) -> Option<Vec<IngestProtocol>> {
    let protocols = section.texts("allowed_protocols", |text| match text {
        "RTMPS" => Ok(IngestProtocol::Rtmps),
        "RTMP" => Ok(IngestProtocol::Rtmp),
        _ => Err("is not a protocol; give RTMPS or RTMP".to_owned()),
    })?;
    if protocols.is_empty() {
        section.problem("allowed_protocols", "names no protocol; give RTMPS, RTMP or both");
    }
    if protocols.iter().enumerate().any(|(index, protocol)| protocols[..index].contains(protocol)) {
        section.problem("allowed_protocols", "names a protocol twice; name it once");
    }
    Some(protocols)
}

fn extra_tags(section: &mut Section<'_>) -> Option<BTreeMap<String, String>> {
    if !section.has("extra_tags") {
        return None;
    }
    let mut tags = section.section("extra_tags");
    let names = tags.names();
    let too_many = names.len() > MAX_EXTRA_TAGS;
    let mut extra = BTreeMap::new();
    for name in names {
        let value = tags.text(&name, |value| {
            extra_tag_key(&name)?;
            tag_value(value)?;
            Ok(value.to_owned())
        });
        extra.extend(value.map(|value| (name, value)));
    }
    if too_many {
        let words = format!("has more than {MAX_EXTRA_TAGS} tags; remove some");
        section.problem("extra_tags", words);
    }
    Some(extra)
}

fn extra_tag_key(key: &str) -> Result<(), String> {
    tag_key(key)?;
    let of_gateway = key.to_lowercase().starts_with("ingest-gateway:");
    if aws_tag_rules::is_reserved(key) || of_gateway {
        return Err("is a reserved tag; begin it with neither aws: nor ingest-gateway:".to_owned());
    }
    Ok(())
}

fn tag_key(key: &str) -> Result<(), String> {
    if aws_tag_rules::is_key(key) {
        Ok(())
    } else {
        let most = KEY_CHARACTERS.end();
        Err(format!("is not a tag's key; give 1 to {most} {CHARACTERS_OF_A_TAG}"))
    }
}

fn tag_value(value: &str) -> Result<(), String> {
    if aws_tag_rules::is_value(value) {
        Ok(())
    } else {
        let most = VALUE_CHARACTERS.end();
        Err(format!("is not a tag's value; give up to {most} {CHARACTERS_OF_A_TAG}"))
    }
}

const CHARACTERS_OF_A_TAG: &str = "letters, digits, spaces and _ . : / = + - @";

#[cfg(test)]
mod tests {
    use crate::config::Config;

    /// `char::is_alphanumeric` accepts combining marks, and AWS does not.
    #[test]
    fn extra_tags_contain_what_aws_accepts() {
        let read = |tag: &str| {
            let required = "ledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = true";
            let text = format!("{required}\n[tenants.acme.extra_tags]\n{tag}\n");
            Config::parse(&text, "gateway.toml", []).map_err(|problems| problems.to_string())
        };
        for bad in [r#""e\u0301" = "x""#, r#"key = "e\u0301""#] {
            let problems = read(bad).unwrap_err();
            assert!(problems.contains("letters, digits, spaces and _ . : / = + - @"), "{problems}");
        }
        read("\"\u{E9} \u{A0}\" = \"\u{2028}\u{661}\"").unwrap();
    }
}
