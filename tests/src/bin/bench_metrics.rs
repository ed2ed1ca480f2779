//! `make bench-metrics`: what a scrape of a province costs, beside an exporter that everybody can install.
//!
//! A store with a hundred thousand series, the real collector beside a real Mosquitto, `/metrics/coverage` over
//! loopback: every value that is known is read back, `promtool check metrics` reads the text, then five scrapes, median.
//! In the same run Debian's prometheus-mqtt-exporter with as many series of its own. `--short`: a tenth of it, the
//! values and no times; for `make test`.

use anyhow::{Context, Result};
use phusong_tests::harness::{Bound, Collector, Lab, Report, bench_dir, median, skip_test, wait};
use phusong_tests::metrics_rival::Rival;
use phusong_tests::metrics_scrape::Scrape;
use phusong_tests::metrics_world::MetricsWorld;
use std::io::Write;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEED: u64 = 4;
const PATIENCE: Duration = Duration::from_secs(120);
/// Memory that changes by less in two seconds is still.
const STILL_KB: u64 = 512;
const RUNS: usize = 5;
const HAMLETS: i64 = 3_700;
const SHORT_HAMLETS: i64 = 370;
/// Values of one message of the other exporter.
const METRICS: usize = 25;
const COVERAGE: &str = "/metrics/coverage";
/// What `promtool` says of the one family whose unit is not its base unit (docs/metrics.md says why).
const BITS: &str = "phusong_hamlet_throughput_bits_per_second use base unit";

fn main() -> ExitCode {
    let short = std::env::args().any(|arg| arg == "--short");
    let mut report = Report::new(if short { "bench-metrics-short" } else { "bench-metrics" }, SEED);
    if let Err(e) = measure(&mut report, short) {
        report.missing("render_s", Bound::AtMost(0.1), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

fn measure(report: &mut Report, short: bool) -> Result<()> {
    let judged = |bound: Bound| if short { Bound::Free } else { bound };
    let lab = Lab::start_under(&bench_dir()?, "metrics", &[])?;
    let config = lab.collector_config();
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let hamlets = if short { SHORT_HAMLETS } else { HAMLETS };
    let world = MetricsWorld::build(&config.data_dir, hamlets, i64::try_from(now)?)?;
    let collector = Collector::start(config, &[], &[])?;
    let port = collector.config.http_port;

    let before_kb = settled_kb(&collector)?;
    let first = Scrape::of(port, COVERAGE)?;
    report.figure("first_s", first.seconds, Bound::Free);
    let series = first.series();
    report.n(series as u64);
    report.figure("series", series as f64, if short { Bound::Free } else { Bound::AtLeast(100_000.0) });
    report.figure("wrong_values", wrong(&world, &first)? as f64, Bound::Exactly(0.0));
    match promtool(&first.text)? {
        Some(complaints) => report.figure("promtool_complaints", complaints as f64, Bound::Exactly(0.0)),
        None if short => skip_test("promtool is not installed: the text of /metrics/coverage was not checked by it"),
        None => report.skip("promtool is not installed"),
    }
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let scrape = Scrape::of(port, COVERAGE)?;
        anyhow::ensure!(scrape.series() == series, "{} series, then {}", series, scrape.series());
        times.push(scrape.seconds);
    }
    let render_s = median(times);
    let more_kb = collector.service.status_kb("VmHWM")?.saturating_sub(before_kb);
    report.figure("render_s", render_s, judged(Bound::AtMost(0.1)));
    report.figure("more_memory_mb", more_kb as f64 / 1024.0, judged(Bound::AtMost(40.0)));
    report.figure("body_mb", first.text.len() as f64 / 1e6, Bound::Free);
    if short {
        return Ok(());
    }
    rival(report, &lab, series, render_s)
}

fn rival(report: &mut Report, lab: &Lab, series: usize, render_s: f64) -> Result<()> {
    // It adds a series of its own for each device.
    let devices = series.div_ceil(METRICS + 1);
    let rival = Rival::start(lab.path(), devices, METRICS)?;
    let mut times = Vec::new();
    let mut theirs = 0;
    for _ in 0..RUNS {
        let scrape = rival.scrape()?;
        theirs = scrape.series();
        times.push(scrape.seconds);
    }
    let exporter_s = median(times);
    report.figure("mqtt_exporter_series", theirs as f64, Bound::Free);
    report.figure("mqtt_exporter_s", exporter_s, Bound::Free);
    report.figure("mqtt_exporter_memory_mb", rival.exporter.status_kb("VmHWM")? as f64 / 1024.0, Bound::Free);
    // By the series, should one side have a few more.
    let each = (exporter_s / theirs as f64) / (render_s / series as f64);
    report.figure("vs_mqtt_exporter", each, Bound::AtLeast(10.0));
    Ok(())
}

/// What the collector holds once its start is over: opening this store and deriving take memory, too, and are no scrape.
/// Its high-water mark begins anew from here (proc_pid_clear_refs(5)).
fn settled_kb(collector: &Collector) -> Result<u64> {
    collector.wait_metric("phusong_collector_touched_places", &[], |places| places == 0.0)?;
    let mut known = 0;
    wait::until_true("its memory stays as it is", PATIENCE, || {
        wait::pass(Duration::from_secs(2));
        let now = collector.service.status_kb("VmRSS").unwrap_or_default();
        now.abs_diff(std::mem::replace(&mut known, now)) < STILL_KB
    })?;
    std::fs::write(format!("/proc/{}/clear_refs", collector.service.pid()), "5")?;
    collector.service.status_kb("VmRSS")
}

/// How many families and lines are not what the world says they are.
fn wrong(world: &MetricsWorld, scrape: &Scrape) -> Result<usize> {
    let values = scrape.values()?;
    let mut wrong = 0;
    let mut all = 0;
    for (family, wanted) in world.series() {
        let start = format!("phusong_{family}{{");
        let found = values.keys().filter(|name| name.starts_with(&start)).count() as i64;
        all += found;
        if found != wanted {
            eprintln!("{family}: {found} series, not {wanted}");
            wrong += 1;
        }
    }
    for (line, wanted) in world.lines() {
        if values.get(line.as_str()) != Some(&wanted) {
            eprintln!("{line}: {:?}, not {wanted}", values.get(line.as_str()));
            wrong += 1;
        }
    }
    if all != values.len() as i64 {
        eprintln!("{} series that nobody asked for", values.len() as i64 - all);
        wrong += 1;
    }
    Ok(wrong)
}

/// Lines of complaint of `promtool check metrics`; `None` where there is no promtool.
fn promtool(text: &str) -> Result<Option<usize>> {
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).context("starting promtool"),
    };
    child.stdin.take().context("a pipe")?.write_all(text.as_bytes())?;
    let output = child.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let complaints: Vec<&str> = said.lines().filter(|line| !line.is_empty() && !line.contains(BITS)).collect();
    complaints.iter().take(20).for_each(|line| eprintln!("promtool: {line}"));
    Ok(Some(complaints.len()))
}
