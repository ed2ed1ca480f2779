//! Choosing what to send next, and reading it back from disk.
//!
//! A batch holds samples of one epoch, of all classes that are published, in ascending seq. Raw rounds are in it only
//! when a command asked for them. Bounded memory: about four payloads' worth of records are in memory at once.

use super::segment::Segment;
use super::{BatchRequest, EpochState, OutBatch, Pick, Spool};
use crate::disk::Disk;
use phusong_protocol::{DropClass, Epoch, Outcome, ProbeId, Ranges, Reading, Replaced, Sample, encode_batch, limits};
use std::collections::BTreeMap;

/// A sample seldom compresses below this; how many are worth looking at for a payload of a given size.
const SMALLEST: usize = 16;
/// Samples in one batch of the newest data.
const NEWEST: u64 = 200;
/// Records read for one payload, in payload sizes: what compression gains at most.
const RAW_FACTOR: usize = 4;

/// The rounds a summary stands for.
pub(super) fn replaces(sample: &Sample) -> Option<&Replaced> {
    match &sample.outcome {
        Outcome::Reading(Reading::Summary(summary)) => Some(&summary.replaces),
        _ => None,
    }
}

/// Which samples may be in a batch at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// What is published: no raw rounds but the wanted ones, nothing from the quarantine.
    Publish,
    /// What is handed over by file: the quarantine too, and raw rounds without a summary where asked for.
    Export { raw: bool },
}

/// A spool as it is read from, by its writer or from outside.
pub(super) struct View<'a> {
    pub disk: &'a dyn Disk,
    pub probe: &'a ProbeId,
    pub segments: &'a BTreeMap<u64, Segment>,
    pub epochs: &'a BTreeMap<Epoch, EpochState>,
    pub scope: Scope,
}

/// A batch, and what could not be read for it.
#[derive(Default)]
pub(super) struct Picked {
    pub batch: Option<OutBatch>,
    pub unreadable: Option<(Epoch, Ranges)>,
}

impl Spool {
    /// The next batch to send. Samples that cannot be read from disk are left out until the next start.
    pub fn next_batch(&mut self, request: &BatchRequest) -> Option<OutBatch> {
        loop {
            let view = View {
                disk: self.disk.as_ref(),
                probe: &self.probe,
                segments: &self.segments,
                epochs: &self.epochs,
                scope: Scope::Publish,
            };
            let picked = view.next(request);
            match picked.unreadable {
                Some((epoch, ranges)) => self.state(epoch).unreadable.union(&ranges),
                None => return picked.batch,
            }
            if picked.batch.is_some() {
                return picked.batch;
            }
        }
    }

    /// `send_raw`: these rounds go out as far as they are still here. How many are.
    pub fn want_raw(&mut self, epoch: Epoch, ranges: &Ranges) -> u64 {
        let mut here = Ranges::new();
        let raws = self.segments_of(epoch).filter(|s| s.class() == DropClass::Raw && !s.name.quarantined);
        raws.for_each(|s| here.union(&s.seqs.within(ranges)));
        if !here.is_empty() {
            self.state(epoch).wanted.union(&here);
        }
        here.count()
    }
}

impl View<'_> {
    pub fn next(&self, request: &BatchRequest) -> Picked {
        let most = (request.max_bytes / SMALLEST).clamp(1, limits::BATCH_SAMPLES) as u64;
        let Some((epoch, chosen)) = self.choose(request, most) else { return Picked::default() };
        let budget = request.max_bytes * RAW_FACTOR;
        let mut unreadable = Ranges::new();
        let mut samples: BTreeMap<u64, Sample> = BTreeMap::new();
        let mut bytes = 0;
        let newest = request.pick == Pick::Newest;
        // The newest data may stand at the end of its segments: what is read must not stop before it.
        let budget = if newest { budget * 2 } else { budget };
        for (ordinal, seqs) in &chosen {
            let mut missing = seqs.clone();
            let mut own = 0;
            let read = self.segments[ordinal].read(self.disk, seqs, |seq, body| {
                let Ok(sample) = Sample::from_record(body) else { return true };
                missing.remove(seq, seq);
                own += body.len();
                samples.insert(seq, sample);
                own < budget
            });
            bytes += own;
            if read.is_err() || own < budget {
                unreadable.union(&missing);
            }
        }
        let batch = self.pack(epoch, samples.into_values().collect(), bytes, request.max_bytes, newest);
        Picked { batch, unreadable: (!unreadable.is_empty()).then_some((epoch, unreadable)) }
    }

    /// Encodes as many samples as the payload takes, from the front, or from the back for the newest.
    fn pack(
        &self,
        epoch: Epoch,
        samples: Vec<Sample>,
        bytes: usize,
        max_bytes: usize,
        newest: bool,
    ) -> Option<OutBatch> {
        let mut count = samples.len();
        if bytes > max_bytes * RAW_FACTOR {
            count = (count * max_bytes * RAW_FACTOR / bytes).max(1);
        }
        count = count.min(limits::BATCH_SAMPLES);
        while count > 0 {
            let part = if newest { &samples[samples.len() - count..] } else { &samples[..count] };
            let payload = encode_batch(self.probe, epoch, part);
            if payload.len() <= max_bytes || count == 1 {
                let seqs = part.iter().map(|sample| sample.seq).collect();
                let crc32 = crc32fast::hash(&payload);
                return Some(OutBatch { epoch, seqs, payload, crc32 });
            }
            count = (count * max_bytes / payload.len() * 9 / 10).clamp(1, count - 1);
        }
        None
    }

    /// The epoch to take from, and which seqs of which segments; at most `most` of each class.
    fn choose(&self, request: &BatchRequest, most: u64) -> Option<(Epoch, BTreeMap<u64, Ranges>)> {
        let candidates = |segment: &Segment| self.candidates(segment, request);
        let has_any = |segment: &&Segment| !candidates(segment).is_empty();
        let (epoch, most) = match &request.pick {
            Pick::Exact(epoch, _) => (*epoch, most),
            Pick::Oldest => (self.segments.values().find(has_any)?.epoch, most),
            Pick::Newest => (self.segments.values().rev().find(has_any)?.epoch, most.min(NEWEST)),
        };
        let newest = request.pick == Pick::Newest;
        let mut of_epoch: Vec<&Segment> = self.segments.values().filter(|s| s.epoch == epoch).collect();
        if newest {
            of_epoch.reverse();
        }
        let mut taken = [0; DropClass::ALL.len()];
        let mut chosen: BTreeMap<u64, Ranges> = BTreeMap::new();
        let mut all = Ranges::new();
        for segment in of_epoch {
            let count = &mut taken[segment.class() as usize];
            if *count >= most {
                continue;
            }
            let found = candidates(segment);
            if !found.is_empty() {
                *count += found.count();
                all.union(&found);
                chosen.insert(segment.name.ordinal, found);
            }
        }
        let limit = bound(&all, most, newest);
        chosen.values_mut().for_each(|seqs| match limit {
            Some(edge) if newest => seqs.remove(0, edge),
            Some(edge) => seqs.remove(edge, u64::MAX),
            None => {}
        });
        chosen.retain(|_, seqs| !seqs.is_empty());
        (!chosen.is_empty()).then_some((epoch, chosen))
    }

    fn candidates(&self, segment: &Segment, request: &BatchRequest) -> Ranges {
        let empty = EpochState::default();
        let state = self.epochs.get(&segment.epoch).unwrap_or(&empty);
        let raw = segment.class() == DropClass::Raw;
        let mut found = match (self.scope, raw) {
            (Scope::Publish, _) if segment.name.quarantined => return Ranges::new(),
            (Scope::Publish, true) => segment.seqs.within(&state.wanted),
            (Scope::Export { raw: false }, true) if !segment.name.quarantined => return Ranges::new(),
            (Scope::Export { .. }, true) => {
                let mut left = segment.seqs.without(&state.settled);
                left.subtract(&state.explained);
                left
            }
            (_, false) if segment.unsettled == 0 => return Ranges::new(),
            (_, false) => segment.seqs.without(&state.settled),
        };
        if let Pick::Exact(epoch, ranges) = &request.pick {
            if *epoch != segment.epoch {
                return Ranges::new();
            }
            let mut others = found.clone();
            others.subtract(ranges);
            found.subtract(&others);
        }
        found.subtract(&state.unreadable);
        request.skip.iter().filter(|(epoch, _)| *epoch == segment.epoch).for_each(|(_, skip)| found.subtract(skip));
        found
    }
}

/// The first seq beyond the `most` lowest; for the newest, the last one below the `most` highest.
fn bound(all: &Ranges, most: u64, newest: bool) -> Option<u64> {
    let mut over = all.count().checked_sub(most).filter(|over| *over > 0)?;
    if !newest {
        over = most;
    }
    let mut seen = 0;
    for (first, last) in all.iter() {
        let len = last - first + 1;
        if seen + len >= over {
            let nth = first + (over - seen) - 1;
            return Some(if newest { nth } else { nth + 1 });
        }
        seen += len;
    }
    None
}
