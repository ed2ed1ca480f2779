//! Intervals at a place: the network did not serve (Gap), we could not test (Blind), one target was silent (Remote).
//!
//! In: what the folds found. Out: values with a key that depends on nothing but the place, the network and the first
//! window, so that the same observations give the same keys in whatever order they came.

use crate::cause::Cause;
use crate::observation::{NetworkId, SampleId, TargetId};
use crate::place::PlaceId;
use crate::window::{WINDOW_MS, WindowNo};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Gap,
    Blind,
    Remote,
}

/// What an interruption is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subject {
    pub kind: Kind,
    pub place: PlaceId,
    /// `None` for a blind of the whole place.
    pub network: Option<NetworkId>,
    /// Only for Remote.
    pub target: Option<TargetId>,
}

/// Its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(pub u64);

#[derive(Debug, Clone, PartialEq)]
pub struct Interruption {
    pub key: Key,
    pub subject: Subject,
    pub first: WindowNo,
    pub from_ms: i64,
    /// `None`: still open.
    pub to_ms: Option<i64>,
    /// It ended in silence, not with an answer.
    pub end_unobserved: bool,
    /// Time that is proved dead: whole windows. 0 for a blind.
    pub observed_dead_s: i64,
    pub cause: Cause,
    pub evidence: Vec<SampleId>,
}

impl Interruption {
    /// At most so long, with every unknown window in it taken for dead.
    pub fn upper_s(&self, as_of_ms: i64) -> i64 {
        (self.to_ms.unwrap_or(as_of_ms) - self.from_ms).max(0) / 1_000
    }

    pub fn overlaps(&self, from_ms: i64, to_ms: i64) -> bool {
        self.from_ms < to_ms && self.to_ms.is_none_or(|end| end > from_ms)
    }
}

/// FNV-1a over the subject and the first window, 64 bits: stable for ever, unlike the hashers of the library.
pub fn key(subject: &Subject, first: WindowNo) -> Key {
    let kind = match subject.kind {
        Kind::Gap => 1,
        Kind::Blind => 2,
        Kind::Remote => 3,
    };
    let parts = [
        kind,
        subject.place.get(),
        subject.network.map_or(-1, |network| network.0),
        subject.target.map_or(-1, |target| target.0),
        first.0,
    ];
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in parts.iter().flat_map(|part: &i64| part.to_be_bytes()) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    // A store keeps it as a signed number and JSON as text: 63 bits are enough.
    Key(hash & (u64::MAX >> 1))
}

/// Whole windows as seconds.
pub const fn windows_s(windows: i64) -> i64 {
    windows * WINDOW_MS / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_everything_that_makes_an_interruption_another_one() {
        let subject = |kind, place, network: Option<i64>, target: Option<i64>| Subject {
            kind,
            place: PlaceId::new(place),
            network: network.map(NetworkId),
            target: target.map(TargetId),
        };
        let subjects = [
            subject(Kind::Gap, 1, Some(1), None),
            subject(Kind::Gap, 2, Some(1), None),
            subject(Kind::Gap, 1, Some(2), None),
            subject(Kind::Blind, 1, Some(1), None),
            subject(Kind::Blind, 1, None, None),
            subject(Kind::Remote, 1, Some(1), Some(1)),
        ];
        let mut keys: Vec<Key> = subjects.iter().flat_map(|s| [key(s, WindowNo(5)), key(s, WindowNo(6))]).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 12);
        // Stored for ever: it must never change.
        assert_eq!(key(&subjects[0], WindowNo(5)), key(&subjects[0], WindowNo(5)));
    }
}
