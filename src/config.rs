//! The configuration: one TOML file, with the environment laid over it.
//!
//! Reading is total: whatever is wrong is recorded and reading goes on with a
//! default, so that [`Problems`] holds everything at once. One file a section says
//! what its keys are; what two sections must agree on stands here. Nothing here
//! opens a socket or a database, or looks into a certificate.

use std::{cell::RefCell, fs, path::Path};

mod agreement;
mod document;
mod environment;
mod identity;
mod ledger;
mod problems;
mod reconcile;
mod report;
mod section;
mod server;
mod tenants;
mod upstream;

pub use identity::{Identity, MetadataIdentity};
pub use ledger::{Ledger, LedgerUrl};
pub use problems::Problems;
pub use reconcile::{ResolutionTimes, ScanTimes};
pub use server::{Server, Tls};
pub use upstream::Upstream;

use document::Table;
use problems::{Origin, Problem};
use report::Report;
use section::Section;

use crate::tenancy::TenancySettings;

/// A configuration file with every key, its unit and its default.
pub const EXAMPLE: &str = include_str!("../docs/gateway.example.toml");

/// The whole configuration. Every value is within its limits, and the values agree.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The listeners and what they admit.
    pub server: Server,
    /// Amazon IVS Real-Time.
    pub upstream: Upstream,
    /// The durable state.
    pub ledger: Ledger,
    /// Creates whose outcome is unknown.
    pub resolution: ResolutionTimes,
    /// The walk over everything that AWS has.
    pub scan: ScanTimes,
    /// How a caller shows whose call it is.
    pub identity: Identity,
    /// The tenants and their limits.
    pub tenants: TenancySettings,
}

impl Config {
    /// Reads the file, and the variables named `IVS_INGEST_GATEWAY__SECTION__KEY` of the
    /// environment, which win.
    ///
    /// # Errors
    /// Everything that is wrong, in [`Problems`]; a file that cannot be read also.
    pub fn load(
        path: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Problems> {
        let file_name = path.display().to_string();
        let text = fs::read_to_string(path).map_err(|error| {
            let words = format!("cannot be read ({error}); give the path of a TOML file");
            let problem = Problem { origin: Origin::File, key: String::new(), words };
            Problems::new(&file_name, vec![problem])
        })?;
        Self::parse(&text, &file_name, environment)
    }

    /// Does as [`Config::load`] does, with the file's text. Relative paths in it begin
    /// at the folder of `file_name`.
    ///
    /// # Errors
    /// Everything that is wrong, in [`Problems`].
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
        let server = Server::read(root.section("server"), folder);
        let upstream = Upstream::read(root.section("upstream"));
        let ledger = Ledger::read(root.section("ledger"), folder);
        let resolution = ResolutionTimes::read(root.section("settle"));
        let scan = ScanTimes::read(root.section("sweep"));
        let identity = Identity::read(root.section("identity"));
        let tenants = tenants::read(root.section("tenants"));
        let mut report = report.borrow_mut();
        agreement::check_server(&server, &mut report);
        agreement::check_identity(&identity, &server, &mut report);
        agreement::check_times(&upstream, &resolution, &mut report);
        drop(report);
        Some(Self { server, upstream, ledger: ledger?, resolution, scan, identity, tenants })
    }
}

#[cfg(test)]
mod tests;
