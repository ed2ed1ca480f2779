//! The measure of ingest: the same rows into the same schema with the same pragmas, and nothing else.
//!
//! In: observations that are decoded already. Out: rows per second of a bare loop that inserts them in transactions
//! of 1,000. Neither decoding, nor ledger, nor looking anything up is in the measured time; binding the row and the
//! insert statement are the same code as ingest's.

use super::error::StoreError;
use super::insert::{Insert, Row};
use super::intern::{InternLimits, Interned};
use super::migrate;
use super::observation::Observation;
use super::open;
use super::timing::AtState;
use super::writer::ProbeRef;
use phusong_protocol::{Epoch, ProbeId};
use rusqlite::{OpenFlags, params};
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Rows of one transaction.
const ROWS: usize = 1_000;

/// Observations of one probe and epoch.
#[derive(Debug, Clone)]
pub struct BareBatch {
    pub probe: ProbeId,
    pub epoch: Epoch,
    pub observations: Vec<Observation>,
}

/// What the loop took.
#[derive(Debug, Clone, Copy)]
pub struct Bare {
    pub rows: u64,
    pub elapsed: Duration,
}

impl Bare {
    pub fn rows_per_s(&self) -> f64 {
        self.rows as f64 / self.elapsed.as_secs_f64().max(1e-9)
    }
}

/// Makes a fresh database in `dir` and inserts every batch once.
pub fn run(dir: &Path, batches: &[BareBatch], now_ms: i64) -> Result<Bare, StoreError> {
    std::fs::create_dir_all(dir).map_err(|source| StoreError::Io { path: dir.to_path_buf(), source })?;
    let path = open::database(dir);
    let mut db = open::connect(&path, OpenFlags::default())?;
    migrate::run(&mut db, &path, &migrate::known(), now_ms)?;
    let rows = prepare(&db, batches, now_ms)?;
    let started = Instant::now();
    let mut insert = Insert::new(&db)?;
    for group in rows.chunks(ROWS) {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for row in group {
            insert.row(row)?;
        }
        db.execute_batch("COMMIT")?;
    }
    Ok(Bare { rows: rows.len() as u64, elapsed: started.elapsed() })
}

/// Everything that the rows refer to, so that the constraints hold; outside of the measured time.
fn prepare<'a>(db: &rusqlite::Connection, batches: &'a [BareBatch], now_ms: i64) -> Result<Vec<Row<'a>>, StoreError> {
    db.execute("INSERT INTO site (id, name) VALUES (1, 'bare')", [])?;
    let (mut probes, mut epochs, mut boots) = (HashMap::new(), HashMap::new(), HashMap::new());
    let (mut interned, limits) = (Interned::default(), InternLimits::default());
    let mut rows = Vec::with_capacity(batches.iter().map(|batch| batch.observations.len()).sum());
    for batch in batches {
        let probe = id(db, &mut probes, &batch.probe, || {
            db.execute(
                "INSERT INTO probe (name, site_ref, created_ms) VALUES (?1, 1, ?2)",
                params![batch.probe.as_str(), now_ms],
            )
        })?;
        let epoch = id(db, &mut epochs, &(probe, batch.epoch), || {
            db.execute("INSERT INTO epoch (probe_ref, epoch) VALUES (?1, ?2)", params![probe, batch.epoch.0 as i64])
        })?;
        for observation in &batch.observations {
            let boot = match observation.boot {
                None => None,
                Some((boot, _)) => Some(id(db, &mut boots, &(probe, boot), || {
                    let sql = "INSERT INTO boot (probe_ref, boot_id) VALUES (?1, ?2)";
                    db.execute(sql, params![probe, boot.0.as_slice()])
                })?),
            };
            let target = observation.target.as_ref().map(|target| interned.target(db, target, limits.targets));
            let uplink = observation.uplink.as_ref().map(|uplink| interned.uplink(db, uplink, limits.uplinks));
            let setup =
                observation.setup.as_ref().map(|setup| interned.setup(db, ProbeRef(probe), setup, limits.setups));
            rows.push(Row {
                id: rows.len() as i64 + 1,
                probe,
                epoch,
                seq: observation.seq as i64,
                at_ms: observation.wall_ms,
                at_state: AtState::Anchored.code(),
                received_ms: now_ms,
                boot,
                mono_ms: observation.boot.map(|boot| boot.1),
                wall_ms: observation.wall_ms,
                synced: observation.synced,
                sync_age_s: observation.sync_age_s,
                kind: observation.kind,
                target: target.transpose()?.flatten(),
                uplink: uplink.transpose()?.flatten(),
                setup: setup.transpose()?.flatten(),
                place: observation.place.as_deref(),
                body: &observation.body,
            });
        }
    }
    Ok(rows)
}

fn id<K: std::hash::Hash + Eq + Clone>(
    db: &rusqlite::Connection,
    known: &mut HashMap<K, i64>,
    key: &K,
    add: impl FnOnce() -> rusqlite::Result<usize>,
) -> Result<i64, StoreError> {
    if let Some(id) = known.get(key) {
        return Ok(*id);
    }
    add()?;
    let id = db.last_insert_rowid();
    known.insert(key.clone(), id);
    Ok(id)
}
