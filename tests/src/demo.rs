//! The demo as somebody who tries it sees it: the script on free ports, its API, its map, its end.
//!
//! In: a directory that is not there yet. Out: the running [`Demo`], what its API says, what is left of it afterwards.
//! Refuses to know: how the demo starts its parts. Limits: Linux, whose `/proc` tells which processes it left behind.

use crate::harness::{Service, get, repository, wait};
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Building is done before; loading the past and deriving it take what they take on two busy cores.
const READY: Duration = Duration::from_secs(420);
const END: Duration = Duration::from_secs(60);
/// Where truth and answer are the same interruption: so much of the longer one is common.
const OVERLAP: f64 = 0.8;
const MINUTE_MS: i64 = 60_000;
/// ICMP, TCP, DNS and HTTP.
pub const WAYS: [&str; 4] = ["latency", "tcp", "dns", "http"];

pub struct Demo {
    service: Service,
    dir: PathBuf,
    pub http_port: u16,
    pub probe: String,
    pub join: Duration,
}

impl Demo {
    /// Runs `scripts/demo.sh` with `hours` of past, and waits until it says that it is ready.
    pub fn start(dir: &Path, hours: u32) -> Result<Demo> {
        let ports = free_ports()?;
        // Started in the background a shell ignores Ctrl-C, and so would all that comes from it.
        let mut command = Command::new("env");
        command
            .args(["--default-signal=INT,QUIT", "bash", "scripts/demo.sh"])
            .current_dir(repository())
            .env("DEMO_DIR", dir)
            .env("DEMO_PORTS", &ports);
        command.env("DEMO_HOURS", hours.to_string()).env("DEMO_BUILD", "no");
        // A group of its own, as a terminal gives it: Ctrl-C goes to all of it.
        command.process_group(0);
        let log = dir.with_extension("log");
        let mut service = Service::spawn("the demo", command, &log)?;
        let ready = dir.join("ready.json");
        if let Err(in_vain) = service.wait_for("it is ready", READY, |_| ready.is_file()) {
            // So that it ends what it has started.
            let _ = service.terminate(END);
            return Err(in_vain);
        }
        let said: Value = serde_json::from_slice(&std::fs::read(&ready)?)?;
        let number = |key: &str| said[key].as_u64().with_context(|| format!("ready.json has no {key}"));
        Ok(Demo {
            service,
            dir: dir.to_owned(),
            http_port: u16::try_from(number("http")?)?,
            probe: said["probe"].as_str().context("ready.json has no probe")?.to_owned(),
            join: Duration::from_millis(number("join_ms")?),
        })
    }

    pub fn truth_file(&self) -> PathBuf {
        self.dir.join("truth.json")
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    fn items(&self, path: &str) -> Result<Vec<Value>> {
        let (status, body) = get(self.http_port, path)?;
        anyhow::ensure!(status == 200, "{path}: {status} {body}");
        let answer: Value = serde_json::from_str(&body)?;
        answer["items"].as_array().cloned().with_context(|| format!("{path}: no items"))
    }

    /// Which ways of measuring the real agent has told of, in rounds, summaries or failures; and which had an answer.
    pub fn measured(&self) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let (mut tried, mut answered) = (BTreeSet::new(), BTreeSet::new());
        for item in self.items(&format!("/api/v1/observations?probe={}&limit=1000", self.probe))? {
            let of = |part: &Value| part["of"].as_str().map(str::to_owned);
            let way = match item["kind"].as_str().unwrap_or_default() {
                "failure" => of(&item["failure"]),
                "summary" => of(&item["reading"]).or_else(|| of(&item["reading"]["summary"])),
                kind => Some(kind.to_owned()),
            };
            let Some(way) = way else { continue };
            if item["kind"] != "failure" {
                answered.insert(way.clone());
            }
            tried.insert(way);
        }
        Ok((tried, answered))
    }

    /// Waits until ICMP, TCP, DNS and HTTP of the real agent are there.
    pub fn wait_measured(&self) -> Result<BTreeSet<String>> {
        let mut last = BTreeSet::new();
        wait::until("the real agent's ICMP, TCP, DNS and HTTP samples", wait::PATIENCE * 4, || {
            let (tried, answered) = self.measured().ok()?;
            last = tried;
            WAYS.iter().all(|way| last.contains(*way)).then_some(answered)
        })
        .with_context(|| format!("there are {last:?}"))
    }

    /// Of the true gaps of 45 min and more that are over for half an hour: how many were found closed, how many of them
    /// with their cause, and whether that of the scene was.
    pub fn gaps(&self) -> Result<GapsSeen> {
        let truth: Value = serde_json::from_slice(&std::fs::read(self.truth_file())?)?;
        let now_ms = truth["scene"]["now_ms"].as_i64().context("the truth has no scene")?;
        let begin_ms = truth["plan"]["start_ms"].as_i64().context("the truth has no plan")?;
        let found = self.items("/api/v1/gaps?open=false&limit=1000")?;
        let mut seen = GapsSeen::default();
        for event in truth["events"].as_array().context("the truth has no events")? {
            let span = span(event).context("an event without times")?;
            let over = span.0 >= begin_ms + 20 * MINUTE_MS && span.1 <= now_ms - 30 * MINUTE_MS;
            if event["kind"] != "gap" || !over || span.1 - span.0 < 45 * MINUTE_MS || event["clock_uncertain"] == true {
                continue;
            }
            seen.true_gaps += 1;
            let same = |gap: &&Value| {
                gap["probe"] == event["probe"]
                    && gap["network"] == event["network"]
                    && self::span(gap).is_some_and(|of| overlap(span, of) >= OVERLAP)
            };
            let Some(gap) = found.iter().find(same) else { continue };
            let right = gap["cause"] == event["cause"];
            seen.found += 1;
            seen.right += u64::from(right);
            seen.of_scene |= right && event["hamlet"] == truth["scene"]["gap"]["hamlet"];
        }
        Ok(seen)
    }

    /// Ctrl-C, as a terminal sends it; then how many processes are left, and whether the directory is.
    pub fn interrupt(mut self) -> Result<(usize, bool)> {
        let pid = Pid::from_raw(i32::try_from(self.service.pid())?).context("a child has a pid")?;
        kill_process(pid, Signal::INT)?;
        self.service.wait_exit(END)?;
        let said = self.service.log_text();
        if !said.contains(&format!("The data lies in {}", self.dir.display())) {
            bail!("it did not say where the data lies:\n{said}");
        }
        let kept = self.dir.join("collector/phusong.db").is_file() && self.dir.join("agent").is_dir();
        Ok((running_in(&self.dir), kept))
    }
}

/// A demo that is given up ends what it has started, too.
impl Drop for Demo {
    fn drop(&mut self) {
        if self.service.runs() {
            let _ = self.service.terminate(END);
        }
    }
}

/// What became of the true gaps.
#[derive(Debug, Default, Clone, Copy)]
pub struct GapsSeen {
    pub true_gaps: u64,
    pub found: u64,
    pub right: u64,
    /// The gap of the scene was found closed, with its cause.
    pub of_scene: bool,
}

/// The last line of JSON that the page's script printed, and whether it was content.
pub fn look(demo: &Demo, options: &[&str]) -> Result<(bool, Value)> {
    let mut command = Command::new("node");
    command.arg(repository().join("tests/page/demo.mjs")).arg(demo.url()).arg(demo.truth_file()).args(options);
    let output = command.stdin(Stdio::null()).output().context("node; `make setup` installs it")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let line = text.lines().last().with_context(|| format!("the page's script said nothing: {errors}"))?;
    let told = serde_json::from_str(line).with_context(|| format!("{line}{errors}"))?;
    Ok((output.status.success(), told))
}

/// What our own scripts weigh, in kB gzipped.
pub fn own_js_gzip_kb() -> Result<f64> {
    let output = Command::new("node").arg(repository().join("collector/web/figures.mjs")).output()?;
    let told: Value =
        serde_json::from_slice(&output.stdout).with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    told["own_js_gzip_kb"].as_f64().context("figures.mjs gives no own_js_gzip_kb")
}

fn span(of: &Value) -> Option<(i64, i64)> {
    Some((of["from_ms"].as_i64()?, of["to_ms"].as_i64()?))
}

fn overlap(a: (i64, i64), b: (i64, i64)) -> f64 {
    let common = (a.1.min(b.1) - a.0.max(b.0)).max(0);
    common as f64 / (a.1 - a.0).max(b.1 - b.0).max(1) as f64
}

/// Processes whose program or arguments lie in the directory.
fn running_in(dir: &Path) -> usize {
    let Ok(all) = std::fs::read_dir("/proc") else { return 0 };
    let here = dir.display().to_string();
    let ours = |path: PathBuf| {
        let program = std::fs::read_link(path.join("exe")).is_ok_and(|exe| exe.starts_with(dir));
        let arguments = std::fs::read(path.join("cmdline")).unwrap_or_default();
        program || String::from_utf8_lossy(&arguments).contains(&here)
    };
    let number = |name: &std::ffi::OsStr| name.to_str().is_some_and(|name| name.bytes().all(|b| b.is_ascii_digit()));
    all.flatten().filter(|entry| number(&entry.file_name())).filter(|entry| ours(entry.path())).count()
}

/// Three ports that were free a moment ago.
fn free_ports() -> Result<String> {
    let listeners: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<Result<_, _>>()?;
    let ports: Vec<String> =
        listeners.iter().map(|one| Ok(one.local_addr()?.port().to_string())).collect::<Result<_>>()?;
    Ok(ports.join(" "))
}
