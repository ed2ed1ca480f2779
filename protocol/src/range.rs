//! Sets of sequence numbers as sorted, disjoint, inclusive ranges: acks, holes, drops, the ledger.

use crate::id::parse_hex16;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A set of `u64`, kept as sorted disjoint inclusive ranges that never touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(try_from = "Vec<(String, String)>", into = "Vec<(String, String)>")]
pub struct Ranges(#[n(0)] Vec<(u64, u64)>);

impl Ranges {
    pub const fn new() -> Self {
        Ranges(Vec::new())
    }

    pub fn of(first: u64, last: u64) -> Self {
        let mut ranges = Ranges::new();
        ranges.insert(first, last);
        ranges
    }

    /// Adds every number from `first` to `last`; nothing when `last < first`.
    pub fn insert(&mut self, first: u64, last: u64) {
        if last < first {
            return;
        }
        // The common case: numbers arrive in order.
        match self.0.last_mut() {
            None => return self.0.push((first, last)),
            Some(end) if first > end.1.saturating_add(1) => return self.0.push((first, last)),
            Some(end) if first >= end.0 => {
                end.1 = end.1.max(last);
                return;
            }
            Some(_) => {}
        }
        let from = self.0.partition_point(|r| r.1.saturating_add(1) < first);
        let to = self.0.partition_point(|r| r.0 <= last.saturating_add(1));
        let mut merged = (first, last);
        if from < to {
            merged = (first.min(self.0[from].0), last.max(self.0[to - 1].1));
        }
        self.0.splice(from..to, [merged]);
    }

    /// Takes every number from `first` to `last` out.
    pub fn remove(&mut self, first: u64, last: u64) {
        if last < first {
            return;
        }
        let from = self.0.partition_point(|r| r.1 < first);
        let to = self.0.partition_point(|r| r.0 <= last);
        if from >= to {
            return;
        }
        let mut rest = Vec::with_capacity(2);
        if self.0[from].0 < first {
            rest.push((self.0[from].0, first - 1));
        }
        if self.0[to - 1].1 > last {
            rest.push((last + 1, self.0[to - 1].1));
        }
        self.0.splice(from..to, rest);
    }

    pub fn union(&mut self, other: &Ranges) {
        for &(first, last) in &other.0 {
            self.insert(first, last);
        }
    }

    pub fn subtract(&mut self, other: &Ranges) {
        for &(first, last) in &other.0 {
            self.remove(first, last);
        }
    }

    pub fn contains(&self, value: u64) -> bool {
        let at = self.0.partition_point(|r| r.1 < value);
        self.0.get(at).is_some_and(|r| r.0 <= value)
    }

    pub fn contains_all(&self, other: &Ranges) -> bool {
        other.0.iter().all(|&(first, last)| {
            let at = self.0.partition_point(|r| r.1 < first);
            self.0.get(at).is_some_and(|r| r.0 <= first && last <= r.1)
        })
    }

    /// The numbers below the highest one that are not in the set, from `from` on.
    pub fn holes(&self, from: u64) -> Ranges {
        let mut holes = Vec::new();
        let mut next = from;
        for &(first, last) in &self.0 {
            if first > next {
                holes.push((next, first - 1));
            }
            next = next.max(last.saturating_add(1));
        }
        Ranges(holes)
    }

    /// How many numbers are in the set, saturating.
    pub fn count(&self) -> u64 {
        self.0.iter().fold(0, |n, r| n.saturating_add((r.1 - r.0).saturating_add(1)))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many separate ranges there are.
    pub fn parts(&self) -> usize {
        self.0.len()
    }

    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|r| r.0)
    }

    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|r| r.1)
    }

    /// The ranges in order.
    pub fn iter(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.0.iter().copied()
    }

    /// Every number in order.
    pub fn numbers(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|&(first, last)| first..=last)
    }

    /// Splits off pieces of at most `parts` ranges each.
    pub fn chunks(&self, parts: usize) -> impl Iterator<Item = Ranges> + '_ {
        self.0.chunks(parts.max(1)).map(|piece| Ranges(piece.to_vec()))
    }

    /// Whether the invariant holds; false only for a set that came from the wire unchecked.
    pub fn is_normal(&self) -> bool {
        self.0.iter().all(|r| r.0 <= r.1) && self.0.windows(2).all(|w| w[0].1 < u64::MAX && w[0].1 + 1 < w[1].0)
    }
}

impl FromIterator<u64> for Ranges {
    fn from_iter<I: IntoIterator<Item = u64>>(numbers: I) -> Self {
        let mut ranges = Ranges::new();
        for number in numbers {
            ranges.insert(number, number);
        }
        ranges
    }
}

impl TryFrom<Vec<(String, String)>> for Ranges {
    type Error = String;
    fn try_from(pairs: Vec<(String, String)>) -> Result<Self, String> {
        let mut ranges = Ranges::new();
        for (first, last) in pairs {
            let parse = |text: &str| parse_hex16(text).map_err(|e| e.to_string());
            let (a, b) = (parse(&first)?, parse(&last)?);
            if b < a {
                return Err(format!("range [{first}, {last}] ends before it begins"));
            }
            ranges.insert(a, b);
        }
        Ok(ranges)
    }
}

impl From<Ranges> for Vec<(String, String)> {
    fn from(ranges: Ranges) -> Self {
        ranges.iter().map(|(first, last)| (format!("{first:016x}"), format!("{last:016x}"))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn model(set: &BTreeSet<u64>) -> Ranges {
        set.iter().copied().collect()
    }

    proptest! {
        #[test]
        fn behaves_like_a_set(ops in prop::collection::vec((any::<bool>(), 0u64..60, 0u64..8), 0..60)) {
            let mut ranges = Ranges::new();
            let mut set = BTreeSet::new();
            for (add, first, more) in ops {
                let last = first + more;
                if add {
                    ranges.insert(first, last);
                    set.extend(first..=last);
                } else {
                    ranges.remove(first, last);
                    set.retain(|n| *n < first || *n > last);
                }
                prop_assert!(ranges.is_normal());
                prop_assert_eq!(&ranges, &model(&set));
                prop_assert_eq!(ranges.count(), set.len() as u64);
                prop_assert_eq!(ranges.contains(first), set.contains(&first));
            }
            let top = set.last().copied().unwrap_or(0);
            let holes: Vec<u64> = (0..top).filter(|n| !set.contains(n)).collect();
            prop_assert_eq!(ranges.holes(0).numbers().collect::<Vec<_>>(), holes);
        }

        #[test]
        fn survives_both_encodings(numbers in prop::collection::btree_set(any::<u64>(), 0..40)) {
            let ranges = model(&numbers);
            let json = serde_json::to_string(&ranges).expect("ranges are plain data");
            prop_assert_eq!(&serde_json::from_str::<Ranges>(&json).expect("own output"), &ranges);
            let cbor = minicbor::to_vec(&ranges).expect("ranges are plain data");
            prop_assert_eq!(&minicbor::decode::<Ranges>(&cbor).expect("own output"), &ranges);
        }
    }
}
