//! Ids that are missing: up to where nothing of a probe is, and which have stayed away for good.
//!
//! In: epochs and their ledgers. Out: a moment, counts. Refuses to know: what is derived from it. An id is lost once it was
//! known to exist for [`LOST_MS`] without coming or being explained: until then a window is open, a backlog under way.
//! What is counted as lost is never taken back, and never counted again.

use super::{Ground, Shelf};
use crate::store::error::StoreError;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;

/// So long an id may stay away: as long as a window stays open to what comes late.
pub const LOST_MS: i64 = 72 * 3_600_000;
/// Holes of one epoch that are looked at; beyond, nothing is said to be complete.
const HOLES: usize = 1_000;
/// Observations before a hole of which one should have a certain time.
const BEFORE: i64 = 16;

/// An epoch with missing ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holed {
    pub epoch: i64,
    pub probe: i64,
    /// No id below it was ever given.
    pub base: i64,
    /// The highest id that is known to exist.
    pub top: i64,
}

/// Columns of [`Holed`]; ids from the base (0 where the boot sample is not here yet) up to the highest known.
const HOLED: &str = "SELECT id, probe_ref, coalesce(base_seq, 0), max(coalesce(top_seq, -1), coalesce(named_seq, -1))
                       FROM epoch e
                      WHERE epoch <> 0 AND accounted < max(coalesce(top_seq, -1), coalesce(named_seq, -1)) + 1
                                                       - coalesce(base_seq, 0)";

fn holed(row: &rusqlite::Row<'_>) -> rusqlite::Result<Holed> {
    Ok(Holed { epoch: row.get(0)?, probe: row.get(1)?, base: row.get(2)?, top: row.get(3)? })
}

impl Ground {
    /// Up to where nothing of a probe is missing: the newest certain time, or the last one before the first hole. Holes
    /// before `since_ms` are left out of account: they will not be filled.
    pub fn complete_until_ms(&self, probe: i64, since_ms: i64) -> Result<Option<i64>, StoreError> {
        // Records without an id of ours have no ledger: of them nothing can be missing.
        let newest = "SELECT coalesce((SELECT max(last_ms) FROM epoch WHERE probe_ref = ?1),
                                      (SELECT at_ms FROM observation WHERE probe_ref = ?1 AND at_state > 0
                                        ORDER BY at_ms DESC LIMIT 1))";
        let mut until: Option<i64> = self.db.prepare_cached(newest)?.query_row([probe], |row| row.get(0))?;
        // An epoch of which nothing came is as old as the one that named it.
        let sql = format!(
            "{HOLED} AND probe_ref = ?1
                 AND coalesce(last_ms, (SELECT min(n.first_ms) FROM epoch n WHERE n.prev_ref = e.id), ?2) >= ?2"
        );
        let mut statement = self.db.prepare_cached(&sql)?;
        let epochs = statement.query_map([probe, since_ms], holed)?.collect::<Result<Vec<_>, _>>()?;
        for epoch in epochs {
            match self.before_holes(epoch, since_ms)? {
                Before::Nothing => {}
                Before::Ms(ms) => until = until.min(Some(ms)),
                Before::Unknown => return Ok(None),
            }
        }
        Ok(until)
    }

    /// The time just before the first hole that is not older than `since_ms`.
    fn before_holes(&self, epoch: Holed, since_ms: i64) -> Result<Before, StoreError> {
        let sql = "SELECT first, last FROM ledger WHERE epoch_ref = ?1 AND kind = 9 ORDER BY first DESC LIMIT ?2";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![epoch.epoch, HOLES as i64])?;
        let (mut above, mut found, mut seen) = (epoch.top + 1, Before::Nothing, 0);
        while let Some(row) = rows.next()? {
            let (first, last): (i64, i64) = (row.get(0)?, row.get(1)?);
            seen += 1;
            if last + 1 < above {
                match self.certain_before(epoch.epoch, last + 1)? {
                    Some(ms) if ms < since_ms => return Ok(found),
                    Some(ms) => found = Before::Ms(ms),
                    None => return Ok(Before::Unknown),
                }
            }
            above = first;
        }
        let old = || -> Result<bool, StoreError> {
            Ok(self.certain_from(epoch.epoch, above)?.is_some_and(|ms| ms < since_ms))
        };
        let settled = seen < HOLES && (above <= epoch.base || old()?);
        if settled { Ok(found) } else { Ok(Before::Unknown) }
    }

    fn certain_from(&self, epoch: i64, seq: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT min(at_ms) FROM (SELECT at_ms FROM observation WHERE epoch_ref = ?1 AND seq >= ?2
                      AND at_state > 0 ORDER BY seq LIMIT ?3)";
        Ok(self.db.prepare_cached(sql)?.query_row([epoch, seq, BEFORE], |row| row.get(0))?)
    }

    fn certain_before(&self, epoch: i64, seq: i64) -> Result<Option<i64>, StoreError> {
        let sql = "SELECT max(at_ms) FROM (SELECT at_ms FROM observation WHERE epoch_ref = ?1 AND seq < ?2
                      AND at_state > 0 ORDER BY seq DESC LIMIT ?3)";
        Ok(self.db.prepare_cached(sql)?.query_row([epoch, seq, BEFORE], |row| row.get(0))?)
    }

    /// All epochs with missing ids.
    pub fn holed(&self) -> Result<Vec<Holed>, StoreError> {
        let mut statement = self.db.prepare_cached(HOLED)?;
        Ok(statement.query_map([], holed)?.collect::<Result<_, _>>()?)
    }

    /// How many ids after `after` up to `until` are missing.
    fn missing_between(&self, epoch: i64, after: i64, until: i64) -> Result<i64, StoreError> {
        let sql = "SELECT coalesce(sum(min(last, ?3) - max(first, ?2 + 1) + 1), 0) FROM ledger
                    WHERE epoch_ref = ?1 AND kind = 9 AND first <= ?3 AND last > ?2";
        let here: i64 = self.db.prepare_cached(sql)?.query_row([epoch, after, until], |row| row.get(0))?;
        Ok((until - after - here).max(0))
    }
}

enum Before {
    /// There is no hole that counts.
    Nothing,
    Ms(i64),
    Unknown,
}

impl Shelf {
    /// Counts what has stayed away since it was noted long enough ago, and notes what is known to exist now.
    pub fn count_lost(&self, ground: &Ground, now_ms: i64) -> Result<(), StoreError> {
        let mut lost: BTreeMap<i64, i64> = BTreeMap::new();
        for one in ground.holed()? {
            let sql = "SELECT counted_seq, noted_seq, noted_ms FROM loss_mark WHERE epoch_ref = ?1";
            let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let mark: Option<(i64, i64, i64)> = self.db.prepare_cached(sql)?.query_row([one.epoch], read).optional()?;
            let counted = match mark {
                None => one.base - 1,
                Some((_, _, noted_ms)) if now_ms - noted_ms < LOST_MS => continue,
                Some((counted, noted, _)) => {
                    let after = counted.max(one.base - 1);
                    if noted > after {
                        *lost.entry(one.probe).or_default() += ground.missing_between(one.epoch, after, noted)?;
                    }
                    noted.max(after)
                }
            };
            let sql = "INSERT OR REPLACE INTO loss_mark VALUES (?1, ?2, ?3, ?4)";
            self.db.prepare_cached(sql)?.execute([one.epoch, counted, one.top, now_ms])?;
        }
        for (probe, n) in lost.into_iter().filter(|(_, n)| *n > 0) {
            let sql = "INSERT INTO loss VALUES (?1, ?2) ON CONFLICT (probe_ref) DO UPDATE SET n = n + ?2";
            self.db.prepare_cached(sql)?.execute([probe, n])?;
            tracing::warn!(probe, ids = n, "samples that a probe numbered stayed away for three days");
        }
        Ok(())
    }
}
