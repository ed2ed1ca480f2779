//! A technician's terminal: tmux of our own, an agent without a collector, a modem that is a program.
//!
//! In: the size of the terminal, a state of the modem. Out: what stands on the screen, as text and as a picture. Refuses
//! to know: what it should say. Limits: each world has its own tmux server, ended by its process id.

mod picture;
mod tmux;

pub use tmux::Tmux;

use phusong_tests::harness::{TempDir, VirtualModem, binary, repository};
use std::path::PathBuf;
use std::process::Command;

pub struct World {
    pub dir: TempDir,
    pub config: PathBuf,
}

impl World {
    /// A configuration whose broker is not there, with this modem, which carries the link to the target.
    pub fn new(name: &str, modem: &VirtualModem) -> World {
        Self::with(name, modem, "interface = \"lo\"\n[[uplink]]\ninterface = \"lo\"\nkind = \"cellular\"\n")
    }

    /// The same, and no link of the modem.
    pub fn without_link(name: &str, modem: &VirtualModem) -> World {
        Self::with(name, modem, "")
    }

    fn with(name: &str, modem: &VirtualModem, link: &str) -> World {
        let dir = TempDir::new(name).expect("a writable directory");
        let config = dir.join("agent.toml");
        let text = format!(
            "site = \"lab\"\nprobe = \"roof\"\nlanguage = \"vi\"\ndata_dir = {:?}\n\n\
             [[broker]]\nurl = \"mqtt://127.0.0.1:1\"\npassword = \"x\"\n\n\
             [[modem]]\nname = \"roof\"\nsource = \"at\"\ndevice = {:?}\n{link}\n\
             [[target]]\nname = \"self\"\nkind = \"icmp\"\nhost = \"127.0.0.1\"\ntags = [\"domestic\"]\n",
            dir.join("data"),
            modem.path(),
        );
        std::fs::write(&config, text).expect("writable");
        World { dir, config }
    }

    pub fn agent(&self) -> Command {
        let mut command = Command::new(binary("phusong-agent").expect("it is built"));
        command.arg("--config").arg(&self.config);
        command
    }

    /// The same as a line for a shell.
    pub fn line(&self, arguments: &str) -> String {
        let agent = binary("phusong-agent").expect("it is built");
        format!("{} --config {} {arguments}", agent.display(), self.config.display())
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.join("data/status.sock")
    }
}

/// Keeps a picture of the screen for the documents, where `PHUSONG_PICTURES` says so.
pub fn keep_picture(tmux: &Tmux, name: &str) {
    if std::env::var_os("PHUSONG_PICTURES").is_none() {
        return;
    }
    let svg = tmux.path().join("screen.svg");
    std::fs::write(&svg, picture::svg(&tmux.coloured())).expect("writable");
    let png = repository().join("docs").join(name);
    let made = Command::new("rsvg-convert").arg("-o").arg(&png).arg(&svg).status().expect("rsvg-convert runs");
    assert!(made.success());
}
