//! The last ten seconds of a value, and their median: what a hand that turns an antenna can follow.
//!
//! In: readings with their times. Out: the median of those that are young enough. Refuses to know: what is read.
//! Limits: [`READINGS`] are kept.

use std::collections::VecDeque;

/// Over which readings the median is taken.
pub const SPAN_MS: u64 = 10_000;
/// At one reading a second, with room for two sources that both speak.
pub const READINGS: usize = 32;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Window {
    readings: VecDeque<(u64, f32)>,
}

impl Window {
    pub fn push(&mut self, at_ms: u64, value: f32) {
        if self.readings.len() == READINGS {
            self.readings.pop_front();
        }
        self.readings.push_back((at_ms, value));
    }

    pub fn clear(&mut self) {
        self.readings.clear();
    }

    /// Of the readings that are at most [`SPAN_MS`] old.
    pub fn median(&self, now_ms: u64) -> Option<f32> {
        let young = self.readings.iter().filter(|(at, _)| now_ms.saturating_sub(*at) <= SPAN_MS);
        median(young.map(|(_, value)| *value).collect())
    }
}

/// The middle one, or the mean of the middle two.
pub fn median(mut values: Vec<f32>) -> Option<f32> {
    values.retain(|value| value.is_finite());
    values.sort_by(f32::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    if values.len() % 2 == 1 { Some(upper) } else { Some(f32::midpoint(values[middle - 1], upper)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_the_last_ten_seconds_alone() {
        let mut window = Window::default();
        assert_eq!(window.median(0), None);
        window.push(0, -130.0);
        [(5_000, -100.0), (6_000, -90.0), (7_000, -101.0)].iter().for_each(|(at, v)| window.push(*at, *v));
        assert_eq!(window.median(7_000), Some(-100.5));
        assert_eq!(window.median(10_001), Some(-100.0), "the first one is too old");
        assert_eq!(window.median(17_001), None, "nothing is young enough");
    }

    #[test]
    fn the_number_of_readings_is_bounded() {
        let mut window = Window::default();
        (0..1_000).for_each(|n| window.push(n, n as f32));
        assert_eq!(window.readings.len(), READINGS);
        assert_eq!(median(vec![f32::NAN, 2.0]), Some(2.0));
    }
}
