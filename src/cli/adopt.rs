//! `adopt`: assigns existing configurations to tenants.
//!
//! It only writes the gateway's tags. A scan of the running gateway then adds the rows,
//! within ten minutes and one `sweep.interval_ms`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use clap::Args;
use tokio_util::sync::CancellationToken;

use super::{Failure, environment, say};
use crate::{
    clock::Clock,
    config::Config,
    ids::Ids,
    ivs::{AwsMetrics, Configuration, Ivs, Pacers, Sdk, Seams},
    request::{
        Attributes, CallerTags, ConfigurationArn, ConfigurationName, CreateIngestConfiguration,
        StageArn, UserId,
    },
    telemetry::Metrics,
    tenancy::TenantId,
    tenancy::tags::TenancyTags,
};

/// The fraction of AWS's call rate that the command uses. The gateway's callers need the rest.
const SHARE: f64 = 0.5;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// The configuration file of the gateway, for the endpoint of AWS and the tenants.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// A file with one configuration per line: an ARN, a space, and the id of a tenant.
    /// Empty lines and lines that begin with # are ignored.
    #[arg(long, value_name = "FILE")]
    list: PathBuf,
    /// Write the tags. Without this option nothing changes.
    #[arg(long)]
    apply: bool,
}

pub(super) async fn run(options: &Options) -> Result<(), Failure> {
    let config = Config::load(&options.config, environment())?;
    let file = options.list.display();
    let text = fs::read_to_string(&options.list).map_err(|error| format!("{file}: {error}"))?;
    let wanted = parse(&text, &config).map_err(|problems| {
        problems.iter().map(|problem| format!("{file}:{problem}")).collect::<Vec<_>>().join("\n")
    })?;
    let pacers = Pacers::new(config.upstream.calls_per_second * SHARE);
    let seams = Seams { credentials: None, http_client: None, clock: Clock::system() };
    let metrics =
        Metrics::default().register(|registry| AwsMetrics::register(registry, pacers.clone()));
    let sdk = Sdk::load(&config.upstream, seams).await?;
    let ivs = sdk.client(metrics);
    // The guard stops the tasks at the end of the scope.
    let stopped = CancellationToken::new();
    tokio::spawn(sdk.keep_credentials(stopped.clone()));
    tokio::spawn(pacers.clone().run(stopped.clone()));
    let _stop = stopped.drop_guard();
    let ids = Ids::random();
    let mut rejected = 0;
    for (arn, tenant) in &wanted {
        match adopt(&ivs, &pacers, arn, tenant, &ids, options.apply).await {
            Ok(done) => say(&format!("{arn} {tenant}: {done}")),
            Err(why) => {
                rejected += 1;
                say(&format!("{arn} {tenant}: rejected: {why}"));
            }
        }
    }
    if rejected > 0 {
        return Err(format!("{rejected} of {} configurations were rejected", wanted.len()).into());
    }
    if !options.apply {
        say("nothing was changed; add --apply to write the tags");
    }
    Ok(())
}

type Wanted = Vec<(ConfigurationArn, TenantId)>;

fn parse(text: &str, config: &Config) -> Result<Wanted, Vec<String>> {
    let mut wanted: BTreeMap<ConfigurationArn, TenantId> = BTreeMap::new();
    let mut problems = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match parse_line(line, config) {
            Ok((arn, tenant)) => {
                if wanted.insert(arn, tenant).is_some() {
                    problems
                        .push(format!("{number}: the ARN is in the list twice; remove one line"));
                }
            }
            Err(problem) => problems.push(format!("{number}: {problem}")),
        }
    }
    if problems.is_empty() { Ok(wanted.into_iter().collect()) } else { Err(problems) }
}

fn parse_line(line: &str, config: &Config) -> Result<(ConfigurationArn, TenantId), String> {
    let mut words = line.split_whitespace();
    let (Some(arn), Some(tenant), None) = (words.next(), words.next(), words.next()) else {
        return Err("give an ARN, a space, and a tenant's id".to_owned());
    };
    let arn = ConfigurationArn::parse(arn).map_err(|faults| format!("ARN: {faults}"))?;
    let tenant = TenantId::parse(tenant).map_err(|rule| rule.to_string())?;
    if config.tenants.of(&tenant).is_none() {
        return Err(format!("there is no tenant {tenant} in the configuration"));
    }
    Ok((arn, tenant))
}

async fn adopt(
    ivs: &Ivs,
    pacers: &Pacers,
    arn: &ConfigurationArn,
    tenant: &TenantId,
    ids: &Ids,
    apply: bool,
) -> Result<&'static str, String> {
    let failed = |error: crate::ivs::CallError| error.failure().to_string();
    let permit = pacers.get.internal_permit().await;
    let found = ivs.get_ingest_configuration(permit, arn.as_str()).await.map_err(failed)?.value;
    if let Some(tenancy) = TenancyTags::read(&found.tags) {
        return if tenancy.tenant == *tenant {
            Ok("is already adopted")
        } else {
            Err(format!("it belongs to the tenant {}", tenancy.tenant))
        };
    }
    if !apply {
        return Ok("would be adopted");
    }
    let tenancy = TenancyTags {
        tenant: tenant.clone(),
        operation_id: ids.next_operation_id(Clock::system().wall()),
        request_id: None,
        fingerprint: as_request(found)?.fingerprint(),
    };
    let tags = tenancy.write(&CallerTags::default(), &BTreeMap::new());
    let permit = pacers.tag.internal_permit().await;
    ivs.tag(permit, arn.as_str(), tags).await.map_err(failed)?;
    Ok("adopted")
}

/// Returns the create request that corresponds to the configuration.
fn as_request(found: Configuration) -> Result<CreateIngestConfiguration, String> {
    let stage_arn = match found.stage_arn {
        None => None,
        Some(arn) => Some(StageArn::parse(arn).map_err(|faults| format!("stage_arn: {faults}"))?),
    };
    Ok(CreateIngestConfiguration {
        name: ConfigurationName::parse(found.name).map_err(|faults| format!("name: {faults}"))?,
        stage_arn,
        user_id: UserId::parse(found.user_id).map_err(|faults| format!("user_id: {faults}"))?,
        attributes: Attributes::parse(found.attributes)
            .map_err(|faults| format!("attributes: {faults}"))?,
        ingest_protocol: found.ingest_protocol,
        insecure_ingest: found.ingest_protocol == crate::request::IngestProtocol::Rtmp,
        redundant_ingest: found.redundant_ingest,
        tags: CallerTags::default(),
        tag_conflicts: None,
        request_id: None,
        validate_only: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_of_the_list_are_reported() {
        let text = "ledger.url = 'sqlite:l.db'\nidentity.metadata.enabled = true\n[tenants.acme]\n";
        let config = Config::parse(text, "gateway.toml", []).unwrap();
        let arn = "arn:aws:ivs:us-east-1:123456789012:ingest-configuration/a";
        let good = format!("# old ones\n\n  {arn}  acme\n");
        assert_eq!(parse(&good, &config).unwrap().len(), 1);
        let bad = format!("{arn} acme\n{arn}\nno-arn acme\n{arn}x globex\n{arn} acme\n");
        let problems = parse(&bad, &config).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems[0].starts_with("2: give an ARN"));
        assert!(problems[1].starts_with("3: ARN: the value of 6 characters is not of the form"));
        assert_eq!(problems[2], "4: there is no tenant globex in the configuration");
        assert_eq!(problems[3], "5: the ARN is in the list twice; remove one line");
    }
}
