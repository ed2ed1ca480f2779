//! An agent of our own, for as long as somebody looks: so there is one way to every value, whether the service runs or
//! not.
//!
//! In: the configuration. Out: a child process that answers on the socket; its log stands in the data directory. Refuses
//! to know: what it measures. Limits: it answers within [`ANSWERS_WITHIN`] or its last line says why not; it ends within
//! [`ENDS_WITHIN`] or is killed, and with us where we are killed.

use super::super::{Speaker, give_to_service};
use crate::config::Config;
use crate::control::Client;
use crate::text::AimText;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// The agent itself takes at most ten seconds.
const ENDS_WITHIN: Duration = Duration::from_secs(12);
const STEP: Duration = Duration::from_millis(50);

pub(in crate::cli) struct OwnAgent {
    child: Child,
    data_dir: PathBuf,
}

impl OwnAgent {
    /// Nothing where an agent answers already.
    pub(in crate::cli) async fn where_none_runs(said: &Speaker, config: &Config) -> Result<Option<OwnAgent>, String> {
        let client = Client::of(&config.data_dir);
        if client.watch().await.is_ok() {
            return Ok(None);
        }
        eprintln!("{}", said.say(&AimText::Starting));
        let log = config.data_dir.join("aim-agent.log");
        let child = start(said, &config.data_dir, &log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut own = OwnAgent { child, data_dir: config.data_dir.clone() };
        let deadline = Instant::now() + ANSWERS_WITHIN;
        loop {
            if client.watch().await.is_ok() {
                return Ok(Some(own));
            }
            let ended = own.child.try_wait().ok().flatten();
            if ended.is_some() || Instant::now() >= deadline {
                own.end().await;
                return Err(last_line(&log));
            }
            sleep(STEP).await;
        }
    }

    /// What it wrote belongs to the service, whoever started it.
    pub(in crate::cli) async fn end(mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may be gone already.
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + ENDS_WITHIN;
        while self.child.try_wait().ok().flatten().is_none() && Instant::now() < deadline {
            sleep(STEP).await;
        }
        // Of no effect on one that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Err(error) = give_to_service(&self.data_dir) {
            eprintln!("{}: {error}", self.data_dir.display());
        }
    }
}

fn start(said: &Speaker, data_dir: &Path, log: &Path) -> std::io::Result<Child> {
    std::fs::create_dir_all(data_dir)?;
    let out = File::create(log)?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("--config").arg(&said.file).args(["run", "--with-parent", &std::process::id().to_string()]);
    command.stdin(Stdio::null()).stderr(out.try_clone()?).stdout(out);
    // A Ctrl-C in the terminal is for us; we end it.
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn()
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("—").trim();
    format!("{line} ({})", log.display())
}
