//! Pruning of `phusong.db`: one small step at a time, in a transaction of the ingest writer.
//!
//! In: an open transaction and the time. Out: how many rows went. A pass goes over the probes one by one, oldest
//! observations first, then over re-timed stretches and replayed letters, and rests for an hour. Where it stands is kept
//! in memory only: a restart begins a new pass, which finds what the old one left.
//! Limits: [`StepLimits`] for each step. The newest row stays whatever its age: its id is what readers tail from.

use super::super::error::StoreError;
use super::super::writer::Writer;
use super::{Retention, trusted_now};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::{Duration, Instant};

/// Rows looked at between two looks at the time.
const CHUNK: usize = 100;
/// The newest rows, among which a certain event time is sought.
const NEWEST: u32 = 2_000;
/// A start is not burdened with pruning.
const FIRST_MS: i64 = 60_000;
/// Between two passes. A pass that finds nothing costs one look for each probe.
const REST_MS: i64 = 3_600_000;
/// While messages keep coming, a step at most so often.
const PACE_MS: i64 = 1_000;
/// After a step that failed.
const RETRY_MS: i64 = 60_000;

/// Bounds of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepLimits {
    /// Rows looked at; those removed are among them.
    pub rows: usize,
    /// Time after which no more rows are begun.
    pub time: Duration,
}

impl Default for StepLimits {
    fn default() -> Self {
        StepLimits { rows: 2_000, time: Duration::from_millis(20) }
    }
}

/// Where the pruning stands.
#[derive(Debug, Clone)]
pub struct Pruner {
    retention: Retention,
    limits: StepLimits,
    stage: Stage,
    /// Not before this moment of the machine's clock; the first call sets it.
    next_ms: Option<i64>,
    /// The clock when `next_ms` was set: one that was set back since must not hold up pruning.
    set_ms: i64,
    /// Of this pass.
    removed: u64,
}

/// What is looked at next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Rows of `probe` after this one, in the order of the index.
    Observations {
        probe: i64,
        at_ms: i64,
        id: i64,
    },
    Retimed {
        id: i64,
    },
    Letters {
        id: i64,
    },
}

const START: Stage = Stage::Observations { probe: i64::MIN, at_ms: i64::MIN, id: i64::MIN };

impl Pruner {
    pub fn new(retention: Retention, limits: StepLimits) -> Self {
        Pruner { retention, limits, stage: START, next_ms: None, set_ms: 0, removed: 0 }
    }

    /// Whether a step is due. `busy`: messages keep coming.
    pub fn due(&mut self, now_ms: i64, busy: bool) -> bool {
        let Some(next_ms) = self.next_ms else {
            self.wait(now_ms, FIRST_MS);
            return false;
        };
        if now_ms < self.set_ms {
            self.wait(now_ms, FIRST_MS);
        }
        // Within a pass `next_ms` lies in the past as soon as nothing comes.
        now_ms >= if busy && self.under_way() { next_ms.saturating_add(PACE_MS) } else { next_ms }
    }

    /// A step did not succeed; the same is tried again later.
    pub fn failed(&mut self, now_ms: i64) {
        self.wait(now_ms, RETRY_MS);
    }

    fn under_way(&self) -> bool {
        self.stage != START
    }

    fn wait(&mut self, now_ms: i64, ms: i64) {
        (self.next_ms, self.set_ms) = (Some(now_ms.saturating_add(ms)), now_ms);
    }
}

/// What is left of one step's limits.
struct Budget {
    rows: usize,
    ends: Instant,
}

impl Budget {
    fn spent(&self) -> bool {
        self.rows == 0 || Instant::now() >= self.ends
    }
}

impl Writer {
    /// One step within an open transaction; says how many rows it removed.
    pub fn prune(&mut self, pruner: &mut Pruner, now_ms: i64) -> Result<u64, StoreError> {
        let db = &self.db;
        let now_trusted = trusted_now(now_ms, newest_event(db)?);
        let raw_before = pruner.retention.raw_before_ms(now_trusted);
        let letters_before = pruner.retention.letters_before_ms(now_trusted);
        let mut budget = Budget { rows: pruner.limits.rows, ends: Instant::now() + pruner.limits.time };
        let mut removed = 0;
        pruner.wait(now_ms, 0);
        // At least one chunk, so that every step gets on.
        loop {
            let (gone, next) = match pruner.stage {
                Stage::Observations { probe, at_ms, id } => {
                    observations(db, (probe, at_ms, id), raw_before, &mut budget)?
                }
                Stage::Retimed { id } => retimed(db, id, raw_before, &mut budget)?,
                Stage::Letters { id } => letters(db, id, letters_before, &mut budget)?,
            };
            removed += gone;
            pruner.removed += gone;
            let Some(next) = next else {
                if pruner.removed > 0 {
                    tracing::info!(rows = pruner.removed, "pruned what is older than the retention asks for");
                }
                (pruner.stage, pruner.removed) = (START, 0);
                pruner.wait(now_ms, REST_MS);
                return Ok(removed);
            };
            pruner.stage = next;
            if budget.spent() {
                return Ok(removed);
            }
        }
    }
}

/// The newest certain event time among the rows that came last.
fn newest_event(db: &Connection) -> Result<Option<i64>, StoreError> {
    let mut statement = db.prepare_cached(
        "SELECT max(at_ms) FROM (SELECT at_ms, at_state FROM observation ORDER BY id DESC LIMIT ?1) WHERE at_state > 0",
    )?;
    Ok(statement.query_row([NEWEST], |row| row.get(0))?)
}

type Chunk = (u64, Option<Stage>);

/// One chunk of one probe's rows, or the next probe.
fn observations(
    db: &Connection,
    (probe, at_ms, id): (i64, i64, i64),
    before_ms: i64,
    budget: &mut Budget,
) -> Result<Chunk, StoreError> {
    let rows = db
        .prepare_cached(
            // Two halves, so that rows of one time (uncertain ones share their epoch's floor) are not passed over anew.
            "SELECT at_ms, id, at_state > 0 OR received_ms < ?4 FROM observation
              WHERE probe_ref = ?1 AND at_ms = ?2 AND id > ?3 AND ?2 < ?4
              UNION ALL
             SELECT at_ms, id, at_state > 0 OR received_ms < ?4 FROM observation
              WHERE probe_ref = ?1 AND at_ms > ?2 AND at_ms < ?4
              ORDER BY 1, 2 LIMIT ?5",
        )?
        .query_map(params![probe, at_ms, id, before_ms, CHUNK as i64], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?))
        })?
        .collect::<Result<Vec<_>, _>>()?;
    budget.rows = budget.rows.saturating_sub(rows.len().max(1));
    let mut delete =
        db.prepare_cached("DELETE FROM observation WHERE id = ?1 AND id < (SELECT max(id) FROM observation)")?;
    let mut gone = 0;
    for (_, id, _) in rows.iter().filter(|row| row.2) {
        gone += delete.execute([id])? as u64;
    }
    if let (CHUNK, Some((at_ms, id, _))) = (rows.len(), rows.last()) {
        return Ok((gone, Some(Stage::Observations { probe, at_ms: *at_ms, id: *id })));
    }
    let next: Option<i64> = db
        .prepare_cached("SELECT id FROM probe WHERE id > ?1 ORDER BY id LIMIT 1")?
        .query_row([probe], |row| row.get(0))
        .optional()?;
    let next = next.map(|probe| Stage::Observations { probe, at_ms: i64::MIN, id: i64::MIN });
    Ok((gone, Some(next.unwrap_or(Stage::Retimed { id: i64::MIN }))))
}

fn retimed(db: &Connection, after: i64, before_ms: i64, budget: &mut Budget) -> Result<Chunk, StoreError> {
    let Some(last) = chunk_end(db, "SELECT id FROM retimed WHERE id > ?1 ORDER BY id LIMIT ?2", after, budget)? else {
        return Ok((0, Some(Stage::Letters { id: i64::MIN })));
    };
    let sql = "DELETE FROM retimed WHERE id > ?1 AND id <= ?2 AND last_ms < ?3";
    let gone = db.prepare_cached(sql)?.execute(params![after, last, before_ms])?;
    Ok((gone as u64, Some(Stage::Retimed { id: last })))
}

/// Only a replayed letter has given its bytes back; asking for their length first spares reading those of the others.
fn letters(db: &Connection, after: i64, before_ms: i64, budget: &mut Budget) -> Result<Chunk, StoreError> {
    let ids = "SELECT id FROM dead_letter WHERE id > ?1 ORDER BY id LIMIT ?2";
    let Some(last) = chunk_end(db, ids, after, budget)? else { return Ok((0, None)) };
    let sql = "DELETE FROM dead_letter WHERE id > ?1 AND id <= ?2 AND length(raw) = 0 AND replayed_ms < ?3";
    let gone = db.prepare_cached(sql)?.execute(params![after, last, before_ms])?;
    Ok((gone as u64, Some(Stage::Letters { id: last })))
}

/// The last id of the next chunk of a table; `None` at its end.
fn chunk_end(db: &Connection, ids: &str, after: i64, budget: &mut Budget) -> Result<Option<i64>, StoreError> {
    let mut statement = db.prepare_cached(ids)?;
    let found =
        statement.query_map(params![after, CHUNK as i64], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
    budget.rows = budget.rows.saturating_sub(found.len().max(1));
    Ok(found.last().copied())
}
