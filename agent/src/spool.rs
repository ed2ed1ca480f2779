//! The spool: samples, durable on disk until the collector has them.
//!
//! In: samples, acknowledgements, the time as an argument. Out: batches to send, and what a start must know about
//! the one before. Refuses to know: clocks, threads, the network; all file access goes through [`Disk`].
//! Limits: `spool.max_bytes` on disk, [`PENDING_BYTES`] of not yet durable samples, indexes of about 2 % of the disk's
//! use; every drop is said in a `drop` sample that is durable before the segment goes.
//!
//! One chain of segments a drop class, and one for the spool's own `drop` samples. A sample is first pending (in
//! memory), then durable (after the fdatasync), then settled: acknowledged, or a raw round whose summary was, or named
//! in a durable `drop`. **Invariant**: an id that was ever durable is on disk, or settled in a durable cursor, or
//! named by a durable summary. Ids below the last durable one for which none of it holds were never durable; the next
//! start says so in a `drop`, so that the collector does not take them for lost.

mod config;
mod types;

mod cursor;
mod format;
mod segment;
mod seqset;

mod acks;
mod export;
mod open;
mod orphans;
mod pick;
mod quarantine;
mod report;
mod room;
mod write;

pub use acks::{AckFile, AckFileError, settled_by};
pub use config::SpoolConfig;
pub use export::{ExportError, Exported, export};
pub use format::RecordFault;
pub use report::{Fault, Verified, look, verify};
pub use types::{
    BatchRequest, ClassStatus, NotDurable, OpenError, Opened, OrphanChunk, OutBatch, Pick, Refused, SpoolStatus, Start,
    Urgency,
};

use crate::disk::Disk;
use crate::spooler::Durable;
use phusong_protocol::{BootId, Clock, DropClass, Epoch, Previous, ProbeId, Ranges, Replaced, Sample};
use segment::Segment;
use std::collections::BTreeMap;

/// Not yet durable samples in memory: four sync points' worth. Raw rounds may fill half of it.
pub const PENDING_BYTES: usize = 256 * 1024;

/// Chains by index: the five classes, then the spool's own drops.
const CHAINS: usize = 6;
const DROPS: usize = 5;

/// A sample that is not durable yet.
struct Pending {
    seq: u64,
    /// The whole record.
    record: Vec<u8>,
    wall_ms: i64,
    urgent: bool,
    replaces: Option<Replaced>,
}

/// What is known about the ids of one epoch.
#[derive(Debug, Clone, Default)]
struct EpochState {
    /// Needs no sending and no keeping: acknowledged, replaced by an acknowledged summary, or named in a drop.
    settled: Ranges,
    /// Raw rounds that a durable summary names.
    explained: Ranges,
    /// Raw rounds that a command asked for.
    wanted: Ranges,
    /// On disk, but its bytes cannot be read or decoded any more; left alone until the next start looks again.
    unreadable: Ranges,
}

/// When something was measured, for samples that the spool makes itself: that of the newest sample.
#[derive(Clone, Copy)]
struct Stamp {
    boot_id: Option<BootId>,
    mono_ms: Option<u64>,
    wall_ms: i64,
    clock: Clock,
}

/// Ids to be named in `drop` samples.
type Declarations = BTreeMap<(DropClass, Epoch), Ranges>;

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    refused: u64,
    sync_failures: u64,
    dropped: u64,
    torn_bytes: u64,
    unreadable_files: u64,
    durable: Durable,
}

/// The one writer of a spool directory.
pub struct Spool {
    disk: Box<dyn Disk>,
    config: SpoolConfig,
    probe: ProbeId,
    /// [`Epoch::FOREIGN`] when opened only to apply acknowledgements.
    epoch: Epoch,
    boot_id: Option<BootId>,
    start: u32,
    clean: bool,
    next_seq: u64,
    /// The last durable id, of this epoch or of an earlier one.
    last: Option<Previous>,
    next_ordinal: u64,
    generation: u64,
    cursor_dirty: bool,
    segments: BTreeMap<u64, Segment>,
    /// Bytes of files that are no readable segments.
    stray_bytes: u64,
    active: [Option<u64>; CHAINS],
    pending: [Vec<Pending>; CHAINS],
    pending_bytes: usize,
    /// Of them those that came after the last sync point.
    fresh_bytes: usize,
    epochs: BTreeMap<Epoch, EpochState>,
    /// Ids that were never durable, to be said once there is a sample whose time they can take.
    to_declare: Declarations,
    stamp: Option<Stamp>,
    /// Whether the file that keeps room for drops exists.
    reserve: bool,
    now_unix_ms: Option<i64>,
    counts: Counts,
}

impl Spool {
    /// Takes a sample and gives it the next `seq`; the one it carries is ignored. With [`Urgency::Urgent`], or when
    /// enough is waiting, everything waiting is made durable; if that fails it stays waiting and is tried again.
    pub fn append(&mut self, mut sample: Sample, urgency: Urgency) -> Result<u64, Refused> {
        sample.seq = self.next_seq;
        self.admit(&sample)
            .inspect_err(|_| self.counts.refused += 1)
            .map(|record| self.enqueue(sample, record, urgency))
    }

    fn admit(&mut self, sample: &Sample) -> Result<Vec<u8>, Refused> {
        if self.epoch.is_foreign() {
            return Err(Refused::Closed);
        }
        sample.check().map_err(Refused::Invalid)?;
        let body = sample.to_record();
        if body.len() > format::BODY_MAX {
            return Err(Refused::Oversize { bytes: body.len() });
        }
        let record = format::record(sample.seq, &body);
        let class = sample.drop_class();
        if !self.has_room(class, record.len()) {
            // The result shows in whether there is room now.
            let _ = self.flush();
        }
        if self.has_room(class, record.len()) { Ok(record) } else { Err(Refused::Full) }
    }

    fn has_room(&self, class: DropClass, bytes: usize) -> bool {
        let bound = if class == DropClass::Raw { PENDING_BYTES / 2 } else { PENDING_BYTES };
        self.pending_bytes + bytes <= bound
    }

    fn enqueue(&mut self, sample: Sample, record: Vec<u8>, urgency: Urgency) -> u64 {
        let seq = sample.seq;
        let urgent = urgency == Urgency::Urgent;
        self.next_seq += 1;
        self.stamp = Some(Stamp {
            boot_id: sample.boot_id,
            mono_ms: sample.mono_ms,
            wall_ms: sample.wall_ms,
            clock: sample.clock,
        });
        self.pending_bytes += record.len();
        self.fresh_bytes += record.len();
        let chain = sample.drop_class() as usize;
        let replaces = pick::replaces(&sample).cloned();
        self.pending[chain].push(Pending { seq, record, wall_ms: sample.wall_ms, urgent, replaces });
        if urgent || self.fresh_bytes as u64 >= self.config.sync_bytes {
            // Counted where it failed; the samples stay waiting.
            let _ = self.flush();
        }
        seq
    }

    /// Whether samples wait for their fdatasync.
    pub fn has_unsynced(&self) -> bool {
        self.pending.iter().any(|chain| !chain.is_empty())
    }

    /// How many samples became durable since the start.
    pub fn durable(&self) -> Durable {
        self.counts.durable
    }

    /// Flushes, writes the cursor, and notes whether this start ended in order. Afterwards nothing is taken any more.
    pub fn close(&mut self, clean: bool) -> Result<(), NotDurable> {
        let flushed = self.flush();
        self.clean = clean && flushed.is_ok();
        let saved = self.save_cursor().map_err(|e| NotDurable::Disk(e.kind()));
        self.epoch = Epoch::FOREIGN;
        flushed.and(saved)
    }

    fn state(&mut self, epoch: Epoch) -> &mut EpochState {
        self.epochs.entry(epoch).or_default()
    }

    /// Bytes that count against `spool.max_bytes`.
    fn used(&self) -> u64 {
        self.stray_bytes + self.segments.values().map(|segment| segment.file_len).sum::<u64>()
    }
}
