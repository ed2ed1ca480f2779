//! One modem of ModemManager's: what is known of it, what was said of it, what is to be asked next.
//!
//! In: properties, answers, the time. Out: events and [`Job`]s. Refuses to know: D-Bus, tasks, other modems. Limits:
//! one job of a kind at a time; a refused job is tried again after [`AGAIN_MS`], one that the modem cannot do never.

use super::job::{Answer, Job};
use super::levels::{self, Access};
use super::link::{Interfaces, Refusal};
use super::value::{Props, Value};
use super::words;
use crate::device::modem::{Event, Identity, ModemKey, Registered, Signal, Sim};
use phusong_protocol::{RadioCell, RegistrationStat, SimState};
use std::collections::BTreeMap;

/// Until a refused job is tried again.
pub const AGAIN_MS: u64 = 30_000;
/// After `Signal.Setup` ModemManager reads at once: what it shows then is of now.
const READ_MS: u64 = 1_500;
/// A level that stands still for so long without registration is a memory: ModemManager keeps the last one.
const STILL_MS: u64 = 120_000;
/// A modem that searches hears cells before it registers: that is limited service only when it lasts.
const SEARCHES_MS: u64 = 10_000;
/// Neighbours are asked for no faster.
const CELLS_MS: u64 = 10_000;

#[derive(Debug, Default, PartialEq)]
pub struct Step {
    pub events: Vec<Event>,
    pub jobs: Vec<Job>,
}

/// What was said last.
#[derive(Debug, Default)]
struct Told {
    identity: Option<Identity>,
    broken: Option<String>,
    sim: Option<Sim>,
    registered: Option<Registered>,
    bearer: Option<crate::device::modem::Bearer>,
}

#[derive(Debug)]
pub struct Modem {
    pub key: ModemKey,
    /// Told apart from others that had the same path.
    pub number: u64,
    signal_ms: u64,
    neighbours_ms: u64,
    all: Interfaces,
    card: Option<(String, Option<Props>)>,
    bearers: BTreeMap<String, Option<Props>>,
    place: Option<RadioCell>,
    /// The place was read since something changed that may have changed it.
    looked: bool,
    serving: Vec<RadioCell>,
    levels: Levels,
    served: bool,
    /// Since when it has no registration, or is enabled without one.
    unserved_since: u64,
    enabled: bool,
    setup_wanted: bool,
    /// Sources that were asked for since it was enabled.
    sources_tried: u32,
    /// What this modem cannot do, or we may not.
    never: Vec<Job>,
    pub running: Vec<Job>,
    due: Due,
    told: Told,
    receiver: super::receiver::Receiver,
    started_ms: u64,
    /// `MMModemStateChangeReason` of the last change.
    reason: u32,
}

/// What `Modem.Signal` shows, and whether that is of now.
#[derive(Debug, Default)]
struct Levels {
    now: BTreeMap<&'static str, Props>,
    changed_at: u64,
    /// What it shows was measured before the last change of registration.
    old: bool,
    /// From when on it is of now, although nothing changed.
    fresh_at: Option<u64>,
    pending: bool,
}

/// When something is to be done, on the boot's clock.
#[derive(Debug, Default)]
struct Due {
    enable: u64,
    setup: u64,
    signal: u64,
    cells: u64,
}

impl Modem {
    pub fn new(key: ModemKey, number: u64, pace: (u64, u64), all: Interfaces, now: u64) -> Self {
        let mut modem = Modem {
            key,
            number,
            signal_ms: pace.0,
            neighbours_ms: pace.1.max(CELLS_MS),
            all,
            card: None,
            bearers: BTreeMap::new(),
            place: None,
            looked: false,
            serving: Vec::new(),
            levels: Levels { old: true, changed_at: now, ..Levels::default() },
            served: false,
            unserved_since: now,
            enabled: false,
            setup_wanted: false,
            sources_tried: 0,
            never: Vec::new(),
            running: Vec::new(),
            due: Due::default(),
            told: Told::default(),
            receiver: super::receiver::Receiver::default(),
            started_ms: now,
            reason: 0,
        };
        modem.levels.now = modem.shown();
        modem
    }

    /// Properties of the modem itself changed.
    pub fn changed(&mut self, interface: &str, changed: Props, gone: &[String]) {
        if let Some(props) = self.all.get_mut(interface) {
            props.take(changed, gone);
        }
        if interface == "Modem" {
            self.looked = false;
        }
    }

    /// Properties of its SIM or of a bearer; whether the object is one of its.
    pub fn part_changed(&mut self, path: &str, changed: &Props, gone: &[String]) -> bool {
        let card = self.card.iter_mut().filter(|(card, _)| card == path).map(|(_, props)| props);
        let bearer = self.bearers.iter_mut().filter(|(bearer, _)| *bearer == path).map(|(_, props)| props);
        let mut known = card.chain(bearer);
        let Some(props) = known.next() else { return false };
        props.iter_mut().for_each(|props| props.take(changed.clone(), gone));
        true
    }

    pub fn added(&mut self, interfaces: Interfaces) {
        self.all.extend(interfaces);
    }

    pub fn removed(&mut self, interfaces: &[String]) {
        interfaces.iter().for_each(|name| drop(self.all.remove(name)));
    }

    pub fn state_changed(&mut self, reason: u32) {
        self.reason = reason;
    }

    pub fn pace(&mut self, signal_ms: u64, now: u64) {
        self.signal_ms = signal_ms.max(1_000);
        self.setup_wanted = true;
        (self.due.setup, self.due.signal) = (now, now);
    }

    /// Everything is said again.
    pub fn refresh(&mut self, now: u64) {
        self.told = Told::default();
        self.levels.pending = true;
        (self.due.signal, self.due.cells, self.looked) = (now, now, false);
    }

    /// A scan, or why there can be none.
    pub fn scan(&mut self, now: u64) -> Step {
        let mut step = Step::default();
        let failed = |why: &str| Event::ScanFailed { why: why.into(), elapsed_ms: 0 };
        if self.all.contains_key("Modem.Modem3gpp") && self.enabled {
            self.started_ms = now;
            self.start(Job::Scan, &mut step);
        } else {
            step.events.push(failed("the modem is not ready"));
        }
        step
    }

    fn modem(&self) -> Props {
        self.all.get("Modem").cloned().unwrap_or_default()
    }

    fn shown(&self) -> BTreeMap<&'static str, Props> {
        self.all.get("Modem.Signal").map(levels::of_signal).unwrap_or_default()
    }

    fn access(&self) -> Access {
        Access(self.all.get("Modem").map_or(0, |modem| modem.bits("AccessTechnologies")))
    }

    fn may(&self, job: &Job) -> bool {
        !self.never.contains(job)
    }

    fn start(&mut self, job: Job, step: &mut Step) {
        if self.may(&job) && !self.running.contains(&job) {
            self.running.push(job.clone());
            step.jobs.push(job);
        }
    }

    /// Everything that is due, and everything that is new.
    pub fn step(&mut self, now: u64) -> Step {
        let mut step = Step::default();
        let modem = self.modem();
        let state = modem.int("State").unwrap_or(0);
        self.fetch(&modem, &mut step);
        self.tell_self(&modem, &mut step);
        self.bring_up(state, now, &mut step);
        self.tell_registration(state, now, &mut step);
        self.tell_bearer(&mut step);
        self.tell_signal(now, &mut step);
        if self.enabled && now >= self.due.cells {
            self.start(Job::Cells, &mut step);
            self.due.cells = now + self.neighbours_ms;
        }
        step
    }

    /// Reads SIM and bearers that are new, forgets those that are gone.
    fn fetch(&mut self, modem: &Props, step: &mut Step) {
        let path = modem.path("Sim");
        if self.card.as_ref().map(|(path, _)| path.as_str()) != path {
            self.card = path.map(|path| (path.to_owned(), None));
            if let Some(path) = path {
                self.start(Job::Card(path.to_owned()), step);
            }
        }
        let paths: Vec<String> =
            modem.list("Bearers").iter().filter_map(|path| Some(path.text()?.to_owned())).collect();
        self.bearers.retain(|path, _| paths.contains(path));
        for path in paths {
            if !self.bearers.contains_key(&path) {
                self.bearers.insert(path.clone(), None);
                self.start(Job::Bearer(path), step);
            }
        }
    }

    fn tell_self(&mut self, modem: &Props, step: &mut Step) {
        let broken = words::broken(modem);
        if broken != self.told.broken {
            step.events.extend(broken.clone().map(|why| Event::Vanished { why }));
            self.told = Told { broken: broken.clone(), ..Told::default() };
        }
        if broken.is_some() {
            return;
        }
        let identity = words::identity(modem, self.all.get("Modem.Signal"));
        if self.told.identity.as_ref() != Some(&identity) {
            self.told.identity = Some(identity.clone());
            step.events.push(Event::Present(identity));
        }
        let reading = self.card.as_ref().is_some_and(|(_, props)| props.is_none());
        let card = self.card.as_ref().and_then(|(_, props)| props.as_ref());
        let sim = words::sim(modem, card).filter(|_| !reading);
        if sim.is_some() && sim.as_ref().map(same_sim) != self.told.sim.as_ref().map(same_sim) {
            self.told.sim.clone_from(&sim);
            step.events.extend(sim.map(Event::Sim));
        }
    }

    fn bring_up(&mut self, state: i64, now: u64, step: &mut Step) {
        if state == words::DISABLED && now >= self.due.enable {
            self.due.enable = now + AGAIN_MS;
            self.start(Job::Enable, step);
        }
        let enabled = state >= words::ENABLED;
        if enabled != self.enabled {
            self.enabled = enabled;
            (self.setup_wanted, self.sources_tried) = (enabled, 0);
            (self.due.setup, self.due.cells, self.unserved_since) = (now, now + CELLS_MS, now);
        }
        if !enabled {
            return;
        }
        if self.setup_wanted && now >= self.due.setup && self.all.contains_key("Modem.Signal") {
            self.due.setup = now + AGAIN_MS;
            let rate = u32::try_from(self.signal_ms / 1_000).unwrap_or(u32::MAX).max(1);
            self.start(Job::Setup(rate), step);
        }
        let Some(location) = self.all.get("Modem.Location") else { return };
        let signals = location.flag("SignalsLocation").unwrap_or(false);
        let (able, on) = (location.bits("Capabilities"), location.bits("Enabled"));
        // First the cell, which every modem has; then its receiver, unless somebody else manages that.
        let cell = able & words::CELL;
        let receiver = if on & words::UNMANAGED == 0 { able & (words::RAW | words::NMEA) } else { 0 };
        let wanted = [cell, receiver].into_iter().find(|bits| bits & !on & !self.sources_tried != 0);
        let refresh = receiver != 0 && receiver & !on == 0 && location.int("GpsRefreshRate") != Some(1);
        if let Some(bits) = wanted.filter(|_| !self.running.iter().any(|job| matches!(job, Job::Sources(..)))) {
            self.sources_tried |= bits;
            self.start(Job::Sources(on | bits, signals), step);
        } else if refresh {
            self.start(Job::Refresh, step);
        }
    }

    fn tell_registration(&mut self, state: i64, now: u64, step: &mut Step) {
        let stat = self.all.get("Modem.Modem3gpp").and_then(words::stat);
        let serves = stat.is_some_and(words::serves);
        if serves != self.served {
            self.served = serves;
            (self.place, self.looked, self.unserved_since) = (None, false, now);
            self.serving.clear();
            // What is shown now was measured before.
            self.levels.old = true;
            self.levels.fresh_at = None;
            (self.setup_wanted, self.due.setup) = (serves || self.setup_wanted, now);
        }
        self.take_levels(now);
        if serves && !self.looked && self.can_look() {
            self.start(Job::Look, step);
            return;
        }
        let camps = self.lost(now)
            && !self.levels.old
            && !self.levels.now.is_empty()
            && now < self.levels.changed_at + STILL_MS;
        let mut registered = words::registered(&self.all, self.place.as_ref(), camps);
        // Of one that was switched off nothing is known: that it is not registered is no fault of the network.
        if (registered.is_none() || !self.enabled) && self.told.registered.is_some() {
            // Without a SIM ModemManager has no such interface.
            let absent = self.told.sim.as_ref().is_some_and(|sim| sim.state == SimState::Absent);
            let stat = if absent { RegistrationStat::NoSim } else { RegistrationStat::Unknown };
            registered = Some(words::nowhere(stat, format!("state {state}, reason {}", self.reason)));
        }
        let Some(registered) = registered.filter(|_| self.enabled || self.told.registered.is_some()) else { return };
        let same = |told: &Registered| same_registration(told) == same_registration(&registered);
        if !self.told.registered.as_ref().is_some_and(same) {
            self.told.registered = Some(registered.clone());
            step.events.push(Event::Registration(registered));
        }
    }

    fn lost(&self, now: u64) -> bool {
        !self.served && now >= self.unserved_since + SEARCHES_MS
    }

    fn can_look(&self) -> bool {
        self.all.contains_key("Modem.Location") && self.may(&Job::Look)
    }

    fn take_levels(&mut self, now: u64) {
        let shown = self.shown();
        if shown != self.levels.now {
            self.levels = Levels { now: shown, changed_at: now, old: false, fresh_at: None, pending: true };
            self.looked = false;
        }
        let fresh = self.levels.fresh_at.is_some_and(|at| now >= at);
        if self.served && (fresh || now >= self.due.signal) {
            self.levels.pending = true;
            self.due.signal = now + self.signal_ms;
            self.looked = false;
            if fresh {
                (self.levels.old, self.levels.fresh_at) = (false, None);
            }
        }
    }

    fn tell_bearer(&mut self, step: &mut Step) {
        if !self.enabled || self.bearers.values().any(Option::is_none) {
            return;
        }
        let bearer = words::bearer(self.bearers.values().flatten());
        if self.told.bearer.as_ref() != Some(&bearer) {
            self.told.bearer = Some(bearer.clone());
            step.events.push(Event::Bearer(bearer));
        }
    }

    fn tell_signal(&mut self, now: u64, step: &mut Step) {
        let ready = if self.served { self.looked || !self.can_look() } else { self.lost(now) };
        if !self.levels.pending || self.levels.old || !ready {
            return;
        }
        self.levels.pending = false;
        self.due.signal = now + self.signal_ms;
        let cells = levels::cells(&self.levels.now, self.access());
        if cells.is_empty() || !self.enabled {
            return;
        }
        // Where it is not registered, ModemManager does not say whose cell it hears.
        let place = self.place.as_ref().filter(|_| self.served);
        let cells = if self.served { levels::named(cells, &self.serving, place) } else { cells };
        step.events.push(Event::Signal(Signal { cells, rrc: None, raw: Some(levels::raw(&self.levels.now)) }));
    }

    /// An answer came; what it says at once. [`Modem::step`] says the rest.
    pub fn done(&mut self, job: &Job, answer: Result<Answer, Refusal>, now: u64) -> Vec<Event> {
        self.running.retain(|one| one != job);
        if matches!(answer, Err(Refusal::Unsupported))
            || matches!((job, &answer), (Job::Cells | Job::Look, Err(Refusal::Forbidden)))
        {
            self.never.push(job.clone());
        }
        if let Err(why) = &answer {
            tracing::debug!(modem = %self.key.0, ?job, %why, "ModemManager refused");
        }
        match (job, answer) {
            (Job::Setup(_), Ok(_)) => {
                self.setup_wanted = false;
                self.levels.fresh_at = Some(now + READ_MS);
            }
            (Job::Setup(_), Err(Refusal::Unsupported)) => self.setup_wanted = false,
            (Job::Look, Ok(Answer::Places(places))) => return self.looked_at(&places, now),
            (Job::Look, _) => self.looked = true,
            (Job::Cells, Ok(Answer::List(found))) => return self.cells(&found, now),
            (Job::Scan, answer) => return vec![self.scanned(answer, now)],
            (Job::Card(path), Ok(Answer::Props(props))) => {
                let ours = self.card.iter_mut().filter(|(card, _)| card == path);
                ours.for_each(|(_, slot)| *slot = Some(props.clone()));
            }
            (Job::Bearer(path), Ok(Answer::Props(props))) => {
                if let Some(slot) = self.bearers.get_mut(path) {
                    *slot = Some(props);
                }
            }
            // It is gone, or says nothing: what stands in it stays unknown.
            (Job::Card(path), Err(_)) => {
                let ours = self.card.iter_mut().filter(|(card, _)| card == path);
                ours.for_each(|(_, slot)| *slot = Some(Props::default()));
            }
            (Job::Bearer(path), Err(_)) => drop(self.bearers.insert(path.clone(), Some(Props::default()))),
            _ => {}
        }
        Vec::new()
    }

    fn looked_at(&mut self, places: &BTreeMap<u32, Value>, now: u64) -> Vec<Event> {
        self.looked = true;
        let place = places.get(&words::CELL).and_then(Value::text).and_then(words::place);
        if place != self.place {
            self.place = place;
            self.serving.clear();
            self.due.cells = self.due.cells.min(now + CELLS_MS);
        }
        self.receiver.fix(places, now).map(Event::Fix).into_iter().collect()
    }

    fn cells(&mut self, found: &[Props], now: u64) -> Vec<Event> {
        self.due.cells = now + self.neighbours_ms;
        let all = levels::of_cells(found, self.access());
        let (serving, cells): (Vec<_>, Vec<_>) = all.into_iter().partition(|cell| cell.serving == Some(true));
        let here = self.place.as_ref().and_then(|place| place.cell_id);
        let ours = |cell: &RadioCell| here.is_none() || cell.cell_id.is_none() || cell.cell_id == here;
        self.serving = serving.into_iter().filter(ours).collect();
        vec![Event::Neighbours { cells, raw: None }]
    }

    fn scanned(&mut self, answer: Result<Answer, Refusal>, now: u64) -> Event {
        let elapsed_ms = u32::try_from(now.saturating_sub(self.started_ms)).unwrap_or(u32::MAX);
        match answer {
            Ok(Answer::List(found)) => {
                let (entries, raw) = words::scanned(&found);
                Event::Scanned { entries, elapsed_ms, raw: Some(raw) }
            }
            Ok(_) => Event::ScanFailed { why: "an answer of another kind".into(), elapsed_ms },
            Err(why) => Event::ScanFailed { why: why.to_string(), elapsed_ms },
        }
    }

    /// When [`Modem::step`] has something to do by itself.
    pub fn due(&self, now: u64) -> u64 {
        let disabled = self.modem().int("State") == Some(words::DISABLED);
        let setup = self.setup_wanted && self.all.contains_key("Modem.Signal");
        let unserved = [self.levels.changed_at + STILL_MS, self.unserved_since + SEARCHES_MS];
        let all = [
            disabled.then_some(self.due.enable),
            self.enabled.then_some(self.due.cells),
            (self.enabled && setup).then_some(self.due.setup),
            self.levels.fresh_at.filter(|_| self.enabled && self.served),
            (self.enabled && self.served).then_some(self.due.signal),
            unserved.into_iter().filter(|at| self.enabled && !self.served && *at > now).min(),
        ];
        all.into_iter().flatten().min().unwrap_or(u64::MAX)
    }
}

/// Without what the modem said in its own words.
fn same_sim(sim: &Sim) -> (SimState, &Option<String>, &Option<String>) {
    (sim.state, &sim.plmn, &sim.operator)
}

fn same_registration(registered: &Registered) -> Registered {
    Registered { raw: None, ..registered.clone() }
}

#[cfg(test)]
mod tests;
