//! `make faults`: all rounds and self-tests, two at a time, and the report.
//!
//! In: full or short, a seed, names of rounds where only some are wanted. Out: progress on stderr, figures in the
//! report. Refuses to know: what a round does. Limits: a round that fails to run is a missing figure, never a pass.

use super::account::Account;
use super::rounds::{self, Round, Victim};
use super::small_disk::SmallDisk;
use super::{self_tests, week_store};
use crate::harness::{Bound, Report};
use anyhow::Result;
use std::collections::VecDeque;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rounds wait more than they compute; the machine may have two cores.
const AT_ONCE: usize = 2;

/// When the simulated week ends: fixed, so that a seed gives the same week again.
pub const NOW_MS: i64 = 1_795_000_000_000;

/// How much of everything.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub short: bool,
    pub seed: u64,
}

type Job = (&'static str, Box<dyn FnOnce() -> Result<Found> + Send>);

enum Found {
    Round(Box<Round>),
    /// Samples lost in a self-test, which must be some.
    Lost(u64),
}

/// Runs what `only` names, or everything.
pub fn run(extent: Extent, only: &[String]) -> ExitCode {
    let began = Instant::now();
    let mut report = Report::new(if extent.short { "faults-short" } else { "faults" }, extent.seed);
    let mut jobs = jobs(extent);
    jobs.retain(|(name, _)| only.is_empty() || only.iter().any(|wanted| name.contains(wanted.as_str())));
    if !SmallDisk::is_possible() {
        jobs.retain(|(name, _)| !name.ends_with("_disk"));
        report.skip("full disks on both sides: mounting a tmpfs needs root");
    }
    let order: Vec<&'static str> = jobs.iter().map(|(name, _)| *name).collect();
    let mut results = work(jobs);
    let mut total = Account::default();
    let mut rounds = 0;
    for name in order {
        let found = results.iter().position(|(done, _)| *done == name).map(|at| results.swap_remove(at).1);
        match found {
            Some(Ok(Found::Round(round))) => {
                rounds += 1;
                total += &round.account;
                add(&mut report, &round);
            }
            Some(Ok(Found::Lost(lost))) => {
                report.figure(&format!("selftest_{name}_lost"), lost as f64, Bound::AtLeast(1.0))
            }
            Some(Err(e)) => report.missing(name, Bound::Exactly(0.0), &format!("{e:#}")),
            None => report.missing(name, Bound::Exactly(0.0), "the round panicked"),
        }
    }
    columns(&mut report, "", &total, Bound::Free, Bound::Free);
    let sum = total.stored + total.replaced + total.dropped_by_policy + total.dead_lettered + total.lost;
    report.figure("unaccounted", total.created.abs_diff(sum) as f64, Bound::Exactly(0.0));
    report.figure("seconds", began.elapsed().as_secs_f64(), Bound::Free);
    report.n(rounds);
    report.finish()
}

fn jobs(extent: Extent) -> Vec<Job> {
    let Extent { short, seed } = extent;
    let many = move |full: usize, few: usize| if short { few } else { full };
    let span = move |full: u64, few: u64| Duration::from_secs(if short { few } else { full });
    let (days, cuts) = if short { (1, 5) } else { (7, 20) };
    vec![
        ("agent_kill", round(move || rounds::kills(Victim::Agent, many(20, 3), seed))),
        ("collector_kill", round(move || rounds::kills(Victim::Collector, many(20, 3), seed + 1))),
        ("mosquitto_kill", round(move || rounds::kills(Victim::Broker, many(10, 2), seed + 2))),
        ("lossy_line", round(move || rounds::lossy_line(many(12, 2) as u64, seed + 3))),
        ("week_offline", round(move || week_store::round(days, cuts, seed + 4, NOW_MS))),
        ("without_fdatasync", lost(move || self_tests::without_fdatasync(seed + 5, NOW_MS))),
        ("forget_on_send", lost(move || self_tests::without_waiting_for_the_ack(span(8, 2), seed + 6))),
        ("full_spool", round(move || rounds::full_spool(many(12, 2), seed + 7))),
        ("full_spool_by_disk", round(move || rounds::full_agent_disk(span(15, 3), seed + 8))),
        ("full_collector_disk", round(move || rounds::full_collector_disk(span(15, 2), seed + 9))),
        ("forgetting_broker", round(move || rounds::forgetting_broker(span(20, 2), seed + 10))),
        ("chaos", round(move || rounds::chaos(span(40, 4), seed + 13))),
        ("ack_before_commit", lost(move || self_tests::without_commit_before_ack(many(10, 3), seed + 11))),
        (
            "forget_on_send_broker_kill",
            lost(move || self_tests::without_waiting_for_the_ack_of_a_killed_broker(many(4, 2), seed + 12)),
        ),
    ]
}

fn round(job: impl FnOnce() -> Result<Round> + Send + 'static) -> Box<dyn FnOnce() -> Result<Found> + Send> {
    Box::new(move || job().map(|round| Found::Round(Box::new(round))))
}

fn lost(job: impl FnOnce() -> Result<u64> + Send + 'static) -> Box<dyn FnOnce() -> Result<Found> + Send> {
    Box::new(move || job().map(Found::Lost))
}

/// A few threads take one job after the other.
fn work(jobs: Vec<Job>) -> Vec<(&'static str, Result<Found>)> {
    let queue = Mutex::new(VecDeque::from(jobs));
    let results = Mutex::new(Vec::new());
    let take = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let worker = || {
        while let Some((name, job)) = take() {
            let began = Instant::now();
            eprintln!("{name}: begins");
            let result = job();
            tell(name, began.elapsed(), &result);
            results.lock().unwrap_or_else(PoisonError::into_inner).push((name, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            // A panic of a job is a missing figure; the other worker goes on.
            scope.spawn(|| std::panic::catch_unwind(std::panic::AssertUnwindSafe(worker)));
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner)
}

fn tell(name: &str, took: Duration, result: &Result<Found>) {
    let seconds = took.as_secs_f64();
    match result {
        Ok(Found::Round(round)) => {
            let Account { created, stored, replaced, dropped_by_policy, dead_lettered, lost, .. } = &round.account;
            eprintln!(
                "{name}: {seconds:.0} s: created {created} = stored {stored} + replaced {replaced} + dropped \
                 {dropped_by_policy} + dead letters {dead_lettered} + lost {lost}"
            );
            round.figures.iter().for_each(|(figure, value, _)| eprintln!("    {figure} {value}"));
            round.account.examples.iter().for_each(|example| eprintln!("    {example}"));
        }
        Ok(Found::Lost(lost)) => eprintln!("{name}: {seconds:.0} s: the account finds {lost} lost, as it must"),
        Err(e) => eprintln!("{name}: {seconds:.0} s: FAILED: {e:#}"),
    }
}

fn add(report: &mut Report, round: &Round) {
    let name = round.name;
    // A spool that drops gives up the raw rounds first: there may be none left to replace.
    let (drops, replaced) =
        if round.drops { (Bound::Free, Bound::Free) } else { (Bound::Exactly(0.0), Bound::AtLeast(1.0)) };
    columns(report, &format!("{name}_"), &round.account, drops, replaced);
    for (figure, value, bound) in &round.figures {
        report.figure(&format!("{name}_{figure}"), *value, *bound);
    }
}

fn columns(report: &mut Report, prefix: &str, account: &Account, drops: Bound, replaced: Bound) {
    let mut figure = |name: &str, value: u64, bound| report.figure(&format!("{prefix}{name}"), value as f64, bound);
    figure("created", account.created, Bound::AtLeast(1.0));
    figure("stored", account.stored, Bound::AtLeast(1.0));
    figure("replaced", account.replaced, replaced);
    figure("dropped_by_policy", account.dropped_by_policy, drops);
    figure("dead_lettered", account.dead_lettered, Bound::Free);
    figure("lost", account.lost, Bound::Exactly(0.0));
    figure("altered", account.altered, Bound::Exactly(0.0));
    figure("replaced_twice", account.replaced_twice, Bound::Exactly(0.0));
    figure("unwitnessed", account.unwitnessed, Bound::Exactly(0.0));
}
