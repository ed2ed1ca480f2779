//! `make fuzz`: ten million executions of every parser under libFuzzer, then which branches of the parsers they took.
//!
//! In: the table of `tests/fuzz`, the fixtures as first inputs. Out: executions and panics of each parser; branch
//! coverage, counted by replaying the corpora through a build that counts branches. `--short` shares one minute among the
//! parsers and counts no branches: it is in `make test`. Refuses to know: what a parser does. A finding stays in
//! `target/fuzz/<parser>/` with the line that shows it again.

use anyhow::{Context, Result, bail, ensure};
use phusong_tests::harness::{Bound, Report, repository};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::Instant;

const SEED: u64 = 1;
const EXECUTIONS: u64 = 10_000_000;
const SHORT_SECONDS: usize = 60;
/// An input that takes longer is a hang.
const HANG_SECONDS: u64 = 10;
/// Of the parsers' own code. What is left are arms that no input can reach.
const BRANCHES_AT_LEAST: f64 = 90.0;
/// Edges are reported to libFuzzer from the code itself, so that inputs are kept for the new ground that they reach. The
/// words of the seeds stand in for reported comparisons, which cost three times as much as all else.
const GUIDED: &str = "-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table";
const COUNTED: &str = "-Cinstrument-coverage -Zcoverage-options=branch";

/// A row of the table in `tests/fuzz/src/lib.rs`.
#[derive(Debug, Clone, Deserialize)]
struct Target {
    name: String,
    seeds: Vec<PathBuf>,
    sources: Vec<PathBuf>,
}

/// What became of one parser.
struct Ran {
    executions: u64,
    per_second: f64,
    /// libFuzzer ended by itself.
    well: bool,
}

fn main() -> ExitCode {
    let short = std::env::args().any(|argument| argument == "--short");
    let mut report = Report::new(if short { "fuzz-smoke" } else { "fuzz" }, SEED);
    if let Err(e) = fuzz(short, &mut report) {
        report.missing("panics", Bound::Exactly(0.0), &format!("{e:#}"));
        eprintln!("{e:?}");
    }
    report.finish()
}

fn fuzz(short: bool, report: &mut Report) -> Result<()> {
    let bench = Bench::new()?;
    let fuzzer = bench.build("fuzz", "fuzz", GUIDED, &["--features", "libfuzzer"])?;
    let listed = Command::new(&fuzzer).env("PHUSONG_FUZZ", "list").stderr(Stdio::null()).output()?;
    let targets: Vec<Target> = serde_json::from_slice(&listed.stdout).context("the table of the parsers")?;
    ensure!(!targets.is_empty(), "the table of the parsers is empty");
    report.n(targets.len() as u64);

    let workers = std::thread::available_parallelism()?.get().min(targets.len());
    let seconds = (SHORT_SECONDS * workers / targets.len()).max(1);
    let until = if short { format!("-max_total_time={seconds}") } else { format!("-runs={EXECUTIONS}") };
    let waiting = Mutex::new(targets.iter());
    let results = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("nobody panics holding it").next();
                    let Some(target) = next else { break };
                    let ran = bench.run(&fuzzer, target, &until);
                    results.lock().expect("nobody panics holding it").push((target, ran));
                }
            });
        }
    });
    judge(short, results.into_inner().expect("the threads are gone"), report)?;
    if !short {
        branches(&bench, &targets, report)?;
    }
    Ok(())
}

fn judge(short: bool, results: Vec<(&Target, Result<Ran>)>, report: &mut Report) -> Result<()> {
    let (mut panics, mut executions, mut fewest, mut slowest) = (0_u32, 0, u64::MAX, f64::MAX);
    for (target, ran) in results {
        let ran = ran.with_context(|| target.name.clone())?;
        panics += u32::from(!ran.well);
        executions += ran.executions;
        fewest = fewest.min(ran.executions);
        slowest = slowest.min(ran.per_second);
        report.figure(&format!("{}_per_s", target.name), ran.per_second, Bound::Free);
    }
    report.figure("panics", f64::from(panics), Bound::Exactly(0.0));
    report.figure("executions", executions as f64, Bound::Free);
    let bound = if short { Bound::AtLeast(1.0) } else { Bound::AtLeast(EXECUTIONS as f64) };
    report.figure("executions_per_parser", fewest as f64, bound);
    report.figure("slowest_per_s", slowest, Bound::Free);
    Ok(())
}

/// Where it is built and where it is written.
struct Bench {
    triple: String,
    llvm: String,
    build_dir: PathBuf,
    dir: PathBuf,
}

impl Bench {
    fn new() -> Result<Self> {
        let out = Command::new("rustc").arg("-vV").current_dir(repository()).output().context("rustc -vV")?;
        let text = String::from_utf8(out.stdout)?;
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        let triple = field("host:").context("rustc says its host")?;
        let llvm = field("LLVM version:").context("rustc says its LLVM")?;
        let llvm = llvm.split('.').next().unwrap_or_default().to_owned();
        let build_dir = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        let dir = build_dir.join("fuzz");
        Ok(Bench { triple, llvm, build_dir, dir })
    }

    /// A program of `tests/fuzz`. The host's triple is named so that build scripts are built without the flags.
    fn build(&self, bin: &str, profile: &str, flags: &str, more: &[&str]) -> Result<PathBuf> {
        let manifest = repository().join("tests/fuzz/Cargo.toml");
        let mut cargo = Command::new("cargo");
        cargo.args(["build", "-q", "--bin", bin, "--profile", profile, "--target", &self.triple]).args(more);
        cargo.arg("--manifest-path").arg(manifest).arg("--target-dir").arg(&self.build_dir);
        cargo.env("RUSTFLAGS", flags).current_dir(repository());
        if flags.contains("-Z") {
            cargo.env("RUSTC_BOOTSTRAP", "1");
        }
        let status = cargo.status().context("cargo build")?;
        ensure!(status.success(), "tests/fuzz does not build with {flags}");
        Ok(self.build_dir.join(&self.triple).join(profile).join(bin))
    }

    /// libFuzzer on one parser, from its seeds on, in a directory of its own.
    fn run(&self, fuzzer: &Path, target: &Target, until: &str) -> Result<Ran> {
        let dir = self.dir.join(&target.name);
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        let corpus = self.corpus(target);
        fs::create_dir_all(&corpus)?;
        let mut number = 0;
        for path in &target.seeds {
            seed(&repository().join(path), &corpus, &mut number)?;
        }
        let words = dir.join("words");
        fs::write(&words, dictionary(&corpus)?)?;
        let log = dir.join("log");
        let began = Instant::now();
        let status = Command::new(fuzzer)
            .arg(&corpus)
            .arg(until)
            .arg(format!("-seed={SEED}"))
            .arg(format!("-timeout={HANG_SECONDS}"))
            .arg(format!("-artifact_prefix={}/", dir.display()))
            .arg(format!("-dict={}", words.display()))
            .args(["-max_len=256", "-rss_limit_mb=1024", "-reload=0", "-print_final_stats=1"])
            .env("PHUSONG_FUZZ", &target.name)
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log)?)
            .status()?;
        let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        if !status.success() {
            let last: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).take(30).collect();
            eprintln!("{}: {status}; again: replay {0} {}/crash-*\n{}", target.name, dir.display(), last.join("\n"));
        }
        let said = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        let executions: u64 = said.and_then(|value| value.trim().parse().ok()).unwrap_or(0);
        let per_second = executions as f64 / began.elapsed().as_secs_f64();
        eprintln!("{}: {executions} executions, {per_second:.0}/s", target.name);
        Ok(Ran { executions, per_second, well: status.success() })
    }

    fn corpus(&self, target: &Target) -> PathBuf {
        self.dir.join(&target.name).join("corpus")
    }

    fn llvm(&self, tool: &str) -> Command {
        Command::new(format!("{tool}-{}", self.llvm))
    }
}

/// Each line of a `.txt` up to ` | ` is an input; any other file is one whole.
fn seed(path: &Path, corpus: &Path, number: &mut u32) -> Result<()> {
    if path.is_dir() {
        let mut entries: Vec<PathBuf> = fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
        entries.sort();
        return entries.iter().try_for_each(|entry| seed(entry, corpus, number));
    }
    let bytes = fs::read(path).with_context(|| path.display().to_string())?;
    let mut write = |bytes: &[u8]| {
        *number += 1;
        fs::write(corpus.join(format!("seed-{number}")), bytes)
    };
    if path.extension().is_some_and(|extension| extension == "txt") {
        let text = String::from_utf8_lossy(&bytes);
        let lines = text.lines().map(|line| line.split(" | ").next().unwrap_or(line));
        lines.map(|line| line.replace('⏎', "\r\n")).try_for_each(|line| write(line.as_bytes()))?;
    } else {
        write(&bytes)?;
    }
    Ok(())
}

/// The words of the seeds, so that whole ones are put in.
fn dictionary(corpus: &Path) -> Result<String> {
    let mut words = BTreeSet::new();
    for entry in fs::read_dir(corpus)? {
        let bytes = fs::read(entry?.path())?;
        let split = bytes.split(|byte| !byte.is_ascii_alphanumeric() && !b"+^-_".contains(byte));
        let fit = split.filter(|word| (2..=24).contains(&word.len()));
        words.extend(fit.map(|word| String::from_utf8_lossy(word).into_owned()));
    }
    Ok(words.iter().map(|word| format!("\"{word}\"\n")).collect())
}

/// Replays what was kept, and counts which branches of the parsers' sources were taken both ways.
fn branches(bench: &Bench, targets: &[Target], report: &mut Report) -> Result<()> {
    let replay = bench.build("replay", "branches", COUNTED, &[])?;
    let profiles = bench.dir.join("profiles");
    if profiles.exists() {
        fs::remove_dir_all(&profiles)?;
    }
    fs::create_dir_all(&profiles)?;
    let mut raw = Vec::new();
    for target in targets {
        let profile = profiles.join(format!("{}.profraw", target.name));
        let status = Command::new(&replay)
            .arg(&target.name)
            .arg(bench.corpus(target))
            .env("LLVM_PROFILE_FILE", &profile)
            .status()?;
        ensure!(status.success(), "{}: the replay of its corpus ended with {status}", target.name);
        raw.push(profile);
    }
    let merged = profiles.join("all.profdata");
    let status = bench.llvm("llvm-profdata").args(["merge", "-sparse", "-o"]).arg(&merged).args(&raw).status();
    ensure!(status.context("llvm-profdata of rustc's LLVM")?.success(), "llvm-profdata merge");
    let mut sources: Vec<PathBuf> =
        targets.iter().flat_map(|target| &target.sources).map(|source| repository().join(source)).collect();
    sources.sort();
    sources.dedup();
    let mut export = bench.llvm("llvm-cov");
    export.args(["export", "-summary-only", "-instr-profile"]).arg(&merged).arg(&replay).args(&sources);
    let out = export.output().context("llvm-cov of rustc's LLVM")?;
    if !out.status.success() {
        bail!("llvm-cov export: {}", String::from_utf8_lossy(&out.stderr));
    }
    let told: serde_json::Value = serde_json::from_slice(&out.stdout)?;
    let data = &told["data"][0];
    for file in data["files"].as_array().context("files of the coverage")? {
        let (name, taken) = (file["filename"].as_str().unwrap_or_default(), &file["summary"]["branches"]);
        eprintln!("{name}: {} of {} branches", taken["covered"], taken["count"]);
    }
    let total = &data["totals"]["branches"];
    report.note("branches", &format!("{} of {}", total["covered"], total["count"]));
    let percent = total["percent"].as_f64().context("a percentage of branches")?;
    report.figure("branch_coverage", percent, Bound::AtLeast(BRANCHES_AT_LEAST));
    Ok(())
}
