//! `/metrics`: the process's own families, in Prometheus' text format.
//!
//! In: the client's counters, kept here, and a [`View`] of everything else, taken at each scrape. Out: text.
//! Refuses to know: where the figures come from. Limits: labels are closed sets and the registered probes; never an
//! address, an error text or an id. `docs/metrics.md` lists every family, and a test holds it to that.

mod family;
mod process;

use crate::broker;
use crate::ingest::Histogram;
use family::{counter, gauge, histogram, labelled};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, IntCounter, Registry, TextEncoder};

/// Counters of the broker's client; it holds a clone.
#[derive(Debug, Clone)]
pub struct MqttMetrics {
    pub reconnects: IntCounter,
    pub acks_sent: IntCounter,
    pub acks_refused: IntCounter,
    pub acks_forgotten: IntCounter,
    pub bad_status: IntCounter,
}

/// Everything of which a figure is read when somebody asks.
pub struct View<'a> {
    /// Samples by what became of them, with every result there is.
    pub results: Vec<(&'static str, u64)>,
    /// Dead letters by reason, with every reason there is.
    pub dead_letters: Vec<(&'static str, u64)>,
    pub delay: &'a Histogram,
    pub commit: &'a Histogram,
    pub messages: u64,
    pub store_failures: u64,
    pub retimed: u64,
    pub clones: u64,
    pub queue_messages: u64,
    pub queue_bound: u64,
    pub queue_dropped: u64,
    pub mqtt_connected: bool,
    /// Absent with an external broker.
    pub broker: Option<broker::Figures>,
    pub store_ok: bool,
    pub store: Option<StoreView>,
    pub derive: Option<DeriveView>,
    pub probes: Vec<ProbeView>,
}

/// Figures of the store.
#[derive(Debug, Clone, Copy)]
pub struct StoreView {
    pub bytes: u64,
    pub free_bytes: u64,
    pub dead_letters: u64,
    pub dead_letter_bytes: u64,
}

/// What deriving counts about itself.
#[derive(Debug, Clone, Copy)]
pub struct DeriveView {
    pub late_sealed: u64,
    pub final_changed: u64,
    pub unplaced: u64,
    pub touched_places: u64,
}

/// Figures of one registered probe.
#[derive(Debug, Clone)]
pub struct ProbeView {
    pub probe: String,
    pub site: String,
    /// As it stands: open windows and a backlog under way too.
    pub missing: u64,
    /// Known to exist for days, and never came.
    pub lost: u64,
    pub clone_suspected: bool,
    pub last_contact_ms: Option<i64>,
}

/// The families of one process.
pub struct Metrics {
    registry: Registry,
    mqtt: MqttMetrics,
}

impl Metrics {
    pub fn new() -> Self {
        let registry = Registry::new();
        let own = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("the names below are valid");
            registry.register(Box::new(counter.clone())).expect("the names below are distinct");
            counter
        };
        let mqtt = MqttMetrics {
            reconnects: own(
                "phusong_collector_mqtt_reconnects_total",
                "Connections to the broker that ended or were not made.",
            ),
            acks_sent: own("phusong_collector_acks_total", "Acknowledgement messages handed to the broker."),
            acks_refused: own(
                "phusong_collector_acks_refused_total",
                "Acknowledgement messages that the broker refused (MQTT 5 only).",
            ),
            acks_forgotten: own(
                "phusong_collector_acks_forgotten_total",
                "Acknowledgement entries forgotten at a bound; the agents ask again.",
            ),
            bad_status: own("phusong_collector_bad_status_total", "Status messages that could not be read."),
        };
        Metrics { registry, mqtt }
    }

    pub fn mqtt(&self) -> MqttMetrics {
        self.mqtt.clone()
    }

    /// The text of `/metrics`.
    pub fn render(&self, view: &View<'_>) -> Result<String, prometheus::Error> {
        let mut families = self.registry.gather();
        families.extend(samples(view));
        families.extend(flow(view));
        families.extend(view.broker.iter().flat_map(broker));
        families.extend(store(view));
        families.extend(derive(view));
        families.extend(probes(&view.probes));
        families.extend(process::families());
        // A family without a line (no probe is registered yet) is no family in the text format.
        families.retain(|family| !family.get_metric().is_empty());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn samples(view: &View<'_>) -> Vec<MetricFamily> {
    vec![
        labelled(
            counter("phusong_collector_samples_total", "Samples by what became of them."),
            "result",
            &view.results,
        ),
        labelled(
            counter(
                "phusong_collector_dead_letters_total",
                "Samples and payloads that became dead letters, by reason.",
            ),
            "reason",
            &view.dead_letters,
        ),
        histogram("phusong_collector_sample_delay_seconds", "Time from event to commit.", view.delay),
        histogram("phusong_collector_commit_seconds", "Time of a COMMIT.", view.commit),
        counter("phusong_collector_messages_total", "Batches that were dealt with.").of(view.messages as f64),
        counter("phusong_collector_retimed_total", "Observations that got another event time.").of(view.retimed as f64),
        counter("phusong_collector_clones_total", "Suspicions of an identity used by two devices.")
            .of(view.clones as f64),
    ]
}

fn flow(view: &View<'_>) -> Vec<MetricFamily> {
    let flag = |on: bool| if on { 1.0 } else { 0.0 };
    vec![
        gauge("phusong_collector_queue_messages", "Batches taken from the broker and not settled yet.")
            .of(view.queue_messages as f64),
        gauge("phusong_collector_queue_bound_messages", "Bound of the queue, in batches.").of(view.queue_bound as f64),
        counter("phusong_collector_queue_dropped_total", "Batches dropped un-acked because the queue was full.")
            .of(view.queue_dropped as f64),
        gauge("phusong_collector_mqtt_connected", "1 while connected and subscribed.").of(flag(view.mqtt_connected)),
        gauge("phusong_collector_store_ok", "1 while the store takes writes.").of(flag(view.store_ok)),
        counter("phusong_collector_store_failures_total", "Transactions that the store refused.")
            .of(view.store_failures as f64),
        gauge("phusong_collector_build_info", "1, with the version as label.")
            .with(&[("version", env!("CARGO_PKG_VERSION"))], 1.0)
            .done(),
    ]
}

fn broker(figures: &broker::Figures) -> Vec<MetricFamily> {
    vec![
        gauge("phusong_broker_connections", "Probes connected to the embedded broker and logged in.")
            .of(figures.connections as f64),
        labelled(
            counter("phusong_broker_refused_connections_total", "Connections that the embedded broker turned away."),
            "reason",
            &figures.refused,
        ),
        counter("phusong_broker_forbidden_total", "Publishes and subscriptions that the access list forbids.")
            .of(figures.forbidden as f64),
        counter("phusong_broker_held_back_total", "Publishes refused because the collector took nothing for 10 s.")
            .of(figures.held_back as f64),
        counter("phusong_broker_dropped_total", "Messages for a client that its queue or its session lost.")
            .of(figures.dropped as f64),
        counter("phusong_broker_not_retained_total", "Messages delivered that asked in vain to be retained.")
            .of(figures.not_retained as f64),
    ]
}

fn store(view: &View<'_>) -> Vec<MetricFamily> {
    let Some(store) = view.store else { return Vec::new() };
    vec![
        gauge("phusong_collector_store_bytes", "Database and write-ahead log.").of(store.bytes as f64),
        gauge("phusong_collector_disk_free_bytes", "Free on the store's file system.").of(store.free_bytes as f64),
        gauge("phusong_collector_dead_letters", "Dead letters that wait for a replay.").of(store.dead_letters as f64),
        gauge("phusong_collector_dead_letter_bytes", "Bytes of all dead letters, against their bound.")
            .of(store.dead_letter_bytes as f64),
    ]
}

fn derive(view: &View<'_>) -> Vec<MetricFamily> {
    let Some(derive) = view.derive else { return Vec::new() };
    vec![
        counter("phusong_collector_late_sealed_total", "Observations that came after their window was sealed.")
            .of(derive.late_sealed as f64),
        counter("phusong_collector_final_changed_total", "Windows whose grade changed after they were final.")
            .of(derive.final_changed as f64),
        counter("phusong_collector_unplaced_total", "Observations of probes that stood nowhere at their time.")
            .of(derive.unplaced as f64),
        gauge("phusong_collector_touched_places", "Places of which something waits to be derived.")
            .of(derive.touched_places as f64),
    ]
}

fn probes(probes: &[ProbeView]) -> Vec<MetricFamily> {
    let mut lost = counter(
        "phusong_missing_samples_total",
        "Ids of a probe that were known to exist for three days, and neither came nor were explained.",
    );
    let mut missing =
        gauge("phusong_probe_missing_samples", "Ids of a probe that are not here and not explained, as it stands.");
    let mut clone = gauge("phusong_probe_clone_suspected", "1 while two devices are suspected behind an identity.");
    let mut contact =
        gauge("phusong_probe_last_contact_timestamp_seconds", "When a batch of the probe last arrived (Unix time).");
    for probe in probes {
        let labels = [("site", probe.site.as_str()), ("probe", probe.probe.as_str())];
        lost = lost.with(&labels, probe.lost as f64);
        missing = missing.with(&labels, probe.missing as f64);
        clone = clone.with(&labels, if probe.clone_suspected { 1.0 } else { 0.0 });
        if let Some(ms) = probe.last_contact_ms {
            contact = contact.with(&labels, ms as f64 / 1e3);
        }
    }
    vec![lost.done(), missing.done(), clone.done(), contact.done()]
}

#[cfg(test)]
mod tests;
