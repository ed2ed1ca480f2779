//! The spool: samples, durable on disk until the collector has them.
//!
//! In: samples, acknowledgements, the time as an argument. Out: batches to send, and what a start must know about
//! the one before. Refuses to know: clocks, threads, the network; all file access goes through [`Disk`].
//! Limits: `spool.max_bytes` on disk, a fixed buffer of not yet durable samples, indexes of about 2 % of the disk's
//! use; every drop is said in a `drop` sample that is durable before the segment goes.

mod config;
mod types;

pub use config::SpoolConfig;
pub use types::{
    BatchRequest, ClassStatus, NotDurable, OpenError, Opened, OrphanChunk, OutBatch, Pick, Refused, SpoolStatus,
    Start, Urgency,
};

use crate::disk::Disk;
use crate::spooler::Durable;
use phusong_protocol::{AckMessage, AckResult, Epoch, Ranges, Sample};

/// The ranges that a message allows to forget.
pub fn settled_by(message: &AckMessage) -> impl Iterator<Item = (Epoch, &Ranges)> {
    message.acks.iter().filter_map(|ack| match ack.result {
        AckResult::Stored | AckResult::Duplicate | AckResult::DeadLetter => ack.epoch.map(|e| (e, &ack.ranges)),
        AckResult::Rejected | AckResult::Refused => None,
    })
}

pub struct Spool {}

impl Spool {
    pub fn open(_: Box<dyn Disk>, _: SpoolConfig, _: Start) -> Result<(Spool, Opened), OpenError> {
        Err(OpenError::Thread(std::io::ErrorKind::Unsupported.into()))
    }
    pub fn append(&mut self, _: Sample, _: Urgency) -> Result<u64, Refused> {
        Err(Refused::Closed)
    }
    pub fn flush(&mut self) -> Result<(), NotDurable> {
        Ok(())
    }
    pub fn close(&mut self, _: bool) -> Result<(), NotDurable> {
        Ok(())
    }
    pub fn has_unsynced(&self) -> bool {
        false
    }
    pub fn durable(&self) -> Durable {
        Durable::default()
    }
    pub fn status(&self) -> SpoolStatus {
        unreachable!("never opened")
    }
    pub fn next_batch(&mut self, _: &BatchRequest) -> Option<OutBatch> {
        None
    }
    pub fn acked(&mut self, _: Epoch, _: &Ranges) {}
    pub fn quarantine(&mut self, _: Epoch, _: &Ranges) -> u64 {
        0
    }
    pub fn want_raw(&mut self, _: Epoch, _: &Ranges) -> u64 {
        0
    }
    pub fn orphans(&mut self, _: Option<(Epoch, u64)>, _: usize) -> Option<OrphanChunk> {
        None
    }
    pub fn housekeep(&mut self, _: Option<i64>) {}
}
