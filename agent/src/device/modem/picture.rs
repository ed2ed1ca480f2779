//! What is known of every modem now: the fold of all that their sources said.
//!
//! In: [`Said`]s, in any interleaving of modems. Out: the latest word of each kind with its time. Refuses to know: why
//! anybody looks. Limits: [`MODEMS`] modems; a word about one more is left out, and counted.

use super::{Bearer, Event, Identity, ModemKey, Registered, Said, Signal, Sim};
use phusong_protocol::RadioCell;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub const MODEMS: usize = 8;

/// A word and when it was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Known<T> {
    pub at_mono_ms: u64,
    pub value: T,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModemState {
    /// Whether it is there and answers.
    pub present: bool,
    /// Why it is not.
    pub trouble: Option<String>,
    pub identity: Identity,
    pub sim: Option<Known<Sim>>,
    pub registration: Option<Known<Registered>>,
    /// Since when it is registered as it is: a signal of before says nothing of where it camps now.
    #[serde(default)]
    pub registered_since_mono_ms: u64,
    pub signal: Option<Known<Signal>>,
    pub neighbours: Option<Known<Vec<RadioCell>>>,
    pub bearer: Option<Known<Bearer>>,
    /// It repeats itself while nothing answers: what stands in `signal` is no signal.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stale: bool,
    /// It searches for operators, and is off its network meanwhile.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scanning: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    pub modems: BTreeMap<ModemKey, ModemState>,
    /// Words about modems beyond [`MODEMS`].
    pub left_out: u64,
}

impl Picture {
    pub fn hear(&mut self, said: &Said) {
        if !self.modems.contains_key(&said.modem) && self.modems.len() >= MODEMS {
            self.left_out += 1;
            return;
        }
        self.modems.entry(said.modem.clone()).or_default().hear(said.at_mono_ms, &said.what);
    }
}

impl ModemState {
    fn hear(&mut self, at_mono_ms: u64, what: &Event) {
        match what {
            Event::Present(identity) => {
                self.identity = identity.clone();
                self.back();
            }
            // What it said last is no longer true.
            Event::Vanished { why } => {
                *self = ModemState { trouble: Some(why.clone()), identity: self.identity.clone(), ..Self::default() };
            }
            Event::Silent { for_ms } => {
                self.present = false;
                self.trouble = Some(format!("no answer for {} s", for_ms / 1_000));
            }
            Event::Sim(sim) => self.sim = Some(Known { at_mono_ms, value: sim.clone() }),
            Event::Registration(now) => {
                let network = |said: &Registered| (said.stat, said.service, said.plmn.clone());
                if self.registration.as_ref().map(|before| network(&before.value)) != Some(network(now)) {
                    self.registered_since_mono_ms = at_mono_ms;
                }
                self.registration = Some(Known { at_mono_ms, value: now.clone() });
                self.back();
            }
            Event::Signal(now) => {
                self.signal = Some(Known { at_mono_ms, value: now.clone() });
                self.back();
            }
            Event::Neighbours { cells, .. } => self.neighbours = Some(Known { at_mono_ms, value: cells.clone() }),
            Event::Bearer(now) => self.bearer = Some(Known { at_mono_ms, value: now.clone() }),
            Event::Scanned { .. } | Event::ScanFailed { .. } | Event::Fix(_) | Event::Reset { .. } => {}
        }
    }

    fn back(&mut self) {
        self.present = true;
        self.trouble = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_modem_that_vanished_has_no_signal_any_more_and_keeps_its_name() {
        let mut picture = Picture::default();
        let mut say = |what| picture.hear(&Said { modem: ModemKey("m".into()), at_mono_ms: 5, what });
        say(Event::Present(Identity { model: Some("RM520N".into()), ..Identity::default() }));
        say(Event::Signal(Signal { cells: vec![RadioCell::default()], rrc: None, raw: None }));
        say(Event::Vanished { why: "unplugged".into() });
        let modem = &picture.modems[&ModemKey("m".into())];
        assert!(!modem.present && modem.signal.is_none());
        assert_eq!((modem.trouble.as_deref(), modem.identity.model.as_deref()), (Some("unplugged"), Some("RM520N")));
    }
}
