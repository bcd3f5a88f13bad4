//! Receives the rest of rejected requests.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

/// Time limit for the rest of a rejected request, which a client sends with the headers.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Maximum number of rejected requests that are awaited, so that clients that send headers
/// only cannot fill the memory.
const MAX_CONCURRENT: usize = 1024;

/// Receives the rest of rejected requests.
#[derive(Debug)]
pub(super) struct Discards {
    permits: Semaphore,
    max_message_bytes: usize,
}

impl Discards {
    pub(super) fn new(max_message_bytes: usize) -> Self {
        Self { permits: Semaphore::new(MAX_CONCURRENT), max_message_bytes }
    }

    /// Receives and drops the rest of a rejected request. h2 resets a stream whose end it has
    /// not received, and ends a connection after 1,024 resets. The rejections of one tenant
    /// would then disconnect the other tenants behind the same proxy.
    pub(super) async fn receive(&self, body: Incoming) {
        // Only requests that do not end reach the limit. The others' streams are reset.
        let Ok(_permit) = self.permits.try_acquire() else { return };
        let mut body = Limited::new(body, self.max_message_bytes);
        let ended = async { while let Some(Ok(_)) = body.frame().await {} };
        let _ = tokio::time::timeout(TIMEOUT, ended).await;
    }
}
