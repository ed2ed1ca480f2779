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
use std::time::Duration;

/// How long nothing may move before what is missing counts as lost: far above the slowest retry of the bench.
const STUCK: Duration = Duration::from_secs(25);
/// A kill lands at a random instant within this time of something being in flight.
const KILL_WITHIN_MS: u64 = 150;
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
        let in_flight = kill_in_flight(victim, &mut bench, &mut random)?;
        landed += usize::from(in_flight > 0);
        misses += usize::from(in_flight == 0);
        samples += in_flight;
        ensure!(misses <= kills * MISSES, "{misses} kills of {victim:?} found nothing in flight");
        // A device or machine is away for a while.
        wait::pass(Duration::from_millis(random.u64(0..KILL_WITHIN_MS)));
        victim.restart(&mut bench)?;
    }
    let account = bench.settle(STUCK)?;
    Ok(Round::new(victim.round(), account)
        .with("kills", kills as f64, Bound::Free)
        .with("in_flight", landed as f64, Bound::Exactly(kills as f64))
        .with("in_flight_samples", samples as f64, Bound::AtLeast(kills as f64))
        .with("kills_beside", misses as f64, Bound::Free))
}

/// Kills at a random instant while something is in flight; how many samples still were when the victim was dead.
pub fn kill_in_flight(victim: Victim, bench: &mut Bench, random: &mut fastrand::Rng) -> Result<u64> {
    ensure!(bench.tap.wait_in_flight(PATIENCE) > 0, "nothing went into flight for {PATIENCE:?}");
    wait::pass(Duration::from_millis(random.u64(0..KILL_WITHIN_MS)));
    let before = bench.tap.wait_in_flight(PATIENCE);
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
    let account = bench.settle(STUCK)?;
    let dropped = account.dropped_by_policy;
    let mut round = Round::new("full_spool", account);
    round.drops = true;
    Ok(round.with("dropped_at_all", dropped as f64, Bound::AtLeast(1.0)))
}

/// `drop` samples that became durable.
fn confessions(bench: &Bench) -> usize {
    let is_drop = |record: &[u8]| {
        Sample::from_record(record).is_ok_and(|sample| matches!(sample.outcome, Outcome::Reading(Reading::Drop(_))))
    };
    bench.witness.created.values().filter(|witnessed| is_drop(&witnessed.record)).count()
}

/// The agent's disk fills up under it, stays full, and has room again.
pub fn full_agent_disk(span: Duration, seed: u64) -> Result<Round> {
    let setup = Setup { name: "full_agent_disk", seed, agent_disk_kib: Some(1024), ..Setup::default() };
    let mut bench = Bench::start(setup)?;
    let ballast = bench.agent.config.data_dir.join("ballast");
    let left = fill(&ballast)?;
    wait::pass(span);
    ensure!(bench.agent.service.runs(), "the agent ended on a full disk:\n{}", bench.agent.service.log_text());
    std::fs::remove_file(&ballast)?;
    let acks = bench.tap.acks();
    ensure!(bench.tap.wait_ack(acks, PATIENCE), "nothing was acknowledged after the agent's disk had room again");
    let account = bench.settle(STUCK)?;
    Ok(Round::new("full_agent_disk", account).with("free_bytes", left as f64, Bound::AtMost(4096.0)))
}

/// The collector's disk fills up, it stops acknowledging and says it is not ready; with room again it recovers.
pub fn full_collector_disk(span: Duration, seed: u64) -> Result<Round> {
    let setup = Setup { name: "full_collector_disk", seed, collector_disk_kib: Some(8 * 1024), ..Setup::default() };
    let mut bench = Bench::start(setup)?;
    let ballast = bench.collector.config.data_dir.join("ballast");
    let left = fill(&ballast)?;
    let port = bench.collector.config.http_port;
    let ready = || harness::get(port, "/readyz").is_ok_and(|(status, _)| status == 200);
    wait::until_true("/readyz says that the store takes nothing", PATIENCE, || !ready())?;
    wait::pass(span);
    ensure!(bench.collector.service.runs(), "the collector ended:\n{}", bench.collector.service.log_text());
    let grown = bench.disk.as_ref().map(|disk| disk.resize(64 * 1024)).transpose();
    grown?;
    wait::until_true("/readyz says yes again without a restart", PATIENCE, ready)?;
    let account = bench.settle(STUCK)?;
    Ok(Round::new("full_collector_disk", account).with("free_bytes", left as f64, Bound::AtMost(4096.0)))
}

/// Writes until the disk is full; how many bytes are still free.
fn fill(ballast: &std::path::Path) -> Result<u64> {
    use std::io::Write;
    let mut file = std::fs::File::create(ballast)?;
    let page = [0x5a; 4096];
    while file.write_all(&page).is_ok() {}
    let stat = rustix::fs::statvfs(ballast)?;
    Ok(stat.f_bavail * stat.f_frsize)
}

/// A line that loses a third of everything, in both directions, also while the spool is drained.
pub fn lossy_line(span: Duration, seed: u64) -> Result<Round> {
    let third = 1.0 / 3.0;
    let policy = Policy { drop_publish: third, drop_puback: third, drop_ack: third, ..Policy::default() };
    let mut bench = Bench::start(Setup { name: "lossy_line", seed, proxy: Some(policy), ..Setup::default() })?;
    wait::pass(span);
    let account = bench.settle(STUCK)?;
    let counts = bench.proxy.as_ref().map(|proxy| proxy.counts()).unwrap_or_default();
    let share = |dropped: u64, all: u64| dropped as f64 / (all.max(1)) as f64;
    Ok(Round::new("lossy_line", account)
        .with("publishes_dropped_share", share(counts.dropped_publishes, counts.publishes), Bound::AtLeast(0.1))
        .with("acks_dropped_share", share(counts.dropped_acks, counts.acks), Bound::AtLeast(0.1))
        .with("publishes_dropped", counts.dropped_publishes as f64, Bound::AtLeast(1.0))
        .with("acks_dropped", counts.dropped_acks as f64, Bound::AtLeast(1.0)))
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
    let account = bench.settle(STUCK)?;
    Ok(Round::new("forgetting_broker", account).with("batches_forgotten", forgotten as f64, Bound::AtLeast(1.0)))
}
