//! A week offline with power cuts, in virtual time: the agent's spool, schedule and summaries on a simulated disk.
//!
//! In: a seed, days, cuts. Out: a probe whose spool holds what survived, ready to hand its batches over, and how the
//! cuts fell. Refuses to know: the collector; whoever calls delivers. Limits: one uplink, four targets, a round a minute.

use super::sim_probe::SimProbe;
use crate::sim_disk::{SimDisk, SyncMode};
use anyhow::{Result, ensure};
use phusong_agent::schedule::Schedule;
use phusong_agent::spool::SpoolConfig;
use phusong_protocol::{Attempt, Failure, FailureKind, LatencyReading, Outcome, Reading, Tag, Target, TcpReading};
use std::sync::Arc;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 86_400_000;
const SUMMARY_MS: u64 = 300_000;
const HEALTH_MS: i64 = 300_000;
const HOUSEKEEPING_MS: i64 = 3_600_000;
/// Longest time without power.
const DARK_MS: i64 = 20 * MINUTE_MS;
/// A cut lands within this many changes of the disk after its instant, so that some fall into the middle of a write.
const FUSE_CHANGES: u64 = 24;

/// What a week is like.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub days: i64,
    pub cuts: usize,
    pub seed: u64,
    pub sync: SyncMode,
}

/// What came of it.
pub struct Week {
    pub probe: SimProbe,
    pub rounds: u64,
    pub failures: u64,
    /// Power cuts, and how many of them fell into the middle of a change of the disk.
    pub cuts: usize,
    pub cuts_in_a_write: usize,
}

struct Simulation {
    random: fastrand::Rng,
    now_ms: i64,
    end_ms: i64,
    /// Instants of the cuts, the next one last.
    cut_at_ms: Vec<i64>,
    outages_ms: Vec<(i64, i64)>,
    targets: Vec<(Arc<Target>, Attempt)>,
    week: Week,
}

/// Lives through the plan up to the present moment; afterwards the agent runs, with everything folded and durable.
pub fn live(plan: Plan, now_unix_ms: i64) -> Result<Week> {
    let mut random = fastrand::Rng::with_seed(plan.seed);
    let begin_ms = now_unix_ms - plan.days * DAY_MS;
    let disk = SimDisk::new();
    disk.set_sync(plan.sync);
    let probe = SimProbe::new(disk, SpoolConfig::default(), SUMMARY_MS, random.u64(..));
    // The device is dark for a while after each: the last one still lands before the end.
    let last_ms = now_unix_ms - (plan.cuts as i64 + 1) * DARK_MS;
    let mut cut_at_ms: Vec<i64> = (0..plan.cuts).map(|_| random.i64(begin_ms..last_ms)).collect();
    cut_at_ms.sort_unstable_by(|a, b| b.cmp(a));
    let outage = |random: &mut fastrand::Rng| {
        let from = random.i64(begin_ms..now_unix_ms);
        (from, from + random.i64(5 * MINUTE_MS..180 * MINUTE_MS))
    };
    let outages_ms = (0..2 * plan.days).map(|_| outage(&mut random)).collect();
    let week = Week { probe, rounds: 0, failures: 0, cuts: 0, cuts_in_a_write: 0 };
    let targets = targets();
    let mut simulation =
        Simulation { random, now_ms: begin_ms, end_ms: now_unix_ms, cut_at_ms, outages_ms, targets, week };
    while simulation.now_ms < simulation.end_ms {
        simulation.one_boot()?;
    }
    simulation.finish()
}

fn targets() -> Vec<(Arc<Target>, Attempt)> {
    let target = |name: &str, tag, of| {
        (Arc::new(Target { name: name.into(), host: format!("{name}.example"), address: None, tags: vec![tag] }), of)
    };
    vec![
        target("gateway", Tag::Gateway, Attempt::Latency),
        target("resolver", Tag::Domestic, Attempt::Latency),
        target("abroad", Tag::Foreign, Attempt::Latency),
        target("portal", Tag::PublicService, Attempt::Tcp),
    ]
}

impl Simulation {
    /// From a boot to the next power cut, or to the end.
    fn one_boot(&mut self) -> Result<()> {
        self.start()?;
        let mut schedule = Schedule::new(&[MINUTE_MS as u64; 4], 0.1, self.random.u64(..), self.now_ms as u64);
        let (mut health_ms, mut housekeep_ms) = (self.now_ms + HEALTH_MS, self.now_ms + HOUSEKEEPING_MS);
        let mut armed = false;
        while self.week.probe.runs() && self.now_ms < self.end_ms {
            let next = [schedule.next_ms().map(|ms| ms as i64), self.week.probe.next_tick_ms()];
            let next = next.into_iter().flatten().chain([health_ms, housekeep_ms]).min().unwrap_or(self.end_ms);
            self.now_ms = next.max(self.now_ms).min(self.end_ms);
            if !armed && self.cut_at_ms.last().is_some_and(|at| *at <= self.now_ms) {
                self.week.probe.disk.arm(self.random.u64(0..FUSE_CHANGES));
                armed = true;
            }
            for due in schedule.take_due(self.now_ms as u64) {
                self.round(due.lane);
            }
            if health_ms <= self.now_ms {
                health_ms += HEALTH_MS;
                self.week.probe.health(self.now_ms);
            }
            if housekeep_ms <= self.now_ms {
                housekeep_ms += HOUSEKEEPING_MS;
                self.week.probe.housekeep(self.now_ms);
            }
            self.week.probe.tick(self.now_ms);
        }
        if armed {
            self.cut_at_ms.pop();
            self.cut();
        }
        Ok(())
    }

    /// Boots; now and then the power goes again while the spool is opened or orphans are folded.
    fn start(&mut self) -> Result<()> {
        loop {
            let goes_again = self.week.cuts > 0 && self.cut_at_ms.len() > 1 && self.random.u8(0..4) == 0;
            if goes_again {
                self.cut_at_ms.pop();
                self.week.probe.disk.arm(self.random.u64(0..FUSE_CHANGES));
            }
            let runs = self.week.probe.start(self.now_ms)?;
            if !goes_again {
                ensure!(runs, "the spool did not open although the power was there");
                return Ok(());
            }
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.week.cuts += 1;
        self.week.cuts_in_a_write += usize::from(self.week.probe.disk.is_dark());
        self.week.probe.power_cut();
        self.now_ms += self.random.i64(0..DARK_MS);
    }

    fn round(&mut self, lane: usize) {
        let (target, of) = self.targets[lane].clone();
        let (from_to, now) = (&self.outages_ms, self.now_ms);
        let is_out = from_to.iter().any(|(from, to)| (*from..*to).contains(&now)) && of != Attempt::Tcp;
        let outcome = if is_out || self.random.u8(0..100) < 2 { self.failure(of) } else { self.reading(of) };
        self.week.failures += u64::from(matches!(outcome, Outcome::Failure(_)));
        self.week.rounds += 1;
        self.week.probe.measured(self.now_ms, &target, outcome);
    }

    fn failure(&mut self, of: Attempt) -> Outcome {
        let kind = if of == Attempt::Tcp { FailureKind::Refused } else { FailureKind::Timeout };
        let elapsed_us = Some(self.random.u32(1_000..3_000_000));
        Outcome::Failure(Failure { of, kind, detail: None, sent: Some(10), elapsed_us })
    }

    fn reading(&mut self, of: Attempt) -> Outcome {
        let mut rtt_us = || self.random.u32(8_000..90_000);
        Outcome::Reading(match of {
            Attempt::Tcp => Reading::Tcp(TcpReading { connect_us: rtt_us() }),
            _ => {
                Reading::Latency(LatencyReading { sent: 10, rtt_us: (0..9).map(|_| rtt_us()).collect(), lost: vec![4] })
            }
        })
    }

    /// Ends in order and starts once more, so that every raw round has its summary.
    fn finish(mut self) -> Result<Week> {
        self.week.probe.stop();
        ensure!(self.week.probe.start(self.end_ms)?, "the last start has power");
        self.week.probe.flush();
        Ok(self.week)
    }
}
