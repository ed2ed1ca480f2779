//! Events of a target: it is silent while other targets on the same path answer.
//!
//! In: windows of one place and network, ascending. Out: [`RemoteRun`]s. No gap, no blind, no grade comes of them.
//! A window in which nothing answers says nothing about one target.

use crate::observation::TargetId;
use crate::policy::Policy;
use crate::window::Window;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteRun {
    pub target: TargetId,
    pub first: i64,
    /// The first window in which it answered again, or was not asked any more; `None`: still silent.
    pub end: Option<i64>,
    pub end_unobserved: bool,
    pub windows: i64,
}

#[derive(Debug, Clone)]
struct Run {
    first: i64,
    last: i64,
    windows: i64,
}

/// `windows` begin where no target is silent.
pub fn runs(windows: &[Window], as_of: i64, policy: &Policy) -> Vec<RemoteRun> {
    let mut silent: BTreeMap<TargetId, Run> = BTreeMap::new();
    let mut found = Vec::new();
    for window in windows {
        lapse(&mut silent, window.no, policy, &mut found);
        let others = window.answered();
        for tally in &window.targets {
            if tally.answered > 0 {
                if let Some(run) = silent.remove(&tally.target) {
                    emit(tally.target, run, Some(window.no), false, policy, &mut found);
                }
            } else if others > 0 {
                let fresh = Run { first: window.no, last: window.no, windows: 0 };
                let run = silent.entry(tally.target).or_insert(fresh);
                run.last = window.no;
                run.windows += 1;
            }
        }
    }
    lapse(&mut silent, as_of, policy, &mut found);
    for (target, run) in silent {
        emit(target, run, None, false, policy, &mut found);
    }
    found.sort_by_key(|run| (run.first, run.target));
    found
}

/// Ends runs of which nothing was heard for too long.
fn lapse(silent: &mut BTreeMap<TargetId, Run>, no: i64, policy: &Policy, found: &mut Vec<RemoteRun>) {
    let old = |run: &Run| no - run.last - 1 > policy.unknown_run;
    let ended: Vec<TargetId> = silent.iter().filter(|(_, run)| old(run)).map(|(target, _)| *target).collect();
    for target in ended {
        if let Some(run) = silent.remove(&target) {
            let end = run.last + 1;
            emit(target, run, Some(end), true, policy, found);
        }
    }
}

fn emit(
    target: TargetId,
    run: Run,
    end: Option<i64>,
    end_unobserved: bool,
    policy: &Policy,
    found: &mut Vec<RemoteRun>,
) {
    if run.windows >= policy.remote_windows as i64 {
        let (first, windows) = (run.first, run.windows);
        found.push(RemoteRun { target, first, end, end_unobserved, windows });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::{TargetTally, WindowNo};

    /// One letter a window: `a` both answer, `1` only the first does, `n` neither, `.` nothing.
    fn found(line: &str) -> Vec<(i64, i64, Option<i64>, bool)> {
        let tally = |target, answers: bool| TargetTally {
            target: TargetId(target),
            answered: u32::from(answers),
            unanswered: u32::from(!answers),
            transfers_unanswered: 0,
        };
        let windows: Vec<Window> = (0..)
            .zip(line.chars())
            .filter(|(_, letter)| *letter != '.')
            .map(|(no, letter)| {
                let targets = vec![tally(1, letter != 'n'), tally(2, letter == 'a')];
                Window { targets, ..Window::new(WindowNo(no)) }
            })
            .collect();
        let found = runs(&windows, line.len() as i64, &Policy::default());
        found.into_iter().map(|run| (run.target.0, run.first, run.end, run.end_unobserved)).collect()
    }

    #[test]
    fn a_target_that_alone_is_silent_for_three_windows_is_an_event_of_its_own() {
        for (line, wanted) in [
            ("a11a", vec![]),
            ("a111a", vec![(2, 1, Some(4), false)]),
            ("a1n1n1a", vec![(2, 1, Some(6), false)]),
            ("nnnnn", vec![]),
            ("a111", vec![(2, 1, None, false)]),
            ("a111.......a", vec![(2, 1, Some(4), true)]),
        ] {
            assert_eq!(found(line), wanted, "{line}");
        }
    }
}
