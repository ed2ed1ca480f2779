//! `make bench-fold`: what it costs to know again what a day at a place meant.
//!
//! Fold: judged windows of a year to gaps, windows a second on one core. Recompute: one touched day among two weeks,
//! milliseconds. Aggregation: attempts to windows, a second. Store: the same touched day through `derived.db`, with
//! reading its observations, in milliseconds. Each five times, medians, on one thread; the physical limit beside it is a
//! plain pass over the same windows that only sums a field.

use anyhow::Result;
use phusong_collector::derive::{Derive, Options};
use phusong_collector::ingest::{Counters, Decoded, Engine, Incoming};
use phusong_collector::store::{NewProbe, Registrar, Store, StoreOptions};
use phusong_coverage::gap::GapFold;
use phusong_coverage::grade::judge;
use phusong_coverage::observation::{Attempt, Ended, Layer, NetworkId, Role, SampleId, TargetId};
use phusong_coverage::recompute::{Due, Range, recompute};
use phusong_coverage::window::{WINDOW_MS, Window, WindowNo, windows};
use phusong_coverage::{Micros, Place, PlaceId, Policies, Policy};
use phusong_simulator::{Plan, Rates, World};
use phusong_tests::harness::{Bound, Report, TempDir, bench_dir, median};
use std::collections::{BTreeMap, BTreeSet};
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

const RUNS: usize = 5;
const SEED: u64 = 3;
const DAY: i64 = 288;
const YEAR: i64 = 365 * DAY;
/// 1 January 2026, 00:00 in Vietnam.
const START_MS: i64 = 1_767_200_400_000;

fn main() -> ExitCode {
    let mut report = Report::new("bench-fold", SEED);
    if let Err(e) = measure(&mut report) {
        report.missing("fold_windows_per_s", Bound::AtLeast(2e6), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

fn measure(report: &mut Report) -> Result<()> {
    report.n(RUNS as u64);
    let mut random = fastrand::Rng::with_seed(SEED);
    let attempts = attempts(&mut random, YEAR);
    let none = BTreeSet::new();
    let aggregated = seconds(|| {
        black_box(windows(&attempts, &none));
    });
    let year: Vec<Window> = windows(&attempts, &none).into_values().collect();
    report.figure("aggregate_attempts_per_s", attempts.len() as f64 / aggregated, Bound::Free);
    report.figure("aggregate_windows_per_s", year.len() as f64 / aggregated, Bound::Free);

    let policy = Policy::default();
    let folded = seconds(|| {
        let mut fold = GapFold::new(&policy);
        for at in 0..year.len() {
            let graded = judge(&year, at, &policy);
            fold.add(&year[at], graded.grade, false);
        }
        black_box(fold.finish(WindowNo(YEAR)));
    });
    let passed = seconds(|| {
        black_box(year.iter().map(|window| u64::from(window.sent) + window.targets.len() as u64).sum::<u64>());
    });
    report.figure("fold_windows_per_s", year.len() as f64 / folded, Bound::AtLeast(2e6));
    report.figure("plain_pass_windows_per_s", year.len() as f64 / passed, Bound::Free);
    report.figure("recompute_day_ms", recompute_day(&year) * 1e3, Bound::AtMost(1.0));
    store(report)
}

/// The median of five runs, in seconds.
fn seconds(mut run: impl FnMut()) -> f64 {
    let times = (0..RUNS)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64()
        })
        .collect();
    median(times)
}

/// A village probe: four targets; per window a summary of each, now and then a failure; an outage a week.
fn attempts(random: &mut fastrand::Rng, count: i64) -> Vec<Attempt> {
    let mut all = Vec::new();
    let mut seq = 0;
    for no in 0..count {
        let dead = no % (7 * DAY) > 7 * DAY - 20;
        for target in 0..4 {
            let fails = dead && target > 0;
            for round in 0..if fails { 5 } else { 1 } {
                seq += 1;
                let first_ms = no * WINDOW_MS + round * 50_000;
                let icmp = target < 2;
                let rtt = |random: &mut fastrand::Rng| (Micros::new(random.u64(8_000..60_000)), random.u32(1..3));
                all.push(Attempt {
                    id: SampleId { epoch: 1, seq },
                    first_ms,
                    last_ms: first_ms + if fails { 0 } else { 240_000 },
                    network: NetworkId(1),
                    target: TargetId(target),
                    role: if target == 0 { Role::Gateway } else { Role::Service },
                    layer: if icmp { Layer::Icmp } else { Layer::Tcp },
                    ended: if fails { Ended::Unanswered } else { Ended::Answered },
                    rounds: if fails { 1 } else { 5 },
                    sent: if icmp && !fails { 50 } else { 0 },
                    received: if icmp && !fails { 49 } else { 0 },
                    rtts: if icmp && !fails { (0..25).map(|_| rtt(random)).collect() } else { Vec::new() },
                });
            }
        }
    }
    all
}

/// Seconds for one touched day in the middle of two weeks.
fn recompute_day(year: &[Window]) -> f64 {
    let (from, to) = (30 * DAY, 30 * DAY + DAY + 72);
    let inside = year.iter().filter(|window| (from..to).contains(&window.no)).cloned().collect();
    let windows = BTreeMap::from([(NetworkId(1), inside)]);
    let range = Range {
        place: PlaceId::new(1),
        from,
        to,
        from_start: false,
        to_end: false,
        windows: &windows,
        facts: &[],
        stopped: &[],
        due: Some(Due { until_ms: i64::MAX, ended: false }),
    };
    let policies = Policies::default();
    seconds(|| {
        for _ in 0..100 {
            let outcome = recompute(&range, (from + 36, from + 36 + DAY - 1), YEAR * WINDOW_MS, &policies);
            black_box(outcome.expect("the range is wide enough"));
        }
    }) / 100.0
}

/// The same with a real store: a quiet hamlet of two probes for eight days, then one day touched again and again.
fn store(report: &mut Report) -> Result<()> {
    let dir = TempDir::under(&bench_dir()?, "fold")?;
    let plan = Plan { hamlets: 1, rates: Rates::quiet(), ..Plan::new(SEED, START_MS, 8) };
    let world = World::new(plan)?;
    let store = Store::open(dir.path(), StoreOptions::default(), plan.start_ms)?;
    let mut registrar = Registrar::open(dir.path())?;
    for one in world.registrations() {
        let place = Place::new(one.lat, one.lon)?.into();
        let new = NewProbe { probe: one.probe, site: one.site, label: None, place: Some(place) };
        registrar.add(&new, one.from_ms)?;
    }
    let mut engine = Engine::new(store, Arc::new(Counters::default()));
    for delivery in world.deliveries() {
        let (topic, payload, received_ms) = (delivery.topic, delivery.payload, delivery.received_ms);
        engine.group(&[Decoded::of(Incoming { topic, payload, received_ms, token: 0 })], received_ms, &mut |_| {});
    }
    let mut derive = Derive::open(dir.path(), Options::default(), plan.start_ms)?;
    let first = derive.settle(plan.end_ms())?;
    let started = WindowNo::of(plan.start_ms).0;
    let touched = seconds(|| {
        derive.shelf().touch(1, started + 3 * DAY, started + 4 * DAY - 1).expect("the store takes it");
        derive.settle(plan.end_ms()).expect("deriving again");
    });
    report.figure("store_day_ms", touched * 1e3, Bound::Free);
    report.note(
        "store_day",
        &format!("{} observations, {} windows in 16 place-days at first", first.arrived, first.windows),
    );
    Ok(())
}
