//! The witness: preloaded into the agent under test, it records every sample that became durable, outside the agent.
//!
//! In: the agent's own `fdatasync` and `fsync` calls, which this library stands in front of (`LD_PRELOAD`).
//! Out: once the REAL call has returned 0 for a `*.seg` file of the directory `PHUSONG_WITNESS_DIR`, one line for each
//! record that the call made durable, appended to the file `PHUSONG_WITNESS_LOG` by a single `write` on an `O_APPEND`
//! descriptor: it is then in the page cache and survives a `kill -9` of the agent.
//! Refuses to know: the agent's code. It reads the segment format from the bytes on disk.
//! Limits: it sees calls through libc only; a raw system call would pass it by (the faults command notices: nothing
//! would be witnessed). Without both variables it only forwards. `clock.rs` stands in front of `adjtimex` as well.

mod clock;
mod segment;

use libc::c_int;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

/// What the two variables said, and how far each segment was recorded.
struct Witness {
    spool: PathBuf,
    log: File,
    /// Bytes of each segment, by file name, whose records are in the log. Ordinals grow over all starts, so a name
    /// never comes back with other content.
    recorded: Mutex<BTreeMap<OsString, u64>>,
}

static WITNESS: OnceLock<Option<Witness>> = OnceLock::new();

fn witness() -> Option<&'static Witness> {
    let start = || {
        // Absolute and resolved, since it is compared with what the kernel says about a descriptor.
        let spool = std::env::var_os("PHUSONG_WITNESS_DIR").map(PathBuf::from)?;
        let log = std::env::var_os("PHUSONG_WITNESS_LOG")?;
        let log = OpenOptions::new().create(true).append(true).open(log).ok()?;
        Some(Witness { spool, log, recorded: Mutex::new(BTreeMap::new()) })
    };
    WITNESS.get_or_init(start).as_ref()
}

impl Witness {
    /// The segment behind a descriptor, where it is one of the spool's.
    fn segment(&self, fd: c_int) -> Option<(PathBuf, OsString)> {
        let link = PathBuf::from(format!("/proc/self/fd/{fd}"));
        let path = fs::read_link(&link).ok()?;
        let spool = fs::canonicalize(&self.spool).unwrap_or_else(|_| self.spool.clone());
        let is_segment = path.extension().is_some_and(|e| e == "seg") && path.parent() == Some(spool.as_path());
        Some((link, path.file_name()?.to_owned())).filter(|_| is_segment)
    }

    /// Records what lies between the last recorded byte and `durable`.
    fn record(&self, link: &Path, name: OsString, durable: u64) -> Option<()> {
        let mut recorded = self.recorded.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let from = *recorded.get(&name).unwrap_or(&0);
        // The agent's descriptor may be write-only: the link opens the same file for reading.
        let file = File::open(link).ok()?;
        let mut header = [0; segment::HEADER_BYTES as usize];
        file.read_exact_at(&mut header, 0).ok()?;
        let header = segment::Header::parse(&header)?;
        let from = from.max(segment::HEADER_BYTES);
        let mut bytes = vec![0; usize::try_from(durable.checked_sub(from)?).ok()?];
        file.read_exact_at(&mut bytes, from).ok()?;
        let (lines, taken) = segment::lines(&header, &bytes);
        if taken > 0 {
            // One call, so that a kill leaves at most one torn line; the leading newline ends an older torn one.
            (&self.log).write_all(&lines).ok()?;
            recorded.insert(name, from + taken);
        }
        Some(())
    }
}

/// The size of the file behind a descriptor.
fn size(fd: c_int) -> Option<u64> {
    // SAFETY: the descriptor stays the caller's: ManuallyDrop keeps it open.
    let file = std::mem::ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    file.metadata().ok().map(|m| m.len())
}

/// `call` with the witness behind it. The size is taken BEFORE: only bytes written until then are surely durable.
fn witnessed(fd: c_int, call: libc::c_long) -> c_int {
    let seen = witness().and_then(|w| w.segment(fd).map(|(link, name)| (w, link, name)));
    let before = seen.as_ref().and_then(|_| size(fd));
    // SAFETY: fdatasync and fsync take one descriptor and no memory.
    let result = unsafe { libc::syscall(call, fd) } as c_int;
    if let (0, Some((witness, link, name)), Some(durable)) = (result, seen, before) {
        let _ = witness.record(&link, name, durable);
    }
    result
}

/// Stands in front of libc's fdatasync.
///
/// # Safety
/// As libc's: any descriptor may be given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fdatasync(fd: c_int) -> c_int {
    witnessed(fd, libc::SYS_fdatasync)
}

/// Stands in front of libc's fsync.
///
/// # Safety
/// As libc's: any descriptor may be given.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fsync(fd: c_int) -> c_int {
    witnessed(fd, libc::SYS_fsync)
}
