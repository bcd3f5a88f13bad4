//! Section `[tenants]`: the limits of each tenant.

use std::{
    collections::{BTreeMap, HashMap},
    num::NonZeroU32,
    sync::Arc,
};

use aws_tag_rules::{KEY_CHARACTERS, VALUE_CHARACTERS};

use super::{reference::Key, section::Section};
use crate::{
    request::{IngestProtocol, StageArn, is_reserved_tag},
    tenancy::{Rate, TenancySettings, TenantId, TenantSettings},
};

/// AWS allows 50 tags on a resource. Callers and the gateway use the others.
const MAX_EXTRA_TAGS: usize = 16;

pub(super) fn read(mut section: Section<'_>) -> TenancySettings {
    let built_in = TenantSettings::default();
    let default = section.has("default").then(|| {
        let mut keys = section.named_section("default");
        keys.refuse("stage_arns", "a stage has one owner; list it under that tenant");
        Arc::new(tenant(keys, &built_in))
    });
    let inherited = default.as_deref().unwrap_or(&built_in);
    let (mut named, mut stage_owners) = (HashMap::new(), HashMap::new());
    for name in section.names() {
        match TenantId::parse(&name) {
            Ok(id) => {
                let mut keys = section.named_section(&name);
                stages(&mut keys, &id, &mut stage_owners);
                named.insert(id, Arc::new(tenant(keys, inherited)));
            }
            Err(rule) => section.refuse(&name, format!("{rule}; rename the tenant")),
        }
    }
    TenancySettings { default, named, stage_owners }
}

/// Reads the keys of one tenant. The tenant inherits an unset key from `[tenants.default]`
/// if the file has that section; else the key has its default. `extra_tags` are inherited
/// as a whole.
fn tenant(mut section: Section<'_>, inherited: &TenantSettings) -> TenantSettings {
    let sets_max_queued = section.has("max_queued");
    let mut settings = TenantSettings {
        max_ingest_configurations: section.integer(
            Key::new("max_ingest_configurations", "Ingest configurations that may exist at AWS."),
            inherited.max_ingest_configurations,
            0..=1_000_000,
        ),
        request_rate: rate(
            section.section(Key::new("request_rate", "Rate of calls of all methods.")),
            inherited.request_rate,
        ),
        create_rate: create_rate(&mut section, inherited.create_rate),
        max_concurrent_calls: section.integer(
            Key::new(
                "max_concurrent_calls",
                "Concurrent calls of all methods other than ListIngestConfigurations and GetQuota.",
            ),
            inherited.max_concurrent_calls,
            1..=10_000,
        ),
        max_concurrent_reads: section.integer(
            Key::new(
                "max_concurrent_reads",
                "Concurrent calls of ListIngestConfigurations and GetQuota, which cost AWS nothing.",
            ),
            inherited.max_concurrent_reads,
            1..=10_000,
        ),
        max_queued: section.integer(
            Key::new("max_queued", "Calls that wait for AWS, per AWS operation."),
            inherited.max_queued,
            0..=100_000,
        ),
        max_in_flight: section.integer(
            Key::new("max_in_flight", "Concurrent calls at AWS, per AWS operation."),
            inherited.max_in_flight,
            1..=10_000,
        ),
        weight: section.integer(
            Key::new("weight", "Share of the calls to AWS, relative to other tenants that wait."),
            inherited.weight,
            1..=1000,
        ),
        shadow: section.boolean(
            Key::new("shadow", "Whether the limits of the tenant are counted and not enforced."),
            inherited.shadow,
        ),
        allowed_protocols: protocols(&mut section)
            .unwrap_or_else(|| inherited.allowed_protocols.clone()),
        extra_tags: extra_tags(&mut section).unwrap_or_else(|| inherited.extra_tags.clone()),
        stage_owner_tag: section
            .text(
                Key::new(
                    "stage_owner_tag",
                    "Tag of a stage that holds the id of the tenant that owns the stage.",
                )
                .default(format!("\"{}\"", inherited.stage_owner_tag)),
                "key of a tag",
                |text| tag_key(text).map(|()| text.to_owned()),
            )
            .unwrap_or_else(|| inherited.stage_owner_tag.clone()),
    };
    if !sets_max_queued {
        settings.max_queued = settings.max_queued.min(settings.max_concurrent_calls);
    }
    if settings.max_queued > settings.max_concurrent_calls {
        let words = format!(
            "is {}, more than max_concurrent_calls, which is {}; lower it, or raise \
            max_concurrent_calls",
            settings.max_queued, settings.max_concurrent_calls
        );
        section.problem("max_queued", words);
    }
    settings
}

fn rate(mut section: Section<'_>, inherited: Rate) -> Rate {
    let per_second = section.positive(
        Key::new("per_second", "Sustained calls a second."),
        inherited.per_second,
        1e6,
    );
    let burst = section.integer(
        Key::new("burst", "Calls that may come together after a pause."),
        inherited.burst.get(),
        1..=1_000_000,
    );
    Rate { per_second, burst: NonZeroU32::new(burst).unwrap_or(inherited.burst) }
}

/// Reads `create_rate`. A tenant that neither sets nor inherits it has no create rate.
fn create_rate(section: &mut Section<'_>, inherited: Option<Rate>) -> Option<Rate> {
    if !section.has("create_rate") {
        return inherited;
    }
    let keys = section.section(Key::new(
        "create_rate",
        "Rate of creates. If absent, the fair queue and `max_ingest_configurations` limit them.",
    ));
    if inherited.is_none() {
        for key in ["per_second", "burst"] {
            if !keys.has(key) {
                keys.problem(key, "is missing; a create_rate has per_second and burst");
            }
        }
    }
    let unset = Rate { per_second: 1.0, burst: NonZeroU32::MIN };
    Some(rate(keys, inherited.unwrap_or(unset)))
}

/// Reads `stage_arns`. A stage has one owner, so two tenants must not list it.
fn stages(section: &mut Section<'_>, tenant: &TenantId, owners: &mut HashMap<StageArn, TenantId>) {
    let listed = section.texts(
        Key::new(
            "stage_arns",
            "Stages of this tenant, regardless of their tags. Not for `tenants.default`.",
        )
        .default("[]"),
        "ARN of a stage",
        |text| {
            StageArn::parse(text).map_err(|_| {
                "is not the ARN of a stage; give one as arn:aws:ivs:REGION:ACCOUNT:stage/ID"
                    .to_owned()
            })
        },
    );
    for arn in listed.unwrap_or_default() {
        if let Some(other) = owners.insert(arn, tenant.clone()) {
            let words = format!("names a stage that the tenant {other} lists too; list it once");
            section.problem("stage_arns", words);
        }
    }
}

fn protocols(section: &mut Section<'_>) -> Option<Vec<IngestProtocol>> {
    let protocols = section.texts(
        Key::new("allowed_protocols", "Protocols that encoders of the tenant may use.")
            .default(r#"["RTMPS", "RTMP"]"#),
        "RTMPS or RTMP",
        |text| match text {
            "RTMPS" => Ok(IngestProtocol::Rtmps),
            "RTMP" => Ok(IngestProtocol::Rtmp),
            _ => Err("is not a protocol; give RTMPS or RTMP".to_owned()),
        },
    )?;
    if protocols.is_empty() {
        section.problem("allowed_protocols", "names no protocol; give RTMPS, RTMP or both");
    }
    if protocols.iter().enumerate().any(|(index, protocol)| protocols[..index].contains(protocol)) {
        section.problem("allowed_protocols", "names a protocol twice; name it once");
    }
    Some(protocols)
}

fn extra_tags(section: &mut Section<'_>) -> Option<BTreeMap<String, String>> {
    let is_set = section.has("extra_tags");
    let mut keys = section.tags(
        Key::new("extra_tags", "Tags that each create of the tenant gets, at most 16.")
            .default("{}"),
    );
    if !is_set {
        return None;
    }
    let names = keys.names();
    let too_many = names.len() > MAX_EXTRA_TAGS;
    let mut extra = BTreeMap::new();
    for name in names {
        let value = keys.take(&name, |node| {
            let value = node.text()?;
            extra_tag_key(&name)?;
            tag_value(&value)?;
            Ok(value)
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
    if is_reserved_tag(key) {
        return Err(
            "is a reserved tag; begin it with neither aws: nor ivs-ingest-gateway:".to_owned()
        );
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

    #[test]
    fn a_queue_fits_into_the_concurrent_calls() {
        let read = |lines: &str| {
            let required = "ledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = true";
            let text = format!("{required}\n{lines}\n");
            Config::parse(&text, "f", []).map_err(|problems| problems.to_string())
        };
        let problems = read("tenants.acme.max_queued = 51").unwrap_err();
        assert_eq!(
            problems,
            "f:3: tenants.acme.max_queued: is 51, more than max_concurrent_calls, which is 50; \
            lower it, or raise max_concurrent_calls"
        );
        read("tenants.acme.max_queued = 50").unwrap();
        // A default or an inherited value is reduced instead.
        let fewer = "tenants.default.max_concurrent_calls = 5\ntenants.acme.weight = 2";
        let tenants = read(fewer).unwrap().tenants;
        assert!(tenants.named.values().all(|tenant| tenant.max_queued == 5));
    }
}
