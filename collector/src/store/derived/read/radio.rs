//! Votes, serving cells and technologies, for readers.
//!
//! In: what part of them. Out: rows. Limits: those of the query.

use super::{Views, words};
use crate::store::derived::cells::levels_of;
use crate::store::derived::{LAYERS, SOURCES};
use crate::store::error::StoreError;
use rusqlite::{ToSql, named_params, params};

/// Degrees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
}

#[derive(Debug, Clone, Default)]
pub struct VoteQuery {
    pub bounds: Option<Bounds>,
    pub network: Option<String>,
    /// Overlap the time from here to there.
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    pub after: i64,
    pub limit: usize,
}

/// One vote.
#[derive(Debug, Clone, PartialEq)]
pub struct VoteRow {
    pub id: i64,
    pub probe: String,
    pub network: String,
    pub child: u64,
    pub lat: f64,
    pub lon: f64,
    pub quarter: i64,
    pub alive: bool,
    pub alive_bins: i64,
    pub dead_bins: i64,
    pub layer: &'static str,
    pub source: &'static str,
    /// Tenths of a dBm.
    pub level: Option<i64>,
    pub reference: Option<i64>,
    pub fast: bool,
    pub external: bool,
    pub yes: i64,
    pub no: i64,
    pub expires_ms: i64,
    pub policy: i64,
}

/// One cell that served.
#[derive(Debug, Clone, PartialEq)]
pub struct CellRow {
    pub id: i64,
    pub plmn: String,
    pub technology: &'static str,
    pub area_code: Option<i64>,
    pub cell_id: Option<i64>,
    pub pci: Option<i64>,
    pub arfcn: Option<i64>,
    pub band: Option<String>,
    pub first_ms: i64,
    pub last_ms: i64,
    pub observations: i64,
    pub best_dbm: Option<i64>,
    pub median_dbm: Option<i64>,
    pub places: Vec<i64>,
}

/// Windows of a place on one day in which a technology was seen, and in which it was proved absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TechnologyRow {
    /// Where it stands in the list.
    pub cursor: (i64, i64),
    pub place: i64,
    pub network: String,
    /// Days since 1970 UTC.
    pub day: i64,
    pub technology: &'static str,
    pub yes: i64,
    pub no: i64,
}

/// The bits of technologies in rows, by name.
pub const TECHNOLOGIES: [(i64, &str); 5] = [(1, "gsm"), (2, "umts"), (4, "lte"), (8, "nr_nsa"), (16, "nr_sa")];

impl Views {
    /// In the order in which they were made.
    pub fn votes(&self, query: &VoteQuery) -> Result<Vec<VoteRow>, StoreError> {
        if !self.derived {
            return Ok(Vec::new());
        }
        let network = match query.network.as_deref().map(|name| self.network_ref(name)).transpose()? {
            Some(None) => return Ok(Vec::new()),
            found => found.flatten(),
        };
        let (after, limit) = (query.after, query.limit as i64);
        let mut named: Vec<(&str, &dyn ToSql)> = Vec::new();
        named.extend(named_params! {":after": after, ":limit": limit});
        let mut sql =
            "SELECT v.id, p.name, n.name, v.child, v.lat, v.lon, v.quarter, v.state, v.alive, v.dead, v.layer,
                              v.source, v.level, v.reference, v.fast, v.external, v.yes, v.no, v.expires_ms, v.policy
                         FROM derived.vote v JOIN main.probe p ON p.id = v.probe_ref
                         JOIN derived.network n ON n.id = v.network_ref WHERE v.id > :after"
                .to_owned();
        let Bounds { west, south, east, north } =
            query.bounds.unwrap_or(Bounds { west: -180.0, south: -90.0, east: 180.0, north: 90.0 });
        if query.bounds.is_some() {
            sql += " AND v.lat BETWEEN :south AND :north AND v.lon BETWEEN :west AND :east";
            named.extend(named_params! {":west": west, ":south": south, ":east": east, ":north": north});
        }
        if network.is_some() {
            sql += " AND v.network_ref = :network";
            named.push((":network", &network));
        }
        if query.from_ms.is_some() {
            sql += " AND (v.quarter + 1) * 900000 > :from";
            named.push((":from", &query.from_ms));
        }
        if query.to_ms.is_some() {
            sql += " AND v.quarter * 900000 < :to";
            named.push((":to", &query.to_ms));
        }
        sql += " ORDER BY v.id LIMIT :limit";
        let mut statement = self.db().prepare(&sql)?;
        let rows = statement.query_map(named.as_slice(), vote)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// In the order in which they were first seen; `plmn`: only those of one.
    pub fn serving_cells(&self, plmn: Option<&str>, after: i64, limit: usize) -> Result<Vec<CellRow>, StoreError> {
        if !self.derived {
            return Ok(Vec::new());
        }
        let sql = "SELECT id, plmn, technology, area_code, cell_id, pci, arfcn, band, first_ms, last_ms, observations,
                          levels FROM derived.serving_cell
                    WHERE id > ?1 AND (?2 IS NULL OR plmn = ?2) ORDER BY id LIMIT ?3";
        let mut statement = self.db().prepare_cached(sql)?;
        let rows = statement.query_map(params![after, plmn, limit as i64], cell)?;
        let mut cells = rows.collect::<Result<Vec<_>, _>>()?;
        let sql = "SELECT place_ref FROM derived.serving_cell_place WHERE cell_ref = ?1 ORDER BY place_ref LIMIT 100";
        let mut places = self.db().prepare_cached(sql)?;
        for cell in &mut cells {
            cell.places = places.query_map([cell.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
        }
        Ok(cells)
    }

    /// By place, network and day; `places`: only these.
    pub fn technologies(
        &self,
        places: Option<&[i64]>,
        days: (i64, i64),
        after: (i64, i64),
        limit: usize,
    ) -> Result<Vec<TechnologyRow>, StoreError> {
        if !self.derived {
            return Ok(Vec::new());
        }
        let places = places.map(super::set);
        let sql = "SELECT t.place_ref, n.name, t.day, t.technology, t.yes, t.no,
                          t.day * 1000000 + t.network_ref * 100 + t.technology
                     FROM derived.technology_day t JOIN derived.network n ON n.id = t.network_ref
                    WHERE (t.place_ref, t.day * 1000000 + t.network_ref * 100 + t.technology) > (?1, ?2)
                      AND t.day BETWEEN ?3 AND ?4 AND (t.yes > 0 OR t.no > 0)
                      AND (?5 IS NULL OR t.place_ref IN (SELECT value FROM json_each(?5)))
                    ORDER BY t.place_ref, t.day * 1000000 + t.network_ref * 100 + t.technology LIMIT ?6";
        let mut statement = self.db().prepare_cached(sql)?;
        let rows = statement.query_map(params![after.0, after.1, days.0, days.1, places, limit as i64], |row| {
            let technology: i64 = row.get(3)?;
            Ok(TechnologyRow {
                cursor: (row.get(0)?, row.get(6)?),
                place: row.get(0)?,
                network: row.get(1)?,
                day: row.get(2)?,
                technology: TECHNOLOGIES.iter().find(|one| one.0 == technology).map_or("unknown", |one| one.1),
                yes: row.get(4)?,
                no: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn vote(row: &rusqlite::Row<'_>) -> rusqlite::Result<VoteRow> {
    let (layer, source): (i64, i64) = (row.get(10)?, row.get(11)?);
    Ok(VoteRow {
        id: row.get(0)?,
        probe: row.get(1)?,
        network: row.get(2)?,
        child: row.get::<_, i64>(3)?.cast_unsigned(),
        lat: row.get(4)?,
        lon: row.get(5)?,
        quarter: row.get(6)?,
        alive: row.get::<_, i64>(7)? == 2,
        alive_bins: row.get(8)?,
        dead_bins: row.get(9)?,
        layer: LAYERS.iter().find(|one| one.0 == layer).map_or("unknown", |one| one.2),
        source: SOURCES.iter().find(|one| one.0 == source).map_or("moving", |one| one.2),
        level: row.get(12)?,
        reference: row.get(13)?,
        fast: row.get(14)?,
        external: row.get(15)?,
        yes: row.get(16)?,
        no: row.get(17)?,
        expires_ms: row.get(18)?,
        policy: row.get(19)?,
    })
}

fn cell(row: &rusqlite::Row<'_>) -> rusqlite::Result<CellRow> {
    let known = |at: usize| row.get::<_, i64>(at).map(|value| Some(value).filter(|value| *value != -1));
    let levels = levels_of(&row.get::<_, Vec<u8>>(11)?);
    let all: u64 = levels.values().map(|n| u64::from(*n)).sum();
    let mut seen = 0;
    let median = levels.iter().find(|(_, n)| {
        seen += u64::from(**n);
        2 * seen >= all
    });
    Ok(CellRow {
        id: row.get(0)?,
        plmn: row.get(1)?,
        technology: words::technology_name(row.get(2)?),
        area_code: known(3)?,
        cell_id: known(4)?,
        pci: known(5)?,
        arfcn: known(6)?,
        band: Some(row.get::<_, String>(7)?).filter(|band| !band.is_empty()),
        first_ms: row.get(8)?,
        last_ms: row.get(9)?,
        observations: row.get(10)?,
        best_dbm: levels.keys().next_back().map(|level| i64::from(*level)),
        median_dbm: median.map(|(level, _)| i64::from(*level)),
        places: Vec::new(),
    })
}
