//! Tells systemd how the service stands (sd_notify: one datagram to `$NOTIFY_SOCKET`).
//!
//! In: states. Out: datagrams, or nothing where nobody asked. Refuses to know: everything else. Limits: a lost
//! datagram is not repeated; the watchdog's next one follows.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// What can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Ready,
    Reloading,
    Stopping,
    Watchdog,
}

/// The way to the service manager, if there is one.
pub struct Notifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    pub fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").and_then(|path| {
            let bytes = path.as_bytes();
            let address = match bytes.strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name),
                None => SocketAddr::from_pathname(&path),
            };
            Some((UnixDatagram::unbound().ok()?, address.ok()?))
        });
        let micros = std::env::var("WATCHDOG_USEC").ok().and_then(|text| text.parse().ok());
        Notifier { socket, watchdog: micros.map(Duration::from_micros) }
    }

    /// How often to say [`State::Watchdog`]: three times in the span that systemd allows.
    pub fn watchdog_period(&self) -> Option<Duration> {
        self.watchdog.map(|span| span / 3).filter(|period| !period.is_zero())
    }

    pub fn tell(&self, state: State) {
        let text = match state {
            State::Ready => "READY=1".to_owned(),
            State::Reloading => {
                let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
                format!("RELOADING=1\nMONOTONIC_USEC={}", now.tv_sec * 1_000_000 + now.tv_nsec / 1000)
            }
            State::Stopping => "STOPPING=1".to_owned(),
            State::Watchdog => "WATCHDOG=1".to_owned(),
        };
        if let Some((socket, address)) = &self.socket
            && let Err(error) = socket.send_to_addr(text.as_bytes(), address)
        {
            tracing::debug!(%error, "the service manager was not told");
        }
    }
}
