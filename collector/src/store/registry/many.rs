//! Registering many probes at once: all of them, or none.
//!
//! In: checked entries of a file. Out: rows, or everything that is wrong with them by number. Refuses to know the file.
//! Limits: one transaction; ten thousand take about a second.

use super::{NewProbe, Registrar, RegistryError, insert};
use crate::store::areas::Hamlets;
use crate::store::error::StoreError;
use rusqlite::TransactionBehavior;

/// 2000-01-01: what lies before it was no moment of this product, and usually seconds for milliseconds.
const EARLIEST_MS: i64 = 946_684_800_000;

/// A probe of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub new: NewProbe,
    /// Since when it stands there; absent: since now.
    pub since_ms: Option<i64>,
}

#[derive(Debug, thiserror::Error)]
pub enum ManyError {
    /// Each wrong entry with its number, from 0.
    #[error("{} entries are wrong", .0.len())]
    Entries(Vec<(usize, RegistryError)>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for ManyError {
    fn from(error: rusqlite::Error) -> Self {
        ManyError::Store(error.into())
    }
}

impl Registrar {
    /// With `dry` everything is tried and nothing kept.
    pub fn add_all(&mut self, all: &[Entry], now_ms: i64, dry: bool) -> Result<(), ManyError> {
        let change = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let hamlets = Hamlets::of(&change);
        let mut wrong = Vec::new();
        for (number, entry) in all.iter().enumerate() {
            let from_ms = entry.since_ms.unwrap_or(now_ms);
            let added = if (EARLIEST_MS..=now_ms).contains(&from_ms) {
                insert(&hamlets, &entry.new, from_ms, now_ms)
            } else {
                Err(RegistryError::Since { ms: from_ms })
            };
            match added {
                Ok(()) => {}
                Err(RegistryError::Store(error)) => return Err(error.into()),
                Err(error) => wrong.push((number, error)),
            }
        }
        drop(hamlets);
        match (wrong.is_empty(), dry) {
            (false, _) => Err(ManyError::Entries(wrong)),
            (true, true) => Ok(change.rollback()?),
            (true, false) => Ok(change.commit()?),
        }
    }
}
