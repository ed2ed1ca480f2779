//! The Grafana Foundation SDK reads a dashboard and writes it again: what it loses, Grafana does not know.
//!
//! In: files. Out: the paths of keys that were lost or came back with another value. Refuses to know: what they mean.
//! Limits: Python's package, in a virtual environment under the target directory, made at the first run; where it cannot
//! be had, that is said.

use crate::harness::repository;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PACKAGE: &str = "grafana-foundation-sdk==1769699379!11.6.0";

pub struct Sdk {
    python: PathBuf,
}

impl Sdk {
    /// The environment with the package; an error says why it cannot be had.
    pub fn prepare() -> Result<Self> {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| repository().join("target"), PathBuf::from);
        let dir = target.join("dashboards-venv");
        let sdk = Sdk { python: dir.join("bin/python") };
        if sdk.holds_package() {
            return Ok(sdk);
        }
        run(Command::new("python3").args(["-m", "venv"]).arg(&dir))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
        run(Command::new(&sdk.python).args(pip))?;
        Ok(sdk)
    }

    fn holds_package(&self) -> bool {
        let wanted = PACKAGE.split_once("==").expect("name and version").1;
        let asked = "import importlib.metadata as m; print(m.version('grafana-foundation-sdk'))";
        let answer = Command::new(&self.python).args(["-c", asked]).stderr(Stdio::null()).output();
        answer.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == wanted)
    }

    /// What is lost or changed in these files, a line each.
    pub fn lost(&self, files: &[PathBuf]) -> Result<Vec<String>> {
        let script = repository().join("dashboards/check/roundtrip.py");
        let text = run(Command::new(&self.python).arg("-B").arg(script).args(files))?;
        Ok(text.lines().map(str::to_owned).collect())
    }

    /// The same, of one dashboard that is in no file yet.
    pub fn lost_of(&self, dir: &Path, json: &serde_json::Value) -> Result<Vec<String>> {
        let path = dir.join("one.json");
        std::fs::write(&path, json.to_string())?;
        self.lost(&[path])
    }
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    let last = errors.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
    anyhow::ensure!(output.status.success(), "{:?}: {last}", command.get_program());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
