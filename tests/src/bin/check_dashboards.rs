//! `make check-dashboards`: every query of every panel against a real Prometheus with two days of back-dated data.
//!
//! In: the committed dashboards, `docs/metrics.md`. Out: one line of JSON and `target/reports/check-dashboards.json`;
//! every fault on standard error. Refuses to know: pixels: no Grafana draws here. Limits: see `docs/dashboards.md`.

use anyhow::{Context, Result};
use phusong_dashboards::{Places, generate};
use phusong_tests::dashboards::roundtrip::Sdk;
use phusong_tests::dashboards::{Board, Families, Fault, Kind, Source, Story, broken, examine, series};
use phusong_tests::harness::{BACKFILL, Bound, Prometheus, Report, TempDir, repository};
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let mut report = Report::new("check-dashboards", 1);
    if let Err(e) = check(&mut report) {
        report.missing("queries_with_data_ratio", Bound::Exactly(1.0), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

/// Figures of the faults of each kind; there may be none.
const FIGURES: [(&str, Kind); 7] = [
    ("file_faults", Kind::File),
    ("overlaps", Kind::Overlap),
    ("promql_errors", Kind::Promql),
    ("unknown_metrics", Kind::Metric),
    ("queries_without_data", Kind::NoData),
    ("labels_missing", Kind::Label),
    ("mappings_missing", Kind::Mapping),
];

struct Files {
    boards: Vec<Board>,
    paths: Vec<PathBuf>,
    /// Committed, but not what the generator makes.
    differing: Vec<PathBuf>,
}

fn check(report: &mut Report) -> Result<()> {
    let files = committed()?;
    files.differing.iter().for_each(|path| eprintln!("{}: run `make dashboards`", path.display()));
    report.figure("dashboards", files.boards.len() as f64, Bound::AtLeast(4.0));
    report.figure("not_as_generated", files.differing.len() as f64, Bound::Exactly(0.0));

    let families = Families::read(&std::fs::read_to_string(repository().join("docs/metrics.md"))?);
    let dir = TempDir::new("dashboards")?;
    // The last full minute: nothing is dated ahead.
    let end_s = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())? / 60 * 60;
    let mut prometheus = Prometheus::start(&dir.join("eventful"), BACKFILL)?;
    let samples = prometheus.write(&series(Story::Eventful, end_s * 1000))?;
    let source = Source { prometheus: &prometheus, families: &families, story: Story::Eventful, end_s };

    let (mut panels, mut queries, mut with_data) = (0, 0, 0);
    let mut faults: Vec<Fault> = Vec::new();
    for board in &files.boards {
        let outcome = examine(board, &source)?;
        panels += outcome.panels;
        queries += outcome.queries;
        with_data += outcome.with_data;
        faults.extend(outcome.faults);
    }
    faults.iter().for_each(|fault| eprintln!("{fault}"));
    report.n(queries);
    report.figure("samples_written", samples as f64, Bound::Free);
    report.figure("panels", panels as f64, Bound::AtLeast(1.0));
    report.figure("queries", queries as f64, Bound::AtLeast(1.0));
    report.figure("queries_with_data_ratio", with_data as f64 / queries.max(1) as f64, Bound::Exactly(1.0));
    for (name, kind) in FIGURES {
        let count = faults.iter().filter(|fault| fault.kind == kind).count();
        report.figure(name, count as f64, Bound::Exactly(0.0));
    }
    let good = files.boards.iter().find(|board| board.path == "vi/commune.json").context("vi/commune.json")?;
    let mut found = 0;
    let breakings = broken(good);
    for one in &breakings {
        let outcome = examine(&one.board, &source)?;
        let seen = outcome
            .faults
            .iter()
            .any(|fault| fault.kind == one.kind && !faults.iter().any(|old| old.what == fault.what));
        if !seen {
            eprintln!("self-test: {} was not found; only {:?}", one.name, outcome.faults);
        }
        found += u32::from(seen);
    }
    prometheus.stop()?;
    let bare = bare(&files, &families, &dir, end_s)?;
    report.figure("bare_commune_faults", bare as f64, Bound::Exactly(0.0));
    let (lost, of_sdk) = round_trip(report, &files, good, &dir)?;
    report.figure("self_tests_found", f64::from(found + lost), Bound::Exactly((breakings.len() + of_sdk) as f64));
    Ok(())
}

/// Faults that only a commune without a province shows, in which nothing changes.
fn bare(files: &Files, families: &Families, dir: &TempDir, end_s: i64) -> Result<usize> {
    let mut prometheus = Prometheus::start(&dir.join("bare"), BACKFILL)?;
    prometheus.write(&series(Story::Bare, end_s * 1000))?;
    let source = Source { prometheus: &prometheus, families, story: Story::Bare, end_s };
    let mut count = 0;
    for board in &files.boards {
        let faults = examine(board, &source)?.faults;
        faults.iter().for_each(|fault| eprintln!("bare commune: {fault}"));
        count += faults.len();
    }
    prometheus.stop()?;
    Ok(count)
}

fn committed() -> Result<Files> {
    let mut files = Files { boards: Vec::new(), paths: Vec::new(), differing: Vec::new() };
    for one in generate(&Places::default())? {
        let path = repository().join("dashboards/grafana").join(&one.path);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        if text != one.text {
            files.differing.push(path.clone());
        }
        files.boards.push(Board::read(one.path.display().to_string(), &text)?);
        files.paths.push(path);
    }
    Ok(files)
}

/// How many self-tests of the SDK were found, and how many there were.
fn round_trip(report: &mut Report, files: &Files, good: &Board, dir: &TempDir) -> Result<(u32, usize)> {
    let sdk = match Sdk::prepare() {
        Ok(sdk) => sdk,
        Err(e) => {
            report.skip(&format!("the Grafana Foundation SDK's round trip: {e:#}"));
            return Ok((0, 0));
        }
    };
    let lost = sdk.lost(&files.paths)?;
    lost.iter().for_each(|line| eprintln!("lost by the SDK: {line}"));
    report.figure("sdk_lost_keys", lost.len() as f64, Bound::Exactly(0.0));
    let mut broken = good.json.clone();
    broken["panels"][0]["options"]["colourMode"] = json!("value");
    let seen = sdk.lost_of(dir.path(), &broken)?.iter().any(|line| line.contains("colourMode"));
    if !seen {
        eprintln!("self-test: a key that Grafana does not know was not found");
    }
    Ok((u32::from(seen), 1))
}
