//! What a full spool gives up: the lowest class first, its oldest whole segment first, never in silence.
//!
//! For samples of one class only segments of the same or a lower class are given up. Before a segment goes, what
//! was not acknowledged in it is named in durable `drop` samples; the `reserve` file keeps room for them.

use super::segment::Segment;
use super::write::is_full;
use super::{DROPS, Declarations, Pending, Spool, format, pick};
use phusong_protocol::{DropClass, DropReading, Epoch, Outcome, Ranges, Reading, Sample, limits};

pub(super) const RESERVE: &str = "reserve";
/// Some drops with every range they can name, and what a file system needs to take them.
const RESERVE_BYTES: u64 = 64 * 1024;
/// Segments given up to have the reserve back.
const ROOMS_FOR_RESERVE: usize = 4;

impl Spool {
    /// Gives up one segment so that samples of class `for_class` find room; false when none may go.
    pub(super) fn make_room(&mut self, for_class: DropClass) -> bool {
        let candidates = self.segments.values().filter(|s| s.class() <= for_class);
        let Some(victim) = candidates.min_by_key(|s| (s.class(), s.name.ordinal)).map(|s| s.name.ordinal) else {
            return false;
        };
        if self.give_up(victim) {
            return true;
        }
        // The drop cannot be written. What needs none may still go.
        let spare = self.segments.values().find(|s| s.class() <= for_class && self.needs_no_drop(s));
        match spare.map(|s| s.name.ordinal) {
            Some(ordinal) => self.give_up(ordinal),
            None => false,
        }
    }

    fn needs_no_drop(&self, segment: &Segment) -> bool {
        let explained = segment.class() == DropClass::Raw && self.unexplained(segment).is_empty();
        segment.unsettled == 0 || explained
    }

    /// Raw rounds of a segment that nothing stands for.
    pub(super) fn unexplained(&self, segment: &Segment) -> Ranges {
        match self.epochs.get(&segment.epoch) {
            Some(state) => {
                let mut left = segment.seqs.without(&state.settled);
                left.subtract(&state.explained);
                left
            }
            None => segment.seqs.to_ranges(),
        }
    }

    /// Drops a whole segment: says so durably, then takes it away.
    pub(super) fn give_up(&mut self, ordinal: u64) -> bool {
        for active in &mut self.active {
            *active = active.filter(|a| *a != ordinal);
        }
        let Some(segment) = self.segments.get(&ordinal) else { return false };
        let dropped = self.declarations(segment);
        if !self.write_drops(&dropped) {
            return false;
        }
        self.counts.dropped += dropped.values().map(Ranges::count).sum::<u64>();
        self.remove_segments(&[ordinal])
    }

    /// Everything that goes with a segment and must be named.
    fn declarations(&self, segment: &Segment) -> Declarations {
        let mut out = Declarations::new();
        let unsettled = match self.epochs.get(&segment.epoch) {
            Some(state) => segment.seqs.without(&state.settled),
            None => segment.seqs.to_ranges(),
        };
        let own = if segment.class() == DropClass::Raw { self.unexplained(segment) } else { unsettled.clone() };
        if segment.class() > DropClass::Radio {
            // A record that cannot be read any more takes what it stood for with it; the next start finds the holes.
            let _ = segment.read(self.disk.as_ref(), &unsettled, |_, body| {
                if let Ok(sample) = Sample::from_record(body) {
                    self.declare_content(&sample, &mut out);
                }
                true
            });
        }
        if !own.is_empty() {
            out.entry((segment.class(), segment.epoch)).or_default().union(&own);
        }
        out
    }

    /// A summary that goes leaves its raw rounds unexplained, a drop what it named.
    fn declare_content(&self, sample: &Sample, out: &mut Declarations) {
        if let Some(replaced) = pick::replaces(sample) {
            let mut gone = replaced.ranges.clone();
            if let Some(state) = self.epochs.get(&replaced.epoch) {
                gone.subtract(&state.settled);
            }
            if !gone.is_empty() {
                out.entry((DropClass::Raw, replaced.epoch)).or_default().union(&gone);
            }
        }
        if let Outcome::Reading(Reading::Drop(drop)) = &sample.outcome {
            out.entry((drop.class, drop.epoch)).or_default().union(&drop.ranges);
        }
    }

    /// Writes `drop` samples and makes them durable. What could not be written waits with its seqs and is tried first
    /// the next time, before anything new is said.
    pub(super) fn write_drops(&mut self, dropped: &Declarations) -> bool {
        if !self.flush_drops() {
            return false;
        }
        let Some(stamp) = self.stamp else { return dropped.is_empty() };
        for (&(class, epoch), ranges) in dropped {
            for piece in ranges.chunks(limits::RANGES) {
                let sample = Sample {
                    seq: self.next_seq,
                    boot_id: stamp.boot_id,
                    mono_ms: stamp.mono_ms,
                    wall_ms: stamp.wall_ms,
                    clock: stamp.clock,
                    place: None,
                    setup: None,
                    uplink: None,
                    target: None,
                    outcome: Outcome::Reading(Reading::Drop(DropReading { class, epoch, ranges: piece })),
                };
                let record = format::record(sample.seq, &sample.to_record());
                self.next_seq += 1;
                self.pending_bytes += record.len();
                let (seq, wall_ms) = (sample.seq, sample.wall_ms);
                self.pending[DROPS].push(Pending { seq, record, wall_ms, urgent: false, replaces: None });
            }
        }
        let durable = self.flush_drops();
        if durable {
            for ((class, epoch), ranges) in dropped {
                self.settle_dropped(*class, *epoch, ranges);
            }
        }
        durable
    }

    fn settle_dropped(&mut self, class: DropClass, epoch: Epoch, ranges: &Ranges) {
        let state = self.state(epoch);
        state.settled.union(ranges);
        if class == DropClass::Raw {
            state.explained.subtract(ranges);
            state.wanted.subtract(ranges);
        }
        self.resettle(epoch, ranges);
    }

    fn flush_drops(&mut self) -> bool {
        self.flush_chain(DROPS).is_ok() || (self.release_reserve() && self.flush_chain(DROPS).is_ok())
    }

    fn release_reserve(&mut self) -> bool {
        let released = self.reserve && self.disk.unlink(RESERVE).is_ok();
        self.reserve &= !released;
        released
    }

    /// Has the reserve again, if need be by giving up another segment: without it the next drop could not be said.
    pub(super) fn restore_reserve(&mut self) {
        for _ in 0..ROOMS_FOR_RESERVE {
            if self.reserve {
                return;
            }
            match self.disk.preallocate(RESERVE, RESERVE_BYTES.min(self.config.segment_bytes)) {
                Ok(()) => self.reserve = true,
                Err(error) if is_full(&error) => {
                    if !self.make_room(DropClass::Evidence) {
                        return;
                    }
                }
                Err(_) => return,
            }
        }
    }
}
