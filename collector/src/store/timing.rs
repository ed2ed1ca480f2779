//! When an observation happened: a pure function of what it says, its boot's best anchor and its epoch's floor.
//!
//! Refuses to know the order of arrival: the same observations get the same times whichever came first.

use super::observation::Anchor;
use phusong_protocol::limits::{AGE_MS, FUTURE_SKEW_MS};

/// How well the event time is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AtState {
    /// Only bounded: out of every ratio, shown in the timeline.
    Uncertain = 0,
    /// The sender's own stamp, which it says was synced.
    Stamped = 1,
    /// Computed from a clock anchor of the boot.
    Anchored = 2,
}

impl AtState {
    pub const fn code(self) -> i64 {
        self as i64
    }

    pub fn from_code(code: i64) -> Self {
        match code {
            2 => AtState::Anchored,
            1 => AtState::Stamped,
            _ => AtState::Uncertain,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            AtState::Uncertain => "uncertain",
            AtState::Stamped => "stamped",
            AtState::Anchored => "anchored",
        }
    }
}

/// What one observation says of its time.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    pub foreign: bool,
    pub mono_ms: Option<i64>,
    pub wall_ms: i64,
    pub synced: bool,
    pub received_ms: i64,
}

/// The event time. `floor_ms`: the chain says that nothing in this epoch is older.
pub fn time_of(stamp: &Stamp, anchor: Option<Anchor>, floor_ms: Option<i64>) -> (i64, AtState) {
    let claim = match (anchor, stamp.mono_ms) {
        (Some(anchor), Some(mono_ms)) if !stamp.foreign => {
            Some((anchor.true_ms.saturating_add(mono_ms - anchor.mono_ms), AtState::Anchored))
        }
        _ if stamp.synced => Some((stamp.wall_ms, AtState::Stamped)),
        _ => None,
    };
    match claim {
        Some((at_ms, state)) if at_ms <= stamp.received_ms.saturating_add(FUTURE_SKEW_MS) => (at_ms, state),
        _ => (bounded(stamp, claim.map(|c| c.0), floor_ms), AtState::Uncertain),
    }
}

/// The best guess between the neighbours in time: not before the epoch's floor, not after it was received.
fn bounded(stamp: &Stamp, claim_ms: Option<i64>, floor_ms: Option<i64>) -> i64 {
    if stamp.foreign {
        return stamp.received_ms;
    }
    let guess = claim_ms.unwrap_or(stamp.wall_ms);
    match floor_ms {
        Some(floor_ms) => guess.max(floor_ms).min(stamp.received_ms),
        // A clock that says 1970 says nothing.
        None if guess < stamp.received_ms.saturating_sub(AGE_MS) => stamp.received_ms,
        None => guess.min(stamp.received_ms),
    }
}

/// Whether a certain time lies further back than anything that still matters.
pub fn too_old(at_ms: i64, state: AtState, received_ms: i64) -> bool {
    state != AtState::Uncertain && at_ms < received_ms.saturating_sub(AGE_MS)
}

/// The anchor that counts: the smallest error, then the lowest `mono_ms`, then the earlier time.
pub fn better(a: Anchor, b: Anchor) -> Anchor {
    if (b.err_ms, b.mono_ms, b.true_ms) < (a.err_ms, a.mono_ms, a.true_ms) { b } else { a }
}

/// An anchor that lies ahead of the moment it arrived is wrong, whatever error it claims.
pub fn believable(anchor: Anchor, received_ms: i64) -> bool {
    anchor.true_ms <= received_ms.saturating_add(FUTURE_SKEW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000_000;
    const PLAIN: Stamp = Stamp { foreign: false, mono_ms: Some(5_000), wall_ms: 77, synced: false, received_ms: NOW };

    #[test]
    fn an_anchor_gives_the_time_and_everything_else_only_bounds_it() {
        let anchor = Some(Anchor { mono_ms: 1_000, true_ms: NOW - 10_000, err_ms: 20 });
        let synced = Stamp { synced: true, wall_ms: NOW - 3, ..PLAIN };
        let foreign = Stamp { foreign: true, mono_ms: None, ..PLAIN };
        let day = 86_400_000;
        let cases = [
            ("anchored", PLAIN, anchor, None, (NOW - 6_000, AtState::Anchored)),
            ("synced stamp", synced, None, None, (NOW - 3, AtState::Stamped)),
            ("anchor before stamp", synced, anchor, None, (NOW - 6_000, AtState::Anchored)),
            ("1970, no neighbour", PLAIN, None, None, (NOW, AtState::Uncertain)),
            ("1970, after a neighbour", PLAIN, None, Some(NOW - day), (NOW - day, AtState::Uncertain)),
            ("plausible wall clock", Stamp { wall_ms: NOW - 9, ..PLAIN }, None, None, (NOW - 9, AtState::Uncertain)),
            ("wall clock ahead", Stamp { wall_ms: NOW + day, ..PLAIN }, None, None, (NOW, AtState::Uncertain)),
            ("synced but ahead", Stamp { wall_ms: NOW + day, ..synced }, None, None, (NOW, AtState::Uncertain)),
            ("synced, a little ahead", Stamp { wall_ms: NOW + 9, ..synced }, None, None, (NOW + 9, AtState::Stamped)),
            ("foreign, not synced", foreign, anchor, None, (NOW, AtState::Uncertain)),
            ("foreign, synced", Stamp { synced: true, ..foreign }, anchor, None, (77, AtState::Stamped)),
        ];
        for (name, stamp, anchor, floor, wanted) in cases {
            assert_eq!(time_of(&stamp, anchor, floor), wanted, "{name}");
        }
    }

    #[test]
    fn the_best_anchor_has_the_smallest_error_then_the_lowest_mono() {
        let anchor = |err_ms, mono_ms| Anchor { err_ms, mono_ms, true_ms: 0 };
        for (a, b, wanted) in [(50, 1, 20), (20, 9, 20)].map(|(e, m, _)| (anchor(e, m), anchor(20, 5), anchor(20, 5))) {
            assert_eq!(better(a, b), wanted);
            assert_eq!(better(b, a), wanted);
        }
        assert!(!believable(Anchor { err_ms: 0, mono_ms: 0, true_ms: NOW + FUTURE_SKEW_MS + 1 }, NOW));
    }
}
