//! One modem's state, and the samples of its registration, SIM, bearer and absence.
//!
//! In: events, the time. Out: writes. Refuses to know: signals, scans. Limits: a state that did not change is said again
//! at the pace of [`LOOKS_MS`] while there is no service, and not at all with it: then the signal is said.

use super::radio::Radio;
use super::scan::{Checking, Scanning};
use super::{Do, Failed, MISSING_MS, Tracker};
use crate::config::ModemConfig;
use crate::device::modem::{Event, Identity, ModemKey, ModemState, Registered, Said};
use crate::probe::bounded;
use phusong_protocol::{
    Attempt, BearerState, FailureKind, Outcome, RadioCell, Reading, RegistrationReading, RegistrationStat,
    ServiceState, SimState, Technology, limits,
};
use std::collections::{BTreeMap, HashSet};

/// Without service the agent looks each of these, and after [`EAGER_MS`] at the second pace.
pub const LOOKS_MS: [u64; 2] = [10_000, 60_000];
pub const EAGER_MS: u64 = 300_000;
/// Of a modem that no table names.
const SIGNAL_MS: u64 = 30_000;
const NEIGHBOURS_MS: u64 = 300_000;
/// The fastest that a serving cell is read.
const FASTEST_MS: u64 = 1_000;

#[derive(Debug)]
pub struct Modem {
    pub signal_ms: u64,
    pub neighbours_ms: u64,
    pub scan_ms: Option<u64>,
    configured_interface: Option<String>,
    pub interface: Option<String>,
    /// Of the SIM that was there last.
    pub sim_plmn: Option<String>,
    pub present: bool,
    /// Since when it is gone or silent, when that was said last, and how.
    missing: Option<(u64, String)>,
    /// What was said last of registration, SIM and bearer.
    told: Option<RegistrationReading>,
    told_at_mono_ms: u64,
    /// Manufacturer, model, firmware that were said.
    identity_told: Option<String>,
    pub no_service_since: Option<u64>,
    /// Who wants it read how often.
    pub holders: BTreeMap<u64, u64>,
    pub asked_pace_ms: Option<u64>,
    pub radio: Radio,
    pub neighbours_at: Option<u64>,
    pub scanning: Option<Scanning>,
    pub next_scan_ms: Option<u64>,
    /// Whether it was said that the scan which is due has to wait.
    pub scan_put_off: bool,
    pub next_check_ms: Option<u64>,
    pub checking: Option<Checking>,
    /// Technologies that it ever showed.
    pub shown: HashSet<Technology>,
}

/// Whether the SIM's own operator, or one that it may roam on, serves.
pub fn in_service(registered: &Registered) -> bool {
    use RegistrationStat as S;
    matches!(registered.stat, S::Home | S::Roaming | S::HomeSmsOnly | S::RoamingSmsOnly)
        && !matches!(registered.service, Some(ServiceState::None | ServiceState::Limited))
}

pub fn raw(text: Option<&str>) -> Option<String> {
    text.map(|text| text[..text.floor_char_boundary(limits::RAW_BYTES)].to_owned())
}

impl Modem {
    pub fn new(config: Option<&ModemConfig>, now: u64) -> Self {
        let scan_ms = config.and_then(|config| config.scan_ms);
        let configured_interface = config.and_then(|config| config.interface.clone());
        Modem {
            signal_ms: config.map_or(SIGNAL_MS, |config| config.signal_ms),
            neighbours_ms: config.map_or(NEIGHBOURS_MS, |config| config.neighbours_ms),
            scan_ms,
            interface: configured_interface.clone(),
            configured_interface,
            sim_plmn: None,
            present: false,
            missing: None,
            told: None,
            told_at_mono_ms: 0,
            identity_told: None,
            no_service_since: None,
            holders: BTreeMap::new(),
            asked_pace_ms: None,
            radio: Radio::default(),
            neighbours_at: None,
            scanning: None,
            next_scan_ms: scan_ms.map(|ms| now.saturating_add(ms)),
            scan_put_off: false,
            next_check_ms: None,
            checking: None,
            shown: HashSet::new(),
        }
    }

    /// What outlives the modem's absence.
    pub fn learn(&mut self, what: &Event) {
        let said = match what {
            Event::Present(identity) => identity.interface.clone(),
            Event::Bearer(bearer) => bearer.interface.clone(),
            Event::Sim(sim) => {
                if sim.plmn.is_some() {
                    self.sim_plmn.clone_from(&sim.plmn);
                }
                None
            }
            _ => None,
        };
        self.interface = self.configured_interface.clone().or(said).or(self.interface.take());
        match what {
            Event::Vanished { .. } | Event::Silent { .. } => {
                self.present = false;
                // Whoever comes back has forgotten what was asked of it.
                self.asked_pace_ms = None;
            }
            Event::Present(_) | Event::Registration(_) | Event::Signal(_) | Event::Sim(_) | Event::Bearer(_) => {
                self.present = true;
                self.missing = None;
            }
            _ => {}
        }
    }

    /// The pace of looks without service.
    pub fn look_ms(&self, now: u64) -> Option<u64> {
        let since = self.no_service_since?;
        let eager = now.saturating_sub(since) < EAGER_MS;
        Some(LOOKS_MS[usize::from(!eager)])
    }

    pub fn wanted_pace_ms(&self, now: u64) -> u64 {
        let checking = self.checking.as_ref().map(|_| FASTEST_MS);
        let held = self.holders.values().copied().min();
        let alone = self.look_ms(now).unwrap_or(self.signal_ms);
        [checking, held].into_iter().flatten().fold(alone, u64::min).max(FASTEST_MS)
    }
}

fn words(identity: &Identity) -> Option<String> {
    let words = [&identity.manufacturer, &identity.model, &identity.firmware];
    let said: Vec<&str> = words.into_iter().filter_map(|word| word.as_deref()).collect();
    (!said.is_empty()).then(|| bounded(said.join(" ")))
}

/// Everything that is known of registration, SIM and bearer; `None` while that is nothing worth a sample.
pub(super) fn snapshot(state: &ModemState) -> Option<RegistrationReading> {
    let registered = state.registration.as_ref().map(|known| &known.value);
    let sim = state.sim.as_ref().map(|known| known.value.state);
    let bearer = state.bearer.as_ref().map(|known| &known.value);
    let trouble = sim.is_some_and(|sim| !matches!(sim, SimState::Ready | SimState::Busy | SimState::Unknown))
        || bearer.is_some_and(|bearer| bearer.state == BearerState::Refused);
    if registered.is_none() && !trouble {
        return None;
    }
    let mut reading = RegistrationReading::new(registered.map_or(RegistrationStat::Unknown, |r| r.stat));
    reading.cell = registered.and_then(|r| r.cell.clone().map(Box::new));
    reading.reject_cause = registered.and_then(|r| r.reject_cause);
    reading.sim = sim;
    reading.bearer = bearer.map(|bearer| bearer.state);
    reading.bearer_cause = bearer.and_then(|bearer| bearer.cause);
    Some(reading)
}

fn same_cell(one: Option<&RadioCell>, other: Option<&RadioCell>) -> bool {
    let id = |cell: &RadioCell| (cell.technology, cell.cell_id, cell.tac, cell.lac, cell.pci);
    one.map(id) == other.map(id)
}

/// Whether more than the cell differs.
fn other_state(one: &RegistrationReading, other: &RegistrationReading) -> bool {
    let state = |r: &RegistrationReading| (r.stat, r.reject_cause, r.sim, r.bearer, r.bearer_cause);
    state(one) != state(other)
}

impl Tracker {
    pub(super) fn present(&mut self, said: &Said, identity: &Identity, before: bool, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(&said.modem) else { return };
        if !before {
            modem.told = None;
            modem.radio = Radio::default();
        }
        let new = words(identity).is_some_and(|words| modem.identity_told.as_ref() != Some(&words));
        if new || !before {
            self.say_registration(said.at_mono_ms, &said.modem, None, false, out);
        }
    }

    pub(super) fn missing(&mut self, now: u64, said: &Said, detail: String, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(&said.modem) else { return };
        let known = modem.missing.replace((now, detail.clone()));
        modem.radio.forget();
        modem.no_service_since = None;
        // A search that the modem did not live to end took its time all the same.
        self.scan_ends(now, said.at_mono_ms, &said.modem, &detail, out);
        match known {
            // A silence that grows is no news.
            Some((told_at, _)) if now.saturating_sub(told_at) < MISSING_MS => {
                if let Some(modem) = self.modems.get_mut(&said.modem) {
                    modem.missing = Some((told_at, detail));
                }
            }
            known => out.push(self.gone(&said.modem, said.at_mono_ms, known.is_none(), detail)),
        }
    }

    fn gone(&self, key: &ModemKey, at_mono_ms: u64, urgent: bool, detail: String) -> Do {
        let failed = Failed { of: Attempt::Radio, kind: FailureKind::DeviceMissing, detail, elapsed_ms: None };
        self.failure(key, at_mono_ms, urgent, failed)
    }

    pub(super) fn say_missing_again(&mut self, now: u64, key: &ModemKey, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(key) else { return };
        let Some((told_at, detail)) = modem.missing.clone() else { return };
        if now.saturating_sub(told_at) >= MISSING_MS {
            modem.missing = Some((now, detail.clone()));
            out.push(self.gone(key, now, false, detail));
        }
    }

    pub(super) fn registered(&mut self, now: u64, said: &Said, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(&said.modem) else { return };
        let state = self.picture.modems.get(&said.modem);
        let registration = state.and_then(|state| state.registration.as_ref()).map(|known| &known.value);
        if registration.is_some_and(in_service) {
            modem.no_service_since = None;
            self.release_reacquired(&said.modem, out);
        } else {
            modem.no_service_since.get_or_insert(now);
        }
    }

    /// A state that is new is written and durable at once; another cell of the same state travels in company.
    pub(super) fn changed(&mut self, said: &Said, line: Option<&str>, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get(&said.modem) else { return };
        let Some(now) = self.picture.modems.get(&said.modem).and_then(snapshot) else { return };
        let urgent = match &modem.told {
            None => true,
            Some(told) if other_state(told, &now) => true,
            Some(told) if !same_cell(told.cell.as_deref(), now.cell.as_deref()) => false,
            Some(_) => match self.facts_changed(&said.modem) {
                Some(urgent) => urgent,
                None => return,
            },
        };
        self.say_registration(said.at_mono_ms, &said.modem, line, urgent, out);
    }

    /// Another service state, network or technology is news, too; the last, which comes and goes with each connection,
    /// is not urgent.
    fn facts_changed(&self, key: &ModemKey) -> Option<bool> {
        let told = self.modems.get(key)?.radio.told_facts.as_ref()?;
        let now = self.uplink(key);
        let service = told.0 != now.service_state || told.1 != now.serving_plmn || told.3 != now.sim_plmn;
        (service || told.2 != now.technology).then_some(service)
    }

    pub(super) fn say_registration(
        &mut self,
        at_mono_ms: u64,
        key: &ModemKey,
        line: Option<&str>,
        urgent: bool,
        out: &mut Vec<Do>,
    ) {
        let uplink = self.uplink(key);
        let Some(state) = self.picture.modems.get(key) else { return };
        let Some(mut reading) = snapshot(state) else { return };
        let Some(modem) = self.modems.get_mut(key) else { return };
        modem.told = Some(reading.clone());
        modem.told_at_mono_ms = at_mono_ms;
        modem.radio.told_facts = Some((uplink.service_state, uplink.serving_plmn, uplink.technology, uplink.sim_plmn));
        reading.raw = raw(line);
        let words = words(&state.identity);
        if words.is_some() && words != modem.identity_told {
            modem.identity_told.clone_from(&words);
            reading.modem = words;
        }
        out.push(self.write(key, at_mono_ms, urgent, Outcome::Reading(Reading::Registration(reading))));
    }

    pub(super) fn reset(&mut self, said: &Said, out: &mut Vec<Do>) {
        let state = self.picture.modems.get(&said.modem);
        let mut reading = state.and_then(snapshot).unwrap_or(RegistrationReading::new(RegistrationStat::Unknown));
        reading.reset = Some(true);
        if let Some(modem) = self.modems.get_mut(&said.modem) {
            modem.told = None;
            modem.asked_pace_ms = None;
        }
        out.push(self.write(&said.modem, said.at_mono_ms, true, Outcome::Reading(Reading::Registration(reading))));
    }

    /// The agent measures on: what is known is said again, and asked for again.
    pub(super) fn look_without_service(&mut self, now: u64, key: &ModemKey, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get(key).filter(|modem| modem.present) else { return };
        let Some(look_ms) = modem.look_ms(now) else { return };
        if now.saturating_sub(modem.told_at_mono_ms) >= look_ms {
            self.say_registration(now, key, None, false, out);
            out.push(Do::Ask(crate::device::modem::Ask::Refresh(key.clone())));
        }
    }
}
