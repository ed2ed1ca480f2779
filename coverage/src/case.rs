//! Cases: the durable files on interruptions, kept when their keys change.
//!
//! In: the interruptions of one subject before and after a recompute. Out: which case each new one belongs to, and
//! which cases are withdrawn. A case id depends on what was announced; the keys do not.

use crate::interruption::Key;
use std::collections::BTreeMap;

/// A case's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId(pub i64);

/// One interruption as far as cases go. `to_ms` of an open one is the end of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    pub key: Key,
    pub from_ms: i64,
    pub to_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withdrawn {
    pub case: CaseId,
    /// The case that goes on for it; `None`: what was announced was not so.
    pub merged_into: Option<CaseId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reconciled {
    /// For each new span that goes on with an old case.
    pub kept: BTreeMap<Key, CaseId>,
    pub withdrawn: Vec<Withdrawn>,
}

/// Split: the largest overlap keeps the case (tie: the earliest). Merge: the earliest case survives.
pub fn reconcile(old: &[(Span, CaseId)], new: &[Span]) -> Reconciled {
    let mut result = Reconciled::default();
    // Each old case goes to the new span with which it shares most.
    let mut claims: BTreeMap<Key, Vec<(i64, CaseId)>> = BTreeMap::new();
    for (span, case) in old {
        let best = new
            .iter()
            .map(|candidate| (overlap(span, candidate), candidate))
            .filter(|(shared, candidate)| *shared > 0 || candidate.key == span.key);
        let best = best.max_by_key(|(shared, candidate)| (*shared, std::cmp::Reverse(candidate.from_ms)));
        match best {
            Some((_, candidate)) => claims.entry(candidate.key).or_default().push((span.from_ms, *case)),
            None => result.withdrawn.push(Withdrawn { case: *case, merged_into: None }),
        }
    }
    for (key, mut cases) in claims {
        cases.sort_unstable();
        let survivor = cases[0].1;
        result.kept.insert(key, survivor);
        let others = cases[1..].iter().filter(|(_, case)| *case != survivor);
        result.withdrawn.extend(others.map(|(_, case)| Withdrawn { case: *case, merged_into: Some(survivor) }));
    }
    result
}

fn overlap(a: &Span, b: &Span) -> i64 {
    a.to_ms.min(b.to_ms).saturating_sub(a.from_ms.max(b.from_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(key: u64, from_ms: i64, to_ms: i64) -> Span {
        Span { key: Key(key), from_ms, to_ms }
    }

    #[test]
    fn cases_survive_growth_splits_and_merges() {
        let old = |key, from, to, case| (span(key, from, to), CaseId(case));
        let kept = |pairs: &[(u64, i64)]| pairs.iter().map(|(key, case)| (Key(*key), CaseId(*case))).collect();
        let gone = |case, into: Option<i64>| Withdrawn { case: CaseId(case), merged_into: into.map(CaseId) };
        for (name, old, new, wanted_kept, wanted_gone) in [
            ("grown", vec![old(1, 10, 20, 7)], vec![span(1, 10, 90)], kept(&[(1, 7)]), vec![]),
            ("begun earlier", vec![old(1, 10, 20, 7)], vec![span(2, 5, 20)], kept(&[(2, 7)]), vec![]),
            ("split", vec![old(1, 0, 100, 7)], vec![span(1, 0, 30), span(2, 40, 100)], kept(&[(2, 7)]), vec![]),
            ("split evenly", vec![old(1, 0, 100, 7)], vec![span(1, 0, 40), span(2, 60, 100)], kept(&[(1, 7)]), vec![]),
            (
                "merged",
                vec![old(1, 0, 10, 8), old(2, 20, 90, 7)],
                vec![span(1, 0, 90)],
                kept(&[(1, 8)]),
                vec![gone(7, Some(8))],
            ),
            ("not so", vec![old(1, 0, 10, 7)], vec![span(2, 50, 60)], kept(&[]), vec![gone(7, None)]),
            ("new", vec![], vec![span(2, 50, 60)], kept(&[]), vec![]),
        ] {
            let result = reconcile(&old, &new);
            assert_eq!((result.kept, result.withdrawn), (wanted_kept, wanted_gone), "{name}");
        }
    }
}
