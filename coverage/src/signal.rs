//! The time-weighted state of a radio at one place in one window: bins of ten seconds, never samples.
//!
//! In: states with their times, in any order, of any number of devices. Out: how much of the observed time was alive
//! and dead. An observation holds until the next of its device, 90 s at most; devices weigh the same; a state that says
//! nothing ends the one before and is not counted.

use crate::window::{WINDOW_MS, WindowNo};
use std::collections::BTreeMap;

pub const BIN_MS: i64 = 10_000;
/// How long one observation is believed [J].
pub const HOLD_MS: i64 = 90_000;
const BINS: usize = (WINDOW_MS / BIN_MS) as usize;

/// What one look at the radio said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RadioState {
    Alive,
    Dead,
    /// Nothing may be concluded: no SIM, a scan, a reset.
    Nothing,
}

/// A state of one device from a moment on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seen {
    pub at_ms: i64,
    pub device: i64,
    pub state: RadioState,
}

/// Alive and dead in thousandths of the observed time, devices with equal weight; `None` where nothing was observed.
pub fn window(seen: &[Seen], no: WindowNo) -> Option<(u16, u16)> {
    let mut devices: BTreeMap<i64, Vec<Seen>> = BTreeMap::new();
    for one in seen {
        devices.entry(one.device).or_default().push(*one);
    }
    let (mut alive, mut dead, mut counted) = (0.0, 0.0, 0u32);
    for looks in devices.values_mut() {
        looks.sort_unstable();
        let (a, d) = device(looks, no);
        if a + d > 0 {
            let share = f64::from(a) / f64::from(a + d);
            alive += share;
            dead += 1.0 - share;
            counted += 1;
        }
    }
    if counted == 0 {
        return None;
    }
    let scaled = |part: f64| (part / f64::from(counted) * 1_000.0).round() as u16;
    Some((scaled(alive), scaled(dead)))
}

fn device(looks: &[Seen], no: WindowNo) -> (u32, u32) {
    let (mut alive, mut dead) = (0, 0);
    for bin in 0..BINS {
        let from_ms = no.start_ms() + bin as i64 * BIN_MS;
        // The state that holds in the middle of the bin.
        let middle_ms = from_ms + BIN_MS / 2;
        let after = looks.partition_point(|look| look.at_ms <= middle_ms);
        let Some(look) = after.checked_sub(1).map(|at| looks[at]) else { continue };
        if middle_ms - look.at_ms > HOLD_MS {
            continue;
        }
        match look.state {
            RadioState::Alive => alive += 1,
            RadioState::Dead => dead += 1,
            RadioState::Nothing => {}
        }
    }
    (alive, dead)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn time_counts_and_not_how_often_was_looked() {
        let look = |at_s: i64, state| Seen { at_ms: at_s * 1_000, device: 1, state };
        // Dead for a minute, then alive: twelve looks in the first half minute weigh no more than one.
        let few = [look(0, RadioState::Dead), look(60, RadioState::Alive), look(150, RadioState::Alive)];
        let mut many = few.to_vec();
        many.extend((1..12).map(|s| look(s * 3, RadioState::Dead)));
        assert_eq!(window(&few, WindowNo(0)), window(&many, WindowNo(0)));
        let (alive, dead) = window(&few, WindowNo(0)).expect("it was observed");
        assert!((dead as f64 / f64::from(alive + dead) - 0.25).abs() < 0.01, "{alive} {dead}");
        assert_eq!(window(&[look(0, RadioState::Nothing)], WindowNo(0)), None);
        assert_eq!(window(&[look(-91, RadioState::Dead)], WindowNo(0)), None);
    }

    fn states() -> impl Strategy<Value = Vec<Seen>> {
        let state = prop_oneof![Just(RadioState::Alive), Just(RadioState::Dead), Just(RadioState::Nothing)];
        let seen =
            (-90_000..300_000i64, 0..3i64, state).prop_map(|(at_ms, device, state)| Seen { at_ms, device, state });
        proptest::collection::vec(seen, 1..40)
    }

    proptest! {
        #[test]
        fn copies_of_a_state_while_it_holds_change_nothing(seen in states(), pick in any::<prop::sample::Index>()) {
            let before = window(&seen, WindowNo(0));
            let one = seen[pick.index(seen.len())];
            let next = seen.iter().filter(|s| s.device == one.device && s.at_ms > one.at_ms).map(|s| s.at_ms).min();
            // At the very moment: a tie is broken by the state, so the copy must be the one that holds.
            let holds = seen.iter().filter(|s| s.device == one.device && s.at_ms == one.at_ms).max() == Some(&one);
            prop_assume!(holds);
            let mut more = seen.clone();
            // No later than it would have ended by itself, else it would observe more time.
            if next.is_some_and(|next| next <= one.at_ms + HOLD_MS) {
                let until = next.expect("checked above");
                more.push(Seen { at_ms: one.at_ms + (until - one.at_ms - 1) / 2, ..one });
            }
            more.push(one);
            more.reverse();
            prop_assert_eq!(window(&more, WindowNo(0)), before);
        }
    }
}
