//! Dead letters for readers: listed, and one whole for a person or a replay.

use super::error::StoreError;
use super::read::{Reader, unsigned};
use phusong_protocol::ProbeId;
use rusqlite::{OptionalExtension, Row, named_params};

/// Which dead letters. Everything that is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct LetterQuery {
    pub probe: Option<ProbeId>,
    pub reason: Option<String>,
    /// Replayed ones too; they have no bytes any more.
    pub replayed: bool,
    /// After the letter with this id.
    pub after_id: i64,
    pub limit: u32,
}

/// One dead letter. `raw` is empty in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    pub id: i64,
    pub received_ms: i64,
    /// The topic it came on.
    pub site: String,
    pub probe: String,
    pub reason: String,
    pub detail: String,
    /// What it counts against the bounds.
    pub bytes: u64,
    /// How often the same came.
    pub copies: u64,
    pub replayed_ms: Option<i64>,
    pub raw: Vec<u8>,
}

const COLUMNS: &str =
    "SELECT d.id, d.received_ms, d.site, p.name, d.reason, d.detail, d.bytes, d.copies, d.replayed_ms";

impl Reader {
    /// By id, which grows with time.
    pub fn letters(&self, query: &LetterQuery) -> Result<Vec<Letter>, StoreError> {
        let sql = format!(
            "{COLUMNS}, x'' FROM dead_letter d JOIN probe p ON p.id = d.probe_ref
              WHERE d.id > :after AND (:probe IS NULL OR p.name = :probe) AND (:reason IS NULL OR d.reason = :reason)
                AND (:replayed OR d.replayed_ms IS NULL) ORDER BY d.id LIMIT :limit"
        );
        let mut statement = self.db.prepare(&sql)?;
        let named = named_params! {
            ":after": query.after_id,
            ":probe": query.probe.as_ref().map(|probe| probe.as_str()),
            ":reason": query.reason,
            ":replayed": query.replayed,
            ":limit": query.limit,
        };
        let rows = statement.query_map(named, read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One letter with its bytes.
    pub fn letter(&self, id: i64) -> Result<Option<Letter>, StoreError> {
        let sql = format!("{COLUMNS}, d.raw FROM dead_letter d JOIN probe p ON p.id = d.probe_ref WHERE d.id = ?1");
        Ok(self.db.query_row(&sql, [id], read).optional()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Letter> {
    Ok(Letter {
        id: row.get(0)?,
        received_ms: row.get(1)?,
        site: row.get(2)?,
        probe: row.get(3)?,
        reason: row.get(4)?,
        detail: row.get(5)?,
        bytes: unsigned(row.get(6)?),
        copies: unsigned(row.get(7)?),
        replayed_ms: row.get(8)?,
        raw: row.get(9)?,
    })
}
