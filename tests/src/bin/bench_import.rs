//! `make bench-import`: a phone's log of a million lines into the store, beside a bare SQLite loop.
//!
//! The import is the command as an operator runs it: a CSV log of the app Network Survey into a fresh store, from the
//! start of the process to its end. The bare loop inserts as many rows of numbers that are parsed already: 12 columns,
//! one index, WAL with `synchronous=FULL`, as many rows to a transaction as the import has. Five runs of each,
//! alternating, medians, all on one file system (`PHUSONG_BENCH_DIR`, else the target directory's). Memory is the
//! highest resident set of the import's process. Then a survey of 10,000 points is exported by the agent's command in
//! each of its forms. `--short`: a tenth of it, one run, nothing judged but that every line is there.

use anyhow::{Context, Result, ensure};
use phusong_tests::harness::{Bound, Report, Service, TempDir, bench_dir, binary, median, wait};
use phusong_tests::phones::{CsvLog, Record, walk};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::cell::Cell;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SEED: u64 = 5;
const RUNS: usize = 5;
const ROWS: u32 = 1_000_000;
/// As the import's own: see `collector/src/import/load.rs`.
const TRANSACTION: usize = 32_768;
const ROWS_PER_S: f64 = 50_000.0;
/// SQLite's page cache of 64 MiB, seven chunks of 8,192 rows of half a KiB on their way, the program itself: about 125,
/// and half as much again for what the allocator keeps. Less than the file: what grows with it breaks this.
const RSS_MB: f64 = 192.0;
/// Points of a survey, and how long its export may take.
const POINTS: u32 = 10_000;
const EXPORT_S: f64 = 1.0;
const PATIENCE: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    let short = std::env::args().any(|arg| arg == "--short");
    let mut report = Report::new(if short { "bench-import-short" } else { "bench-import" }, SEED);
    if let Err(e) = measure(&mut report, short) {
        report.missing("import_rows_per_s", Bound::AtLeast(ROWS_PER_S), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

fn measure(report: &mut Report, short: bool) -> Result<()> {
    let (rows, runs) = if short { (ROWS / 10, 1) } else { (ROWS, RUNS) };
    let base = TempDir::under(&bench_dir()?, "import")?;
    let log = base.join("craxiom-lte.csv");
    let lines = write_log(&log, rows)?;
    report.note("log", &format!("{rows} lines of LTE, {} MB", std::fs::metadata(&log)?.len() / 1_000_000));
    let (mut ours, mut bare, mut rss, mut again) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for run in 1..=runs {
        bare.push(f64::from(rows) / bare_loop(base.path(), &lines)?.as_secs_f64());
        let dir = TempDir::under(base.path(), "data")?;
        let first = import(&dir, &log, &json!([rows, rows, 0, 0]))?;
        ours.push(f64::from(rows) / first.elapsed.as_secs_f64());
        rss.push(first.peak_mb);
        // The same file once more: every line is known.
        let second = import(&dir, &log, &json!([rows, 0, rows, 0]))?;
        again.push(f64::from(rows) / second.elapsed.as_secs_f64());
        let last = |values: &[f64]| values.last().copied().unwrap_or_default();
        eprintln!(
            "run {run} of {runs}: {:.0} rows/s ({:.0} again), bare {:.0}, {:.0} MB",
            last(&ours),
            last(&again),
            last(&bare),
            last(&rss)
        );
    }
    let (ours, bare) = (median(ours), median(bare));
    let judged = |bound| if short { Bound::Free } else { bound };
    report.n(runs as u64);
    report.figure("import_rows_per_s", ours, judged(Bound::AtLeast(ROWS_PER_S)));
    report.figure("vs_bare_sqlite", ours / bare, Bound::Free);
    report.figure("peak_rss_mb", rss.into_iter().fold(0.0, f64::max), judged(Bound::AtMost(RSS_MB)));
    report.figure("again_rows_per_s", median(again), Bound::Free);
    report.figure("bare_rows_per_s", bare, Bound::Free);
    if let Err(e) = survey(report, base.path(), runs, short) {
        report.missing("survey_export_s", Bound::AtMost(EXPORT_S), &format!("{e:#}"));
    }
    Ok(())
}

/// A walk of the size that the house promises, by the agent's own command: the slowest of three forms.
fn survey(report: &mut Report, base: &Path, runs: usize, short: bool) -> Result<()> {
    let points = if short { POINTS / 10 } else { POINTS };
    let from_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())? - 86_400_000;
    let config = walk::walked(base, points, from_ms)?;
    let mut slowest = 0.0_f64;
    for form in ["geojson", "gpx", "csv"] {
        let file = base.join(format!("walk.{form}"));
        let times = (0..runs).map(|_| walk::export(&config, &file, points)).collect::<Result<Vec<_>>>()?;
        slowest = slowest.max(median(times));
    }
    report.figure("survey_export_s", slowest, if short { Bound::Free } else { Bound::AtMost(EXPORT_S) });
    Ok(())
}

/// One line as numbers: what the bare loop inserts.
struct Line([f64; 12]);

/// A walk of eleven days through two hundred cells, a line a second; ends an hour before now.
fn write_log(file: &Path, rows: u32) -> Result<Vec<Line>> {
    let mut random = fastrand::Rng::with_seed(SEED);
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let from_ms = now_ms - 3_600_000 - i64::from(rows) * 1_000;
    let heading = CsvLog::of(&[Record::lte(0, from_ms)]);
    let heading: Vec<&str> = heading.text().lines().take(3).collect();
    let mut out = BufWriter::new(File::create(file)?);
    write!(out, "{}\r\n", heading.join("\r\n"))?;
    let mut lines = Vec::with_capacity(rows as usize);
    let (mut lat, mut lon, mut text) = (21.8644_f64, 105.5436_f64, String::new());
    for number in 0..rows {
        let at_ms = from_ms + i64::from(number) * 1_000 + random.i64(0..1_000);
        lat = (lat + (random.f64() - 0.5) * 4e-5).clamp(21.0, 22.5);
        lon = (lon + (random.f64() - 0.5) * 4e-5).clamp(105.0, 106.5);
        let (cell, serving) = (random.u32(0..200), !number.is_multiple_of(4));
        let (rsrp, rsrq, snr) = (-70 - random.i32(0..50), -5 - random.i32(0..12), random.i32(1..25));
        let (accuracy, speed) = (random.u32(3..30), random.f64() * 2.0);
        text.clear();
        let stamp = phusong_tests::phones::stamp(at_ms);
        write!(text, "{stamp},{lat},{lon},{:.1},{speed:.2},{accuracy},NS d41a 20261122-100000,{number},", 120.0)?;
        let named = if serving { "452,4,20881" } else { ",," };
        let eci = if serving { (79_221_000 + cell).to_string() } else { String::new() };
        write!(text, "{},{named},{eci},1450,{},{rsrp},{rsrq},,{serving},MHZ_20,", number / 4, cell % 504)?;
        write!(text, "Viettel,{},,1,{},d41a", rsrp + 30, if serving { snr.to_string() } else { String::new() })?;
        write!(out, "{text}\r\n")?;
        lines.push(Line([
            at_ms as f64,
            lat,
            lon,
            accuracy.into(),
            speed,
            number.into(),
            452.0,
            4.0,
            (79_221_000 + cell).into(),
            rsrp.into(),
            rsrq.into(),
            snr.into(),
        ]));
    }
    out.flush()?;
    Ok(lines)
}

fn bare_loop(base: &Path, lines: &[Line]) -> Result<Duration> {
    let dir = TempDir::under(base, "bare")?;
    let db = Connection::open(dir.join("bare.db"))?;
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536; \
         PRAGMA wal_autocheckpoint = 8192; \
         CREATE TABLE line (at_ms INTEGER, lat REAL, lon REAL, accuracy REAL, speed REAL, number INTEGER, mcc INTEGER, \
                            mnc INTEGER, cell INTEGER, rsrp REAL, rsrq REAL, snr REAL); \
         CREATE INDEX line_at ON line (at_ms);",
    )?;
    let started = Instant::now();
    let mut insert = db.prepare("INSERT INTO line VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)")?;
    for group in lines.chunks(TRANSACTION) {
        db.execute_batch("BEGIN IMMEDIATE")?;
        for Line([at, lat, lon, accuracy, speed, number, mcc, mnc, cell, rsrp, rsrq, snr]) in group {
            let whole = |value: &f64| *value as i64;
            insert.execute(params![
                whole(at),
                lat,
                lon,
                accuracy,
                speed,
                whole(number),
                whole(mcc),
                whole(mnc),
                whole(cell),
                rsrp,
                rsrq,
                snr
            ])?;
        }
        db.execute_batch("COMMIT")?;
    }
    Ok(started.elapsed())
}

/// What one import took.
struct Took {
    elapsed: Duration,
    peak_mb: f64,
}

/// `wanted`: rows, stored, duplicate, refused.
fn import(dir: &TempDir, log: &Path, wanted: &Value) -> Result<Took> {
    let config = configured(dir)?;
    let (said, started) = (dir.join("said.log"), Instant::now());
    let _ = std::fs::remove_file(&said);
    let mut command = command(&config)?;
    command.args(["import", "--probe", "phone-1", "--json"]).arg(log);
    let mut running = Service::spawn("import", command, &said)?;
    let peak_kb = Cell::new(0);
    let status = wait::until("the import has ended", PATIENCE, || {
        // Its end takes the file away; what was seen before is what counts.
        peak_kb.set(peak_kb.get().max(running.status_kb("VmHWM").unwrap_or(0)));
        running.exit_status()
    })?;
    let elapsed = started.elapsed();
    ensure!(status.success(), "{status}: {}", running.log_text());
    let text = running.log_text();
    let line = text.lines().find(|line| line.starts_with('{')).with_context(|| text.clone())?;
    let came: Value = serde_json::from_str(line)?;
    let came = json!([came["rows"], came["stored"], came["duplicate"], came["refused"]]);
    ensure!(came == *wanted, "{came} instead of {wanted}");
    Ok(Took { elapsed, peak_mb: peak_kb.get() as f64 / 1_024.0 })
}

/// A collector's directory with one phone; made at the first call.
fn configured(dir: &TempDir) -> Result<PathBuf> {
    let config = dir.join("collector.toml");
    if !config.exists() {
        std::fs::create_dir_all(dir.join("data"))?;
        let data = dir.join("data");
        std::fs::write(&config, format!("data_dir = {data:?}\n[broker]\nhosts = [\"127.0.0.1\"]\n"))?;
        let added = command(&config)?.args(["phone", "add", "phone-1", "--site", "lab", "--json"]).output()?;
        ensure!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    }
    Ok(config)
}

fn command(config: &Path) -> Result<Command> {
    let mut command = Command::new(binary("phusong-collector")?);
    command.arg("--config").arg(config);
    Ok(command)
}
