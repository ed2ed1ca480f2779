//! The seqs of one segment, as runs in a few bytes each: the index of a 256 MB spool must fit a small router.

use phusong_protocol::Ranges;

/// Ascending seqs as runs; each closed run is two varints, the gap before it and its length less one.
#[derive(Debug, Clone, Default)]
pub(super) struct SeqSet {
    closed: Vec<u8>,
    /// Last seq of the closed runs, plus one.
    closed_end: u64,
    /// The run that may still grow.
    open: Option<(u64, u64)>,
    first: Option<u64>,
    count: u64,
}

impl SeqSet {
    /// Whether `seq` came after all others and was added.
    pub fn push(&mut self, seq: u64) -> bool {
        match self.open {
            Some((_, last)) if seq <= last => return false,
            Some((first, last)) if seq == last + 1 => self.open = Some((first, seq)),
            Some(run) => {
                self.close(run);
                self.open = Some((seq, seq));
            }
            None => self.open = Some((seq, seq)),
        }
        self.first.get_or_insert(seq);
        self.count += 1;
        true
    }

    fn close(&mut self, (first, last): (u64, u64)) {
        push_varint(&mut self.closed, first - self.closed_end);
        push_varint(&mut self.closed, last - first);
        self.closed_end = last + 1;
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn first(&self) -> Option<u64> {
        self.first
    }

    pub fn last(&self) -> Option<u64> {
        self.open.map(|run| run.1)
    }

    pub fn runs(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let (mut at, mut end) = (0, 0u64);
        let closed = std::iter::from_fn(move || {
            let gap = read_varint(&self.closed, &mut at)?;
            let more = read_varint(&self.closed, &mut at)?;
            let first = end + gap;
            end = first + more + 1;
            Some((first, first + more))
        });
        closed.chain(self.open)
    }

    /// Whether any seq lies in `ranges`' span: a cheap first look.
    pub fn may_overlap(&self, ranges: &Ranges) -> bool {
        match (self.first(), self.last(), ranges.first(), ranges.last()) {
            (Some(a), Some(b), Some(c), Some(d)) => a <= d && c <= b,
            _ => false,
        }
    }

    pub fn to_ranges(&self) -> Ranges {
        let mut out = Ranges::new();
        self.runs().for_each(|(first, last)| out.insert(first, last));
        out
    }

    pub fn without(&self, other: &Ranges) -> Ranges {
        let mut out = self.to_ranges();
        if self.may_overlap(other) {
            subtract_within(&mut out, other);
        }
        out
    }

    /// The seqs that are also in `other`.
    pub fn within(&self, other: &Ranges) -> Ranges {
        let mut out = Ranges::new();
        if self.may_overlap(other) {
            for (first, last) in self.runs() {
                overlaps(other, first, last, |a, b| out.insert(a, b));
            }
        }
        out
    }

    pub fn shrink(&mut self) {
        self.closed.shrink_to_fit();
    }

    /// Bytes of memory beside itself.
    pub fn memory(&self) -> usize {
        self.closed.capacity()
    }
}

impl From<&Ranges> for SeqSet {
    fn from(ranges: &Ranges) -> Self {
        let mut set = SeqSet::default();
        for (first, last) in ranges.iter() {
            if let Some(run) = set.open.replace((first, last)) {
                set.close(run);
            }
            set.first.get_or_insert(first);
            set.count += last - first + 1;
        }
        set.shrink();
        set
    }
}

/// Takes only those ranges of `other` away that can matter.
fn subtract_within(from: &mut Ranges, other: &Ranges) {
    let (Some(low), Some(high)) = (from.first(), from.last()) else { return };
    overlaps(other, low, high, |a, b| from.remove(a, b));
}

fn overlaps(ranges: &Ranges, low: u64, high: u64, mut each: impl FnMut(u64, u64)) {
    for (first, last) in ranges.iter().skip_while(|r| r.1 < low).take_while(|r| r.0 <= high) {
        each(first.max(low), last.min(high));
    }
}

fn push_varint(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn read_varint(from: &[u8], at: &mut usize) -> Option<u64> {
    let (mut value, mut shift) = (0u64, 0);
    loop {
        let byte = *from.get(*at)?;
        *at += 1;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn a_seq_set_is_the_set_of_what_was_pushed(
            seqs in prop::collection::btree_set(0u64..500, 0..120),
            other in prop::collection::btree_set(0u64..500, 0..120),
        ) {
            let mut set = SeqSet::default();
            for seq in &seqs {
                prop_assert!(set.push(*seq));
                prop_assert!(!set.push(*seq), "the same seq again is refused");
            }
            let ranges: Ranges = seqs.iter().copied().collect();
            let others: Ranges = other.iter().copied().collect();
            for set in [set, SeqSet::from(&ranges)] {
                prop_assert_eq!(set.count(), seqs.len() as u64);
                prop_assert_eq!((set.first(), set.last()), (seqs.first().copied(), seqs.last().copied()));
                prop_assert_eq!(set.to_ranges(), ranges.clone());
                let left: BTreeSet<u64> = set.without(&others).numbers().collect();
                prop_assert_eq!(left, &seqs - &other);
                let both: BTreeSet<u64> = set.within(&others).numbers().collect();
                prop_assert_eq!(both, &seqs & &other);
            }
        }
    }

    #[test]
    fn the_worst_interleaving_costs_two_bytes_a_record() {
        let mut set = SeqSet::default();
        (0..10_000).for_each(|n| assert!(set.push(n * 2)));
        set.shrink();
        assert!(set.memory() <= 20_002, "{}", set.memory());
    }
}
