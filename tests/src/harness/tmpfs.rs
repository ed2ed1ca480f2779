//! A small file system of a test's own, for full disks; only root can mount one.

use super::process::run;
use anyhow::{Context, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    pub fn mount(path: &Path, bytes: u64) -> Result<Self> {
        std::fs::create_dir_all(path)?;
        let options = format!("size={bytes},mode=0700");
        let target = path.to_str().context("temporary directories have plain names")?;
        run("mount", ["-t", "tmpfs", "-o", &options, "phusong-test", target]).context("mounting needs root")?;
        Ok(Tmpfs { path: path.into() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes every byte that is left.
    pub fn fill(&self) -> Result<()> {
        let mut filler = std::fs::File::options().create(true).append(true).open(self.filler())?;
        // Whole pages first; then what is left, down to the last byte.
        for piece in [vec![0; 64 * 1024], vec![0; 512], vec![0; 1]] {
            while filler.write_all(&piece).is_ok() {}
        }
        Ok(())
    }

    /// Gives it back.
    pub fn free(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> PathBuf {
        self.path.join("filler")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        if let Err(e) = run("umount", ["--lazy".as_ref(), self.path.as_os_str()]) {
            eprintln!("{e:#}");
        }
    }
}

/// Why file systems cannot be mounted here, or nothing.
pub fn unavailable() -> Option<String> {
    let dir = super::TempDir::new("mount").ok()?;
    Tmpfs::mount(&dir.join("try"), 65_536).err().map(|e| format!("a small tmpfs for a full disk: {e:#}"))
}
