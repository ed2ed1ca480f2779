//! When a point is due, when a hole begins, and which points were only a modem that had not yet seen that it was over.
//!
//! In: times, positions, what each network gave. Out: decisions. Refuses to know: clocks, modems. Limits: at most one
//! point a second.

use crate::device::position::Fix;

/// A point at least so often.
pub const EVERY_MS: u64 = 5_000;
/// And after so many metres.
pub const EVERY_M: f64 = 10.0;
/// But never faster than modems are read.
pub const APART_MS: u64 = 1_000;
/// With an older fix a place gives no vote.
pub const FRESH_MS: u64 = 5_000;
/// Coverage was there already for so long before a modem registers again.
pub const REACQUIRING_MS: i64 = 30_000;
/// So many points in a row without an answer make a hole, where the modem does not say it by itself.
const SILENT: u8 = 2;

/// Whether a point is due: `last` is the one before, and when it was taken.
pub fn is_due(last: Option<(&Fix, u64)>, now: &Fix, now_mono_ms: u64) -> bool {
    let Some((before, at_mono_ms)) = last else { return true };
    let apart_ms = now_mono_ms.saturating_sub(at_mono_ms);
    apart_ms >= EVERY_MS || (apart_ms >= APART_MS && before.distance_m(now) >= EVERY_M)
}

/// What a network gave at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gave {
    Service,
    /// Registered or linked, and nothing came back.
    Silence,
    /// The modem itself says that there is no service.
    NoService,
    /// Nobody can say: the modem is gone, its SIM refused.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    Entered,
    Left,
}

/// Whether a network's hole surrounds us.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hole {
    pub inside: bool,
    silent: u8,
}

impl Hole {
    pub fn see(&mut self, gave: Gave) -> Option<Crossing> {
        self.silent = match gave {
            Gave::Service => 0,
            Gave::Silence => self.silent.saturating_add(1),
            Gave::NoService => SILENT,
            Gave::Nothing => self.silent,
        };
        let inside = match gave {
            Gave::Nothing => self.inside,
            // An answer that was missed is no hole, and one that came is none any more.
            _ => self.silent >= SILENT || (self.inside && self.silent > 0),
        };
        let crossed = inside != std::mem::replace(&mut self.inside, inside);
        crossed.then_some(if inside { Crossing::Entered } else { Crossing::Left })
    }
}

/// Which of a modem's points, ascending in time, lie within 30 s before it was served again.
pub fn reacquiring(points: &[(i64, Option<bool>)]) -> Vec<bool> {
    let mut served_at: Option<i64> = None;
    let mut found = vec![false; points.len()];
    for (at, (at_ms, served)) in points.iter().enumerate().rev() {
        match served {
            Some(true) => served_at = Some(*at_ms),
            Some(false) => found[at] = served_at.is_some_and(|later| later.saturating_sub(*at_ms) <= REACQUIRING_MS),
            None => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_protocol::PlaceSource;

    fn at(metres_north: f64) -> Fix {
        Fix {
            at_mono_ms: 0,
            lat: 21.6 + metres_north / 111_194.0,
            lon: 105.8,
            accuracy_m: None,
            altitude_m: None,
            speed_mps: None,
            track_deg: None,
            source: PlaceSource::Gps,
            utc_ms: None,
        }
    }

    #[test]
    fn a_point_is_due_after_five_seconds_or_ten_metres_and_never_twice_in_a_second() {
        for (apart_ms, metres, due) in [
            (0, 0.0, false),
            (999, 500.0, false),
            (1_000, 9.9, false),
            (1_000, 10.1, true),
            (4_999, 0.0, false),
            (4_999, 9.9, false),
            (4_999, 10.1, true),
            (5_000, 0.0, true),
        ] {
            assert_eq!(is_due(Some((&at(0.0), 7)), &at(metres), 7 + apart_ms), due, "{apart_ms} ms, {metres} m");
        }
        assert!(is_due(None, &at(0.0), 0), "the first one");
    }

    #[test]
    fn a_hole_begins_at_once_where_the_modem_says_it_and_at_the_second_silence_where_it_does_not() {
        use Crossing::{Entered, Left};
        use Gave::{NoService, Nothing, Service, Silence};
        let check = |seen: &[(Gave, Option<Crossing>)]| {
            let mut hole = Hole::default();
            for (n, (gave, wanted)) in seen.iter().enumerate() {
                assert_eq!(hole.see(*gave), *wanted, "{n} of {seen:?}");
            }
        };
        check(&[(Service, None), (NoService, Some(Entered)), (NoService, None), (Service, Some(Left))]);
        check(&[(Silence, None), (Service, None), (Silence, None), (Silence, Some(Entered)), (Service, Some(Left))]);
        // Registered again, and still nothing comes back: it is the same hole.
        check(&[(NoService, Some(Entered)), (Silence, None), (Nothing, None), (Service, Some(Left)), (Nothing, None)]);
    }

    #[test]
    fn what_lies_in_the_half_minute_before_service_returns_was_covered_already() {
        let points =
            [(0, true), (10, false), (20, false), (49, false), (60, false), (79, true), (90, false), (200, false)]
                .map(|(s, served)| (s * 1_000, Some(served)));
        assert_eq!(reacquiring(&points), [false, false, false, true, true, false, false, false]);
        let unknown = [(0, None), (10_000, Some(false)), (15_000, None), (20_000, Some(true))];
        assert_eq!(reacquiring(&unknown), [false, true, false, false]);
    }
}
