//! What is remembered of one probe while it sends: its epochs, their chain, their spans of event time, its boots.
//!
//! In: rows, once. Out: the same rows, changed, before a commit. After a rollback all of it is forgotten and read
//! anew, so that memory never says more than the disk.

use super::error::StoreError;
use super::ledger::{self, Kind};
use super::observation::Anchor;
use super::writer::ProbeRef;
use phusong_protocol::{BootId, Epoch, Ranges};
use rusqlite::{Connection, params};
use std::collections::HashMap;

/// Two epochs of one device cannot overlap by more, whatever the errors of their clocks [J].
const OVERLAP_MS: i64 = 60_000;

/// One start of an agent.
#[derive(Debug, Default)]
pub struct EpochState {
    pub id: i64,
    pub foreign: bool,
    pub prev: Option<(i64, i64)>,
    pub base_seq: Option<i64>,
    pub start: Option<u32>,
    /// First and last certain event time.
    pub span: Option<(i64, i64)>,
    pub floor_ms: Option<i64>,
    pub uncertain: i64,
    pub accounted: i64,
    pub top_seq: Option<i64>,
    pub named_seq: Option<i64>,
    /// Highest committed id; `None` until it was asked for.
    pub committed_top: Option<i64>,
    /// Of this transaction, not yet in the ledger.
    pub committed: Ranges,
    pub explained: Vec<(Kind, Ranges)>,
    pub dirty: bool,
    pub span_changed: bool,
}

/// One boot of the device.
#[derive(Debug)]
pub struct BootState {
    pub id: i64,
    pub anchor: Option<Anchor>,
    /// Epochs with observations of this boot.
    pub epochs: Vec<i64>,
}

/// One probe.
#[derive(Debug, Default)]
pub struct ProbeState {
    pub epochs: Vec<EpochState>,
    by_epoch: HashMap<Epoch, usize>,
    pub boots: HashMap<BootId, BootState>,
    /// Positions in `epochs` that a transaction changed.
    pub dirty: Vec<usize>,
    pub contact_ms: Option<i64>,
    pub clone_suspected: bool,
    pub clone_seen: bool,
}

impl ProbeState {
    pub fn load(db: &Connection, probe: ProbeRef) -> Result<Self, StoreError> {
        let mut state = ProbeState::default();
        let mut statement = db.prepare_cached(
            "SELECT id, epoch, prev_ref, prev_seq, base_seq, start, first_ms, last_ms, floor_ms, uncertain, accounted,
                    top_seq, named_seq FROM epoch WHERE probe_ref = ?1",
        )?;
        let mut rows = statement.query([probe.0])?;
        while let Some(row) = rows.next()? {
            let epoch = Epoch(row.get::<_, i64>(1)? as u64);
            let prev: (Option<i64>, Option<i64>) = (row.get(2)?, row.get(3)?);
            let span: (Option<i64>, Option<i64>) = (row.get(6)?, row.get(7)?);
            state.by_epoch.insert(epoch, state.epochs.len());
            state.epochs.push(EpochState {
                id: row.get(0)?,
                foreign: epoch.is_foreign(),
                prev: prev.0.zip(prev.1),
                base_seq: row.get(4)?,
                start: row.get(5)?,
                span: span.0.zip(span.1),
                floor_ms: row.get(8)?,
                uncertain: row.get(9)?,
                accounted: row.get(10)?,
                top_seq: row.get(11)?,
                named_seq: row.get(12)?,
                ..EpochState::default()
            });
        }
        state.load_boots(db, probe)?;
        let suspected = "SELECT clone_suspected_ms IS NOT NULL FROM probe WHERE id = ?1";
        state.clone_suspected = db.prepare_cached(suspected)?.query_row([probe.0], |row| row.get(0))?;
        Ok(state)
    }

    fn load_boots(&mut self, db: &Connection, probe: ProbeRef) -> Result<(), StoreError> {
        let mut statement =
            db.prepare_cached("SELECT id, boot_id, mono_ms, true_ms, err_ms FROM boot WHERE probe_ref = ?1")?;
        let mut rows = statement.query([probe.0])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let bytes: Vec<u8> = row.get(1)?;
            let bad = |_| StoreError::Content { table: "boot", row: id, detail: "a boot id has 16 bytes".into() };
            let boot = BootId(bytes.try_into().map_err(bad)?);
            let anchor = match (row.get(2)?, row.get(3)?, row.get(4)?) {
                (Some(mono_ms), Some(true_ms), Some(err_ms)) => Some(Anchor { mono_ms, true_ms, err_ms }),
                _ => None,
            };
            self.boots.insert(boot, BootState { id, anchor, epochs: Vec::new() });
        }
        let mut statement = db.prepare_cached("SELECT epoch_ref FROM boot_epoch WHERE boot_ref = ?1")?;
        for boot in self.boots.values_mut() {
            let epochs = statement.query_map([boot.id], |row| row.get(0))?;
            boot.epochs = epochs.collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// The position of an epoch; a new one gets a row.
    pub fn epoch(&mut self, db: &Connection, probe: ProbeRef, epoch: Epoch) -> Result<usize, StoreError> {
        if let Some(at) = self.by_epoch.get(&epoch) {
            return Ok(*at);
        }
        db.prepare_cached("INSERT INTO epoch (probe_ref, epoch) VALUES (?1, ?2)")?
            .execute(params![probe.0, epoch.0 as i64])?;
        let at = self.epochs.len();
        let new = EpochState { id: db.last_insert_rowid(), foreign: epoch.is_foreign(), ..EpochState::default() };
        self.epochs.push(new);
        self.by_epoch.insert(epoch, at);
        Ok(at)
    }

    /// The boot; a new one gets a row.
    pub fn boot(&mut self, db: &Connection, probe: ProbeRef, boot: BootId) -> Result<&mut BootState, StoreError> {
        use std::collections::hash_map::Entry;
        match self.boots.entry(boot) {
            Entry::Occupied(known) => Ok(known.into_mut()),
            Entry::Vacant(new) => {
                db.prepare_cached("INSERT INTO boot (probe_ref, boot_id) VALUES (?1, ?2)")?
                    .execute(params![probe.0, boot.0.as_slice()])?;
                Ok(new.insert(BootState { id: db.last_insert_rowid(), anchor: None, epochs: Vec::new() }))
            }
        }
    }

    /// The epoch at `at`, noted as changed.
    pub fn change(&mut self, at: usize) -> &mut EpochState {
        let epoch = &mut self.epochs[at];
        if !epoch.dirty {
            epoch.dirty = true;
            self.dirty.push(at);
        }
        epoch
    }

    pub fn position(&self, id: i64) -> Option<usize> {
        self.epochs.iter().position(|epoch| epoch.id == id)
    }

    /// The floor that the chain gives to the epoch at `at`.
    pub fn floor(&self, at: usize) -> Option<i64> {
        let (prev, _) = self.epochs[at].prev?;
        let prev = &self.epochs[self.position(prev)?];
        prev.floor_ms.max(prev.span.map(|span| span.1))
    }

    /// Whether another epoch lies in the same stretch of event time as the one at `at`.
    pub fn overlaps(&self, at: usize, settled: impl Fn(i64) -> bool) -> bool {
        let Some(span) = self.epochs[at].span else { return false };
        self.epochs.iter().enumerate().any(|(other, epoch)| {
            let Some(theirs) = epoch.span.filter(|_| other != at && !epoch.foreign && settled(epoch.id)) else {
                return false;
            };
            span.1.min(theirs.1).saturating_sub(span.0.max(theirs.0)) > OVERLAP_MS
        })
    }
}

impl EpochState {
    /// Notes a certain event time.
    pub fn widen(&mut self, at_ms: i64) {
        let span = self.span.map_or((at_ms, at_ms), |span| (span.0.min(at_ms), span.1.max(at_ms)));
        self.span_changed |= self.span != Some(span);
        self.span = Some(span);
    }

    /// The highest committed id, this transaction's included; -1 for none.
    pub fn committed_top(&mut self, db: &Connection) -> Result<i64, StoreError> {
        if let Some(top) = self.committed_top {
            return Ok(top);
        }
        let top = ledger::top(db, self.id, Kind::Committed)?.unwrap_or(-1);
        self.committed_top = Some(top);
        Ok(top)
    }

    /// Writes ledger and row.
    pub fn save(&mut self, db: &Connection) -> Result<(), StoreError> {
        let mut sets = vec![(Kind::Committed, std::mem::take(&mut self.committed))];
        // Summaries of many targets stand for rounds that lie between each other's: together they are few ranges.
        for (kind, ranges) in std::mem::take(&mut self.explained) {
            match sets.iter_mut().find(|set| set.0 == kind) {
                Some(set) => set.1.union(&ranges),
                None => sets.push((kind, ranges)),
            }
        }
        let mut accounted = Ranges::new();
        for (kind, ranges) in sets {
            accounted.union(&ranges);
            for (first, last) in ranges.iter() {
                ledger::merge(db, self.id, kind, clip(first), clip(last))?;
            }
        }
        for (first, last) in accounted.iter() {
            let added = ledger::merge(db, self.id, Kind::Accounted, clip(first), clip(last))?;
            self.accounted = self.accounted.saturating_add(added);
            self.top_seq = self.top_seq.max(Some(clip(last)));
        }
        db.prepare_cached(
            "UPDATE epoch SET prev_ref = ?2, prev_seq = ?3, base_seq = ?4, start = ?5, first_ms = ?6, last_ms = ?7,
                    floor_ms = ?8, uncertain = ?9, accounted = ?10, top_seq = ?11, named_seq = ?12 WHERE id = ?1",
        )?
        .execute(params![
            self.id,
            self.prev.map(|prev| prev.0),
            self.prev.map(|prev| prev.1),
            self.base_seq,
            self.start,
            self.span.map(|span| span.0),
            self.span.map(|span| span.1),
            self.floor_ms,
            self.uncertain,
            self.accounted,
            self.top_seq,
            self.named_seq
        ])?;
        self.dirty = false;
        self.span_changed = false;
        Ok(())
    }
}

/// Sequence numbers of the ledger are SQLite's signed integers; ingest refuses samples beyond them.
pub fn clip(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
