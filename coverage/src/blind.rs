//! Blinds: from the moments at which a place proved that it could test, to the intervals in which it did not.
//!
//! In: windows of a place over all its networks, ascending, and since when until when it was due. Out: [`Silence`]s.
//! A blind begins with the last moment before and ends with the first after; it is never downtime.

use crate::policy::Policies;
use crate::window::{Window, WindowNo};

/// What one window says of the place's ability to test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    pub no: i64,
    pub able: Option<(i64, i64)>,
    /// It tried, and its own side was to blame on every network that it tried.
    pub own_side: bool,
    pub undated: bool,
}

impl Presence {
    /// The same window of several networks as one.
    pub fn merge(self, window: &Window) -> Self {
        let able = match (self.able, window.able) {
            (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
            (one, other) => one.or(other),
        };
        Presence { able, own_side: self.own_side || window.own_side(), undated: self.undated || window.undated, ..self }
    }

    pub fn of(window: &Window) -> Self {
        Presence { no: window.no, able: window.able, own_side: window.own_side(), undated: window.undated }
    }
}

/// A run of windows without a proof of ability.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    pub first: i64,
    pub from_ms: i64,
    /// `None`: still silent.
    pub to_ms: Option<i64>,
    /// In some window of it the probe tried and its own side was to blame.
    pub own_side: bool,
}

/// The silences of a place that was due from its first proof on until `until_ms` (its end, or now). `ended`: it is not
/// due any more after that. `windows` ascend and hold every window of the range.
pub fn silences(windows: &[Presence], until_ms: i64, ended: bool, policies: &Policies) -> Vec<Silence> {
    // Each by the policy of its own first window, in whatever steps it is looked at.
    let enough = |heard: i64| policies.at(WindowNo(heard + 1).start_ms()).blind_windows;
    let mut found = Vec::new();
    // The last window that broke the silence, when it was heard last, and whether all of it is certain: what is only
    // bounded in time may belong anywhere into the silence beside it.
    let mut heard: Option<(i64, i64, bool)> = None;
    let mut own_side = false;
    for window in windows {
        let span = match (window.able, window.undated) {
            (Some(able), _) => able,
            // Something was measured then, or then about: nothing is concluded in either direction.
            (None, true) => (WindowNo(window.no).start_ms(), WindowNo(window.no).end_ms()),
            (None, false) => {
                own_side |= window.own_side;
                continue;
            }
        };
        if let Some((no, last_ms, certain)) = heard
            && certain
            && !window.undated
            && window.no - no > enough(no)
        {
            found.push(Silence { first: no + 1, from_ms: last_ms, to_ms: Some(span.0), own_side });
        }
        heard = Some((window.no, span.1, !window.undated));
        own_side = false;
    }
    if let Some((no, last_ms, _)) = heard
        && WindowNo::of(until_ms).0 - no > enough(no)
    {
        found.push(Silence { first: no + 1, from_ms: last_ms, to_ms: ended.then_some(until_ms), own_side });
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::WINDOW_MS;

    /// `x` able in the middle minute, `.` nothing, `o` own side silent, `u` undated.
    fn found(line: &str, ended: bool) -> Vec<(i64, i64, Option<i64>, bool)> {
        let windows: Vec<Presence> = (0..)
            .zip(line.chars())
            .filter(|(_, letter)| *letter != '.')
            .map(|(no, letter)| Presence {
                no,
                able: (letter == 'x').then_some((no * WINDOW_MS + 120_000, no * WINDOW_MS + 180_000)),
                own_side: letter == 'o',
                undated: letter == 'u',
            })
            .collect();
        let until_ms = line.len() as i64 * WINDOW_MS;
        let seconds = |ms: i64| ms / 1_000;
        silences(&windows, until_ms, ended, &Policies::default())
            .into_iter()
            .map(|s| (s.first, seconds(s.from_ms), s.to_ms.map(seconds), s.own_side))
            .collect()
    }

    #[test]
    fn three_silent_windows_make_a_blind_from_the_last_proof_to_the_next() {
        for (line, ended, wanted) in [
            ("x..x", false, vec![]),
            ("x...x", false, vec![(1, 180, Some(1_320), false)]),
            ("x...", false, vec![(1, 180, None, false)]),
            ("x..", false, vec![]),
            ("x....", true, vec![(1, 180, Some(1_500), false)]),
            ("....x", false, vec![]),
            ("xooox", false, vec![(1, 180, Some(1_320), true)]),
            ("x.u.x", false, vec![]),
            ("x...u...x", false, vec![]),
            ("x...u....", false, vec![(5, 1_500, None, false)]),
            ("x...xu...x", false, vec![(1, 180, Some(1_320), false)]),
            ("", false, vec![]),
        ] {
            assert_eq!(found(line, ended), wanted, "{line}");
        }
    }
}
