//! Who may log in at the embedded broker: lasting passwords, and one-time secrets that are exchanged for one.
//!
//! In: usernames and passwords of connections, offers from the command line. Out: a [`Verdict`], new secrets (once).
//! A probe that the registry retired is refused, whatever the files say. Refuses to know: MQTT, what a code looks like.
//! Two files in `<data_dir>/broker`: `passwd`, which Mosquitto reads too, and `joins` (hash, end, state; never a
//! secret). Both are read anew when another process replaced them, and changed under a lock, one as a whole.
//!
//! A one-time secret is good until its end, or until the lasting password that was handed over for it has been used.
//! Until then each hand-over makes a new lasting password in place of the one before.

mod file;

use crate::password::{self, Hashed};
use crate::store::{Reader, Readers};
use anyhow::bail;
use file::{Files, Join, Stage};
use phusong_protocol::ProbeId;
use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How long a one-time secret is good.
pub const OFFER_MS: i64 = 24 * 3_600_000;
/// No password of ours is longer; hashing a longer one costs time that its sender chooses.
const PASSWORD_BYTES: usize = 256;
/// What may wait to be used at once: a nation's probes, each once.
const JOINS: usize = 100_000;

/// What a username and a password are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Refused,
    /// The lasting password.
    Lasting,
    /// A one-time secret: good for nothing but [`Credentials::hand_over`].
    OneTime,
}

/// The passwords of an installation. Several processes may hold the same ones.
pub struct Credentials {
    files: Mutex<Files>,
    readers: Readers,
    /// Opened once there is a database.
    registry: Mutex<Option<Reader>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Credentials {
    /// Makes `<data_dir>/broker` if it is not there; files that are not there are empty.
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let mut files = Files::open(data_dir)?;
        files.refresh()?;
        Ok(Credentials { files: Mutex::new(files), readers: Readers::of(data_dir), registry: Mutex::default() })
    }

    /// Judges a login. The first one with a lasting password that was handed over ends its one-time secret.
    pub fn verify(&self, user: &str, password: &[u8], now_ms: i64) -> Verdict {
        if password.len() > PASSWORD_BYTES {
            return Verdict::Refused;
        }
        let (lasting, join) = {
            let mut files = self.files();
            if let Err(error) = files.refresh() {
                tracing::warn!("the passwords are those of before: {error:#}");
            }
            (files.lasting(user).cloned(), files.join(user).cloned())
        };
        // Outside the lock: hashing is what takes time.
        if lasting.is_some_and(|hashed| hashed.matches(password)) {
            if self.is_retired(user) {
                return Verdict::Refused;
            }
            if let Some(join) = join.filter(|join| join.stage == Stage::Handed) {
                self.used(user, &join);
            }
            return Verdict::Lasting;
        }
        match join {
            Some(join) if !join.holds(now_ms) || !join.secret.matches(password) => Verdict::Refused,
            Some(_) if self.is_retired(user) => Verdict::Refused,
            Some(_) => Verdict::OneTime,
            None => Verdict::Refused,
        }
    }

    /// Asked only of those who know a password. Without a registry nobody was retired.
    fn is_retired(&self, user: &str) -> bool {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        if registry.is_none() {
            *registry = self.readers.connect().ok();
        }
        match registry.as_ref().map(|reader| reader.is_retired(user)) {
            Some(Ok(retired)) => retired,
            None => false,
            Some(Err(error)) => {
                tracing::warn!("the registry cannot say who was retired: {error}");
                *registry = None;
                false
            }
        }
    }

    /// A new lasting password for a probe whose one-time secret holds. It is durable before it is returned.
    pub fn hand_over(&self, probe: &ProbeId, now_ms: i64) -> anyhow::Result<String> {
        let password = password::generate()?;
        let hashed = Hashed::of(&password)?;
        self.files().change(|files| {
            let Some(join) = files.join(probe.as_str()).filter(|join| join.holds(now_ms)).cloned() else {
                bail!("probe {probe} has no one-time secret that holds; `probe join {probe}` makes one");
            };
            // First the password: one that nobody knows yet does no harm.
            files.put_lasting(HashMap::from([(probe.as_str(), Some(hashed))]))?;
            files.put_joins([(probe.as_str(), Some(Join { stage: Stage::Handed, ..join }))], now_ms)
        })?;
        Ok(password)
    }

    /// A one-time secret for a probe, good for 24 hours, in place of the one before. Its lasting password stays.
    pub fn offer(&self, probe: &ProbeId, now_ms: i64) -> anyhow::Result<String> {
        Ok(self.offer_all(std::slice::from_ref(probe), now_ms)?.remove(0))
    }

    /// The same for many at once: all, or none. In the order of the probes.
    pub fn offer_all(&self, probes: &[ProbeId], now_ms: i64) -> anyhow::Result<Vec<String>> {
        let (secrets, hashes) = many(probes.len())?;
        let offer = |secret| Some(Join { secret, until_ms: now_ms + OFFER_MS, stage: Stage::Offered });
        self.files().change(|files| {
            if files.joins() + probes.len() > JOINS {
                bail!("at most {JOINS} one-time secrets hold at once");
            }
            files.put_joins(probes.iter().map(ProbeId::as_str).zip(hashes.into_iter().map(offer)), now_ms)
        })?;
        Ok(secrets)
    }

    /// New lasting passwords: all, or none. In the order of the probes.
    pub fn lasting_all(&self, probes: &[ProbeId]) -> anyhow::Result<Vec<String>> {
        let (passwords, hashes) = many(probes.len())?;
        let lines = probes.iter().map(ProbeId::as_str).zip(hashes.into_iter().map(Some)).collect();
        self.files().change(|files| files.put_lasting(lines))?;
        Ok(passwords)
    }

    /// Takes everything from a probe: it cannot log in any more.
    pub fn remove(&self, probe: &ProbeId, now_ms: i64) -> anyhow::Result<()> {
        self.files().change(|files| {
            files.put_joins([(probe.as_str(), None)], now_ms)?;
            files.put_lasting(HashMap::from([(probe.as_str(), None)]))
        })
    }

    /// The lasting password works at its device: the one-time secret has done its work.
    fn used(&self, user: &str, join: &Join) {
        let forgotten = self.files().change(|files| match files.join(user) {
            Some(now) if now == join => files.put_joins([(user, None)], i64::MIN),
            _ => Ok(()),
        });
        if let Err(error) = forgotten {
            // It is tried again at the next login, and ends by itself after a day.
            tracing::warn!(user, "the one-time secret could not be removed: {error:#}");
        }
    }

    /// A panic elsewhere leaves nothing half done in here: files are replaced as a whole.
    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn many(count: usize) -> anyhow::Result<(Vec<String>, Vec<Hashed>)> {
    let secrets = (0..count).map(|_| password::generate()).collect::<anyhow::Result<Vec<String>>>()?;
    let hashes = secrets.iter().map(|secret| Hashed::of(secret)).collect::<anyhow::Result<Vec<Hashed>>>()?;
    Ok((secrets, hashes))
}
