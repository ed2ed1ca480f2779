//! Areas and places in the database: the administrative tree, and which hamlet a place belongs to.
//!
//! In: checked areas of a file, codes, positions. Out: rows for everybody. Refuses to know how files look and what is
//! a good one: that is [`crate::areas`].

mod import;
mod rows;

pub use import::{ImportError, Imported};
pub use rows::{AreaRow, PlaceRow};

use super::error::StoreError;
use super::registry::RegistryError;
use crate::areas::{Forest, Node, Shape, Validity, normal};
use phusong_coverage::Place;
use rusqlite::{Connection, OptionalExtension, params};
use std::cell::OnceCell;

/// The row of the hamlet with this code at this time.
pub(super) fn hamlet(db: &Connection, code: &str, at_ms: i64) -> Result<i64, RegistryError> {
    let code = normal(code);
    let valid = "coalesce(valid_from_ms <= ?2, 1) AND coalesce(valid_to_ms > ?2, 1)";
    let sql = "SELECT EXISTS (SELECT 1 FROM area WHERE code = ?1)";
    let known: bool = db.prepare_cached(sql)?.query_row([&code], |row| row.get(0))?;
    if !known {
        return Err(RegistryError::NoArea { code });
    }
    let refused = |why| RegistryError::NoHamlet { code: code.clone(), why };
    let sql = format!("SELECT id FROM area WHERE code = ?1 AND {valid}");
    let found: Option<i64> = db.prepare_cached(&sql)?.query_row(params![code, at_ms], |row| row.get(0)).optional()?;
    let id = found.ok_or_else(|| refused("it was not valid; `areas show` says when it is"))?;
    let sql = format!("SELECT EXISTS (SELECT 1 FROM area WHERE parent_ref = ?1 AND {valid})");
    let has_children: bool = db.prepare_cached(&sql)?.query_row(params![id, at_ms], |row| row.get(0))?;
    if has_children { Err(refused("others lie below it; name one of those")) } else { Ok(id) }
}

/// Finds hamlets by position within one transaction; the areas are read once, and only if they are asked for.
pub(super) struct Hamlets<'a> {
    pub(super) db: &'a Connection,
    forest: OnceCell<Forest>,
}

impl<'a> Hamlets<'a> {
    pub(super) fn of(db: &'a Connection) -> Self {
        Hamlets { db, forest: OnceCell::new() }
    }

    /// The row of the hamlet at this position and time.
    pub(super) fn at(&self, at: Place, at_ms: i64) -> Result<Option<i64>, StoreError> {
        let forest = match self.forest.get() {
            Some(forest) => forest,
            None => {
                let read = Forest::new(nodes(self.db)?);
                self.forest.get_or_init(|| read)
            }
        };
        Ok(forest.find(at, at_ms))
    }
}

/// All areas with their polygons.
fn nodes(db: &Connection) -> Result<Vec<Node>, StoreError> {
    let sql = "SELECT id, code, parent_ref, valid_from_ms, valid_to_ms, lat, lon, radius_m, geometry FROM area";
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        let geometry: Option<String> = row.get(8)?;
        let shape = geometry.as_deref().map(Shape::parse).transpose();
        let (lat, lon): (Option<f64>, Option<f64>) = (row.get(5)?, row.get(6)?);
        all.push(Node {
            id,
            code: row.get(1)?,
            parent: row.get(2)?,
            validity: Validity { from_ms: row.get(3)?, to_ms: row.get(4)? },
            centre: lat.zip(lon).and_then(|(lat, lon)| Place::new(lat, lon).ok()),
            radius_m: row.get(7)?,
            shape: shape.map_err(|detail| StoreError::Content { table: "area", row: id, detail })?,
        });
    }
    Ok(all)
}
