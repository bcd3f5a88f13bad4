//! Section `[ledger]`: the durable state.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{reference::Key, section::Section};

const REMEDY: &str = "give sqlite:///absolute/path or sqlite:relative/path";

/// The location of the ledger, and its retention.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    /// The location. It has no default, because only the operator knows a disk that survives
    /// the process.
    pub url: LedgerUrl,
    /// Time that a `request_id` is remembered after its configuration is deleted. Until then a
    /// retry is safe. Default 24 h.
    pub request_id_retention: Duration,
}

/// A parsed `ledger.url`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerUrl {
    /// The path of an `SQLite` file.
    Sqlite(PathBuf),
}

impl Ledger {
    pub(super) fn read(mut section: Section<'_>, folder: &Path) -> Option<Self> {
        let url = section.required(
            Key::new(
                "url",
                "SQLite file of the ledger, on a local disk that survives the process. Required. \
                 `init-ledger` creates the file and its folder. If there is none, `serve` creates it, and \
                 first compares it with AWS.",
            )
            .set_in_example("\"sqlite:///var/lib/ivs-ingest-gateway/ledger.db\""),
            "sqlite:///absolute/path or sqlite:relative/path",
            REMEDY,
            |text| ledger_url(text, folder),
        );
        let request_id_retention = section.milliseconds(
            Key::new(
                "request_id_retention_ms",
                "Time for which the gateway remembers a `request_id` after its configuration is gone. \
                 24 hours by default.",
            ),
            86_400_000,
            60_000..=2_592_000_000,
        );
        Some(Self { url: url?, request_id_retention })
    }
}

/// Parses the URL. Its path has no escapes and no options.
fn ledger_url(text: &str, folder: &Path) -> Result<LedgerUrl, String> {
    let (scheme, rest) =
        text.split_once(':').ok_or_else(|| format!("is not a ledger's URL; {REMEDY}"))?;
    let path = match scheme {
        "sqlite" => rest.strip_prefix("//").unwrap_or(rest),
        "postgres" | "postgresql" => {
            return Err(format!("PostgreSQL is not supported by this version; {REMEDY}"));
        }
        _ => return Err(format!("is not a ledger's URL; {REMEDY}")),
    };
    if rest.starts_with("//") && !path.starts_with('/') {
        Err(format!("names a host before the path; {REMEDY}"))
    } else if path.is_empty() || path.ends_with('/') {
        Err(format!("names no file; {REMEDY}"))
    } else if path.contains(['?', '#']) {
        Err("has options after the path, which are not supported; remove them".to_owned())
    } else if path.starts_with(':') {
        Err(format!("names a database in memory, which does not survive the process; {REMEDY}"))
    } else {
        Ok(LedgerUrl::Sqlite(folder.join(path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_absolute_or_begin_at_the_folder() {
        for (text, path) in [
            ("sqlite:///var/lib/ledger.db", "/var/lib/ledger.db"),
            ("sqlite:/var/lib/ledger.db", "/var/lib/ledger.db"),
            ("sqlite:data/ledger.db", "/etc/gateway/data/ledger.db"),
        ] {
            let url = ledger_url(text, Path::new("/etc/gateway"));
            assert_eq!(url, Ok(LedgerUrl::Sqlite(PathBuf::from(path))));
        }
    }

    #[test]
    fn a_url_without_a_durable_file_is_rejected_and_not_quoted() {
        for (text, words) in [
            ("hunter2", "is not a ledger's URL"),
            ("mysql://user:hunter2@host/db", "is not a ledger's URL"),
            ("postgres://user:hunter2@host/db", "PostgreSQL is not supported"),
            ("postgresql://user:hunter2@host/db", "PostgreSQL is not supported"),
            ("sqlite://hunter2/ledger.db", "names a host"),
            ("sqlite:", "names no file"),
            ("sqlite:///", "names no file"),
            ("sqlite::memory:", "names a database in memory"),
            ("sqlite:///ledger.db?key=hunter2", "has options"),
        ] {
            let problem = ledger_url(text, Path::new("")).unwrap_err();
            assert!(problem.starts_with(words) && !problem.contains("hunter2"), "{problem}");
        }
    }
}
