//! What a measuring command found: one JSON line, the same in a file, and an exit code.
//!
//! `{"ok":bool,"commit":..,"seed":..,"n":..,"figures":{name:{"value":..,"bound":..,"ok":..}},"skipped":[..]}`

use super::process::repository;
use serde_json::{Map, Value, json};
use std::process::{Command, ExitCode};

/// What a figure must satisfy.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    AtLeast(f64),
    AtMost(f64),
    Exactly(f64),
    /// Shown, not judged.
    Free,
}

pub struct Report {
    target: String,
    seed: u64,
    n: u64,
    figures: Map<String, Value>,
    skipped: Vec<String>,
    ok: bool,
}

impl Bound {
    fn holds(self, value: f64) -> bool {
        match self {
            Bound::AtLeast(bound) => value >= bound,
            Bound::AtMost(bound) => value <= bound,
            Bound::Exactly(bound) => (value - bound).abs() < f64::EPSILON,
            Bound::Free => value.is_finite(),
        }
    }

    fn text(self) -> Value {
        match self {
            Bound::AtLeast(bound) => json!(format!(">= {bound}")),
            Bound::AtMost(bound) => json!(format!("<= {bound}")),
            Bound::Exactly(bound) => json!(format!("= {bound}")),
            Bound::Free => Value::Null,
        }
    }
}

impl Report {
    /// `target` names the make target and the file.
    pub fn new(target: &str, seed: u64) -> Self {
        Report { target: target.into(), seed, n: 0, figures: Map::new(), skipped: Vec::new(), ok: true }
    }

    /// Over how many cases, rounds or runs.
    pub fn n(&mut self, n: u64) {
        self.n = n;
    }

    pub fn figure(&mut self, name: &str, value: f64, bound: Bound) {
        let ok = bound.holds(value);
        self.ok &= ok;
        let rounded = (value * 1e4).round() / 1e4;
        self.figures.insert(name.into(), json!({"value": rounded, "bound": bound.text(), "ok": ok}));
    }

    /// A figure that is a fact, as a name; it cannot fail.
    pub fn note(&mut self, name: &str, value: &str) {
        self.figures.insert(name.into(), json!({"value": value, "bound": null, "ok": true}));
    }

    /// Something could not be measured that has to be.
    pub fn missing(&mut self, name: &str, bound: Bound, why: &str) {
        self.ok = false;
        self.figures.insert(name.into(), json!({"value": null, "bound": bound.text(), "ok": false, "why": why}));
    }

    /// Said loudly: this machine cannot do it.
    pub fn skip(&mut self, what: &str) {
        eprintln!("SKIPPED: {what}");
        self.skipped.push(what.into());
    }

    pub fn ok(&self) -> bool {
        self.ok
    }

    pub fn line(&self) -> String {
        let commit = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(repository()).output();
        let commit = commit.map(|out| String::from_utf8_lossy(&out.stdout).trim().to_owned()).unwrap_or_default();
        let Report { seed, n, figures, skipped, ok, .. } = self;
        json!({"ok": ok, "commit": commit, "seed": seed, "n": n, "figures": figures, "skipped": skipped}).to_string()
    }

    /// Writes `target/reports/<target>.json` and prints the line, which is to be the last.
    pub fn finish(self) -> ExitCode {
        let line = self.line();
        let dir = repository().join("target/reports");
        let path = dir.join(format!("{}.json", self.target));
        let written = std::fs::create_dir_all(&dir).and_then(|()| std::fs::write(&path, format!("{line}\n")));
        if let Err(e) = &written {
            eprintln!("{}: {e}", path.display());
        }
        println!("{line}");
        if self.ok && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// For tests: says loudly that this machine cannot do something, and notes it for the report of `make test`.
pub fn skip_test(what: &str) {
    use std::io::Write;
    eprintln!("SKIPPED: {what}");
    let Some(path) = std::env::var_os("PHUSONG_SKIPPED") else { return };
    let noted = std::fs::File::options().append(true).open(&path).and_then(|mut file| writeln!(file, "{what}"));
    if let Err(e) = noted {
        eprintln!("{}: {e}", path.display());
    }
}
