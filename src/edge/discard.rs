//! The rest of a rejected request.

use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use tokio::sync::Semaphore;

/// How long the rest of a rejected request may take to arrive. A client sends it together
/// with the headers.
const TIMEOUT: Duration = Duration::from_secs(1);

/// The most rejected requests whose rest is awaited: clients that send headers alone must
/// not fill the memory.
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

    /// Receives the rest of a rejected request, and drops it. An HTTP/2 stream whose end is
    /// not received is reset, and h2 ends a connection after 1,024 resets: the rejections of
    /// one tenant would cut off the others behind the same proxy.
    pub(super) async fn receive(&self, body: Incoming) {
        // Bodies beyond the bound are those that do not end: their streams are reset.
        let Ok(_permit) = self.permits.try_acquire() else { return };
        let mut body = Limited::new(body, self.max_message_bytes);
        let ended = async { while let Some(Ok(_)) = body.frame().await {} };
        let _ = tokio::time::timeout(TIMEOUT, ended).await;
    }
}
