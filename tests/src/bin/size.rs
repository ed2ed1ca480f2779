//! `make size`: how large the agent's two builds are, on disk and in memory.
//!
//! In: the sources. Out: megabytes (10^6 bytes) of the stripped programs, and of resident memory while each measures,
//! holds a TLS session and has its samples acknowledged. Checks too that nothing of the tests' sabotage and no second
//! TLS library is in what is shipped.

use anyhow::{Context, Result};
use phusong_protocol::ReadingKind;
use phusong_tests::harness::{Agent, Bound, Lab, Report, repository};
use std::path::PathBuf;
use std::process::{Command, ExitCode};

const SEED: u64 = 1;
const SABOTAGE: &[u8] = b"PHUSONG_SABOTAGE";

/// One build of the agent and what it may take.
struct Build {
    name: &'static str,
    /// Builds it, from the repository.
    command: &'static [&'static str],
    /// Where it lies then, in the target directory.
    program: &'static str,
    file_mb: f64,
    rss_mb: f64,
}

const BUILDS: [Build; 2] = [
    Build {
        name: "full",
        command: &["cargo", "build", "-p", "phusong-agent", "--profile", "agent-full"],
        program: "agent-full/phusong-agent",
        file_mb: 7.0,
        rss_mb: 16.0,
    },
    Build {
        name: "slim",
        command: &["scripts/slim.sh"],
        program: "x86_64-unknown-linux-gnu/agent-slim/phusong-agent",
        file_mb: 4.0,
        rss_mb: 8.0,
    },
];

fn main() -> ExitCode {
    let mut report = Report::new("size", SEED);
    for build in &BUILDS {
        if let Err(e) = measure(build, &mut report) {
            eprintln!("{}: {e:?}", build.name);
            report.missing(&format!("{}_file_mb", build.name), Bound::AtMost(build.file_mb), &format!("{e:#}"));
            report.missing(&format!("{}_rss_mb", build.name), Bound::AtMost(build.rss_mb), &format!("{e:#}"));
        }
    }
    match clean() {
        Ok(found) => report.figure("foreign_parts", found, Bound::Exactly(0.0)),
        Err(e) => report.missing("foreign_parts", Bound::Exactly(0.0), &format!("{e:#}")),
    }
    report.n(BUILDS.len() as u64);
    report.finish()
}

fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from)
}

fn program(build: &Build) -> PathBuf {
    target_dir().join(build.program)
}

fn output(command: &[&str]) -> Result<std::process::Output> {
    Command::new(command[0]).args(&command[1..]).current_dir(repository()).output().context(command[0].to_owned())
}

fn measure(build: &Build, report: &mut Report) -> Result<()> {
    eprintln!("building the {} agent: a few minutes the first time", build.name);
    let output = output(build.command)?;
    anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::metadata(program(build))?.len();
    report.figure(&format!("{}_file_mb", build.name), bytes as f64 / 1e6, Bound::AtMost(build.file_mb));

    let (now, peak) = resident(build)?;
    eprintln!("{}: {:.2} MB on disk, {now:.2} MB in memory, {peak:.2} MB at most", build.name, bytes as f64 / 1e6);
    report.figure(&format!("{}_rss_mb", build.name), peak, Bound::AtMost(build.rss_mb));
    report.figure(&format!("{}_rss_now_mb", build.name), now, Bound::Free);
    Ok(())
}

/// Resident memory now and at its peak, in MB, once several summaries are acknowledged over TLS.
fn resident(build: &Build) -> Result<(f64, f64)> {
    let lab = Lab::start("size", &["p1"])?;
    let collector = lab.start_collector()?;
    let mut agent = Agent::start_program(lab.agent_config("p1"), &program(build))?;
    let summaries = format!("SELECT count(*) FROM observation WHERE kind = {}", ReadingKind::Summary.code());
    let arrived = collector.wait_query("summaries", &summaries, |n| n >= 8);
    arrived.with_context(|| format!("the agent said\n{}", agent.service.log_text()))?;
    let mb = |field| agent.service.status_kb(field).map(|kb| kb as f64 * 1024.0 / 1e6);
    let found = (mb("VmRSS")?, mb("VmHWM")?);
    agent.stop()?;
    Ok(found)
}

/// How many things are in the shipped programs that must not be: sabotage, a second TLS library.
fn clean() -> Result<f64> {
    let mut found = 0.0;
    let collector = target_dir().join("release/phusong-collector");
    for path in BUILDS.iter().map(program).chain([collector]) {
        let bytes = std::fs::read(&path).with_context(|| path.display().to_string())?;
        if contains(&bytes, SABOTAGE) {
            eprintln!("{} contains the tests' sabotage", path.display());
            found += 1.0;
        }
    }
    for name in ["aws-lc-sys", "openssl-sys"] {
        let output =
            output(&["cargo", "tree", "--offline", "-p", "phusong-agent", "--edges", "normal", "--prefix", "none"])?;
        anyhow::ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with(&format!("{name} "))) {
            eprintln!("the agent links {name}");
            found += 1.0;
        }
    }
    Ok(found)
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}
