//! Raw rounds that a crash left without a summary: the next start folds them.

use super::{OrphanChunk, Spool};
use phusong_protocol::{DropClass, Epoch, Ranges, Sample};

impl Spool {
    /// The first chunk of orphans, or the one after the given id: at most `max` samples of one earlier epoch.
    /// Rounds of this start are no orphans: whoever measured them still holds them.
    pub fn orphans(&mut self, after: Option<(Epoch, u64)>, max: usize) -> Option<OrphanChunk> {
        let epochs = self.epochs_with_raws();
        let from = after.and_then(|(epoch, _)| epochs.iter().position(|e| *e == epoch)).unwrap_or(0);
        epochs[from..].iter().find_map(|epoch| {
            let above = after.filter(|(e, _)| e == epoch).map(|(_, seq)| seq);
            let samples = self.orphans_of(*epoch, above, max);
            (!samples.is_empty()).then_some(OrphanChunk { epoch: *epoch, samples })
        })
    }

    /// Earlier epochs, oldest first.
    fn epochs_with_raws(&self) -> Vec<Epoch> {
        let mut epochs = Vec::new();
        for segment in self.segments.values() {
            let raw = segment.class() == DropClass::Raw && !segment.name.quarantined;
            if raw && segment.epoch != self.epoch && !epochs.contains(&segment.epoch) {
                epochs.push(segment.epoch);
            }
        }
        epochs
    }

    fn orphans_of(&mut self, epoch: Epoch, above: Option<u64>, max: usize) -> Vec<Sample> {
        let mut samples = Vec::new();
        let mut unreadable = Ranges::new();
        for segment in self.segments_of(epoch).filter(|s| s.class() == DropClass::Raw && !s.name.quarantined) {
            let mut wanted = self.unexplained(segment);
            if let Some(above) = above {
                wanted.remove(0, above);
            }
            if let Some(state) = self.epochs.get(&epoch) {
                wanted.subtract(&state.unreadable);
            }
            let mut missing = wanted.clone();
            let read = segment.read(self.disk.as_ref(), &wanted, |seq, body| {
                if let Ok(sample) = Sample::from_record(body) {
                    missing.remove(seq, seq);
                    samples.push(sample);
                }
                samples.len() < max
            });
            if read.is_err() {
                unreadable.union(&missing);
            }
            if samples.len() >= max {
                break;
            }
        }
        if !unreadable.is_empty() {
            self.state(epoch).unreadable.union(&unreadable);
        }
        samples
    }
}
