//! A GeoPackage that somebody else wrote: rows of its tables, page by page (OGC 12-128r18).
//!
//! In: a file, names of tables and columns. Out: cells and points. Refuses to know: what they mean. The file is opened
//! read-only and as one that nobody writes: nothing appears beside it. Limits: a page at a time; a text of more than
//! [`TEXT_BYTES`] is cut off there, and so is read as no number and no list.

use super::error::StoreError;
use rusqlite::config::DbConfig;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};
use std::path::Path;

const TEXT_BYTES: usize = 64 * 1024;
/// An `INTEGER PRIMARY KEY`, as the standard asks for.
const ID: &str = "id";
const GEOMETRY: &str = "geom";

pub struct GeoPackage {
    db: Connection,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Null,
    Int(i64),
    Real(f64),
    Text(String),
}

#[derive(Debug, Clone, PartialEq)]
pub struct GeoRow {
    pub id: i64,
    /// Longitude and latitude.
    pub point: Option<(f64, f64)>,
    /// In the order of the columns that were asked for.
    pub cells: Vec<Cell>,
}

impl GeoPackage {
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let whole =
            std::fs::canonicalize(file).map_err(|source| StoreError::Io { path: file.to_path_buf(), source })?;
        let path = whole.display().to_string().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
        let db = Connection::open_with_flags(format!("file:{path}?immutable=1"), flags)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        Ok(GeoPackage { db })
    }

    /// The columns of a table as the file writes them; empty where there is no such table.
    pub fn columns(&self, table: &str) -> Result<Vec<String>, StoreError> {
        let mut statement = self.db.prepare("SELECT name FROM pragma_table_info(?1)")?;
        let names = statement.query_map([table], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    pub fn count(&self, table: &str) -> Result<u64, StoreError> {
        let count: i64 = self.db.query_row(&format!("SELECT count(*) FROM {}", quoted(table)), [], |row| row.get(0))?;
        Ok(count.unsigned_abs())
    }

    /// The next `limit` rows behind the one with the id `after`.
    pub fn page(&self, table: &str, columns: &[String], after: i64, limit: u32) -> Result<Vec<GeoRow>, StoreError> {
        let names: String = columns.iter().map(|name| format!(", {}", quoted(name))).collect();
        let (id, geometry) = (quoted(ID), quoted(GEOMETRY));
        let sql =
            format!("SELECT {id}, {geometry}{names} FROM {} WHERE {id} > ?1 ORDER BY {id} LIMIT ?2", quoted(table));
        let mut statement = self.db.prepare_cached(&sql)?;
        let mut rows = statement.query(params![after, limit])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let point = match row.get_ref(1)? {
                ValueRef::Blob(bytes) => point(bytes),
                _ => None,
            };
            let cells = (0..columns.len()).map(|at| row.get_ref(at + 2).map(cell)).collect::<Result<_, _>>()?;
            found.push(GeoRow { id: row.get(0)?, point, cells });
        }
        Ok(found)
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn cell(value: ValueRef<'_>) -> Cell {
    match value {
        ValueRef::Null | ValueRef::Blob(_) => Cell::Null,
        ValueRef::Integer(value) => Cell::Int(value),
        ValueRef::Real(value) => Cell::Real(value),
        ValueRef::Text(bytes) => {
            Cell::Text(String::from_utf8_lossy(&bytes[..bytes.len().min(TEXT_BYTES)]).into_owned())
        }
    }
}

/// The point of a GeoPackage geometry (clause 2.1.3): a header with an envelope of known length, then WKB.
fn point(bytes: &[u8]) -> Option<(f64, f64)> {
    let (magic, rest) = bytes.split_at_checked(2)?;
    let flags = *rest.get(1)?;
    if magic != b"GP" || flags & 0b1_0000 != 0 {
        return None;
    }
    let envelope = [0, 32, 48, 48, 64].get(usize::from(flags >> 1 & 0b111)).copied()?;
    let wkb = bytes.get(8 + envelope..)?;
    let little = *wkb.first()? == 1;
    let four: [u8; 4] = wkb.get(1..5)?.try_into().ok()?;
    let kind = if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) };
    // ISO WKB adds thousands for Z and M, EWKB high bits.
    if (kind & 0xFFFF) % 1_000 != 1 {
        return None;
    }
    let number = |at: usize| {
        let eight: [u8; 8] = wkb.get(at..at + 8)?.try_into().ok()?;
        Some(if little { f64::from_le_bytes(eight) } else { f64::from_be_bytes(eight) })
    };
    let at = (number(5)?, number(13)?);
    (at.0.is_finite() && at.1.is_finite()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_in_both_orders_of_bytes_and_nothing_else_is() {
        let geometry = |flags: u8, envelope: usize, kind: u32, little: bool| {
            let mut bytes = vec![b'G', b'P', 0, flags, 0xE6, 0x10, 0, 0];
            bytes.extend(vec![0; envelope]);
            bytes.push(u8::from(little));
            bytes.extend(if little { kind.to_le_bytes() } else { kind.to_be_bytes() });
            for value in [105.5436_f64, 21.8644, 120.0] {
                bytes.extend(if little { value.to_le_bytes() } else { value.to_be_bytes() });
            }
            bytes
        };
        let here = Some((105.5436, 21.8644));
        assert_eq!(point(&geometry(1, 0, 1, true)), here);
        assert_eq!(point(&geometry(0, 0, 1_001, false)), here);
        assert_eq!(point(&geometry(3, 32, 0x8000_0001, true)), here);
        assert_eq!(point(&geometry(0x11, 0, 1, true)), None, "an empty one");
        assert_eq!(point(&geometry(1, 0, 2, true)), None, "a line");
        let whole = geometry(1, 0, 1, true);
        (0..29).for_each(|cut| assert_eq!(point(&whole[..cut]), None));
    }
}
