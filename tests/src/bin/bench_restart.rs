//! `make bench-restart`: how soon a collector with a nation's store is ready again.
//!
//! A store of 10,000 probes: 20 million windows, an hour of observations taken by the real ingest, everything derived
//! that is there. Then the real program beside a real Mosquitto, from its exec to `/readyz` = 200; five starts with the
//! files in the page cache, five without (`posix_fadvise`), in turn, medians. `PHUSONG_BENCH_ROWS` makes the store
//! smaller, `PHUSONG_BENCH_DIR` says where it lies (else the target directory); it is removed at the end.

use anyhow::{Context, Result};
use phusong_collector::ingest::{Counters, Decoded, Engine, Fate, Incoming};
use phusong_collector::store::derived::{Shelf, database};
use phusong_collector::store::{Store, StoreOptions};
use phusong_tests::harness::{Bound, Collector, CollectorConfig, Lab, Report, Source, bench_dir, binary, median};
use rusqlite::{Connection, params};
use rustix::fs::{Advice, fadvise, statvfs};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

const SEED: u64 = 5;
const RUNS: usize = 5;
const PROBES: i64 = 10_000;
const NETWORKS: i64 = 2;
const ROWS: i64 = 20_000_000;
/// Rows of one transaction while the store is made.
const TRANSACTION: i64 = 1_000_000;
/// A row with its share of a page; what is in the log of the transaction under way; the rest.
const ROW_BYTES: u64 = 270;
const SPARE_BYTES: u64 = 1_500_000_000;
/// Samples of one probe in the hour before.
const SAMPLES: usize = 30;
const READY: Bound = Bound::AtMost(5.0);

fn main() -> ExitCode {
    let mut report = Report::new("bench-restart", SEED);
    if let Err(e) = measure(&mut report) {
        for name in ["ready_warm_s", "ready_cold_s"] {
            report.missing(name, READY, &format!("{e:#}"));
        }
        eprintln!("{e:?}");
    }
    report.finish()
}

fn measure(report: &mut Report) -> Result<()> {
    let base = bench_dir()?;
    let rows = rows()?;
    room(&base, rows)?;
    let lab = Lab::start_under(&base, "restart", &[])?;
    let config = lab.collector_config();
    std::fs::create_dir_all(&config.data_dir)?;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let started = Instant::now();
    ground(&config.data_dir, now_ms)?;
    derived(&config.data_dir, rows, now_ms)?;
    let files = files(&config)?;
    let bytes: u64 = files.iter().filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum();
    eprintln!("{rows} windows, {bytes} bytes in all, made in {:.0} s", started.elapsed().as_secs_f64());
    report.note("store", &format!("{rows} windows, {} observations, {PROBES} probes", PROBES * SAMPLES as i64));
    report.figure("store_gb", bytes as f64 / 1e9, Bound::Free);
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for run in 1..=RUNS {
        read_all(&files)?;
        warm.push(ready_s(&config)?);
        evict(&files)?;
        cold.push(ready_s(&config)?);
        eprintln!("run {run} of {RUNS}: ready after {:.3} s warm, {:.3} s cold", warm[run - 1], cold[run - 1]);
    }
    report.n(RUNS as u64);
    report.figure("ready_warm_s", median(warm), READY);
    report.figure("ready_cold_s", median(cold), READY);
    Ok(())
}

fn rows() -> Result<i64> {
    let Some(text) = std::env::var_os("PHUSONG_BENCH_ROWS") else { return Ok(ROWS) };
    let rows = text.to_str().and_then(|text| text.parse().ok()).filter(|rows| *rows >= PROBES * NETWORKS);
    rows.with_context(|| format!("PHUSONG_BENCH_ROWS = {text:?}: write a number of at least {}", PROBES * NETWORKS))
}

/// Says how much is missing before anything is written.
fn room(base: &Path, rows: i64) -> Result<()> {
    let disk = statvfs(base).with_context(|| base.display().to_string())?;
    let (free, needed) = (disk.f_bavail * disk.f_frsize, rows.unsigned_abs() * ROW_BYTES + SPARE_BYTES);
    anyhow::ensure!(
        free >= needed,
        "{} has {:.1} GB free, {:.1} GB are needed for {rows} windows: make room, or set PHUSONG_BENCH_DIR to another \
         file system",
        base.display(),
        free as f64 / 1e9,
        needed as f64 / 1e9
    );
    Ok(())
}

fn name(probe: i64) -> String {
    format!("restart-{probe:05}")
}

/// The registry at one go, the observations through the ingest.
fn ground(dir: &Path, now_ms: i64) -> Result<()> {
    let store = Store::open(dir, StoreOptions::default(), now_ms)?;
    let db = Connection::open(dir.join("phusong.db"))?;
    db.execute_batch("PRAGMA synchronous = OFF; BEGIN; INSERT INTO site (id, name) VALUES (1, 'lab')")?;
    for probe in 1..=PROBES {
        let row = params![probe, name(probe), now_ms - 90 * 86_400_000];
        db.prepare_cached("INSERT INTO probe (id, name, site_ref, created_ms) VALUES (?1, ?2, 1, ?3)")?.execute(row)?;
        let place = "INSERT INTO place (id, probe_ref, from_ms, lat, lon) VALUES (?1, ?1, ?2, ?3, 105.5)";
        let row = params![probe, now_ms - 90 * 86_400_000, 21.0 + probe as f64 / 5_000.0];
        db.prepare_cached(place)?.execute(row)?;
    }
    db.execute_batch("COMMIT")?;
    let counters = Arc::new(Counters::default());
    let mut engine = Engine::new(store, Arc::clone(&counters));
    for group in (1..=PROBES).collect::<Vec<_>>().chunks(1_000) {
        let message = |probe: &i64| {
            let mut source = Source::new(&name(*probe), SEED + probe.unsigned_abs()).at(now_ms - 3_600_000);
            let mut samples = vec![source.boot(None), source.clock()];
            samples.extend((2..SAMPLES).map(|_| source.latency()));
            let topic = Lab::topic(source.probe.as_str(), "batch");
            Decoded::of(Incoming { topic, payload: source.batch(&samples), received_ms: now_ms, token: 0 })
        };
        let messages: Vec<Decoded> = group.iter().map(message).collect();
        engine.group(&messages, now_ms, &mut |_| {});
    }
    let stored = counters.get(Fate::Stored) + counters.get(Fate::Uncertain);
    anyhow::ensure!(stored == PROBES.unsigned_abs() * SAMPLES as u64, "{stored} observations were stored");
    Ok(())
}

/// Windows up to now, as many of each place and network; and that the observations are read already.
fn derived(dir: &Path, rows: i64, now_ms: i64) -> Result<()> {
    drop(Shelf::open(dir, now_ms)?);
    let db = Connection::open(database(dir))?;
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; BEGIN")?;
    db.execute_batch("INSERT INTO network (id, name) VALUES (1, 'viettel'), (2, 'vinaphone')")?;
    let each = rows / (PROBES * NETWORKS);
    let last = now_ms / 300_000;
    let mut random = fastrand::Rng::with_seed(SEED);
    let noise: Vec<u8> = (0..1 << 20).map(|_| random.u8(..)).collect();
    let mut inserted = 0;
    for place in 1..=PROBES {
        for network in 1..=NETWORKS {
            for no in last - each..last {
                let (at, len) = (random.usize(..noise.len() - 250), random.usize(150..=250));
                db.prepare_cached("INSERT INTO window VALUES (?1, ?2, ?3, 3, 0, 1, 1, ?4)")?.execute(params![
                    place,
                    network,
                    no,
                    &noise[at..at + len]
                ])?;
                inserted += 1;
                if inserted % TRANSACTION == 0 {
                    db.execute_batch("COMMIT; BEGIN")?;
                }
            }
            let known = "INSERT INTO last_known (place_ref, network_ref, no, grade) VALUES (?1, ?2, ?3, 3)";
            db.prepare_cached(known)?.execute(params![place, network, last - 1])?;
        }
        let state = "INSERT INTO place_state (place_ref, first_no, last_no) VALUES (?1, ?2, ?3)";
        db.prepare_cached(state)?.execute(params![place, last - each, last - 1])?;
    }
    let read = PROBES * SAMPLES as i64;
    db.execute("INSERT INTO mark (name, value) VALUES ('observation', ?1)", [read])?;
    db.execute_batch("COMMIT; PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(())
}

/// Everything that a start may read.
fn files(config: &CollectorConfig) -> Result<Vec<PathBuf>> {
    let mut files = vec![binary("phusong-collector")?];
    for entry in std::fs::read_dir(&config.data_dir)? {
        let entry = entry?;
        if entry.metadata()?.is_file() {
            files.push(entry.path());
        }
    }
    Ok(files)
}

fn read_all(files: &[PathBuf]) -> Result<()> {
    let mut buffer = vec![0; 1 << 20];
    for path in files.iter().filter(|path| path.exists()) {
        let mut file = std::fs::File::open(path)?;
        while file.read(&mut buffer)? > 0 {}
    }
    Ok(())
}

/// Out of the page cache; only pages that are on the disk can go.
fn evict(files: &[PathBuf]) -> Result<()> {
    for path in files.iter().filter(|path| path.exists()) {
        let file = std::fs::File::open(path)?;
        file.sync_all()?;
        fadvise(&file, 0, None, Advice::DontNeed).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// Seconds from the exec until `/readyz` says yes.
fn ready_s(config: &CollectorConfig) -> Result<f64> {
    let started = Instant::now();
    let mut collector = Collector::start(config.clone(), &[], &[])?;
    let elapsed = started.elapsed();
    collector.stop()?;
    Ok(elapsed.as_secs_f64())
}
