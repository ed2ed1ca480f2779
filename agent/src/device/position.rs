//! Where the device is.
//!
//! In: gpsd, a modem's receiver, the configuration. Out: a [`Fix`]. Refuses to know: what is measured there. Limits: a
//! fix is only as good as its age says.

use phusong_protocol::{Place, PlaceSource};
use serde::{Deserialize, Serialize};

/// A position that a receiver gave; never one without a solution.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Fix {
    /// When it was true, on the boot's clock.
    pub at_mono_ms: u64,
    /// Degrees, WGS 84.
    pub lat: f64,
    pub lon: f64,
    /// Radius that holds the truth in 95 % of cases.
    pub accuracy_m: Option<f32>,
    pub altitude_m: Option<f32>,
    pub speed_mps: Option<f32>,
    /// Degrees from true north.
    pub track_deg: Option<f32>,
    pub source: PlaceSource,
    /// The receiver's UTC, milliseconds since 1970.
    pub utc_ms: Option<i64>,
}

impl Fix {
    /// The place of a sample that is taken now.
    pub fn place(&self, now_mono_ms: u64) -> Place {
        Place {
            lat: self.lat,
            lon: self.lon,
            accuracy_m: self.accuracy_m,
            source: self.source,
            fix_age_s: Some(now_mono_ms.saturating_sub(self.at_mono_ms) as f32 / 1_000.0),
            speed_mps: self.speed_mps,
        }
    }
}
