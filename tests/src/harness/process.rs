//! A child process with its log in a file, killed when it goes out of scope.

use super::wait;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Where the repository lies: what cargo says to a running test, else where make was called, else where this was
/// built. Not the last alone: two clones may share a target directory, and with it this very program.
pub fn repository() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let told =
            std::env::var_os("CARGO_MANIFEST_DIR").and_then(|dir| Path::new(&dir).parent().map(Path::to_path_buf));
        let here = std::env::current_dir().ok();
        let built = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the repository");
        let ours = |path: &PathBuf| path.join("deploy/mosquitto/phusong.conf").is_file();
        [told, here].into_iter().flatten().find(ours).unwrap_or_else(|| built.to_path_buf())
    })
}

/// A binary of ours: from `PHUSONG_BIN_DIR`, or beside the running test's own target directory.
pub fn binary(name: &str) -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("PHUSONG_BIN_DIR") {
        let path = Path::new(&dir).join(name);
        anyhow::ensure!(path.is_file(), "PHUSONG_BIN_DIR has no {name}");
        return Ok(path);
    }
    let own = std::env::current_exe().context("own path")?;
    let found = own.ancestors().skip(1).take(2).map(|dir| dir.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built; `make build` builds it"))
}

pub struct Service {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Service {
    /// Starts `command` with both outputs appended to `log`.
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Result<Self> {
        let out = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
        let child = command.spawn().with_context(|| format!("starting {name}: {command:?}"))?;
        Ok(Service { name: name.into(), child, log: log.into(), ended: None })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it runs still.
    pub fn runs(&mut self) -> bool {
        self.exit_status().is_none()
    }

    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().ok().flatten();
        }
        self.ended
    }

    /// `kill -9`, and reaped.
    pub fn kill9(&mut self) -> Result<()> {
        self.child.kill()?;
        self.ended = Some(self.child.wait()?);
        Ok(())
    }

    /// SIGTERM, then waits; past the patience it is killed and an error.
    pub fn terminate(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_exit(patience)
    }

    /// SIGHUP.
    pub fn hang_up(&self) -> Result<()> {
        self.signal(Signal::HUP)
    }

    /// SIGSTOP: holds the process still until [`Service::resume`].
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid())?).context("a child has a pid")?;
        kill_process(pid, signal).with_context(|| format!("{signal:?} to {}", self.name))
    }

    pub fn wait_exit(&mut self, patience: Duration) -> Result<ExitStatus> {
        let name = self.name.clone();
        let ended = wait::until(&format!("the end of {name}"), patience, || self.exit_status());
        if ended.is_err() {
            self.kill9()?;
        }
        ended.with_context(|| format!("log of {name}:\n{}", self.log_text()))
    }

    /// Everything it has said so far.
    pub fn log_text(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until the log holds `needle`.
    pub fn wait_log(&mut self, needle: &str, patience: Duration) -> Result<()> {
        self.wait_for(&format!("{needle:?} in its log"), patience, |service| service.log_text().contains(needle))
    }

    /// Waits for a condition, and gives up at once when the process has ended.
    pub fn wait_for(&mut self, what: &str, patience: Duration, mut look: impl FnMut(&Self) -> bool) -> Result<()> {
        let outcome = wait::until(what, patience, || {
            if look(self) {
                return Some(true);
            }
            if self.runs() { None } else { Some(false) }
        });
        match outcome {
            Ok(true) => Ok(()),
            Ok(false) => bail!("{} ended ({:?}) before {what}; log:\n{}", self.name, self.ended, self.log_text()),
            Err(e) => bail!("{}: {e}; log:\n{}", self.name, self.log_text()),
        }
    }

    /// A field of `/proc/<pid>/status` in kB, as `VmHWM`.
    pub fn status_kb(&self, field: &str) -> Result<u64> {
        let path = format!("/proc/{}/status", self.pid());
        let text = std::fs::read_to_string(&path)?;
        let line = text.lines().find(|line| line.starts_with(&format!("{field}:")));
        let number =
            line.and_then(|line| line.split_whitespace().nth(1)).with_context(|| format!("{path}: {field}"))?;
        Ok(number.parse()?)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.ended.is_none() && self.child.try_wait().ok().flatten().is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let text = self.log_text();
            let tail: Vec<&str> = text.lines().rev().take(40).collect();
            eprintln!("--- {} said last:", self.name);
            tail.iter().rev().for_each(|line| eprintln!("{line}"));
        }
    }
}

/// Runs a command to its end; output as text, an error when it fails.
pub(super) fn run<I: AsRef<OsStr>>(program: impl AsRef<OsStr>, args: impl IntoIterator<Item = I>) -> Result<String> {
    let mut command = Command::new(program);
    let output = command.args(args).stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{command:?}: {}\n{text}{errors}", output.status);
    Ok(text)
}
