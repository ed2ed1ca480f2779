//! Round-trip times as counts in logarithmic buckets: mergeable, independent of order, 2 % off at most.
//!
//! In: times with counts. Out: quantiles. Limits: [`BUCKETS`] buckets; beyond it neighbours at the low end are joined.

use crate::units::Micros;

/// From 0.1 ms to a minute in steps of 4 % are 340.
const BUCKETS: usize = 340;
/// Ratio of neighbouring bucket bounds; the middle is 2 % from either.
const GAMMA: f64 = 1.04;

/// A multiset of times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rtts {
    /// Bucket and count, ascending by bucket.
    counts: Vec<(u16, u32)>,
}

impl Rtts {
    pub fn add(&mut self, rtt: Micros, times: u32) {
        if times == 0 {
            return;
        }
        let bucket = bucket(rtt);
        match self.counts.binary_search_by_key(&bucket, |entry| entry.0) {
            Ok(at) => self.counts[at].1 = self.counts[at].1.saturating_add(times),
            Err(at) => self.counts.insert(at, (bucket, times)),
        }
    }

    pub fn extend(&mut self, rtts: &[(Micros, u32)]) {
        rtts.iter().for_each(|(rtt, times)| self.add(*rtt, *times));
    }

    pub fn merge(&mut self, other: &Rtts) {
        if self.counts.is_empty() {
            self.counts.clone_from(&other.counts);
            return;
        }
        for (bucket, times) in &other.counts {
            match self.counts.binary_search_by_key(bucket, |entry| entry.0) {
                Ok(at) => self.counts[at].1 = self.counts[at].1.saturating_add(*times),
                Err(at) => self.counts.insert(at, (*bucket, *times)),
            }
        }
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().map(|entry| u64::from(entry.1)).sum()
    }

    /// The smallest bucket that at least this share lies at or below.
    pub fn quantile(&self, share: f64) -> Option<Micros> {
        let all = self.count();
        if all == 0 {
            return None;
        }
        let rank = ((share * all as f64).ceil() as u64).clamp(1, all);
        let mut seen = 0;
        let found = self.counts.iter().find(|entry| {
            seen += u64::from(entry.1);
            seen >= rank
        });
        found.map(|entry| middle(entry.0))
    }

    /// The middle of each bucket with its count, ascending.
    pub fn values(&self) -> impl Iterator<Item = (Micros, u32)> + '_ {
        self.counts.iter().map(|(bucket, times)| (middle(*bucket), *times))
    }

    /// Bucket and count, ascending: what a store keeps.
    pub fn buckets(&self) -> &[(u16, u32)] {
        &self.counts
    }

    /// The reverse of [`Rtts::buckets`]; in any order.
    pub fn from_buckets(buckets: impl IntoIterator<Item = (u16, u32)>) -> Self {
        let mut counts: Vec<(u16, u32)> = buckets.into_iter().collect();
        counts.sort_unstable();
        counts.dedup_by(|next, kept| {
            let same = next.0 == kept.0;
            if same {
                kept.1 = kept.1.saturating_add(next.1);
            }
            same
        });
        Rtts { counts }
    }
}

fn bucket(rtt: Micros) -> u16 {
    let steps = ((rtt.get() as f64 / 100.0).max(1.0).ln() / GAMMA.ln()).floor();
    (steps as u16).min(BUCKETS as u16 - 1)
}

/// The value of a bucket with equal relative distance to both bounds.
fn middle(bucket: u16) -> Micros {
    let low = 100.0 * GAMMA.powi(i32::from(bucket));
    Micros::new((low * 2.0 * GAMMA / (1.0 + GAMMA)).round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_two_percent_off_at_most_and_merging_is_adding() {
        let (mut all, mut even, mut odd) = (Rtts::default(), Rtts::default(), Rtts::default());
        for us in (1_000..200_000).step_by(7) {
            all.add(Micros::new(us), 1);
            if us % 2 == 0 { even.add(Micros::new(us), 1) } else { odd.add(Micros::new(us), 1) }
        }
        for share in [0.05, 0.5, 0.95, 1.0] {
            let exact = 1_000.0 + share * 199_000.0;
            let found = all.quantile(share).expect("there are values").get() as f64;
            assert!((found / exact - 1.0).abs() < 0.025, "{share}: {found} against {exact}");
        }
        odd.merge(&even);
        assert_eq!(odd, all);
        assert_eq!(Rtts::from_buckets(all.buckets().iter().copied()), all);
        assert_eq!(Rtts::default().quantile(0.5), None);
    }
}
