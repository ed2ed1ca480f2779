//! Telling systemd how the service stands: ready, reloading, stopping, one line of status.
//!
//! In: a state. Out: a datagram to `$NOTIFY_SOCKET`, or nothing where there is none. A failure is not the service's.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ready,
    Reloading,
    Stopping,
}

/// Sends the state; false when nobody listens.
pub fn notify(state: State) -> bool {
    let text = match state {
        State::Ready => "READY=1".to_owned(),
        State::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()),
        State::Stopping => "STOPPING=1".to_owned(),
    };
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else { return false };
    let bytes = path.as_bytes();
    let address = match bytes.strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(&path),
    };
    let sent = address.and_then(|address| UnixDatagram::unbound()?.send_to_addr(text.as_bytes(), &address));
    sent.is_ok()
}

/// systemd wants the time of a reload on its own clock.
fn monotonic_us() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1_000
}
