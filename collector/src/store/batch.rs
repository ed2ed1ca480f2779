//! Observations of one batch: which are new, which were there, which contradict; then the new ones become rows.
//!
//! In: the observations of one probe and epoch, ascending. Out: what became of each. The ledger decides what is
//! committed, also for observations that were pruned since; a row that is still there is compared field by field.

use super::epochs::{ProbeState, clip};
use super::error::StoreError;
use super::insert::{Insert, Row};
use super::intern::{InternLimits, Interned};
use super::ledger::{self, Kind};
use super::observation::{Anchor, Fact, Observation};
use super::timing::{self, AtState, Stamp};
use super::writer::{ProbeRef, Writer};
use phusong_protocol::{BootId, Epoch, Ranges, ReadingKind};
use rusqlite::{Connection, OptionalExtension, params};

/// Why an observation of a readable batch is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refusal {
    Conflict,
    TooOld,
    TooManyContexts,
}

/// What became of a batch. `refused` are positions in it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Applied {
    pub stored: Ranges,
    pub duplicate: Ranges,
    pub refused: Vec<(usize, Refusal)>,
    pub stored_rows: u64,
    /// Of the stored ones.
    pub uncertain_rows: u64,
    pub duplicate_rows: u64,
    /// Event times of the stored ones whose time is certain.
    pub certain_at_ms: Vec<i64>,
}

/// The numbers that stand for an observation's surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Refs {
    boot: Option<i64>,
    anchor: Option<Anchor>,
    target: Option<i64>,
    uplink: Option<i64>,
    setup: Option<i64>,
}

/// One batch's place.
#[derive(Clone, Copy)]
struct Home {
    probe: ProbeRef,
    at: usize,
    epoch: i64,
    foreign: bool,
    received_ms: i64,
}

/// What it takes to look at one observation.
struct Desk<'a> {
    db: &'a Connection,
    interned: &'a mut Interned,
    limits: InternLimits,
}

impl Writer {
    /// Stores what is new. An error leaves the transaction to be rolled back.
    pub fn store(
        &mut self,
        probe: ProbeRef,
        epoch: Epoch,
        received_ms: i64,
        observations: &[Observation],
    ) -> Result<Applied, StoreError> {
        let mut state = self.take(probe)?;
        let at = state.epoch(&self.db, probe, epoch)?;
        let home = Home { probe, at, epoch: state.epochs[at].id, foreign: epoch.is_foreign(), received_ms };
        let mut applied = Applied::default();
        let new = if home.foreign {
            (0..observations.len()).collect()
        } else {
            let new = self.sort_out(&mut state, home, observations, &mut applied)?;
            self.anchor(&mut state, home, observations, &new)?;
            new
        };
        self.insert(&mut state, home, observations, &new, &mut applied)?;
        state.contact_ms = state.contact_ms.max(Some(received_ms));
        self.put(probe, state);
        Ok(applied)
    }

    /// Positions of the observations that are not committed yet.
    fn sort_out(
        &mut self,
        state: &mut ProbeState,
        home: Home,
        observations: &[Observation],
        applied: &mut Applied,
    ) -> Result<Vec<usize>, StoreError> {
        let top = state.epochs[home.at].committed_top(&self.db)?;
        let mut desk = Desk { db: &self.db, interned: &mut self.interned, limits: self.options.interned };
        let mut new = Vec::with_capacity(observations.len());
        for (i, observation) in observations.iter().enumerate() {
            let (seq, epoch) = (clip(observation.seq), &state.epochs[home.at]);
            let known = seq <= top
                && (epoch.committed.contains(observation.seq)
                    || ledger::contains(desk.db, home.epoch, Kind::Committed, seq)?);
            if known {
                desk.met_again(state, home, i, observation, applied)?;
            } else {
                new.push(i);
            }
        }
        Ok(new)
    }

    /// Anchors and the chain first, so that the rows of this very batch get their final times at once.
    fn anchor(
        &mut self,
        state: &mut ProbeState,
        home: Home,
        observations: &[Observation],
        new: &[usize],
    ) -> Result<(), StoreError> {
        for observation in new.iter().map(|i| &observations[*i]) {
            match (&observation.fact, observation.boot) {
                (Fact::Clock { true_ms, err_ms }, Some((boot, mono_ms))) => {
                    let anchor = Anchor { mono_ms, true_ms: *true_ms, err_ms: *err_ms };
                    if timing::believable(anchor, home.received_ms) {
                        self.take_anchor(state, home.probe, boot, anchor)?;
                    }
                }
                (Fact::Boot { prev, start }, _) => {
                    let prev = match prev {
                        Some(prev) => Some((state.epoch(&self.db, home.probe, prev.epoch)?, clip(prev.last_seq))),
                        None => None,
                    };
                    self.chain(state, home.at, prev, clip(observation.seq), *start)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn take_anchor(
        &mut self,
        state: &mut ProbeState,
        probe: ProbeRef,
        boot: BootId,
        anchor: Anchor,
    ) -> Result<(), StoreError> {
        let known = state.boot(&self.db, probe, boot)?;
        let best = known.anchor.map_or(anchor, |known| timing::better(known, anchor));
        if known.anchor == Some(best) {
            return Ok(());
        }
        known.anchor = Some(best);
        self.db
            .prepare_cached("UPDATE boot SET mono_ms = ?2, true_ms = ?3, err_ms = ?4 WHERE id = ?1")?
            .execute(params![known.id, best.mono_ms, best.true_ms, best.err_ms])?;
        let epochs = known.epochs.clone();
        epochs.into_iter().try_for_each(|epoch| self.retime_epoch(epoch))
    }

    fn insert(
        &mut self,
        state: &mut ProbeState,
        home: Home,
        observations: &[Observation],
        new: &[usize],
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        let mut committed = Ranges::new();
        let mut next_id = self.next_id()?;
        let mut desk = Desk { db: &self.db, interned: &mut self.interned, limits: self.options.interned };
        let mut insert = Insert::new(&self.db)?;
        for &i in new {
            let observation = &observations[i];
            let Some(refs) = desk.refs(state, home, observation)? else {
                applied.refused.push((i, Refusal::TooManyContexts));
                continue;
            };
            let floor_ms = state.epochs[home.at].floor_ms;
            let (at_ms, at_state) = timing::time_of(&stamp(home, observation), refs.anchor, floor_ms);
            if timing::too_old(at_ms, at_state, home.received_ms) {
                applied.refused.push((i, Refusal::TooOld));
                continue;
            }
            if !home.foreign {
                committed.insert(observation.seq, observation.seq);
            }
            if insert.row(&row(home, observation, refs, next_id, at_ms, at_state))? {
                next_id += 1;
                desk.note(state, home, observation, (at_ms, at_state), applied)?;
            } else {
                // A foreign record once more; or, for others, a ledger that knew less than the table.
                desk.met_again(state, home, i, observation, applied)?;
            }
        }
        drop(insert);
        self.set_next_id(next_id);
        if !home.foreign && !committed.is_empty() {
            let epoch = state.change(home.at);
            epoch.committed_top = epoch.committed_top.max(committed.last().map(clip));
            epoch.committed.union(&committed);
            let again = &applied.duplicate;
            committed.subtract(again);
            for (i, _) in &applied.refused {
                committed.remove(observations[*i].seq, observations[*i].seq);
            }
            applied.stored = committed;
        }
        Ok(())
    }
}

impl Desk<'_> {
    /// The id is committed: the same once more, or a contradiction?
    fn met_again(
        &mut self,
        state: &mut ProbeState,
        home: Home,
        i: usize,
        observation: &Observation,
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        if home.foreign {
            // Its id is made of its content, or is the record's own: a line of a log may say less than its message did.
            applied.duplicate_rows += 1;
            return Ok(());
        }
        let equal = match self.refs(state, home, observation)? {
            Some(refs) => same_row(self.db, home.epoch, observation, refs)?,
            // Its context is one that no row can have.
            None => false,
        };
        if equal {
            applied.duplicate.insert(observation.seq, observation.seq);
            applied.duplicate_rows += 1;
        } else {
            applied.refused.push((i, Refusal::Conflict));
        }
        Ok(())
    }

    /// What a stored observation changes around it.
    fn note(
        &self,
        state: &mut ProbeState,
        home: Home,
        observation: &Observation,
        (at_ms, at_state): (i64, AtState),
        applied: &mut Applied,
    ) -> Result<(), StoreError> {
        applied.stored_rows += 1;
        if at_state == AtState::Uncertain {
            applied.uncertain_rows += 1;
        } else {
            applied.certain_at_ms.push(at_ms);
        }
        if home.foreign {
            return Ok(());
        }
        let epoch = &mut state.epochs[home.at];
        if at_state == AtState::Uncertain {
            epoch.uncertain += 1;
        } else if observation.kind != ReadingKind::Summary.code() {
            // A summary may stand for rounds of an epoch before its own: its time is not its epoch's.
            epoch.widen(at_ms);
        }
        if let Fact::Explains { why, epoch, ranges } = &observation.fact {
            let at = state.epoch(self.db, home.probe, *epoch)?;
            let epoch = state.change(at);
            if !epoch.foreign {
                epoch.explained.push(((*why).into(), ranges.clone()));
            }
        }
        Ok(())
    }

    /// `None` when the installation has too many contexts already.
    fn refs(
        &mut self,
        state: &mut ProbeState,
        home: Home,
        observation: &Observation,
    ) -> Result<Option<Refs>, StoreError> {
        let Desk { db, interned, limits } = self;
        let mut refs = Refs { boot: None, anchor: None, target: None, uplink: None, setup: None };
        if let Some(target) = &observation.target {
            refs.target = interned.target(db, target, limits.targets)?;
        }
        if let Some(uplink) = &observation.uplink {
            refs.uplink = interned.uplink(db, uplink, limits.uplinks)?;
        }
        if let Some(setup) = &observation.setup {
            refs.setup = interned.setup(db, home.probe, setup, limits.setups)?;
        }
        let full = (observation.target.is_some() && refs.target.is_none())
            || (observation.uplink.is_some() && refs.uplink.is_none())
            || (observation.setup.is_some() && refs.setup.is_none());
        if full {
            return Ok(None);
        }
        if let Some((boot, _)) = observation.boot {
            let boot = state.boot(db, home.probe, boot)?;
            if !home.foreign && !boot.epochs.contains(&home.epoch) {
                db.prepare_cached("INSERT INTO boot_epoch (boot_ref, epoch_ref) VALUES (?1, ?2)")?
                    .execute(params![boot.id, home.epoch])?;
                boot.epochs.push(home.epoch);
            }
            (refs.boot, refs.anchor) = (Some(boot.id), boot.anchor);
        }
        Ok(Some(refs))
    }
}

fn stamp(home: Home, observation: &Observation) -> Stamp {
    Stamp {
        foreign: home.foreign,
        mono_ms: observation.boot.map(|boot| boot.1),
        wall_ms: observation.wall_ms,
        synced: observation.synced,
        received_ms: home.received_ms,
    }
}

fn row<'a>(home: Home, observation: &'a Observation, refs: Refs, id: i64, at_ms: i64, at_state: AtState) -> Row<'a> {
    Row {
        id,
        probe: home.probe.0,
        epoch: home.epoch,
        // A foreign seq is a hash: all 64 bits count.
        seq: observation.seq as i64,
        at_ms,
        at_state: at_state.code(),
        received_ms: home.received_ms,
        boot: refs.boot,
        mono_ms: observation.boot.map(|boot| boot.1),
        wall_ms: observation.wall_ms,
        synced: observation.synced,
        sync_age_s: observation.sync_age_s,
        kind: observation.kind,
        target: refs.target,
        uplink: refs.uplink,
        setup: refs.setup,
        place: observation.place.as_deref(),
        body: &observation.body,
    }
}

/// Whether the committed row says the same; true where it was pruned and only the ledger knows.
fn same_row(db: &Connection, epoch: i64, observation: &Observation, refs: Refs) -> Result<bool, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT boot_ref IS ?3 AND mono_ms IS ?4 AND wall_ms = ?5 AND synced = ?6 AND sync_age_s IS ?7 AND kind = ?8
                AND target_ref IS ?9 AND uplink_ref IS ?10 AND setup_ref IS ?11 AND place IS ?12 AND body = ?13
           FROM observation WHERE epoch_ref = ?1 AND seq = ?2",
    )?;
    let same = statement.query_row(
        params![
            epoch,
            observation.seq as i64,
            refs.boot,
            observation.boot.map(|boot| boot.1),
            observation.wall_ms,
            observation.synced,
            observation.sync_age_s,
            observation.kind,
            refs.target,
            refs.uplink,
            refs.setup,
            observation.place,
            observation.body
        ],
        |row| row.get(0),
    );
    Ok(same.optional()?.unwrap_or(true))
}
