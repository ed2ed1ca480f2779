//! Gaps: from judged windows, ascending, to the intervals in which the network did not serve.
//!
//! In: known grades in order; windows that are missing are Unknown. Out: [`Gap`]s. Opens when `open_dead` of the last
//! `of` known windows are Dead, closes when `close_alive` of the last `of` known ones after the opening are not; a
//! longer run of Unknown than `unknown_run` ends it at its last Dead window. Counts start anew at each opening and end.

use crate::grade::Grade;
use crate::observation::SampleId;
use crate::policy::Policy;
use crate::window::{EVIDENCE, Window, WindowNo};
use std::collections::VecDeque;

/// An interval from Dead windows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gap {
    pub first: i64,
    /// Start of the first window that was not Dead of those that closed it; `None`: open.
    pub end: Option<i64>,
    pub end_unobserved: bool,
    pub last_dead: i64,
    pub tally: GapTally,
    pub evidence: Vec<SampleId>,
}

/// What its Dead windows say about the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GapTally {
    pub dead: i64,
    /// The first hop answered while nothing beyond did.
    pub gateway_answered: i64,
    /// A radio said that there was no signal.
    pub no_signal: i64,
    /// Of these, by its registration: no service or limited service, whatever the level.
    pub no_service: i64,
    /// A radio had a signal that is enough, and a bearer.
    pub usable: i64,
    pub bearer: i64,
}

impl GapTally {
    pub fn of(window: &Window, no_signal: bool) -> Self {
        let mut tally = GapTally {
            dead: 1,
            gateway_answered: i64::from(window.gateway_answered > 0),
            no_signal: i64::from(no_signal),
            ..GapTally::default()
        };
        if let Some(radio) = window.radio.as_deref().filter(|radio| radio.all() > 0) {
            tally.no_service = i64::from(no_signal && 2 * radio.dead >= radio.dead + radio.low + radio.marginal);
            tally.usable = i64::from(!no_signal);
            tally.bearer = i64::from(!no_signal && radio.bearer);
        }
        tally
    }

    pub fn add(&mut self, other: GapTally) {
        self.plus(other, 1);
    }

    fn plus(&mut self, other: GapTally, sign: i64) {
        self.dead += sign * other.dead;
        self.gateway_answered += sign * other.gateway_answered;
        self.no_signal += sign * other.no_signal;
        self.no_service += sign * other.no_service;
        self.usable += sign * other.usable;
        self.bearer += sign * other.bearer;
    }
}

/// One known window on its way through the fold.
#[derive(Debug, Clone, PartialEq)]
struct Known {
    no: i64,
    dead: bool,
    tally: GapTally,
    evidence: Vec<SampleId>,
}

/// The fold of one place and network.
#[derive(Debug, Clone)]
pub struct GapFold<'p> {
    policy: &'p Policy,
    /// The last known windows since the last opening or end.
    recent: VecDeque<Known>,
    open: Option<Gap>,
    last_known: Option<i64>,
    gaps: Vec<Gap>,
}

impl<'p> GapFold<'p> {
    /// Begins where nothing is pending.
    pub fn new(policy: &'p Policy) -> Self {
        let recent = VecDeque::with_capacity(policy.of + 1);
        GapFold { policy, recent, open: None, last_known: None, gaps: Vec::new() }
    }

    /// The policy of the windows that follow.
    pub fn set_policy(&mut self, policy: &'p Policy) {
        self.policy = policy;
    }

    /// The next window that is known. `no` ascends.
    pub fn add(&mut self, window: &Window, grade: Grade, no_signal: bool) {
        if grade == Grade::Unknown {
            return;
        }
        self.silence_until(window.no);
        self.last_known = Some(window.no);
        let dead = grade == Grade::Dead;
        let known = Known {
            no: window.no,
            dead,
            tally: if dead { GapTally::of(window, no_signal) } else { GapTally::default() },
            evidence: if dead { evidence(window, no_signal) } else { Vec::new() },
        };
        if dead && let Some(gap) = &mut self.open {
            grow(gap, &known);
        }
        self.recent.push_back(known);
        if self.recent.len() > self.policy.of {
            self.recent.pop_front();
        }
        match self.open.is_some() {
            true => self.close_if_alive(),
            false => self.open_if_dead(),
        }
    }

    /// Nothing was known from the last known window up to `no` (exclusive).
    fn silence_until(&mut self, no: i64) {
        let Some(last) = self.last_known else { return };
        if no - last - 1 <= self.policy.unknown_run {
            return;
        }
        self.recent.clear();
        if let Some(gap) = self.open.take() {
            self.end_in_silence(gap);
        }
    }

    fn end_in_silence(&mut self, gap: Gap) {
        let end = Some(gap.last_dead + 1);
        self.gaps.push(Gap { end, end_unobserved: true, ..gap });
    }

    fn open_if_dead(&mut self) {
        if self.recent.iter().filter(|known| known.dead).count() < self.policy.open_dead {
            return;
        }
        let mut gap = Gap::default();
        for known in self.recent.iter().filter(|known| known.dead) {
            if gap.tally.dead == 0 {
                gap.first = known.no;
            }
            grow(&mut gap, known);
        }
        self.open = Some(gap);
        self.recent.clear();
    }

    fn close_if_alive(&mut self) {
        if self.recent.iter().filter(|known| !known.dead).count() < self.policy.close_alive {
            return;
        }
        let Some(mut gap) = self.open.take() else { return };
        let end = self.recent.iter().find(|known| !known.dead).map(|known| known.no);
        // Dead windows after the first that was not belong to it no more.
        let after = |known: &&Known| known.dead && Some(known.no) > end;
        for known in self.recent.iter().filter(after) {
            gap.tally.plus(known.tally, -1);
        }
        gap.last_dead = gap.last_dead.min(end.unwrap_or(gap.last_dead));
        self.gaps.push(Gap { end, ..gap });
        self.recent.clear();
    }

    /// The end of what is known: `as_of` is the window that now lies in.
    pub fn finish(mut self, as_of: WindowNo) -> Vec<Gap> {
        self.silence_until(as_of.0);
        self.gaps.extend(self.open.take());
        self.gaps
    }
}

/// What proves a dead window: where there was no signal, the looks that said so come first.
fn evidence(window: &Window, no_signal: bool) -> Vec<SampleId> {
    match &window.radio {
        Some(radio) if no_signal => radio.evidence.iter().chain(&window.evidence).take(EVIDENCE).copied().collect(),
        _ => window.evidence.clone(),
    }
}

fn grow(gap: &mut Gap, known: &Known) {
    gap.tally.add(known.tally);
    gap.last_dead = known.no;
    let room = EVIDENCE.saturating_sub(gap.evidence.len());
    gap.evidence.extend(known.evidence.iter().take(room));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `d` dead, `g` good, `.` unknown, one letter a window.
    fn gaps(line: &str) -> Vec<(i64, Option<i64>, bool, i64)> {
        let policy = Policy::default();
        let mut fold = GapFold::new(&policy);
        for (no, letter) in line.chars().enumerate() {
            let grade = match letter {
                'd' => Grade::Dead,
                'g' => Grade::Good,
                _ => Grade::Unknown,
            };
            fold.add(&Window::new(WindowNo(no as i64)), grade, false);
        }
        let found = fold.finish(WindowNo(line.len() as i64));
        found.into_iter().map(|gap| (gap.first, gap.end, gap.end_unobserved, gap.tally.dead)).collect()
    }

    #[test]
    fn gaps_open_and_close_by_three_of_five_known_windows() {
        for (line, wanted) in [
            ("ggddgg", vec![]),
            ("ggdddggg", vec![(2, Some(5), false, 3)]),
            ("dgdgdggg", vec![(0, Some(5), false, 3)]),
            ("ddggd", vec![(0, None, false, 3)]),
            ("ddgggd", vec![]),
            ("ddd", vec![(0, None, false, 3)]),
            ("dddgdgdg", vec![(0, Some(3), false, 3)]),
            ("dddggd", vec![(0, None, false, 4)]),
            ("d.d......d.g.g.g", vec![(0, Some(11), false, 3)]),
            ("d.d.......d", vec![]),
            ("ddd......dggg", vec![(0, Some(10), false, 4)]),
            ("ddd.......dggg", vec![(0, Some(3), true, 3)]),
            ("ddd.......", vec![(0, Some(3), true, 3)]),
            ("dddgggddd", vec![(0, Some(3), false, 3), (6, None, false, 3)]),
            ("dddgggdgdgd", vec![(0, Some(3), false, 3), (6, None, false, 3)]),
        ] {
            assert_eq!(gaps(line), wanted, "{line}");
        }
    }
}
