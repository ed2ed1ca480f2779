//! A DDSketch of round-trip times: percentiles that can be merged in any order with 1 % relative error.
//!
//! Bucket `i` holds values `v` with `GAMMA^(i-1) < v <= GAMMA^i` µs. At most [`SKETCH_BUCKETS`] buckets: beyond that
//! the lowest are collapsed into one, which costs precision at the low end only.

use crate::limits::SKETCH_BUCKETS;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

const ALPHA: f64 = 0.01;
const GAMMA: f64 = (1.0 + ALPHA) / (1.0 - ALPHA);

/// Counts per logarithmic bucket, from `first` on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Sketch {
    #[n(0)]
    pub first: i32,
    #[n(1)]
    pub counts: Vec<u32>,
}

impl Sketch {
    pub fn of(values_us: impl IntoIterator<Item = u32>) -> Self {
        let mut sketch = Sketch::default();
        for value in values_us {
            sketch.add(value);
        }
        sketch
    }

    pub fn add(&mut self, value_us: u32) {
        // A round trip below 1 µs is not measurable: it counts as 1 µs.
        let bucket = (f64::from(value_us.max(1)).ln() / GAMMA.ln()).ceil() as i32;
        self.add_many(bucket, 1);
    }

    pub fn merge(&mut self, other: &Sketch) {
        for (i, &n) in other.counts.iter().enumerate() {
            if n > 0 {
                self.add_many(other.first.saturating_add(i as i32), n);
            }
        }
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().map(|n| u64::from(*n)).sum()
    }

    /// The value below which the share `q` of all values lies; `None` when there is none.
    pub fn quantile_us(&self, q: f64) -> Option<f64> {
        let total = self.count();
        if total == 0 {
            return None;
        }
        let rank = (q.clamp(0.0, 1.0) * (total - 1) as f64).floor() as u64;
        let mut seen = 0;
        for (i, &n) in self.counts.iter().enumerate() {
            seen += u64::from(n);
            if seen > rank {
                let upper = GAMMA.powi(self.first + i as i32);
                return Some(2.0 * upper / (GAMMA + 1.0));
            }
        }
        None
    }

    /// The middle of each bucket with something in it, in µs, and how often it was seen.
    pub fn values_us(&self) -> impl Iterator<Item = (f64, u32)> + '_ {
        let middle = |bucket: i32| 2.0 * GAMMA.powi(bucket) / (GAMMA + 1.0);
        let filled = self.counts.iter().enumerate().filter(|(_, n)| **n > 0);
        filled.map(move |(i, n)| (middle(self.first.saturating_add(i as i32)), *n))
    }

    fn add_many(&mut self, bucket: i32, n: u32) {
        if self.counts.is_empty() {
            self.first = bucket;
        }
        if bucket < self.first {
            let room = SKETCH_BUCKETS - self.counts.len();
            let wanted = (self.first - bucket) as usize;
            let grow = wanted.min(room);
            self.counts.splice(0..0, std::iter::repeat_n(0, grow));
            self.first -= grow as i32;
        }
        let mut index = (bucket - self.first).max(0) as usize;
        if index >= SKETCH_BUCKETS {
            let shift = (index + 1 - SKETCH_BUCKETS).min(self.counts.len());
            let collapsed = self.counts.drain(..shift).fold(0u32, u32::saturating_add);
            self.first += shift as i32;
            index = (bucket - self.first) as usize;
            match self.counts.first_mut() {
                Some(lowest) => *lowest = lowest.saturating_add(collapsed),
                None => {
                    self.first = bucket - (SKETCH_BUCKETS as i32 - 1);
                    self.counts.push(collapsed);
                    index = SKETCH_BUCKETS - 1;
                }
            }
        }
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        self.counts[index] = self.counts[index].saturating_add(n);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_within_one_per_cent_while_the_buckets_suffice(
            mut values in prop::collection::vec(1_000u32..10_000, 1..300), q in 0.0f64..=1.0,
        ) {
            let sketch = Sketch::of(values.iter().copied());
            values.sort_unstable();
            let truth = f64::from(values[(q * (values.len() - 1) as f64).floor() as usize]);
            let got = sketch.quantile_us(q).expect("there are values");
            prop_assert!((got - truth).abs() <= truth * 0.0101, "{got} for {truth}");
        }

        #[test]
        fn no_value_is_lost_and_the_bound_holds(values in prop::collection::vec(any::<u32>(), 0..200)) {
            let (left, right) = values.split_at(values.len() / 2);
            let mut merged = Sketch::of(right.iter().copied());
            merged.merge(&Sketch::of(left.iter().copied()));
            prop_assert_eq!(merged.count(), values.len() as u64);
            prop_assert!(merged.counts.len() <= SKETCH_BUCKETS);
            let top = values.iter().max().map(|v| f64::from((*v).max(1)));
            if let (Some(top), Some(got)) = (top, merged.quantile_us(1.0)) {
                prop_assert!((got - top).abs() <= top * 0.0101, "{got} for {top}");
            }
        }
    }
}
