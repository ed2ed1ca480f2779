//! Where the probe was when a modem said something: samples of modems are written seconds later.
//!
//! In: each fix as it comes, the time of an event. Out: the fix of that time. Refuses to know: receivers, samples.
//! Limits: the last [`KEPT`] fixes; a fix that came later than the event by more than a place may be old is none of it.

use crate::device::position::Fix;
use std::collections::VecDeque;

/// What is held back waits for seconds; a receiver gives one each second.
const KEPT: usize = 32;
/// As old as a position may be that votes, and of one that moves faster than [`FAST_MPS`].
const APART_MS: u64 = 5_000;
const APART_FAST_MS: u64 = 2_000;
/// 10 km/h.
const FAST_MPS: f32 = 10.0 / 3.6;

#[derive(Debug, Default)]
pub struct Places {
    fixes: VecDeque<Fix>,
}

impl Places {
    pub fn hear(&mut self, fix: Option<Fix>) {
        let Some(fix) = fix.filter(|fix| self.fixes.back() != Some(fix)) else { return };
        if self.fixes.len() == KEPT {
            self.fixes.pop_front();
        }
        self.fixes.push_back(fix);
    }

    /// The nearest in time. A receiver that was silent before gives what it has, as old as it then was.
    pub fn at(&self, mono_ms: u64) -> Option<Fix> {
        let nearest = self.fixes.iter().min_by_key(|fix| fix.at_mono_ms.abs_diff(mono_ms)).copied()?;
        let fast = nearest.speed_mps.is_some_and(|speed| speed > FAST_MPS);
        let apart_ms = if fast { APART_FAST_MS } else { APART_MS };
        let ahead = nearest.at_mono_ms > mono_ms.saturating_add(apart_ms);
        (nearest.holds(mono_ms) && !ahead).then_some(nearest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_protocol::PlaceSource;

    fn fix(at_mono_ms: u64, lat: f64, speed_mps: Option<f32>) -> Fix {
        Fix {
            at_mono_ms,
            lat,
            lon: 105.8,
            accuracy_m: Some(5.0),
            altitude_m: None,
            speed_mps,
            track_deg: None,
            source: PlaceSource::Gps,
            utc_ms: None,
        }
    }

    #[test]
    fn a_sample_that_is_written_late_has_the_place_of_its_own_time() {
        let mut places = Places::default();
        assert_eq!(places.at(0), None);
        (10..20_u32).for_each(|s| places.hear(Some(fix(u64::from(s) * 1_000, 21.0 + f64::from(s), None))));
        places.hear(None);
        assert_eq!(places.at(13_100).map(|fix| fix.lat), Some(34.0));
        assert_eq!(places.at(60_000), None, "nobody knows where it went");
    }

    #[test]
    fn a_fix_that_came_long_after_it_is_no_place_of_it() {
        for (speed_mps, later_ms, holds) in [
            (None, 5_000, true),
            (None, 5_001, false),
            (Some(2.7), 5_000, true),
            (Some(2.8), 2_000, true),
            (Some(2.8), 2_001, false),
        ] {
            let mut places = Places::default();
            places.hear(Some(fix(60_000, 21.6, speed_mps)));
            let place = places.at(60_000 - later_ms).map(|fix| fix.place(60_000 - later_ms));
            assert_eq!(place.is_some(), holds, "{speed_mps:?} {later_ms}");
            if let Some(place) = place {
                assert_eq!(place.fix_age_s, Some(later_ms as f32 / 1_000.0), "as far apart as it is, not of now");
            }
        }
    }
}
