//! What the collector has: marking it, and taking whole segments away when nothing in them is needed any more.
//!
//! A raw round is not sent; it is settled by the acknowledgement of the summary that names it, and stays in the ring for
//! `spool.ring_ms` all the same. The cursor is durable before any segment goes.

use super::segment::Segment;
use super::{Spool, pick};
use phusong_protocol::{AckMessage, AckResult, DropClass, Epoch, Ranges, Replaced, Sample};
use std::io::BufRead;

/// The ranges that a message allows to forget.
pub fn settled_by(message: &AckMessage) -> impl Iterator<Item = (Epoch, &Ranges)> {
    message.acks.iter().filter_map(|ack| match ack.result {
        AckResult::Stored | AckResult::Duplicate | AckResult::DeadLetter => ack.epoch.map(|e| (e, &ack.ranges)),
        AckResult::Rejected | AckResult::Refused => None,
    })
}

/// What applying an acknowledgement file came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AckFile {
    pub lines: u64,
    /// Samples that were waiting and are not any more.
    pub settled: u64,
    /// Payloads that the collector could not read or did not take.
    pub refused: u64,
}

/// Why an acknowledgement file cannot be applied; what stood before the line was.
#[derive(Debug, thiserror::Error)]
pub enum AckFileError {
    #[error("line {line}: {source}")]
    Read { line: u64, source: std::io::Error },
    #[error("line {line}: is no acknowledgement such as {{\"v\":1,\"acks\":[..]}}: {source}")]
    Json { line: u64, source: serde_json::Error },
    #[error("the cursor cannot be written: {0}")]
    Cursor(std::io::Error),
}

impl Spool {
    /// The collector has these. Ids that are not on disk are ignored, so a stray message cannot fill the memory.
    pub fn acked(&mut self, epoch: Epoch, ranges: &Ranges) {
        if self.settle(epoch, ranges) > 0 {
            self.cursor_dirty = true;
        }
        self.reclaim();
    }

    /// How many waiting samples that was.
    fn settle(&mut self, epoch: Epoch, ranges: &Ranges) -> u64 {
        let Some(state) = self.epochs.get(&epoch).or_else(|| self.segments_of(epoch).next().map(|_| &EMPTY)) else {
            return 0;
        };
        let mut newly = Ranges::new();
        let mut replaced: Vec<Replaced> = Vec::new();
        for segment in self.segments_of(epoch).filter(|s| s.seqs.may_overlap(ranges)) {
            let mut fresh = segment.seqs.within(ranges);
            fresh.subtract(&state.settled);
            if segment.class() == DropClass::Summary {
                // A summary that cannot be read again leaves its rounds in the ring until the disk is full.
                let _ = segment.read(self.disk.as_ref(), &fresh, |_, body| {
                    let sample = Sample::from_record(body).ok();
                    replaced.extend(sample.as_ref().and_then(pick::replaces).cloned());
                    true
                });
            }
            newly.union(&fresh);
        }
        let state = self.state(epoch);
        state.settled.union(&newly);
        state.wanted.subtract(ranges);
        self.resettle(epoch, &newly);
        for Replaced { epoch, ranges } in replaced {
            // Where nothing of that epoch is left there is nothing to settle.
            if let Some(state) = self.epochs.get_mut(&epoch) {
                state.settled.union(&ranges);
                self.resettle(epoch, &ranges);
            }
        }
        newly.count()
    }

    pub(super) fn segments_of(&self, epoch: Epoch) -> impl Iterator<Item = &Segment> {
        self.segments.values().filter(move |s| s.epoch == epoch)
    }

    /// Counts again what is unsettled where these ids are.
    pub(super) fn resettle(&mut self, epoch: Epoch, ranges: &Ranges) {
        let Some(state) = self.epochs.get(&epoch) else { return };
        for segment in self.segments.values_mut().filter(|s| s.epoch == epoch && s.seqs.may_overlap(ranges)) {
            segment.settle(&state.settled);
        }
    }

    /// Deletes what may go and writes the cursor where acknowledgements came since. With a wall clock raw rounds that
    /// are old enough go too; a clock that is behind only keeps them longer.
    pub fn housekeep(&mut self, now_unix_ms: Option<i64>) {
        self.now_unix_ms = now_unix_ms.or(self.now_unix_ms);
        self.reclaim();
        if self.cursor_dirty {
            // Tried again the next time.
            let _ = self.save_cursor();
        }
    }

    fn reclaim(&mut self) {
        let done: Vec<u64> =
            self.segments.values().filter(|s| self.is_done(s)).map(|segment| segment.name.ordinal).collect();
        if !done.is_empty() {
            self.remove_segments(&done);
        }
    }

    fn is_done(&self, segment: &Segment) -> bool {
        if self.is_active(segment.name.ordinal) {
            return false;
        }
        if segment.class() != DropClass::Raw || segment.name.quarantined || segment.seqs.count() == 0 {
            return segment.unsettled == 0;
        }
        let ring = i64::try_from(self.config.ring_ms).unwrap_or(i64::MAX);
        let old = self.now_unix_ms.is_some_and(|now| segment.newest_wall_ms.saturating_add(ring) <= now);
        old && self.unexplained(segment).is_empty()
    }

    /// Takes segments away, after what they settled is durable. False, and nothing gone, when the cursor cannot be.
    pub(super) fn remove_segments(&mut self, ordinals: &[u64]) -> bool {
        if self.save_cursor().is_err() {
            return false;
        }
        let mut all = true;
        for ordinal in ordinals {
            let Some(segment) = self.segments.get(ordinal) else { continue };
            match self.disk.unlink(&segment.path()) {
                Ok(()) => drop(self.segments.remove(ordinal)),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => drop(self.segments.remove(ordinal)),
                Err(_) => all = false,
            }
        }
        // Not durable is not wrong: a file that comes back is settled by the cursor and goes again.
        let _ = self.disk.sync_dir();
        all
    }

    /// Applies the file that the collector's `import` wrote: one [`AckMessage`] a line.
    pub fn apply_ack_file(&mut self, file: impl BufRead) -> Result<AckFile, AckFileError> {
        let mut applied = AckFile::default();
        for (line, text) in (1..).zip(file.lines()) {
            let text = text.map_err(|source| AckFileError::Read { line, source })?;
            if text.trim().is_empty() {
                continue;
            }
            let message =
                AckMessage::from_json(text.as_bytes()).map_err(|source| AckFileError::Json { line, source })?;
            applied.lines += 1;
            applied.refused += message.acks.iter().filter(|ack| ack.epoch.is_none()).count() as u64;
            for (epoch, ranges) in settled_by(&message) {
                applied.settled += self.settle(epoch, ranges);
            }
        }
        self.reclaim();
        self.save_cursor().map_err(AckFileError::Cursor)?;
        Ok(applied)
    }
}

/// An epoch of which nothing was settled yet.
static EMPTY: super::EpochState = super::EpochState {
    settled: Ranges::new(),
    explained: Ranges::new(),
    wanted: Ranges::new(),
    unreadable: Ranges::new(),
};
