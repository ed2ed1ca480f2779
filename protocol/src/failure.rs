//! "Could not measure" is data: a closed set of kinds, so that each can be a metric label.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// What was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Attempt {
    #[n(0)]
    Latency,
    #[n(1)]
    Tcp,
    #[n(2)]
    Dns,
    #[n(3)]
    Http,
    #[n(4)]
    Throughput,
    #[n(5)]
    LoadedLatency,
    #[n(6)]
    Radio,
    #[n(7)]
    Registration,
    #[n(8)]
    Neighbours,
    #[n(9)]
    Scan,
    #[n(10)]
    Position,
    #[n(11)]
    Power,
    #[n(12)]
    Link,
    #[n(13)]
    Clock,
}

/// Why it did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum FailureKind {
    /// Nothing came back in time.
    #[n(0)]
    Timeout,
    /// A router or the kernel said there is no way (ICMP unreachable, ENETUNREACH, EHOSTUNREACH).
    #[n(1)]
    Unreachable,
    /// The target's host refused the connection.
    #[n(2)]
    Refused,
    /// The name did not resolve.
    #[n(3)]
    Dns,
    #[n(4)]
    Tls,
    #[n(5)]
    HttpStatus,
    /// Somebody else's page answered.
    #[n(6)]
    Portal,
    /// The interface, modem or serial port is not there.
    #[n(7)]
    DeviceMissing,
    /// The operating system or the network forbade it (EPERM, ICMP prohibited, registration denied).
    #[n(8)]
    Denied,
    /// The data budget is spent.
    #[n(9)]
    Budget,
    /// The device was doing something that excludes it (a scan, a survey).
    #[n(10)]
    Busy,
    /// The connection was cut while it was used.
    #[n(11)]
    Reset,
    /// The answer broke its protocol.
    #[n(12)]
    Malformed,
    /// The interface exists but has no address or no carrier.
    #[n(13)]
    LinkDown,
}

/// An attempt that gave no reading.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Failure {
    #[n(0)]
    pub of: Attempt,
    #[n(1)]
    pub kind: FailureKind,
    /// At most 128 bytes for a person; never a label.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Echoes or connections that were sent in the attempt.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<u16>,
    /// How long the attempt took.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_us: Option<u32>,
}
