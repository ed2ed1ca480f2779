//! What can go wrong with the store, told so that a person knows what to do.

use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("SQLite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: std::io::Error },
    #[error("data directory {dir} is in use by {by}: stop it, or give this collector a data_dir of its own")]
    InUse { dir: PathBuf, by: String },
    #[error(
        "{path} is of version {found}, and this collector knows versions up to {known}: install a newer collector, or \
         restore a backup from {path}'s directory `backup`"
    )]
    Newer { path: PathBuf, found: u32, known: u32 },
    #[error("{path} is of version {found} instead of {known}: start the collector once, it migrates the database")]
    Older { path: PathBuf, found: u32, known: u32 },
    #[error("there is no database {path}: start the collector once with this data_dir, or correct data_dir")]
    Missing { path: PathBuf },
    #[error("migration of {path}: {detail}; the database is as it was, its backup is in `backup`")]
    Migration { path: PathBuf, detail: String },
    #[error("SQLite {found} is linked, at least 3.51.3 is needed (earlier ones can lose commits in WAL mode)")]
    OldSqlite { found: &'static str },
    #[error("PRAGMA {name} is {found:?} and must be {wanted:?}: is {path} on a network file system?")]
    Pragma { path: PathBuf, name: &'static str, found: String, wanted: &'static str },
    #[error("row {row} of {table}: {detail}")]
    Content { table: &'static str, row: i64, detail: String },
}

impl StoreError {
    /// Whether the store as a whole takes nothing now (full disk, failing disk, locked), as opposed to an error of
    /// one message.
    pub fn refuses_writes(&self) -> bool {
        use rusqlite::ErrorCode as Code;
        match self {
            StoreError::Sqlite(error) => matches!(
                error.sqlite_error_code(),
                Some(
                    Code::DiskFull
                        | Code::SystemIoFailure
                        | Code::ReadOnly
                        | Code::CannotOpen
                        | Code::DatabaseBusy
                        | Code::DatabaseLocked
                        | Code::DatabaseCorrupt
                        | Code::NotADatabase
                        | Code::OutOfMemory
                )
            ),
            StoreError::Content { .. } => false,
            _ => true,
        }
    }
}
