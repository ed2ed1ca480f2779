//! What the collector's store holds of one probe, read from its tables as they lie on disk.
//!
//! In: a read-only connection. Out: [`Held`]. Refuses to know: the collector's code and its ledger; a row counts, a
//! claim about a row does not. Limits: all of a probe's rows in memory.

use super::account::{Content, Held};
use anyhow::Result;
use phusong_protocol::Epoch;
use rusqlite::Connection;

impl Held {
    pub fn read(store: &Connection, probe: &str) -> Result<Self> {
        let mut held = Held::default();
        let mut rows = store.prepare(
            "SELECT epoch.epoch, seq, kind, body, wall_ms, observation.mono_ms
             FROM observation JOIN epoch ON epoch.id = observation.epoch_ref JOIN probe ON probe.id = epoch.probe_ref
             WHERE probe.name = ?1",
        )?;
        let mut rows = rows.query([probe])?;
        while let Some(row) = rows.next()? {
            // SQLite has no unsigned numbers: the 64 bits stand as a signed one.
            let id = (Epoch(row.get::<_, i64>(0)? as u64), row.get::<_, i64>(1)? as u64);
            let mono_ms = row.get::<_, Option<i64>>(5)?.map(|ms| ms as u64);
            let content = Content { kind: row.get(2)?, body: row.get(3)?, wall_ms: row.get(4)?, mono_ms };
            held.samples.insert(id, content);
        }
        let mut letters = store.prepare(
            "SELECT dead_letter.raw FROM dead_letter JOIN probe ON probe.id = dead_letter.probe_ref
             WHERE probe.name = ?1 AND dead_letter.replayed_ms IS NULL",
        )?;
        let mut letters = letters.query([probe])?;
        while let Some(row) = letters.next()? {
            // A letter that does not decode names no sample: nothing is excused by it.
            if let Ok(batch) = phusong_protocol::decode(&row.get::<_, Vec<u8>>(0)?) {
                let seqs = batch.samples.iter().map(|sample| sample.seq).chain(batch.bad.iter().map(|bad| bad.seq));
                held.dead_letters.extend(seqs.map(|seq| (batch.epoch, seq)));
            }
        }
        Ok(held)
    }
}
