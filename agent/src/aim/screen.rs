//! All that `aim` shows, as one fold: what the agent says and what keys are pressed go in, what is to be shown and what
//! is to be asked of the agent come out.
//!
//! In: [`Seen`]s, [`Key`]s, answers, each with the time. Out: [`Wish`]es; the views of the page. Refuses to know:
//! terminals, sockets, clocks. Limits: one modem at a time; its neighbours as many as it names.

use super::leg::{Slot, legs};
use super::still::{Hold, Still};
use super::track::{OLD_MS, Shown, Track};
use crate::control::{AcceptStep, Accepted, Pinged, Seen};
use crate::device::modem::{ModemKey, ModemState};
use crate::device::position::Fix;
use phusong_protocol::RadioCell;
use std::collections::BTreeMap;

/// Neighbours are read every ten seconds at most.
pub const NEIGHBOURS_OLD_MS: u64 = 30_000;

/// The record of commissioning, as far as it is.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Acceptance {
    #[default]
    No,
    /// Asked for, and so far.
    Running(Option<AcceptStep>),
    Done(Accepted),
    Failed(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Accept,
    /// The other leg of an NSA attachment.
    Leg,
    Modem,
    /// On small screens: lists instead of large digits.
    Lists,
    Inverse,
    Help,
    Quit,
    Other,
}

/// What is asked of the agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// Look every second at this modem, and let data flow.
    Pace(ModemKey),
    Aimed(ModemKey),
    Accept(ModemKey),
    Quit,
}

#[derive(Debug, Clone, Default)]
pub struct Screen {
    wanted: Option<ModemKey>,
    names: Vec<ModemKey>,
    modem: Option<ModemKey>,
    state: ModemState,
    branches_dbm: Vec<Option<f32>>,
    tracks: BTreeMap<Slot, Track>,
    chosen: Slot,
    still: Still,
    ping: Option<Pinged>,
    fix: Option<Fix>,
    acceptance: Acceptance,
    /// Why the last sample was not kept.
    not_stored: Option<String>,
    /// Why the agent is not heard.
    pub lost: Option<String>,
    /// Why no data flows: values of a connected modem, and its NR leg, may not show.
    pub no_flow: Option<String>,
    pub help: bool,
    pub lists: bool,
    pub inverse: bool,
}

impl Screen {
    /// For the named modem, or the first that there is.
    pub fn new(wanted: Option<ModemKey>) -> Self {
        Screen { wanted, ..Screen::default() }
    }

    /// What the agent says.
    pub fn hear(&mut self, seen: &Seen) -> Vec<Wish> {
        self.lost = None;
        self.fix = seen.fix;
        self.names = seen.picture.modems.keys().cloned().collect();
        let mut wishes = Vec::new();
        let wanted = self.wanted.clone().or_else(|| self.names.first().cloned());
        if wanted != self.modem && wanted.as_ref().is_some_and(|name| self.names.contains(name)) {
            self.turn_to(wanted);
            wishes.extend(self.modem.clone().map(Wish::Pace));
        }
        let Some(state) = self.modem.as_ref().and_then(|name| seen.picture.modems.get(name)) else { return wishes };
        self.state = state.clone();
        self.branches_dbm = super::branches::of(state);
        // The echoes of another link say nothing of this modem.
        self.ping = interface(state).and_then(|name| seen.ping.get(name)).copied();
        self.follow();
        if self.still.ask(seen.now_mono_ms) {
            wishes.extend(self.modem.clone().map(Wish::Aimed));
        }
        wishes
    }

    fn follow(&mut self) {
        let Some(at_ms) = self.state.signal.as_ref().map(|signal| signal.at_mono_ms) else { return };
        if self.state.stale {
            // Nothing is held still by it, and nothing is counted.
            return self.still.lose();
        }
        for (slot, leg) in legs(&self.state) {
            let track = self.tracks.entry(slot).or_default();
            let is_new = track.latest().is_none_or(|(before, _)| *before < at_ms);
            track.hear(at_ms, &leg);
            if slot == self.chosen && is_new {
                self.still.hear(at_ms, &leg.pin, leg.level.map(|(_, dbm)| dbm));
            }
        }
    }

    fn turn_to(&mut self, modem: Option<ModemKey>) {
        let kept = (self.help, self.lists, self.inverse);
        *self = Screen {
            wanted: self.wanted.take(),
            names: std::mem::take(&mut self.names),
            modem,
            fix: self.fix,
            acceptance: std::mem::take(&mut self.acceptance),
            ..Screen::default()
        };
        (self.help, self.lists, self.inverse) = kept;
    }

    pub fn press(&mut self, key: Key) -> Option<Wish> {
        self.still.disturb();
        self.not_stored = None;
        if std::mem::take(&mut self.help) && key != Key::Quit {
            return None;
        }
        match key {
            Key::Quit => return Some(Wish::Quit),
            Key::Accept if !self.acceptance.runs() => {
                let modem = self.modem.clone()?;
                self.acceptance = Acceptance::Running(None);
                return Some(Wish::Accept(modem));
            }
            Key::Leg => self.chosen = if self.chosen == Slot::Anchor { Slot::Nr } else { Slot::Anchor },
            Key::Modem => {
                let at = self.modem.as_ref().and_then(|name| self.names.iter().position(|other| other == name));
                let next = at.map_or(0, |at| at + 1) % self.names.len().max(1);
                // The next line turns to it.
                self.wanted = self.names.get(next).cloned().or(self.wanted.take());
            }
            Key::Lists => self.lists = !self.lists,
            Key::Inverse => self.inverse = !self.inverse,
            Key::Help => self.help = true,
            // Whoever has read the result goes on.
            Key::Other if !self.acceptance.runs() => self.acceptance = Acceptance::No,
            Key::Other | Key::Accept => {}
        }
        None
    }

    /// What came of [`Wish::Aimed`].
    pub fn stored(&mut self, now_ms: u64, result: Result<(), String>) {
        self.still.answered(now_ms, result.is_ok());
        self.not_stored = result.err();
    }

    /// What is said while the record of commissioning is taken.
    pub fn accepting(&mut self, step: AcceptStep) {
        self.acceptance = match step {
            AcceptStep::Done(accepted) => Acceptance::Done(accepted),
            step => Acceptance::Running(Some(step)),
        };
    }

    pub fn not_accepted(&mut self, why: String) {
        self.acceptance = Acceptance::Failed(why);
    }

    // ---- Views ----

    pub fn modem(&self) -> Option<&ModemKey> {
        self.modem.as_ref()
    }

    /// The modem that was asked for and is not there.
    pub fn missing(&self) -> Option<&ModemKey> {
        self.wanted.as_ref().filter(|wanted| self.modem.as_ref() != Some(wanted))
    }

    pub fn state(&self) -> &ModemState {
        &self.state
    }

    pub fn has_other_modems(&self) -> bool {
        self.names.len() > 1
    }

    pub fn acceptance(&self) -> &Acceptance {
        &self.acceptance
    }

    pub fn branches_dbm(&self) -> &[Option<f32>] {
        &self.branches_dbm
    }

    pub fn ping(&self) -> Option<Pinged> {
        self.ping
    }

    pub fn not_stored(&self) -> Option<&str> {
        self.not_stored.as_deref()
    }

    pub fn fix(&self) -> Option<&Fix> {
        self.fix.as_ref()
    }

    pub fn hold(&self, now_ms: u64) -> Hold {
        self.still.hold(now_ms)
    }

    /// The leg that is shown large: the chosen one while it is there, else the anchor.
    pub fn shown_slot(&self, now_ms: u64) -> Slot {
        if self.is_young(self.chosen, now_ms) { self.chosen } else { Slot::Anchor }
    }

    fn is_young(&self, slot: Slot, now_ms: u64) -> bool {
        let latest = self.tracks.get(&slot).and_then(Track::latest);
        latest.is_some_and(|(at_ms, _)| now_ms.saturating_sub(*at_ms) <= OLD_MS)
    }

    pub fn track(&self, slot: Slot) -> Option<&Track> {
        self.tracks.get(&slot)
    }

    /// The leg beside the one that is shown, if it is of now.
    pub fn other_leg(&self, now_ms: u64) -> Option<&Track> {
        let other = if self.shown_slot(now_ms) == Slot::Anchor { Slot::Nr } else { Slot::Anchor };
        self.is_young(other, now_ms).then(|| self.tracks.get(&other)).flatten()
    }

    pub fn level(&self, slot: Slot, now_ms: u64) -> Shown {
        self.of_now(self.tracks.get(&slot).map(|track| track.level(now_ms)))
    }

    pub fn quality(&self, slot: Slot, now_ms: u64) -> Shown {
        self.of_now(self.tracks.get(&slot).map(|track| track.quality(now_ms)))
    }

    /// A modem that is gone has no values, however young the last one is; one that repeats itself has none of now.
    fn of_now(&self, shown: Option<Shown>) -> Shown {
        let shown = shown.unwrap_or_default();
        let is_there = self.state.present && self.state.signal.is_some() && self.lost.is_none();
        match is_there {
            true if self.state.stale => Shown { stale: true, median: None, ..shown },
            true => shown,
            false => Shown { value: None, median: None, ..shown },
        }
    }

    /// The neighbours, strongest first, and how old they are.
    pub fn neighbours(&self, now_ms: u64) -> Option<(u64, Vec<&RadioCell>)> {
        let known = self.state.neighbours.as_ref()?;
        let level = |cell: &RadioCell| cell.rsrp_dbm.or(cell.rscp_dbm).or(cell.rssi_dbm).unwrap_or(f32::NEG_INFINITY);
        let mut cells: Vec<&RadioCell> = known.value.iter().collect();
        cells.sort_by(|a, b| level(b).total_cmp(&level(a)));
        Some((now_ms.saturating_sub(known.at_mono_ms), cells))
    }
}

impl Acceptance {
    pub fn runs(&self) -> bool {
        matches!(self, Acceptance::Running(_))
    }

    /// 0 to 1: a minute of echoes, then a test that takes some ten seconds.
    pub fn share(&self) -> f64 {
        const ECHOES: f64 = 0.85;
        match self {
            Acceptance::Running(Some(AcceptStep::Pinging { sent, of, .. })) => {
                ECHOES * f64::from(*sent) / f64::from((*of).max(1))
            }
            Acceptance::Running(Some(AcceptStep::Testing { .. })) => ECHOES,
            Acceptance::Running(_) | Acceptance::No => 0.0,
            Acceptance::Done(_) | Acceptance::Failed(_) => 1.0,
        }
    }
}

/// The interface that carries the modem's data.
fn interface(state: &ModemState) -> Option<&str> {
    let of_bearer = state.bearer.as_ref().and_then(|bearer| bearer.value.interface.as_deref());
    state.identity.interface.as_deref().or(of_bearer)
}

#[cfg(test)]
mod tests;
