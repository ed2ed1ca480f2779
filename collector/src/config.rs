//! The configuration: its types and its defaults, in this one place.
//!
//! In: one TOML file. Out: a checked [`Config`]. Refuses to know: what the values are used for. Unknown keys are
//! refused; every error names file, line, field and what would be right (`config/load.rs`). `docs/config-collector.md`
//! explains each key, `deploy/collector.example.toml` is tested to equal the defaults.

mod load;
mod rules;

pub use load::{ConfigError, load, parse};
pub(crate) use rules::is_host;

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Everything the collector can be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub data_dir: PathBuf,
    pub mqtt: Mqtt,
    pub broker: Broker,
    pub http: Http,
    pub speed: Speed,
    pub ingest: Ingest,
    pub dead_letters: DeadLetters,
    pub retention: Retention,
    pub log: Log,
}

/// Which broker the batches come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mqtt {
    /// `mqtt://host[:1883]` or `mqtts://host[:8883]`; absent: the embedded broker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// PEM; absent: the public authorities.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    pub protocol: Protocol,
    /// Empty: a plain subscription.
    pub share_group: String,
    pub receive_maximum: u16,
    pub keepalive_s: u16,
}

/// The embedded broker; it runs when `mqtt.url` is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Broker {
    /// TLS, for probes.
    pub listen: std::net::SocketAddr,
    /// Without TLS, for tools on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plain_listen: Option<std::net::SocketAddr>,
    /// Names and addresses under which probes reach this machine; empty: what it knows of itself.
    pub hosts: Vec<String>,
    pub connections: usize,
    pub packet_bytes: u32,
    pub inflight: u16,
    pub queue_messages: usize,
}

/// The MQTT version, written as a number: 5 or 311.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub enum Protocol {
    V5,
    V311,
}

/// `/healthz`, `/readyz`, `/metrics`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    pub listen: std::net::SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
}

/// The back end for bandwidth tests, `/backend/*.php`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Speed {
    /// Absent: only where `http.listen` is loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    pub concurrency: usize,
    pub hour_bytes: u64,
    pub rate_bytes_s: u64,
}

/// Between broker and store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ingest {
    pub queue_messages: usize,
    pub queue_bytes: usize,
    pub group_commit_rows: usize,
    pub group_commit_ms: u64,
    pub ack_interval_ms: u64,
}

/// Bounds of what could not be accepted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetters {
    pub per_probe_bytes: u64,
    pub total_bytes: u64,
}

/// For how many days what is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    pub raw_days: u32,
    pub derived_days: u32,
    pub changes_days: u32,
    pub replayed_letters_days: u32,
}

/// What is written to stderr.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    pub level: Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// A password or token: never printed, neither by `config show` nor in a log.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl Default for Config {
    fn default() -> Self {
        Config {
            data_dir: "/var/lib/phusong-collector".into(),
            mqtt: Mqtt::default(),
            broker: Broker::default(),
            http: Http::default(),
            speed: Speed::default(),
            ingest: Ingest::default(),
            dead_letters: DeadLetters::default(),
            retention: Retention::default(),
            log: Log::default(),
        }
    }
}

impl Default for Mqtt {
    fn default() -> Self {
        Mqtt {
            url: None,
            username: None,
            password: None,
            password_file: None,
            ca_file: None,
            protocol: Protocol::V5,
            share_group: "collector".into(),
            // Enough that messages arrive while others are committed; of the largest ones, all fit into the queue.
            receive_maximum: 2_000,
            keepalive_s: 30,
        }
    }
}

impl Default for Broker {
    fn default() -> Self {
        Broker {
            listen: ([0, 0, 0, 0], 8883).into(),
            plain_listen: None,
            hosts: Vec::new(),
            connections: 2_000,
            // Twice a batch, so that the collector can still answer why an oversize one is refused, and its envelope.
            packet_bytes: 2 * 64 * 1024 + 4_096,
            inflight: 32,
            queue_messages: 1_000,
        }
    }
}

impl Default for Http {
    fn default() -> Self {
        Http { listen: ([127, 0, 0, 1], 8480).into(), token: None, token_file: None }
    }
}

impl Default for Speed {
    fn default() -> Self {
        // A gigabit a second; two dozen tests of a probe on fibre in an hour.
        Speed { enabled: None, concurrency: 4, hour_bytes: 1_000_000_000, rate_bytes_s: 125_000_000 }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Ingest {
            // A fraction of a second of single messages; the connection holds back what exceeds it.
            queue_messages: 4_096,
            // 2,000 messages of 64 KiB.
            queue_bytes: 128 * 1024 * 1024,
            group_commit_rows: 32_000,
            group_commit_ms: 100,
            ack_interval_ms: 200,
        }
    }
}

impl Default for DeadLetters {
    fn default() -> Self {
        DeadLetters { per_probe_bytes: 64 * 1024 * 1024, total_bytes: 2 * 1024 * 1024 * 1024 }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Retention { raw_days: 90, derived_days: 1_095, changes_days: 400, replayed_letters_days: 90 }
    }
}

impl Default for Log {
    fn default() -> Self {
        Log { level: Level::Info }
    }
}

impl Config {
    /// The effective configuration as TOML, secrets masked.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("the configuration types are plain TOML")
    }
}

impl Config {
    /// Whether bandwidth tests are served. Nobody is asked for a token there, so beyond loopback it has to be said.
    pub fn serves_speed(&self) -> bool {
        self.speed.enabled.unwrap_or(self.http.listen.ip().is_loopback())
    }
}

impl Mqtt {
    /// Host and port of a URL that has passed the rules.
    pub fn address(&self) -> (String, u16) {
        let url = self.url.as_deref().expect("a client is only made for a URL, be it that of the embedded broker");
        rules::broker_address(url).expect("the URL was checked when the file was read")
    }

    pub fn tls(&self) -> bool {
        self.url.as_ref().is_some_and(|url| url.starts_with("mqtts://"))
    }
}

impl TryFrom<u16> for Protocol {
    type Error = String;
    fn try_from(number: u16) -> Result<Self, String> {
        match number {
            5 => Ok(Protocol::V5),
            311 => Ok(Protocol::V311),
            other => Err(format!("{other} is no MQTT version of ours: write 5, or 311 for MQTT 3.1.1")),
        }
    }
}

impl From<Protocol> for u16 {
    fn from(protocol: Protocol) -> u16 {
        match protocol {
            Protocol::V5 => 5,
            Protocol::V311 => 311,
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str("***")
    }
}
