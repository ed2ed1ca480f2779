//! Looking at a spool: its state, and whether every byte of it is what was written.

use super::format::{RecordFault, SegmentName};
use super::open::{Found, survey};
use super::segment::{Scanned, Segment, scan};
use super::{ClassStatus, Counts, EpochState, OpenError, Spool, SpoolConfig, SpoolStatus, cursor};
use crate::disk::Disk;
use phusong_protocol::{DropClass, Epoch, Sample};
use std::collections::BTreeMap;
use std::fmt;
use std::io;

/// Faults that are listed; more are only counted.
const FAULTS: usize = 100;

/// A place where the disk does not say what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub file: String,
    pub offset: u64,
    pub kind: FaultKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The records end here. In the last segment of a class a running agent may just be writing.
    Record(RecordFault),
    Header,
    /// The record is whole, but this version cannot decode it.
    Content,
    /// The cursor slot is not whole; one of the two may be.
    Slot,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, byte {}: ", self.file, self.offset)?;
        match self.kind {
            FaultKind::Record(fault) => write!(f, "{fault}"),
            FaultKind::Header => f.write_str("the header is not whole"),
            FaultKind::Content => f.write_str("a record that this version cannot decode"),
            FaultKind::Slot => f.write_str("the cursor slot is not whole"),
        }
    }
}

/// What [`verify`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verified {
    pub files: u64,
    pub records: u64,
    /// Bytes of whole records and headers.
    pub bytes: u64,
    pub fault_count: u64,
    /// At most 100 of them.
    pub faults: Vec<Fault>,
}

impl Verified {
    fn fault(&mut self, file: &str, offset: u64, kind: FaultKind) {
        self.fault_count += 1;
        if self.faults.len() < FAULTS {
            self.faults.push(Fault { file: file.to_owned(), offset, kind });
        }
    }
}

/// Reads every record of every file and checks it. Changes nothing; works while the agent runs.
pub fn verify(disk: &dyn Disk) -> Result<Verified, OpenError> {
    let wrap = |name: &str, source| OpenError::Io { doing: "reading", name: name.to_owned(), source };
    let mut verified = Verified::default();
    let names = disk.list().map_err(|e| wrap("the directory", e))?;
    let mut segments: Vec<_> = names.iter().filter_map(|name| SegmentName::parse(name)).collect();
    segments.sort_by_key(|name| name.ordinal);
    for name in segments {
        let path = name.to_string();
        match verify_segment(disk, name, &mut verified) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(|e| wrap(&path, e))?,
        }
    }
    let (whole, exist) = cursor::whole_slots(disk, &names).map_err(|e| wrap("cursor", e))?;
    verified.files += exist as u64;
    // One slot is always being replaced; only both gone is a loss.
    if exist > 0 && whole == 0 {
        verified.fault(cursor::SLOTS[0], 0, FaultKind::Slot);
    }
    Ok(verified)
}

fn verify_segment(disk: &dyn Disk, name: SegmentName, verified: &mut Verified) -> io::Result<()> {
    let path = name.to_string();
    let mut undecodable = 0;
    let scanned = scan(disk, name, |_, _, body| undecodable += u64::from(Sample::from_record(body).is_err()))?;
    verified.files += 1;
    match scanned {
        Scanned::Headless { .. } => verified.fault(&path, 0, FaultKind::Header),
        Scanned::Segment(segment, fault) => {
            verified.records += segment.seqs.count();
            verified.bytes += segment.len;
            (0..undecodable).for_each(|_| verified.fault(&path, 0, FaultKind::Content));
            if let Some((offset, fault)) = fault {
                verified.fault(&path, offset, FaultKind::Record(fault));
            }
        }
    }
    Ok(())
}

/// The state of a spool from outside, without changing it; works while the agent runs. What only the running agent
/// counts is 0.
pub fn look(disk: &dyn Disk, config: &SpoolConfig) -> Result<SpoolStatus, OpenError> {
    let Found { segments, epochs, cursor, headless, torn_bytes, .. } = survey(disk)?;
    let counts = Counts { torn_bytes, unreadable_files: headless.len() as u64, ..Counts::default() };
    let stray = headless.iter().map(|(_, bytes)| bytes).sum();
    let mut status = summarize(disk, &segments, &epochs, stray, counts, config.max_bytes);
    status.start = cursor.map_or(0, |(_, state)| state.start);
    Ok(status)
}

impl Spool {
    /// Memory that grows with what is on disk, about.
    pub fn index_bytes(&self) -> usize {
        let ranges = |r: &phusong_protocol::Ranges| r.parts() * size_of::<(u64, u64)>();
        let of_epoch = |e: &EpochState| ranges(&e.settled) + ranges(&e.explained) + ranges(&e.wanted);
        self.segments.values().map(Segment::memory).sum::<usize>() + self.epochs.values().map(of_epoch).sum::<usize>()
    }

    pub fn status(&self) -> SpoolStatus {
        let (disk, counts, max) = (self.disk.as_ref(), self.counts, self.config.max_bytes);
        let mut status = summarize(disk, &self.segments, &self.epochs, self.stray_bytes, counts, max);
        status.epoch = Some(self.epoch);
        status.start = self.start;
        status.unsynced = self.pending.iter().map(|chain| chain.len() as u64).sum();
        status
    }
}

fn summarize(
    disk: &dyn Disk,
    segments: &BTreeMap<u64, Segment>,
    epochs: &BTreeMap<Epoch, EpochState>,
    stray_bytes: u64,
    counts: Counts,
    max_bytes: u64,
) -> SpoolStatus {
    let class = |class: DropClass| {
        let mut status = ClassStatus { class, waiting: 0, held: 0, bytes: 0 };
        for segment in segments.values().filter(|s| s.class() == class) {
            status.waiting += segment.unsettled;
            status.held += segment.seqs.count();
            status.bytes += segment.file_len;
        }
        status
    };
    SpoolStatus {
        epoch: None,
        start: 0,
        classes: DropClass::ALL.into_iter().map(class).collect(),
        segments: segments.len() as u64,
        bytes: stray_bytes + segments.values().map(|s| s.file_len).sum::<u64>(),
        max_bytes,
        oldest_wall_ms: oldest(disk, segments, epochs),
        unsynced: 0,
        refused: counts.refused,
        sync_failures: counts.sync_failures,
        dropped: counts.dropped,
        torn_bytes: counts.torn_bytes,
        quarantined: segments.values().filter(|s| s.name.quarantined).map(|s| s.unsettled).sum(),
        unreadable_files: counts.unreadable_files,
    }
}

/// The time of the first waiting sample of the oldest segment that is published and has one.
fn oldest(disk: &dyn Disk, segments: &BTreeMap<u64, Segment>, epochs: &BTreeMap<Epoch, EpochState>) -> Option<i64> {
    let waiting = |s: &&Segment| s.class() != DropClass::Raw && !s.name.quarantined && s.unsettled > 0;
    let segment = segments.values().find(waiting)?;
    let ranges = match epochs.get(&segment.epoch) {
        Some(state) => segment.seqs.without(&state.settled),
        None => segment.seqs.to_ranges(),
    };
    let mut wall_ms = None;
    // Where it cannot be read the status says nothing about its age.
    let _ = segment.read(disk, &ranges, |_, body| {
        wall_ms = Sample::from_record(body).ok().map(|sample| sample.wall_ms);
        false
    });
    wall_ms
}
