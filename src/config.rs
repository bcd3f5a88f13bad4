//! The configuration: one TOML file, whose values the environment can override.
//!
//! A problem does not stop the reading: it is recorded, and a default is used instead.
//! [`Problems`] therefore lists all problems. Each section has a file, which declares its
//! keys; `agreement` checks conditions between keys. Reading a configuration opens certificate
//! files, but no socket and no database.

use std::{cell::RefCell, fs, path::Path};

mod agreement;
mod document;
mod environment;
mod identity;
mod ledger;
mod problems;
mod reconcile;
mod reference;
mod report;
mod section;
mod server;
mod settings;
mod tenants;
mod upstream;

pub use identity::{Identity, MetadataIdentity};
pub use ledger::{Ledger, LedgerUrl};
pub use problems::Problems;
pub use reconcile::{ResolutionTimes, ScanTimes};
pub use reference::{Entry, Kind, reference};
pub use server::{Server, Tls};
pub use upstream::Upstream;
pub(crate) use upstream::{endpoint_url, region};

use document::Table;
use problems::{Origin, Problem};
use reference::Key;
use report::Report;
use section::Section;
use settings::Settings;

use crate::tenancy::TenancySettings;

/// The whole configuration. Every value is within its limits, and the values agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The listeners and their limits.
    pub server: Server,
    /// Amazon IVS Real-Time.
    pub upstream: Upstream,
    /// The durable state.
    pub ledger: Ledger,
    /// The resolution of in-doubt creates.
    pub resolution: ResolutionTimes,
    /// The scan of the configurations at AWS.
    pub scan: ScanTimes,
    /// The identities that callers can have.
    pub identity: Identity,
    /// The tenants and their limits.
    pub tenants: TenancySettings,
    settings: Settings,
}

impl Config {
    /// Reads the file and the variables `IVS_INGEST_GATEWAY__SECTION__KEY` of the environment,
    /// which take precedence.
    ///
    /// # Errors
    /// [`Problems`] lists all problems. A file that cannot be read is one of them.
    pub fn load(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let file_name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            let words = format!("cannot be read ({error}); use the path of a TOML file");
            let problem = Problem { origin: Origin::File, key: String::new(), words };
            Problems::new(&file_name, vec![problem])
        })?;
        Self::parse(&text, &file_name, environment)
    }

    /// Reads a configuration as [`Config::load`] does, from the text of the file. Paths in it
    /// are relative to the folder of `file_name`.
    ///
    /// # Errors
    /// [`Problems`] lists all problems.
    pub fn parse(
        text: &str,
        file_name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let (config, report) = Self::examine(text, file_name, environment);
        report.finish(file_name, config)
    }

    fn examine(
        text: &str,
        file_name: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> (Option<Self>, Report) {
        let (mut document, syntax_errors) = document::parse(text);
        let mut report = Report::new(syntax_errors);
        environment::overlay(&mut document, environment, &mut report);
        let folder = Path::new(file_name).parent().unwrap_or(Path::new(""));
        let report = RefCell::new(report);
        let config = Self::read(document, folder, &report);
        (config, report.into_inner())
    }

    fn read(document: Table, folder: &Path, report: &RefCell<Report>) -> Option<Self> {
        let mut root = Section::root(document, report);
        root.refuse("principals", identity::UNSUPPORTED);
        let mut section = |name, help| root.section(Key::new(name, help));
        let server = Server::read(section("server", "The listeners, and what they admit."), folder);
        let upstream = Upstream::read(section("upstream", "Amazon IVS Real-Time."));
        let ledger = Ledger::read(section("ledger", "The durable state."), folder);
        let resolution = ResolutionTimes::read(section(
            "settle",
            "How the gateway resolves a create whose outcome at AWS is unknown.",
        ));
        let scan = ScanTimes::read(section(
            "sweep",
            "The scan, which lists all configurations at AWS and corrects the ledger.",
        ));
        let identity =
            Identity::read(section("identity", "How a caller proves which tenant it acts for."));
        let tenants = tenants::read(section(
            "tenants",
            "A section for each tenant. `[tenants.default]`, if present, admits tenants that are \
             not listed, and the listed ones inherit from it.",
        ));
        let mut report = report.borrow_mut();
        agreement::check_server(&server, &mut report);
        agreement::check_identity(&identity, &server, &mut report);
        agreement::check_rate(&upstream, &mut report);
        agreement::check_times(&upstream, &resolution, &mut report);
        agreement::check_tenants(&tenants, &mut report);
        let settings = report.take_settings();
        let ledger = ledger?;
        Some(Self { server, upstream, ledger, resolution, scan, identity, tenants, settings })
    }

    /// Returns the keys that differ from those of `running` and that only a restart applies.
    #[must_use]
    pub fn restart_keys<'a>(&'a self, running: &'a Self) -> Vec<&'a str> {
        let fixed = |config: &Self| {
            let mut server = config.server.clone();
            let has_tls = server.tls.take().is_some();
            let Self { upstream, ledger, resolution, scan, identity, .. } = config.clone();
            (server, has_tls, upstream, ledger, resolution, scan, identity)
        };
        let (before, after) = (fixed(running), fixed(self));
        if before == after {
            return Vec::new();
        }
        let differences = self.settings.differences(&running.settings).into_iter();
        let is_certificate = |key: &str| key.starts_with("server.tls.") && before.1 == after.1;
        differences.filter(|key| !key.starts_with("tenants.") && !is_certificate(key)).collect()
    }
}

#[cfg(test)]
mod tests;
