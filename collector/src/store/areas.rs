//! Areas and places in the database: the administrative tree, and which hamlet a place belongs to.
//!
//! In: checked areas of a file, codes, positions. Out: rows for everybody. Refuses to know how files look and what is
//! a good one: that is [`crate::areas`].

mod rows;

pub use rows::{AreaRow, PlaceRow};

use super::error::StoreError;
use super::registry::RegistryError;
use phusong_coverage::Place;
use rusqlite::{Connection, OptionalExtension, params};

/// The row of the hamlet with this code at this time.
pub(super) fn hamlet(db: &Connection, code: &str, at_ms: i64) -> Result<i64, RegistryError> {
    let valid = "coalesce(valid_from_ms <= ?2, 1) AND coalesce(valid_to_ms > ?2, 1)";
    let known: bool = db.query_row("SELECT EXISTS (SELECT 1 FROM area WHERE code = ?1)", [code], |row| row.get(0))?;
    if !known {
        return Err(RegistryError::NoArea { code: code.to_owned() });
    }
    let refused = |why| RegistryError::NoHamlet { code: code.to_owned(), why };
    let sql = format!("SELECT id FROM area WHERE code = ?1 AND {valid}");
    let found: Option<i64> = db.query_row(&sql, params![code, at_ms], |row| row.get(0)).optional()?;
    let id = found.ok_or_else(|| refused("it was not valid; `areas show` says when it is"))?;
    let sql = format!("SELECT EXISTS (SELECT 1 FROM area WHERE parent_ref = ?1 AND {valid})");
    let has_children: bool = db.query_row(&sql, params![id, at_ms], |row| row.get(0))?;
    if has_children { Err(refused("others lie below it; name one of those")) } else { Ok(id) }
}

/// The row of the hamlet at this position and time.
pub(super) fn hamlet_at(_db: &Connection, _at: Place, _at_ms: i64) -> Result<Option<i64>, StoreError> {
    Ok(None)
}
