//! `views.hamlet_speeds(now_ms)?` gives the throughput of every hamlet and network of the last 24 hours: one
//! [`HamletSpeed`] each, by hamlet and network, with medians in bits per second.
//!
//! In: the tests of the last 24 hours at the places where probes stand now. Out: medians, how many tests they are made
//! of, and when the newest was. Refuses to know how anything was measured. A test that was stopped early is a verdict
//! and enters nothing; of one place and hour the newest counts. A median of an even number is the smaller of the two
//! in the middle: always one that was measured.

use super::Views;
use crate::store::error::StoreError;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;

const DAY_MS: i64 = 86_400_000;
const HOUR_MS: i64 = 3_600_000;

/// What bandwidth tests found in 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throughput {
    /// Medians; `None`: no test measured that direction.
    pub down_bps: Option<u64>,
    pub up_bps: Option<u64>,
    /// When the newest of them began.
    pub at_ms: i64,
    /// Tests, at most one for each place and hour.
    pub n: usize,
}

/// One hamlet on one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HamletSpeed {
    /// Row and code of the area.
    pub area: i64,
    pub hamlet: String,
    pub network: String,
    pub throughput: Throughput,
}

/// One network at one probe, at the place where it stands now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeSpeed {
    pub network: String,
    pub throughput: Throughput,
}

struct Test {
    place: i64,
    at_ms: i64,
    down_bps: Option<u64>,
    up_bps: Option<u64>,
}

/// The tests that count, newest first. `?1`: since when, `?2`: until when.
const TESTS: &str = "SELECT x.place_ref, x.at_ms, x.down_bps, x.up_bps, n.name, a.id, a.code
     FROM derived.speed x INDEXED BY speed_time
     JOIN derived.network n ON n.id = x.network_ref
     JOIN main.place w ON w.id = x.place_ref AND w.to_ms IS NULL
     LEFT JOIN main.area a ON a.id = w.area_ref
    WHERE x.at_ms > ?1 AND x.at_ms <= ?2 AND x.early = 0 AND x.network_ref <> 0";

impl Views {
    /// Of every hamlet with tests in the 24 hours before `now_ms`, by hamlet and network.
    pub fn hamlet_speeds(&self, now_ms: i64) -> Result<Vec<HamletSpeed>, StoreError> {
        if !self.has_speeds()? {
            return Ok(Vec::new());
        }
        let mut tests: BTreeMap<(String, i64, String), Vec<Test>> = BTreeMap::new();
        let sql = format!("{TESTS} AND a.id IS NOT NULL ORDER BY x.at_ms DESC");
        let mut statement = self.db().prepare_cached(&sql)?;
        let mut rows = statement.query(params![now_ms - DAY_MS, now_ms])?;
        while let Some(row) = rows.next()? {
            tests.entry((row.get(6)?, row.get(5)?, row.get(4)?)).or_default().push(test(row)?);
        }
        let speed = |((hamlet, area, network), tests): ((String, i64, String), Vec<Test>)| {
            Some(HamletSpeed { area, hamlet, network, throughput: throughput(tests)? })
        };
        Ok(tests.into_iter().filter_map(speed).collect())
    }

    /// Of one probe, by network.
    pub fn probe_speeds(&self, probe: i64, now_ms: i64) -> Result<Vec<ProbeSpeed>, StoreError> {
        if !self.has_speeds()? {
            return Ok(Vec::new());
        }
        let mut tests: BTreeMap<String, Vec<Test>> = BTreeMap::new();
        let sql = format!("{TESTS} AND w.probe_ref = ?3 ORDER BY x.at_ms DESC");
        let mut statement = self.db().prepare_cached(&sql)?;
        let mut rows = statement.query(params![now_ms - DAY_MS, now_ms, probe])?;
        while let Some(row) = rows.next()? {
            tests.entry(row.get(4)?).or_default().push(test(row)?);
        }
        let speed = |(network, tests)| Some(ProbeSpeed { network, throughput: throughput(tests)? });
        Ok(tests.into_iter().filter_map(speed).collect())
    }

    /// The table comes with the collector that writes it.
    fn has_speeds(&self) -> Result<bool, StoreError> {
        if !self.derived {
            return Ok(false);
        }
        let sql = "SELECT 1 FROM derived.sqlite_master WHERE type = 'table' AND name = 'speed'";
        Ok(self.db().prepare_cached(sql)?.query_row([], |_| Ok(())).optional()?.is_some())
    }
}

fn test(row: &rusqlite::Row<'_>) -> rusqlite::Result<Test> {
    let bps = |at: usize| -> rusqlite::Result<Option<u64>> {
        Ok(row.get::<_, Option<i64>>(at)?.and_then(|bps| u64::try_from(bps).ok()))
    };
    Ok(Test { place: row.get(0)?, at_ms: row.get(1)?, down_bps: bps(2)?, up_bps: bps(3)? })
}

/// `tests`: newest first. `None` where there is none.
fn throughput(mut tests: Vec<Test>) -> Option<Throughput> {
    let mut hours = std::collections::BTreeSet::new();
    tests.retain(|test| hours.insert((test.place, test.at_ms.div_euclid(HOUR_MS))));
    let at_ms = tests.first()?.at_ms;
    let down_bps = median(tests.iter().filter_map(|test| test.down_bps).collect());
    let up_bps = median(tests.iter().filter_map(|test| test.up_bps).collect());
    Some(Throughput { down_bps, up_bps, at_ms, n: tests.len() })
}

fn median(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_a_measured_one_and_an_hour_counts_once_for_each_place() {
        let test = |place, minutes: i64, down| Test {
            place,
            at_ms: 100 * HOUR_MS - minutes * 60_000,
            down_bps: Some(down),
            up_bps: None,
        };
        let check = |tests: Vec<Test>, wanted: Option<(u64, usize)>| {
            let got = throughput(tests).map(|found| (found.down_bps.expect("measured"), found.n));
            assert_eq!(got, wanted);
        };
        check(vec![], None);
        check(vec![test(1, 10, 50)], Some((50, 1)));
        // The second of place 1 lies in the same hour; that of place 2 does not count as one.
        check(vec![test(1, 10, 50), test(2, 15, 70), test(1, 20, 5)], Some((50, 2)));
        check(vec![test(1, 10, 50), test(1, 70, 60), test(1, 130, 10)], Some((50, 3)));
        assert_eq!(throughput(vec![test(1, 1, 5)]).and_then(|found| found.up_bps), None);
    }
}
