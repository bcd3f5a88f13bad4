//! Starts the process of the gateway, and ends it as the plan says.

use std::{io, time::Duration};

use invariants::Invariant;
use ivs_ingest_gateway::{ids::Ids, ledger::State};
use tokio::time::{sleep, sleep_until};

use super::Simulation;
use crate::{gateway::Running, plan::Fault, random::Draws};

/// The time between two attempts to start, as a supervisor of processes waits.
const RESTART: Duration = Duration::from_secs(2);

impl Simulation {
    /// Starts the gateway, and retries until it runs.
    pub(super) async fn start(&mut self) {
        loop {
            self.starts += 1;
            let ids = Ids::seeded(Draws::new(self.plan.seed, 1000 + self.starts).next());
            let started =
                Running::start(&self.config, self.sdk.clone(), &self.disk, &self.clock, ids);
            match started {
                Ok(running) => {
                    self.trace.add(format_args!("the gateway starts"));
                    self.check_recorded();
                    let rows = self.disk.rows().unwrap_or_default().into_iter();
                    let in_doubt = rows.filter(|row| row.state == State::InDoubt.to_string());
                    self.history.are_in_doubt(in_doubt.map(|row| row.request));
                    self.gateway.send_replace(Some(running.gateway.clone()));
                    *self.running() = Some(running);
                    return;
                }
                Err(error) => {
                    self.trace.add(format_args!("the gateway cannot start: {}", shown(&error)));
                }
            }
            sleep(RESTART).await;
        }
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Carries out the faults that end the process, in their order.
    pub(super) async fn end_processes(&mut self) -> io::Result<()> {
        let with_time = |fault: &Fault| time_of(fault).map(|at| (at, fault.clone()));
        let mut faults: Vec<_> = self.plan.faults.iter().filter_map(with_time).collect();
        faults.sort_by_key(|(at, _)| *at);
        for (at, fault) in faults {
            sleep_until(self.trace.began() + at).await;
            match fault {
                Fault::Crash { polls, down, .. } => {
                    self.trace.count_fault("Crash");
                    self.crash(polls).await?;
                    sleep(down).await;
                    self.start().await;
                }
                Fault::Restore { copied, at, down } => {
                    self.trace.count_fault("Restore");
                    self.trace.add(format_args!("the ledger is copied"));
                    self.disk.back_up()?;
                    sleep(at.saturating_sub(copied)).await;
                    self.crash(0).await?;
                    self.trace.add(format_args!("the copy of the ledger is restored"));
                    self.disk.restore()?;
                    self.is_restored = true;
                    sleep(down).await;
                    self.start().await;
                }
                Fault::SecondProcess { .. } => {
                    self.trace.count_fault("SecondProcess");
                    self.start_second().await;
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn crash(&mut self, polls: u32) -> io::Result<()> {
        let running = self.running().take();
        if let Some(running) = running {
            running.crash(polls).await;
            self.gateway.send_replace(None);
            self.disk.leave_wal()?;
            self.trace.add(format_args!("the gateway crashes"));
        }
        Ok(())
    }

    /// Starts a second process on the ledger, which must be refused.
    async fn start_second(&self) {
        let ids = Ids::seeded(self.plan.seed);
        let second = Running::start(&self.config, self.sdk.clone(), &self.disk, &self.clock, ids);
        match second {
            Ok(second) => {
                self.history.violated(Invariant::OneProcess, "a second process runs");
                second.crash(0).await;
            }
            Err(error) if error.contains("is in use by another gateway") => {
                self.trace.add(format_args!("a second process: {}", shown(&error)));
            }
            Err(error) => self.history.violated(Invariant::OneProcess, shown(&error)),
        }
    }
}

/// Returns the error without the folder of the ledger, which has a random name.
fn shown(error: &str) -> &str {
    error.rsplit_once('/').map_or(error, |(_, end)| end)
}

const fn time_of(fault: &Fault) -> Option<Duration> {
    match fault {
        Fault::Crash { at, .. }
        | Fault::SecondProcess { at }
        | Fault::Restore { copied: at, .. } => Some(*at),
        _ => None,
    }
}
