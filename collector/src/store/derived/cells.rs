//! Cells that served, as a table of their own: never a label of a metric.
//!
//! In: radio readings as they arrive. Out: one row for what makes a cell another one, and where it served fixed probes.
//! Refuses to know: networks, positions of walks. Each observation is counted once, by when it arrived; what a modem
//! doubts, and cells without an identity, do not stand here.

use super::{Ground, Shelf, words};
use crate::store::error::StoreError;
use phusong_protocol::{Outcome, RadioCell, Reading, ReadingKind, Technology, Uplink};
use rusqlite::{OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};

/// What makes a cell another one; absent parts are -1 or empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellName {
    pub plmn: String,
    pub technology: i64,
    pub area_code: i64,
    pub cell_id: i64,
    pub pci: i64,
    pub arfcn: i64,
    pub band: String,
}

/// How it served.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Served {
    pub first_ms: i64,
    pub last_ms: i64,
    pub observations: i64,
    /// Counts by whole dBm.
    pub levels: BTreeMap<i16, u32>,
    /// Probes that stood somewhere, with when: their places are the registry's.
    pub seen: BTreeSet<(i64, i64)>,
}

impl Served {
    fn add(&mut self, at_ms: i64, probe: Option<i64>, level: Option<f32>) {
        if self.observations == 0 {
            (self.first_ms, self.last_ms) = (at_ms, at_ms);
        }
        self.first_ms = self.first_ms.min(at_ms);
        self.last_ms = self.last_ms.max(at_ms);
        self.observations += 1;
        if let Some(level) = level {
            *self.levels.entry(level.floor() as i16).or_default() += 1;
        }
        self.seen.extend(probe.map(|probe| (probe, at_ms)));
    }
}

/// Levels as a row holds them: pairs of level (2 bytes) and count (4 bytes), big-endian.
pub fn levels_bytes(levels: &BTreeMap<i16, u32>) -> Vec<u8> {
    levels.iter().flat_map(|(level, n)| [&level.to_be_bytes()[..], &n.to_be_bytes()[..]].concat()).collect()
}

/// The reverse; a rest that is no pair is left out.
pub fn levels_of(bytes: &[u8]) -> BTreeMap<i16, u32> {
    let pair =
        |six: &[u8; 6]| (i16::from_be_bytes([six[0], six[1]]), u32::from_be_bytes([six[2], six[3], six[4], six[5]]));
    bytes.as_chunks::<6>().0.iter().map(pair).collect()
}

impl Ground {
    /// What arrived after one row up to another, as far as it says which cell served.
    pub fn served(&self, after: i64, until: i64) -> Result<BTreeMap<CellName, Served>, StoreError> {
        let sql = "SELECT o.id, o.probe_ref, o.at_ms, o.place IS NULL, o.body, u.content
                     FROM observation o LEFT JOIN uplink u ON u.id = o.uplink_ref
                    WHERE o.id > ?1 AND o.id <= ?2 AND o.kind = ?3 AND o.at_state > 0";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![after, until, ReadingKind::Radio.code()])?;
        let mut found: BTreeMap<CellName, Served> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let bad = |detail: String| StoreError::Content { table: "observation", row: id, detail };
            let body = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
            let outcome = Outcome::from_cbor(ReadingKind::Radio.code(), body).map_err(|e| bad(e.to_string()))?;
            let Outcome::Reading(Reading::Radio(radio)) = outcome else { continue };
            if radio.stale == Some(true) {
                continue;
            }
            let uplink: Option<Vec<u8>> = row.get(5)?;
            let uplink: Option<Uplink> =
                uplink.map(|content| minicbor::decode(&content)).transpose().map_err(|e| bad(e.to_string()))?;
            let serving_plmn = uplink.and_then(|uplink| uplink.serving_plmn);
            let probe = if row.get(3)? { Some(row.get(1)?) } else { None };
            for cell in radio.cells.iter().filter(|cell| cell.serving != Some(false)) {
                if let Some(name) = name(cell, serving_plmn.as_deref()) {
                    found.entry(name).or_default().add(row.get(2)?, probe, level(cell));
                }
            }
        }
        Ok(found)
    }
}

fn name(cell: &RadioCell, serving_plmn: Option<&str>) -> Option<CellName> {
    let of_cell = cell.mcc.as_ref().zip(cell.mnc.as_ref()).map(|(mcc, mnc)| format!("{mcc}-{mnc}"));
    let identity = cell.cell_id.is_some() || (cell.pci.is_some() && cell.arfcn.is_some());
    identity.then(|| CellName {
        plmn: of_cell.or_else(|| serving_plmn.map(str::to_owned)).unwrap_or_default(),
        technology: cell.technology.map_or(-1, words::technology),
        area_code: cell.tac.or(cell.lac).map_or(-1, i64::from),
        cell_id: cell.cell_id.map_or(-1, u64::cast_signed),
        pci: cell.pci.map_or(-1, i64::from),
        arfcn: cell.arfcn.map_or(-1, i64::from),
        band: cell.band.clone().unwrap_or_default(),
    })
}

fn level(cell: &RadioCell) -> Option<f32> {
    let (field, level) = match cell.technology? {
        Technology::Umts => ("rscp_dbm", cell.rscp_dbm),
        Technology::Gsm => ("rssi_dbm", cell.rssi_dbm),
        _ => ("rsrp_dbm", cell.rsrp_dbm),
    };
    level.filter(|_| !cell.doubtful.iter().any(|doubted| doubted == field))
}

impl Shelf {
    /// `places`: where fixed probes stood.
    pub fn add_served(&self, name: &CellName, served: &Served, places: &BTreeSet<i64>) -> Result<(), StoreError> {
        let CellName { plmn, technology, area_code, cell_id, pci, arfcn, band } = name;
        let known = "SELECT id, first_ms, last_ms, observations, levels FROM serving_cell
                      WHERE plmn = ?1 AND technology = ?2 AND area_code = ?3 AND cell_id = ?4 AND pci = ?5
                        AND arfcn = ?6 AND band = ?7";
        let key = params![plmn, technology, area_code, cell_id, pci, arfcn, band];
        type Known = (i64, i64, i64, i64, Vec<u8>);
        let read = |row: &rusqlite::Row<'_>| -> rusqlite::Result<Known> {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        };
        let known: Option<Known> = self.db.prepare_cached(known)?.query_row(key, read).optional()?;
        let id = match known {
            Some((id, first_ms, last_ms, observations, bytes)) => {
                let mut levels = levels_of(&bytes);
                served.levels.iter().for_each(|(level, n)| *levels.entry(*level).or_default() += n);
                let sql =
                    "UPDATE serving_cell SET first_ms = ?2, last_ms = ?3, observations = ?4, levels = ?5 WHERE id = ?1";
                let (first_ms, last_ms) = (first_ms.min(served.first_ms), last_ms.max(served.last_ms));
                let row = params![id, first_ms, last_ms, observations + served.observations, levels_bytes(&levels)];
                self.db.prepare_cached(sql)?.execute(row)?;
                id
            }
            None => {
                let sql = "INSERT INTO serving_cell (plmn, technology, area_code, cell_id, pci, arfcn, band, first_ms,
                               last_ms, observations, levels) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
                let Served { first_ms, last_ms, observations, levels, .. } = served;
                self.db.prepare_cached(sql)?.execute(params![
                    plmn,
                    technology,
                    area_code,
                    cell_id,
                    pci,
                    arfcn,
                    band,
                    first_ms,
                    last_ms,
                    observations,
                    levels_bytes(levels)
                ])?;
                self.db.last_insert_rowid()
            }
        };
        let mut put = self.db.prepare_cached("INSERT OR IGNORE INTO serving_cell_place VALUES (?1, ?2)")?;
        for place in places {
            put.execute([id, *place])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_row_however_its_observations_come() {
        let shelf = Shelf::passing().expect("memory");
        let cell = |id| RadioCell {
            technology: Some(Technology::Lte),
            mcc: Some("452".into()),
            mnc: Some("04".into()),
            cell_id: Some(id),
            rsrp_dbm: Some(-97.5),
            ..RadioCell::default()
        };
        let ours = name(&cell(7), None).expect("it has a number");
        for at_ms in [3_000, 1_000, 2_000] {
            let mut served = Served::default();
            served.add(at_ms, Some(1), level(&cell(7)));
            shelf.add_served(&ours, &served, &BTreeSet::from([5])).expect("a healthy database");
        }
        let row = shelf.db.query_row("SELECT first_ms, last_ms, observations, levels FROM serving_cell", [], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, i64>(1)?,
                row.get::<_, i64>(2)?,
                levels_of(&row.get::<_, Vec<u8>>(3)?),
            ))
        });
        assert_eq!(row.expect("one row"), (1_000, 3_000, 3, BTreeMap::from([(-98, 3)])));
        assert_eq!(name(&RadioCell { cell_id: None, ..cell(7) }, None), None);
    }
}
