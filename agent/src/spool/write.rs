//! From memory to disk: chains of segments, fdatasync, and what a failed one means.
//!
//! After a failed fdatasync the kernel may have thrown the bytes away and call them clean, so a repeated one proves
//! nothing. The segment is never written again, and its unsynced samples, still in memory, go with the same seqs into
//! a new one. A start that finds a sample twice goes by the newer copy.

use super::format::{SegmentName, header};
use super::segment::Segment;
use super::{CHAINS, DROPS, NotDurable, Spool};
use phusong_protocol::{DropClass, Previous};
use std::io;

/// Segments given up for one sync point at most.
const ROOMS: usize = 64;

pub(super) fn chain_class(chain: usize) -> DropClass {
    DropClass::ALL.get(chain).copied().unwrap_or(DropClass::Evidence)
}

pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

impl Spool {
    /// A sync point: makes durable what is waiting, raw rounds first, so that a durable summary implies its rounds.
    pub fn flush(&mut self) -> Result<(), NotDurable> {
        self.fresh_bytes = 0;
        let mut result = self.flush_chain(DROPS);
        for chain in 0..DROPS {
            result = result.and(self.flush_chain(chain));
        }
        if result.is_ok() && !self.to_declare.is_empty() && self.stamp.is_some() {
            let lost = std::mem::take(&mut self.to_declare);
            // What could not be written waits in the chain of drops.
            let _ = self.write_drops(&lost);
        }
        self.restore_reserve();
        result
    }

    pub(super) fn flush_chain(&mut self, chain: usize) -> Result<(), NotDurable> {
        let (mut rooms, mut failures) = (0, 0);
        while !self.pending[chain].is_empty() {
            let (count, bytes) = self.next_piece(chain);
            let over = chain != DROPS && self.used() + bytes as u64 > self.config.max_bytes;
            let fault = if over { Err(io::ErrorKind::StorageFull.into()) } else { self.write_out(chain, count) };
            match fault {
                Ok(()) => failures = 0,
                Err(error) if is_full(&error) => {
                    // Drops never make room for themselves: their caller is making it.
                    if chain == DROPS || rooms == ROOMS || !self.make_room(chain_class(chain)) {
                        return Err(NotDurable::Full);
                    }
                    rooms += 1;
                }
                Err(error) => {
                    failures += 1;
                    if failures == 2 {
                        return Err(NotDurable::Disk(error.kind()));
                    }
                }
            }
        }
        Ok(())
    }

    /// As many of the waiting records as one segment takes, at least one.
    fn next_piece(&self, chain: usize) -> (usize, usize) {
        let mut bytes = 0;
        let mut count = 0;
        for pending in &self.pending[chain] {
            if count > 0 && (bytes + pending.record.len()) as u64 > self.config.segment_bytes {
                break;
            }
            bytes += pending.record.len();
            count += 1;
        }
        (count, bytes)
    }

    /// Writes the first `count` waiting records of a chain and makes them durable; on an error they are still waiting.
    fn write_out(&mut self, chain: usize, count: usize) -> io::Result<()> {
        let mut buffer = Vec::new();
        self.pending[chain][..count].iter().for_each(|pending| buffer.extend_from_slice(&pending.record));
        let ordinal = self.active_segment(chain, buffer.len() as u64)?;
        let path = self.segments[&ordinal].path();
        if let Err(error) = self.disk.append(&path, &buffer) {
            self.seal(chain);
            return Err(error);
        }
        if let Err(error) = self.disk.sync(&path) {
            self.counts.sync_failures += 1;
            self.seal(chain);
            return Err(error);
        }
        self.note_durable(chain, ordinal, count);
        Ok(())
    }

    fn note_durable(&mut self, chain: usize, ordinal: u64, count: usize) {
        let written: Vec<_> = self.pending[chain].drain(..count).collect();
        let segment = self.segments.get_mut(&ordinal).expect("active segments are in the index");
        for pending in &written {
            segment.push(pending.seq, pending.record.len() as u64);
            segment.unsettled += 1;
            segment.newest_wall_ms = segment.newest_wall_ms.max(pending.wall_ms);
            self.counts.durable.samples += 1;
            self.counts.durable.urgent += u64::from(pending.urgent);
            self.pending_bytes -= pending.record.len();
        }
        segment.file_len = segment.len;
        let epoch = self.epoch;
        let last = written.iter().map(|p| p.seq).max().unwrap_or(0);
        let before = self.last.filter(|prev| prev.epoch == epoch).map_or(0, |prev| prev.last_seq);
        self.last = Some(Previous { epoch, last_seq: before.max(last) });
        for replaced in written.into_iter().filter_map(|pending| pending.replaces) {
            self.state(replaced.epoch).explained.union(&replaced.ranges);
        }
    }

    /// The segment that takes the next `bytes` of a chain, new where the last one is full.
    fn active_segment(&mut self, chain: usize, bytes: u64) -> io::Result<u64> {
        if let Some(ordinal) = self.active[chain] {
            let segment = &self.segments[&ordinal];
            if segment.seqs.count() == 0 || segment.len + bytes <= self.config.segment_bytes {
                return Ok(ordinal);
            }
            self.active[chain] = None;
            self.segments.get_mut(&ordinal).expect("active segments are in the index").seqs.shrink();
        }
        let ordinal = self.create_segment(chain_class(chain), self.epoch, false)?;
        self.active[chain] = Some(ordinal);
        Ok(ordinal)
    }

    /// A new segment whose name is durable; its header is with the first fdatasync.
    pub(super) fn create_segment(
        &mut self,
        class: DropClass,
        epoch: phusong_protocol::Epoch,
        quarantined: bool,
    ) -> io::Result<u64> {
        let ordinal = self.next_ordinal;
        self.next_ordinal += 1;
        let name = SegmentName { ordinal, class, quarantined };
        let path = name.to_string();
        let made = self
            .disk
            .create(&path)
            .and_then(|()| self.disk.append(&path, &header(class, epoch)))
            .and_then(|()| self.disk.sync_dir());
        if let Err(error) = made {
            // It may or may not be there; a later start takes such a file away.
            let _ = self.disk.unlink(&path);
            return Err(error);
        }
        self.segments.insert(ordinal, Segment::new(name, epoch));
        Ok(ordinal)
    }

    /// Ends a chain's segment at its last durable record: it is never written again.
    fn seal(&mut self, chain: usize) {
        let Some(ordinal) = self.active[chain].take() else { return };
        self.close_damaged(ordinal);
    }

    pub(super) fn close_damaged(&mut self, ordinal: u64) {
        let Some(segment) = self.segments.get_mut(&ordinal) else { return };
        let path = segment.path();
        segment.file_len = self.disk.len(&path).unwrap_or(segment.file_len);
        if segment.seqs.count() == 0 && self.disk.unlink(&path).is_ok() {
            self.segments.remove(&ordinal);
        }
    }

    pub(super) fn is_active(&self, ordinal: u64) -> bool {
        (0..CHAINS).any(|chain| self.active[chain] == Some(ordinal))
    }
}
