//! Folds successful rounds into 5-minute summaries, aligned to the device's wall clock.
//!
//! In: rounds in the order of their `seq`. Out: one [`Folded`] for each window and lane that had rounds. Refuses to
//! know: the spool, failures. Limits: two windows of a lane are open at once, the older one only for [`GRACE_MS`].

use crate::network::Echoes;
use crate::targets::{LANE, LANES};
use phusong_protocol::{Clock, Epoch, Ranges, Replaced, Sketch, SummaryReading};

pub const SUMMARY_MS: i64 = 300_000;
/// A window stays open this long after its end.
pub const GRACE_MS: i64 = 5_000;

/// What clocks said when a sample was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    pub mono_ms: u64,
    pub wall_ms: i64,
    pub clock: Clock,
}

/// A successful round, kept in the spool under `seq` and never sent.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    pub lane: usize,
    pub seq: u64,
    pub at_ms: i64,
    pub stamp: Stamp,
    pub echoes: Echoes,
}

/// One window of one lane.
#[derive(Debug, Default)]
struct Open {
    window: i64,
    rounds: u32,
    first_mono_ms: u64,
    last: Stamp,
    sent: u32,
    rtts_us: Vec<u32>,
    /// Sum and number of differences of neighbours in one round.
    steps: (u64, u64),
    bursts: u32,
    longest_burst: u32,
    replaces: Ranges,
}

/// A closed window.
#[derive(Debug)]
pub struct Folded {
    pub lane: usize,
    pub stamp: Stamp,
    pub summary: SummaryReading,
}

/// All open windows of one epoch.
#[derive(Debug, Default)]
pub struct Windows {
    older: [Option<Open>; LANES],
    newer: [Option<Open>; LANES],
}

impl Windows {
    pub fn add(&mut self, epoch: Epoch, round: &Round) -> Option<Folded> {
        let window = round.stamp.wall_ms.div_euclid(SUMMARY_MS);
        let lane = round.lane;
        let mut pushed_out = None;
        if self.newer[lane].as_ref().is_some_and(|open| open.window != window) {
            // A step of the clock may come before the older one's grace is over.
            pushed_out = self.older[lane].take().map(|open| open.close(lane, epoch));
            self.older[lane] = self.newer[lane].take();
        }
        let open = self.newer[lane].get_or_insert_with(|| Open { window, ..Open::default() });
        open.add(round);
        pushed_out
    }

    /// The windows that ended at least [`GRACE_MS`] before `wall_ms`.
    pub fn take_ended(&mut self, epoch: Epoch, wall_ms: i64) -> Vec<Folded> {
        self.take(epoch, |open| (open.window + 1) * SUMMARY_MS + GRACE_MS <= wall_ms)
    }

    pub fn take_all(&mut self, epoch: Epoch) -> Vec<Folded> {
        self.take(epoch, |_| true)
    }

    fn take(&mut self, epoch: Epoch, ended: impl Fn(&Open) -> bool) -> Vec<Folded> {
        let mut folded = Vec::new();
        for half in [&mut self.older, &mut self.newer] {
            for (lane, slot) in half.iter_mut().enumerate() {
                folded.extend(slot.take_if(|open| ended(open)).map(|open| open.close(lane, epoch)));
            }
        }
        folded
    }
}

impl Open {
    fn add(&mut self, round: &Round) {
        if self.rounds == 0 {
            self.first_mono_ms = round.stamp.mono_ms;
        }
        self.rounds += 1;
        self.last = round.stamp;
        let echoes = &round.echoes;
        self.sent += u32::from(echoes.sent);
        let rtts = &echoes.rtt_us[..usize::from(echoes.got)];
        self.rtts_us.extend_from_slice(rtts);
        for pair in rtts.windows(2) {
            self.steps.0 += u64::from(pair[0].abs_diff(pair[1]));
            self.steps.1 += 1;
        }
        let mut lost = echoes.lost;
        while lost != 0 {
            lost >>= lost.trailing_zeros();
            let run = lost.trailing_ones();
            self.bursts += 1;
            self.longest_burst = self.longest_burst.max(run);
            lost = lost.checked_shr(run).unwrap_or(0);
        }
        self.replaces.insert(round.seq, round.seq);
    }

    fn close(mut self, lane: usize, epoch: Epoch) -> Folded {
        self.rtts_us.sort_unstable();
        let rtts = &self.rtts_us;
        let nearest = |p: usize| rtts.get((rtts.len() * p).div_ceil(100).max(1) - 1).copied();
        let (mean_us, sd_us) = mean_and_sd(rtts);
        let summary = SummaryReading {
            of: LANE[lane].of,
            rounds: self.rounds,
            first_mono_ms: self.first_mono_ms,
            last_mono_ms: self.last.mono_ms,
            sent: self.sent,
            received: rtts.len() as u32,
            min_us: rtts.first().copied(),
            p10_us: nearest(10),
            p50_us: nearest(50),
            p90_us: nearest(90),
            p95_us: nearest(95),
            p99_us: nearest(99),
            max_us: rtts.last().copied(),
            mean_us,
            sd_us,
            jitter_us: self.steps.0.checked_div(self.steps.1).map(|us| us as u32),
            loss_bursts: self.bursts,
            longest_burst: self.longest_burst,
            sketch: Sketch::of(rtts.iter().copied()),
            replaces: Replaced { epoch, ranges: self.replaces },
        };
        Folded { lane, stamp: self.last, summary }
    }
}

/// Mean and sample standard deviation; at most some hundred values of seconds, so 64 bits hold every sum.
fn mean_and_sd(values: &[u32]) -> (Option<u32>, Option<u32>) {
    let n = values.len() as u64;
    if n == 0 {
        return (None, None);
    }
    let mean = values.iter().map(|v| u64::from(*v)).sum::<u64>() / n;
    let squares: f64 = values.iter().map(|v| (f64::from(*v) - mean as f64).powi(2)).sum();
    let sd = (n > 1).then(|| (squares / (n - 1) as f64).sqrt().round() as u32);
    (Some(mean as u32), sd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::ECHOES;

    #[test]
    fn a_summary_covers_its_window_alone_and_counts_bursts() {
        let (epoch, mut windows) = (Epoch(7), Windows::default());
        for (seq, wall_ms) in [(1, 299_000), (2, 299_999), (3, 300_000)] {
            let echoes = Echoes { sent: 10, got: 7, rtt_us: [1_000; ECHOES], lost: 0b1_0000_0110 };
            let stamp = Stamp { mono_ms: seq * 10, wall_ms, clock: Clock::default() };
            assert!(windows.add(epoch, &Round { lane: 1, seq, at_ms: wall_ms, stamp, echoes }).is_none());
        }
        assert!(windows.take_ended(epoch, 304_999).is_empty());
        let ended = windows.take_ended(epoch, 305_000);
        assert_eq!(ended.len(), 1);
        let summary = &ended[0].summary;
        assert_eq!((summary.rounds, summary.sent, summary.received), (2, 20, 14));
        assert_eq!((summary.loss_bursts, summary.longest_burst), (4, 2));
        assert_eq!((summary.first_mono_ms, summary.last_mono_ms), (10, 20));
        assert_eq!(summary.replaces.ranges, Ranges::of(1, 2));
        assert_eq!(windows.take_all(epoch)[0].summary.replaces.ranges, Ranges::of(3, 3));
    }
}
