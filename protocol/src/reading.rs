//! What a probe read. Units are in field names; absent is absent.

use crate::context::PlaceSource;
use crate::id::Epoch;
use crate::range::Ranges;
use crate::sketch::Sketch;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// One round of ICMP echoes to one target (RFC 792, RFC 4443).
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct LatencyReading {
    #[n(0)]
    pub sent: u16,
    /// One round-trip time for each echo that came back, in the order of sending.
    #[n(1)]
    pub rtt_us: Vec<u32>,
    /// Positions (from 0) of the echoes that did not come back: loss bursts are read from it.
    #[n(2)]
    #[cbor(default)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lost: Vec<u16>,
}

/// One TCP handshake (RFC 9293).
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct TcpReading {
    #[n(0)]
    pub connect_us: u32,
}

/// One query to one server (RFC 1035).
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct DnsReading {
    #[n(0)]
    pub query_us: u32,
    /// RCODE of the answer.
    #[n(1)]
    pub rcode: u16,
    #[n(2)]
    pub answers: u16,
    /// The server had more to say than fits (TC).
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
}

/// One HTTP request, its phases apart.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct HttpReading {
    #[n(0)]
    pub status: u16,
    /// Everything, from the name to the end of the body.
    #[n(1)]
    pub total_us: u32,
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_us: Option<u32>,
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connect_us: Option<u32>,
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_us: Option<u32>,
    /// From the request to the first byte of the answer.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_byte_us: Option<u32>,
    /// Bytes of the body that were read: a probe may stop before its end.
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
}

/// One bandwidth test.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct ThroughputReading {
    #[n(0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub down_bps: Option<u64>,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_bps: Option<u64>,
    #[n(2)]
    pub bytes: u64,
    #[n(3)]
    pub elapsed_ms: u32,
    /// Stopped early: a verdict, not a speed.
    #[n(4)]
    pub early: bool,
    #[n(5)]
    pub method: String,
}

/// Echoes while the link carries load.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct LoadedLatencyReading {
    #[n(0)]
    pub idle_rtt_us: u32,
    #[n(1)]
    pub loaded: LatencyReading,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct PositionReading {
    #[n(0)]
    pub lat: f64,
    #[n(1)]
    pub lon: f64,
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f32>,
    #[n(3)]
    pub source: PlaceSource,
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub altitude_m: Option<f32>,
    /// What stands here, where somebody marked it.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    /// The survey that it belongs to.
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<String>,
}

/// What a person marked on a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum Mark {
    #[n(0)]
    Centre,
    #[n(1)]
    CulturalHouse,
    #[n(2)]
    School,
    #[n(3)]
    Household,
    /// From here on, until the next mark, readings are taken indoors.
    #[n(4)]
    Indoor,
}

/// The supply of the device, as far as it can tell.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cbor(map)]
pub struct PowerReading {
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mains: Option<bool>,
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undervoltage: Option<bool>,
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub battery_ratio: Option<f32>,
}

/// A change of an interface: carrier, addresses.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct LinkReading {
    #[n(0)]
    pub interface: String,
    #[n(1)]
    pub up: bool,
    #[n(2)]
    pub has_address: bool,
}

/// The last durable id before this start of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Previous {
    #[n(0)]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub epoch: Epoch,
    #[n(1)]
    #[serde(with = "crate::id::hex16")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub last_seq: u64,
}

/// The first sample of an epoch.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct BootReading {
    /// Absent on the first start over an empty spool.
    #[n(0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Previous>,
    /// Starts of the agent, counted beside the spool.
    #[n(1)]
    pub start: u32,
    /// Whether the start before this one was ended in order.
    #[n(2)]
    pub clean: bool,
    /// Whether the device kept running (same boot as the start before).
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_boot: Option<bool>,
    #[n(4)]
    pub version: String,
    /// The shortest period among the targets that this start measures: when the next sample is due.
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_ms: Option<u32>,
}

/// The wall clock was set or checked against a time source.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct ClockReading {
    /// UTC at the sample's `mono_ms`.
    #[n(0)]
    pub true_unix_ms: i64,
    /// Bound of its error.
    #[n(1)]
    pub err_ms: u32,
    /// Where the time came from: "kernel", "gps", "http".
    #[n(2)]
    pub source: String,
}

/// The agent about itself.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cbor(map)]
pub struct HealthReading {
    #[n(0)]
    pub uptime_s: u32,
    /// Samples not yet acknowledged.
    #[n(1)]
    pub spool_samples: u64,
    #[n(2)]
    pub spool_bytes: u64,
    #[n(3)]
    pub spool_bound_bytes: u64,
    /// Samples that were refused since the start because the disk took nothing more.
    #[n(4)]
    pub spool_refused: u64,
    /// fdatasync calls that failed since the start.
    #[n(5)]
    pub sync_failures: u64,
    /// Samples set aside because the collector could not read them.
    #[n(6)]
    pub quarantined: u64,
    #[n(7)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rss_bytes: Option<u64>,
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_free_bytes: Option<u64>,
    /// Bytes at the interfaces for reporting and for probing, since the start.
    #[n(9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub report_bytes: Option<u64>,
    #[n(10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe_bytes: Option<u64>,
    #[n(11)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load1: Option<f32>,
    #[n(12)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature_c: Option<f32>,
}

/// Raw rounds that a summary stands for, of its own epoch or of an earlier one.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Replaced {
    #[n(0)]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub epoch: Epoch,
    #[n(1)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<(String, String)>"))]
    pub ranges: Ranges,
}

/// Five minutes of successful rounds of one probe kind, target and uplink. It covers exactly the rounds in
/// `replaces`: failures are sent beside it, so the two together are the whole truth and nothing counts twice.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct SummaryReading {
    #[n(0)]
    pub of: crate::failure::Attempt,
    /// Rounds folded in, and the first and last attempt of them on the boot's clock.
    #[n(1)]
    pub rounds: u32,
    #[n(2)]
    pub first_mono_ms: u64,
    #[n(3)]
    pub last_mono_ms: u64,
    /// Echoes or connections sent and answered.
    #[n(4)]
    pub sent: u32,
    #[n(5)]
    pub received: u32,
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_us: Option<u32>,
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p10_us: Option<u32>,
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u32>,
    #[n(9)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p90_us: Option<u32>,
    #[n(10)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p95_us: Option<u32>,
    #[n(11)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u32>,
    #[n(12)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_us: Option<u32>,
    #[n(13)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mean_us: Option<u32>,
    #[n(14)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sd_us: Option<u32>,
    /// Mean absolute difference of consecutive round-trip times of one round.
    #[n(15)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_us: Option<u32>,
    /// Runs of consecutive lost echoes, and the longest.
    #[n(16)]
    #[cbor(default)]
    #[serde(default)]
    pub loss_bursts: u32,
    #[n(17)]
    #[cbor(default)]
    #[serde(default)]
    pub longest_burst: u32,
    #[n(18)]
    #[cbor(default)]
    #[serde(default)]
    pub sketch: Sketch,
    #[n(19)]
    pub replaces: Replaced,
}

/// What a full spool drops first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum DropClass {
    /// Raw rounds, whose summaries stay.
    #[n(0)]
    Raw,
    #[n(1)]
    Bandwidth,
    #[n(2)]
    Radio,
    #[n(3)]
    Summary,
    /// Boot, power, registration, failures, clock: what a cause is proved with.
    #[n(4)]
    Evidence,
}

impl DropClass {
    pub const ALL: [DropClass; 5] =
        [DropClass::Raw, DropClass::Bandwidth, DropClass::Radio, DropClass::Summary, DropClass::Evidence];
}

/// A full spool dropped samples by policy.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct DropReading {
    #[n(0)]
    pub class: DropClass,
    #[n(1)]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub epoch: Epoch,
    #[n(2)]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<(String, String)>"))]
    pub ranges: Ranges,
}
