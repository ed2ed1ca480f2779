//! Opening the database: the lock, the checks, the pragmas.
//!
//! In: a data directory. Out: a [`Store`] that may write, or why not. Limits: below.

use super::error::StoreError;
use super::intern::InternLimits;
use super::letters::LetterLimits;
use super::lock::DirLock;
use super::migrate;
use super::read::Readers;
use super::retention::Retention;
use super::writer::Writer;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long one process waits for another's transaction. Ours take below a second.
const BUSY: Duration = Duration::from_secs(10);
/// The first SQLite without the WAL-reset bug, which could lose commits.
const SQLITE_VERSION_MIN: i32 = 3_051_003;
/// Statements that a connection keeps compiled; the writer has about forty.
const STATEMENTS: usize = 64;

/// Bounds of a store; tests make them small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreOptions {
    pub letters: LetterLimits,
    pub interned: InternLimits,
    /// Rows whose time is computed anew in one transaction.
    pub retime_rows: usize,
    pub retention: Retention,
}

impl Default for StoreOptions {
    fn default() -> Self {
        // 20,000 rows take about 100 ms, which an ack may wait.
        StoreOptions {
            letters: LetterLimits::default(),
            interned: InternLimits::default(),
            retime_rows: 20_000,
            retention: Retention::default(),
        }
    }
}

/// An open store. Dropping it lets go of the data directory.
pub struct Store {
    path: PathBuf,
    writer: Writer,
    _lock: Option<DirLock>,
}

impl Store {
    /// For the collector: locks the data directory, creates or migrates the database. `now_ms` names a backup.
    pub fn open(dir: &Path, options: StoreOptions, now_ms: i64) -> Result<Self, StoreError> {
        std::fs::create_dir_all(dir).map_err(|source| StoreError::Io { path: dir.to_path_buf(), source })?;
        let lock = DirLock::take(dir)?;
        let path = database(dir);
        let mut db = connect(&path, OpenFlags::default())?;
        migrate::run(&mut db, &path, &migrate::known(), now_ms)?;
        Ok(Store { path, writer: Writer::new(db, options), _lock: Some(lock) })
    }

    /// For commands that write beside a running collector (import, replay): takes no lock and migrates nothing.
    pub fn open_beside(dir: &Path, options: StoreOptions) -> Result<Self, StoreError> {
        let path = database(dir);
        let db = connect_existing(&path)?;
        Ok(Store { path, writer: Writer::new(db, options), _lock: None })
    }

    pub fn readers(&self) -> Readers {
        Readers::new(self.path.clone())
    }

    /// Whether there is work without new messages.
    pub fn has_backlog(&self) -> bool {
        self.writer.has_backlog()
    }

    pub fn retention(&self) -> Retention {
        self.writer.options.retention
    }

    pub fn writer(&mut self) -> &mut Writer {
        &mut self.writer
    }
}

/// The database file of a data directory.
pub fn database(dir: &Path) -> PathBuf {
    dir.join("phusong.db")
}

/// A writing connection to a database that must be there, of exactly this version.
pub fn connect_existing(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_path_buf() });
    }
    let db = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    check_version(&db, path)?;
    Ok(db)
}

fn check_version(db: &Connection, path: &Path) -> Result<(), StoreError> {
    let (found, known) = (migrate::version(db)?, migrate::newest(&migrate::known()));
    let path = || path.to_path_buf();
    match found.cmp(&known) {
        std::cmp::Ordering::Equal => Ok(()),
        std::cmp::Ordering::Greater => Err(StoreError::Newer { path: path(), found, known }),
        std::cmp::Ordering::Less => Err(StoreError::Older { path: path(), found, known }),
    }
}

/// A read-only connection, for one short question.
pub fn connect_reader(path: &Path) -> Result<Connection, StoreError> {
    if !path.exists() {
        return Err(StoreError::Missing { path: path.to_path_buf() });
    }
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    db.busy_timeout(BUSY)?;
    check_version(&db, path)?;
    Ok(db)
}

/// A writing connection with every pragma set and those that matter read back.
pub fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    if rusqlite::version_number() < SQLITE_VERSION_MIN {
        return Err(StoreError::OldSqlite { found: rusqlite::version() });
    }
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS);
    // Otherwise a statement with a range (`first <= ?`) is planned anew for every other value: a seventh of ingest.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.pragma_update(None, "foreign_keys", "ON")?;
    // 64 MiB of pages: the ends of all indexes of a nation's probes stay in memory.
    db.pragma_update(None, "cache_size", -65_536)?;
    // Checkpoints rewrite hot pages: every 32 MiB instead of every 4.
    db.pragma_update(None, "wal_autocheckpoint", 8_192)?;
    db.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
    expect(&db, path, "journal_mode", "wal")?;
    expect(&db, path, "synchronous", "2")?;
    expect(&db, path, "foreign_keys", "1")?;
    Ok(db)
}

fn expect(db: &Connection, path: &Path, name: &'static str, wanted: &'static str) -> Result<(), StoreError> {
    let value: rusqlite::types::Value = db.pragma_query_value(None, name, |row| row.get(0))?;
    let found = match value {
        rusqlite::types::Value::Integer(n) => n.to_string(),
        rusqlite::types::Value::Text(text) => text,
        other => format!("{other:?}"),
    };
    let path = || path.to_path_buf();
    if found == wanted { Ok(()) } else { Err(StoreError::Pragma { path: path(), name, found, wanted }) }
}
