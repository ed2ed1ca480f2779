//! The tally on disk: reserved before anything is spent, given back afterwards, each time durable.
//!
//! In: a path, a month, bytes. Out: a [`Reserved`]. Refuses to know: what the bytes are spent on. Limits: one small file,
//! locked for as long as it is read and written, so that `run`, `measure` and `check` share it.
//!
//! What is reserved when the power goes, or the process is killed, stays counted as spent: a month may see less than its
//! bound, never more. A file that cannot be read stops all tests and is not begun anew.

use super::{Month, Spent, Tally};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Beside the spool.
const FILE: &str = "throughput-budget.json";
/// The bound of entries has a tenth of this.
const FILE_BYTES: u64 = 1 << 17;

/// Why nothing may be spent.
#[derive(Debug, thiserror::Error)]
pub enum BudgetError {
    #[error(transparent)]
    Spent(#[from] Spent),
    #[error("{}: {source}", path.display())]
    Disk { path: PathBuf, source: std::io::Error },
    #[error("{} is damaged; look at it, then remove it", path.display())]
    Damaged { path: PathBuf },
}

/// The tally of one data directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ledger {
    path: PathBuf,
}

/// Bytes that may be spent, and are counted as spent until told otherwise.
#[derive(Debug)]
#[must_use = "what is not settled stays counted as spent"]
pub struct Reserved {
    ledger: Ledger,
    month: Month,
    interface: String,
    bytes: u64,
}

impl Ledger {
    pub fn of(data_dir: &Path) -> Self {
        Ledger { path: data_dir.join(FILE) }
    }

    /// Reserves `wanted` bytes of what `bound` leaves in this month on this interface; it is durable when this returns.
    pub fn reserve(&self, month: Month, interface: &str, wanted: u64, bound: u64) -> Result<Reserved, BudgetError> {
        self.change(|tally| tally.take(month, interface, wanted, bound))??;
        Ok(Reserved { ledger: self.clone(), month, interface: interface.to_owned(), bytes: wanted })
    }

    pub fn used(&self, month: Month, interface: &str) -> Result<u64, BudgetError> {
        Ok(self.read()?.used(month, interface))
    }

    fn change<T, E>(&self, change: impl FnOnce(&mut Tally) -> Result<T, E>) -> Result<Result<T, E>, BudgetError> {
        // The lock goes with its file.
        let _lock = self.lock().map_err(|source| self.disk(source))?;
        let mut tally = self.read()?;
        let result = change(&mut tally);
        if result.is_ok() {
            self.write(&tally).map_err(|source| self.disk(source))?;
        }
        Ok(result)
    }

    fn lock(&self) -> std::io::Result<File> {
        let file = File::options().create(true).truncate(false).write(true).open(self.path.with_extension("lock"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    fn read(&self) -> Result<Tally, BudgetError> {
        let damaged = || BudgetError::Damaged { path: self.path.clone() };
        match std::fs::metadata(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Tally::default()),
            Err(source) => return Err(self.disk(source)),
            Ok(found) if found.len() > FILE_BYTES => return Err(damaged()),
            Ok(_) => {}
        }
        let bytes = std::fs::read(&self.path).map_err(|source| self.disk(source))?;
        let text = String::from_utf8(bytes).map_err(|_| damaged())?;
        Tally::parse(&text).ok_or_else(damaged)
    }

    /// Whole or not at all, also when the power goes.
    fn write(&self, tally: &Tally) -> std::io::Result<()> {
        let fresh = self.path.with_extension("new");
        let mut file = File::create(&fresh)?;
        file.write_all(tally.text().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("."));
        File::open(directory)?.sync_all()
    }

    fn disk(&self, source: std::io::Error) -> BudgetError {
        BudgetError::Disk { path: self.path.clone(), source }
    }
}

impl Reserved {
    /// Gives back what was not spent.
    pub fn settle(self, spent: u64) -> Result<(), BudgetError> {
        let unused = self.bytes.saturating_sub(spent);
        if unused == 0 {
            return Ok(());
        }
        let Reserved { ledger, month, interface, .. } = self;
        let given: Result<(), std::convert::Infallible> = ledger.change(|tally| {
            tally.give_back(month, &interface, unused);
            Ok(())
        })?;
        given.map_err(|never| match never {})
    }
}
