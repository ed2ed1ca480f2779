//! What a `throughput` target may take: direction, time, bytes of a test and of a month, and where it may run at all.
//!
//! In: a target's keys. Out: values with their defaults, which stand here and nowhere else. Refuses to know: how it is
//! measured, what was spent. Limits: those of `check.rs`. There is no such target by default.
//!
//! The defaults fit together: a month of 31 days at the default period takes 62 tests on a fixed link and 31 on a
//! cellular one, which is just below `month_bytes`.

use super::{TargetConfig, TargetKind, UplinkConfig, UplinkKind};
use phusong_protocol::Technology;
use serde::{Deserialize, Serialize};

/// Which way is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    Down,
    Up,
    #[default]
    Both,
}

pub const PERIOD_FIXED_MS: u64 = 12 * 3_600_000;
pub const PERIOD_CELLULAR_MS: u64 = 24 * 3_600_000;
/// Both directions together. Below 1.5 s a test is a verdict: 40 MB tell speeds up to about 80 Mbit/s each way.
pub const BYTES_FIXED: u64 = 40_000_000;
pub const BYTES_CELLULAR: u64 = 10_000_000;
/// Of one direction.
pub const SECONDS: u64 = 10;
pub const MONTH_FIXED_BYTES: u64 = 2_500_000_000;
pub const MONTH_CELLULAR_BYTES: u64 = 320_000_000;

impl Direction {
    /// How many transfers one test makes.
    pub fn count(self) -> u32 {
        match self {
            Direction::Down | Direction::Up => 1,
            Direction::Both => 2,
        }
    }
}

impl UplinkConfig {
    /// Whether its bytes are those of a SIM, by its kind or by its technology.
    pub fn is_cellular(&self) -> bool {
        use Technology as T;
        self.kind == UplinkKind::Cellular
            || matches!(self.technology, Some(T::Gsm | T::Umts | T::Lte | T::Nr | T::NrNsa | T::NrSa))
    }
}

impl TargetConfig {
    /// Whether it is measured on this uplink. A bandwidth test needs an uplink: without one nobody knows whose data it
    /// spends, and what it disturbs cannot be marked.
    pub fn runs_on(&self, uplink: Option<&UplinkConfig>) -> bool {
        match (self.kind, uplink) {
            (TargetKind::Throughput, None) => false,
            (TargetKind::Throughput, Some(uplink)) => !uplink.is_cellular() || self.on_cellular == Some(true),
            _ => true,
        }
    }

    pub fn bytes_max(&self, cellular: bool) -> u64 {
        self.bytes_max.unwrap_or(if cellular { BYTES_CELLULAR } else { BYTES_FIXED })
    }

    pub fn month_bytes(&self, cellular: bool) -> u64 {
        let default = if cellular { MONTH_CELLULAR_BYTES } else { MONTH_FIXED_BYTES };
        self.month_bytes.unwrap_or(default)
    }

    pub fn seconds_max(&self) -> u64 {
        self.seconds_max.unwrap_or(SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_at_the_default_period_fits_into_the_default_budget() {
        const MONTH_MS: u64 = 31 * 86_400_000;
        for (period_ms, bytes, month_bytes) in [
            (PERIOD_FIXED_MS, BYTES_FIXED, MONTH_FIXED_BYTES),
            (PERIOD_CELLULAR_MS, BYTES_CELLULAR, MONTH_CELLULAR_BYTES),
        ] {
            assert!(MONTH_MS / period_ms * bytes <= month_bytes);
        }
    }
}
