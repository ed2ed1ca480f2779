//! From what modems say to what is written, asked and checked: a pure machine.
//!
//! In: (now, [`Said`] | tick | [`World`] | the result of a check). Out: [`Do`]s. Refuses to know: clocks, ports, spools,
//! what a state means for coverage. Limits: `picture::MODEMS` modems; of each at most [`HELD`] readings are held back.
//!
//! Samples are immutable once they are durable, so `reacquiring` can be put only on what is still held back
//! ([`HOLD_MS`], no longer than any sample waits for its fdatasync). The collector knows the rest of the 30 s by the
//! time of registration.

mod modem;
mod radio;
mod scan;
#[cfg(test)]
mod tests;

pub use modem::{LOOKS_MS, in_service};
pub use scan::NotNow;

use super::exchange::{FactsByInterface, Tries, UplinkFacts};
use crate::config::{ModemConfig, RadioCheckConfig, UplinkConfig};
use crate::device::modem::{Ask, Event, ModemKey, Picture, Said};
use crate::plan::wire_uplink;
use crate::probe::{ProbeError, bounded};
use modem::Modem;
use phusong_protocol::{Attempt, Failure, FailureKind, Outcome, RadioCell, Technology, Uplink};
use std::collections::{BTreeMap, BTreeSet};

/// How long a reading without service waits for the registration that would make it `reacquiring`.
pub const HOLD_MS: u64 = 5_000;
/// A modem that is read every second for so long.
pub const HELD: usize = 8;
/// A modem that is gone is said again this often: what is said holds for 90 s.
pub const MISSING_MS: u64 = 60_000;

/// What the machine works with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub modems: Vec<ModemConfig>,
    pub uplinks: Vec<UplinkConfig>,
    pub check: Option<RadioCheckConfig>,
    /// `setup.bands`: what the device can use, where the modem does not say.
    pub bands: Vec<String>,
    /// Spreads the checks of different probes.
    pub seed: u64,
}

/// What goes on around the modems.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct World {
    pub tries: Tries,
    /// The interface that reports leave by.
    pub default_interface: Option<String>,
    pub surveying: bool,
    /// Whether a commissioning record is made.
    pub accepting: bool,
}

/// One thing to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Do {
    Write(Box<Write>),
    Ask(Ask),
    /// Run a technology check on this interface; [`Tracker::checked`] hears of its end.
    Check {
        modem: ModemKey,
        interface: String,
    },
    /// The scan that somebody waits for has ended.
    Scanned {
        modem: ModemKey,
        result: Result<phusong_protocol::Scan, String>,
    },
}

/// A sample but for stamps and place.
#[derive(Debug, Clone, PartialEq)]
pub struct Write {
    pub modem: ModemKey,
    pub at_mono_ms: u64,
    /// Durable when it is written.
    pub urgent: bool,
    pub uplink: Uplink,
    pub outcome: Outcome,
}

/// What a technology check transferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transferred {
    pub down_bps: u64,
    pub elapsed_ms: u32,
    pub bytes: u64,
}

#[derive(Debug)]
pub struct Tracker {
    settings: Settings,
    picture: Picture,
    modems: BTreeMap<ModemKey, Modem>,
    world: World,
}

impl Tracker {
    pub fn new(settings: Settings) -> Self {
        Tracker { settings, picture: Picture::default(), modems: BTreeMap::new(), world: World::default() }
    }

    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// Of each uplink whose modem is known. A fixed link keeps what its table says.
    pub fn facts(&self) -> FactsByInterface {
        let fixed = |name: &str| self.settings.uplinks.iter().any(|u| u.interface == name && !u.is_cellular());
        let named = self.modems.iter().filter_map(|(key, modem)| Some((key, modem, modem.interface.clone()?)));
        let known = named.filter(|(_, _, interface)| !fixed(interface));
        known.map(|(key, modem, interface)| (interface, self.facts_of(key, modem))).collect()
    }

    fn facts_of(&self, key: &ModemKey, modem: &Modem) -> UplinkFacts {
        let state = self.picture.modems.get(key).cloned().unwrap_or_default();
        UplinkFacts::of(&state, modem.sim_plmn.as_deref())
    }

    /// The link of a modem's samples. Where nobody says which interface it is, the modem's name stands for it.
    pub fn uplink(&self, key: &ModemKey) -> Uplink {
        let modem = self.modems.get(key);
        let interface = modem.and_then(|modem| modem.interface.clone()).unwrap_or_else(|| bounded(key.0.clone()));
        let configured = self.settings.uplinks.iter().find(|uplink| uplink.interface == interface);
        let mut uplink = configured.map(wire_uplink).unwrap_or_else(|| Uplink::bare(interface));
        if let Some(modem) = modem {
            self.facts_of(key, modem).put_on(&mut uplink);
        }
        uplink
    }

    /// What else goes on; asked for before each tick.
    pub fn see(&mut self, world: World) {
        self.world = world;
    }

    /// The interfaces whose modems search for operators.
    pub fn scanning(&self) -> BTreeSet<String> {
        let searching = self.modems.values().filter(|modem| modem.scanning.is_some());
        searching.filter_map(|modem| modem.interface.clone()).collect()
    }

    /// What the sources do not say of their modems, for whoever looks at the picture.
    fn judge(&mut self, key: &ModemKey) {
        let stale = self.is_stale(key);
        let scanning = self.modems.get(key).is_some_and(|modem| modem.scanning.is_some());
        if let Some(state) = self.picture.modems.get_mut(key) {
            (state.stale, state.scanning) = (stale, scanning);
        }
    }

    /// A word of a source.
    pub fn hear(&mut self, now: u64, said: &Said) -> Vec<Do> {
        let known = self.picture.left_out;
        let before = self.picture.modems.get(&said.modem).is_some_and(|state| state.present);
        self.picture.hear(said);
        if self.picture.left_out > known {
            return Vec::new();
        }
        let config = self.settings.modems.iter().find(|config| config.name == said.modem.0);
        let modem = self.modems.entry(said.modem.clone()).or_insert_with(|| Modem::new(config, now));
        modem.learn(&said.what);
        let mut out = Vec::new();
        match &said.what {
            Event::Present(identity) => self.present(said, identity, before, &mut out),
            Event::Vanished { why } => self.missing(now, said, format!("vanished: {why}"), &mut out),
            Event::Silent { for_ms } => {
                self.missing(now, said, format!("silent for {} s", for_ms / 1_000), &mut out);
            }
            Event::Sim(_) => self.changed(said, None, &mut out),
            Event::Bearer(bearer) => self.changed(said, bearer.raw.as_deref(), &mut out),
            Event::Registration(now_registered) => {
                self.registered(now, said, &mut out);
                self.changed(said, now_registered.raw.as_deref(), &mut out);
            }
            Event::Signal(signal) => self.signal(now, said, signal, &mut out),
            Event::Neighbours { cells, raw } => self.neighbours(said, cells, raw.as_deref(), &mut out),
            Event::Scanned { entries, elapsed_ms, raw } => {
                self.scanned(said, entries, *elapsed_ms, raw.as_deref(), &mut out);
            }
            Event::ScanFailed { why, elapsed_ms } => {
                self.scan_failed(said.at_mono_ms, &said.modem, why, *elapsed_ms, &mut out)
            }
            Event::Reset { .. } => self.reset(said, &mut out),
            Event::Fix(_) => {}
        }
        self.set_pace(now, &said.modem, &mut out);
        self.judge(&said.modem);
        out
    }

    /// What is due; asked for about once a second.
    pub fn tick(&mut self, now: u64) -> Vec<Do> {
        let mut out = Vec::new();
        let keys: Vec<ModemKey> = self.modems.keys().cloned().collect();
        for key in &keys {
            self.release_held(now, key, &mut out);
            self.say_missing_again(now, key, &mut out);
            self.look_without_service(now, key, &mut out);
            self.look_at_signal(now, key, &mut out);
            self.scan_when_due(now, key, &mut out);
            self.check_when_due(now, key, &mut out);
            self.set_pace(now, key, &mut out);
            self.judge(key);
        }
        out
    }

    /// Somebody looks: the serving cell is read so often until [`Tracker::unpace`].
    pub fn pace(&mut self, now: u64, key: &ModemKey, holder: u64, signal_ms: u64) -> Result<Vec<Do>, NotNow> {
        let modem = self.modems.get_mut(key).ok_or(NotNow::NoSuchModem)?;
        modem.holders.insert(holder, signal_ms);
        let mut out = vec![Do::Ask(Ask::Refresh(key.clone()))];
        self.set_pace(now, key, &mut out);
        Ok(out)
    }

    pub fn unpace(&mut self, now: u64, holder: u64) -> Vec<Do> {
        let mut out = Vec::new();
        let keys: Vec<ModemKey> = self.modems.keys().cloned().collect();
        for key in &keys {
            if let Some(modem) = self.modems.get_mut(key) {
                modem.holders.remove(&holder);
            }
            self.set_pace(now, key, &mut out);
        }
        out
    }

    /// The source did not take the question: it is put again at the next tick.
    pub fn pace_was_lost(&mut self, key: &ModemKey) {
        if let Some(modem) = self.modems.get_mut(key) {
            modem.asked_pace_ms = None;
        }
    }

    fn set_pace(&mut self, now: u64, key: &ModemKey, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(key) else { return };
        let wanted = modem.wanted_pace_ms(now);
        if modem.present && modem.asked_pace_ms != Some(wanted) {
            modem.asked_pace_ms = Some(wanted);
            out.push(Do::Ask(Ask::Pace { modem: key.clone(), signal_ms: wanted }));
        }
    }

    fn write(&self, key: &ModemKey, at_mono_ms: u64, urgent: bool, outcome: Outcome) -> Do {
        Do::Write(Box::new(Write { modem: key.clone(), at_mono_ms, urgent, uplink: self.uplink(key), outcome }))
    }

    fn failure(&self, key: &ModemKey, at_mono_ms: u64, urgent: bool, failed: Failed) -> Do {
        let Failed { of, kind, detail, elapsed_ms } = failed;
        let elapsed_us = elapsed_ms.map(|ms| ms.saturating_mul(1_000));
        let failure = Failure { of, kind, detail: Some(bounded(detail)), sent: None, elapsed_us };
        self.write(key, at_mono_ms, urgent, Outcome::Failure(failure))
    }
}

/// What could not be done.
struct Failed {
    of: Attempt,
    kind: FailureKind,
    detail: String,
    elapsed_ms: Option<u32>,
}

/// Technologies with a measured level: a name alone is no signal. A 5G leg is there also where its level is on a scale
/// that nobody knows: "no 5G" cannot be said then.
fn seen(cells: &[RadioCell]) -> impl Iterator<Item = Technology> {
    let level = |cell: &RadioCell| cell.rsrp_dbm.or(cell.rscp_dbm).or(cell.rssi_dbm).is_some();
    let counts = move |cell: &&RadioCell| level(cell) || cell.technology.as_ref().is_some_and(scan::is_nr);
    cells.iter().filter(counts).filter_map(|cell| cell.technology)
}

impl From<ProbeError> for Failed {
    fn from(error: ProbeError) -> Self {
        let elapsed_ms = error.elapsed.map(|elapsed| u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX));
        let detail = format!("technology check: {}", error.detail.unwrap_or_default());
        Failed { of: Attempt::Radio, kind: error.kind, detail, elapsed_ms }
    }
}
