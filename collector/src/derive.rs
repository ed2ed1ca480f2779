//! From observations to what they mean, place by place: windows, gaps, blinds, causes, cases, changes.
//!
//! In: what the ground state holds since the last look. Out: derived rows and `changes`, in one transaction. Refuses to
//! know: SQL, MQTT, HTTP; the judgement is `phusong_coverage`'s. Works in bounded steps on a file of its own, so that
//! ingest never waits; a crash between two steps repeats or resumes, it loses nothing.
//! Limits: [`Options`].

mod again;
mod counting;
mod place;
pub mod policies;
mod running;
mod votes;

pub use again::{Again, AgainError, Counted, Difference, Stand, Windows};
pub use running::Running;

use crate::store::derived::{Ground, PlaceSpan, Shelf, Touch};
use crate::store::{Pruned, Retention, StoreError, prune_derived};
use phusong_coverage::Policies;
use phusong_coverage::observation::NetworkId;
use phusong_coverage::window::WindowNo;
use phusong_protocol::ReadingKind;
use policies::Versions;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::{Duration, Instant};

/// A touched stretch that is longer is done in several steps: seven days.
const STEP_WINDOWS: i64 = 7 * 288;
/// Touched stretches closer than this are one.
const JOIN_WINDOWS: i64 = 12;
/// A word about the device speaks of silences that begin up to an hour after it.
const FACT_WINDOWS: i64 = 13;

/// Rows that are removed in one step: a few milliseconds.
const PRUNED_ROWS: usize = 2_000;

const ARRIVED: &str = "observation";
const RETIMED: &str = "retimed";
const UNPLACED: &str = "unplaced";
const LATE_SEALED: &str = "late_sealed";
/// When it was last looked at what stays away, and how often that is done.
const LOST_LOOKED: &str = "lost_looked_ms";
const LOST_EVERY_MS: i64 = 3_600_000;

/// Bounds and pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Observations looked at in one step.
    pub arrivals: usize,
    /// Places of one transaction, and how long it may take.
    pub places: usize,
    pub budget: Duration,
    /// Windows older than the raw observations are sealed: what comes later is stored and not folded.
    pub retention: Retention,
}

impl Default for Options {
    fn default() -> Self {
        Options { arrivals: 50_000, places: 256, budget: Duration::from_millis(500), retention: Retention::default() }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    pub arrived: usize,
    pub stretches: usize,
    pub windows: usize,
    pub changes: usize,
    /// There is more to do at once.
    pub more: bool,
}

pub struct Derive {
    ground: Ground,
    shelf: Shelf,
    versions: Versions,
    /// Those of `versions` that hold, as of now.
    policies: Policies,
    in_force: u32,
    options: Options,
    /// While a recompute is at work: neighbours to be computed again. Nothing is announced then.
    silent: Option<Vec<(i64, i64, i64)>>,
    places: Vec<PlaceSpan>,
    by_probe: HashMap<i64, Vec<usize>>,
    by_id: HashMap<i64, usize>,
    hamlets: counting::Hamlets,
    by_hamlet: HashMap<i64, Vec<usize>>,
    /// Networks that are fixed links.
    links: HashMap<NetworkId, bool>,
}

impl Derive {
    /// `phusong.db` must be there.
    pub fn open(dir: &Path, options: Options, now_ms: i64) -> Result<Self, StoreError> {
        let ground = Ground::open(dir)?;
        Self::over(ground, Shelf::open(dir, now_ms)?, options, now_ms)
    }

    fn over(ground: Ground, shelf: Shelf, options: Options, now_ms: i64) -> Result<Self, StoreError> {
        let versions = Versions::load(&shelf)?;
        let policies = versions.policies(now_ms);
        Ok(Derive {
            ground,
            shelf,
            in_force: policies.at(now_ms).version,
            versions,
            policies,
            options,
            silent: None,
            places: Vec::new(),
            by_probe: HashMap::new(),
            by_id: HashMap::new(),
            hamlets: HashMap::new(),
            by_hamlet: HashMap::new(),
            links: HashMap::new(),
        })
    }

    /// Takes policies that were added since, and those whose day has come. What was judged before stays as it is.
    fn take_policies(&mut self, as_of_ms: i64) -> Result<(), StoreError> {
        if !self.versions.fresh(&self.shelf)? {
            self.versions = Versions::load(&self.shelf)?;
            self.policies = self.versions.policies(as_of_ms);
        }
        if self.policies.at(as_of_ms).version != self.in_force {
            self.policies = self.versions.policies(as_of_ms);
            self.in_force = self.policies.at(as_of_ms).version;
            tracing::info!("policy {} is in force", self.in_force);
        }
        Ok(())
    }

    pub fn shelf(&mut self) -> &mut Shelf {
        &mut self.shelf
    }

    /// A bounded piece of what is to be done as of now; an error leaves everything as it was.
    pub fn step(&mut self, as_of_ms: i64) -> Result<Progress, StoreError> {
        let mut progress = Progress::default();
        self.in_transaction(|this| this.look(as_of_ms, &mut progress))?;
        self.in_transaction(|this| this.work(as_of_ms, &mut progress))?;
        Ok(progress)
    }

    /// Everything that is to be done as of now.
    pub fn settle(&mut self, as_of_ms: i64) -> Result<Progress, StoreError> {
        let mut all = Progress::default();
        loop {
            let step = self.step(as_of_ms)?;
            all.arrived += step.arrived;
            all.stretches += step.stretches;
            all.windows += step.windows;
            all.changes += step.changes;
            if !step.more {
                return Ok(all);
            }
        }
    }

    /// Removes a few rows whose days are over.
    pub fn prune(&mut self, now_ms: i64) -> Result<Pruned, StoreError> {
        self.shelf.prune_votes(now_ms, PRUNED_ROWS)?;
        prune_derived(&self.shelf.db, now_ms, &self.options.retention, PRUNED_ROWS)
    }

    fn in_transaction(&mut self, work: impl FnOnce(&mut Self) -> Result<(), StoreError>) -> Result<(), StoreError> {
        self.shelf.begin()?;
        let result = work(self).and_then(|()| self.shelf.commit());
        if result.is_err() {
            self.shelf.rollback();
            self.links.clear();
        }
        result
    }

    /// Notes what arrived, was re-timed, moved or fell due.
    fn look(&mut self, as_of_ms: i64, progress: &mut Progress) -> Result<(), StoreError> {
        self.take_policies(as_of_ms)?;
        self.look_at_places()?;
        let limit = self.options.arrivals;
        let before = self.shelf.mark(ARRIVED)?;
        let (arrived, mark) = self.ground.arrived(before, limit)?;
        let (retimed, retimed_mark) = self.ground.retimed(self.shelf.mark(RETIMED)?, limit)?;
        self.note(&arrived, as_of_ms)?;
        self.note(&retimed, as_of_ms)?;
        for (probe, news) in self.ground.news(before, mark)? {
            self.shelf.put_news(probe, &news)?;
        }
        for (name, served) in self.ground.served(before, mark)? {
            let places = served.seen.iter().filter_map(|(probe, at_ms)| self.place_at(*probe, *at_ms)).collect();
            self.shelf.add_served(&name, &served, &places)?;
        }
        self.shelf.set_mark(ARRIVED, mark)?;
        self.shelf.set_mark(RETIMED, retimed_mark)?;
        progress.arrived = arrived.len();
        progress.more |= arrived.len() >= limit || retimed.len() >= limit;
        for place in self.shelf.due(as_of_ms, self.options.places)? {
            let mut state = self.shelf.place_state(place)?;
            if let Some(last) = state.last_no {
                self.shelf.touch(place, last, last)?;
            }
            state.deadline_ms = None;
            self.shelf.put_place_state(place, &state)?;
        }
        self.count_due(as_of_ms)?;
        if as_of_ms.saturating_sub(self.shelf.mark(LOST_LOOKED)?) >= LOST_EVERY_MS {
            self.shelf.count_lost(&self.ground, as_of_ms)?;
            self.shelf.set_mark(LOST_LOOKED, as_of_ms)?;
        }
        Ok(())
    }

    /// A place that ended touches the windows around its end.
    fn look_at_places(&mut self) -> Result<(), StoreError> {
        let places = self.ground.places()?;
        if places == self.places {
            return Ok(());
        }
        self.places = places;
        self.by_probe.clear();
        self.by_id.clear();
        for (at, place) in self.places.iter().enumerate() {
            self.by_probe.entry(place.probe).or_default().push(at);
            self.by_id.insert(place.id, at);
            let mut state = self.shelf.place_state(place.id)?;
            if state.to_ms != place.to_ms {
                for end in [state.to_ms, place.to_ms].into_iter().flatten() {
                    let no = WindowNo::of(end).0;
                    self.shelf.touch(place.id, no - 2, no + 1)?;
                }
                state.to_ms = place.to_ms;
                self.shelf.put_place_state(place.id, &state)?;
            }
        }
        self.look_at_hamlets()
    }

    fn note(&mut self, touches: &[Touch], as_of_ms: i64) -> Result<(), StoreError> {
        let now = WindowNo::of(as_of_ms).0;
        let sealed = WindowNo::of(self.options.retention.sealed_before_ms(as_of_ms)).0;
        let mut stretches: BTreeMap<i64, Vec<(i64, i64)>> = BTreeMap::new();
        let (mut unplaced, mut late) = (0, 0);
        for touch in touches {
            self.note_way(touch)?;
            let Some((first, last)) = stretch(touch, now).filter(|_| !touch.placed) else { continue };
            let places = self.by_probe.get(&touch.probe).map(Vec::as_slice).unwrap_or_default();
            let here = |at: &&usize| {
                let place = &self.places[**at];
                place.from_ms <= touch.last_ms && place.to_ms.is_none_or(|to_ms| to_ms > touch.first_ms)
            };
            let mut found = places.iter().filter(here).peekable();
            if found.peek().is_none() {
                unplaced += 1;
            } else if last <= sealed {
                late += 1;
                continue;
            }
            for at in found {
                stretches.entry(self.places[*at].id).or_default().push((first.max(sealed + 1), last));
            }
        }
        for (place, mut of) in stretches {
            of.sort_unstable();
            let mut joined: Vec<(i64, i64)> = Vec::new();
            for (first, last) in of {
                match joined.last_mut() {
                    Some(before) if first <= before.1 + JOIN_WINDOWS => before.1 = before.1.max(last),
                    _ => joined.push((first, last)),
                }
            }
            for (first, last) in joined {
                self.shelf.touch(place, first, last)?;
            }
        }
        self.shelf.count(UNPLACED, unplaced)?;
        self.shelf.count(LATE_SEALED, late)
    }

    /// Computes touched stretches again, until the budget is spent.
    fn work(&mut self, as_of_ms: i64, progress: &mut Progress) -> Result<(), StoreError> {
        let started = Instant::now();
        let touched = self.shelf.touched(self.options.places)?;
        let all = touched.len();
        for (done, (place, first, last)) in touched.into_iter().enumerate() {
            if started.elapsed() > self.options.budget {
                progress.more = true;
                return Ok(());
            }
            self.shelf.untouch(place, first)?;
            let Some(at) = self.by_id.get(&place) else { continue };
            let until = last.min(first + STEP_WINDOWS - 1);
            if until < last {
                self.shelf.touch(place, until + 1, last)?;
                progress.more = true;
            }
            let span = self.places[*at].clone();
            self.place(&span, (first, until), as_of_ms, progress)?;
            progress.stretches += 1;
            progress.more |= done + 1 == all && all >= self.options.places;
        }
        // Neighbours that were touched on the way.
        progress.more |= !self.shelf.touched(1)?.is_empty();
        self.ways(started, as_of_ms, progress)
    }
}

/// Which windows an observation may change; `None` for kinds that say nothing about coverage.
fn stretch(touch: &Touch, now: i64) -> Option<(i64, i64)> {
    let (first, last) = (WindowNo::of(touch.first_ms).0, WindowNo::of(touch.last_ms).0);
    let kind = ReadingKind::from_code(touch.kind);
    use ReadingKind as K;
    match kind {
        Some(K::Latency | K::Tcp | K::Dns | K::Http | K::Throughput | K::Summary) => Some((first - 2, last + 1)),
        // A scan reaches back; a reset, or a modem that was not found, on.
        Some(K::Radio | K::Neighbours | K::Scan) | None => Some((first - 2, last + 3)),
        Some(K::Boot | K::Power) => Some((first - 2, last + FACT_WINDOWS)),
        // The last word about a link or a modem speaks of every window until the next.
        Some(K::Link | K::Registration) => Some((first - 2, now.max(last + FACT_WINDOWS))),
        Some(_) => None,
    }
}
