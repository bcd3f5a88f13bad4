//! Logging to standard error.

use std::io::{self, IsTerminal};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

/// Starts logging to standard error: as text on a terminal, and as JSON otherwise. `RUST_LOG`
/// sets the levels; `default` applies without it.
///
/// # Errors
/// A `RUST_LOG` that cannot be read.
pub fn start_logging(default: Level) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) => EnvFilter::try_new(&directives)
            .map_err(|error| format!("RUST_LOG={directives}: {error}"))?,
        Err(_) => EnvFilter::default().add_directive(default.into()),
    };
    let terminal = io::stderr().is_terminal();
    let layer = tracing_subscriber::fmt::layer().with_writer(io::stderr);
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_safe));
    if terminal {
        registry.with(layer.with_target(false)).try_init()?;
    } else {
        registry.with(layer.json().flatten_event(true).with_current_span(false)).try_init()?;
    }
    Ok(())
}

/// Whether an event may be logged. Events of the AWS SDK at `trace` are never logged, regardless
/// of `RUST_LOG`: with `LOG_SENSITIVE_BODIES` they contain complete responses with stream keys.
fn is_safe(metadata: &Metadata<'_>) -> bool {
    *metadata.level() != Level::TRACE || !metadata.target().starts_with("aws_")
}
