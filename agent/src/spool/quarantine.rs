//! Samples that the collector could not read twice: kept beside the spool, counted, exported, no more published.

use super::segment::Segment;
use super::{Spool, format};
use phusong_protocol::{DropClass, Epoch, Ranges};
use std::io;

/// All quarantine files together, and how many there may be; beyond it the oldest is dropped, with a `drop` sample.
const BYTES: u64 = 1024 * 1024;
const FILES: usize = 64;

impl Spool {
    /// Moves these samples, as far as they are still waiting, into files of their own. How many were moved; those that
    /// could not be stay where they were and are published again.
    pub fn quarantine(&mut self, epoch: Epoch, ranges: &Ranges) -> u64 {
        let mut moved = 0;
        for class in DropClass::ALL {
            // A failure leaves the samples as they were.
            moved += self.quarantine_class(epoch, class, ranges).unwrap_or(0);
        }
        while self.quarantine_is_over() {
            let oldest = self.segments.values().find(|s| s.name.quarantined).map(|s| s.name.ordinal);
            if !oldest.is_some_and(|ordinal| self.give_up(ordinal)) {
                break;
            }
        }
        moved
    }

    fn quarantine_is_over(&self) -> bool {
        let files = self.segments.values().filter(|s| s.name.quarantined);
        let (count, bytes) = files.fold((0, 0), |(count, bytes), s| (count + 1, bytes + s.file_len));
        count > FILES || bytes > BYTES
    }

    fn quarantine_class(&mut self, epoch: Epoch, class: DropClass, ranges: &Ranges) -> io::Result<u64> {
        let mut records = Vec::new();
        let mut seqs = Vec::new();
        for segment in self.segments_of(epoch).filter(|s| s.class() == class && !s.name.quarantined) {
            let mut wanted = segment.seqs.within(ranges);
            if let Some(state) = self.epochs.get(&epoch).filter(|_| class != DropClass::Raw) {
                wanted.subtract(&state.settled);
            }
            // What cannot be read is not sent again either.
            let _ = segment.read(self.disk.as_ref(), &wanted, |seq, body| {
                seqs.push((seq, format::record(seq, body)));
                true
            });
        }
        seqs.sort_by_key(|(seq, _)| *seq);
        if seqs.is_empty() {
            return Ok(0);
        }
        seqs.iter().for_each(|(_, record)| records.extend_from_slice(record));
        let ordinal = self.create_segment(class, epoch, true)?;
        let path = self.segments[&ordinal].path();
        if let Err(error) = self.disk.append(&path, &records).and_then(|()| self.disk.sync(&path)) {
            self.close_damaged(ordinal);
            return Err(error);
        }
        self.index_moved(epoch, class, ordinal, &seqs);
        Ok(seqs.len() as u64)
    }

    /// The new file answers for the samples from here on, the old ones no more.
    fn index_moved(&mut self, epoch: Epoch, class: DropClass, ordinal: u64, moved: &[(u64, Vec<u8>)]) {
        let ids: Ranges = moved.iter().map(|(seq, _)| *seq).collect();
        let state = self.epochs.entry(epoch).or_default();
        state.wanted.subtract(&ids);
        let settled = state.settled.clone();
        let olds = self.segments.values_mut().filter(|s| s.epoch == epoch && s.class() == class);
        for old in olds.filter(|s| s.name.ordinal != ordinal && s.seqs.may_overlap(&ids)) {
            old.seqs = (&old.seqs.without(&ids)).into();
            old.settle(&settled);
        }
        let new: &mut Segment = self.segments.get_mut(&ordinal).expect("made by the caller");
        for (seq, record) in moved {
            new.push(*seq, record.len() as u64);
        }
        new.file_len = new.len;
        new.settle(&settled);
    }
}
