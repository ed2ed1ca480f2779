//! What a hamlet's state is made of: its places, their last known windows, and the windows of a day.

use super::{Views, reason_word, set, words};
use crate::store::error::StoreError;
use phusong_coverage::grade::Grade;
use phusong_coverage::window::WindowNo;
use rusqlite::params;

/// A place where a probe stands now, with the code of its hamlet.
#[derive(Debug, Clone, PartialEq)]
pub struct HamletPlace {
    pub id: i64,
    pub probe: String,
    pub label: Option<String>,
    pub lat: f64,
    pub lon: f64,
    pub from_ms: i64,
    pub supply: Option<String>,
    pub hamlet: String,
}

/// The last known window of a place on a network.
#[derive(Debug, Clone, PartialEq)]
pub struct KnownRow {
    pub place: i64,
    pub network: String,
    pub end_ms: i64,
    pub grade: Grade,
    pub reason: Option<&'static str>,
}

/// One window with anything in it.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowRow {
    pub network: String,
    pub no: i64,
    pub grade: Grade,
    pub reason: Option<&'static str>,
}

impl Views {
    /// Where probes stand now, as far as they stand in a hamlet.
    pub fn places_now(&self) -> Result<Vec<HamletPlace>, StoreError> {
        let sql = "SELECT w.id, p.name, w.label, w.lat, w.lon, w.from_ms, w.supply, a.code
                     FROM main.place w JOIN main.probe p ON p.id = w.probe_ref JOIN main.area a ON a.id = w.area_ref
                    WHERE w.to_ms IS NULL ORDER BY p.name";
        let mut statement = self.db().prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(HamletPlace {
                id: row.get(0)?,
                probe: row.get(1)?,
                label: row.get(2)?,
                lat: row.get(3)?,
                lon: row.get(4)?,
                from_ms: row.get(5)?,
                supply: row.get(6)?,
                hamlet: row.get(7)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The last known windows of these places.
    pub fn last_known(&self, places: &[i64]) -> Result<Vec<KnownRow>, StoreError> {
        if !self.derived {
            return Ok(Vec::new());
        }
        let sql = "SELECT l.place_ref, n.name, l.no, l.grade, w.reason
                     FROM json_each(?1) j
                     CROSS JOIN derived.last_known l ON l.place_ref = j.value
                     JOIN derived.network n ON n.id = l.network_ref
                     LEFT JOIN derived.window w
                       ON w.place_ref = l.place_ref AND w.network_ref = l.network_ref AND w.no = l.no";
        let mut statement = self.db().prepare(sql)?;
        let rows = statement.query_map([set(places)], |row| {
            Ok(KnownRow {
                place: row.get(0)?,
                network: row.get(1)?,
                end_ms: WindowNo(row.get(2)?).end_ms(),
                grade: words::grade_of(row.get(3)?),
                reason: row.get::<_, Option<i64>>(4)?.and_then(reason_word),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The windows of one place from one number up to before another, by network and time.
    pub fn windows(&self, place: i64, first: WindowNo, end: WindowNo) -> Result<Vec<WindowRow>, StoreError> {
        if !self.derived {
            return Ok(Vec::new());
        }
        let sql = "SELECT n.name, w.no, w.grade, w.reason
                     FROM derived.network n CROSS JOIN derived.window w
                       ON w.place_ref = ?1 AND w.network_ref = n.id AND w.no >= ?2 AND w.no < ?3
                    ORDER BY n.name, w.no";
        let mut statement = self.db().prepare_cached(sql)?;
        let rows = statement.query_map(params![place, first.0, end.0], |row| {
            Ok(WindowRow {
                network: row.get(0)?,
                no: row.get(1)?,
                grade: words::grade_of(row.get(2)?),
                reason: reason_word(row.get(3)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
