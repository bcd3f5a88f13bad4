//! The disk and the wall clock of the gateway, which fail and jump when the test says so. The
//! library `machine.c` in the gateway's process does it.

use std::{
    env,
    fs::File,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The source of the library.
const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/campaign/machine.c");

/// The faults, in the order of the fields of `machine.c`. The value 0 ends a fault.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Every sync of the ledger fails with `EIO`.
    FailSyncs,
    /// Every write to the ledger fails with `ENOSPC`.
    FailWrites,
    /// Every sync of the ledger takes this many milliseconds longer.
    StallMs,
    /// The wall clock is ahead by this many milliseconds, or behind if negative.
    ClockMs,
}

/// The counters, in the order of the fields of `machine.c`, after the faults.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Counter {
    /// Processes that have loaded the library.
    Loaded = 4,
    FailedSyncs,
    FailedWrites,
    StalledSyncs,
    /// Those that took more than a second.
    LongStalls,
    /// Reads of the wall clock while it was wrong.
    ClockReads,
}

/// The number of fields of `machine.c`.
const FIELDS: usize = Counter::ClockReads as usize + 1;

/// The machine of one gateway. The file with its faults survives a kill.
#[derive(Debug)]
pub(crate) struct Machine {
    path: PathBuf,
    control: File,
}

impl Machine {
    /// Returns a machine without faults, whose file is in `folder`.
    pub(crate) fn new(folder: &Path) -> Self {
        let path = folder.join("machine");
        let control = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        control.write_all_at(&[0; FIELDS * size_of::<i64>()], 0).unwrap();
        Self { path, control }
    }

    /// The environment of a gateway on this machine.
    pub(crate) fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", library()), ("MACHINE_FAULTS", &self.path)]
    }

    pub(crate) fn set(&self, fault: Fault, value: i64) {
        self.control.write_all_at(&value.to_ne_bytes(), position(fault as usize)).unwrap();
    }

    pub(crate) fn count(&self, counter: Counter) -> i64 {
        let mut value = [0; size_of::<i64>()];
        self.control.read_exact_at(&mut value, position(counter as usize)).unwrap();
        i64::from_ne_bytes(value)
    }

    /// The number of syncs and writes that have failed.
    pub(crate) fn failed(&self) -> i64 {
        self.count(Counter::FailedSyncs) + self.count(Counter::FailedWrites)
    }
}

fn position(field: usize) -> u64 {
    (field * size_of::<i64>()) as u64
}

/// Compiles the library.
///
/// # Panics
/// If the system is not Linux, or has no C compiler.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        assert_eq!(
            env::consts::OS,
            "linux",
            "the campaign injects faults of the disk and of the clock by LD_PRELOAD of Linux"
        );
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("campaign-machine.so");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&library, Path::new(SOURCE)])
            .arg("-ldl")
            .output()
            .expect("the campaign compiles machine.c, for which it needs the C compiler `cc`");
        let errors = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "cc cannot compile {SOURCE}:\n{errors}");
        library
    })
}
