//! `make truth-gaps`: are gaps, blinds and their causes what really happened?
//!
//! Ten simulated communes of 30 days (nine fixed seeds, one drawn now), each through the real ingest and derivation, held
//! against the simulator's truth; and one without evidence, in which no cause may be said. `--short`: one of five days, always the same unless PHUSONG_SEED says otherwise.

use anyhow::Result;
use phusong_simulator::{DAY_MS, Plan, World};
use phusong_tests::harness::{Bound, Report, TempDir, bench_dir};
use phusong_tests::truth::{CAUSES, Compared, Kind, compare, live};
use std::path::Path;
use std::process::ExitCode;

/// 1 January 2026, 00:00 in Vietnam.
const START_MS: i64 = 1_767_200_400_000;
/// A cause is judged by itself when it has at least so many cases.
const CASES: u64 = 200;

fn main() -> ExitCode {
    let short = std::env::args().any(|arg| arg == "--short");
    // In few days one case is more than a hundredth: the short form is the same world each time.
    let any = || if short { 7 } else { fastrand::u64(1_000..1_000_000) };
    let drawn = std::env::var("PHUSONG_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(any);
    let mut report = Report::new(if short { "truth-gaps-short" } else { "truth-gaps" }, drawn);
    if let Err(e) = measure(&mut report, drawn, short) {
        report.missing("gap_recall", Bound::AtLeast(0.99), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

fn measure(report: &mut Report, drawn: u64, short: bool) -> Result<()> {
    let base = bench_dir()?;
    let (seeds, days) = if short { (vec![drawn], 5) } else { ((1..10).chain([drawn]).collect(), 30) };
    let mut all = Compared::default();
    let (mut samples, mut windows, mut derive_s) = (0u64, 0u64, 0.0);
    for seed in &seeds {
        let plan = Plan::new(*seed, START_MS, days);
        let (compared, outcome) = one(&base, plan)?;
        samples += outcome.samples;
        windows += outcome.windows as u64;
        derive_s += outcome.derive.as_secs_f64();
        all.add(&compared);
    }
    let stripped = Plan { strip_evidence: true, ..Plan::new(drawn, START_MS, if short { 3 } else { 10 }) };
    let (blank, _) = one(&base, stripped)?;
    all.remarks.iter().take(60).for_each(|remark| eprintln!("{remark}"));
    report.n(seeds.len() as u64);
    figures(report, &all, &blank);
    report.figure("samples", samples as f64, Bound::Free);
    report.figure("windows_per_s", windows as f64 / derive_s.max(1e-9), Bound::Free);
    Ok(())
}

fn figures(report: &mut Report, all: &Compared, blank: &Compared) {
    let share = |(part, of): (u64, u64)| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let get = |map: &std::collections::BTreeMap<Kind, (u64, u64)>, kind| map.get(&kind).copied().unwrap_or_default();
    let high = Bound::AtLeast(0.99);
    report.figure("gap_recall", share(get(&all.recalled, Kind::Gap)), high);
    report.figure("gap_precision", share(get(&all.precise, Kind::Gap)), high);
    report.figure("blind_recall", share(get(&all.recalled, Kind::Blind)), high);
    report.figure("blind_precision", share(get(&all.precise, Kind::Blind)), high);
    report.figure("gaps", get(&all.recalled, Kind::Gap).1 as f64, Bound::AtLeast(1.0));
    report.figure("blinds", get(&all.recalled, Kind::Blind).1 as f64, Bound::AtLeast(1.0));
    report.figure("shorter_gaps", share(get(&all.shorter, Kind::Gap)), Bound::Free);
    report.figure("shorter_gaps_n", get(&all.shorter, Kind::Gap).1 as f64, Bound::Free);
    report.figure("shorter_blinds", share(get(&all.shorter, Kind::Blind)), Bound::Free);
    let (mut right, mut of) = (0, 0);
    for cause in CAUSES {
        let (hits, cases) = all.cause(cause);
        (right, of) = (right + hits, of + cases);
        if cases > 0 {
            let bound = if cases >= CASES { Bound::AtLeast(0.9) } else { Bound::Free };
            report.figure(&format!("cause_{cause}"), share((hits, cases)), bound);
            report.figure(&format!("cause_{cause}_n"), cases as f64, Bound::Free);
        }
    }
    report.figure("cause_accuracy", share((right, of)), Bound::AtLeast(0.95));
    let confusion: Vec<String> = all.confusion.iter().map(|((t, said), n)| format!("{t} as {said}: {n}")).collect();
    report.note("confusion", &confusion.join(", "));
    let unknown: u64 = blank.confusion.iter().filter(|((_, said), _)| *said == "unknown").map(|(_, n)| n).sum();
    let cases: u64 = blank.confusion.values().sum();
    report.figure("unknown_without_evidence", share((unknown, cases)), Bound::AtLeast(1.0));
    report.figure("without_evidence_n", cases as f64, Bound::AtLeast(1.0));
    report.figure("remote_recall", share(all.remote), Bound::Free);
}

fn one(base: &Path, plan: Plan) -> Result<(Compared, phusong_tests::truth::Outcome)> {
    let world = World::new(plan)?;
    let dir = TempDir::under(base, "truth")?;
    let started = std::time::Instant::now();
    let outcome = live(&world, dir.path(), |day| {
        if day % 10 == 0 {
            eprintln!("seed {}: day {day} of {}", plan.seed, plan.days);
        }
    })?;
    let compared = compare(&plan, world.truth(), &outcome.found);
    eprintln!(
        "seed {}{}: {} days, {} samples, {} windows; {:.0} s (ingest {:.0}, derive {:.0}); missing {}; {:?} long, {:?} precise",
        plan.seed,
        if plan.strip_evidence { " without evidence" } else { "" },
        (plan.end_ms() - plan.start_ms) / DAY_MS,
        outcome.samples,
        outcome.windows,
        started.elapsed().as_secs_f64(),
        outcome.ingest.as_secs_f64(),
        outcome.derive.as_secs_f64(),
        outcome.missing,
        compared.recalled,
        compared.precise,
    );
    Ok((compared, outcome))
}
