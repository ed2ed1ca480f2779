//! Who is let in: the collector by its secret of this start, probes by their credentials.
//!
//! In: what a CONNECT says and from where it came. Out: an [`Entry`]. Refuses to know: topics, the library's types.
//! Limits: sessions of one user; passwords are hashed on threads of their own, a few at a time.

use super::counters::{Counters, Refusal};
use super::guests::Guests;
use crate::credentials::{Credentials, Verdict};
use phusong_protocol::ProbeId;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

pub const COLLECTOR: &str = "collector";
/// Each may hold messages in memory. A probe needs one; a person who tries things out, some.
const SESSIONS_OF_USER: usize = 16;

/// What a connection says of itself.
pub struct Knock<'a> {
    pub client: &'a str,
    pub user: Option<&'a str>,
    pub password: &'a [u8],
    /// From which port of loopback it reached the library.
    pub port: Option<u16>,
    /// It came to the listener that only the collector knows.
    pub at_collectors_door: bool,
}

/// How far a connection may come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    Refused,
    Full,
    /// To fetch its lasting password.
    Joining,
}

pub struct Login {
    pub secret: String,
    pub credentials: Arc<Credentials>,
    pub guests: Arc<Guests>,
    pub counters: Arc<Counters>,
    /// Users of live and resting sessions by client id: whose session is taken over must be its owner's.
    pub owners: Owners,
}

#[derive(Debug, Default)]
pub struct Owners(Mutex<HashMap<String, String>>);

impl Owners {
    pub fn add(&self, client: &str, user: &str) {
        self.map().insert(client.to_owned(), user.to_owned());
    }

    pub fn remove(&self, client: &str) {
        self.map().remove(client);
    }

    /// Whether a user may have a session of this name.
    fn admits(&self, client: &str, user: &str) -> bool {
        let map = self.map();
        match map.get(client) {
            Some(owner) => owner == user,
            None => map.values().filter(|owner| *owner == user).count() < SESSIONS_OF_USER,
        }
    }

    fn map(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Login {
    /// Judges a CONNECT.
    pub async fn judge(&self, knock: Knock<'_>) -> Entry {
        let guest = knock.port.and_then(|port| self.guests.at(port));
        let peer = guest.as_ref().map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |guest| guest.peer);
        let user = knock.user.unwrap_or_default();
        let entry = if knock.at_collectors_door {
            if user == COLLECTOR && same(knock.password, self.secret.as_bytes()) { Entry::Full } else { Entry::Refused }
        } else if guest.is_none() {
            // A program on this machine that went past the front.
            Entry::Refused
        } else {
            self.judge_probe(user, knock.password).await
        };
        let entry = if self.owners.admits(knock.client, user) { entry } else { Entry::Refused };
        match (entry, guest) {
            (Entry::Refused, _) => self.refuse(peer, user),
            (_, Some(guest)) => guest.let_in(),
            (_, None) => {}
        }
        entry
    }

    async fn judge_probe(&self, user: &str, password: &[u8]) -> Entry {
        // The collector's name is for its own door alone, whatever the password file says.
        if user == COLLECTOR || user.parse::<ProbeId>().is_err() {
            return Entry::Refused;
        }
        let (credentials, user, password) = (Arc::clone(&self.credentials), user.to_owned(), password.to_vec());
        let judged = tokio::task::spawn_blocking(move || credentials.verify(&user, &password, now_ms())).await;
        match judged {
            Ok(Verdict::Lasting) => Entry::Full,
            Ok(Verdict::OneTime) => Entry::Joining,
            Ok(Verdict::Refused) | Err(_) => Entry::Refused,
        }
    }

    fn refuse(&self, peer: IpAddr, user: &str) {
        self.counters.refuse(Refusal::Login);
        if self.guests.failed(peer, Instant::now()) {
            // What is no name of ours is not repeated: it is somebody else's text.
            let user = if user.parse::<ProbeId>().is_ok() { user } else { "(no probe's name)" };
            tracing::warn!(
                "the broker refused a login as {user} from {peer}; more of them are only counted for a minute"
            );
        }
    }
}

/// In a time that says nothing about where they differ.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_taken_over_by_its_owner_alone_and_a_user_has_a_bounded_number_of_them() {
        let owners = Owners::default();
        owners.add("c", "p1");
        assert!(owners.admits("c", "p1"));
        assert!(!owners.admits("c", "p2"));
        (1..SESSIONS_OF_USER).for_each(|n| owners.add(&format!("c{n}"), "p1"));
        assert!(!owners.admits("one more", "p1"));
        assert!(owners.admits("c1", "p1"));
        assert!(owners.admits("one more", "p2"));
        owners.remove("c1");
        assert!(owners.admits("one more", "p1"));
    }
}
