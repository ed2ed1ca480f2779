//! The closed set of readings, their numbers on the wire, and how each is written and read.

use crate::radio::{Neighbours, RadioReading, RegistrationReading, Scan};
use crate::reading::{
    BootReading, ClockReading, DnsReading, DropClass, DropReading, HealthReading, HttpReading, LatencyReading,
    LinkReading, LoadedLatencyReading, PositionReading, PowerReading, SummaryReading, TcpReading, ThroughputReading,
};
use serde::Serialize;

/// Everything a sample can say when it measured something.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Reading {
    Latency(LatencyReading),
    Tcp(TcpReading),
    Dns(DnsReading),
    Http(HttpReading),
    Throughput(ThroughputReading),
    LoadedLatency(LoadedLatencyReading),
    Radio(RadioReading),
    Registration(RegistrationReading),
    Neighbours(Neighbours),
    Scan(Scan),
    Position(PositionReading),
    Power(PowerReading),
    Link(LinkReading),
    Boot(BootReading),
    Clock(ClockReading),
    Health(HealthReading),
    Summary(SummaryReading),
    Drop(DropReading),
}

/// The kind of a reading, without its content. The numbers are the wire's and never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReadingKind {
    Latency = 1,
    Tcp = 2,
    Dns = 3,
    Http = 4,
    Throughput = 5,
    LoadedLatency = 6,
    Radio = 7,
    Registration = 8,
    Neighbours = 9,
    Scan = 10,
    Position = 11,
    Power = 12,
    Link = 13,
    Boot = 14,
    Clock = 15,
    Health = 16,
    Summary = 17,
    Drop = 18,
}

impl ReadingKind {
    pub const ALL: [ReadingKind; 18] = [
        ReadingKind::Latency,
        ReadingKind::Tcp,
        ReadingKind::Dns,
        ReadingKind::Http,
        ReadingKind::Throughput,
        ReadingKind::LoadedLatency,
        ReadingKind::Radio,
        ReadingKind::Registration,
        ReadingKind::Neighbours,
        ReadingKind::Scan,
        ReadingKind::Position,
        ReadingKind::Power,
        ReadingKind::Link,
        ReadingKind::Boot,
        ReadingKind::Clock,
        ReadingKind::Health,
        ReadingKind::Summary,
        ReadingKind::Drop,
    ];

    /// The number of this kind on the wire.
    pub const fn code(self) -> u16 {
        self as u16
    }

    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    pub const fn name(self) -> &'static str {
        match self {
            ReadingKind::Latency => "latency",
            ReadingKind::Tcp => "tcp",
            ReadingKind::Dns => "dns",
            ReadingKind::Http => "http",
            ReadingKind::Throughput => "throughput",
            ReadingKind::LoadedLatency => "loaded_latency",
            ReadingKind::Radio => "radio",
            ReadingKind::Registration => "registration",
            ReadingKind::Neighbours => "neighbours",
            ReadingKind::Scan => "scan",
            ReadingKind::Position => "position",
            ReadingKind::Power => "power",
            ReadingKind::Link => "link",
            ReadingKind::Boot => "boot",
            ReadingKind::Clock => "clock",
            ReadingKind::Health => "health",
            ReadingKind::Summary => "summary",
            ReadingKind::Drop => "drop",
        }
    }

    /// What a full spool does with samples of this kind. Latency, TCP, DNS and HTTP rounds have summaries.
    pub const fn drop_class(self) -> DropClass {
        use ReadingKind as K;
        match self {
            K::Latency | K::Tcp | K::Dns | K::Http => DropClass::Raw,
            K::Throughput | K::LoadedLatency => DropClass::Bandwidth,
            K::Radio | K::Neighbours | K::Scan | K::Position => DropClass::Radio,
            K::Health | K::Summary => DropClass::Summary,
            K::Registration | K::Power | K::Link | K::Boot | K::Clock | K::Drop => DropClass::Evidence,
        }
    }
}

impl Reading {
    pub fn kind(&self) -> ReadingKind {
        match self {
            Reading::Latency(_) => ReadingKind::Latency,
            Reading::Tcp(_) => ReadingKind::Tcp,
            Reading::Dns(_) => ReadingKind::Dns,
            Reading::Http(_) => ReadingKind::Http,
            Reading::Throughput(_) => ReadingKind::Throughput,
            Reading::LoadedLatency(_) => ReadingKind::LoadedLatency,
            Reading::Radio(_) => ReadingKind::Radio,
            Reading::Registration(_) => ReadingKind::Registration,
            Reading::Neighbours(_) => ReadingKind::Neighbours,
            Reading::Scan(_) => ReadingKind::Scan,
            Reading::Position(_) => ReadingKind::Position,
            Reading::Power(_) => ReadingKind::Power,
            Reading::Link(_) => ReadingKind::Link,
            Reading::Boot(_) => ReadingKind::Boot,
            Reading::Clock(_) => ReadingKind::Clock,
            Reading::Health(_) => ReadingKind::Health,
            Reading::Summary(_) => ReadingKind::Summary,
            Reading::Drop(_) => ReadingKind::Drop,
        }
    }

    pub(crate) fn to_cbor(&self) -> Vec<u8> {
        let written = match self {
            Reading::Latency(r) => minicbor::to_vec(r),
            Reading::Tcp(r) => minicbor::to_vec(r),
            Reading::Dns(r) => minicbor::to_vec(r),
            Reading::Http(r) => minicbor::to_vec(r),
            Reading::Throughput(r) => minicbor::to_vec(r),
            Reading::LoadedLatency(r) => minicbor::to_vec(r),
            Reading::Radio(r) => minicbor::to_vec(r),
            Reading::Registration(r) => minicbor::to_vec(r),
            Reading::Neighbours(r) => minicbor::to_vec(r),
            Reading::Scan(r) => minicbor::to_vec(r),
            Reading::Position(r) => minicbor::to_vec(r),
            Reading::Power(r) => minicbor::to_vec(r),
            Reading::Link(r) => minicbor::to_vec(r),
            Reading::Boot(r) => minicbor::to_vec(r),
            Reading::Clock(r) => minicbor::to_vec(r),
            Reading::Health(r) => minicbor::to_vec(r),
            Reading::Summary(r) => minicbor::to_vec(r),
            Reading::Drop(r) => minicbor::to_vec(r),
        };
        written.expect("writing CBOR to memory cannot fail")
    }

    pub(crate) fn from_cbor(kind: ReadingKind, body: &[u8]) -> Result<Self, minicbor::decode::Error> {
        match kind {
            ReadingKind::Latency => minicbor::decode(body).map(Reading::Latency),
            ReadingKind::Tcp => minicbor::decode(body).map(Reading::Tcp),
            ReadingKind::Dns => minicbor::decode(body).map(Reading::Dns),
            ReadingKind::Http => minicbor::decode(body).map(Reading::Http),
            ReadingKind::Throughput => minicbor::decode(body).map(Reading::Throughput),
            ReadingKind::LoadedLatency => minicbor::decode(body).map(Reading::LoadedLatency),
            ReadingKind::Radio => minicbor::decode(body).map(Reading::Radio),
            ReadingKind::Registration => minicbor::decode(body).map(Reading::Registration),
            ReadingKind::Neighbours => minicbor::decode(body).map(Reading::Neighbours),
            ReadingKind::Scan => minicbor::decode(body).map(Reading::Scan),
            ReadingKind::Position => minicbor::decode(body).map(Reading::Position),
            ReadingKind::Power => minicbor::decode(body).map(Reading::Power),
            ReadingKind::Link => minicbor::decode(body).map(Reading::Link),
            ReadingKind::Boot => minicbor::decode(body).map(Reading::Boot),
            ReadingKind::Clock => minicbor::decode(body).map(Reading::Clock),
            ReadingKind::Health => minicbor::decode(body).map(Reading::Health),
            ReadingKind::Summary => minicbor::decode(body).map(Reading::Summary),
            ReadingKind::Drop => minicbor::decode(body).map(Reading::Drop),
        }
    }
}

/// Kind code of a failure, in the same column as the kinds of readings.
pub(crate) const FAILURE_CODE: u16 = 64;
