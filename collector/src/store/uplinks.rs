//! What a probe's latest rows say of its links: a phone's records carry the SIM of their slot.
//!
//! In: a probe. Out: the uplinks of its latest rows of certain time, oldest first. Limits: so many rows as are asked
//! for, by the index of time.

use super::error::StoreError;
use super::timing::AtState;
use super::writer::{ProbeRef, Writer};
use phusong_protocol::Uplink;
use rusqlite::params;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

impl Writer {
    /// Event time and uplink. Rows of uncertain time tell nothing of order.
    pub fn latest_uplinks(&mut self, probe: ProbeRef, rows: u32) -> Result<Vec<(i64, Arc<Uplink>)>, StoreError> {
        let mut statement = self.db.prepare_cached(
            "SELECT at_ms, uplink_ref FROM observation
              WHERE probe_ref = ?1 AND uplink_ref IS NOT NULL AND at_state <> ?2 ORDER BY at_ms DESC LIMIT ?3",
        )?;
        let found = statement.query_map(params![probe.0, AtState::Uncertain.code(), rows], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        let mut found = found.collect::<Result<Vec<_>, _>>()?;
        found.reverse();
        let mut content = self.db.prepare_cached("SELECT content FROM uplink WHERE id = ?1")?;
        let mut known: HashMap<i64, Arc<Uplink>> = HashMap::new();
        let mut uplinks = Vec::with_capacity(found.len());
        for (at_ms, id) in found {
            let uplink = match known.entry(id) {
                Entry::Occupied(known) => Arc::clone(known.get()),
                Entry::Vacant(new) => {
                    let bytes: Vec<u8> = content.query_row([id], |row| row.get(0))?;
                    let read = minicbor::decode(&bytes);
                    let bad = |e: minicbor::decode::Error| e.to_string();
                    let read = read.map_err(|e| StoreError::Content { table: "uplink", row: id, detail: bad(e) })?;
                    Arc::clone(new.insert(Arc::new(read)))
                }
            };
            uplinks.push((at_ms, uplink));
        }
        Ok(uplinks)
    }
}
