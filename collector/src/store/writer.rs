//! The one writer of a process: transactions, and what is remembered between them.
//!
//! In: observations, letters, explanations between [`Writer::begin`] and [`Writer::commit`]. Out: durable rows.
//! Whatever is remembered is dropped when a transaction fails or another process has written, and is read anew.
//! Limits: so many epochs in memory; then all probes are forgotten.

use super::epochs::ProbeState;
use super::error::StoreError;
use super::intern::Interned;
use super::ledger::Kind;
use super::letters::Kept;
use super::open::StoreOptions;
use super::registry::Registry;
use super::retime::{self, Progress};
use phusong_protocol::{Epoch, Ranges};
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, HashMap};

/// Epochs remembered over all probes, about 200 bytes each.
const EPOCHS: usize = 100_000;

/// A probe's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProbeRef(pub(super) i64);

pub struct Writer {
    pub(super) db: Connection,
    pub(super) options: StoreOptions,
    pub(super) interned: Interned,
    pub(super) letters: Kept,
    registry: Option<Registry>,
    probes: HashMap<ProbeRef, Box<ProbeState>>,
    touched: Vec<ProbeRef>,
    retiming: Option<BTreeMap<i64, Progress>>,
    next_id: Option<i64>,
    /// SQLite's count of other connections' commits.
    seen: i64,
    now_ms: i64,
}

/// What a commit brought beside the rows.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Probes behind whose identity two devices are suspected, since this commit.
    pub clones: Vec<ProbeRef>,
    /// Rows that got another time.
    pub retimed: u64,
}

impl Writer {
    pub(super) fn new(db: Connection, options: StoreOptions) -> Self {
        Writer {
            db,
            options,
            interned: Interned::default(),
            letters: Kept::default(),
            registry: None,
            probes: HashMap::new(),
            touched: Vec::new(),
            retiming: None,
            next_id: None,
            seen: -1,
            now_ms: 0,
        }
    }

    /// Bounds the database file, in pages of 4 KiB; `None` lifts it. Beyond it a write fails as on a full disk.
    pub fn limit_pages(&mut self, pages: Option<u32>) -> Result<(), StoreError> {
        let sql = format!("PRAGMA max_page_count = {}", pages.unwrap_or(u32::MAX - 1));
        Ok(self.db.query_row(&sql, [], |_| Ok(()))?)
    }

    /// Opens a transaction and takes the write lock.
    pub fn begin(&mut self, now_ms: i64) -> Result<(), StoreError> {
        self.now_ms = now_ms;
        self.db.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let seen: i64 = self.db.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if seen != self.seen {
            self.forget();
            self.seen = seen;
        }
        Ok(())
    }

    /// The registry as this transaction sees it.
    pub fn registry(&mut self) -> Result<&Registry, StoreError> {
        let registry = match self.registry.take() {
            Some(registry) => registry,
            None => Registry::load(&self.db)?,
        };
        Ok(self.registry.insert(registry))
    }

    /// Notes why ids of a probe that will not come are not missing.
    pub fn explain(&mut self, probe: ProbeRef, epoch: Epoch, kind: Kind, ids: &Ranges) -> Result<(), StoreError> {
        if epoch.is_foreign() || ids.is_empty() {
            return Ok(());
        }
        let mut state = self.take(probe)?;
        let at = state.epoch(&self.db, probe, epoch)?;
        state.change(at).explained.push((kind, ids.clone()));
        self.put(probe, state);
        Ok(())
    }

    /// Notes that a probe was heard, whatever it said.
    pub fn heard(&mut self, probe: ProbeRef, received_ms: i64) -> Result<(), StoreError> {
        let mut state = self.take(probe)?;
        state.contact_ms = state.contact_ms.max(Some(received_ms));
        self.put(probe, state);
        Ok(())
    }

    /// Whether there is work without new messages: re-timing that did not fit into one transaction.
    pub fn has_backlog(&self) -> bool {
        self.retiming.as_ref().is_none_or(|retiming| !retiming.is_empty())
    }

    /// Ledger, chain, re-timing, then COMMIT: when it returns, everything is on the disk.
    pub fn commit(&mut self) -> Result<Committed, StoreError> {
        self.touched.sort_unstable();
        self.touched.dedup();
        for probe in self.touched.clone() {
            let mut state = self.take(probe)?;
            self.settle_floors(&mut state)?;
            self.put(probe, state);
        }
        let retimed = self.retime()?;
        let clones = self.save()?;
        self.db.prepare_cached("COMMIT")?.execute([])?;
        self.touched.clear();
        if self.probes.values().map(|state| state.epochs.len()).sum::<usize>() > EPOCHS {
            self.probes.clear();
        }
        Ok(Committed { clones, retimed })
    }

    /// Gives the transaction up; memory goes back to what the disk says.
    pub fn rollback(&mut self) {
        self.forget();
        if !self.db.is_autocommit()
            && let Err(error) = self.db.execute_batch("ROLLBACK")
        {
            // SQLite has rolled back by itself when it says that no transaction is active.
            tracing::debug!("rollback: {error}");
        }
    }

    fn save(&mut self) -> Result<Vec<ProbeRef>, StoreError> {
        let mut clones = Vec::new();
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for &probe in &touched {
            let mut state = self.take(probe)?;
            let mut suspected = std::mem::take(&mut state.clone_seen);
            for at in std::mem::take(&mut state.dirty) {
                let settled = |epoch: i64| self.retiming.as_ref().is_none_or(|r| !r.contains_key(&epoch));
                let epoch = &state.epochs[at];
                suspected |= epoch.span_changed && settled(epoch.id) && state.overlaps(at, settled);
                state.epochs[at].save(&self.db)?;
            }
            if suspected && !state.clone_suspected {
                state.clone_suspected = true;
                clones.push(probe);
                self.db
                    .prepare_cached("UPDATE probe SET clone_suspected_ms = ?2 WHERE id = ?1")?
                    .execute(params![probe.0, self.now_ms])?;
            }
            if let Some(contact_ms) = state.contact_ms.take() {
                let newer = "UPDATE probe SET last_contact_ms = max(coalesce(last_contact_ms, ?2), ?2) WHERE id = ?1";
                self.db.prepare_cached(newer)?.execute(params![probe.0, contact_ms])?;
            }
            self.probes.insert(probe, state);
        }
        Ok(clones)
    }

    pub(super) fn take(&mut self, probe: ProbeRef) -> Result<Box<ProbeState>, StoreError> {
        self.touched.push(probe);
        match self.probes.remove(&probe) {
            Some(state) => Ok(state),
            None => ProbeState::load(&self.db, probe).map(Box::new),
        }
    }

    pub(super) fn put(&mut self, probe: ProbeRef, state: Box<ProbeState>) {
        self.probes.insert(probe, state);
    }

    pub(super) fn retiming(&mut self) -> Result<&mut BTreeMap<i64, Progress>, StoreError> {
        let retiming = match self.retiming.take() {
            Some(retiming) => retiming,
            None => retime::load(&self.db)?,
        };
        Ok(self.retiming.insert(retiming))
    }

    pub(super) fn next_id(&mut self) -> Result<i64, StoreError> {
        match self.next_id {
            Some(id) => Ok(id),
            None => Ok(self.db.query_row("SELECT coalesce(max(id), 0) + 1 FROM observation", [], |row| row.get(0))?),
        }
    }

    pub(super) fn set_next_id(&mut self, id: i64) {
        self.next_id = Some(id);
    }

    fn forget(&mut self) {
        self.registry = None;
        self.interned = Interned::default();
        self.letters = Kept::default();
        self.probes.clear();
        self.touched.clear();
        self.retiming = None;
        self.next_id = None;
        self.seen = -1;
    }
}
