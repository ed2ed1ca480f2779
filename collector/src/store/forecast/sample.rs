//! Counting by sampling: how many rows a table holds, how many a day bring, how many bytes its database uses.
//!
//! In: a read-only connection. Out: a [`Table`]. Ids of observations grow by one in the order of arrival and windows
//! come every five minutes, so a few hundred short stretches say how densely a range is filled. Limits: [`SAMPLES`]
//! stretches of [`STRETCH`] rows, and [`PAIRS`] places with their networks.

use super::super::error::StoreError;
use super::super::read::unsigned;
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::Path;
use std::time::Duration;

const SAMPLES: i64 = 200;
const STRETCH: i64 = 100;
/// Pairs of place and network that are found; beyond them, the count is a lower bound.
const PAIRS: usize = 50_000;
/// Pairs whose windows are counted.
const PAIRS_SAMPLED: usize = 50;
const DAY_MS: i64 = 86_400_000;
const WEEK_MS: i64 = 7 * DAY_MS;
const WINDOWS_PER_DAY: i64 = 288;
const BUSY: Duration = Duration::from_secs(10);

/// What sampling says of a table that takes nearly all of its database.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Table {
    pub rows: u64,
    /// Of the last week, or since the first row; see `days`.
    pub rows_per_day: f64,
    /// Over how many days `rows_per_day` was measured.
    pub days: f64,
    /// Pages in use.
    pub used_bytes: u64,
    /// Pages of the file that wait to be used again.
    pub file_free_bytes: u64,
}

pub fn observations(db: &Connection) -> Result<Table, StoreError> {
    let mut table = pages(db)?;
    let ends: (Option<i64>, Option<i64>) =
        db.query_row("SELECT (SELECT min(id) FROM observation), (SELECT max(id) FROM observation)", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    let (Some(first), Some(last)) = ends else { return Ok(table) };
    table.rows = density(db, first, last)?;
    let newest_ms = received(db, last)?.map_or(0, |(_, ms)| ms);
    // The first id of the last week: `received_ms` grows with the id, but where the clock was set back.
    let (mut low, mut high) = (first, last);
    while low < high {
        let middle = i64::midpoint(low, high);
        match received(db, middle)? {
            Some((id, ms)) if ms < newest_ms - WEEK_MS && id < high => low = id + 1,
            _ => high = middle,
        }
    }
    if let Some((id, ms)) = received(db, low)? {
        table.days = (newest_ms - ms) as f64 / DAY_MS as f64;
        // Ids are given without a hole, so this counts what came, also what was pruned since.
        table.rows_per_day = (last - id + 1) as f64 / table.days.max(1e-3);
    }
    Ok(table)
}

/// How many ids of a range are there.
fn density(db: &Connection, first: i64, last: i64) -> Result<u64, StoreError> {
    let span = last - first + 1;
    let mut count = db.prepare_cached("SELECT count(*) FROM observation WHERE id BETWEEN ?1 AND ?2")?;
    if span <= SAMPLES * STRETCH {
        return Ok(unsigned(count.query_row([first, last], |row| row.get(0))?));
    }
    let mut found = 0;
    for sample in 0..SAMPLES {
        let from = first + (i128::from(span - STRETCH) * i128::from(sample) / i128::from(SAMPLES - 1)) as i64;
        found += count.query_row([from, from + STRETCH - 1], |row| row.get::<_, i64>(0))?;
    }
    Ok((found as f64 / (SAMPLES * STRETCH) as f64 * span as f64) as u64)
}

/// The first row from `id` on, and when it came.
fn received(db: &Connection, id: i64) -> Result<Option<(i64, i64)>, StoreError> {
    let sql = "SELECT id, received_ms FROM observation WHERE id >= ?1 ORDER BY id LIMIT 1";
    Ok(db.prepare_cached(sql)?.query_row([id], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// Nothing is derived yet where there is no such file.
pub fn windows(path: &Path) -> Result<Table, StoreError> {
    if !path.exists() {
        return Ok(Table::default());
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'window')";
    if !db.query_row(there, [], |row| row.get::<_, bool>(0))? {
        return Ok(Table::default());
    }
    let mut table = pages(&db)?;
    let pairs = pairs(&db)?;
    let Some(newest) = pairs.iter().map(|pair| pair.last).max() else { return Ok(table) };
    let step = pairs.len().div_ceil(PAIRS_SAMPLED);
    let sampled: Vec<&Pair> = pairs.iter().step_by(step).collect();
    let scale = pairs.len() as f64 / sampled.len() as f64;
    let week = newest - 7 * WINDOWS_PER_DAY;
    let first = pairs.iter().map(|pair| pair.first).min().unwrap_or(newest);
    table.days = (newest - first.max(week)) as f64 / WINDOWS_PER_DAY as f64;
    let (mut rows, mut recent) = (0.0, 0.0);
    for pair in sampled {
        rows += held(&db, pair)?;
        recent += count(&db, pair, week + 1, newest)? as f64;
    }
    table.rows = (rows * scale) as u64;
    table.rows_per_day = recent * scale / table.days.max(1e-3);
    Ok(table)
}

/// A place and network, and the numbers of its first and last window.
struct Pair {
    place: i64,
    network: i64,
    first: i64,
    last: i64,
}

fn pairs(db: &Connection) -> Result<Vec<Pair>, StoreError> {
    let mut next = db.prepare(
        "SELECT place_ref, network_ref, no FROM window WHERE (place_ref, network_ref) > (?1, ?2)
          ORDER BY place_ref, network_ref, no LIMIT 1",
    )?;
    let mut last = db.prepare("SELECT max(no) FROM window WHERE place_ref = ?1 AND network_ref = ?2")?;
    let mut pairs: Vec<Pair> = Vec::new();
    while pairs.len() < PAIRS {
        let after = pairs.last().map_or((i64::MIN, i64::MIN), |pair| (pair.place, pair.network));
        let found = next.query_row([after.0, after.1], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        let Some((place, network, first)) = found else { break };
        let last = last.query_row([place, network], |row| row.get(0))?;
        pairs.push(Pair { place, network, first, last });
    }
    Ok(pairs)
}

/// How many windows of its whole span are there, by the density of some of its days.
fn held(db: &Connection, pair: &Pair) -> Result<f64, StoreError> {
    let span = pair.last - pair.first + 1;
    let days = span / WINDOWS_PER_DAY;
    if days <= 20 {
        return Ok(count(db, pair, pair.first, pair.last)? as f64);
    }
    let mut found = 0;
    for sample in 0..20 {
        let from = pair.first + (span - WINDOWS_PER_DAY) * sample / 19;
        found += count(db, pair, from, from + WINDOWS_PER_DAY - 1)?;
    }
    Ok(found as f64 / (20 * WINDOWS_PER_DAY) as f64 * span as f64)
}

fn count(db: &Connection, pair: &Pair, first: i64, last: i64) -> Result<i64, StoreError> {
    let sql = "SELECT count(*) FROM window WHERE place_ref = ?1 AND network_ref = ?2 AND no BETWEEN ?3 AND ?4";
    Ok(db.prepare_cached(sql)?.query_row(params![pair.place, pair.network, first, last], |row| row.get(0))?)
}

fn pages(db: &Connection) -> Result<Table, StoreError> {
    let number =
        |name: &str| -> Result<u64, StoreError> { Ok(unsigned(db.pragma_query_value(None, name, |row| row.get(0))?)) };
    let (pages, free, size) = (number("page_count")?, number("freelist_count")?, number("page_size")?);
    Ok(Table { used_bytes: (pages - free) * size, file_free_bytes: free * size, ..Table::default() })
}
