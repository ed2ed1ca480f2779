//! A small disk of its own: a tmpfs that fills up, is cleared or grown, and goes away with the value.
//!
//! In: a directory and a size. Out: a mount there. Refuses to know: who writes to it. Limits: needs root; where mounting
//! is refused the caller says so in its report.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

pub struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    /// Whether this process may mount at all.
    pub fn is_possible() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Mounts `kib` KiB at `at`, which is created.
    pub fn mount(at: &Path, kib: u64) -> Result<Self> {
        std::fs::create_dir_all(at)?;
        run(&["mount", "-t", "tmpfs", "-o", &format!("size={kib}k,mode=0700"), "phusong-small-disk"], at)?;
        Ok(SmallDisk { at: at.into() })
    }

    /// Gives it another size; what is on it stays.
    pub fn resize(&self, kib: u64) -> Result<()> {
        run(&["mount", "-o", &format!("remount,size={kib}k")], &self.at)
    }

    /// Bytes that are free for anybody.
    pub fn free(&self) -> Result<u64> {
        let stat = rustix::fs::statvfs(&self.at)?;
        Ok(stat.f_bavail * stat.f_frsize)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that a process that still holds a file open does not keep the mount in sight.
        if let Err(e) = run(&["umount", "-l"], &self.at) {
            eprintln!("{} stays mounted: {e}", self.at.display());
        }
    }
}

fn run(command: &[&str], at: &Path) -> Result<()> {
    let output = Command::new(command[0]).args(&command[1..]).arg(at).output().context("mount is not installed")?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
