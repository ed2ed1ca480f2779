//! Network namespaces with virtual cables to the machine's own; only root can make them.

use super::process::run;
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// A namespace that is gone with the value. Names are of at most 15 bytes, as interfaces are.
pub struct NetNs {
    name: String,
}

/// Why namespaces cannot be made here, or nothing.
pub fn unavailable() -> Option<String> {
    let probe = format!("pht{}", std::process::id());
    match NetNs::new(&probe) {
        Ok(_) => None,
        Err(e) => Some(format!("network namespaces: {e:#}")),
    }
}

/// What runs that were cut short left behind: namespaces named `<prefix><pid>-<n>` of processes that are no more.
pub fn left_behind(prefix: &str) -> Vec<String> {
    let owner = |name: &str| name.strip_prefix(prefix)?.split_once('-')?.0.parse::<u32>().ok();
    let gone = |pid: u32| !Path::new(&format!("/proc/{pid}")).exists();
    let all = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
    all.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| owner(name).is_some_and(gone)).collect()
}

impl NetNs {
    pub fn new(name: &str) -> Result<Self> {
        run("ip", ["netns", "add", name]).context("making a network namespace needs root and iproute2")?;
        let made = NetNs { name: name.into() };
        made.run("ip link set lo up")?;
        Ok(made)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// A command that will run inside.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Runs a line of words inside.
    pub fn run(&self, line: &str) -> Result<String> {
        let words = ["netns", "exec", &self.name].into_iter().chain(line.split_whitespace());
        run("ip", words)
    }

    /// A cable from `inside` in this namespace to `outside` in `peer`, with an address for each end (as `10.9.1.2/30`).
    pub fn cable(&self, inside: (&str, &str), peer: &NetNs, outside: (&str, &str)) -> Result<()> {
        let line = format!(
            "ip link add {} netns {} type veth peer name {} netns {}",
            inside.0, self.name, outside.0, peer.name
        );
        run("ip", line.split_whitespace().skip(1))?;
        for (namespace, (interface, address)) in [(self, inside), (peer, outside)] {
            namespace.run(&format!("ip address add {address} dev {interface}"))?;
            namespace.run(&format!("ip link set {interface} up"))?;
        }
        Ok(())
    }
}

impl Drop for NetNs {
    fn drop(&mut self) {
        if let Err(e) = run("ip", ["netns", "delete", &self.name]) {
            eprintln!("{e:#}");
        }
    }
}
