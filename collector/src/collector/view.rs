//! What `/readyz` and `/metrics` see of the running parts.
//!
//! In: counters, the client's health, a short read of the store. Out: a [`Readiness`], the text of `/metrics`.
//! Refuses to change anything.

use super::outlook::Outlook;
use crate::broker;
use crate::http::Readiness;
use crate::ingest::{Counters, Fate};
use crate::metrics::{DeriveView, Metrics, ProbeView, StoreView, View};
use crate::mqtt::{Flow, Health};
use crate::store::views::DeriveCounts;
use crate::store::{Facts, ProbeRow, Readers, Reason, StoreError};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::sync::watch;

/// So long after a message found the queue full, the collector calls itself degraded.
const FULL_MS: i64 = 30_000;

pub struct Watched {
    pub counters: Arc<Counters>,
    pub metrics: Metrics,
    pub readers: Readers,
    pub health: watch::Receiver<Health>,
    pub flow: Arc<Flow>,
    pub broker: Option<broker::Watch>,
    pub queue_bound: u64,
    pub data_dir: PathBuf,
    pub outlook: Outlook,
}

impl Watched {
    pub fn readiness(&self) -> Readiness {
        let health = self.health.borrow().clone();
        let store = self.counters.degraded();
        let dropped_ms = self.flow.dropped_ms.load(Ordering::Relaxed);
        let full = dropped_ms > 0 && super::now_ms() - dropped_ms < FULL_MS;
        let connected = health.connected && health.subscribed;
        let mut reasons = Vec::new();
        match (connected, health.problem) {
            (_, Some(problem)) => reasons.push(format!("broker: {problem}")),
            (false, None) => reasons.push("broker: not connected yet".into()),
            (true, None) => {}
        }
        reasons
            .extend(store.as_ref().map(|why| format!("store: {why}; nothing is acknowledged until it takes writes")));
        if full {
            reasons.push("queue: it was full within the last 30 s; what was dropped comes again".into());
        }
        let under_way = self.flow.under_way.load(Ordering::Relaxed);
        let ready = connected && store.is_none() && !full;
        Readiness {
            ready,
            state: if reasons.is_empty() { "ok" } else { "degraded" },
            mqtt_connected: connected,
            store_ok: store.is_none(),
            queue_messages: under_way,
            queue_fill: under_way as f64 / self.queue_bound as f64,
            disk_free_bytes: self.disk_free(),
            store_forecast: self.outlook.look(ready),
            reasons,
        }
    }

    fn disk_free(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.data_dir).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    /// When the store cannot be read, its figures are absent and the others stand.
    pub fn metrics(&self) -> Result<String, String> {
        let read = || -> Result<Stored, StoreError> {
            let views = self.readers.connect()?.with_derived()?;
            let (facts, probes) = (views.reader().facts()?, views.reader().probes()?);
            Ok(Stored { facts, probes, lost: views.lost()?, derive: views.derive_counts()? })
        };
        let stored = match read() {
            Ok(stored) => Some(stored),
            Err(error) => {
                tracing::warn!("/metrics without the store's figures: {error}");
                None
            }
        };
        self.metrics.render(&self.view(stored)).map_err(|e| e.to_string())
    }

    fn view(&self, stored: Option<Stored>) -> View<'_> {
        let counters = &self.counters;
        let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
        let health = self.health.borrow();
        View {
            results: Fate::ALL.iter().map(|fate| (fate.name(), counters.get(*fate))).collect(),
            dead_letters: Reason::ALL.iter().map(|reason| (reason.name(), counters.get(Fate::from(*reason)))).collect(),
            delay: &counters.delay,
            commit: &counters.commit_seconds,
            messages: count(&counters.messages),
            store_failures: count(&counters.store_failures),
            retimed: count(&counters.retimed),
            clones: count(&counters.clones_suspected),
            queue_messages: count(&self.flow.under_way),
            queue_bound: self.queue_bound,
            queue_dropped: counters.get(Fate::QueueFull),
            mqtt_connected: health.connected && health.subscribed,
            broker: self.broker.as_ref().map(broker::Watch::figures),
            store_ok: counters.degraded().is_none(),
            store: stored.as_ref().map(|Stored { facts, .. }| StoreView {
                bytes: facts.bytes,
                free_bytes: facts.free_bytes,
                dead_letters: facts.dead_letters,
                dead_letter_bytes: facts.dead_letter_bytes,
            }),
            derive: stored.as_ref().map(|Stored { derive, .. }| DeriveView {
                late_sealed: derive.late_sealed,
                final_changed: derive.final_changed,
                unplaced: derive.unplaced,
                touched_places: derive.touched_places,
            }),
            probes: stored.map(probes).unwrap_or_default(),
        }
    }
}

/// What one look at the store gives.
struct Stored {
    facts: Facts,
    probes: Vec<ProbeRow>,
    lost: HashMap<String, u64>,
    derive: DeriveCounts,
}

fn probes(stored: Stored) -> Vec<ProbeView> {
    let view = |row: ProbeRow| ProbeView {
        missing: row.missing,
        lost: stored.lost.get(&row.probe).copied().unwrap_or(0),
        clone_suspected: row.clone_suspected_ms.is_some(),
        last_contact_ms: row.last_contact_ms,
        probe: row.probe,
        site: row.site,
    };
    stored.probes.into_iter().filter(|row| row.retired_ms.is_none()).map(view).collect()
}
