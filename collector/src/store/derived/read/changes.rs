//! The outbox as a reader sees it: what changed, in the order in which it was found.

use super::{SPOT, SPOT_JOINS, Spot, TargetName, Views};
use crate::store::error::StoreError;
use rusqlite::params;

/// One row of `changes`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    pub id: i64,
    pub made_ms: i64,
    pub what: String,
    pub key: u64,
    pub case: i64,
    pub spot: Spot,
    pub network: Option<String>,
    pub target: Option<TargetName>,
    pub from_ms: i64,
    pub to_ms: Option<i64>,
    pub cause: String,
    pub confidence: String,
}

impl Views {
    /// The newest one; 0 where there is none.
    pub fn last_change(&self) -> Result<i64, StoreError> {
        if !self.derived {
            return Ok(0);
        }
        Ok(self.db().query_row("SELECT ifnull(max(id), 0) FROM derived.changes", [], |row| row.get(0))?)
    }

    /// By id, after this one.
    pub fn changes(&self, after: i64, limit: usize) -> Result<Vec<ChangeRow>, StoreError> {
        if !self.derived {
            return Ok(Vec::new());
        }
        let sql = format!(
            "SELECT x.id, x.made_ms, x.what, x.key, x.case_ref, x.place_ref, n.name, t.name, t.host, x.from_ms,
                    x.to_ms, x.cause, x.confidence, {SPOT}
               FROM derived.changes x
               LEFT JOIN derived.network n ON n.id = x.network_ref
               LEFT JOIN main.target t ON t.id = x.target_ref {SPOT_JOINS}
              WHERE x.id > ?1 ORDER BY x.id LIMIT ?2"
        );
        let mut statement = self.db().prepare(&sql)?;
        let rows = statement.query_map(params![after, limit as i64], |row| {
            Ok(ChangeRow {
                id: row.get(0)?,
                made_ms: row.get(1)?,
                what: row.get(2)?,
                key: row.get::<_, i64>(3)?.cast_unsigned(),
                case: row.get(4)?,
                spot: Spot::read(row, row.get(5)?, 13)?,
                network: row.get(6)?,
                target: TargetName::of(row.get(7)?, row.get(8)?),
                from_ms: row.get(9)?,
                to_ms: row.get(10)?,
                cause: row.get(11)?,
                confidence: row.get(12)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
