//! Folds raw rounds into 5-minute summaries.
//!
//! In: successful rounds with their ids and stamps. Out: one [`SummaryReading`] per window, probe kind, target, uplink,
//! boot and epoch, that names exactly the rounds it stands for. Refuses to know: the spool, clocks (now is an
//! argument), failures (they are samples of their own). Limits: [`OPEN`] open windows, [`VALUES`] values and
//! `limits::RANGES` ranges in each; what does not fit closes a window early, it is never left out.

use phusong_protocol::{
    Attempt, BootId, Clock, Epoch, Outcome, Ranges, Reading, Replaced, Sample, SetupRef, Sketch, SummaryReading,
    Target, Uplink, limits,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Windows open at once: 64 targets on 8 uplinks, and as many still in their grace time.
pub const OPEN: usize = 1_024;
/// Round-trip times kept in one window for exact percentiles (64 KiB).
pub const VALUES: usize = 16_384;
/// A window stays open this long after its end for rounds that began in it.
pub const GRACE_MS: i64 = 5_000;

/// What shares one summary.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    window: i64,
    of: u8,
    target: String,
    interface: Option<String>,
    /// Another SIM in the same window is another network.
    sim_plmn: Option<String>,
    /// What was measured beside our own bandwidth test stands apart: it counts for nothing.
    self_load: bool,
    boot: Option<BootId>,
    epoch: Epoch,
}

/// The summary of one window, still open.
#[derive(Debug, Clone)]
struct Open {
    of: Attempt,
    fold: Fold,
    replaces: Ranges,
    /// Stamps of the last round: those of the summary.
    last: Stamps,
    setup: Option<Arc<SetupRef>>,
    target: Option<Arc<Target>>,
    uplink: Option<Arc<Uplink>>,
}

#[derive(Debug, Clone, Copy)]
struct Stamps {
    boot: Option<BootId>,
    mono_ms: Option<u64>,
    wall_ms: i64,
    clock: Clock,
}

/// All open summaries.
#[derive(Debug)]
pub struct Summaries {
    summary_ms: i64,
    open: BTreeMap<Key, Open>,
    closed: Vec<Sample>,
}

impl Summaries {
    pub fn new(summary_ms: u64) -> Self {
        Summaries { summary_ms: (summary_ms.max(1)) as i64, open: BTreeMap::new(), closed: Vec::new() }
    }

    /// Takes a raw round that is in the spool under `epoch` and its `seq`. Any other sample is none of its business.
    pub fn add(&mut self, epoch: Epoch, sample: &Sample) {
        let Some((of, round)) = Round::of(&sample.outcome) else { return };
        let stamps =
            Stamps { boot: sample.boot_id, mono_ms: sample.mono_ms, wall_ms: sample.wall_ms, clock: sample.clock };
        let key = Key {
            window: sample.wall_ms.div_euclid(self.summary_ms),
            of: of as u8,
            target: sample.target.as_ref().map(|t| t.name.clone()).unwrap_or_default(),
            interface: sample.uplink.as_ref().map(|u| u.interface.clone()),
            sim_plmn: sample.uplink.as_ref().and_then(|u| u.sim_plmn.clone()),
            self_load: sample.uplink.as_ref().is_some_and(|u| u.self_load == Some(true)),
            boot: sample.boot_id,
            epoch,
        };
        if let Some(open) = self.open.get(&key)
            && !open.has_room_for(sample.seq, round.rtts_us.len())
        {
            self.close(&key);
        }
        if self.open.len() >= OPEN && !self.open.contains_key(&key) {
            let oldest = self.open.keys().next().cloned();
            oldest.iter().for_each(|key| self.close(key));
        }
        let open = self.open.entry(key).or_insert_with(|| Open {
            of,
            fold: Fold::default(),
            replaces: Ranges::new(),
            last: stamps,
            setup: sample.setup.clone(),
            target: sample.target.clone(),
            uplink: sample.uplink.clone(),
        });
        open.fold.add(&round, sample.mono_ms.unwrap_or(0));
        open.replaces.insert(sample.seq, sample.seq);
        if stamps.mono_ms >= open.last.mono_ms {
            open.last = stamps;
            open.setup = sample.setup.clone();
            open.target = sample.target.clone();
            open.uplink = sample.uplink.clone();
        }
    }

    /// When the next window is to be closed, on the wall clock.
    pub fn next_close_ms(&self) -> Option<i64> {
        self.open.keys().next().map(|key| (key.window + 1) * self.summary_ms + self.grace_ms())
    }

    /// The summaries whose window has ended at `wall_ms`, or lies ahead of it because the clock was set back.
    pub fn take_ended(&mut self, wall_ms: i64) -> Vec<Sample> {
        let now = wall_ms.div_euclid(self.summary_ms);
        let grace = self.grace_ms();
        let ended = |key: &&Key| (key.window + 1) * self.summary_ms + grace <= wall_ms || key.window > now + 1;
        let keys: Vec<Key> = self.open.keys().filter(ended).cloned().collect();
        keys.iter().for_each(|key| self.close(key));
        std::mem::take(&mut self.closed)
    }

    /// Everything, at the end of the agent.
    pub fn take_all(&mut self) -> Vec<Sample> {
        let keys: Vec<Key> = self.open.keys().cloned().collect();
        keys.iter().for_each(|key| self.close(key));
        std::mem::take(&mut self.closed)
    }

    fn grace_ms(&self) -> i64 {
        GRACE_MS.min(self.summary_ms / 10)
    }

    fn close(&mut self, key: &Key) {
        let Some(open) = self.open.remove(key) else { return };
        self.closed.push(Sample {
            seq: 0,
            boot_id: open.last.boot,
            mono_ms: open.last.mono_ms,
            wall_ms: open.last.wall_ms,
            clock: open.last.clock,
            place: None,
            setup: open.setup,
            uplink: open.uplink,
            target: open.target,
            outcome: Outcome::Reading(Reading::Summary(
                open.fold.into_summary(open.of, Replaced { epoch: key.epoch, ranges: open.replaces }),
            )),
        });
    }
}

impl Open {
    fn has_room_for(&self, seq: u64, values: usize) -> bool {
        let next_to_it = self.replaces.last().is_some_and(|last| last.checked_add(1) == Some(seq));
        let ranges = self.replaces.parts() + usize::from(!next_to_it);
        ranges <= limits::RANGES && self.fold.rtts_us.len() + values <= VALUES
    }
}

/// What a summary needs of one successful round.
#[derive(Debug, Clone, PartialEq)]
pub struct Round<'a> {
    pub sent: u32,
    pub rtts_us: std::borrow::Cow<'a, [u32]>,
    /// Positions of lost echoes, ascending.
    pub lost: &'a [u16],
}

impl<'a> Round<'a> {
    fn of(outcome: &'a Outcome) -> Option<(Attempt, Round<'a>)> {
        let Outcome::Reading(reading) = outcome else { return None };
        let single = |us: u32| Round { sent: 1, rtts_us: vec![us].into(), lost: &[] };
        match reading {
            Reading::Latency(r) => {
                let round = Round { sent: r.sent.into(), rtts_us: r.rtt_us.as_slice().into(), lost: &r.lost };
                Some((Attempt::Latency, round))
            }
            Reading::Tcp(r) => Some((Attempt::Tcp, single(r.connect_us))),
            Reading::Dns(r) => Some((Attempt::Dns, single(r.query_us))),
            Reading::Http(r) => Some((Attempt::Http, single(r.total_us))),
            _ => None,
        }
    }
}

/// The running sums of one window. Integers throughout: the result is the same in any order of rounds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fold {
    rounds: u32,
    mono_ms: Option<(u64, u64)>,
    sent: u32,
    rtts_us: Vec<u32>,
    /// Sum and number of absolute differences of neighbours in one round.
    steps_us: u64,
    steps: u64,
    bursts: u32,
    longest_burst: u32,
}

impl Fold {
    pub fn add(&mut self, round: &Round<'_>, mono_ms: u64) {
        self.rounds += 1;
        let (first, last) = self.mono_ms.unwrap_or((mono_ms, mono_ms));
        self.mono_ms = Some((first.min(mono_ms), last.max(mono_ms)));
        self.sent = self.sent.saturating_add(round.sent);
        self.rtts_us.extend_from_slice(&round.rtts_us);
        for pair in round.rtts_us.windows(2) {
            self.steps_us += u64::from(pair[0].abs_diff(pair[1]));
            self.steps += 1;
        }
        let mut run = 0;
        for (i, position) in round.lost.iter().enumerate() {
            let continues = i > 0 && round.lost[i - 1].checked_add(1) == Some(*position);
            run = if continues { run + 1 } else { 1 };
            self.bursts += u32::from(!continues);
            self.longest_burst = self.longest_burst.max(run);
        }
    }

    /// The fold of both sets of rounds.
    pub fn merge(&mut self, other: &Fold) {
        self.rounds += other.rounds;
        self.mono_ms = match (self.mono_ms, other.mono_ms) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (one, other) => one.or(other),
        };
        self.sent = self.sent.saturating_add(other.sent);
        self.rtts_us.extend_from_slice(&other.rtts_us);
        self.steps_us += other.steps_us;
        self.steps += other.steps;
        self.bursts += other.bursts;
        self.longest_burst = self.longest_burst.max(other.longest_burst);
    }

    pub fn into_summary(mut self, of: Attempt, replaces: Replaced) -> SummaryReading {
        self.rtts_us.sort_unstable();
        let rtts = &self.rtts_us;
        let (first_mono_ms, last_mono_ms) = self.mono_ms.unwrap_or((0, 0));
        let (mean_us, sd_us) = mean_and_sd(rtts);
        SummaryReading {
            of,
            rounds: self.rounds,
            first_mono_ms,
            last_mono_ms,
            sent: self.sent,
            received: rtts.len() as u32,
            min_us: rtts.first().copied(),
            p10_us: percentile(rtts, 10),
            p50_us: percentile(rtts, 50),
            p90_us: percentile(rtts, 90),
            p95_us: percentile(rtts, 95),
            p99_us: percentile(rtts, 99),
            max_us: rtts.last().copied(),
            mean_us,
            sd_us,
            jitter_us: self.steps_us.checked_div(self.steps).map(saturated),
            loss_bursts: self.bursts,
            longest_burst: self.longest_burst,
            sketch: Sketch::of(rtts.iter().copied()),
            replaces,
        }
    }
}

/// The value at rank `ceil(p/100 * n)` (nearest rank): always one that was measured.
fn percentile(sorted: &[u32], p: usize) -> Option<u32> {
    let rank = (sorted.len() * p).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// Mean and sample standard deviation (n - 1); the latter from two values on.
fn mean_and_sd(values: &[u32]) -> (Option<u32>, Option<u32>) {
    let n = values.len() as u128;
    if n == 0 {
        return (None, None);
    }
    let sum: u128 = values.iter().map(|v| u128::from(*v)).sum();
    let squares: u128 = values.iter().map(|v| u128::from(*v) * u128::from(*v)).sum();
    // n * sum of squares - (sum)^2 is exact and never negative.
    let spread = n * squares - sum * sum;
    let sd = (n > 1).then(|| (spread as f64 / (n * (n - 1)) as f64).sqrt().round() as u32);
    (Some(saturated((sum / n) as u64)), sd)
}

fn saturated(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
