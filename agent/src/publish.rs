//! Brings what is durable in the spool to the collector, and lets the spool forget only what the collector has.
//!
//! In: the spool's handle, brokers, the collector's messages. Out: batches and status over MQTT, acknowledgements to
//! the spool, configurations and commands to the agent. Refuses to know: what samples mean.
//! Limits: 8 batches in flight, 16 messages waiting for the agent.

mod config;
mod delivery;
mod inbox;
mod runner;

pub use crate::mqtt::BrokerConfig;
pub use config::PublishConfig;
pub use delivery::{Action, CANARY_BYTES, Delivery, Event, IN_FLIGHT, Tally};

use crate::spooler::SpoolHandle;
use phusong_protocol::{DesiredConfig, Epoch, ProbeId, SiteId};
use std::sync::Arc;
use tokio::sync::{Notify, mpsc, watch};

/// What the agent tells the publisher about the wall clock: kept current by whoever watches the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WallClock {
    /// Wall clock minus the publisher's monotonic clock ([`monotonic_ms`]) while it is synced; `None` otherwise.
    pub synced_offset_ms: Option<i64>,
    /// The last time that was known to have passed, persisted over starts: certificates are checked at no earlier time.
    pub floor_unix_ms: i64,
}

/// Milliseconds on the clock that [`WallClock::synced_offset_ms`] refers to: CLOCK_BOOTTIME.
pub fn monotonic_ms() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    (now.tv_sec as u64) * 1_000 + (now.tv_nsec as u64) / 1_000_000
}

/// Who publishes, where to, and what it says about itself.
#[derive(Debug, Clone)]
pub struct Publishing {
    pub site: SiteId,
    pub probe: ProbeId,
    /// Tried in turn.
    pub brokers: Vec<BrokerConfig>,
    pub config: PublishConfig,
    pub epoch: Epoch,
    pub start: u32,
    pub version: String,
    pub clock: watch::Receiver<WallClock>,
    pub applied: watch::Receiver<Applied>,
}

/// The remote configuration that the agent applied; part of the status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    pub revision: u64,
    pub note: Option<String>,
}

/// What the collector asks of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    Config(DesiredConfig),
    MeasureNow,
}

/// How publishing goes, for `health`, trials of a configuration, and logs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PublishStatus {
    /// URL of the broker that carries the connection now.
    pub broker: Option<String>,
    /// Connections since the start.
    pub conn: u32,
    /// Why the last connection ended or was not made.
    pub last_error: Option<String>,
    pub in_flight: usize,
    /// Batches sent since the start, repetitions included, and their payload bytes.
    pub sent: u64,
    pub sent_bytes: u64,
    /// Acknowledgements of the collector that settled something; a configuration's trial waits for one.
    pub acks: u64,
    pub retries: u64,
    pub rejected: u64,
    /// Why the collector does not take this probe's samples now.
    pub refused: Option<String>,
    /// Whether nothing is acknowledged and only a small batch is tried.
    pub canary: bool,
    /// Configurations and commands that could not be handed on or were not readable, late, or repeated.
    pub ignored: u64,
}

/// A running publisher.
pub struct Publisher {
    pub inbound: mpsc::Receiver<Inbound>,
    pub status: watch::Receiver<PublishStatus>,
    pub hurry: Hurry,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// A person waits: whoever holds it can end the wait for the next attempt at a broker.
#[derive(Debug, Clone, Default)]
pub struct Hurry(Arc<Notify>);

impl Hurry {
    /// Nothing happens, now or later, where there is a session or an attempt at one.
    pub fn up(&self) {
        self.0.notify_waiters();
    }
}

/// Messages that may wait for the agent.
const INBOUND: usize = 16;

/// Starts publishing on the current runtime.
pub fn start(publishing: Publishing, spool: SpoolHandle) -> Publisher {
    let (inbound_to, inbound) = mpsc::channel(INBOUND);
    let (status_to, status) = watch::channel(PublishStatus::default());
    let (stop, stopped) = watch::channel(false);
    let hurry = Hurry::default();
    let runner = runner::Runner::new(publishing, spool, inbound_to, status_to, stopped);
    let task = tokio::spawn(runner.run(hurry.clone()));
    Publisher { inbound, status, hurry, stop, task }
}

impl Publisher {
    /// Says goodbye to the broker and ends, within 2 s.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(2), self.task).await;
    }
}
