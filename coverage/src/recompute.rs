//! One place again, around the windows that were touched: the same answer as folding everything from the beginning.
//!
//! In: the windows of a range, all of them, and which were touched. Out: grades, and the interruptions of a span that
//! begins and ends where nothing is pending; or the wish for a wider range. Refuses to know: the store, what was derived
//! before. Pure: neither the order of arrival nor the steps in which things came can be seen in the result.

use crate::blind::{self, Presence};
use crate::blocked::{self, Edges};
use crate::cause::{self, Around, Cause, CauseKind, Confidence, Proof};
use crate::gap::{Gap, GapFold};
use crate::grade::{Grade, Graded, Reason, judge};
use crate::interruption::{Interruption, Kind, Subject, key, windows_s};
use crate::observation::{Fact, FactKind, NetworkId};
use crate::place::PlaceId;
use crate::policy::{Policies, Policy};
use crate::radio::CellKey;
use crate::remote;
use crate::signal::Radio;
use crate::window::{Window, WindowNo};
use std::collections::BTreeMap;

/// What is known of a place between two windows.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    pub place: PlaceId,
    /// From this window on, up to but without `to`, everything is in `windows`.
    pub from: i64,
    pub to: i64,
    /// Nothing was ever observed before `from`, or after `to`.
    pub from_start: bool,
    pub to_end: bool,
    pub windows: &'a BTreeMap<NetworkId, Vec<Window>>,
    /// Ascending; from an hour before the range to two minutes after it, and before it the last word about each link.
    pub facts: &'a [Fact],
    /// Ascending: when probes of the same hamlet on another supply fell silent.
    pub stopped: &'a [i64],
    /// Whether the place is due in each window, until when, and whether that is its end.
    pub due: Option<Due>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Due {
    pub until_ms: i64,
    pub ended: bool,
}

/// What came of it. Interruptions whose first window lies in `gaps` (of a network) or `blinds` replace those stored.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    pub graded: BTreeMap<NetworkId, Vec<Graded>>,
    pub gaps: BTreeMap<NetworkId, (i64, i64)>,
    /// Of the place, and of each network.
    pub blinds: (i64, i64),
    pub network_blinds: BTreeMap<NetworkId, (i64, i64)>,
    pub interruptions: Vec<Interruption>,
}

/// The range is too narrow: it must begin earlier, or end later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wider {
    pub before: bool,
    pub after: bool,
}

/// `touched`: first and last window that changed. `as_of_ms`: now.
pub fn recompute(range: &Range<'_>, touched: (i64, i64), as_of_ms: i64, policies: &Policies) -> Result<Outcome, Wider> {
    let mut outcome = Outcome::default();
    let mut wider = Wider { before: false, after: false };
    for (network, windows) in range.windows.iter().filter(|(network, _)| **network != NetworkId::NONE) {
        match network_span(range, windows, touched, policies) {
            Ok((from, to, graded)) => {
                outcome.gaps.insert(*network, (from, to));
                gaps(range, *network, windows, &graded, (from, to), as_of_ms, policies, &mut outcome.interruptions);
                match blocked_runs(range, (*network, windows), &graded, touched, as_of_ms, policies) {
                    Ok((span, found)) => {
                        outcome.network_blinds.insert(*network, span);
                        outcome.interruptions.extend(found);
                    }
                    Err(more) => {
                        wider = Wider { before: wider.before || more.before, after: wider.after || more.after };
                    }
                }
                let changed = |one: &Graded| one.no >= touched.0 && one.no <= touched.1 + policies.newest().look_back;
                outcome.graded.insert(*network, graded.into_iter().filter(changed).collect());
            }
            Err(more) => wider = Wider { before: wider.before || more.before, after: wider.after || more.after },
        }
    }
    match blinds(range, touched, as_of_ms, policies, &mut outcome.interruptions) {
        Ok(span) => outcome.blinds = span,
        Err(more) => wider = Wider { before: wider.before || more.before, after: wider.after || more.after },
    }
    if wider.before || wider.after {
        return Err(wider);
    }
    outcome.interruptions.sort_by_key(|one| (one.first, one.subject));
    Ok(outcome)
}

/// Where the fold of a network begins and ends, and the grades of its windows from there on.
fn network_span(
    range: &Range<'_>,
    windows: &[Window],
    touched: (i64, i64),
    policies: &Policies,
) -> Result<(i64, i64, Vec<Graded>), Wider> {
    let policy = policies.newest();
    // Judging looks back; what lies closer to a cut edge is not judged.
    let judged_from = if range.from_start { range.from } else { range.from + policy.look_back };
    let begin = windows.partition_point(|window| window.no < judged_from);
    let graded: Vec<Graded> =
        (begin..windows.len()).map(|at| judge(windows, at, policies.at(windows[at].number().start_ms()))).collect();
    let scan = Scan { windows: &windows[begin..], graded: &graded, from: judged_from, from_start: range.from_start };
    let from = (judged_from..=touched.0).rev().find(|no| scan.settled(*no, judged_from, policy));
    let same_from = touched.1 + policy.look_back + 1;
    let to = match (same_from..=range.to).find(|no| scan.settled(*no, same_from, policy)) {
        Some(to) => Some(to),
        None if range.to_end => Some(i64::MAX),
        None => None,
    };
    match (from, to) {
        (Some(from), Some(to)) => Ok((from, to, graded)),
        (from, to) => Err(Wider { before: from.is_none(), after: to.is_none() }),
    }
}

struct Scan<'a> {
    windows: &'a [Window],
    graded: &'a [Graded],
    from: i64,
    from_start: bool,
}

impl Scan<'_> {
    /// Whether nothing is pending before window `no`, judged by windows from `since` on alone.
    fn settled(&self, no: i64, since: i64, policy: &Policy) -> bool {
        let end = self.graded.partition_point(|one| one.no < no);
        self.calm(no, end, since, policy) && self.targets_answer(no, end, since, policy)
    }

    fn begins(&self, since: i64) -> bool {
        self.from_start && since <= self.from
    }

    /// The last known windows were all alive, or there was a long silence.
    fn calm(&self, no: i64, end: usize, since: i64, policy: &Policy) -> bool {
        let (mut later, mut alive) = (no, 0);
        for one in self.graded[..end].iter().rev() {
            if later - one.no - 1 > policy.unknown_run && later - policy.unknown_run > since {
                return true;
            }
            if one.no < since {
                return false;
            }
            if !one.is_known() {
                continue;
            }
            if one.grade == Grade::Dead {
                return false;
            }
            later = one.no;
            alive += 1;
            if alive >= policy.of {
                return true;
            }
        }
        later - policy.unknown_run > since || self.begins(since)
    }

    /// No target is silent on its own just before `no`.
    fn targets_answer(&self, no: i64, end: usize, since: i64, policy: &Policy) -> bool {
        let oldest = no - policy.unknown_run - 1;
        let mut heard: BTreeMap<_, bool> = BTreeMap::new();
        for window in self.windows[..end].iter().rev().take_while(|window| window.no >= oldest) {
            let others = window.answered() > 0;
            for tally in &window.targets {
                if tally.answered > 0 || others {
                    heard.entry(tally.target).or_insert(tally.answered > 0);
                }
            }
        }
        (oldest >= since || self.begins(since)) && heard.values().all(|answers| *answers)
    }
}

#[allow(clippy::too_many_arguments, reason = "one call; a struct for it would only rename the arguments")]
fn gaps(
    range: &Range<'_>,
    network: NetworkId,
    windows: &[Window],
    graded: &[Graded],
    (from, to): (i64, i64),
    as_of_ms: i64,
    policies: &Policies,
    found: &mut Vec<Interruption>,
) {
    let now = WindowNo::of(as_of_ms).0;
    let begin = windows.partition_point(|window| window.no < from);
    let end = windows.partition_point(|window| window.no < to);
    let inside = &windows[begin..end.max(begin)];
    let skip = graded.partition_point(|one| one.no < from);
    let mut fold = GapFold::new(policies.at(WindowNo(from).start_ms()));
    for (window, one) in inside.iter().zip(&graded[skip..]) {
        fold.set_policy(policies.at(window.number().start_ms()));
        fold.add(window, one.grade, one.reason == Reason::NoSignal);
    }
    let until = now.min(to);
    for gap in fold.finish(WindowNo(until)) {
        let subject = Subject { kind: Kind::Gap, place: range.place, network: Some(network), target: None };
        let first = WindowNo(gap.first);
        found.push(Interruption {
            key: key(&subject, first),
            subject,
            first,
            from_ms: first.start_ms(),
            to_ms: gap.end.map(|end| WindowNo(end).start_ms()),
            end_unobserved: gap.end_unobserved,
            observed_dead_s: windows_s(gap.tally.dead),
            cause: cause::of_gap(gap.tally, around(range, network, windows, &gap, policies), &gap.evidence),
            evidence: gap.evidence,
        });
    }
    for run in remote::runs(inside, until, policies.newest()) {
        let target = Some(run.target);
        let subject = Subject { kind: Kind::Remote, place: range.place, network: Some(network), target };
        let first = WindowNo(run.first);
        found.push(Interruption {
            key: key(&subject, first),
            subject,
            first,
            from_ms: first.start_ms(),
            to_ms: run.end.map(|end| WindowNo(end).start_ms()),
            end_unobserved: run.end_unobserved,
            observed_dead_s: windows_s(run.windows),
            cause: Cause::new(CauseKind::Remote, Confidence::Likely, Proof::OthersAnswered, Vec::new()),
            evidence: Vec::new(),
        });
    }
}

/// Blinds of one network, and the span in which they replace those stored. `graded`: from the first judged window on.
fn blocked_runs(
    range: &Range<'_>,
    (network, windows): (NetworkId, &[Window]),
    graded: &[Graded],
    touched: (i64, i64),
    as_of_ms: i64,
    policies: &Policies,
) -> Result<((i64, i64), Vec<Interruption>), Wider> {
    let policy = policies.newest();
    let judged = &windows[windows.len() - graded.len()..];
    let from = if range.from_start { range.from } else { range.from + policy.look_back };
    let edges = Edges { from, to: range.to, from_start: range.from_start, to_end: range.to_end };
    let changed = (touched.0, touched.1 + policy.look_back);
    let span = blocked::span(judged, graded, changed, edges, policy.unknown_run)
        .map_err(|(before, after)| Wider { before, after })?;
    let until = WindowNo::of(as_of_ms).0.min(span.to);
    let ended = range.due.filter(|due| due.ended && due.until_ms <= as_of_ms).map(|due| due.until_ms);
    let inside = span.begin..span.end;
    let runs = blocked::runs(&judged[inside.clone()], &graded[inside], until, ended, policies);
    let found = runs.into_iter().map(|run| {
        let subject = Subject { kind: Kind::Blind, place: range.place, network: Some(network), target: None };
        let first = WindowNo(run.first);
        Interruption {
            key: key(&subject, first),
            subject,
            first,
            from_ms: run.from_ms,
            to_ms: run.to_ms,
            end_unobserved: false,
            observed_dead_s: 0,
            cause: cause::of_run(&run, network, range.facts),
            evidence: Vec::new(),
        }
    });
    Ok(((span.from, span.to), found.collect()))
}

/// What is known around a gap besides its own dead windows.
fn around(range: &Range<'_>, network: NetworkId, windows: &[Window], gap: &Gap, policies: &Policies) -> Around {
    let first = WindowNo(gap.first);
    let between = |window: &&Window| (gap.first..=gap.last_dead).contains(&window.no);
    let served = |window: &Window| {
        window.radio.as_ref().is_some_and(|radio| window.answered() > 0 || 2 * radio.alive > radio.all())
    };
    let others = range.windows.iter().filter(|(other, _)| **other != network && **other != NetworkId::NONE);
    let mut others = others.flat_map(|(_, of)| {
        let begin = of.partition_point(|window| window.no < gap.first);
        of[begin..].iter().take_while(between)
    });
    Around {
        link_up: link_before(range.facts, network, first.start_ms()),
        registered: range.facts.iter().rev().filter(|fact| fact.at_ms < first.end_ms()).find_map(|fact| {
            match fact.what {
                FactKind::Modem { network: of, change, .. } if of == network => change.registered,
                _ => None,
            }
        }),
        cell_gone: cell_gone(windows, gap, policies.at(first.start_ms())),
        others_served: others.any(served),
    }
}

/// Whether the cell that usually served before a gap was nowhere to be seen in it, while others were; and how many
/// modems saw that.
fn cell_gone(windows: &[Window], gap: &Gap, policy: &Policy) -> Option<u8> {
    let at = windows.partition_point(|window| window.no < gap.first);
    let mut served: BTreeMap<CellKey, usize> = BTreeMap::new();
    for window in windows[..at].iter().rev().take_while(|window| window.no >= gap.first - policy.look_back) {
        if let Some(cell) = window.radio.as_ref().and_then(|radio| radio.serving) {
            *served.entry(cell).or_default() += 1;
        }
    }
    let usual = served.into_iter().max_by_key(|(cell, n)| (*n, std::cmp::Reverse(*cell)));
    let (usual, _) = usual.filter(|(_, n)| *n >= policy.site_windows)?;
    let inside = windows[at..].iter().take_while(|window| window.no <= gap.last_dead);
    let seen: Vec<&Radio> =
        inside.filter_map(|window| window.radio.as_deref()).filter(|r| !r.cells.is_empty()).collect();
    if seen.len() < policy.site_windows || seen.iter().any(|radio| radio.cells.contains(&usual)) {
        return None;
    }
    let together = seen.iter().filter(|radio| radio.modems > 1).count();
    Some(if together >= policy.site_windows { 2 } else { 1 })
}

/// The last word about a link before a moment.
fn link_before(facts: &[Fact], network: NetworkId, ms: i64) -> Option<bool> {
    let before = facts.iter().rev().filter(|fact| fact.at_ms <= ms);
    before
        .filter_map(|fact| match fact.what {
            FactKind::Link { network: of, up } if of.is_none() || of == Some(network) => Some(up),
            _ => None,
        })
        .next()
}

fn blinds(
    range: &Range<'_>,
    touched: (i64, i64),
    as_of_ms: i64,
    policies: &Policies,
    found: &mut Vec<Interruption>,
) -> Result<(i64, i64), Wider> {
    let Some(due) = range.due else { return Ok((i64::MIN, i64::MAX)) };
    let presence = presence(range.windows);
    let breaks = |one: &Presence| one.able.is_some() || one.undated;
    let before = presence.iter().rposition(|one| one.no < touched.0 && breaks(one));
    let after = presence.iter().position(|one| one.no > touched.1 && breaks(one));
    let wider = Wider { before: before.is_none() && !range.from_start, after: after.is_none() && !range.to_end };
    if wider.before || wider.after {
        return Err(wider);
    }
    let slice = &presence[before.unwrap_or(0)..after.map_or(presence.len(), |at| at + 1)];
    let span = (
        before.map_or(i64::MIN, |at| presence[at].no + 1),
        // The silence that follows the window after belongs to another step.
        after.map_or(i64::MAX, |at| presence[at].no + 1),
    );
    let until_ms = match after {
        Some(at) => WindowNo(presence[at].no).end_ms(),
        None => due.until_ms.min(as_of_ms),
    };
    let ended = due.ended && due.until_ms <= as_of_ms;
    for silence in blind::silences(slice, until_ms, ended, policies) {
        // What the probe did elsewhere afterwards is not this place's.
        let subject = Subject { kind: Kind::Blind, place: range.place, network: None, target: None };
        let first = WindowNo(silence.first);
        let policy = policies.at(first.start_ms());
        let near = |at: &i64| (at - silence.from_ms).abs() <= policy.together_ms;
        let together = range.stopped.iter().any(near);
        found.push(Interruption {
            key: key(&subject, first),
            subject,
            first,
            from_ms: silence.from_ms,
            to_ms: silence.to_ms,
            end_unobserved: false,
            observed_dead_s: 0,
            cause: cause::of_silence(&silence, range.facts, together, policy),
            evidence: Vec::new(),
        });
    }
    Ok(span)
}

/// All networks of a place as one.
fn presence(windows: &BTreeMap<NetworkId, Vec<Window>>) -> Vec<Presence> {
    let mut all: BTreeMap<i64, Presence> = BTreeMap::new();
    for window in windows.values().flatten() {
        let merged = all.get(&window.no).map_or(Presence::of(window), |known| known.merge(window));
        all.insert(window.no, merged);
    }
    all.into_values().collect()
}
