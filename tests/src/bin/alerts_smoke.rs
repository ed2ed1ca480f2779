//! `make alerts-smoke`: from a dead hamlet to a message and back, with a real collector, Prometheus and Alertmanager.
//!
//! The rules and Alertmanager's configuration are the shipped ones with every duration divided by 60 (promtool tests them
//! at their real pace). What counts is what arrived at the webhook: (1) a hamlet dies and is told once; (2) a recovery
//! shorter than it is kept changes nothing; (3) a lasting one is told; (4) a killed collector is told and accuses nobody
//! in the field, though a hamlet is dead all the while; (5) its return is told and nothing flaps; (6) one probe falls
//! silent. `--short` leaves out 2 and 6.

use anyhow::{Context, Result, ensure};
use phusong_tests::alerts::field::{Field, Mode};
use phusong_tests::alerts::look::level;
use phusong_tests::alerts::monitors::Monitors;
use phusong_tests::alerts::sink::{Sink, Told};
use phusong_tests::harness::{Bound, Collector, Lab, Report, wait};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const VIETTEL: &str = "452-04";
const MOBIFONE: &str = "452-01";

const AREAS: &str = "code,name,label,parent,lat,lon
19,Thái Nguyên,tỉnh,,21.86,105.54
c-a,Bình Yên,xã,19,21.86,105.54
c-b,Định Biên,xã,19,21.87,105.55
c-c,Trung Lương,xã,19,21.88,105.56
h-a,Nà Chèn,xóm,c-a,21.86,105.54
h-b,Nà Họ,xóm,c-b,21.87,105.55
h-c,Bản Piềng,xóm,c-c,21.88,105.56
";

/// Probe, hamlet, SIM.
const PROBES: [(&str, &str, &str); 8] = [
    ("a1", "h-a", VIETTEL),
    ("a2", "h-a", VIETTEL),
    ("a3", "h-a", MOBIFONE),
    ("a4", "h-a", MOBIFONE),
    ("b1", "h-b", VIETTEL),
    ("b2", "h-b", VIETTEL),
    ("c1", "h-c", VIETTEL),
    ("c2", "h-c", VIETTEL),
];

const DEAD: &str = "PhusongHamletDead";
const DOWN: &str = "PhusongCollectorDown";
const SILENT: &str = "PhusongProbeSilent";

/// The shipped `for` and `keep_firing_for` of a dead hamlet, sped up.
const FOR: Duration = Duration::from_secs(15);
const KEEP: Duration = Duration::from_secs(10);
/// Longer than anything that is kept, and Alertmanager's `group_interval` with it.
const HOLD: Duration = Duration::from_secs(20);

fn main() -> ExitCode {
    let short = std::env::args().any(|arg| arg == "--short");
    let mut report = Report::new(if short { "alerts-smoke-short" } else { "alerts-smoke" }, 0);
    if let Err(e) = Smoke::start().and_then(|mut smoke| smoke.run(&mut report, short)) {
        report.missing("completed", Bound::Exactly(1.0), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

/// Processes before the directory that they write to.
struct Smoke {
    monitors: Monitors,
    field: Field,
    sink: Sink,
    collector: Collector,
    _lab: Lab,
}

impl Smoke {
    fn start() -> Result<Smoke> {
        let names: Vec<&str> = PROBES.iter().map(|probe| probe.0).collect();
        let lab = Lab::start("alerts", &names)?;
        let collector = lab.start_collector()?;
        let file = lab.path().join("areas.csv");
        std::fs::write(&file, AREAS)?;
        command(&collector, &["areas", "import", file.to_str().context("an ASCII path")?])?;
        for (probe, hamlet, _) in PROBES {
            command(&collector, &["probe", "move", probe, "--lat", "21.86", "--lon", "105.54", "--hamlet", hamlet])?;
        }
        let sink = Sink::start()?;
        let monitors = Monitors::start(lab.path(), collector.config.http_port, &sink.url())?;
        let field = Field::start(lab.broker.plain_port())?;
        Ok(Smoke { monitors, field, sink, collector, _lab: lab })
    }

    fn run(&mut self, report: &mut Report, short: bool) -> Result<()> {
        let outcome = self.steps(report, short);
        let told = self.sink.told()?;
        report.n(told.len() as u64);
        let began = told.first().map(|first| first.at);
        for (told, began) in told.iter().zip(began.into_iter().cycle()) {
            let (after, name) = (told.at.duration_since(began).as_secs_f64(), told.name());
            let place = [told.label("hamlet"), told.label("probe")].join(" ");
            eprintln!("{after:6.1} s {:8} {name} {}", told.status, place.trim());
        }
        outcome
    }

    fn steps(&mut self, report: &mut Report, short: bool) -> Result<()> {
        let (in_rules, in_alertmanager) = self.monitors.divided;
        report.figure("durations_divided", (in_rules + in_alertmanager) as f64, Bound::AtLeast(20.0));
        self.dies(report)?;
        if !short {
            self.recovers_briefly(report)?;
        }
        self.recovers(report)?;
        self.collector_dies(report)?;
        self.collector_returns(report)?;
        if !short {
            self.falls_silent(report)?;
        }
        let rules = self.monitors.rules()?;
        report.figure("rules_tested", rules.sound as f64, Bound::AtLeast(17.0));
        report.figure("rules_failing", rules.failing as f64, Bound::Exactly(0.0));
        report.figure("completed", 1.0, Bound::Exactly(1.0));
        Ok(())
    }

    /// (1) Hamlets A and B die; C is well.
    fn dies(&mut self, report: &mut Report) -> Result<()> {
        for (probe, _, sim) in PROBES.iter().filter(|probe| !["a3", "a4"].contains(&probe.0)) {
            self.field.set(probe, sim, if probe.starts_with('c') { Mode::Served } else { Mode::Fails })?;
        }
        self.wait_level("h-a", |level| level == 1)?;
        let died = Instant::now();
        self.wait_level("h-c", |level| level == 3)?;
        let told =
            self.wait_told("the dead hamlet is told", |told| told.name() == DEAD && told.label("hamlet") == "h-a")?;
        ensure!(told.fires(), "the first word about it is {}", told.status);
        let said = told.annotations.get("summary_vi").map(String::as_str).unwrap_or_default();
        ensure!(said.contains("Nà Chèn"), "its summary does not name the hamlet: {said}");
        seconds(report, "fired_s", told.at.duration_since(died), FOR);
        self.wait_told("the other dead hamlet is told", |told| told.name() == DEAD && told.label("hamlet") == "h-b")?;
        Ok(())
    }

    /// (2) Another operator serves for less than the alert is kept.
    fn recovers_briefly(&mut self, report: &mut Report) -> Result<()> {
        self.field.set("a3", MOBIFONE, Mode::Served)?;
        self.wait_level("h-a", |level| level >= 2)?;
        let recovered = Instant::now();
        wait::pass(KEEP / 4);
        self.field.set("a3", MOBIFONE, Mode::Quiet)?;
        command(&self.collector, &["probe", "retire", "a3"])?;
        self.wait_level("h-a", |level| level == 1)?;
        report.figure("brief_recovery_s", recovered.elapsed().as_secs_f64(), Bound::AtMost(KEEP.as_secs_f64() - 1.0));
        wait::pass(HOLD);
        let held = self.statuses("h-a")? == ["firing"];
        report.figure("held", f64::from(u8::from(held)), Bound::Exactly(1.0));
        Ok(())
    }

    /// (3) Another operator serves for good.
    fn recovers(&mut self, report: &mut Report) -> Result<()> {
        self.field.set("a4", MOBIFONE, Mode::Served)?;
        self.wait_level("h-a", |level| level >= 2)?;
        let recovered = Instant::now();
        let ended = |told: &Told| told.name() == DEAD && told.label("hamlet") == "h-a" && !told.fires();
        let told = self.wait_told("the end of the dead hamlet is told", ended)?;
        seconds(report, "resolved_s", told.at.duration_since(recovered), KEEP);
        let once = self.statuses("h-a")? == ["firing", "resolved"];
        report.figure("told_once", f64::from(u8::from(once)), Bound::Exactly(1.0));
        Ok(())
    }

    /// (4) The collector is killed while hamlet B is dead.
    fn collector_dies(&mut self, report: &mut Report) -> Result<()> {
        ensure!(self.statuses("h-b")? == ["firing"], "hamlet B is to be dead: {:?}", self.statuses("h-b")?);
        self.collector.service.kill9()?;
        let killed = Instant::now();
        let told = self.wait_told("the dead collector is told", |told| told.name() == DOWN && told.fires())?;
        seconds(report, "collector_down_s", told.at.duration_since(killed), Duration::from_secs(3));
        wait::pass(HOLD);
        report.figure("field_alerts_while_down", self.of_field_since(killed)?, Bound::Exactly(0.0));
        Ok(())
    }

    /// (5) It comes back; B is still dead.
    fn collector_returns(&mut self, report: &mut Report) -> Result<()> {
        self.collector.restart()?;
        let returned = Instant::now();
        let told = self.wait_told("the collector's return is told", |told| told.name() == DOWN && !told.fires())?;
        seconds(report, "collector_back_s", told.at.duration_since(returned), Duration::ZERO);
        self.wait_level("h-b", |level| level == 1)?;
        wait::pass(HOLD);
        report.figure("field_alerts_after_return", self.of_field_since(returned)?, Bound::Exactly(0.0));
        Ok(())
    }

    /// (6) One of two probes of a good hamlet sends nothing any more.
    fn falls_silent(&mut self, report: &mut Report) -> Result<()> {
        self.field.set("c2", VIETTEL, Mode::Quiet)?;
        let silent = Instant::now();
        let told = self.wait_told("the silent probe is told", |told| told.name() == SILENT)?;
        ensure!(told.fires() && told.label("probe") == "c2", "another is called silent: {:?}", told.labels);
        seconds(report, "silent_s", told.at.duration_since(silent), Duration::from_secs(25));
        self.field.set("c2", VIETTEL, Mode::Served)?;
        self.wait_told("its return is told", |told| told.name() == SILENT && !told.fires())?;
        Ok(())
    }

    fn wait_level(&self, hamlet: &str, wanted: impl Fn(u8) -> bool) -> Result<u8> {
        let port = self.collector.config.http_port;
        let mut last = None;
        let found = wait::until(&format!("the level of {hamlet}"), wait::PATIENCE, || {
            last = level(port, hamlet);
            last.filter(|level| wanted(*level))
        });
        found.with_context(|| format!("{last:?} last; log of the collector:\n{}", self.collector.service.log_text()))
    }

    fn wait_told(&mut self, what: &str, wanted: impl Fn(&Told) -> bool) -> Result<Told> {
        wait::until(what, 3 * wait::PATIENCE, || match self.sink.told() {
            Ok(told) => told.iter().find(|told| wanted(told)).cloned().map(Ok),
            Err(e) => Some(Err(e)),
        })?
    }

    /// What was told of a dead hamlet, in order.
    fn statuses(&mut self, hamlet: &str) -> Result<Vec<String>> {
        let told = self.sink.told()?.iter().filter(|told| told.name() == DEAD && told.label("hamlet") == hamlet);
        Ok(told.map(|told| told.status.clone()).collect())
    }

    fn of_field_since(&mut self, moment: Instant) -> Result<f64> {
        let told = self.sink.told()?.iter().filter(|told| told.label("scope") == "field" && told.at > moment);
        Ok(told.count() as f64)
    }
}

/// A span that may be neither shorter than the rule's own nor much longer; two seconds are lost in looking.
fn seconds(report: &mut Report, name: &str, span: Duration, at_least: Duration) {
    let late = at_least + wait::PATIENCE;
    report.figure(name, span.as_secs_f64(), Bound::AtMost(late.as_secs_f64()));
    let early = span + Duration::from_secs(2) < at_least;
    report.figure(&format!("{name}_too_early"), f64::from(u8::from(early)), Bound::Exactly(0.0));
}

fn command(collector: &Collector, args: &[&str]) -> Result<()> {
    let output = collector.cli(args)?;
    ensure!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
