//! The spool's table of the configuration, with its defaults and their reasons.

use serde::{Deserialize, Serialize};

/// `[spool]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SpoolConfig {
    /// All segments together. 64 MiB hold months of a default schedule without any connection.
    pub max_bytes: u64,
    /// One segment; also what a full spool drops at once.
    pub segment_bytes: u64,
    /// Longest time a sample waits for its fdatasync.
    pub sync_interval_ms: u64,
    /// Waiting bytes that bring the fdatasync forward.
    pub sync_bytes: u64,
    /// How long raw rounds stay after their summary: 7 days.
    pub ring_ms: u64,
}

impl Default for SpoolConfig {
    fn default() -> Self {
        SpoolConfig {
            max_bytes: 64 * 1024 * 1024,
            segment_bytes: 256 * 1024,
            sync_interval_ms: 5_000,
            sync_bytes: 64 * 1024,
            ring_ms: 7 * 86_400_000,
        }
    }
}

impl SpoolConfig {
    /// The rules between the numbers; the message names the key and says what would be right.
    pub fn check(&self) -> Result<(), String> {
        let rule = |good: bool, text: String| if good { Ok(()) } else { Err(text) };
        rule(
            (4_096..=16 * 1024 * 1024).contains(&self.segment_bytes),
            format!("spool.segment_bytes = {}: must lie between 4096 and 16777216", self.segment_bytes),
        )?;
        rule(
            self.max_bytes >= 4 * self.segment_bytes,
            format!(
                "spool.max_bytes = {}: must be at least four segments, here {}",
                self.max_bytes,
                4 * self.segment_bytes
            ),
        )?;
        rule(
            (1..=60_000).contains(&self.sync_interval_ms),
            format!("spool.sync_interval_ms = {}: must lie between 1 and 60000", self.sync_interval_ms),
        )?;
        rule(
            (1..=128 * 1024).contains(&self.sync_bytes),
            format!("spool.sync_bytes = {}: must lie between 1 and 131072", self.sync_bytes),
        )
    }
}
