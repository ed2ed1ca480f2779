//! Blinds of one network: from judged windows to the intervals in which something of ours kept us from testing it while
//! the device itself worked: SIM, bearer, plan, a vanished modem, a link that stayed down.
//!
//! In: windows of one network with their judgement, ascending. Out: [`Run`]s. Refuses to know: why; `cause.rs` does.
//! A window without any observation neither makes nor breaks one; more of them in a row than end a gap end it, too.

use crate::grade::{Graded, Reason};
use crate::observation::SampleId;
use crate::policy::Policies;
use crate::window::{EVIDENCE, Window, WindowNo};

/// A run of blocked windows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub first: i64,
    /// The last proof before, and the first after; `None`: still blocked.
    pub from_ms: i64,
    pub to_ms: Option<i64>,
    /// What blocked most of it; of equals what came first.
    pub reason: Reason,
    pub evidence: Vec<SampleId>,
    reasons: Vec<(Reason, i64)>,
    windows: i64,
    last: i64,
}

/// What blocked a window, on a network with a radio. Without one a portal or a dead link blinds nothing here.
pub fn of(window: &Window, graded: &Graded) -> Option<Reason> {
    (window.radio.is_some() && graded.reason.is_ours() && !window.own_side()).then_some(graded.reason)
}

/// Runs of `windows`, which begin and end where nothing is pending. `until`: the window that now lies in, or where the
/// slice was cut behind a hole. `ended_ms`: when the place ended, if it did.
pub fn runs(windows: &[Window], graded: &[Graded], until: i64, ended_ms: Option<i64>, policies: &Policies) -> Vec<Run> {
    let lapse = |no: i64| policies.at(WindowNo(no).start_ms()).unknown_run;
    let mut found = Vec::new();
    let mut open: Option<Run> = None;
    let mut proof: Option<(i64, i64)> = None;
    let mut emit = |run: Run| {
        if run.windows >= policies.at(WindowNo(run.first).start_ms()).blind_windows {
            found.push(run);
        }
    };
    for (window, one) in windows.iter().zip(graded) {
        if let Some(run) = open.take_if(|run| window.no - run.last - 1 > lapse(run.last)) {
            emit(closed(run, None));
        }
        match (of(window, one), window.able) {
            (Some(reason), _) => {
                let run =
                    open.get_or_insert_with(|| begun(window, proof.filter(|(no, _)| window.no - no - 1 <= lapse(*no))));
                run.add(window, reason);
            }
            (None, able) => {
                if let Some(run) = open.take() {
                    emit(closed(run, Some(able.map_or(window.number().start_ms(), |able| able.0))));
                }
                proof = able.map(|able| (window.no, able.1));
            }
        }
    }
    if let Some(run) = open {
        let lapsed = until - run.last - 1 > lapse(run.last);
        emit(match ended_ms {
            _ if lapsed => closed(run, None),
            Some(ended_ms) => closed(run, Some(ended_ms)),
            None => run,
        });
    }
    found
}

/// Where runs around touched windows begin and end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Indices of windows to fold.
    pub begin: usize,
    pub end: usize,
    /// Runs whose first window lies in here are replaced.
    pub from: i64,
    pub to: i64,
}

/// What is known of the edges of `windows`: everything from `from` up to `to`, and whether there is nothing beyond.
#[derive(Debug, Clone, Copy)]
pub struct Edges {
    pub from: i64,
    pub to: i64,
    pub from_start: bool,
    pub to_end: bool,
}

/// `touched`: first window that changed, last whose grade may have. Wrong edges: what has to be wider, before and after.
pub fn span(
    windows: &[Window],
    graded: &[Graded],
    touched: (i64, i64),
    edges: Edges,
    unknown_run: i64,
) -> Result<Span, (bool, bool)> {
    let clear = |at: usize| of(&windows[at], &graded[at]).is_none();
    let (mut begin, mut later) = (windows.partition_point(|window| window.no < touched.0), touched.0);
    let from = loop {
        let known = begin.checked_sub(1).map(|at| windows[at].no);
        let hole = later - known.unwrap_or(edges.from - 1) - 1 > unknown_run;
        match known {
            _ if hole => break Some(later),
            None => break edges.from_start.then_some(i64::MIN),
            Some(no) if clear(begin - 1) => {
                begin -= 1;
                break Some(no + 1);
            }
            Some(no) => (begin, later) = (begin - 1, no),
        }
    };
    let (mut end, mut earlier) = (windows.partition_point(|window| window.no <= touched.1), touched.1);
    let to = loop {
        let known = windows.get(end).map(|window| window.no);
        let hole = known.unwrap_or(edges.to) - earlier - 1 > unknown_run;
        match known {
            None if edges.to_end => break Some(i64::MAX),
            _ if hole => break Some(earlier + 1 + unknown_run),
            None => break None,
            Some(no) => {
                end += 1;
                if clear(end - 1) {
                    break Some(no + 1);
                }
                earlier = no;
            }
        }
    };
    match (from, to) {
        (Some(from), Some(to)) => Ok(Span { begin, end, from, to }),
        (from, to) => Err((from.is_none(), to.is_none())),
    }
}

fn begun(window: &Window, proof: Option<(i64, i64)>) -> Run {
    let start_ms = window.number().start_ms();
    Run {
        first: window.no,
        from_ms: proof.map_or(start_ms, |(_, at_ms)| at_ms),
        to_ms: None,
        reason: Reason::OwnSide,
        evidence: Vec::new(),
        reasons: Vec::new(),
        windows: 0,
        last: window.no,
    }
}

/// Without a proof after it, it ends with its last window.
fn closed(run: Run, at_ms: Option<i64>) -> Run {
    Run { to_ms: Some(at_ms.unwrap_or(WindowNo(run.last).end_ms()).max(run.from_ms)), ..run }
}

impl Run {
    fn add(&mut self, window: &Window, reason: Reason) {
        self.last = window.no;
        self.windows += 1;
        match self.reasons.iter_mut().find(|known| known.0 == reason) {
            Some(known) => known.1 += 1,
            None => self.reasons.push((reason, 1)),
        }
        let most = self.reasons.iter().map(|known| known.1).max();
        self.reason = self.reasons.iter().find(|known| Some(known.1) == most).map_or(reason, |known| known.0);
        let told = window.radio.iter().flat_map(|radio| &radio.evidence).chain(&window.evidence);
        let room = EVIDENCE.saturating_sub(self.evidence.len());
        self.evidence.extend(told.take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grade::{Grade, Service};
    use crate::policy::Policy;
    use crate::signal::Radio;
    use crate::window::WINDOW_MS;

    /// `s` SIM, `b` bearer, `g` good, `.` nothing, one letter a window.
    fn found(line: &str) -> Vec<(i64, i64, Option<i64>, Reason)> {
        let letters = (0..).zip(line.chars()).filter(|(_, letter)| *letter != '.');
        let (mut windows, mut graded) = (Vec::new(), Vec::new());
        for (no, letter) in letters {
            let able = Some((no * WINDOW_MS + 60_000, no * WINDOW_MS + 240_000));
            windows.push(Window { radio: Some(Box::default()), able, ..Window::new(WindowNo(no)) });
            let (grade, reason) = match letter {
                's' => (Grade::Unknown, Reason::Sim),
                'b' => (Grade::Unknown, Reason::Bearer),
                _ => (Grade::Good, Reason::Served),
            };
            graded.push(Graded { no, grade, reason, service: Service::Untested, policy: 1 });
        }
        let until = line.len() as i64;
        let found = runs(&windows, &graded, until, None, &Policies::new(vec![Policy::default()]));
        found
            .into_iter()
            .map(|run| (run.first, run.from_ms / 60_000, run.to_ms.map(|ms| ms / 60_000), run.reason))
            .collect()
    }

    #[test]
    fn three_blocked_windows_are_a_blind_of_their_network_alone() {
        for (line, wanted) in [
            ("gssg", vec![]),
            ("gsssg", vec![(1, 4, Some(21), Reason::Sim)]),
            ("gsss", vec![(1, 4, None, Reason::Sim)]),
            ("gsbbg", vec![(1, 4, Some(21), Reason::Bearer)]),
            ("gs.s.sg", vec![(1, 4, Some(31), Reason::Sim)]),
            ("gsss.......g", vec![(1, 4, Some(20), Reason::Sim)]),
            ("gsss.......", vec![(1, 4, Some(20), Reason::Sim)]),
            ("sssg", vec![(0, 0, Some(16), Reason::Sim)]),
        ] {
            assert_eq!(found(line), wanted, "{line}");
        }
        assert_eq!(Radio::default().all(), 0);
    }
}
