//! Areas and places as readers see them.
//!
//! Out: every row of both tables, in a stable order; an installation has thousands of areas and places at most.

use crate::store::error::StoreError;
use crate::store::read::Reader;

/// One area. Several rows may have one code; their validities never overlap.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaRow {
    pub id: i64,
    pub code: String,
    pub parent_ref: Option<i64>,
    pub name: String,
    /// What it is called: xóm, thôn, bản, xã, tỉnh ..
    pub label: String,
    pub valid_from_ms: Option<i64>,
    /// The first moment that no longer counts.
    pub valid_to_ms: Option<i64>,
    /// Its centre.
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    /// How far it reaches around its centre, if it has no geometry.
    pub radius_m: Option<f64>,
    /// A GeoJSON geometry, WGS 84.
    pub geometry: Option<String>,
    pub population: Option<i64>,
    pub source: Option<String>,
}

/// Where a fixed probe stood, from when to when.
#[derive(Debug, Clone, PartialEq)]
pub struct PlaceRow {
    pub id: i64,
    pub probe_ref: i64,
    pub probe: String,
    pub from_ms: i64,
    /// The first moment that no longer counts; none: it stands there still.
    pub to_ms: Option<i64>,
    pub lat: f64,
    pub lon: f64,
    pub label: Option<String>,
    /// Its hamlet, the one of the time when the place began.
    pub area_ref: Option<i64>,
    /// Said by a person, not found by position.
    pub area_fixed: bool,
    /// Which power supply it hangs on, if known.
    pub supply: Option<String>,
}

impl Reader {
    /// All areas by code and validity.
    pub fn areas(&self) -> Result<Vec<AreaRow>, StoreError> {
        let sql = "SELECT id, code, parent_ref, name, label, valid_from_ms, valid_to_ms, lat, lon, radius_m, geometry,
                          population, source
                     FROM area ORDER BY code, valid_from_ms";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(AreaRow {
                id: row.get(0)?,
                code: row.get(1)?,
                parent_ref: row.get(2)?,
                name: row.get(3)?,
                label: row.get(4)?,
                valid_from_ms: row.get(5)?,
                valid_to_ms: row.get(6)?,
                lat: row.get(7)?,
                lon: row.get(8)?,
                radius_m: row.get(9)?,
                geometry: row.get(10)?,
                population: row.get(11)?,
                source: row.get(12)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// All places by probe and time, those that ended too.
    pub fn places(&self) -> Result<Vec<PlaceRow>, StoreError> {
        let sql = "SELECT w.id, w.probe_ref, p.name, w.from_ms, w.to_ms, w.lat, w.lon, w.label, w.area_ref,
                          w.area_fixed, w.supply
                     FROM place w JOIN probe p ON p.id = w.probe_ref ORDER BY p.name, w.from_ms";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(PlaceRow {
                id: row.get(0)?,
                probe_ref: row.get(1)?,
                probe: row.get(2)?,
                from_ms: row.get(3)?,
                to_ms: row.get(4)?,
                lat: row.get(5)?,
                lon: row.get(6)?,
                label: row.get(7)?,
                area_ref: row.get(8)?,
                area_fixed: row.get(9)?,
                supply: row.get(10)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
