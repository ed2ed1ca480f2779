//! One place again: its touched windows from its observations, its interruptions around them, what changed.

use super::{Derive, Progress};
use crate::store::StoreError;
use crate::store::derived::{Filed, PlaceHeard, PlaceSpan, PlaceState, StoredWindow, span};
use phusong_coverage::PlaceId;
use phusong_coverage::case::{CaseId, reconcile};
use phusong_coverage::grade::{Grade, Graded, Reason, Service};
use phusong_coverage::interruption::{Interruption, Key, Kind, Subject};
use phusong_coverage::observation::NetworkId;
use phusong_coverage::recompute::{Due, Outcome, Range, recompute};
use phusong_coverage::window::{WINDOW_MS, Window, WindowNo, windows};
use phusong_coverage::{Policies, signal};
use std::collections::{BTreeMap, BTreeSet};

/// What is read around a touched stretch at first: an hour to look back, five windows to settle, and room.
const AROUND: i64 = 36;
/// Raw rounds that a summary stands for, and what a modem said, may lie this long before it.
const BEFORE_MS: i64 = signal::BEFORE_MS;
const HOUR_MS: i64 = 3_600_000;
/// A window is final at the latest this long after its end.
pub(super) const FINAL_MS: i64 = 72 * HOUR_MS;

type Stored = BTreeMap<NetworkId, Vec<StoredWindow>>;

impl Derive {
    pub(super) fn place(
        &mut self,
        place: &PlaceSpan,
        touched: (i64, i64),
        as_of_ms: i64,
        progress: &mut Progress,
    ) -> Result<(), StoreError> {
        let (from_ms, to_ms) = (WindowNo(touched.0).start_ms(), WindowNo(touched.1).end_ms());
        let shelf = &mut self.shelf;
        let before = shelf.changes_before(place.id, from_ms - BEFORE_MS)?;
        let range_ms = (from_ms - BEFORE_MS, to_ms);
        let heard = self.ground.heard(place, range_ms, &before, &self.policies, |name| shelf.network(name))?;
        let fresh = aggregate(&heard, touched, &self.policies);
        self.shelf.replace_facts(place.id, (from_ms, to_ms), &heard.facts)?;
        self.shelf.replace_speeds(place.id, (from_ms, to_ms), &heard.speeds)?;
        let mut state = self.shelf.place_state(place.id)?;
        let numbers = || fresh.values().flat_map(|of| of.keys().map(|no| no.0));
        state.first_no = state.first_no.into_iter().chain(numbers().min()).min();
        state.last_no = state.last_no.into_iter().chain(numbers().max()).max();
        if state.first_no.is_none() {
            return self.shelf.put_place_state(place.id, &state);
        }
        let (stored, outcome) = self.fold(place, touched, as_of_ms, &state, &fresh)?;
        progress.windows += fresh.values().map(BTreeMap::len).sum::<usize>();
        self.save_windows(place, touched, &state, &fresh, &stored, &outcome)?;
        let named = fresh.keys().chain(stored.keys()).filter(|network| **network != NetworkId::NONE);
        for network in named.collect::<BTreeSet<_>>() {
            let newest = heard.technologies.get(network).filter(|_| state.last_no.is_some_and(|no| no <= touched.1));
            self.shelf.put_newest(place.id, *network, newest.map(|said| said.1))?;
        }
        let networks = fresh.keys().chain(stored.keys()).copied().collect();
        self.fixed_votes(place, touched, &networks, as_of_ms)?;
        progress.changes += self.save_interruptions(place, &outcome, as_of_ms)?;
        let complete_ms = self.ground.complete_until_ms(place.probe, as_of_ms - FINAL_MS)?;
        state.final_until_ms = state.final_until_ms.max(complete_ms).max(Some(as_of_ms - FINAL_MS));
        state.deadline_ms = deadline(&state, self.policies.at(as_of_ms), place, as_of_ms);
        self.shelf.put_place_state(place.id, &state)?;
        self.count(place, touched, as_of_ms)
    }

    /// Reads as much around the stretch as the fold needs.
    fn fold(
        &mut self,
        place: &PlaceSpan,
        touched: (i64, i64),
        as_of_ms: i64,
        state: &PlaceState,
        fresh: &BTreeMap<NetworkId, BTreeMap<WindowNo, Window>>,
    ) -> Result<(Stored, Outcome), StoreError> {
        let (oldest, newest) = (state.first_no.unwrap_or(touched.0), state.last_no.unwrap_or(touched.1));
        let (mut before, mut after) = (AROUND, AROUND);
        let has_agent = self.ground.has_agent(place.probe)?;
        let due = Due { until_ms: place.to_ms.unwrap_or(i64::MAX), ended: place.to_ms.is_some() };
        let neighbours = self.neighbours(place);
        loop {
            let (from, to) = (touched.0 - before, touched.1 + 1 + after);
            let stored = self.shelf.windows(place.id, from, to)?;
            let inside = overlay(&stored, fresh, touched);
            let (facts_from_ms, facts_to_ms) =
                (WindowNo(from).start_ms() - HOUR_MS, WindowNo(to).start_ms() + self.policies.newest().together_ms);
            let mut facts: Vec<_> = self.shelf.link_before(place.id, facts_from_ms)?.into_iter().collect();
            facts.extend(self.shelf.changes_before(place.id, facts_from_ms)?);
            facts.sort_unstable();
            facts.extend(self.shelf.facts(place.id, facts_from_ms, facts_to_ms + HOUR_MS)?);
            let middle_ms = facts_from_ms.midpoint(facts_to_ms);
            let stopped = self.shelf.blinds_near(&neighbours, middle_ms, facts_to_ms - middle_ms + HOUR_MS)?;
            let range = Range {
                place: PlaceId::new(place.id),
                from,
                to,
                from_start: from <= oldest,
                to_end: to > newest,
                windows: &inside,
                facts: &facts,
                stopped: &stopped,
                due: has_agent.then_some(due),
            };
            match recompute(&range, touched, as_of_ms, &self.policies) {
                Ok(outcome) => return Ok((stored, outcome)),
                Err(wider) => {
                    before *= if wider.before { 4 } else { 1 };
                    after *= if wider.after { 4 } else { 1 };
                }
            }
        }
    }

    /// Places of the same hamlet on another supply, both known.
    fn neighbours(&self, place: &PlaceSpan) -> Vec<i64> {
        let (Some(area), Some(supply)) = (place.area, &place.supply) else { return Vec::new() };
        let other = |other: &&PlaceSpan| {
            other.area == Some(area) && other.id != place.id && other.supply.as_ref().is_some_and(|of| of != supply)
        };
        self.places.iter().filter(other).map(|other| other.id).collect()
    }

    fn save_windows(
        &mut self,
        place: &PlaceSpan,
        touched: (i64, i64),
        state: &PlaceState,
        fresh: &BTreeMap<NetworkId, BTreeMap<WindowNo, Window>>,
        stored: &Stored,
        outcome: &Outcome,
    ) -> Result<(), StoreError> {
        let networks: BTreeSet<NetworkId> = fresh.keys().chain(stored.keys()).copied().collect();
        let mut final_changed = 0;
        for network in networks {
            let known: BTreeMap<i64, &StoredWindow> =
                stored.get(&network).into_iter().flatten().map(|one| (one.window.no, one)).collect();
            let graded: BTreeMap<i64, Graded> =
                outcome.graded.get(&network).into_iter().flatten().map(|one| (one.no, *one)).collect();
            let empty = BTreeMap::new();
            let of = fresh.get(&network).unwrap_or(&empty);
            for no in
                known.keys().filter(|no| (touched.0..=touched.1).contains(*no) && !of.contains_key(&WindowNo(**no)))
            {
                self.shelf.remove_window(place.id, network, *no)?;
                self.count_technologies(place.id, network, known.get(no).map(|one| &one.window), None)?;
            }
            let later = known.iter().filter(|(no, _)| **no > touched.1).map(|(_, one)| &one.window);
            for window in of.values().chain(later) {
                let judged = graded.get(&window.no).copied();
                let before = known.get(&window.no);
                let judged = match (judged, before) {
                    (Some(judged), _) => judged,
                    (None, Some(before)) if window.no > touched.1 => before.graded,
                    (None, _) => unjudged(window.no),
                };
                if before.is_some_and(|before| before.graded == judged && before.window == *window) {
                    continue;
                }
                let was_final = state.final_until_ms.is_some_and(|until_ms| WindowNo(window.no).end_ms() <= until_ms);
                final_changed += i64::from(was_final && before.is_some_and(|b| b.graded.grade != judged.grade));
                self.shelf.put_window(place.id, network, &StoredWindow { window: window.clone(), graded: judged })?;
                self.count_technologies(place.id, network, before.map(|one| &one.window), Some(window))?;
            }
            self.shelf.put_last_known(place.id, network)?;
        }
        let counted = if self.silent.is_some() { 0 } else { final_changed };
        self.shelf.count("final_changed", counted)
    }

    /// A window and what stood in its place, by the day that it lies in.
    fn count_technologies(
        &self,
        place: i64,
        network: NetworkId,
        old: Option<&Window>,
        new: Option<&Window>,
    ) -> Result<(), StoreError> {
        let of = |window: Option<&Window>| {
            window.and_then(|window| window.radio.as_ref()).map(|radio| (radio.yes, radio.no.without(radio.yes)))
        };
        let (before, after) = (of(old), of(new));
        if before == after {
            return Ok(());
        }
        let day = old.or(new).map_or(0, |window| window.number().start_ms().div_euclid(86_400_000));
        for (said, sign) in [(before, -1), (after, 1)] {
            if let Some(said) = said {
                self.shelf.count_technologies(place, network, day, said, sign)?;
            }
        }
        Ok(())
    }

    /// Says how many changes were written.
    fn save_interruptions(&mut self, place: &PlaceSpan, outcome: &Outcome, now_ms: i64) -> Result<usize, StoreError> {
        let mut old = self.shelf.interruptions_from(place.id, &[Kind::Blind], None, outcome.blinds)?;
        for (network, span) in &outcome.gaps {
            let kinds = [Kind::Gap, Kind::Remote];
            old.extend(self.shelf.interruptions_from(place.id, &kinds, Some(*network), *span)?);
        }
        for (network, span) in &outcome.network_blinds {
            old.extend(self.shelf.interruptions_from(place.id, &[Kind::Blind], Some(*network), *span)?);
        }
        let starts = |of: &[&Interruption]| -> BTreeSet<i64> {
            let whole = |one: &&&Interruption| one.subject.kind == Kind::Blind && one.subject.network.is_none();
            of.iter().filter(whole).map(|one| one.from_ms).collect()
        };
        let before = starts(&old.iter().map(|filed| &filed.interruption).collect::<Vec<_>>());
        let after = starts(&outcome.interruptions.iter().collect::<Vec<_>>());
        let mut subjects: BTreeMap<Subject, (Vec<Filed>, Vec<&Interruption>)> = BTreeMap::new();
        for filed in old {
            subjects.entry(filed.interruption.subject).or_default().0.push(filed);
        }
        for one in &outcome.interruptions {
            subjects.entry(one.subject).or_default().1.push(one);
        }
        let mut changes = 0;
        for (subject, (old, new)) in subjects {
            changes += self.save_subject(&subject, &old, &new, now_ms)?;
        }
        // A neighbour's silence may be explained, or no longer be, by when this place fell silent.
        let moved: Vec<i64> = before.symmetric_difference(&after).copied().collect();
        for neighbour in if moved.is_empty() { Vec::new() } else { self.neighbours(place) } {
            for from_ms in &moved {
                let no = WindowNo::of(*from_ms).0;
                match &mut self.silent {
                    Some(pending) => pending.push((neighbour, no - 1, no + 1)),
                    None => self.shelf.touch(neighbour, no - 1, no + 1)?,
                }
            }
        }
        Ok(changes)
    }

    fn save_subject(
        &mut self,
        subject: &Subject,
        old: &[Filed],
        new: &[&Interruption],
        now_ms: i64,
    ) -> Result<usize, StoreError> {
        let same = old.len() == new.len() && old.iter().all(|filed| new.contains(&&filed.interruption));
        if same {
            return Ok(0);
        }
        let spans: Vec<(phusong_coverage::case::Span, CaseId)> =
            old.iter().map(|filed| (span(&filed.interruption), filed.case)).collect();
        let wanted: Vec<_> = new.iter().map(|one| span(one)).collect();
        let reconciled = reconcile(&spans, &wanted);
        let keys: BTreeSet<Key> = new.iter().map(|one| one.key).collect();
        let mut changes = 0;
        for filed in old.iter().filter(|filed| !keys.contains(&filed.interruption.key)) {
            self.shelf.remove_interruption(filed.interruption.key)?;
        }
        for withdrawn in &reconciled.withdrawn {
            if let Some(filed) = old.iter().find(|filed| filed.case == withdrawn.case) {
                changes += self.announce("withdrawn", filed, now_ms)?;
            }
        }
        self.shelf.withdraw(&reconciled, now_ms)?;
        for one in new {
            let kept = reconciled.kept.get(&one.key).copied();
            let before = kept.and_then(|case| old.iter().find(|filed| filed.case == case));
            let case = match kept {
                Some(case) => case,
                None => self.shelf.open_case(subject, now_ms)?,
            };
            let filed = Filed { interruption: (*one).clone(), case };
            if before == Some(&filed) {
                continue;
            }
            self.shelf.put_interruption(&filed, self.policies.at(one.from_ms).version)?;
            if self.silent.is_none() {
                self.shelf.count_ended(one, case)?;
            }
            let what = match before {
                None => "opened",
                Some(before) if before.interruption.to_ms.is_none() && one.to_ms.is_some() => "closed",
                Some(_) => "changed",
            };
            changes += self.announce(what, &filed, now_ms)?;
            // One that is learned after its end is opened and closed at once.
            if before.is_none() && one.to_ms.is_some() {
                changes += self.announce("closed", &filed, now_ms)?;
            }
        }
        Ok(changes)
    }

    /// Writes a change, unless a recompute is at work. Says how many were written.
    fn announce(&mut self, what: &str, filed: &Filed, now_ms: i64) -> Result<usize, StoreError> {
        if self.silent.is_some() {
            return Ok(0);
        }
        self.shelf.change(what, filed, now_ms)?;
        Ok(1)
    }
}

fn aggregate(
    heard: &PlaceHeard,
    touched: (i64, i64),
    policies: &Policies,
) -> BTreeMap<NetworkId, BTreeMap<WindowNo, Window>> {
    let named = heard.attempts.keys().chain(heard.undated.keys()).chain(heard.looks.keys());
    let networks: BTreeSet<NetworkId> = named.copied().collect();
    let inside = |no: WindowNo| (touched.0..=touched.1).contains(&no.0);
    let mut all = BTreeMap::new();
    for network in networks {
        let undated: BTreeSet<WindowNo> =
            heard.undated.get(&network).into_iter().flatten().map(|at_ms| WindowNo::of(*at_ms)).collect();
        let mut of = windows(heard.attempts.get(&network).into_iter().flatten(), &undated);
        of.retain(|no, _| inside(*no));
        let looks = heard.looks.get(&network).map(Vec::as_slice).unwrap_or_default();
        signal::overlay(&mut of, looks, touched, policies);
        if !of.is_empty() {
            all.insert(network, of);
        }
    }
    all
}

/// What is stored, with the touched windows as they are now.
fn overlay(
    stored: &Stored,
    fresh: &BTreeMap<NetworkId, BTreeMap<WindowNo, Window>>,
    touched: (i64, i64),
) -> BTreeMap<NetworkId, Vec<Window>> {
    let networks: BTreeSet<NetworkId> = stored.keys().chain(fresh.keys()).copied().collect();
    let mut all = BTreeMap::new();
    for network in networks {
        let kept = stored.get(&network).into_iter().flatten().map(|one| &one.window);
        let kept = kept.filter(|window| !(touched.0..=touched.1).contains(&window.no));
        let mut of: Vec<Window> =
            kept.chain(fresh.get(&network).into_iter().flat_map(BTreeMap::values)).cloned().collect();
        of.sort_unstable_by_key(|window| window.no);
        all.insert(network, of);
    }
    all
}

/// Without a network nothing is judged.
const fn unjudged(no: i64) -> Graded {
    Graded { no, grade: Grade::Unknown, reason: Reason::NotMeasured, service: Service::Untested, policy: 0 }
}

/// When time alone may change something: silence becomes a blind, then ends an open gap.
fn deadline(state: &PlaceState, policy: &phusong_coverage::Policy, place: &PlaceSpan, as_of_ms: i64) -> Option<i64> {
    let last = state.last_no?;
    let silence = [policy.blind_windows + 1, policy.unknown_run + 2].map(|windows| (last + windows) * WINDOW_MS);
    let ends = silence.into_iter().chain(place.to_ms);
    ends.filter(|ms| *ms > as_of_ms).min()
}
