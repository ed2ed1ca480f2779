//! The self-tests: with one guarantee taken away, the account must find samples lost. If it does not, the rounds prove
//! nothing and the command fails.
//!
//! In: a seed. Out: how many samples were lost. Refuses to know: the rounds' own figures. Limits: debug builds of agent
//! and collector only, which know `PHUSONG_SABOTAGE`.

use super::bench::{Bench, Setup};
use super::rounds::{Victim, kill_in_flight};
use super::week::{self, Plan};
use crate::harness::Policy;
use crate::harness::wait::{self, PATIENCE};
use crate::sim_disk::SyncMode;
use anyhow::{Result, ensure};
use std::time::Duration;

/// Nothing is expected to arrive any more.
const STUCK: Duration = Duration::from_secs(5);

/// fdatasync says Ok and does nothing; a day with five power cuts.
pub fn without_fdatasync(seed: u64, now_unix_ms: i64) -> Result<u64> {
    let plan = Plan { days: 1, cuts: 5, seed, sync: SyncMode::Lies };
    let mut week = week::live(plan, now_unix_ms)?;
    Ok(super::week_store::deliver(&mut week.probe, now_unix_ms)?.lost)
}

/// The agent takes a sent batch for an acknowledged one, on a line that loses a third.
pub fn without_waiting_for_the_ack(span: Duration, seed: u64) -> Result<u64> {
    let policy = Policy { drop_publish: 1.0 / 3.0, ..Policy::default() };
    let setup = Setup { name: "forget_on_send", seed, agent_sabotage: Some("forget-on-send"), ..Setup::default() };
    let mut bench = Bench::start(Setup { proxy: Some(policy), ..setup })?;
    wait::pass(span);
    Ok(bench.settle(STUCK)?.lost)
}

/// The collector acknowledges before it commits, and is killed right after an ack was seen.
pub fn without_commit_before_ack(kills: usize, seed: u64) -> Result<u64> {
    let name = "ack_before_commit";
    let setup = Setup { name, seed, collector_sabotage: Some("ack-before-commit"), ..Setup::default() };
    let mut bench = Bench::start(setup)?;
    for _ in 0..kills {
        let acks = bench.tap.acks();
        ensure!(bench.tap.wait_ack(acks, PATIENCE), "the collector acknowledged nothing for {PATIENCE:?}");
        bench.collector.service.kill9()?;
        bench.collector.restart()?;
    }
    Ok(bench.settle(STUCK)?.lost)
}

/// The agent takes a sent batch for an acknowledged one, and the broker is killed with batches in flight.
pub fn without_waiting_for_the_ack_of_a_killed_broker(kills: usize, seed: u64) -> Result<u64> {
    let name = "forget_on_send_kill";
    let setup = Setup { name, seed, agent_sabotage: Some("forget-on-send"), ..Setup::default() };
    let mut bench = Bench::start(setup)?;
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..kills {
        kill_in_flight(Victim::Broker, &mut bench, &mut random)?;
        wait::pass(Duration::from_millis(300));
        bench.lab.broker.restart()?;
    }
    Ok(bench.settle(STUCK)?.lost)
}
