//! Implements [`Ledger`]. Each method is one job, except `finish_scan`, between whose jobs other
//! jobs may run.

use std::{collections::HashMap, time::SystemTime};

use super::{
    super::{
        Adopted, Adoption, Comparison, Event, Expired, Filter, InDoubtCreate, Ledger, LedgerFuture,
        Observation, Reservation, Reserved, Row, SendPermission, Transition, UnconfirmedRow,
        UnfinishedDelete, Upstream, Usage,
    },
    SqliteLedger, WhenFull, adopting, binding,
    columns::unix_ms,
    reading, reconciling, reserving, scanning, steps,
};
use crate::{request::OperationId, tenancy::TenantId};

impl Ledger for SqliteLedger {
    fn reserve(&self, reservation: Reservation) -> LedgerFuture<'_, Reserved> {
        let leases = self.leases;
        self.write(WhenFull::Reject, move |connection, now| {
            reserving::reserve(connection, &reservation, now, &leases)
        })
    }

    fn send(&self, operation_id: OperationId) -> LedgerFuture<'_, Option<SendPermission>> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            steps::send(connection, operation_id, now, &leases)
        })
    }

    fn resend(
        &self,
        operation_id: OperationId,
        request_id: String,
        sent_at: SystemTime,
    ) -> LedgerFuture<'_, Option<SendPermission>> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            steps::resend(connection, operation_id, &request_id, sent_at, now, &leases)
        })
    }

    fn apply(&self, operation_id: OperationId, event: Event) -> LedgerFuture<'_, Transition> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            steps::apply(connection, operation_id, (&event).into(), now, &leases)
        })
    }

    fn apply_to_sending(
        &self,
        operation_id: OperationId,
        sent_at: SystemTime,
        event: Event,
    ) -> LedgerFuture<'_, Option<Transition>> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            let step = (&event).into();
            steps::apply_to_sending(connection, operation_id, sent_at, step, now, &leases)
        })
    }

    fn usage(&self, tenant: TenantId) -> LedgerFuture<'_, Usage> {
        self.read(move |connection| reading::usage(connection, &tenant))
    }

    fn find(&self, tenant: TenantId, arn: String) -> LedgerFuture<'_, Option<Row>> {
        self.read(move |connection| reading::find(connection, &tenant, &arn))
    }

    fn list(
        &self,
        tenant: TenantId,
        filter: Filter,
        before: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<Row>> {
        self.read(move |connection| reading::list(connection, &tenant, &filter, before, limit))
    }

    fn unfinished_deletes(&self) -> LedgerFuture<'_, Vec<UnfinishedDelete>> {
        self.write(WhenFull::Wait, |connection, now| {
            Ok(reconciling::deletes(connection, unix_ms(now.of_leases))?)
        })
    }

    fn expire(&self) -> LedgerFuture<'_, Expired> {
        self.write(WhenFull::Wait, |connection, now| {
            Ok(steps::expire(connection, unix_ms(now.wall), unix_ms(now.of_leases))?)
        })
    }

    fn in_doubt(
        &self,
        after: Option<OperationId>,
        limit: u32,
    ) -> LedgerFuture<'_, Vec<InDoubtCreate>> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(reconciling::in_doubt(connection, after, limit)?)
        })
    }

    fn count_in_doubt(&self) -> LedgerFuture<'_, u32> {
        self.read(reading::count_in_doubt)
    }

    fn count_live(&self) -> LedgerFuture<'_, u32> {
        self.read(reading::count_live)
    }

    fn live_arn(&self) -> LedgerFuture<'_, Option<String>> {
        self.read(reading::live_arn)
    }

    fn owners(&self, arns: Vec<String>) -> LedgerFuture<'_, HashMap<String, OperationId>> {
        self.write(WhenFull::Wait, move |connection, _| Ok(reconciling::owners(connection, arns)?))
    }

    fn observe(&self, seen: Vec<Observation>) -> LedgerFuture<'_, Vec<String>> {
        self.write(WhenFull::Wait, move |connection, _| Ok(scanning::observe(connection, seen)?))
    }

    /// Runs one job for each 1,000 rows, so that other jobs run in between.
    fn finish_scan(&self, scan_began: SystemTime) -> LedgerFuture<'_, Vec<UnconfirmedRow>> {
        let scan_began_ms = unix_ms(scan_began);
        Box::pin(async move {
            let mut missing = Vec::new();
            let mut after = None;
            loop {
                let (found, last) = self
                    .write(WhenFull::Wait, move |connection, _| {
                        Ok(scanning::finish(connection, scan_began_ms, after)?)
                    })
                    .await?;
                missing.extend(found);
                if last.is_none() {
                    return Ok(missing);
                }
                after = last;
            }
        })
    }

    fn adopt(&self, found: Adoption) -> LedgerFuture<'_, Adopted> {
        let leases = self.leases;
        self.write(WhenFull::Wait, move |connection, now| {
            adopting::adopt(connection, &found, now, &leases)
        })
    }

    fn prune(&self, before: SystemTime) -> LedgerFuture<'_, usize> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(reconciling::prune(connection, unix_ms(before))?)
        })
    }

    fn comparison(&self) -> LedgerFuture<'_, Comparison> {
        self.write(WhenFull::Wait, |connection, _| Ok(reconciling::comparison(connection)?))
    }

    fn set_comparison(&self, comparison: Comparison) -> LedgerFuture<'_, ()> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(reconciling::set_comparison(connection, comparison)?)
        })
    }

    fn check_writable(&self) -> LedgerFuture<'_, ()> {
        self.write(WhenFull::Wait, |connection, _| Ok(reconciling::check_writable(connection)?))
    }

    fn bind(&self, upstream: Upstream) -> LedgerFuture<'_, Option<Upstream>> {
        self.write(WhenFull::Wait, move |connection, _| Ok(binding::bind(connection, &upstream)?))
    }

    fn bind_account(&self, account_id: String) -> LedgerFuture<'_, Option<String>> {
        self.write(WhenFull::Wait, move |connection, _| {
            Ok(binding::bind_account(connection, &account_id)?)
        })
    }
}
