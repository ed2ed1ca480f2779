//! A hamlet's state on one network at a moment, from the last known windows of its places.
//!
//! In: for each place its last known grade and when that window ended. Out: the state. What is too old, or not there,
//! is Unknown and never covered.

use crate::grade::Grade;
use crate::policy::Policy;

/// The last known window of one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastKnown {
    pub grade: Grade,
    pub end_ms: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HamletState {
    pub grade: Grade,
    /// Some places are Dead and some are not.
    pub places_disagree: bool,
    /// Places that had something to say.
    pub n: usize,
}

pub fn state(places: &[LastKnown], as_of_ms: i64, policy: &Policy) -> HamletState {
    let fresh = |place: &&LastKnown| {
        place.grade != Grade::Unknown
            && as_of_ms - place.end_ms <= policy.stale_ms
            && place.end_ms <= as_of_ms + crate::window::WINDOW_MS
    };
    let known: Vec<Grade> = places.iter().filter(fresh).map(|place| place.grade).collect();
    let dead = known.iter().filter(|grade| **grade == Grade::Dead).count();
    let grade = match known.iter().max() {
        None => Grade::Unknown,
        Some(_) if dead > 0 && dead < known.len() => Grade::Weak,
        Some(best) => *best,
    };
    HamletState { grade, places_disagree: dead > 0 && dead < known.len(), n: known.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_is_never_covered_and_places_may_disagree() {
        let known = |grade, end_ms| LastKnown { grade, end_ms };
        let now = 100 * 60_000;
        let state = |places: &[LastKnown]| {
            let state = state(places, now, &Policy::default());
            (state.grade, state.places_disagree, state.n)
        };
        assert_eq!(state(&[]), (Grade::Unknown, false, 0));
        assert_eq!(state(&[known(Grade::Good, now - 15 * 60_000 - 1)]), (Grade::Unknown, false, 0));
        assert_eq!(state(&[known(Grade::Unknown, now)]), (Grade::Unknown, false, 0));
        assert_eq!(state(&[known(Grade::Good, now), known(Grade::Weak, now)]), (Grade::Good, false, 2));
        assert_eq!(state(&[known(Grade::Good, now), known(Grade::Dead, now)]), (Grade::Weak, true, 2));
        assert_eq!(state(&[known(Grade::Dead, now), known(Grade::Dead, now)]), (Grade::Dead, false, 2));
        assert_eq!(state(&[known(Grade::Dead, now), known(Grade::Unknown, now)]), (Grade::Dead, false, 1));
    }
}
