//! Dead letters: what could not be accepted, kept whole with the reason, within bounds.
//!
//! The same bytes for the same reason are one letter, however often they come. At the bound nothing more is taken,
//! and ingest leaves the samples with their senders.

use super::error::StoreError;
use super::writer::{ProbeRef, Writer};
use phusong_protocol::SiteId;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What a letter costs beside its bytes and its detail: the row and its index entry, rounded up.
const OVERHEAD_BYTES: i64 = 128;
/// Bytes of a detail; it is for a person.
const DETAIL_BYTES: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LetterLimits {
    pub per_probe_bytes: u64,
    pub total_bytes: u64,
}

impl Default for LetterLimits {
    fn default() -> Self {
        LetterLimits { per_probe_bytes: 64 << 20, total_bytes: 2 << 30 }
    }
}

/// Why something is a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The payload cannot be read as a whole.
    Rejected,
    /// An id that is committed, with other content.
    Conflict,
    WrongSite,
    WrongTopic,
    TooOld,
    /// A sample that breaks a bound or a rule of the wire.
    Violation,
    /// A reading that this version does not know.
    UnknownReading,
    /// The installation has as many targets, uplinks or set-ups as it may.
    TooManyContexts,
}

impl Reason {
    pub const ALL: [Reason; 8] = [
        Reason::Rejected,
        Reason::Conflict,
        Reason::WrongSite,
        Reason::WrongTopic,
        Reason::TooOld,
        Reason::Violation,
        Reason::UnknownReading,
        Reason::TooManyContexts,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Reason::Rejected => "rejected",
            Reason::Conflict => "conflict",
            Reason::WrongSite => "wrong_site",
            Reason::WrongTopic => "wrong_topic",
            Reason::TooOld => "too_old",
            Reason::Violation => "violation",
            Reason::UnknownReading => "unknown_reading",
            Reason::TooManyContexts => "too_many_contexts",
        }
    }
}

/// A letter to be kept.
#[derive(Debug, Clone)]
pub struct NewLetter<'a> {
    pub probe: ProbeRef,
    /// The topic's site.
    pub site: &'a SiteId,
    pub received_ms: i64,
    pub reason: Reason,
    pub detail: &'a str,
    /// A payload that can be replayed as it is.
    pub raw: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterFate {
    New,
    /// The very same is kept already.
    Known,
    /// The bound is reached: not kept.
    Full,
}

/// How much is kept, as far as it was asked for.
#[derive(Default)]
pub(super) struct Kept {
    total: Option<i64>,
    probes: HashMap<ProbeRef, i64>,
}

impl Writer {
    pub fn dead_letter(&mut self, letter: &NewLetter<'_>) -> Result<LetterFate, StoreError> {
        let (hash, name) = (hash(letter.raw), letter.reason.name());
        let again = self
            .db
            .prepare_cached(
                "UPDATE dead_letter SET copies = copies + 1 WHERE probe_ref = ?1 AND reason = ?2 AND hash = ?3",
            )?
            .execute(params![letter.probe.0, name, hash])?;
        if again > 0 {
            return Ok(LetterFate::Known);
        }
        let detail = clip(letter.detail);
        let bytes = letter.raw.len() as i64 + detail.len() as i64 + OVERHEAD_BYTES;
        let (of_probe, total) = self.kept(letter.probe)?;
        let limits = self.options.letters;
        let fits = |kept: i64, limit: u64| (kept + bytes) as u64 <= limit;
        if !fits(of_probe, limits.per_probe_bytes) || !fits(total, limits.total_bytes) {
            return Ok(LetterFate::Full);
        }
        self.db
            .prepare_cached(
                "INSERT INTO dead_letter (probe_ref, received_ms, site, reason, detail, hash, raw, bytes)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                letter.probe.0,
                letter.received_ms,
                letter.site.as_str(),
                name,
                detail,
                hash,
                letter.raw,
                bytes
            ])?;
        self.letters.probes.insert(letter.probe, of_probe + bytes);
        self.letters.total = Some(total + bytes);
        Ok(LetterFate::New)
    }

    /// Marks a letter replayed and gives its bytes back.
    pub fn letter_replayed(&mut self, id: i64, now_ms: i64) -> Result<(), StoreError> {
        self.db
            .prepare_cached("UPDATE dead_letter SET replayed_ms = ?2, raw = x'', bytes = 0 WHERE id = ?1")?
            .execute(params![id, now_ms])?;
        self.letters = Kept::default();
        Ok(())
    }

    /// How often the same as letter `id` has come; a replay that fails again comes once more.
    pub fn letter_copies(&mut self, id: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT copies FROM dead_letter WHERE id = ?1";
        Ok(self.db.prepare_cached(sql)?.query_row([id], |row| row.get(0)).optional()?)
    }

    /// Bytes kept of one probe and of all.
    fn kept(&mut self, probe: ProbeRef) -> Result<(i64, i64), StoreError> {
        let of_probe = match self.letters.probes.get(&probe) {
            Some(bytes) => *bytes,
            None => sum(&self.db, "SELECT coalesce(sum(bytes), 0) FROM dead_letter WHERE probe_ref = ?1", [probe.0])?,
        };
        let total = match self.letters.total {
            Some(bytes) => bytes,
            None => sum(&self.db, "SELECT coalesce(sum(bytes), 0) FROM dead_letter", [])?,
        };
        self.letters.probes.insert(probe, of_probe);
        self.letters.total = Some(total);
        Ok((of_probe, total))
    }
}

fn sum(db: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<i64, StoreError> {
    Ok(db.query_row(sql, params, |row| row.get(0))?)
}

/// The first 64 bits of SHA-256: nobody makes two payloads meet by design.
fn hash(raw: &[u8]) -> i64 {
    let digest = Sha256::digest(raw);
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

fn clip(detail: &str) -> &str {
    let mut end = detail.len().min(DETAIL_BYTES);
    while !detail.is_char_boundary(end) {
        end -= 1;
    }
    &detail[..end]
}
