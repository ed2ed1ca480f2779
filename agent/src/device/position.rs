//! Where the device is.
//!
//! In: gpsd, a modem's receiver, the configuration. Out: a [`Fix`]. Refuses to know: what is measured there. Limits: a
//! fix is only as good as its age says; beyond [`STALE_MS`] it is none.

use phusong_protocol::{Place, PlaceSource};
use serde::{Deserialize, Serialize};

/// Nobody stands for half a minute where a receiver saw him last and has said nothing since.
pub const STALE_MS: u64 = 30_000;
/// Mean radius of the earth, for distances of a walk.
const EARTH_M: f64 = 6_371_009.0;

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
            fix_age_s: Some(self.age_ms(now_mono_ms) as f32 / 1_000.0),
            speed_mps: self.speed_mps,
        }
    }

    /// How far apart it is in time, also from what happened before it.
    pub fn age_ms(&self, now_mono_ms: u64) -> u64 {
        now_mono_ms.abs_diff(self.at_mono_ms)
    }

    /// Whether it may be said of a sample at all.
    pub fn holds(&self, now_mono_ms: u64) -> bool {
        self.age_ms(now_mono_ms) <= STALE_MS
    }

    /// Metres to another one, over ground.
    pub fn distance_m(&self, to: &Fix) -> f64 {
        let (a, b) = (self.lat.to_radians(), to.lat.to_radians());
        let (dy, dx) = (b - a, (to.lon - self.lon).to_radians());
        let half = (dy / 2.0).sin().powi(2) + a.cos() * b.cos() * (dx / 2.0).sin().powi(2);
        2.0 * EARTH_M * half.sqrt().min(1.0).asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fix_ages_and_a_walk_is_measured_in_metres() {
        let at = |lat, lon| Fix {
            at_mono_ms: 1_000,
            lat,
            lon,
            accuracy_m: Some(8.0),
            altitude_m: None,
            speed_mps: None,
            track_deg: None,
            source: PlaceSource::Gps,
            utc_ms: None,
        };
        let fix = at(21.6, 105.8);
        assert_eq!(fix.place(3_500).fix_age_s, Some(2.5));
        assert!(fix.holds(31_000) && !fix.holds(31_001));
        // A thousandth of a degree of latitude is 111.2 m, of longitude here 103.4 m.
        assert!((fix.distance_m(&at(21.601, 105.8)) - 111.2).abs() < 0.1);
        assert!((fix.distance_m(&at(21.6, 105.801)) - 103.4).abs() < 0.1);
        assert_eq!(fix.distance_m(&fix), 0.0);
    }
}
