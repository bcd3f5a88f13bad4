//! Calls the ledgers directly, without a gateway.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs::File,
    os::unix::fs::FileExt,
    time::{Instant, SystemTime},
};

use ivs_ingest_gateway::{
    clock::Clock,
    ids::Ids,
    ledger::{Event, Filter, Ledger, Reservation, Reserved, SqliteLedger},
    request::Fingerprint,
};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{
    Failure,
    fill::{Filled, LEASES},
    gateway::CONFIGURATIONS_A_TENANT,
    measure::{Latency, Pair, Size, alternate, elapsed_ns},
    rows::{self, CONFIGURATIONS, Random},
};

/// The bytes of a bare flush: one page, like the writes of the ledger.
const PAGE: [u8; 4096] = [7; 4096];

/// A call of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Call {
    List,
    Find,
    Usage,
    Reserve,
    /// A reservation during the end of a scan, which checks all rows.
    ReserveDuringScanEnd,
    /// A bare flush of the disk, without a call of the ledger.
    Flush,
}

/// The result of one round.
pub(crate) struct Sample {
    pub(crate) open_ns: Pair<u64>,
    /// The duration of the end of a scan.
    pub(crate) scan_end_ns: Pair<u64>,
    pub(crate) calls: BTreeMap<Call, Pair<Latency>>,
}

/// An open ledger.
struct Opened {
    ledger: SqliteLedger,
    open_ns: u64,
    tenants: usize,
    random: Random,
    ids: Ids,
}

/// Opens the ledgers and calls them, all on one core. A call wakes the ledger's thread, and
/// waking a thread on another core takes several times as long as the call itself.
pub(crate) async fn measure(
    filled: &Pair<Filled>,
    calls: usize,
    seed: usize,
) -> Result<Sample, Failure> {
    let allowed = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::MAX_CPU).find(|core| allowed.is_set(*core));
    one.set(first.ok_or("no core is allowed")?);
    // The threads that the ledgers start inherit the affinity.
    sched_setaffinity(None, &one)?;
    let sample = measure_here(filled, calls, seed).await;
    sched_setaffinity(None, &allowed)?;
    sample
}

async fn measure_here(filled: &Pair<Filled>, calls: usize, seed: usize) -> Result<Sample, Failure> {
    let opened = Pair {
        small: Opened::open(&filled.small, seed)?,
        large: Opened::open(&filled.large, seed)?,
    };
    let list = alternate(filled, calls, async |size| opened.of(size).list().await).await?;
    let find = alternate(filled, calls, async |size| opened.of(size).find().await).await?;
    let usage = alternate(filled, calls, async |size| opened.of(size).usage().await).await?;
    let (reserve, flush) = reserve_and_flush(&opened, filled, calls).await?;
    let small = opened.small.reserve_during_scan_end().await?;
    let large = opened.large.reserve_during_scan_end().await?;
    let during_scan_end = Pair { small: small.1, large: large.1 };
    // Deletes the rows of the measurement.
    for size in [Size::Small, Size::Large] {
        let ledger = &opened.of(size).ledger;
        while ledger.prune(SystemTime::now() + LEASES.reserved).await? > 0 {}
    }
    let calls = [
        (Call::List, list),
        (Call::Find, find),
        (Call::Usage, usage),
        (Call::Reserve, reserve),
        (Call::ReserveDuringScanEnd, during_scan_end),
        (Call::Flush, flush),
    ];
    Ok(Sample {
        open_ns: Pair { small: opened.small.open_ns, large: opened.large.open_ns },
        scan_end_ns: Pair { small: small.0, large: large.0 },
        calls: calls.into(),
    })
}

/// Measures reservations, with a bare flush after each, because the disk's speed drifts.
async fn reserve_and_flush(
    opened: &Pair<Opened>,
    filled: &Pair<Filled>,
    calls: usize,
) -> Result<(Pair<Latency>, Pair<Latency>), Failure> {
    let folder = filled.small.path.parent().ok_or("the ledger has no folder")?;
    let file: File = tempfile::tempfile_in(folder)?;
    let mut flushes_ns = Pair::<Vec<u64>>::default();
    let reserve = alternate(filled, calls, async |size| {
        let latency_ns = opened.of(size).reserve().await?;
        let started = Instant::now();
        // Overwrites the page, like most writes to the WAL, which does not grow for ever.
        file.write_all_at(&PAGE, 0)?;
        file.sync_data()?;
        flushes_ns.of_mut(size).push(elapsed_ns(started));
        Ok(latency_ns)
    });
    let reserve = reserve.await?;
    Ok((reserve, flushes_ns.try_map(Latency::of)?))
}

/// The methods that call the ledger return the latency in nanoseconds.
impl Opened {
    fn open(filled: &Filled, seed: usize) -> Result<Self, Failure> {
        let started = Instant::now();
        let (ledger, _) = SqliteLedger::open(&filled.path, LEASES, Clock::system())?;
        Ok(Self {
            ledger,
            open_ns: elapsed_ns(started),
            tenants: filled.tenants,
            random: Random::new(seed),
            ids: Ids::random(),
        })
    }

    async fn list(&self) -> Result<u64, Failure> {
        let tenant = rows::tenant_id(self.random.below(self.tenants))?;
        let page = u32::try_from(CONFIGURATIONS)?;
        let started = Instant::now();
        let rows = self.ledger.list(tenant, Filter::default(), None, page).await?;
        let latency_ns = elapsed_ns(started);
        if rows.len() == CONFIGURATIONS { Ok(latency_ns) } else { Err("a page lacks rows".into()) }
    }

    async fn find(&self) -> Result<u64, Failure> {
        let row = self.random.below(self.tenants * CONFIGURATIONS);
        let tenant = rows::tenant_id(rows::tenant_of(row, self.tenants))?;
        let arn = rows::arn(row);
        let started = Instant::now();
        let found = self.ledger.find(tenant, arn).await?;
        let latency_ns = elapsed_ns(started);
        found.map(|_| latency_ns).ok_or_else(|| "a row is not found".into())
    }

    async fn usage(&self) -> Result<u64, Failure> {
        let tenant = rows::tenant_id(self.random.below(self.tenants))?;
        let started = Instant::now();
        let usage = self.ledger.usage(tenant).await?;
        let latency_ns = elapsed_ns(started);
        let is_right = usage.total() as usize == CONFIGURATIONS;
        if is_right { Ok(latency_ns) } else { Err("the usage is wrong".into()) }
    }

    /// Reserves a row and cancels the reservation. The latency excludes the cancellation.
    async fn reserve(&self) -> Result<u64, Failure> {
        let tenant = self.random.below(self.tenants);
        let operation_id = self.ids.next_operation_id(SystemTime::now());
        let reservation = Reservation {
            operation_id,
            tenant: rows::tenant_id(tenant)?,
            request_id: operation_id.to_string(),
            fingerprint: Fingerprint::from([7; 16]),
            limit: u32::try_from(CONFIGURATIONS_A_TENANT)?,
            fields: rows::fields(tenant, 0),
        };
        let started = Instant::now();
        let reserved = self.ledger.reserve(reservation).await?;
        let latency_ns = elapsed_ns(started);
        if reserved != Reserved::New {
            return Err(format!("not reserved: {reserved:?}").into());
        }
        self.ledger.apply(operation_id, Event::Cancel).await?;
        Ok(latency_ns)
    }

    /// Measures reservations during the end of a scan, and the duration of that end. The scan
    /// began before all rows, so no row counts as missed.
    async fn reserve_during_scan_end(&self) -> Result<(u64, Latency), Failure> {
        let is_over = Cell::new(false);
        let missed = async {
            let started = Instant::now();
            let missed = self.ledger.finish_scan(SystemTime::UNIX_EPOCH).await?;
            is_over.set(true);
            if missed.is_empty() { Ok(elapsed_ns(started)) } else { Err("rows are missed".into()) }
        };
        let reserves = async {
            let mut latencies_ns = Vec::new();
            loop {
                latencies_ns.push(self.reserve().await?);
                if is_over.get() {
                    return Ok::<_, Failure>(latencies_ns);
                }
            }
        };
        let (scan_end_ns, latencies_ns) = tokio::try_join!(missed, reserves)?;
        Ok((scan_end_ns, Latency::of(latencies_ns)?))
    }
}
