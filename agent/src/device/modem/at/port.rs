//! A serial port that is ours alone.
//!
//! In: its path. Out: an open port, raw, 115,200 baud (a USB modem does not care). Refuses to know: what is said on it.
//! Limits: `TIOCEXCL` does not keep out programs of root; those that lock the port, as another agent does, are seen.

use rustix::fs::{FlockOperation, flock};
use serial2_tokio::SerialPort;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const BAUD: u32 = 115_200;

pub struct Port {
    pub serial: SerialPort,
    /// Carries the lock.
    _lock: File,
}

impl Port {
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = libc::O_NOCTTY | libc::O_NONBLOCK | libc::O_CLOEXEC;
        let lock = File::options().read(true).write(true).custom_flags(flags).open(path)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        let serial = SerialPort::open(path, BAUD)?;
        exclude(&lock)?;
        // Some modems are mute without it; a virtual port has none.
        let _ = serial.set_dtr(true);
        let _ = serial.discard_input_buffer();
        Ok(Port { serial, _lock: lock })
    }
}

/// Nobody else may open the port from now on.
#[allow(unsafe_code)] // The library for serial ports has no call for it.
fn exclude(port: &File) -> io::Result<()> {
    // SAFETY: TIOCEXCL takes no argument, and the descriptor is open.
    let done = unsafe { libc::ioctl(port.as_raw_fd(), libc::TIOCEXCL) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Why a port cannot be used, for a person.
pub fn trouble(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::ENXIO) => format!("{path} is not there"),
        Some(libc::EBUSY | libc::EWOULDBLOCK) => format!("{path} is used by another program"),
        Some(libc::EACCES | libc::EPERM) => {
            format!("{path}: no permission; the agent's user must be in the port's group")
        }
        Some(libc::ENOTTY | libc::EISDIR) => format!("{path} is no serial port"),
        _ => format!("{path}: {error}"),
    }
}
