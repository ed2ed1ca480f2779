//! The rounds: each breaks one thing on real processes, puts it right, and accounts for every witnessed sample.
//!
//! In: a seed and how often. Out: a [`Round`]. Refuses to know: how the account is made. Limits: every wait has a
//! deadline; a round that cannot land its fault is an error, not a pass.

use super::account::Account;
use super::bench::{Bench, Setup};
use crate::harness::wait::{self, PATIENCE};
use crate::harness::{self, Bound, Policy};
use anyhow::{Result, ensure};
use phusong_protocol::{Outcome, Reading, Sample};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long nothing may move before what is missing counts as lost: far above the slowest retry of the bench.
const STUCK: Duration = Duration::from_secs(25);
/// How long the collector may take to find every hole explained.
const DETECTORS: Duration = Duration::from_secs(10);
/// A kill lands at a random instant of this span, as soon as something is in flight then.
const KILL_WITHIN_MS: u64 = 2_500;
/// What was killed is away for up to this long.
const AWAY_MS: u64 = 400;
/// How soon what the agent freed is taken again.
const REFILL: Duration = Duration::from_millis(50);
/// Kills that found nothing in flight any more, for each that did.
const MISSES: usize = 20;

/// What one round came to.
pub struct Round {
    pub name: &'static str,
    pub account: Account,
    /// Whether its fault may make the spool drop.
    pub drops: bool,
    /// Further figures, each under `<name>_<figure>`.
    pub figures: Vec<(&'static str, f64, Bound)>,
}

impl Round {
    pub fn new(name: &'static str, account: Account) -> Self {
        Round { name, account, drops: false, figures: Vec::new() }
    }

    pub fn with(mut self, figure: &'static str, value: f64, bound: Bound) -> Self {
        self.figures.push((figure, value, bound));
        self
    }
}

/// Settles, and asks the collector what it thinks: its own detectors must have nothing to say.
fn settled(name: &'static str, bench: &mut Bench) -> Result<Round> {
    let account = bench.settle(STUCK)?;
    // What was given a seq and never became durable is said by the start after it; a moment later than the rest.
    let quiet = wait::until_true("the collector misses nothing", DETECTORS, || bench.missing().is_ok_and(|n| n == 0.0));
    let missing = if quiet.is_ok() { 0.0 } else { bench.missing()? };
    let suspected = bench.collector.metric("phusong_probe_clone_suspected", &[])?;
    Ok(Round::new(name, account).with("collector_misses", missing, Bound::Exactly(0.0)).with(
        "clone_suspected",
        suspected,
        Bound::Exactly(0.0),
    ))
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Agent,
    Collector,
    Broker,
}

impl Victim {
    fn round(self) -> &'static str {
        match self {
            Victim::Agent => "agent_kill",
            Victim::Collector => "collector_kill",
            Victim::Broker => "mosquitto_kill",
        }
    }

    fn kill(self, bench: &mut Bench) -> Result<()> {
        match self {
            Victim::Agent => bench.agent.service.kill9(),
            Victim::Collector => bench.collector.service.kill9(),
            Victim::Broker => bench.lab.broker.kill9(),
        }
    }

    fn restart(self, bench: &mut Bench) -> Result<()> {
        let known = bench.tap.connections();
        match self {
            Victim::Agent => bench.agent.restart()?,
            Victim::Collector => return bench.collector.restart(),
            Victim::Broker => bench.lab.broker.restart()?,
        }
        ensure!(
            bench.tap.wait_connection(known, PATIENCE),
            "the agent did not connect again after {self:?} was killed"
        );
        Ok(())
    }
}

/// `kill -9`, again and again, each while batches are in flight.
pub fn kills(victim: Victim, kills: usize, seed: u64) -> Result<Round> {
    let mut bench = Bench::start(Setup { name: victim.round(), seed, ..Setup::default() })?;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut landed, mut samples, mut misses) = (0, 0, 0);
    while landed < kills {
        if victim == Victim::Agent && random.u8(0..4) == 0 {
            // Once more while it was still coming up.
            misses += 1;
            victim.kill(&mut bench)?;
            bench.agent.restart()?;
            wait::pass(Duration::from_millis(random.u64(0..AWAY_MS)));
            victim.kill(&mut bench)?;
            victim.restart(&mut bench)?;
        }
        let in_flight = kill_in_flight(victim, &mut bench, &mut random)?;
        landed += usize::from(in_flight > 0);
        misses += usize::from(in_flight == 0);
        samples += in_flight;
        ensure!(misses <= kills * MISSES, "{misses} kills of {victim:?} found nothing in flight");
        wait::pass(Duration::from_millis(random.u64(0..AWAY_MS)));
        victim.restart(&mut bench)?;
    }
    Ok(settled(victim.round(), &mut bench)?
        .with("kills", kills as f64, Bound::Free)
        .with("in_flight", landed as f64, Bound::Exactly(kills as f64))
        .with("in_flight_samples", samples as f64, Bound::AtLeast(kills as f64))
        .with("kills_beside", misses as f64, Bound::Free))
}

/// Everything at once: a line that loses a fifth, and whoever's turn it is gets killed, for the whole span.
pub fn chaos(span: Duration, seed: u64) -> Result<Round> {
    let fifth = 0.2;
    let policy = Policy { drop_publish: fifth, drop_puback: fifth, drop_ack: fifth, ..Policy::default() };
    let mut bench = Bench::start(Setup { name: "chaos", seed, proxy: Some(policy), ..Setup::default() })?;
    let mut random = fastrand::Rng::with_seed(seed);
    let end = Instant::now() + span;
    let mut kills = 0;
    while Instant::now() < end {
        let victims = [Victim::Agent, Victim::Collector, Victim::Broker];
        let victim = victims[random.usize(..victims.len())];
        wait::pass(Duration::from_millis(random.u64(0..AWAY_MS)));
        victim.kill(&mut bench)?;
        wait::pass(Duration::from_millis(random.u64(0..AWAY_MS)));
        victim.restart(&mut bench)?;
        kills += 1;
    }
    Ok(settled("chaos", &mut bench)?.with("kills", f64::from(kills), Bound::AtLeast(1.0)))
}

/// Kills at a random instant while something is in flight; how many samples still were when the victim was dead.
pub fn kill_in_flight(victim: Victim, bench: &mut Bench, random: &mut fastrand::Rng) -> Result<u64> {
    wait::pass(Duration::from_millis(random.u64(0..KILL_WITHIN_MS)));
    let before = bench.tap.wait_in_flight(PATIENCE);
    ensure!(before > 0, "nothing went into flight for {PATIENCE:?}");
    victim.kill(bench)?;
    // An ack that was handed over between the look and the kill settles what it names.
    Ok(bench.tap.in_flight().min(before))
}

/// A tiny spool while the broker is away: it drops, says so, and loses nothing unsaid.
pub fn full_spool(drops: usize, seed: u64) -> Result<Round> {
    let setup = Setup { name: "full_spool", seed, spool: Some((64 * 1024, 8 * 1024)), ..Setup::default() };
    let mut bench = Bench::start(setup)?;
    bench.lab.broker.kill9()?;
    let enough = |bench: &mut Bench| bench.update_witness().is_ok() && confessions(bench) >= drops;
    wait::until_true("the spool is full and drops", 2 * PATIENCE, || enough(&mut bench))?;
    bench.lab.broker.restart()?;
    let mut round = settled("full_spool", &mut bench)?;
    round.drops = true;
    let dropped = round.account.dropped_by_policy;
    Ok(round.with("dropped_at_all", dropped as f64, Bound::AtLeast(1.0)))
}

/// `drop` samples that became durable.
fn confessions(bench: &Bench) -> usize {
    let is_drop = |record: &[u8]| {
        Sample::from_record(record).is_ok_and(|sample| matches!(sample.outcome, Outcome::Reading(Reading::Drop(_))))
    };
    bench.witness.created.values().filter(|witnessed| is_drop(&witnessed.record)).count()
}

/// The agent's disk is filled by somebody else, who also takes every byte that the agent frees, and has room again.
/// A full disk is a full spool: the same policy drops, and says so.
pub fn full_agent_disk(span: Duration, seed: u64) -> Result<Round> {
    let setup = Setup { name: "full_spool_by_disk", seed, agent_disk_kib: Some(1024), ..Setup::default() };
    let mut bench = Bench::start(setup)?;
    let ballast = bench.agent.config.data_dir.join("ballast");
    let mut left = fill(&ballast)?;
    let mut taken = 0;
    let end = Instant::now() + span;
    while Instant::now() < end {
        wait::pass(REFILL);
        taken += usize::from(left > 0);
        left = fill(&ballast)?;
    }
    ensure!(bench.agent.service.runs(), "the agent ended on a full disk:\n{}", bench.agent.service.log_text());
    std::fs::remove_file(&ballast)?;
    let acks = bench.tap.acks();
    ensure!(bench.tap.wait_ack(acks, PATIENCE), "nothing was acknowledged after the agent's disk had room again");
    let mut round = settled("full_spool_by_disk", &mut bench)?;
    round.drops = true;
    Ok(round.with("filled_again", taken as f64, Bound::Free))
}

/// The collector's disk fills up, it stops acknowledging and says it is not ready; with room again it recovers.
pub fn full_collector_disk(span: Duration, seed: u64) -> Result<Round> {
    let setup = Setup { name: "full_collector_disk", seed, collector_disk_kib: Some(8 * 1024), ..Setup::default() };
    let mut bench = Bench::start(setup)?;
    let ballast = bench.collector.config.data_dir.join("ballast");
    fill(&ballast)?;
    let left = bench.disk.as_ref().map(|disk| disk.free()).transpose()?.unwrap_or(u64::MAX);
    let port = bench.collector.config.http_port;
    let ready = || harness::get(port, "/readyz").is_ok_and(|(status, _)| status == 200);
    wait::until_true("/readyz says that the store takes nothing", PATIENCE, || !ready())?;
    wait::pass(span);
    ensure!(bench.collector.service.runs(), "the collector ended:\n{}", bench.collector.service.log_text());
    bench.disk.as_ref().map(|disk| disk.resize(64 * 1024)).transpose()?;
    wait::until_true("/readyz says yes again without a restart", PATIENCE, ready)?;
    Ok(settled("full_collector_disk", &mut bench)?.with("free_bytes", left as f64, Bound::AtMost(4096.0)))
}

/// Adds to the file until the disk is full; how many bytes that took.
fn fill(ballast: &Path) -> Result<u64> {
    let mut file = File::options().create(true).append(true).open(ballast)?;
    let before = file.metadata()?.len();
    let page = [0x5a; 4096];
    while file.write_all(&page).is_ok() {}
    Ok(file.metadata()?.len() - before)
}

/// A line that loses a third of everything, in both directions, also while the spool is drained. It lasts until so many
/// batches and acks were lost.
pub fn lossy_line(losses: u64, seed: u64) -> Result<Round> {
    let third = 1.0 / 3.0;
    let policy = Policy { drop_publish: third, drop_puback: third, drop_ack: third, ..Policy::default() };
    let mut bench = Bench::start(Setup { name: "lossy_line", seed, proxy: Some(policy), ..Setup::default() })?;
    let lost = |bench: &Bench| bench.proxy.as_ref().map(|p| p.counts()).unwrap_or_default();
    wait::until_true("the line loses batches and acks", 4 * PATIENCE, || {
        let counts = lost(&bench);
        counts.dropped_publishes >= losses && counts.dropped_acks >= losses
    })?;
    let round = settled("lossy_line", &mut bench)?;
    let counts = lost(&bench);
    let share = |dropped: u64, all: u64| dropped as f64 / (all.max(1)) as f64;
    Ok(round
        .with("publishes_dropped", counts.dropped_publishes as f64, Bound::AtLeast(losses as f64))
        .with("acks_dropped", counts.dropped_acks as f64, Bound::AtLeast(losses as f64))
        .with("publishes_dropped_share", share(counts.dropped_publishes, counts.publishes), Bound::Free)
        .with("acks_dropped_share", share(counts.dropped_acks, counts.acks), Bound::Free))
}

/// A broker that says yes to every batch and forgets it, until it comes to its senses.
pub fn forgetting_broker(span: Duration, seed: u64) -> Result<Round> {
    let policy = Policy { forget: true, ..Policy::default() };
    let mut bench = Bench::start(Setup { name: "forgetting_broker", seed, proxy: Some(policy), ..Setup::default() })?;
    wait::pass(span);
    let forgotten = bench.proxy.as_ref().map_or(0, |proxy| proxy.counts().forgotten_publishes);
    if let Some(proxy) = &bench.proxy {
        proxy.set(Policy::default());
    }
    Ok(settled("forgetting_broker", &mut bench)?.with("batches_forgotten", forgotten as f64, Bound::AtLeast(1.0)))
}
