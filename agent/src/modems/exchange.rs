//! What the sampler and the modems tell each other: facts of uplinks one way, what attempts came to the other way.
//!
//! In: a modem's state, a round's outcome. Out: [`UplinkFacts`] that go on samples, [`Tries`] that tell a stale signal.
//! Refuses to know: who measures what when. Limits: one entry for each interface of an uplink.

use crate::device::modem::ModemState;
use crate::device::modem::operator::is_other;
use phusong_protocol::{Outcome, Reading, RegistrationStat, Rrc, ServiceState, Tag, Target, Technology, Uplink};
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::watch;

/// What the modem says about the link that it carries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UplinkFacts {
    pub sim_plmn: Option<String>,
    pub serving_plmn: Option<String>,
    pub roaming: Option<bool>,
    pub service_state: Option<ServiceState>,
    pub technology: Option<Technology>,
    pub rrc: Option<Rrc>,
}

pub type FactsByInterface = BTreeMap<String, UplinkFacts>;

/// What attempts on an uplink came to last, those at its gateway aside: it may answer where the air is dead.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tried {
    pub answered_mono_ms: Option<u64>,
    pub failed_mono_ms: Option<u64>,
    /// Of the last echo or handshake that came back.
    pub rtt_us: Option<u32>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tries {
    pub uplinks: BTreeMap<String, Tried>,
    /// Whether a bandwidth test of the schedule runs.
    pub testing: bool,
}

/// What transfers of ours do to an uplink.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    pub running: bool,
    pub ended_mono_ms: Option<u64>,
    /// The modem searches for operators and is off its network: nothing that is tried there says anything of it.
    pub scanning: bool,
    pub scanned_mono_ms: Option<u64>,
}

pub type LoadsByInterface = BTreeMap<String, Load>;

/// The sampler's ends.
#[derive(Debug, Clone)]
pub struct Exchange {
    pub facts: watch::Receiver<FactsByInterface>,
    /// Of what does not run in the sampler: technology checks, commissioning.
    pub loads: watch::Receiver<LoadsByInterface>,
    pub tries: watch::Sender<Tries>,
}

impl Load {
    /// Whether a search began, ran or ended since then.
    pub fn searched_since(&self, mono_ms: u64) -> bool {
        self.scanning || self.scanned_mono_ms.is_some_and(|ended| ended >= mono_ms)
    }
}

/// Tells everybody which uplinks are off their network for a search.
pub fn tell_scanning(loads: &watch::Sender<LoadsByInterface>, scanning: &BTreeSet<String>, now_mono_ms: u64) {
    loads.send_if_modified(|all| {
        let mut new = false;
        for (interface, load) in all.iter_mut() {
            if load.scanning && !scanning.contains(interface) {
                (load.scanning, load.scanned_mono_ms, new) = (false, Some(now_mono_ms), true);
            }
        }
        for interface in scanning {
            let load = all.entry(interface.clone()).or_default();
            new |= !std::mem::replace(&mut load.scanning, true);
        }
        new
    });
}

impl UplinkFacts {
    /// `sim_plmn`: of the SIM that was there last; the link stays that operator's when the modem is gone.
    pub fn of(state: &ModemState, sim_plmn: Option<&str>) -> Self {
        let sim_plmn = sim_plmn.map(str::to_owned);
        let Some(registration) = state.registration.as_ref().map(|known| &known.value) else {
            return UplinkFacts { sim_plmn, ..Self::default() };
        };
        let service_state = registration.service.or(match registration.stat {
            RegistrationStat::Home | RegistrationStat::HomeSmsOnly => Some(ServiceState::Home),
            RegistrationStat::Roaming | RegistrationStat::RoamingSmsOnly => Some(ServiceState::Roaming),
            RegistrationStat::EmergencyOnly => Some(ServiceState::Limited),
            // Idle and searching may hide a foreign network: the reply does not say.
            _ => None,
        });
        let signal = state.signal.as_ref().map(|known| &known.value);
        let served = matches!(service_state, Some(ServiceState::Home | ServiceState::Roaming));
        // A source that says nothing of the network may still show the cell that it left.
        let heard_since = state.signal.as_ref().is_some_and(|known| known.at_mono_ms >= state.registered_since_mono_ms);
        let of_cell = || {
            let cell = signal
                .iter()
                .filter(|_| heard_since)
                .flat_map(|signal| &signal.cells)
                .find(|cell| cell.mcc.is_some())?;
            Some(format!("{}-{}", cell.mcc.as_deref()?, cell.mnc.as_deref()?))
        };
        let serving_plmn = registration.plmn.clone().or_else(of_cell);
        // Who is refused is not served, whatever he camps on: only on a foreign network that is limited service.
        let refused_here = registration.stat == RegistrationStat::Denied
            && service_state == Some(ServiceState::Limited)
            && !is_other(serving_plmn.as_deref(), sim_plmn.as_deref());
        let service_state = service_state.filter(|_| !refused_here);
        UplinkFacts {
            sim_plmn,
            serving_plmn,
            roaming: match service_state {
                Some(ServiceState::Home) => Some(false),
                Some(ServiceState::Roaming) => Some(true),
                _ => None,
            },
            service_state,
            technology: registration.technology.filter(|_| served),
            rrc: signal.and_then(|signal| signal.rrc).filter(|_| served),
        }
    }

    /// The modem knows better than the configuration, also where it knows that there is nothing.
    pub fn put_on(&self, uplink: &mut Uplink) {
        uplink.sim_plmn.clone_from(&self.sim_plmn);
        uplink.serving_plmn.clone_from(&self.serving_plmn);
        uplink.roaming = self.roaming;
        uplink.service_state = self.service_state;
        uplink.technology = self.technology;
        uplink.rrc = self.rrc;
    }
}

impl Tries {
    /// Counts a round that began then.
    pub fn take(&mut self, interface: &str, target: &Target, outcome: &Outcome, began_mono_ms: u64) {
        if target.tags.iter().any(|tag| matches!(tag, Tag::Gateway | Tag::Loudspeaker)) {
            return;
        }
        let tried = self.uplinks.entry(interface.to_owned()).or_default();
        match outcome {
            Outcome::Failure(_) => tried.failed_mono_ms = tried.failed_mono_ms.max(Some(began_mono_ms)),
            Outcome::Reading(reading) => {
                tried.answered_mono_ms = tried.answered_mono_ms.max(Some(began_mono_ms));
                tried.rtt_us = match reading {
                    Reading::Latency(r) => r.rtt_us.last().copied().or(tried.rtt_us),
                    Reading::Tcp(r) => Some(r.connect_us),
                    _ => tried.rtt_us,
                };
            }
        }
    }
}

impl Tried {
    /// Whether the last attempt failed, and nothing was answered since then.
    pub fn nothing_since(&self, mono_ms: u64) -> bool {
        self.failed_mono_ms > self.answered_mono_ms && self.answered_mono_ms.is_none_or(|at| at < mono_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::modem::Registered;
    use crate::device::modem::picture::{Known, Picture};
    use crate::device::modem::{Event, ModemKey, Said, Signal};
    use phusong_protocol::RadioCell;

    #[test]
    fn the_cell_that_a_modem_left_is_not_where_it_camps() {
        let key = || ModemKey("m".into());
        let mut picture = Picture::default();
        let mut serving = |at_mono_ms, what| {
            picture.hear(&Said { modem: key(), at_mono_ms, what });
            UplinkFacts::of(&picture.modems[&key()], Some("452-04")).serving_plmn
        };
        let registered = |stat, service| {
            let raw = None;
            let said = Registered { stat, service, plmn: None, technology: None, cell: None, reject_cause: None, raw };
            Event::Registration(said)
        };
        let cell = |mnc: &str| {
            let cell = RadioCell { mcc: Some("452".into()), mnc: Some(mnc.into()), ..RadioCell::default() };
            Event::Signal(Signal { cells: vec![cell], rrc: None, raw: None })
        };
        let limited = || registered(RegistrationStat::Idle, Some(ServiceState::Limited));
        assert_eq!(serving(1_000, registered(RegistrationStat::Home, None)), None);
        assert_eq!(serving(2_000, cell("04")).as_deref(), Some("452-04"));
        assert_eq!(serving(3_000, limited()), None, "its own network is what it left");
        assert_eq!(serving(4_000, cell("02")).as_deref(), Some("452-02"));
        assert_eq!(serving(5_000, limited()).as_deref(), Some("452-02"), "the same word again");
    }

    #[test]
    fn who_is_refused_has_limited_service_on_a_foreign_network_alone() {
        let refused = |plmn: Option<&str>| {
            let value = Registered {
                stat: RegistrationStat::Denied,
                service: Some(ServiceState::Limited),
                plmn: plmn.map(str::to_owned),
                technology: None,
                cell: None,
                reject_cause: None,
                raw: None,
            };
            ModemState { registration: Some(Known { at_mono_ms: 1, value }), ..ModemState::default() }
        };
        for (plmn, sim, wanted) in [
            (Some("452-01"), Some("452-04"), Some(ServiceState::Limited)),
            (Some("452-04"), Some("452-04"), None),
            (Some("452-01"), None, None),
            (None, Some("452-04"), None),
        ] {
            assert_eq!(UplinkFacts::of(&refused(plmn), sim).service_state, wanted, "{plmn:?} {sim:?}");
        }
    }

    #[test]
    fn a_search_counts_from_its_beginning_until_whoever_began_in_it_is_done() {
        let loads = watch::Sender::new(LoadsByInterface::new());
        let mut told = loads.subscribe();
        let of = |loads: &watch::Sender<LoadsByInterface>| loads.borrow().get("wwan0").copied().unwrap_or_default();
        tell_scanning(&loads, &BTreeSet::new(), 1_000);
        assert!(!told.has_changed().expect("it is there"), "nothing is new");
        tell_scanning(&loads, &BTreeSet::from(["wwan0".to_owned()]), 2_000);
        assert!(told.has_changed().expect("it is there") && of(&loads).searched_since(9_000));
        told.mark_unchanged();
        loads.send_modify(|all| all.entry("wwan0".into()).or_default().running = true);
        tell_scanning(&loads, &BTreeSet::new(), 200_000);
        let after = of(&loads);
        assert!(after.running && !after.scanning);
        assert!(after.searched_since(199_000) && !after.searched_since(200_001));
    }
}
