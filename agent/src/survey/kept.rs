//! The survey that runs, kept over restarts: `surveys/current.json` in the data directory.
//!
//! In: its name and what cannot be read from its own file. Out: the same after a restart. Refuses to know: points.
//! Limits: one file, replaced as a whole.

use super::journal::{directory, is_name};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    pub name: String,
    pub started_ms: i64,
    pub indoor: bool,
    /// Holes entered so far.
    pub holes: u64,
}

fn file(data_dir: &Path) -> PathBuf {
    directory(data_dir).join("current.json")
}

impl Kept {
    /// `None` where no survey runs.
    pub fn load(data_dir: &Path) -> Option<Kept> {
        let text = std::fs::read_to_string(file(data_dir)).ok()?;
        let kept: Option<Kept> = serde_json::from_str(&text).ok().filter(|kept: &Kept| is_name(&kept.name));
        if kept.is_none() {
            tracing::warn!("surveys/current.json cannot be read; the survey that it names does not go on");
        }
        kept
    }

    pub fn store(&self, data_dir: &Path) -> io::Result<()> {
        let fresh = directory(data_dir).join("current.new");
        let mut to = File::create(&fresh)?;
        to.write_all(serde_json::to_string(self).expect("every field has a JSON form").as_bytes())?;
        to.sync_data()?;
        std::fs::rename(&fresh, file(data_dir))?;
        File::open(directory(data_dir))?.sync_all()
    }

    pub fn forget(data_dir: &Path) -> io::Result<()> {
        std::fs::remove_file(file(data_dir))
    }
}
