//! Bandwidth tests as rows of `derived.db`.
//!
//! In: the tests of one place in a stretch of time. Out: rows, written only where they changed. Refuses to know: what
//! is shown of them (`read/speed.rs`). Limits: rows of [`KEPT_MS`] before a place's newest.

use super::shelf::Shelf;
use crate::store::error::StoreError;
use phusong_coverage::observation::{NetworkId, SampleId};
use phusong_protocol::ThroughputReading;
use rusqlite::params;

/// More than a year: a report compares with the year before.
const KEPT_MS: i64 = 400 * 86_400_000;

/// One test whose time is certain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Speed {
    pub at_ms: i64,
    pub id: SampleId,
    pub network: NetworkId,
    pub down_bps: Option<i64>,
    pub up_bps: Option<i64>,
    /// A verdict, not a speed.
    pub early: bool,
}

impl Speed {
    pub fn of(reading: &ThroughputReading, at_ms: i64, id: SampleId, network: NetworkId) -> Self {
        let bps = |bps: Option<u64>| bps.and_then(|bps| i64::try_from(bps).ok());
        Speed { at_ms, id, network, down_bps: bps(reading.down_bps), up_bps: bps(reading.up_bps), early: reading.early }
    }
}

impl Shelf {
    /// Puts what was measured from one time to before another in place of what stands there.
    pub fn replace_speeds(&self, place: i64, (from_ms, to_ms): (i64, i64), speeds: &[Speed]) -> Result<(), StoreError> {
        let mut wanted: Vec<Speed> =
            speeds.iter().filter(|speed| (from_ms..to_ms).contains(&speed.at_ms)).copied().collect();
        wanted.sort_unstable();
        if self.speeds(place, from_ms, to_ms)? == wanted {
            return Ok(());
        }
        let gone = "DELETE FROM speed WHERE place_ref = ?1 AND at_ms >= ?2 AND at_ms < ?3";
        self.db.prepare_cached(gone)?.execute(params![place, from_ms, to_ms])?;
        let put = "INSERT INTO speed (place_ref, at_ms, epoch, seq, network_ref, down_bps, up_bps, early)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let mut put = self.db.prepare_cached(put)?;
        for Speed { at_ms, id, network, down_bps, up_bps, early } in &wanted {
            let (epoch, seq) = (id.epoch.cast_signed(), id.seq.cast_signed());
            put.execute(params![place, at_ms, epoch, seq, network.0, down_bps, up_bps, early])?;
        }
        let old = "DELETE FROM speed WHERE place_ref = ?1
                      AND at_ms < (SELECT max(at_ms) FROM speed WHERE place_ref = ?1) - ?2";
        self.db.prepare_cached(old)?.execute(params![place, KEPT_MS])?;
        Ok(())
    }

    fn speeds(&self, place: i64, from_ms: i64, to_ms: i64) -> Result<Vec<Speed>, StoreError> {
        let sql = "SELECT at_ms, epoch, seq, network_ref, down_bps, up_bps, early FROM speed
                    WHERE place_ref = ?1 AND at_ms >= ?2 AND at_ms < ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![place, from_ms, to_ms], |row| {
            let id =
                SampleId { epoch: row.get::<_, i64>(1)?.cast_unsigned(), seq: row.get::<_, i64>(2)?.cast_unsigned() };
            Ok(Speed {
                at_ms: row.get(0)?,
                id,
                network: NetworkId(row.get(3)?),
                down_bps: row.get(4)?,
                up_bps: row.get(5)?,
                early: row.get(6)?,
            })
        })?;
        let mut found = rows.collect::<Result<Vec<_>, _>>()?;
        found.sort_unstable();
        Ok(found)
    }
}
