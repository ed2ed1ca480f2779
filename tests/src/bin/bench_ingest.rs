//! `make bench-ingest`: what the collector takes in, against what this machine could do at best.
//!
//! Full batches: many probes' batches, published unthrottled so that a backlog stands in Mosquitto, counted when
//! committed **and** acknowledged on the probes' `ack` topics; against a bare loop over the same rows in the same schema.
//! Single samples: JSON messages at QoS 1, committed and acknowledged; against `mosquitto_sub` on the same messages
//! from the same broker. Five runs of each, alternating, medians; a run of single samples is several races of each. All on one file system (`PHUSONG_BENCH_DIR`, else the
//! target directory's). Each run starts with an empty store.

use anyhow::{Context, Result};
use phusong_collector::ingest::observations;
use phusong_collector::store::bare::{self, BareBatch};
use phusong_protocol::{AckMessage, decode, encode_json};
use phusong_tests::harness::{
    Bound, Flood, Lab, Login, Messages, MqttClient, Report, Source, TempDir, bench_dir, median, wait,
};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const SEED: u64 = 2;
const RUNS: usize = 5;
const PROBES: usize = 50;
/// A million and a half rows a run: long against the 200 ms between two acknowledgements.
const BATCHES: usize = 1_500;
/// Below what the broker queues for one client, so that it drops nothing in either race.
const MESSAGES: usize = 90_000;
/// Races of single samples in a run, alternating; a race takes two seconds, in which one scheduler's whim is worth 20 %.
const RACES: usize = 4;
const CONNECTIONS: usize = 4;
const PUBLISHER: (&str, &str) = ("collector", "collector-secret");
const PATIENCE: Duration = Duration::from_secs(300);

/// What is published, made before anything is measured.
struct Load {
    probes: Vec<String>,
    batches: Messages,
    rows: u64,
    messages: Messages,
}

fn main() -> ExitCode {
    let mut report = Report::new("bench-ingest", SEED);
    if let Err(e) = measure(&mut report) {
        for (name, bound) in [("vs_bare_sqlite", Bound::AtLeast(0.8)), ("vs_mosquitto_sub", Bound::AtLeast(0.9))] {
            report.missing(name, bound, &format!("{e:#}"));
        }
        eprintln!("{e:?}");
    }
    report.finish()
}

fn measure(report: &mut Report) -> Result<()> {
    let base = bench_dir()?;
    report.note("disk", &disk(&base)?);
    report.note("batches", &format!("{BATCHES} of {PROBES} probes, {MESSAGES} single samples"));
    let load = load();
    let (mut batches, mut bare, mut single, mut sub) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut lab = lab(&base, &load)?;
    for run in 1..=RUNS {
        bare.push(bare_loop(&base, &load)?);
        batches.push(ingest(&lab, &load.batches, load.rows)?);
        let (ours, theirs) = races(&lab, &load, run)?;
        single.push(ours);
        sub.push(theirs);
        let last = |values: &[f64]| values.last().copied().unwrap_or_default();
        eprintln!(
            "run {run} of {RUNS}: {:.0} samples/s (bare {:.0}), {:.0} messages/s (mosquitto_sub {:.0})",
            last(&batches),
            last(&bare),
            last(&single),
            last(&sub)
        );
    }
    lab.broker.stop()?;
    let (batches, bare, single, sub) = (median(batches), median(bare), median(single), median(sub));
    report.n(RUNS as u64);
    report.figure("vs_bare_sqlite", batches / bare, Bound::AtLeast(0.8));
    report.figure("vs_mosquitto_sub", single / sub, Bound::AtLeast(0.9));
    report.figure("samples_per_s", batches, Bound::Free);
    report.figure("json_messages_per_s", single, Bound::Free);
    report.figure("bare_samples_per_s", bare, Bound::Free);
    report.figure("mosquitto_sub_messages_per_s", sub, Bound::Free);
    Ok(())
}

/// Type of the file system and of what lies below it.
fn disk(base: &Path) -> Result<String> {
    let output = Command::new("findmnt").args(["-n", "-o", "FSTYPE,SOURCE", "--target"]).arg(base).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default();
    let device = text.rsplit('/').next().unwrap_or_default().trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
    let rotational = std::fs::read_to_string(format!("/sys/block/{device}/queue/rotational")).unwrap_or_default();
    let kind = match rotational.trim() {
        "0" => "solid state",
        "1" => "says that it rotates",
        _ => "of unknown kind",
    };
    let fields: Vec<&str> = text.split_whitespace().collect();
    Ok(format!("{}, {kind}", fields.join(" on ")))
}

fn load() -> Load {
    eprintln!("making {BATCHES} full batches and {MESSAGES} single samples");
    let probes: Vec<String> = (0..PROBES).map(|number| format!("bench-{number:02}")).collect();
    let mut sources: Vec<Source> = (0..).zip(&probes).map(|(seed, probe)| Source::new(probe, SEED + seed)).collect();
    let mut rows = 0;
    let batches = (0..BATCHES).map(|number| {
        let (payload, samples) = sources[number % PROBES].full_batch();
        rows += samples as u64;
        (Lab::topic(&probes[number % PROBES], "batch"), payload)
    });
    let batches = Arc::new(batches.collect::<Vec<_>>());
    let mut singles: Vec<Source> = (0..).zip(&probes).map(|(seed, probe)| Source::new(probe, 1_000 + seed)).collect();
    let messages = (0..MESSAGES).map(|number| {
        let source = &mut singles[number % PROBES];
        let sample = source.latency();
        (Lab::topic(&probes[number % PROBES], "batch"), encode_json(&source.probe, source.epoch, &[sample]))
    });
    let messages = Arc::new(messages.collect::<Vec<_>>());
    let bytes = |messages: &Messages| messages.iter().map(|(_, payload)| payload.len()).sum::<usize>() / messages.len();
    eprintln!("{rows} samples in batches of {} bytes; single samples of {} bytes", bytes(&batches), bytes(&messages));
    Load { probes, batches, rows, messages }
}

fn lab(base: &Path, load: &Load) -> Result<Lab> {
    let names: Vec<&str> = load.probes.iter().map(String::as_str).collect();
    Lab::start_under(base, "bench", &names)
}

/// Messages a second over all races of a run: ours, and those of `mosquitto_sub`. Who begins alternates.
fn races(lab: &Lab, load: &Load, run: usize) -> Result<(f64, f64)> {
    let (mut ours_s, mut theirs_s) = (0.0, 0.0);
    for race in 0..2 * RACES {
        if (race + run).is_multiple_of(2) {
            ours_s += MESSAGES as f64 / ingest(lab, &load.messages, MESSAGES as u64)?;
        } else {
            theirs_s += MESSAGES as f64 / mosquitto_sub(lab, load)?;
        }
    }
    let messages = (RACES * MESSAGES) as f64;
    Ok((messages / ours_s, messages / theirs_s))
}

/// Rows a second of the bare loop.
fn bare_loop(base: &Path, load: &Load) -> Result<f64> {
    let dir = TempDir::under(base, "bare")?;
    let mut batches = Vec::with_capacity(BATCHES);
    for (_, payload) in load.batches.iter() {
        let batch = decode(payload)?;
        let probe = batch.probe.clone().context("a binary batch names its probe")?;
        let epoch = batch.epoch;
        batches.push(BareBatch { epoch, observations: observations(&probe, batch), probe });
    }
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let bare = bare::run(dir.path(), &batches, now_ms)?;
    anyhow::ensure!(bare.rows == load.rows, "the bare loop inserted {} of {} rows", bare.rows, load.rows);
    Ok(bare.rows_per_s())
}

/// Samples a second from the first publish until the last is committed and acknowledged.
fn ingest(lab: &Lab, messages: &Messages, samples: u64) -> Result<f64> {
    let mut collector = lab.start_collector()?;
    let mut acks = MqttClient::connect(&Login::plain(lab.broker.plain_port(), PUBLISHER.0, PUBLISHER.1))?;
    acks.subscribe("phusong/v1/+/+/ack")?;
    let started = Instant::now();
    let flood = Flood::start(lab.broker.plain_port(), PUBLISHER, messages, CONNECTIONS)?;
    let mut acknowledged = 0;
    while acknowledged < samples {
        let left = PATIENCE.saturating_sub(started.elapsed());
        let message = acks.next(left)?;
        let message = message
            .with_context(|| format!("{acknowledged} of {samples} acknowledged; {}", collector.service.log_text()))?;
        let message = AckMessage::from_json(&message.payload)?;
        acknowledged += message.acks.iter().map(|ack| ack.ranges.count()).sum::<u64>();
    }
    let elapsed = started.elapsed();
    flood.wait()?;
    let stored = collector.query("SELECT count(*) FROM observation")?;
    anyhow::ensure!(stored.cast_unsigned() == samples, "{samples} acknowledged, {stored} stored");
    collector.stop()?;
    // The next run begins with an empty store.
    std::fs::remove_dir_all(&collector.config.data_dir)?;
    Ok(samples as f64 / elapsed.as_secs_f64())
}

/// Messages a second that `mosquitto_sub` receives, from the first publish on.
fn mosquitto_sub(lab: &Lab, load: &Load) -> Result<f64> {
    let id = format!("measure-{:08x}", fastrand::u32(..));
    let mut command = Command::new("mosquitto_sub");
    command.args(["-h", "127.0.0.1", "-p", &lab.broker.plain_port().to_string(), "-u", PUBLISHER.0, "-P", PUBLISHER.1]);
    command.args(["-i", &id, "-q", "1", "-t", "phusong/v1/+/+/batch", "-C", &MESSAGES.to_string(), "-W", "300"]);
    let mut subscriber = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("mosquitto_sub")?;
    wait::until_true("mosquitto_sub is connected", wait::PATIENCE, || lab.broker.log_text().contains(&id))?;
    // Its subscription follows within the same round trip on loopback; the broker's log does not show it.
    wait::pass(Duration::from_millis(300));
    let started = Instant::now();
    let flood = Flood::start(lab.broker.plain_port(), PUBLISHER, &load.messages, CONNECTIONS)?;
    let ended = subscriber.wait()?;
    let elapsed = started.elapsed();
    anyhow::ensure!(ended.success(), "mosquitto_sub did not receive everything: {ended}");
    flood.wait()?;
    Ok(MESSAGES as f64 / elapsed.as_secs_f64())
}
