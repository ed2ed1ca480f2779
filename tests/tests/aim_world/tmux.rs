//! A terminal of a given size with one program in it, under a tmux server of its own.
//!
//! In: a size, a command line. Out: what stands on its screen. Refuses to know: what runs. Limits: one pane; the server
//! is ended by its process id, and with it the terminal.

use phusong_tests::harness::{TempDir, wait};
use rustix::process::{Pid, Signal, kill_process};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

pub struct Tmux {
    dir: TempDir,
    socket: String,
    server: Option<Pid>,
}

impl Tmux {
    pub fn is_installed() -> bool {
        Command::new("tmux").arg("-V").output().is_ok()
    }

    pub fn start(name: &str, (width, height): (u16, u16), line: &str) -> Tmux {
        let dir = TempDir::new(name).expect("a writable directory");
        let socket = format!("phusong-{name}-{}", std::process::id());
        std::fs::write(dir.join("tmux.conf"), "set -g default-terminal tmux-256color\nset -g remain-on-exit on\n")
            .expect("writable");
        let mut tmux = Tmux { dir, socket, server: None };
        let size = [width, height].map(|n| n.to_string());
        tmux.say(&["new-session", "-d", "-x", &size[0], "-y", &size[1], line]);
        let pid = tmux.say(&["display-message", "-p", "#{pid}"]);
        tmux.server = pid.trim().parse().ok().and_then(Pid::from_raw);
        assert!(tmux.server.is_some(), "tmux names its server: {pid}");
        tmux
    }

    fn say(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        // A user's own tmux is not asked.
        command.env_remove("TMUX").args(["-u", "-L", &self.socket, "-f"]).arg(self.dir.join("tmux.conf")).args(words);
        let output = command.output().expect("tmux runs");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The lines of the screen.
    pub fn text(&self) -> String {
        self.say(&["capture-pane", "-p"])
    }

    /// The same with the escape sequences of its colours.
    pub fn coloured(&self) -> String {
        self.say(&["capture-pane", "-p", "-e", "-N"])
    }

    pub fn press(&self, key: &str) {
        self.say(&["send-keys", key]);
    }

    /// Whether the program has ended.
    pub fn has_ended(&self) -> bool {
        self.say(&["display-message", "-p", "#{pane_dead}"]).trim() == "1"
    }

    /// Waits until the screen shows all of it; the screen then.
    pub fn shows(&self, wanted: &[&str], patience: Duration) -> String {
        let look = || Some(self.text()).filter(|text| wanted.iter().all(|one| text.contains(one)));
        let shown = wait::until(&format!("{wanted:?} on the screen"), patience, look);
        shown.unwrap_or_else(|error| panic!("{error}\n{}", self.text()))
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        if let Some(pid) = self.server {
            // It may have ended with its program.
            let _ = kill_process(pid, Signal::TERM);
        }
    }
}
