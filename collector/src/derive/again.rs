//! Everything that is not sealed once more, by the policies that hold or by one of them, and what that changes.
//!
//! In: an [`Again`]. Out: a [`Difference`], saved or only said. Refuses to know: SQL, the command line. Works in short
//! transactions beside a running collector: what is new is derived and announced first, then the old is derived again
//! in silence; both see one state of the observations. A rehearsal works on a copy of some places at a time and locks
//! nothing. Limits: seven days of one place a transaction; [`ROUNDS`] for what neighbours do to each other.

use super::{Derive, Options, Progress, STEP_WINDOWS};
use crate::store::StoreError;
use crate::store::derived::{Filed, Ground, PlaceSpan, Shelf};
use phusong_coverage::grade::Grade;
use phusong_coverage::interruption::{Interruption, Key, Kind};
use phusong_coverage::observation::NetworkId;
use phusong_coverage::window::WindowNo;
use phusong_coverage::{Policies, Policy};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Grades so far behind a step may change with it: the furthest that a policy may look back.
const BEHIND: i64 = 288;
/// A blind that moved may move the cause of a neighbour's, and no further: two rounds, and room.
const ROUNDS: usize = 8;

/// What is to be derived again. Nothing said: everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Again {
    /// By this version alone.
    pub policy: Option<u32>,
    pub since_ms: Option<i64>,
    /// The first moment that is left alone.
    pub until_ms: Option<i64>,
    pub places: Option<BTreeSet<i64>>,
}

#[derive(Debug, thiserror::Error)]
pub enum AgainError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no policy {0}; `policy list` shows those that are")]
    NoPolicy(u32),
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stand {
    pub places: usize,
    pub done: usize,
    pub windows: u64,
    /// For which another writer may have had to wait.
    pub longest: Duration,
}

/// Windows by grade.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Windows {
    pub unknown: u64,
    pub dead: u64,
    pub weak: u64,
    pub good: u64,
}

/// Interruptions by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counted {
    pub opened: u64,
    pub gone: u64,
    pub other_cause: u64,
    /// The same cause, but another end, other evidence or another length.
    pub changed: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OfNetwork {
    pub before: Windows,
    pub after: Windows,
    /// Windows whose grade is another one.
    pub changed: u64,
    pub gaps: Counted,
    pub remotes: Counted,
}

/// What a recompute changes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub places: u64,
    pub windows: u64,
    /// Left alone, because their observations may be gone.
    pub sealed: u64,
    pub networks: BTreeMap<String, OfNetwork>,
    /// Of a place as a whole.
    pub blinds: Counted,
}

/// What one place was and became, over all its steps.
#[derive(Debug, Default)]
struct Seen {
    windows: BTreeMap<(NetworkId, i64), (Option<Grade>, Option<Grade>)>,
    interruptions: BTreeMap<Key, (Option<Interruption>, Option<Interruption>)>,
}

/// One piece of work: windows of a place.
#[derive(Debug, Clone, Copy)]
struct Step {
    place: i64,
    windows: (i64, i64),
    /// Asked for, and not only touched by a neighbour's change.
    asked: bool,
}

/// What one group of places came to.
#[derive(Debug, Default)]
struct Group {
    seen: BTreeMap<i64, Seen>,
    /// Neighbours whose windows are to be computed again.
    touched: BTreeSet<(i64, i64, i64)>,
}

/// What holds for the whole run.
struct Run<'a> {
    again: &'a Again,
    pinned: Option<Policy>,
    sealed: i64,
    /// The data directory of a rehearsal.
    copied: Option<&'a Path>,
    clock: &'a dyn Fn() -> i64,
}

impl Derive {
    /// Saves what comes of it. Announces nothing but what was new.
    pub fn recompute(
        &mut self,
        again: &Again,
        clock: &dyn Fn() -> i64,
        told: &mut dyn FnMut(&Stand),
    ) -> Result<Difference, AgainError> {
        self.settle(clock())?;
        self.again(again, None, clock, told)
    }

    /// Says what a recompute would change, and writes nothing.
    pub fn rehearse(
        dir: &Path,
        options: Options,
        again: &Again,
        clock: &dyn Fn() -> i64,
        told: &mut dyn FnMut(&Stand),
    ) -> Result<Difference, AgainError> {
        let ground = Ground::open(dir)?;
        let mut shelf = Shelf::passing()?;
        shelf.take(dir, &[])?;
        let mut derive = Derive::over(ground, shelf, options, clock())?;
        derive.places = derive.ground.places()?;
        derive.by_id = derive.places.iter().enumerate().map(|(at, place)| (place.id, at)).collect();
        derive.again(again, Some(dir), clock, told)
    }

    fn again(
        &mut self,
        again: &Again,
        copied: Option<&Path>,
        clock: &dyn Fn() -> i64,
        told: &mut dyn FnMut(&Stand),
    ) -> Result<Difference, AgainError> {
        let find = |version| self.versions.find(version).ok_or(AgainError::NoPolicy(version));
        let pinned = again.policy.map(find).transpose()?.map(|version| version.policy.clone());
        let sealed = WindowNo::of(self.options.retention.sealed_before_ms(clock())).0;
        let run = Run { again, pinned, sealed, copied, clock };
        let groups = self.groups(again);
        let mut stand = Stand { places: groups.iter().map(Vec::len).sum(), ..Stand::default() };
        let mut difference = Difference::default();
        for places in groups {
            if let Some(dir) = run.copied {
                let ids: Vec<i64> = places.iter().map(|place| place.id).collect();
                self.shelf.take(dir, &ids)?;
            }
            let mut group = Group::default();
            for place in &places {
                if again.places.as_ref().is_none_or(|asked| asked.contains(&place.id)) {
                    let steps = self.steps(place.id, &run, &mut difference)?;
                    difference.places += u64::from(!steps.is_empty());
                    for step in steps {
                        self.once_more(step, &run, &mut group, &mut stand)?;
                        told(&stand);
                    }
                }
                stand.done += 1;
                told(&stand);
            }
            for _ in 0..ROUNDS {
                for (place, first, last) in std::mem::take(&mut group.touched) {
                    let windows = (first.max(run.sealed + 1), last);
                    if windows.0 <= windows.1 {
                        self.once_more(Step { place, windows, asked: false }, &run, &mut group, &mut stand)?;
                    }
                }
            }
            for one in group.seen.values() {
                self.sum(one, &mut difference)?;
            }
        }
        Ok(difference)
    }

    /// Places that may explain each other's silences stand together; those that nobody asked for only where they are
    /// needed.
    fn groups(&self, again: &Again) -> Vec<Vec<PlaceSpan>> {
        let mut groups: BTreeMap<(Option<i64>, i64), Vec<PlaceSpan>> = BTreeMap::new();
        for place in &self.places {
            let key = match (place.area, &place.supply) {
                (Some(area), Some(_)) => (Some(area), 0),
                _ => (None, place.id),
            };
            groups.entry(key).or_default().push(place.clone());
        }
        let asked = |place: &PlaceSpan| again.places.as_ref().is_none_or(|asked| asked.contains(&place.id));
        groups.into_values().filter(|group| group.iter().any(asked)).collect()
    }

    /// What is not sealed, in pieces that lie in the time of one policy.
    fn steps(&self, place: i64, run: &Run<'_>, difference: &mut Difference) -> Result<Vec<Step>, StoreError> {
        let state = self.shelf.place_state(place)?;
        let (Some(first), Some(last)) = (state.first_no, state.last_no) else { return Ok(Vec::new()) };
        let first = run.again.since_ms.map_or(first, |ms| first.max(WindowNo::of(ms).0));
        let last = run.again.until_ms.map_or(last, |ms| last.min(WindowNo::of(ms).0 - 1));
        difference.sealed += self.shelf.count_windows(place, first, (run.sealed + 1).min(last + 1))?;
        let mut first = first.max(run.sealed + 1);
        let days = self.versions.all.iter().map(|one| one.policy.effective_from_ms);
        let cuts: BTreeSet<i64> = days.filter(|ms| *ms > i64::MIN).map(|ms| WindowNo::of(ms).0).collect();
        let mut steps = Vec::new();
        while first <= last {
            let cut = cuts.range(first + 1..).next().map_or(last, |cut| cut - 1);
            let until = last.min(first + STEP_WINDOWS - 1).min(cut);
            steps.push(Step { place, windows: (first, until), asked: true });
            first = until + 1;
        }
        Ok(steps)
    }

    /// One piece in one transaction, after whatever is new.
    fn once_more(&mut self, step: Step, run: &Run<'_>, group: &mut Group, stand: &mut Stand) -> Result<(), StoreError> {
        loop {
            let mut progress = Progress::default();
            let mut started = Instant::now();
            self.ground.hold()?;
            let result = self.in_transaction(|this| {
                // Only now: whoever held the lock before may have looked at a later moment than we did.
                started = Instant::now();
                let as_of_ms = (run.clock)();
                if run.copied.is_none() {
                    this.look(as_of_ms, &mut progress)?;
                    this.work(as_of_ms, &mut progress)?;
                }
                if progress.more {
                    return Ok(());
                }
                this.in_silence(step, run, as_of_ms, group)
            });
            self.ground.free();
            result?;
            stand.longest = stand.longest.max(started.elapsed());
            if !progress.more {
                stand.windows += (step.windows.1 - step.windows.0 + 1).cast_unsigned();
                return Ok(());
            }
        }
    }

    fn in_silence(&mut self, step: Step, run: &Run<'_>, as_of_ms: i64, group: &mut Group) -> Result<(), StoreError> {
        let Some(at) = self.by_id.get(&step.place) else { return Ok(()) };
        let place = self.places[*at].clone();
        let policies = self.chosen(run, as_of_ms);
        let stored = std::mem::replace(&mut self.policies, policies);
        self.silent = Some(Vec::new());
        let result = self.compare(&place, step, as_of_ms, group.seen.entry(place.id).or_default());
        group.touched.extend(self.silent.take().into_iter().flatten());
        self.policies = stored;
        result
    }

    /// The policies of this run. What is sealed stays judged by those that are stored.
    fn chosen(&self, run: &Run<'_>, as_of_ms: i64) -> Policies {
        let Some(pinned) = &run.pinned else { return self.versions.policies(as_of_ms) };
        let unsealed_ms = WindowNo(run.sealed + 1).start_ms();
        let since_ms = run.again.since_ms.unwrap_or(i64::MIN).max(unsealed_ms);
        self.versions.pinned(pinned, (since_ms, run.again.until_ms.unwrap_or(i64::MAX)), as_of_ms)
    }

    fn compare(&mut self, place: &PlaceSpan, step: Step, as_of_ms: i64, seen: &mut Seen) -> Result<(), StoreError> {
        let (from, to) = (step.windows.0, step.windows.1 + 1 + BEHIND);
        let grades = self.shelf.grades(place.id, from, to)?;
        let interruptions = self.shelf.interruptions(place.id)?;
        self.place(place, step.windows, as_of_ms, &mut Progress::default())?;
        let all = step.asked.then_some(step.windows.1);
        merge(&mut seen.windows, grades, self.shelf.grades(place.id, from, to)?, |(_, no)| {
            all.is_some_and(|last| *no <= last)
        });
        let by_key = |of: Vec<Filed>| of.into_iter().map(|one| (one.interruption.key, one.interruption)).collect();
        let after = by_key(self.shelf.interruptions(place.id)?);
        merge(&mut seen.interruptions, by_key(interruptions), after, |_| false);
        Ok(())
    }

    fn sum(&self, seen: &Seen, difference: &mut Difference) -> Result<(), StoreError> {
        let mut names: BTreeMap<NetworkId, String> = BTreeMap::new();
        let mut name = |network: NetworkId| -> Result<String, StoreError> {
            if let Some(name) = names.get(&network) {
                return Ok(name.clone());
            }
            let found = self.shelf.network_name(network)?.unwrap_or_default();
            names.insert(network, found.clone());
            Ok(found)
        };
        for ((network, _), (before, after)) in &seen.windows {
            let of = difference.networks.entry(name(*network)?).or_default();
            count(&mut of.before, *before);
            count(&mut of.after, *after);
            of.changed += u64::from(before != after);
            difference.windows += 1;
        }
        for (before, after) in seen.interruptions.values() {
            let Some(one) = after.as_ref().or(before.as_ref()) else { continue };
            let counted = match (one.subject.kind, one.subject.network) {
                (Kind::Gap, Some(network)) => &mut difference.networks.entry(name(network)?).or_default().gaps,
                (Kind::Remote, Some(network)) => &mut difference.networks.entry(name(network)?).or_default().remotes,
                _ => &mut difference.blinds,
            };
            match (before, after) {
                (None, Some(_)) => counted.opened += 1,
                (Some(_), None) => counted.gone += 1,
                (Some(a), Some(b)) if a == b => {}
                (Some(a), Some(b)) if a.cause.kind != b.cause.kind => counted.other_cause += 1,
                _ => counted.changed += 1,
            }
        }
        Ok(())
    }
}

/// Remembers what was first and what is last, of those that changed and those that are counted anyway.
fn merge<K: Ord + Copy, V: PartialEq + Clone>(
    seen: &mut BTreeMap<K, (Option<V>, Option<V>)>,
    before: BTreeMap<K, V>,
    after: BTreeMap<K, V>,
    anyway: impl Fn(&K) -> bool,
) {
    let keys: BTreeSet<K> = before.keys().chain(after.keys()).copied().collect();
    for key in keys {
        let (was, is) = (before.get(&key), after.get(&key));
        if was != is || anyway(&key) || seen.contains_key(&key) {
            seen.entry(key).or_insert_with(|| (was.cloned(), None)).1 = is.cloned();
        }
    }
}

fn count(windows: &mut Windows, grade: Option<Grade>) {
    match grade {
        None => {}
        Some(Grade::Unknown) => windows.unknown += 1,
        Some(Grade::Dead) => windows.dead += 1,
        Some(Grade::Weak) => windows.weak += 1,
        Some(Grade::Good) => windows.good += 1,
    }
}
