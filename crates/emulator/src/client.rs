//! A client of the control API.

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    fault::Fault,
    operation::Operation,
    shapes::{
        Calls, FaultReport, PATH, PublishState, Rejection, SettingsChange, Snapshot, Spending,
        StateChange,
    },
};

/// The time-out of the connection attempt, and of each read and write.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A failed call of the control API.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The emulator is not reachable, or did not respond within 10 s.
    #[error("the emulator's control API is not reachable; check its address")]
    Io(#[from] io::Error),
    /// The emulator rejected the request.
    #[error("the emulator's control API rejected the request with {status}: {message}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The reason.
        message: String,
    },
    /// The peer is not an emulator, or its version differs from the client's.
    #[error("the response is not valid for the control API; use an emulator of the same version")]
    Malformed,
}

/// A client of the control API of one emulator. Each call blocks the calling thread for
/// about 1 ms. An async test can use the client only if the emulator runs on another
/// thread, as [`crate::Background`] does.
#[derive(Debug, Clone, Copy)]
pub struct ControlClient {
    address: SocketAddr,
}

#[expect(clippy::missing_errors_doc, reason = "`ControlError` documents itself")]
impl ControlClient {
    /// Returns a client of the emulator that listens on the address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Adds a fault after the active ones, and returns all active faults.
    pub fn add_fault(&self, fault: &Fault) -> Result<FaultReport, ControlError> {
        self.call("POST", "faults", fault)
    }

    /// Returns the active faults, and the number of injections.
    pub fn faults(&self) -> Result<FaultReport, ControlError> {
        self.call("GET", "faults", &())
    }

    /// Removes all faults, and sends the responses that `hold` faults delay.
    pub fn clear_faults(&self) -> Result<(), ControlError> {
        self.command("DELETE", "faults", &())
    }

    /// Returns all resources, with their tags and stream keys.
    pub fn state(&self) -> Result<Snapshot, ControlError> {
        self.call("GET", "state", &())
    }

    /// Sets the state of an ingest configuration.
    pub fn set_state(&self, arn: &str, state: PublishState) -> Result<(), ControlError> {
        self.command("POST", "state", &StateChange { arn: arn.to_owned(), state })
    }

    /// Returns the counts of every operation.
    pub fn calls(&self) -> Result<BTreeMap<Operation, Calls>, ControlError> {
        self.call("GET", "calls", &())
    }

    /// Returns the counts of one operation.
    pub fn calls_of(&self, operation: Operation) -> Result<Calls, ControlError> {
        Ok(self.calls()?.remove(&operation).unwrap_or_default())
    }

    /// Sets all counts to 0.
    pub fn clear_calls(&self) -> Result<(), ControlError> {
        self.command("DELETE", "calls", &())
    }

    /// Changes settings of the running emulator.
    pub fn change_settings(&self, change: &SettingsChange) -> Result<(), ControlError> {
        self.command("POST", "settings", change)
    }

    /// Changes the calls per second of each operation. 0 means unlimited.
    pub fn set_rate(&self, calls_per_second: f64) -> Result<(), ControlError> {
        let calls_per_second = Some(calls_per_second);
        self.change_settings(&SettingsChange { calls_per_second, ..SettingsChange::default() })
    }

    /// Changes the time that lists omit a configuration created from now on.
    pub fn set_visibility_delay(&self, delay: Duration) -> Result<(), ControlError> {
        let visibility_delay_ms = Some(u64::try_from(delay.as_millis()).unwrap_or(u64::MAX));
        self.change_settings(&SettingsChange { visibility_delay_ms, ..SettingsChange::default() })
    }

    /// Restarts the random draws of faults that have a probability.
    pub fn set_seed(&self, seed: u64) -> Result<(), ControlError> {
        self.change_settings(&SettingsChange { seed: Some(seed), ..SettingsChange::default() })
    }

    /// Sets the part of an operation's rate, in calls a second, that other software in the
    /// account uses from now on.
    pub fn spend(&self, operation: Operation, calls_per_second: f64) -> Result<(), ControlError> {
        self.command("POST", "spend", &Spending { operation, calls_per_second })
    }

    /// Resets the emulator: removes all resources, faults and counts, and restores the
    /// settings. Stages that [`crate::Emulator::create_stage`] created stay.
    pub fn reset(&self) -> Result<(), ControlError> {
        self.command("POST", "reset", &())
    }

    /// Makes a call whose response has no content.
    fn command(&self, method: &str, path: &str, body: &impl Serialize) -> Result<(), ControlError> {
        self.call::<Value>(method, path, body).map(|_| ())
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ControlError> {
        let response = self.exchange(method, path, &json!(body).to_string())?;
        let (head, body) = response.split_once("\r\n\r\n").ok_or(ControlError::Malformed)?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        match status.ok_or(ControlError::Malformed)? {
            200 => serde_json::from_str(body).map_err(|_| ControlError::Malformed),
            status => {
                let Ok(Rejection { message }) = serde_json::from_str(body) else {
                    return Err(ControlError::Malformed);
                };
                Err(ControlError::Rejected { status, message })
            }
        }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let length = body.len();
        let request = format!(
            "{method} {PATH}{path} HTTP/1.1\r\nhost: emulator\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        let mut response = String::new();
        stream.read_to_string(&mut response)?;
        Ok(response)
    }
}
