//! `make demo-smoke`: is what the demo promises on the screen, and is nothing left of it afterwards?
//!
//! Runs `scripts/demo.sh` on free ports until the real agent's samples are in the API, the gap of the scene stands there
//! closed and with its true cause, the colours of the scene are read from the map's pixels and the cause from a click.
//! Looks once more with the map's worker blocked, which has to be found out. Ends it by Ctrl-C. `--short`: three hours
//! of past instead of a day, the first view taken once instead of the middle of three, the worker left alone.

use anyhow::Result;
use phusong_tests::demo::{Demo, WAYS, look, own_js_gzip_kb};
use phusong_tests::harness::{Bound, Report, TempDir};
use std::process::ExitCode;
use std::time::Instant;

const DAY_H: u32 = 24;
const SHORT_H: u32 = 3;

fn main() -> ExitCode {
    let short = std::env::args().any(|arg| arg == "--short");
    let mut report = Report::new(if short { "demo-smoke-short" } else { "demo-smoke" }, 1);
    if let Err(e) = measure(&mut report, short) {
        report.missing("completed", Bound::Exactly(1.0), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

fn measure(report: &mut Report, short: bool) -> Result<()> {
    let began = Instant::now();
    let base = TempDir::new("demo")?;
    report.figure("own_js_gzip_kb", own_js_gzip_kb()?, Bound::AtMost(120.0));

    let demo = Demo::start(&base.path().join("demo"), if short { SHORT_H } else { DAY_H })?;
    report.figure("ready_s", began.elapsed().as_secs_f64(), Bound::Free);
    report.figure("join_s", demo.join.as_secs_f64(), Bound::AtMost(120.0));
    let answered = demo.wait_measured()?;
    // What does not answer is measured as well: not every machine has a resolver.
    let of: Vec<&str> = WAYS.into_iter().filter(|way| answered.contains(*way)).collect();
    report.figure("ways_measured", WAYS.len() as f64, Bound::Exactly(4.0));
    report.note("ways_answered", &of.join(" "));

    let (content, told) = look(&demo, if short { &["--short"] } else { &[] })?;
    eprintln!("the map: {told}");
    report.note("states", &told["states"].to_string());
    report.figure("colours_read", told["colours_read"].as_f64().unwrap_or(0.0), Bound::AtLeast(3.0));
    report.figure("map_right", f64::from(u8::from(content)), Bound::Exactly(1.0));
    match told["first_view_s"].as_f64() {
        Some(seconds) => report.figure("first_view_s", seconds, Bound::AtMost(2.0)),
        None => report.missing("first_view_s", Bound::AtMost(2.0), &told["error"].to_string()),
    }

    // After the map was right everything of the past is derived.
    let gaps = demo.gaps()?;
    report.n(gaps.true_gaps);
    report.figure("gap_cause_right", f64::from(u8::from(gaps.of_scene)), Bound::Exactly(1.0));
    report.figure("gaps_found", gaps.found as f64, Bound::Free);
    report.figure("gaps_right", gaps.right as f64, Bound::AtLeast(gaps.found as f64));

    if !short {
        let (fooled, blocked) = look(&demo, &["--block-worker"])?;
        eprintln!("the map without its worker: {blocked}");
        let found = !fooled && blocked["colours_read"].as_f64() == Some(0.0);
        report.figure("worker_blocked_found", f64::from(u8::from(found)), Bound::Exactly(1.0));
    }

    let (left, kept) = demo.interrupt()?;
    report.figure("leftovers", left as f64, Bound::Exactly(0.0));
    report.figure("data_kept", f64::from(u8::from(kept)), Bound::Exactly(1.0));
    report.figure("took_s", began.elapsed().as_secs_f64(), Bound::Free);
    Ok(())
}
