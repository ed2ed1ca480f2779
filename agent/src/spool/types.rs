//! What goes into and comes out of a spool, apart from the samples themselves.

use phusong_protocol::{BootId, DropClass, Epoch, Previous, ProbeId, Ranges, Sample, Violation, limits};
use std::io;

/// This start of the agent, drawn and read by the caller.
#[derive(Debug, Clone)]
pub struct Start {
    pub probe: ProbeId,
    /// 64 random bits, never 0.
    pub epoch: Epoch,
    pub boot_id: Option<BootId>,
}

/// What an opened spool knows about the starts before this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opened {
    /// The last durable id before this start; for the `boot` sample.
    pub prev: Option<Previous>,
    /// Starts of the agent over this spool, this one included.
    pub start: u32,
    /// Whether the start before was ended in order; true for the first.
    pub clean: bool,
    /// Whether the device kept running since the start before. `None` when either boot id is unknown.
    pub same_boot: Option<bool>,
    /// Bytes behind the last good record of their segment: what a cut left.
    pub torn_bytes: u64,
}

/// How soon a sample must be durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// With the next batch: at most `spool.sync_interval_ms` or `spool.sync_bytes` later.
    Batched,
    /// Before the call returns: changes of registration, power and boot.
    Urgent,
}

/// Why a sample was not taken. It got no seq.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the disk takes nothing more and nothing less important is left to drop")]
    Full,
    #[error("the sample has {bytes} bytes; at most {} are allowed", limits::SAMPLE_BYTES)]
    Oversize { bytes: usize },
    #[error("the sample breaks a rule of the wire: {0}")]
    Invalid(Violation),
    #[error("the spool was shut down")]
    Closed,
}

/// Why waiting samples are not durable yet. They stay in memory and are tried again at the next sync point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotDurable {
    #[error("the disk is full")]
    Full,
    #[error("the disk failed: {0}")]
    Disk(io::ErrorKind),
    #[error("the spool was shut down")]
    Closed,
}

/// Why a spool cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("spool: {doing} {name}: {source}")]
    Io { doing: &'static str, name: String, source: io::Error },
    #[error(transparent)]
    Disk(#[from] crate::disk::DiskError),
    #[error("spool: the thread did not start: {0}")]
    Thread(io::Error),
}

/// What the publisher wants to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchRequest {
    pub pick: Pick,
    /// Largest payload.
    pub max_bytes: usize,
    /// What is in flight already; at most a handful of entries.
    pub skip: Vec<(Epoch, Ranges)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pick {
    /// The oldest backlog.
    Oldest,
    /// The newest data.
    Newest,
    /// These, read again from disk; what was acknowledged or dropped meanwhile is left out.
    Exact(Epoch, Ranges),
}

/// A batch ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutBatch {
    pub epoch: Epoch,
    pub seqs: Ranges,
    pub payload: Vec<u8>,
    /// CRC-32 of the whole payload: how a `rejected` names it.
    pub crc32: u32,
}

/// Raw rounds of one earlier epoch that no summary stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct OrphanChunk {
    pub epoch: Epoch,
    /// In ascending `seq`; never empty.
    pub samples: Vec<Sample>,
}

/// One class in [`SpoolStatus`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct ClassStatus {
    pub class: DropClass,
    /// Samples on disk that nothing has settled yet: not acknowledged, and no acknowledged summary stands for them.
    pub waiting: u64,
    /// Samples on disk, the settled ones of unfinished segments and of the raw ring included.
    pub held: u64,
    pub bytes: u64,
}

/// The state of a spool, for `spool status`, `health` samples and `check`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct SpoolStatus {
    /// Absent when looked at from outside.
    pub epoch: Option<Epoch>,
    pub start: u32,
    pub classes: Vec<ClassStatus>,
    pub segments: u64,
    pub bytes: u64,
    pub max_bytes: u64,
    /// Wall clock of the oldest waiting sample that is published, as it stood then.
    pub oldest_wall_ms: Option<i64>,
    /// Samples in memory that are not durable yet. 0 when looked at from outside.
    pub unsynced: u64,
    /// Since the start; 0 when looked at from outside.
    pub refused: u64,
    pub sync_failures: u64,
    pub dropped: u64,
    /// Bytes behind the last good record of their segments.
    pub torn_bytes: u64,
    /// Samples set aside after a second `rejected`, on disk.
    pub quarantined: u64,
    /// Files with a segment's name that hold nothing readable.
    pub unreadable_files: u64,
}

impl SpoolStatus {
    /// Samples that the collector has not acknowledged; raw rounds with a summary do not count.
    pub fn waiting(&self) -> u64 {
        self.classes.iter().filter(|c| c.class != DropClass::Raw).map(|c| c.waiting).sum()
    }
}
