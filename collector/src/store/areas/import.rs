//! A checked file of areas goes into the tables, whole or not at all.
//!
//! In: an [`AreaFile`]. Out: what it changed. One transaction: the file is checked against what is stored, its areas
//! are written, and every place whose hamlet nobody named is looked up anew. The same file twice changes nothing.

use super::nodes;
use crate::areas::tree::{self, Parent};
use crate::areas::{AreaError, AreaFile, Forest, NewArea};
use crate::store::error::StoreError;
use crate::store::registry::Registrar;
use phusong_coverage::Place;
use rusqlite::{Connection, TransactionBehavior, named_params, params};

/// What an import changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Imported {
    pub new: usize,
    pub changed: usize,
    pub same: usize,
    /// Places that belong to another hamlet than before.
    pub places: usize,
}

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    File(#[from] AreaError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ImportError {
    fn from(error: rusqlite::Error) -> Self {
        ImportError::Store(error.into())
    }
}

/// A row of the table, as an import compares and writes it.
#[derive(PartialEq)]
struct Row {
    parent: Option<i64>,
    name: String,
    label: String,
    to_ms: Option<i64>,
    lat: Option<f64>,
    lon: Option<f64>,
    radius_m: Option<f64>,
    geometry: Option<String>,
    population: Option<i64>,
}

impl Registrar {
    /// `dry` does everything and keeps nothing of it.
    pub fn import_areas(&mut self, file: &AreaFile, dry: bool) -> Result<Imported, ImportError> {
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let plan = tree::check(file, &nodes(&change)?)?;
        let mut done = Imported::default();
        // Rows first, so that a parent that stands below its children has one.
        let mut ids = Vec::with_capacity(file.areas.len());
        let source = file.name.rsplit('/').next().unwrap_or_default();
        for (area, replaces) in file.areas.iter().zip(&plan.replaces) {
            let id = match replaces {
                Some(id) => *id,
                None => insert(&change, area, source)?,
            };
            ids.push(id);
        }
        for ((area, replaces), (id, parent)) in file.areas.iter().zip(&plan.replaces).zip(ids.iter().zip(&plan.parents))
        {
            let parent = match *parent {
                Parent::None => None,
                Parent::Stored(id) => Some(id),
                Parent::New(number) => Some(ids[number]),
            };
            let differs = update(&change, *id, &Row::new(area, parent), source)?;
            match (replaces, differs) {
                (None, _) => done.new += 1,
                (Some(_), true) => done.changed += 1,
                (Some(_), false) => done.same += 1,
            }
        }
        done.places = find_hamlets(&change)?;
        if dry {
            change.rollback()?
        } else {
            change.commit()?
        }
        Ok(done)
    }
}

impl Row {
    fn new(area: &NewArea, parent: Option<i64>) -> Self {
        Row {
            parent,
            name: area.name.clone(),
            label: area.label.clone(),
            to_ms: area.validity.to_ms,
            lat: area.centre.map(Place::lat),
            lon: area.centre.map(Place::lon),
            radius_m: area.radius_m,
            geometry: area.shape.as_ref().map(|shape| shape.to_geojson()),
            population: area.population,
        }
    }

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Row {
            parent: row.get(0)?,
            name: row.get(1)?,
            label: row.get(2)?,
            to_ms: row.get(3)?,
            lat: row.get(4)?,
            lon: row.get(5)?,
            radius_m: row.get(6)?,
            geometry: row.get(7)?,
            population: row.get(8)?,
        })
    }
}

/// The bare row of a new area.
fn insert(db: &Connection, area: &NewArea, source: &str) -> Result<i64, StoreError> {
    let sql = "INSERT INTO area (code, valid_from_ms, name, label, source) VALUES (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(sql)?.execute(params![area.code, area.validity.from_ms, area.name, area.label, source])?;
    Ok(db.last_insert_rowid())
}

/// Whether there was a difference.
fn update(db: &Connection, id: i64, row: &Row, source: &str) -> Result<bool, StoreError> {
    let sql = "SELECT parent_ref, name, label, valid_to_ms, lat, lon, radius_m, geometry, population
                 FROM area WHERE id = ?1";
    if db.prepare_cached(sql)?.query_row([id], Row::read)? == *row {
        return Ok(false);
    }
    let sql = "UPDATE area SET parent_ref = :parent, name = :name, label = :label, valid_to_ms = :to_ms, lat = :lat,
                      lon = :lon, radius_m = :radius_m, geometry = :geometry, population = :population,
                      source = :source
                WHERE id = :id";
    db.prepare_cached(sql)?.execute(named_params! {
        ":id": id,
        ":parent": row.parent,
        ":name": row.name,
        ":label": row.label,
        ":to_ms": row.to_ms,
        ":lat": row.lat,
        ":lon": row.lon,
        ":radius_m": row.radius_m,
        ":geometry": row.geometry,
        ":population": row.population,
        ":source": source,
    })?;
    Ok(true)
}

/// Looks up the hamlet of every place where nobody named it; how many changed.
fn find_hamlets(db: &Connection) -> Result<usize, StoreError> {
    let forest = Forest::new(nodes(db)?);
    let mut statement = db.prepare("SELECT id, lat, lon, from_ms, area_ref FROM place WHERE area_fixed = 0")?;
    let mut rows = statement.query([])?;
    let mut changed = Vec::new();
    while let Some(row) = rows.next()? {
        let (id, at) = (row.get(0)?, Place::new(row.get(1)?, row.get(2)?));
        let bad = |detail: String| StoreError::Content { table: "place", row: id, detail };
        let found = forest.find(at.map_err(|e| bad(e.to_string()))?, row.get(3)?);
        if found != row.get::<_, Option<i64>>(4)? {
            changed.push((id, found));
        }
    }
    for (id, area) in &changed {
        db.execute("UPDATE place SET area_ref = ?2 WHERE id = ?1", params![id, area])?;
    }
    Ok(changed.len())
}
