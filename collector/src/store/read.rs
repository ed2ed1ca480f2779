//! Readers: short read-only connections, also from another process than the collector's.
//!
//! Out: rows for the command line, `/readyz`, `/metrics`. A reader never blocks the writer, and should be dropped
//! soon: while it reads, the write-ahead log cannot be emptied.

use super::error::StoreError;
use super::ledger::{self, Kind};
use super::open;
use phusong_coverage::Place;
use phusong_protocol::{Epoch, ProbeId, Ranges};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

/// Opens readers.
#[derive(Debug, Clone)]
pub struct Readers {
    path: PathBuf,
}

/// One read-only connection.
pub struct Reader {
    pub(super) db: Connection,
    path: PathBuf,
}

/// One registered probe.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeRow {
    pub probe: String,
    pub site: String,
    pub label: Option<String>,
    pub created_ms: i64,
    pub retired_ms: Option<i64>,
    pub last_contact_ms: Option<i64>,
    /// Ids that neither came nor were explained.
    pub missing: u64,
    /// Since when two devices are suspected behind this identity.
    pub clone_suspected_ms: Option<i64>,
    /// Where it stands, or stood last.
    pub place: Option<Place>,
    pub hamlet: Option<HamletName>,
    pub supply: Option<String>,
    pub dead_letters: u64,
    pub dead_letter_bytes: u64,
}

/// A hamlet, as people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HamletName {
    pub code: String,
    pub name: String,
}

/// What became of the ids of one epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EpochAccount {
    pub epoch: Epoch,
    pub committed: Ranges,
    pub dropped: Ranges,
    pub replaced: Ranges,
    pub dead_lettered: Ranges,
    pub missing: Ranges,
}

/// About the store itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    pub schema: u32,
    pub sqlite: &'static str,
    /// Database and write-ahead log.
    pub bytes: u64,
    /// Free on its file system for this process.
    pub free_bytes: u64,
    pub dead_letters: u64,
    pub dead_letter_bytes: u64,
}

impl Readers {
    pub(super) fn new(path: PathBuf) -> Self {
        Readers { path }
    }

    /// For commands: the database of a data directory.
    pub fn of(dir: &Path) -> Self {
        Readers { path: open::database(dir) }
    }

    pub fn connect(&self) -> Result<Reader, StoreError> {
        Ok(Reader { db: open::connect_reader(&self.path)?, path: self.path.clone() })
    }
}

impl Reader {
    /// All probes by name, retired ones too.
    pub fn probes(&self) -> Result<Vec<ProbeRow>, StoreError> {
        let sql = "
            SELECT p.name, s.name, p.label, p.created_ms, p.retired_ms, p.last_contact_ms, p.clone_suspected_ms,
                   (SELECT coalesce(sum(max(0, max(coalesce(e.top_seq, -1), coalesce(e.named_seq, -1)) + 1
                                               - coalesce(e.base_seq, 0) - e.accounted)), 0)
                      FROM epoch e WHERE e.probe_ref = p.id AND e.epoch <> 0),
                   w.lat, w.lon,
                   (SELECT count(*) FROM dead_letter d WHERE d.probe_ref = p.id AND d.replayed_ms IS NULL),
                   (SELECT coalesce(sum(d.bytes), 0) FROM dead_letter d WHERE d.probe_ref = p.id),
                   a.code, a.name, w.supply
              FROM probe p JOIN site s ON s.id = p.site_ref
              LEFT JOIN place w ON w.probe_ref = p.id
                    AND w.from_ms = (SELECT max(from_ms) FROM place WHERE probe_ref = p.id)
              LEFT JOIN area a ON a.id = w.area_ref
             ORDER BY p.name";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([], |row| {
            let at: (Option<f64>, Option<f64>) = (row.get(8)?, row.get(9)?);
            let hamlet: (Option<String>, Option<String>) = (row.get(12)?, row.get(13)?);
            Ok(ProbeRow {
                probe: row.get(0)?,
                site: row.get(1)?,
                label: row.get(2)?,
                created_ms: row.get(3)?,
                retired_ms: row.get(4)?,
                last_contact_ms: row.get(5)?,
                clone_suspected_ms: row.get(6)?,
                missing: unsigned(row.get(7)?),
                place: at.0.zip(at.1).and_then(|(lat, lon)| Place::new(lat, lon).ok()),
                hamlet: hamlet.0.zip(hamlet.1).map(|(code, name)| HamletName { code, name }),
                supply: row.get(14)?,
                dead_letters: unsigned(row.get(10)?),
                dead_letter_bytes: unsigned(row.get(11)?),
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// What became of every id of a probe, epoch by epoch; foreign records have no account.
    pub fn account(&self, probe: &ProbeId) -> Result<Vec<EpochAccount>, StoreError> {
        let sql =
            "SELECT e.id, e.epoch, coalesce(e.base_seq, 0), max(coalesce(e.top_seq, -1), coalesce(e.named_seq, -1))
                     FROM epoch e JOIN probe p ON p.id = e.probe_ref
                    WHERE p.name = ?1 AND e.epoch <> 0 ORDER BY e.epoch";
        let mut statement = self.db.prepare(sql)?;
        let rows = statement.query_map([probe.as_str()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
        })?;
        let mut accounts = Vec::new();
        for row in rows {
            let (id, epoch, base, top) = row?;
            let set = |kind| ledger::read(&self.db, id, kind);
            let mut missing = Ranges::new();
            if top >= base {
                missing.insert(unsigned(base), unsigned(top));
            }
            missing.subtract(&set(Kind::Accounted)?);
            accounts.push(EpochAccount {
                epoch: Epoch(epoch as u64),
                committed: set(Kind::Committed)?,
                dropped: set(Kind::Dropped)?,
                replaced: set(Kind::Replaced)?,
                dead_lettered: set(Kind::DeadLetter)?,
                missing,
            });
        }
        Ok(accounts)
    }

    /// The data directory.
    pub(super) fn dir(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    pub fn facts(&self) -> Result<Facts, StoreError> {
        let (dead_letters, dead_letter_bytes): (i64, i64) = self.db.query_row(
            "SELECT count(*) FILTER (WHERE replayed_ms IS NULL), coalesce(sum(bytes), 0) FROM dead_letter",
            params![],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        let dir = self.dir();
        let io = |source| StoreError::Io { path: dir.to_path_buf(), source };
        let disk = rustix::fs::statvfs(dir).map_err(|errno| io(errno.into()))?;
        let size = |suffix: &str| {
            let mut name = self.path.clone().into_os_string();
            name.push(suffix);
            std::fs::metadata(name).map_or(0, |meta| meta.len())
        };
        Ok(Facts {
            schema: super::migrate::version(&self.db)?,
            sqlite: rusqlite::version(),
            bytes: size("") + size("-wal"),
            free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            dead_letters: unsigned(dead_letters),
            dead_letter_bytes: unsigned(dead_letter_bytes),
        })
    }
}

/// Counts and sequence numbers of the ledger are never negative.
pub(super) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
