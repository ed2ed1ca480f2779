//! Which SIM a phone's slot held when: records of cells do not say it, states of the phone do.
//!
//! In: what was said of a slot's SIM and when, in any order. Out: the SIM of a moment, put into uplinks. Refuses to
//! know: where it is kept; every stored record carries its own, so that a new process reads it back from the store.
//! Limits: [`SLOTS`] and [`CHANGES`]; the oldest goes.

use phusong_protocol::{ReadingKind, Uplink};
use std::collections::VecDeque;
use std::sync::Arc;

/// Interfaces of one phone; two SIMs and the one without a number are three.
const SLOTS: usize = 16;
/// Changes of one slot that are remembered.
const CHANGES: usize = 256;
/// Uplinks that the latest records shared.
const RECENT: usize = 32;

/// The SIMs of one phone.
#[derive(Debug, Default)]
pub struct Sims {
    slots: Vec<(String, VecDeque<Change>)>,
    recent: VecDeque<Arc<Uplink>>,
    /// What somebody said for the whole of it.
    said: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Change {
    from_ms: i64,
    /// `None`: nothing is known, or no SIM is in it.
    plmn: Option<String>,
}

impl Sims {
    /// Where somebody says which SIM it was, nothing else is asked.
    pub fn said(plmn: Option<String>) -> Self {
        Sims { said: plmn, ..Sims::default() }
    }

    /// From `at_ms` on, until the next that is known.
    pub fn learn(&mut self, interface: &str, at_ms: i64, plmn: Option<&str>) {
        let known = self.slots.iter().position(|slot| slot.0 == interface);
        let at = match known {
            Some(at) => at,
            None if self.slots.len() >= SLOTS => return,
            None => {
                self.slots.push((interface.to_owned(), VecDeque::new()));
                self.slots.len() - 1
            }
        };
        let changes = &mut self.slots[at].1;
        let next = changes.partition_point(|change| change.from_ms <= at_ms);
        let plmn = plmn.map(str::to_owned);
        match next.checked_sub(1).map(|before| &mut changes[before]) {
            Some(before) if before.plmn == plmn => return,
            Some(before) if before.from_ms == at_ms => before.plmn = plmn,
            _ => changes.insert(next, Change { from_ms: at_ms, plmn }),
        }
        // The one behind may say the same: it began earlier than was thought.
        if let (Some(now), Some(after)) = (changes.get(next), changes.get(next + 1))
            && now.plmn == after.plmn
        {
            changes.remove(next + 1);
        }
        if changes.len() > CHANGES {
            changes.pop_front();
        }
    }

    fn at(&self, interface: &str, at_ms: i64) -> Option<&str> {
        if self.said.is_some() {
            return self.said.as_deref();
        }
        let changes = &self.slots.iter().find(|slot| slot.0 == interface)?.1;
        let last = changes.partition_point(|change| change.from_ms <= at_ms).checked_sub(1)?;
        changes[last].plmn.as_deref()
    }

    /// Learns from a state of the phone; gives every other record of a slot its SIM.
    pub fn settle(&mut self, kind: u16, at_ms: i64, uplink: Arc<Uplink>) -> Arc<Uplink> {
        if kind == ReadingKind::Registration.code() {
            self.learn(&uplink.interface, at_ms, uplink.sim_plmn.as_deref());
            return self.shared(uplink);
        }
        match self.at(&uplink.interface, at_ms) {
            Some(plmn) if uplink.sim_plmn.as_deref() != Some(plmn) => {
                // Nearly always one of the latest: found without writing it anew.
                let same = |recent: &&Arc<Uplink>| {
                    recent.sim_plmn.as_deref() == Some(plmn)
                        && recent.serving_plmn == uplink.serving_plmn
                        && recent.interface == uplink.interface
                        && recent.technology == uplink.technology
                        && recent.service_state == uplink.service_state
                        && recent.roaming == uplink.roaming
                        && recent.provider == uplink.provider
                };
                if let Some(recent) = self.recent.iter().find(same) {
                    return Arc::clone(recent);
                }
                let sim_plmn = Some(plmn.to_owned());
                self.shared(Arc::new(Uplink { sim_plmn, ..Uplink::clone(&uplink) }))
            }
            _ => self.shared(uplink),
        }
    }

    /// The same by pointer for the same by content: the store looks at the pointer first.
    fn shared(&mut self, uplink: Arc<Uplink>) -> Arc<Uplink> {
        if let Some(known) = self.recent.iter().find(|known| **known == uplink) {
            return Arc::clone(known);
        }
        if self.recent.len() >= RECENT {
            self.recent.pop_back();
        }
        self.recent.push_front(Arc::clone(&uplink));
        uplink
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sims(said: &[(i64, Option<&str>)]) -> Sims {
        let mut sims = Sims::default();
        said.iter().for_each(|(at_ms, plmn)| sims.learn("slot1", *at_ms, *plmn));
        sims
    }

    #[test]
    fn a_slot_holds_the_sim_that_was_named_last_before_in_whatever_order_it_was_said() {
        let said = [(10, Some("452-04")), (20, None), (30, Some("452-01")), (40, Some("452-01"))];
        let mut turned = said;
        turned.reverse();
        for all in [said, turned, [said[2], said[0], said[3], said[1]]] {
            let sims = sims(&all);
            for (at_ms, plmn) in [
                (9, None),
                (10, Some("452-04")),
                (19, Some("452-04")),
                (25, None),
                (30, Some("452-01")),
                (99, Some("452-01")),
            ] {
                assert_eq!(sims.at("slot1", at_ms), plmn, "{at_ms} of {all:?}");
            }
            assert_eq!(sims.at("slot2", 99), None);
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut sims = Sims::default();
        for n in 0..1_000 {
            sims.learn("phone", n, Some(if n % 2 == 0 { "452-04" } else { "452-01" }));
            sims.learn(&format!("slot{n}"), 0, None);
        }
        assert_eq!(sims.slots.len(), SLOTS);
        assert!(sims.slots.iter().all(|slot| slot.1.len() <= CHANGES));
        assert_eq!(sims.at("phone", 5_000), Some("452-01"));
    }

    #[test]
    fn records_get_the_sim_of_their_slot_and_share_one_uplink() {
        let uplink = |sim: Option<&str>| {
            Arc::new(Uplink {
                interface: "slot1".into(),
                provider: None,
                sim_plmn: sim.map(str::to_owned),
                serving_plmn: None,
                roaming: None,
                service_state: None,
                technology: None,
                rrc: None,
                self_load: None,
            })
        };
        let mut sims = Sims::default();
        let (radio, state) = (ReadingKind::Radio.code(), ReadingKind::Registration.code());
        assert_eq!(sims.settle(radio, 5, uplink(None)).sim_plmn, None);
        sims.settle(state, 10, uplink(Some("452-04")));
        let first = sims.settle(radio, 11, uplink(None));
        assert_eq!(first.sim_plmn.as_deref(), Some("452-04"));
        assert!(Arc::ptr_eq(&first, &sims.settle(radio, 12, uplink(None))));
        assert_eq!(
            Sims::said(Some("452-02".into())).settle(radio, 1, uplink(None)).sim_plmn.as_deref(),
            Some("452-02")
        );
    }
}
