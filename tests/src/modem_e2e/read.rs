//! What the store holds of one probe: rows as the agent's samples, interruptions as the API tells them.

use crate::harness::{Collector, get};
use anyhow::{Context, Result};
use phusong_protocol::{Outcome, Place, Uplink};
use serde_json::Value;

/// One observation.
#[derive(Debug, Clone)]
pub struct Heard {
    pub id: i64,
    pub at_ms: i64,
    pub outcome: Outcome,
    pub uplink: Option<Uplink>,
    pub place: Option<Place>,
}

/// The number of the newest row.
pub fn newest(collector: &Collector) -> Result<i64> {
    collector.query("SELECT coalesce(max(id), 0) FROM observation")
}

/// Rows of a probe that came after `after`, oldest first.
pub fn rows(collector: &Collector, probe: &str, after: i64) -> Result<Vec<Heard>> {
    let sql = "SELECT o.id, o.at_ms, o.kind, o.body, u.content, o.place FROM observation o
                 JOIN probe p ON p.id = o.probe_ref LEFT JOIN uplink u ON u.id = o.uplink_ref
                WHERE p.name = ?1 AND o.id > ?2 ORDER BY o.id";
    let store = collector.store()?;
    let mut statement = store.prepare(sql)?;
    let mut rows = statement.query((probe, after))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(3)?;
        let uplink: Option<Vec<u8>> = row.get(4)?;
        let place: Option<Vec<u8>> = row.get(5)?;
        let bad = |e: minicbor::decode::Error| anyhow::anyhow!("a stored context: {e}");
        found.push(Heard {
            id: row.get(0)?,
            at_ms: row.get(1)?,
            outcome: Outcome::from_cbor(row.get(2)?, &body).context("a stored body")?,
            uplink: uplink.map(|bytes| minicbor::decode(&bytes)).transpose().map_err(bad)?,
            place: place.map(|bytes| minicbor::decode(&bytes)).transpose().map_err(bad)?,
        });
    }
    Ok(found)
}

/// A list of the API, whole.
pub fn list(collector: &Collector, path: &str) -> Result<Vec<Value>> {
    let (status, body) = get(collector.config.http_port, path)?;
    anyhow::ensure!(status == 200, "{path}: {status} {body}");
    let page: Value = serde_json::from_str(&body)?;
    Ok(page["items"].as_array().with_context(|| format!("{path}: no items in {body:.300}"))?.clone())
}
