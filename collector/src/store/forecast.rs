//! How large the store will become, and when the disk would be full.
//!
//! In: a reader, the number of probes, the retention. Out: a [`Forecast`] from what is measured: bytes a row (pages in
//! use by rows that are there) and rows a day of the last week; where too little has come yet to measure, from the
//! default mix of a probe. Refuses to know: who asks. Limits: rows are counted in [`SAMPLES`] samples, never as a whole,
//! so that it takes about as long on a large store as on a small one.

mod sample;

use super::error::StoreError;
use super::read::Reader;
use super::retention::Retention;
use sample::Table;
use serde::Serialize;
use std::path::Path;

/// Below so many rows the fixed pages of a database say more than its rows do.
const ROWS_MIN: u64 = 20_000;
/// Below so many days an average of a day is a guess.
const DAYS_MIN: f64 = 1.0;

/// One probe's part by default, where nothing is measured yet: a village probe with four targets on two uplinks. Rows a
/// day as its batches have them, windows of two networks; bytes a row with all indexes as `tests/tests/storage_size.rs`
/// measures them.
const DEFAULT_OBSERVATIONS: Rate = Rate { rows_per_day: 5_544.0, bytes_per_row: 195.0 };
const DEFAULT_WINDOWS: Rate = Rate { rows_per_day: 576.0, bytes_per_row: 250.0 };

/// What the store comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    /// Both databases and their write-ahead logs, as files.
    pub bytes_now: u64,
    /// What a day brings, before anything is removed.
    pub bytes_per_day: u64,
    /// Once as much is removed as comes.
    pub bytes_at_steady_state: u64,
    pub disk_free_bytes: u64,
    /// Absent: never, at this pace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub days_until_full: Option<u64>,
    /// Observations a day, over the last week.
    pub observations_per_day: u64,
    pub bytes_per_observation: u64,
    pub windows_per_day: u64,
    pub bytes_per_window: u64,
    /// False: too little has come yet, so the default mix of a probe is assumed for a part or the whole.
    pub measured: bool,
}

/// Growth of one table with its indexes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Rate {
    rows_per_day: f64,
    bytes_per_row: f64,
}

impl Rate {
    fn bytes_per_day(self) -> f64 {
        self.rows_per_day * self.bytes_per_row
    }
}

/// A part of the store that grows to a bound.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    now: f64,
    bytes_per_day: f64,
    steady: f64,
}

impl Part {
    fn new(now: f64, rate: Rate, days: u32) -> Self {
        Part { now, bytes_per_day: rate.bytes_per_day(), steady: rate.bytes_per_day() * f64::from(days) }
    }

    /// What it has grown by after so many days.
    fn growth(self, days: f64) -> f64 {
        (self.bytes_per_day * days).min((self.steady - self.now).max(0.0))
    }
}

/// Measures and extrapolates. `probes` counts where the default mix has to stand in.
pub fn forecast(probes: u64, reader: &Reader, retention: &Retention) -> Result<Forecast, StoreError> {
    let facts = reader.facts()?;
    let ground = sample::observations(&reader.db)?;
    let derived_path = reader.dir().join("derived.db");
    let derived = sample::windows(&derived_path)?;
    let letters = facts.dead_letter_bytes as f64;
    let (observations, known) = rate(&ground, letters, probes, DEFAULT_OBSERVATIONS);
    let (windows, windows_known) = rate(&derived, 0.0, probes, DEFAULT_WINDOWS);
    // A day of grace stands above the days of the raw rows.
    let parts = [
        Part::new(ground.used_bytes as f64 - letters, observations, retention.raw_days.saturating_add(1)),
        Part::new(derived.used_bytes as f64, windows, retention.derived_days),
    ];
    let free_inside = (ground.file_free_bytes + derived.file_free_bytes) as f64;
    let steady = parts.iter().map(|part| part.steady).sum::<f64>() + letters;
    Ok(Forecast {
        bytes_now: facts.bytes + files(&derived_path),
        bytes_per_day: parts.iter().map(|part| part.bytes_per_day).sum::<f64>() as u64,
        bytes_at_steady_state: steady as u64,
        disk_free_bytes: facts.free_bytes,
        days_until_full: days_until_full(&parts, facts.free_bytes as f64 + free_inside),
        observations_per_day: observations.rows_per_day as u64,
        bytes_per_observation: observations.bytes_per_row as u64,
        windows_per_day: windows.rows_per_day as u64,
        bytes_per_window: windows.bytes_per_row as u64,
        measured: known && windows_known,
    })
}

/// What was measured; each half that could not be is the default one, and then the flag is false.
fn rate(table: &Table, apart: f64, probes: u64, default: Rate) -> (Rate, bool) {
    let (enough_rows, enough_days) = (table.rows >= ROWS_MIN, table.days >= DAYS_MIN);
    let rate = Rate {
        rows_per_day: if enough_days { table.rows_per_day } else { probes as f64 * default.rows_per_day },
        bytes_per_row: if enough_rows {
            (table.used_bytes as f64 - apart).max(0.0) / table.rows as f64
        } else {
            default.bytes_per_row
        },
    };
    (rate, enough_rows && enough_days)
}

/// The day on which the growth of all parts exceeds what is free.
fn days_until_full(parts: &[Part], free: f64) -> Option<u64> {
    let growth = |days: f64| parts.iter().map(|part| part.growth(days)).sum::<f64>();
    let (mut fits, mut full) = (0, 100 * 366);
    if growth(full as f64) <= free {
        return None;
    }
    while fits + 1 < full {
        let day = u64::midpoint(fits, full);
        if growth(day as f64) <= free {
            fits = day;
        } else {
            full = day;
        }
    }
    Some(fits)
}

/// A database and its write-ahead log.
fn files(path: &Path) -> u64 {
    let size = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        std::fs::metadata(name).map_or(0, |meta| meta.len())
    };
    size("") + size("-wal")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(now: f64, bytes_per_day: f64, steady: f64) -> Part {
        Part { now, bytes_per_day, steady }
    }

    #[test]
    fn a_part_stops_growing_at_its_retention_while_the_others_go_on() {
        for (parts, free, days) in [
            (vec![part(0.0, 10.0, 100.0)], 100.0, None),
            (vec![part(0.0, 10.0, 100.0)], 99.0, Some(9)),
            (vec![part(100.0, 10.0, 100.0)], 0.0, None),
            (vec![part(200.0, 10.0, 100.0)], 0.0, None),
            (vec![part(0.0, 10.0, 100.0), part(0.0, 1.0, 1_000.0)], 150.0, Some(50)),
            (vec![part(0.0, 1.0, 10.0)], 0.0, Some(0)),
            (vec![], 0.0, None),
        ] {
            assert_eq!(days_until_full(&parts, free), days, "{parts:?} in {free}");
        }
    }

    #[test]
    fn what_cannot_be_measured_yet_is_the_default_mix_of_every_probe() {
        let default = Rate { rows_per_day: 10.0, bytes_per_row: 5.0 };
        let table = |rows, days| Table { rows, days, rows_per_day: 7.0, used_bytes: 400_000, ..Table::default() };
        for (table, expected, measured) in [
            (table(0, 0.0), Rate { rows_per_day: 30.0, bytes_per_row: 5.0 }, false),
            (table(40_000, 0.5), Rate { rows_per_day: 30.0, bytes_per_row: 10.0 }, false),
            (table(100, 2.0), Rate { rows_per_day: 7.0, bytes_per_row: 5.0 }, false),
            (table(40_000, 2.0), Rate { rows_per_day: 7.0, bytes_per_row: 10.0 }, true),
        ] {
            assert_eq!(rate(&table, 0.0, 3, default), (expected, measured), "{table:?}");
        }
    }
}
