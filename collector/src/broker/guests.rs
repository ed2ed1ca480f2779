//! Who stands behind each connection to the library: it only sees connections of this process, from loopback.
//!
//! In: connections that the front hands on, outcomes of logins. Out: whose connection a port is, how long a peer whose
//! logins failed has to wait. Refuses to know: passwords, sockets. Limits: [`PEERS`] remembered failures; a peer is
//! slowed, never locked out: behind one address may stand a whole network of probes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const PEERS: usize = 10_000;
/// A failure counts for so long after the last one.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Anybody mistypes; a probe whose password was changed tries with growing pauses of its own.
const FREE_FAILURES: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Well below the 30 s that a client waits for its connection.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Connections by the port from which they reach the library.
#[derive(Debug, Default)]
pub struct Guests {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    rooms: HashMap<u16, Arc<Guest>>,
    failures: HashMap<IpAddr, Failures>,
}

/// One connection.
#[derive(Debug)]
pub struct Guest {
    pub peer: IpAddr,
    logged_in: watch::Sender<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
    told: Option<Instant>,
}

/// Keeps a guest in its room; dropped, the guest has left.
pub struct Room {
    guests: Arc<Guests>,
    port: u16,
    pub guest: Arc<Guest>,
}

impl Guests {
    pub fn enter(self: &Arc<Self>, port: u16, peer: IpAddr) -> Room {
        let guest = Arc::new(Guest { peer, logged_in: watch::channel(false).0 });
        self.inner().rooms.insert(port, Arc::clone(&guest));
        Room { guests: Arc::clone(self), port, guest }
    }

    /// Who is behind a port; nobody, when something on this machine went past the front.
    pub fn at(&self, port: u16) -> Option<Arc<Guest>> {
        self.inner().rooms.get(&port).cloned()
    }

    /// Connections that have logged in.
    pub fn logged_in(&self) -> usize {
        self.inner().rooms.values().filter(|guest| *guest.logged_in.borrow()).count()
    }

    /// Remembers a failed login; true when it should be told: once a minute and peer.
    pub fn failed(&self, peer: IpAddr, now: Instant) -> bool {
        let mut inner = self.inner();
        if inner.failures.len() >= PEERS && !inner.failures.contains_key(&peer) {
            inner.failures.retain(|_, failures| now.duration_since(failures.last) < REMEMBERED);
            if inner.failures.len() >= PEERS {
                return false;
            }
        }
        let failures = inner.failures.entry(peer).or_insert(Failures { count: 0, last: now, told: None });
        if now.duration_since(failures.last) >= REMEMBERED {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        let tell = failures.told.is_none_or(|told| now.duration_since(told) >= REMEMBERED);
        if tell {
            failures.told = Some(now);
        }
        tell
    }

    /// How long the next connection of a peer waits before it is listened to.
    pub fn pause(&self, peer: IpAddr, now: Instant) -> Duration {
        let inner = self.inner();
        let Some(failures) = inner.failures.get(&peer) else { return Duration::ZERO };
        let extra = failures.count.saturating_sub(FREE_FAILURES);
        if extra == 0 || now.duration_since(failures.last) >= REMEMBERED {
            return Duration::ZERO;
        }
        FIRST_PAUSE.saturating_mul(1 << (extra - 1).min(8)).min(LONGEST_PAUSE)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Whoever panicked holding it left a map that is whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    pub fn let_in(&self) {
        self.logged_in.send_replace(true);
    }

    /// Returns once the login has succeeded.
    pub async fn wait_logged_in(&self) {
        // The sender lives in `self`.
        let _ = self.logged_in.subscribe().wait_for(|yes| *yes).await;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut inner = self.guests.inner();
        // The port may already be somebody else's.
        if inner.rooms.get(&self.port).is_some_and(|guest| Arc::ptr_eq(guest, &self.guest)) {
            inner.rooms.remove(&self.port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(203, 0, 113, 9));

    #[test]
    fn a_peer_whose_logins_fail_is_slowed_but_not_locked_out_and_told_once_a_minute() {
        let guests = Guests::default();
        let start = Instant::now();
        assert!(guests.failed(PEER, start));
        for _ in 1..FREE_FAILURES {
            assert!(!guests.failed(PEER, start));
        }
        assert_eq!(guests.pause(PEER, start), Duration::ZERO);
        guests.failed(PEER, start);
        assert_eq!(guests.pause(PEER, start), FIRST_PAUSE);
        for _ in 0..100 {
            guests.failed(PEER, start);
        }
        assert_eq!(guests.pause(PEER, start), LONGEST_PAUSE);
        let later = start + REMEMBERED;
        assert_eq!(guests.pause(PEER, later), Duration::ZERO);
        assert!(guests.failed(PEER, later), "a minute later it is told again");
        assert_eq!(guests.pause(PEER, later), Duration::ZERO, "and the count began anew");
    }

    #[test]
    fn failures_of_many_peers_are_bounded() {
        let guests = Guests::default();
        let now = Instant::now();
        for n in 0..u32::try_from(PEERS).expect("small") + 10 {
            guests.failed(IpAddr::V4(n.into()), now);
        }
        assert_eq!(guests.inner().failures.len(), PEERS);
    }

    #[test]
    fn a_guest_that_left_does_not_take_the_next_one_along() {
        let guests = Arc::new(Guests::default());
        let first = guests.enter(1, PEER);
        let second = guests.enter(1, PEER);
        drop(first);
        assert!(guests.at(1).is_some());
        second.guest.let_in();
        assert_eq!(guests.logged_in(), 1);
        drop(second);
        assert!(guests.at(1).is_none());
    }
}
