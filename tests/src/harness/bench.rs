//! What measurements share: where they write, and the middle of their runs.
//!
//! In: `PHUSONG_BENCH_DIR`. Out: a directory, a median. Refuses to know: what is measured.

use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// `PHUSONG_BENCH_DIR`, else beside the program: both sides of a comparison on one file system.
pub fn bench_dir() -> Result<PathBuf> {
    let beside = || std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    let base = std::env::var_os("PHUSONG_BENCH_DIR").map(PathBuf::from).or_else(beside);
    base.context("nowhere to write: set PHUSONG_BENCH_DIR")
}

/// The middle one; the upper of two. There must be one at least.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
