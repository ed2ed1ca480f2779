//! The publisher's table of the configuration, with its defaults and their reasons.

use phusong_protocol::limits;
use serde::{Deserialize, Serialize};

/// `[publish]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PublishConfig {
    /// First repetition of a batch that was not acknowledged; doubles from there, +-50 %.
    pub retry_first_ms: u64,
    /// Where the doubling stops.
    pub retry_max_ms: u64,
    /// The first connection after a start waits up to this long, so that a village with power again is no storm.
    pub first_connect_jitter_ms: u64,
    /// Fresh samples wait up to this long for company, unless they are urgent.
    pub gather_ms: u64,
    /// A ping after this much silence. Long, because pings are most of a quiet month's data.
    pub keep_alive_s: u16,
    /// Largest payload of one publish.
    pub batch_bytes: usize,
}

impl Default for PublishConfig {
    fn default() -> Self {
        PublishConfig {
            retry_first_ms: 30_000,
            retry_max_ms: 1_800_000,
            first_connect_jitter_ms: 60_000,
            gather_ms: 15_000,
            keep_alive_s: 900,
            batch_bytes: limits::BATCH_BYTES,
        }
    }
}

impl PublishConfig {
    /// The rules between the numbers; the message names the key and says what would be right.
    pub fn check(&self) -> Result<(), String> {
        let rule = |good: bool, text: String| if good { Ok(()) } else { Err(text) };
        rule(
            self.retry_first_ms >= 1 && self.retry_first_ms <= self.retry_max_ms,
            format!(
                "publish.retry_first_ms = {}: must lie between 1 and publish.retry_max_ms = {}",
                self.retry_first_ms, self.retry_max_ms
            ),
        )?;
        rule(
            self.retry_max_ms <= 86_400_000,
            format!("publish.retry_max_ms = {}: must be at most a day, 86400000", self.retry_max_ms),
        )?;
        rule(
            self.keep_alive_s >= 5,
            format!("publish.keep_alive_s = {}: must lie between 5 and 65535", self.keep_alive_s),
        )?;
        rule(
            (limits::SAMPLE_BYTES + 1024..=limits::BATCH_BYTES).contains(&self.batch_bytes),
            format!(
                "publish.batch_bytes = {}: must lie between {} (one largest sample) and {}",
                self.batch_bytes,
                limits::SAMPLE_BYTES + 1024,
                limits::BATCH_BYTES
            ),
        )
    }
}
