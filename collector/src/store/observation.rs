//! One observation on its way into the store: what a checked sample came to, without its probe and epoch.

use phusong_protocol::{BootId, Epoch, Previous, Ranges, SetupRef, Target, Uplink};
use std::sync::Arc;

/// A point on a boot's clock whose true time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anchor {
    pub mono_ms: i64,
    pub true_ms: i64,
    pub err_ms: u32,
}

/// Why an id that is not committed is not missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Explained {
    Dropped,
    Replaced,
    DeadLetter,
}

/// What an observation tells about others.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    Nothing,
    /// The first sample of an epoch.
    Boot {
        prev: Option<Previous>,
        start: u32,
    },
    Clock {
        true_ms: i64,
        err_ms: u32,
    },
    Explains {
        why: Explained,
        epoch: Epoch,
        ranges: Ranges,
    },
}

/// One observation. Its numbers fit SQLite's signed integers: ingest saw to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    pub seq: u64,
    pub boot: Option<(BootId, i64)>,
    pub wall_ms: i64,
    pub synced: bool,
    pub sync_age_s: Option<u32>,
    /// The kind's number on the wire.
    pub kind: u16,
    /// CBOR of the wire; `None` for a fixed probe.
    pub place: Option<Vec<u8>>,
    pub target: Option<Arc<Target>>,
    pub uplink: Option<Arc<Uplink>>,
    pub setup: Option<Arc<SetupRef>>,
    /// CBOR of the reading or failure.
    pub body: Vec<u8>,
    pub fact: Fact,
}
