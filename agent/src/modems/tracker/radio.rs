//! The samples of signal and neighbours: at their pace, and at once where the cell is another.
//!
//! In: signals, the time, what attempts came to. Out: writes, and a question where nothing was heard. Refuses to know:
//! levels. Limits: one reading a second at most; [`HELD`] are held back.

use super::NotNow;
use super::modem::{raw, snapshot};
use super::{Do, HELD, HOLD_MS, Tracker, Write, seen};
use crate::device::modem::{Ask, ModemKey, Said, Signal};
use phusong_protocol::{
    Neighbours, Outcome, RadioCell, RadioReading, Reading, RegistrationReading, ServiceState, Taken, Technology, limits,
};
use std::collections::VecDeque;

/// So many identical replies while nothing answers are no signal.
pub const STALE: u32 = 3;
const APART_MS: u64 = 1_000;
/// A signal that is older is not the one that somebody aims by.
const AIMED_WITHIN_MS: u64 = 10_000;

/// What tells two registrations apart beside their states.
type ToldFacts = (Option<ServiceState>, Option<String>, Option<Technology>, Option<String>);

#[derive(Debug, Default)]
pub struct Radio {
    pub told_facts: Option<ToldFacts>,
    pub heard: Option<(u64, Signal)>,
    /// Heard, and not yet written.
    waiting: bool,
    written_at: Option<u64>,
    written: Option<Signal>,
    asked_at: u64,
    /// Identical replies, and when the first of them came.
    same: u32,
    same_since: u64,
    held: VecDeque<Box<Write>>,
}

impl Radio {
    /// The modem is gone: what it said last is no signal any more.
    pub fn forget(&mut self) {
        let held = std::mem::take(&mut self.held);
        *self = Radio { told_facts: self.told_facts.take(), held, ..Radio::default() };
    }

    fn hear(&mut self, at_mono_ms: u64, signal: &Signal) {
        let same = self.heard.as_ref().is_some_and(|(_, before)| before == signal);
        if same {
            self.same = self.same.saturating_add(1);
        } else {
            (self.same, self.same_since) = (1, at_mono_ms);
        }
        self.heard = Some((at_mono_ms, signal.clone()));
        self.waiting = true;
    }

    fn is_due(&self, at_mono_ms: u64, pace_ms: u64) -> bool {
        let Some(written_at) = self.written_at else { return true };
        let apart = at_mono_ms.saturating_sub(written_at);
        // A source is a little early at times.
        let pace = apart >= pace_ms - pace_ms / 10;
        let other = self.heard.as_ref().map(|(_, s)| serving(s)) != self.written.as_ref().map(serving);
        pace || (other && apart >= APART_MS)
    }
}

/// What tells one cell from another.
type CellPin = (Option<Technology>, Option<u16>, Option<u32>, Option<u64>);

/// What the modem camps on.
fn serving(signal: &Signal) -> Vec<CellPin> {
    signal.cells.iter().map(|cell| (cell.technology, cell.pci, cell.arfcn, cell.cell_id)).collect()
}

fn cells(all: &[RadioCell]) -> Vec<RadioCell> {
    if all.len() > limits::CELLS {
        tracing::warn!(cells = all.len(), bound = limits::CELLS, "a modem names more cells than a sample holds");
    }
    all.iter().take(limits::CELLS).cloned().collect()
}

pub fn reading(signal: &Signal, taken: Option<Taken>) -> RadioReading {
    RadioReading { cells: cells(&signal.cells), raw: raw(signal.raw.as_deref()), taken, ..RadioReading::default() }
}

impl Tracker {
    pub(super) fn signal(&mut self, now: u64, said: &Said, signal: &Signal, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(&said.modem) else { return };
        modem.radio.hear(said.at_mono_ms, signal);
        modem.shown.extend(seen(&signal.cells));
        if let Some(checking) = modem.checking.as_mut().filter(|checking| checking.began_mono_ms < said.at_mono_ms) {
            checking.see(seen(&signal.cells));
        }
        let pace_ms = modem.look_ms(now).unwrap_or(modem.signal_ms);
        if modem.radio.is_due(said.at_mono_ms, pace_ms) {
            self.say_signal(&said.modem, out);
        }
    }

    /// At the pace: what was heard since, or a question.
    pub(super) fn look_at_signal(&mut self, now: u64, key: &ModemKey, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(key).filter(|modem| modem.present) else { return };
        let pace_ms = modem.look_ms(now).unwrap_or(modem.signal_ms);
        if modem.radio.waiting && modem.radio.is_due(now, pace_ms) {
            return self.say_signal(key, out);
        }
        let heard_at = modem.radio.heard.as_ref().map_or(0, |(at, _)| *at);
        let quiet = now.saturating_sub(heard_at.max(modem.radio.asked_at)) >= pace_ms;
        if quiet && modem.scanning.is_none() {
            modem.radio.asked_at = now;
            out.push(Do::Ask(Ask::Refresh(key.clone())));
        }
    }

    fn say_signal(&mut self, key: &ModemKey, out: &mut Vec<Do>) {
        let stale = self.is_stale(key);
        let Some(modem) = self.modems.get_mut(key) else { return };
        let Some((at, signal)) = modem.radio.heard.clone() else { return };
        modem.radio.waiting = false;
        modem.radio.written_at = Some(at);
        modem.radio.written = Some(signal.clone());
        if signal.cells.is_empty() {
            // No cell: the registration says what that means.
            return;
        }
        let mut reading = reading(&signal, None);
        reading.stale = stale.then_some(true);
        let without_service = modem.no_service_since.is_some();
        let write = self.write(key, at, without_service, Outcome::Reading(Reading::Radio(reading)));
        match (write, self.modems.get_mut(key)) {
            (Do::Write(write), Some(modem)) if without_service => {
                modem.radio.held.push_back(write);
                if modem.radio.held.len() > HELD {
                    self.let_go(key, u64::MAX, false, out);
                }
            }
            (write, _) => out.push(write),
        }
    }

    /// The modem repeats itself, and nothing on its uplink answered since it began to.
    pub(super) fn is_stale(&self, key: &ModemKey) -> bool {
        let Some(modem) = self.modems.get(key) else { return false };
        let tried = modem.interface.as_ref().and_then(|interface| self.world.tries.uplinks.get(interface));
        modem.radio.same >= STALE && tried.is_some_and(|tried| tried.nothing_since(modem.radio.same_since))
    }

    pub(super) fn release_held(&mut self, now: u64, key: &ModemKey, out: &mut Vec<Do>) {
        self.let_go(key, now.saturating_sub(HOLD_MS), false, out);
    }

    /// It registers: what is still held back had coverage already.
    pub(super) fn release_reacquired(&mut self, key: &ModemKey, out: &mut Vec<Do>) {
        self.let_go(key, u64::MAX, true, out);
    }

    /// Writes what was held back up to a time. It waited long enough: it is durable at once.
    fn let_go(&mut self, key: &ModemKey, until: u64, reacquiring: bool, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(key) else { return };
        let ready = modem.radio.held.iter().take_while(|write| write.at_mono_ms <= until).count();
        for mut write in modem.radio.held.drain(..ready) {
            if let (true, Outcome::Reading(Reading::Radio(reading))) = (reacquiring, &mut write.outcome) {
                reading.reacquiring = Some(true);
            }
            out.push(Do::Write(write));
        }
    }

    pub(super) fn neighbours(&mut self, said: &Said, list: &[RadioCell], line: Option<&str>, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(&said.modem) else { return };
        let pace_ms = modem.neighbours_ms;
        let apart = modem.neighbours_at.map(|at| said.at_mono_ms.saturating_sub(at));
        if apart.is_some_and(|apart| apart < pace_ms - pace_ms / 10) {
            return;
        }
        modem.neighbours_at = Some(said.at_mono_ms);
        let reading = Neighbours { cells: cells(list), raw: raw(line) };
        out.push(self.write(&said.modem, said.at_mono_ms, false, Outcome::Reading(Reading::Neighbours(reading))));
    }

    /// The signal of now as somebody's choice.
    pub fn aimed(&self, now: u64, key: &ModemKey) -> Result<Do, NotNow> {
        if self.is_stale(key) {
            return Err(NotNow::Stale);
        }
        self.of_now(now, key, Taken::Aimed)
    }

    fn of_now(&self, now: u64, key: &ModemKey, taken: Taken) -> Result<Do, NotNow> {
        let modem = self.modems.get(key).ok_or(NotNow::NoSuchModem)?;
        let heard = modem.radio.heard.as_ref();
        let fresh = heard.filter(|(at, signal)| now.saturating_sub(*at) <= AIMED_WITHIN_MS && !signal.cells.is_empty());
        let (at, signal) = fresh.ok_or(NotNow::NoSignal)?;
        let stale = self.is_stale(key).then_some(true);
        let reading = RadioReading { stale, ..reading(signal, Some(taken)) };
        Ok(self.write(key, *at, true, Outcome::Reading(Reading::Radio(reading))))
    }

    /// A record of commissioning is done: the signal that it closes with, or that there is none.
    pub fn accepted(&self, now: u64, key: &ModemKey) -> Vec<Do> {
        let without_signal = || {
            let registered = self.picture.modems.get(key).and_then(snapshot)?;
            let registered = RegistrationReading { taken: Some(Taken::Accepted), ..registered };
            Some(self.write(key, now, true, Outcome::Reading(Reading::Registration(registered))))
        };
        self.of_now(now, key, Taken::Accepted).ok().or_else(without_signal).into_iter().collect()
    }
}
