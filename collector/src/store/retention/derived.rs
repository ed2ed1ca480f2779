//! Pruning of `derived.db`, a step at a time, for the derive thread to call between its own steps.
//!
//! In: its connection, inside a transaction or outside, and the time. Out: how many rows went, and whether the round is
//! complete. Windows and facts go place by place; the place is remembered in `mark` (`prune_place`), so that the steps of
//! a round follow on each other, also over a restart. An interruption goes when it ended before the line; an open one
//! stays, and so do cases, states of places and the policy. Limits: rows and places of one step.

use super::super::error::StoreError;
use super::{Retention, trusted_now};
use rusqlite::{Connection, OptionalExtension, params};

/// A window number times this is its start.
const WINDOW_MS: i64 = 300_000;
/// Places looked at in one step, a few seeks each.
const PLACES: usize = 200;
const PLACE_MARK: &str = "prune_place";

/// Rows that one step removed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Pruned {
    pub windows: u64,
    pub facts: u64,
    pub interruptions: u64,
    pub changes: u64,
    /// The round is complete: nothing older than the retention is left. Call again in an hour; before that, call on.
    pub complete: bool,
}

/// One step of at most about `step_rows` rows. Rows and mark change together or not at all.
pub fn prune_derived(
    db: &Connection,
    now_ms: i64,
    retention: &Retention,
    step_rows: usize,
) -> Result<Pruned, StoreError> {
    db.execute_batch("SAVEPOINT prune")?;
    let result = step(db, now_ms, retention, step_rows.max(1) as i64);
    match &result {
        Ok(_) => db.execute_batch("RELEASE prune")?,
        // Fails only where SQLite has rolled back by itself.
        Err(_) => drop(db.execute_batch("ROLLBACK TO prune; RELEASE prune")),
    }
    result
}

fn step(db: &Connection, now_ms: i64, retention: &Retention, step_rows: i64) -> Result<Pruned, StoreError> {
    let newest: Option<i64> = db.query_row("SELECT max(last_no) FROM place_state", [], |row| row.get(0))?;
    let now_ms = trusted_now(now_ms, newest.map(|no| no.saturating_add(1).saturating_mul(WINDOW_MS)));
    let before_ms = retention.derived_before_ms(now_ms);
    let mut pruned = Pruned::default();
    let mut left = step_rows;
    let places = places(db, before_ms, &mut left, &mut pruned)?;
    if !places {
        return Ok(pruned);
    }
    pruned.interruptions = interruptions(db, before_ms, &mut left)?;
    pruned.changes = changes(db, retention.changes_before_ms(now_ms), &mut left)?;
    pruned.complete = left > 0;
    if pruned.complete {
        set_mark(db, None)?;
    }
    Ok(pruned)
}

/// Windows and facts, from the marked place on; whether the last place is done.
fn places(db: &Connection, before_ms: i64, left: &mut i64, pruned: &mut Pruned) -> Result<bool, StoreError> {
    let marked: Option<i64> = db
        .prepare_cached("SELECT value FROM mark WHERE name = ?1")?
        .query_row([PLACE_MARK], |row| row.get(0))
        .optional()?;
    let mut place = match marked {
        Some(place) => Some(place),
        None => next_place(db, i64::MIN)?,
    };
    let mut looked = 0;
    while let Some(here) = place {
        if looked == PLACES || *left <= 0 {
            set_mark(db, place)?;
            return Ok(false);
        }
        looked += 1;
        pruned.windows += windows(db, here, before_ms.div_euclid(WINDOW_MS), left)?;
        let sql = "DELETE FROM fact WHERE (place_ref, at_ms, epoch, seq, what) IN (
                       SELECT place_ref, at_ms, epoch, seq, what FROM fact
                        WHERE place_ref = ?1 AND at_ms < ?2 ORDER BY at_ms LIMIT ?3)";
        let limit = *left;
        pruned.facts += delete(db, sql, params![here, before_ms, limit], left)?;
        if *left > 0 {
            place = next_place(db, here)?;
        }
    }
    // Beyond every place, so that the steps that follow do not look at them again.
    set_mark(db, Some(i64::MAX))?;
    Ok(true)
}

/// Windows that began before window `before_no`, network by network.
fn windows(db: &Connection, place: i64, before_no: i64, left: &mut i64) -> Result<u64, StoreError> {
    let mut gone = 0;
    let mut network = None;
    while *left > 0 {
        let next =
            "SELECT network_ref FROM window WHERE place_ref = ?1 AND network_ref > ?2 ORDER BY network_ref LIMIT 1";
        network = db
            .prepare_cached(next)?
            .query_row(params![place, network.unwrap_or(i64::MIN)], |row| row.get::<_, i64>(0))
            .optional()?;
        let Some(network) = network else { break };
        let sql = "DELETE FROM window WHERE (place_ref, network_ref, no) IN (
                       SELECT place_ref, network_ref, no FROM window
                        WHERE place_ref = ?1 AND network_ref = ?2 AND no < ?3 ORDER BY no LIMIT ?4)";
        let limit = *left;
        gone += delete(db, sql, params![place, network, before_no, limit], left)?;
    }
    Ok(gone)
}

/// Those that ended before the line, whatever evidence they carry.
fn interruptions(db: &Connection, before_ms: i64, left: &mut i64) -> Result<u64, StoreError> {
    let sql = "DELETE FROM interruption WHERE key IN (
                   SELECT key FROM interruption WHERE from_ms < ?1 AND to_ms < ?1 ORDER BY from_ms LIMIT ?2)";
    let limit = *left;
    delete(db, sql, params![before_ms, limit], left)
}

/// From the oldest on; `made_ms` grows with `id` but where the clock was set back.
fn changes(db: &Connection, before_ms: i64, left: &mut i64) -> Result<u64, StoreError> {
    let sql = "DELETE FROM changes WHERE id IN (SELECT id FROM changes ORDER BY id LIMIT ?2) AND made_ms < ?1";
    let limit = *left;
    delete(db, sql, params![before_ms, limit], left)
}

fn delete(db: &Connection, sql: &str, params: impl rusqlite::Params, left: &mut i64) -> Result<u64, StoreError> {
    if *left <= 0 {
        return Ok(0);
    }
    let gone = db.prepare_cached(sql)?.execute(params)?;
    *left -= gone as i64;
    Ok(gone as u64)
}

/// The next place with a window or a fact.
fn next_place(db: &Connection, after: i64) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT min(place) FROM (
                   SELECT (SELECT place_ref FROM window WHERE place_ref > ?1 ORDER BY place_ref LIMIT 1) AS place
                   UNION ALL SELECT (SELECT place_ref FROM fact WHERE place_ref > ?1 ORDER BY place_ref LIMIT 1))";
    Ok(db.prepare_cached(sql)?.query_row([after], |row| row.get(0))?)
}

fn set_mark(db: &Connection, place: Option<i64>) -> Result<(), StoreError> {
    match place {
        Some(place) => {
            let sql = "INSERT INTO mark (name, value) VALUES (?1, ?2)
                       ON CONFLICT (name) DO UPDATE SET value = excluded.value";
            db.prepare_cached(sql)?.execute(params![PLACE_MARK, place])?
        }
        None => db.prepare_cached("DELETE FROM mark WHERE name = ?1")?.execute([PLACE_MARK])?,
    };
    Ok(())
}
