//! Times that change: a better anchor of a boot, or a neighbour in the chain that is known better now.
//!
//! Which epochs are still to be re-timed stands in the table `retiming`, so that a crash forgets none; each
//! transaction does at most so many rows, and the rest follows in the next ones.

use super::epochs::{EpochState, ProbeState};
use super::error::StoreError;
use super::observation::Anchor;
use super::timing::{self, Stamp};
use super::writer::{ProbeRef, Writer};
use phusong_protocol::ReadingKind;
use rusqlite::{Connection, params};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How far the re-timing of one epoch has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Rows up to here are done; -1 for none.
    seq: i64,
    /// Something changed again meanwhile.
    again: bool,
}

const FRESH: Progress = Progress { seq: -1, again: false };

/// A row as far as its time goes.
struct Timed {
    id: i64,
    seq: i64,
    boot: Option<i64>,
    stamp: Stamp,
    at_ms: i64,
    at_state: i64,
}

pub fn load(db: &Connection) -> Result<BTreeMap<i64, Progress>, StoreError> {
    let mut statement = db.prepare_cached("SELECT epoch_ref, seq, again FROM retiming")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, Progress { seq: row.get(1)?, again: row.get(2)? })))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl Writer {
    /// The boot sample of the epoch at `at`: what it names, and where its numbers begin.
    pub(super) fn chain(
        &mut self,
        state: &mut ProbeState,
        at: usize,
        prev: Option<(usize, i64)>,
        base_seq: i64,
        start: u32,
    ) -> Result<(), StoreError> {
        if let Some((before, last_seq)) = prev.filter(|(before, _)| *before != at && !state.epochs[*before].foreign) {
            let id = state.epochs[before].id;
            let named_already = |(i, epoch): (usize, &EpochState)| i != at && epoch.prev.is_some_and(|p| p.0 == id);
            state.clone_seen |= state.epochs.iter().enumerate().any(named_already);
            let named = state.change(before);
            named.named_seq = named.named_seq.max(Some(last_seq));
            state.change(at).prev = Some((id, last_seq));
        }
        let floor_ms = state.floor(at);
        let epoch = state.change(at);
        (epoch.base_seq, epoch.start) = (Some(base_seq), Some(start));
        if epoch.floor_ms == floor_ms {
            return Ok(());
        }
        epoch.floor_ms = floor_ms;
        // Carried on to the epochs after it by the commit; its own rows that came before this sample now.
        epoch.span_changed = true;
        let (id, uncertain) = (epoch.id, epoch.uncertain);
        if uncertain > 0 { self.retime_epoch(id) } else { Ok(()) }
    }

    /// Notes that the times of an epoch's rows are to be computed anew.
    pub(super) fn retime_epoch(&mut self, epoch: i64) -> Result<(), StoreError> {
        let known = self.retiming()?.get(&epoch).copied();
        let progress = match known {
            Some(Progress { seq: -1, .. }) => return Ok(()),
            Some(under_way) => Progress { again: true, ..under_way },
            None => FRESH,
        };
        self.keep(epoch, progress)
    }

    /// One bounded step; says how many rows got another time.
    pub(super) fn retime(&mut self) -> Result<u64, StoreError> {
        let mut budget = self.options.retime_rows;
        let mut changed = 0;
        while budget > 0 {
            let Some((&epoch, &progress)) = self.retiming()?.first_key_value() else { break };
            let probe: i64 = self
                .db
                .prepare_cached("SELECT probe_ref FROM epoch WHERE id = ?1")?
                .query_row([epoch], |row| row.get(0))?;
            let probe = ProbeRef(probe);
            let mut state = self.take(probe)?;
            let (rows, moved) = step(&self.db, &state, epoch, progress.seq, budget)?;
            changed += moved;
            if let (Some(last), true) = (rows.last, rows.count == budget) {
                self.keep(epoch, Progress { seq: last, ..progress })?;
            } else if progress.again {
                self.keep(epoch, FRESH)?;
            } else {
                self.db.prepare_cached("DELETE FROM retiming WHERE epoch_ref = ?1")?.execute([epoch])?;
                self.retiming()?.remove(&epoch);
                if let Some(at) = state.position(epoch) {
                    measure(&self.db, state.change(at))?;
                    self.settle_floors(&mut state)?;
                }
            }
            self.put(probe, state);
            budget = budget.saturating_sub(rows.count.max(1));
        }
        Ok(changed)
    }

    /// Carries changed spans along the chain; uncertain rows of later epochs are bounded by them.
    pub(super) fn settle_floors(&mut self, state: &mut ProbeState) -> Result<(), StoreError> {
        let changed: Vec<usize> = state.dirty.iter().copied().filter(|at| state.epochs[*at].span_changed).collect();
        changed.into_iter().try_for_each(|at| self.carry_floor(state, at))
    }

    fn carry_floor(&mut self, state: &mut ProbeState, from: usize) -> Result<(), StoreError> {
        let mut next = vec![from];
        // A chain that a broken sender closed to a ring must end too.
        let mut carried = HashSet::new();
        while let Some(at) = next.pop() {
            if !carried.insert(at) {
                continue;
            }
            let id = state.epochs[at].id;
            for after in 0..state.epochs.len() {
                if state.epochs[after].prev.is_none_or(|prev| prev.0 != id) {
                    continue;
                }
                let floor = state.floor(after);
                if floor == state.epochs[after].floor_ms {
                    continue;
                }
                let epoch = state.change(after);
                epoch.floor_ms = floor;
                if epoch.uncertain > 0 {
                    let id = epoch.id;
                    self.retime_epoch(id)?;
                }
                next.push(after);
            }
        }
        Ok(())
    }

    fn keep(&mut self, epoch: i64, progress: Progress) -> Result<(), StoreError> {
        self.db
            .prepare_cached(
                "INSERT INTO retiming (epoch_ref, seq, again) VALUES (?1, ?2, ?3)
                 ON CONFLICT (epoch_ref) DO UPDATE SET seq = excluded.seq, again = excluded.again",
            )?
            .execute(params![epoch, progress.seq, progress.again])?;
        self.retiming()?.insert(epoch, progress);
        Ok(())
    }
}

struct Rows {
    last: Option<i64>,
    count: usize,
}

/// Times at most `limit` rows after `seq`; says how many moved.
fn step(db: &Connection, state: &ProbeState, epoch: i64, seq: i64, limit: usize) -> Result<(Rows, u64), StoreError> {
    let anchors: HashMap<i64, Anchor> =
        state.boots.values().filter_map(|boot| boot.anchor.map(|anchor| (boot.id, anchor))).collect();
    let floor_ms = state.position(epoch).and_then(|at| state.epochs[at].floor_ms);
    let timed = read(db, epoch, seq, limit)?;
    let mut update = db.prepare_cached("UPDATE observation SET at_ms = ?2, at_state = ?3 WHERE id = ?1")?;
    let mut moved = 0;
    let mut stretch: Option<(i64, i64)> = None;
    for row in &timed {
        let anchor = row.boot.and_then(|boot| anchors.get(&boot).copied());
        let (at_ms, at_state) = timing::time_of(&row.stamp, anchor, floor_ms);
        if (at_ms, at_state.code()) != (row.at_ms, row.at_state) {
            update.execute(params![row.id, at_ms, at_state.code()])?;
            moved += 1;
            let known = stretch.unwrap_or((at_ms, at_ms));
            stretch = Some((known.0.min(at_ms).min(row.at_ms), known.1.max(at_ms).max(row.at_ms)));
        }
    }
    if let Some((first_ms, last_ms)) = stretch {
        db.prepare_cached(
            "INSERT INTO retimed (probe_ref, first_ms, last_ms) SELECT probe_ref, ?2, ?3 FROM epoch WHERE id = ?1",
        )?
        .execute(params![epoch, first_ms, last_ms])?;
    }
    Ok((Rows { last: timed.last().map(|row| row.seq), count: timed.len() }, moved))
}

fn read(db: &Connection, epoch: i64, seq: i64, limit: usize) -> Result<Vec<Timed>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT id, seq, boot_ref, mono_ms, wall_ms, synced, received_ms, at_ms, at_state FROM observation
          WHERE epoch_ref = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let rows = statement.query_map(params![epoch, seq, limit as i64], |row| {
        Ok(Timed {
            id: row.get(0)?,
            seq: row.get(1)?,
            boot: row.get(2)?,
            stamp: Stamp {
                foreign: false,
                mono_ms: row.get(3)?,
                wall_ms: row.get(4)?,
                synced: row.get(5)?,
                received_ms: row.get(6)?,
            },
            at_ms: row.get(7)?,
            at_state: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Span and uncertain rows of an epoch as they are now.
fn measure(db: &Connection, epoch: &mut EpochState) -> Result<(), StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT min(at_ms) FILTER (WHERE at_state > 0 AND kind <> ?2), max(at_ms) FILTER (WHERE at_state > 0 AND kind <> ?2),
                count(*) FILTER (WHERE at_state = 0) FROM observation WHERE epoch_ref = ?1",
    )?;
    let (first, last, uncertain): (Option<i64>, Option<i64>, i64) = statement
        .query_row(params![epoch.id, ReadingKind::Summary.code()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let span = first.zip(last);
    epoch.span_changed |= span != epoch.span;
    (epoch.span, epoch.uncertain) = (span, uncertain);
    Ok(())
}
