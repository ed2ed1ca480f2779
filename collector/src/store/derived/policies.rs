//! The rows of the table `policy`, and what a recompute reads beside the shelf's own questions.
//!
//! In: an open [`Shelf`], a data directory. Out: versions with their days and contents as text; grades; a copy of some
//! places that is gone with its connection. Refuses to know: what a content means. Limits: [`CONTENT_BYTES`].

use super::shelf::{Shelf, database};
use super::words;
use crate::store::error::StoreError;
use phusong_coverage::grade::Grade;
use phusong_coverage::observation::NetworkId;
use rusqlite::{OptionalExtension, params};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// A policy is a few numbers and a remark.
pub const CONTENT_BYTES: usize = 16 * 1024;
/// Version 1 is the product's and in no row.
const FIRST_VERSION: u32 = 2;

/// What of each place a recompute reads and writes.
const OF_PLACES: [&str; 5] = ["window", "fact", "interruption", "place_state", "last_known"];
/// What belongs to all of them.
const OF_ALL: [&str; 2] = ["network", "policy"];

/// A stored version; its content is JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRow {
    pub version: u32,
    pub effective_from_ms: i64,
    pub content: String,
}

impl Shelf {
    pub fn policies(&self) -> Result<Vec<PolicyRow>, StoreError> {
        let sql = "SELECT version, effective_from_ms, content FROM policy ORDER BY version";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| {
            Ok(PolicyRow { version: row.get(0)?, effective_from_ms: row.get(1)?, content: row.get(2)? })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Rows are only ever added: how many there are and the newest tell whether they are known.
    pub fn policies_mark(&self) -> Result<(i64, i64), StoreError> {
        let sql = "SELECT count(*), coalesce(max(version), 0) FROM policy";
        Ok(self.db.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// Gives it the next version.
    pub fn add_policy(&self, effective_from_ms: i64, content: &str) -> Result<u32, StoreError> {
        let sql = "INSERT INTO policy (version, effective_from_ms, content)
                   SELECT max(coalesce((SELECT max(version) + 1 FROM policy), ?1), ?1), ?2, ?3 RETURNING version";
        let row = params![FIRST_VERSION, effective_from_ms, content];
        Ok(self.db.prepare_cached(sql)?.query_row(row, |row| row.get(0))?)
    }

    /// Grades of a place from window `from` up to but without `to`. What has no network is not judged and left out.
    pub fn grades(&self, place: i64, from: i64, to: i64) -> Result<BTreeMap<(NetworkId, i64), Grade>, StoreError> {
        let sql = "SELECT network_ref, no, grade FROM window
                    WHERE place_ref = ?1 AND network_ref = ?2 AND no >= ?3 AND no < ?4";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut found = BTreeMap::new();
        for network in self.networks_of(place)? {
            let mut rows = statement.query(params![place, network, from, to])?;
            while let Some(row) = rows.next()? {
                found.insert((NetworkId(row.get(0)?), row.get(1)?), words::grade_of(row.get(2)?));
            }
        }
        Ok(found)
    }

    /// How many judged windows a place has from `from` up to but without `to`.
    pub fn count_windows(&self, place: i64, from: i64, to: i64) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM window WHERE place_ref = ?1 AND network_ref = ?2 AND no >= ?3 AND no < ?4";
        let mut statement = self.db.prepare_cached(sql)?;
        let mut all = 0;
        for network in self.networks_of(place)? {
            all += statement.query_row(params![place, network, from, to], |row| row.get::<_, i64>(0))?;
        }
        Ok(all.cast_unsigned())
    }

    fn networks_of(&self, place: i64) -> Result<Vec<i64>, StoreError> {
        let sql = "SELECT network_ref FROM last_known WHERE place_ref = ?1 AND network_ref <> 0";
        let mut statement = self.db.prepare_cached(sql)?;
        Ok(statement.query_map([place], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    pub fn network_name(&self, network: NetworkId) -> Result<Option<String>, StoreError> {
        let sql = "SELECT name FROM network WHERE id = ?1";
        Ok(self.db.prepare_cached(sql)?.query_row([network.0], |row| row.get(0)).optional()?)
    }

    /// Takes what `dir` holds of these places, instead of what was taken before. Only for a shelf that passes: the
    /// stored one is read in one short transaction, and never written.
    pub fn take(&mut self, dir: &Path, places: &[i64]) -> Result<(), StoreError> {
        let path = database(dir);
        if !path.exists() {
            return Err(StoreError::Missing { path });
        }
        self.rollback();
        self.db.execute("ATTACH ?1 AS kept", [read_only(&path)])?;
        let taken = self.copy(places);
        let detached = self.db.execute_batch("DETACH kept");
        taken?;
        Ok(detached?)
    }

    fn copy(&mut self, places: &[i64]) -> Result<(), StoreError> {
        let ids: Vec<String> = places.iter().map(i64::to_string).collect();
        let ids = ids.join(",");
        // Deferred, and inside one transaction: every table as of the same moment.
        let mut sql = "BEGIN;".to_owned();
        for table in OF_ALL {
            sql += &format!("DELETE FROM main.{table}; INSERT INTO main.{table} SELECT * FROM kept.{table};");
        }
        for table in OF_PLACES {
            sql += &format!(
                "DELETE FROM main.{table};
                 INSERT INTO main.{table} SELECT * FROM kept.{table} WHERE place_ref IN ({ids});"
            );
        }
        let result = self.db.execute_batch(&sql).and_then(|()| self.db.execute_batch("COMMIT"));
        if result.is_err() {
            self.rollback();
        }
        Ok(result?)
    }
}

/// A path as SQLite's URI that can only be read.
fn read_only(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut uri = "file:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            write!(uri, "%{byte:02X}").expect("a String takes everything");
        }
    }
    uri + "?mode=ro"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_can_be_named_in_a_uri() {
        assert_eq!(read_only(Path::new("/a b/x?y#z%/đ.db")), "file:/a%20b/x%3Fy%23z%25/%C4%91.db?mode=ro");
    }
}
