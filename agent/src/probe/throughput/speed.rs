//! From how many bytes had passed when, to a speed: pure.
//!
//! In: marks of one transfer. Out: bits per second, and whether it is a speed or a verdict. Refuses to know: sockets,
//! clocks. Limits: a mark every [`STEP`].
//!
//! The statistic: bytes over time from the end of the ramp to the end of the transfer. The ramp is the first third of
//! it, at most one second: TCP is still finding out what the way carries. A transfer that its bytes ended within
//! [`ENOUGH`] is a verdict, "at least this".

use std::time::Duration;

/// Closer marks say nothing more.
pub const STEP: Duration = Duration::from_millis(20);
/// A shorter transfer is mostly ramp.
pub const ENOUGH: Duration = Duration::from_millis(1_500);
const RAMP: Duration = Duration::from_secs(1);

/// How a transfer came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All that was asked for came, or the cap was reached.
    Bytes,
    Time,
}

/// One transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    pub bps: u64,
    pub elapsed: Duration,
    /// A verdict, not a speed.
    pub early: bool,
}

/// Times since the transfer began, and the bytes that had passed.
#[derive(Debug, Default)]
pub struct Marks {
    marks: Vec<(Duration, u64)>,
}

impl Marks {
    pub fn add(&mut self, at: Duration, bytes: u64) {
        if self.marks.last().is_none_or(|last| at >= last.0 + STEP) {
            self.marks.push((at, bytes));
        }
    }

    /// The speed of a transfer that ended at `at` with `bytes`. `None` where no time passed or no byte.
    pub fn speed(&self, at: Duration, bytes: u64, ended: Ended) -> Option<Speed> {
        let ramp = (at / 3).min(RAMP);
        let (from, before) = self.marks.iter().find(|mark| mark.0 >= ramp && mark.0 < at).copied().unwrap_or_default();
        let micros = at.checked_sub(from)?.as_micros();
        if micros == 0 || bytes == 0 {
            return None;
        }
        let bits = u128::from(bytes.saturating_sub(before)) * 8;
        let bps = u64::try_from(bits * 1_000_000 / micros).unwrap_or(u64::MAX);
        Some(Speed { bps, elapsed: at, early: ended == Ended::Bytes && at < ENOUGH })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: Duration = Duration::from_millis(1);

    proptest! {
        #[test]
        fn a_steady_way_has_its_own_speed_however_slowly_it_began(
            rate in 10_000u64..10_000_000, ms in 1_500u32..10_000, ramp_percent in 0u64..100,
        ) {
            // Bytes a millisecond in the first 400 ms are `ramp_percent` of what they are later.
            let bytes = |at: u64| {
                let slow = at.min(400) * rate * ramp_percent / 100;
                (slow + at.saturating_sub(400) * rate) / 1_000
            };
            let mut marks = Marks::default();
            for at in 0..u64::from(ms) {
                marks.add(MS * at as u32, bytes(at));
            }
            let speed = marks.speed(MS * ms, bytes(ms.into()), Ended::Time).expect("bytes and time");
            prop_assert!(speed.bps.abs_diff(rate * 8) <= rate * 8 / 100 + 100, "{speed:?} of {}", rate * 8);
            prop_assert!(!speed.early);
        }
    }

    #[test]
    fn what_its_bytes_ended_soon_is_a_verdict_and_what_never_moved_is_nothing() {
        let mut marks = Marks::default();
        marks.add(MS, 1_000);
        assert_eq!(marks.speed(ENOUGH - MS, 10_000, Ended::Bytes).map(|speed| speed.early), Some(true));
        assert_eq!(marks.speed(ENOUGH, 10_000, Ended::Bytes).map(|speed| speed.early), Some(false));
        assert_eq!(marks.speed(ENOUGH - MS, 10_000, Ended::Time).map(|speed| speed.early), Some(false));
        assert_eq!(marks.speed(Duration::ZERO, 10, Ended::Bytes), None);
        assert_eq!(marks.speed(MS * 10, 0, Ended::Time), None);
        // One read and no mark after the ramp: everything over the whole time.
        assert_eq!(Marks::default().speed(MS * 1_000, 1_000, Ended::Bytes).map(|speed| speed.bps), Some(8_000));
    }
}
