//! The credentials of the gateway. One task loads them, outside of any call: a call never waits in
//! the SDK for a slow source, and a caller that leaves cancels no load.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use aws_credential_types::{
    Credentials,
    provider::{self, ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_async::time::TimeSource;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{CallError, access::Suspicion, settings::AwsSettings, signing_clock::SigningClock};

#[cfg(test)]
mod tests;

/// The pause after a failed load, and the shortest time between two loads after AWS rejected the
/// credentials.
const PAUSE: Duration = Duration::from_secs(5);

/// Credentials are loaded again this long before they expire, or after half of their life if that
/// is shorter.
const EARLY: Duration = Duration::from_mins(5);

/// Credentials that expire sooner are not used for a new call.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// The credentials that the task has loaded. Cheap to clone: all clones share them.
#[derive(Debug, Clone)]
pub(super) struct LoadedCredentials(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: watch::Sender<State>,
    /// AWS has rejected the credentials, or they have expired before their time.
    reload: Notify,
    suspicion: Suspicion,
    clock: SigningClock,
}

#[derive(Debug, Clone, Default)]
struct State {
    current: Option<Credentials>,
    /// The error of the last load, if it failed.
    failure: Option<Arc<str>>,
}

impl LoadedCredentials {
    pub(super) fn new(clock: SigningClock, suspicion: Suspicion) -> Self {
        let (state, reload) = (watch::Sender::default(), Notify::new());
        Self(Arc::new(Shared { state, reload, suspicion, clock }))
    }

    /// Waits for credentials.
    ///
    /// # Errors
    /// [`CallError`], if the last load failed.
    pub(super) async fn ready(&self) -> Result<(), CallError> {
        let mut states = self.0.state.subscribe();
        loop {
            {
                let state = states.borrow_and_update();
                if self.valid(&state).is_some() {
                    return Ok(());
                }
                if let Some(failure) = &state.failure {
                    return Err(CallError::no_credentials(failure.to_string()));
                }
                // They have expired before their time, as after a step of the clock.
                if state.current.is_some() {
                    self.0.reload.notify_one();
                }
            }
            // The sender is a field, so that this cannot fail.
            let _ = states.changed().await;
        }
    }

    /// Reports that AWS has rejected the credentials: they are loaded again.
    pub(super) fn rejected(&self) {
        self.0.reload.notify_one();
    }

    /// Returns the credentials, unless they expire soon.
    fn valid<'a>(&self, state: &'a State) -> Option<&'a Credentials> {
        state.current.as_ref().filter(|current| self.is_usable(current))
    }

    fn is_usable(&self, credentials: &Credentials) -> bool {
        let soon = self.0.clock.now() + EXPIRY_MARGIN;
        credentials.expiry().is_none_or(|expiry| expiry > soon)
    }

    /// Returns loaded credentials as the gateway uses them. Those that have expired by the clock
    /// are used without an expiry: if the clock is wrong, only a response of AWS corrects it.
    fn used(&self, loaded: Credentials) -> Credentials {
        if self.is_usable(&loaded) {
            return loaded;
        }
        tracing::warn!(
            "the source returned credentials that have expired by the clock of this machine: AWS decides"
        );
        let token = loaded.session_token().map(str::to_owned);
        Credentials::new(
            loaded.access_key_id(),
            loaded.secret_access_key(),
            token,
            None,
            "without an expiry",
        )
    }

    fn provide(&self) -> provider::Result {
        let state = self.0.state.borrow();
        let message = || state.failure.as_deref().unwrap_or("not loaded yet").to_owned();
        self.valid(&state).cloned().ok_or_else(|| CredentialsError::not_loaded(message()))
    }

    /// Loads the credentials of `settings`, and again before they expire or when AWS rejects them,
    /// until `shutdown` fires.
    pub(super) async fn keep(
        self,
        settings: AwsSettings,
        limit: Duration,
        shutdown: CancellationToken,
    ) {
        let loads = async {
            loop {
                let next = self.load(&settings, limit).await;
                let earliest = Instant::now() + PAUSE;
                tokio::select! {
                    biased;
                    () = self.0.reload.notified() => {
                        tracing::warn!("AWS rejected the credentials, or they have expired: they are loaded again");
                        sleep_until(earliest).await;
                    }
                    () = sleep(next) => {}
                }
            }
        };
        // Its result is irrelevant.
        let _ = shutdown.run_until_cancelled(loads).await;
    }

    /// Loads the credentials once. Returns the time to the next load.
    async fn load(&self, settings: &AwsSettings, limit: Duration) -> Duration {
        let began = Instant::now();
        let settings = settings.clone();
        // A task of its own, so that a panic of the SDK ends only the load.
        let mut task = tokio::spawn(async move { settings.load_credentials().await });
        let loaded = match timeout(limit, &mut task).await {
            Ok(Ok(loaded)) => loaded.and_then(checked),
            Ok(Err(_)) => Err("the AWS SDK panicked".to_owned()),
            Err(_) => {
                task.abort();
                Err(format!("the source did not respond within {} ms", limit.as_millis()))
            }
        };
        let took = began.elapsed();
        match loaded {
            Ok(loaded) => {
                let (now, expiry) = (self.0.clock.now(), loaded.expiry());
                let next = expiry.map_or(Duration::MAX, |at| next_load(now, at));
                let expires_in = expiry.map(|at| at.duration_since(now).unwrap_or_default());
                tracing::info!(
                    access_key_id = loaded.access_key_id(),
                    ?took,
                    ?expires_in,
                    "loaded the AWS credentials"
                );
                let current = Some(self.used(loaded));
                self.0.state.send_replace(State { current, failure: None });
                next
            }
            Err(failure) => {
                let has_valid = self.valid(&self.0.state.borrow()).is_some();
                if has_valid {
                    tracing::warn!(%failure, ?took, "could not load the AWS credentials again; the present ones are used until they expire");
                } else {
                    tracing::error!(%failure, ?took, "could not load the AWS credentials; calls to AWS fail until it succeeds");
                }
                self.0.state.send_modify(|state| state.failure = Some(failure.into()));
                self.0.suspicion.report();
                PAUSE
            }
        }
    }
}

impl ProvideCredentials for LoadedCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::ready(self.provide())
    }
}

/// Returns the time from `now` to the load that replaces credentials that expire at `expiry`.
fn next_load(now: SystemTime, expiry: SystemTime) -> Duration {
    match expiry.duration_since(now) {
        Ok(left) => left.saturating_sub(EARLY.min(left / 2)).max(PAUSE),
        // The clock is probably wrong. If AWS rejects them, they are loaded earlier.
        Err(_) => EARLY,
    }
}

/// Returns the credentials if the SDK can sign with them. It would panic at a line break, which
/// files and variables often end with.
fn checked(credentials: Credentials) -> Result<Credentials, String> {
    let key = credentials.access_key_id();
    if key.is_empty()
        || !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    {
        return Err("the access key id is empty or has characters other than letters and digits; correct the source of the credentials".to_owned());
    }
    let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_word(credentials.secret_access_key()) {
        return Err("the secret access key is empty or has white space or control characters; correct the source of the credentials".to_owned());
    }
    if credentials.session_token().is_some_and(|token| !is_word(token)) {
        return Err("the session token is empty or has white space or control characters; correct the source of the credentials".to_owned());
    }
    Ok(credentials)
}
