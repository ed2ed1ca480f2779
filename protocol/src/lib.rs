//! The wire of Phủ Sóng: what agents and the collector say to each other, and nothing else.
//!
//! In: bytes from the broker or a spool file. Out: checked [`Sample`]s with their [`SampleId`]s, and the bytes of
//! every message. Refuses to know: clocks, sockets, files, the store, coverage. Limits: [`limits`].
//!
//! The normative text is `docs/wire.md`; the files under `protocol/golden/` are decoded by a test for ever.

pub mod limits;

mod id;
mod range;
mod secret;
mod topic;

mod context;
mod failure;
mod kind;
mod radio;
mod reading;
mod sample;
mod sketch;
mod tagged;

mod batch;
mod json;
mod payload;

mod ack;
mod control;
mod join;
#[cfg(feature = "schema")]
pub mod schema;

pub use ack::{Ack, AckMessage, AckResult};
pub use batch::encode as encode_batch;
pub use context::{
    Antenna, Clock, Environment, Place, PlaceSource, Rrc, ServiceState, Setup, SetupRef, Tag, Target, Technology,
    Uplink,
};
pub use control::{Command, CommandBody, DesiredConfig, Status, StatusState};
pub use failure::{Attempt, Failure, FailureKind};
pub use id::{BootId, Epoch, IdError, ProbeId, SampleId, SiteId, foreign_seq};
pub use join::{JoinCode, JoinError};
pub use json::encode as encode_json;
pub use kind::{Reading, ReadingKind};
pub use payload::{BadSample, Batch, DecodeError, decode};
pub use radio::{
    BearerState, Neighbours, RadioCell, RadioReading, RegistrationReading, RegistrationStat, Scan, ScanEntry, SimState,
    Taken, TechnologyCheck,
};
pub use range::Ranges;
pub use reading::{
    BootReading, ClockReading, DnsReading, DropClass, DropReading, HealthReading, HttpReading, LatencyReading,
    LinkReading, LoadedLatencyReading, Mark, PositionReading, PowerReading, Previous, Replaced, SummaryReading,
    TcpReading, ThroughputReading,
};
pub use sample::{Outcome, Sample, Violation};
pub use secret::Secret;
pub use sketch::Sketch;
pub use topic::{Channel, Topic};
