//! One point of a walk: from what modems and echoes said to samples, lines of the file, and what each network gave.
//!
//! In: the picture, the uplinks' facts, echoes, the fix, the time. Out: a [`Seen`] for each modem and for each uplink
//! without one. Refuses to know: spools, files. Limits: a signal that is older than `pace::FRESH_MS` is none here.

use super::echo::Echo;
use super::pace::{FRESH_MS, Gave};
use super::point::Point;
use crate::config::Config;
use crate::device::modem::{ModemKey, ModemState, Picture};
use crate::device::position::Fix;
use crate::modems::exchange::{FactsByInterface, UplinkFacts};
use crate::plan::wire_uplink;
use crate::probe::bounded;
use phusong_protocol::{
    Outcome, RadioCell, RadioReading, Reading, RegistrationReading, RegistrationStat, ServiceState, SimState, Taken,
    Technology, Uplink, limits,
};

/// Everything that a point is made of.
pub struct View<'a> {
    pub config: &'a Config,
    pub picture: &'a Picture,
    pub facts: &'a FactsByInterface,
    pub fix: &'a Fix,
    pub now_mono_ms: u64,
    pub at_ms: i64,
    pub indoor: bool,
}

/// What one modem, or one uplink without a modem, came to.
#[derive(Debug, Clone)]
pub struct Seen {
    /// For a person.
    pub network: String,
    /// What holes are counted by: the modem, or the interface.
    pub link: String,
    pub gave: Gave,
    pub point: Point,
    /// The radio of this point, and whether there was service: without it, it waits a moment.
    pub radio: Option<(Uplink, Outcome, bool)>,
}

impl View<'_> {
    pub fn see(&self, echoes: &[Echo]) -> Vec<Seen> {
        let mut seen: Vec<Seen> =
            self.picture.modems.iter().map(|(key, state)| self.modem(key, state, echoes)).collect();
        let of_modem = |echo: &&Echo| seen.iter().any(|one| one.point.interface.as_deref() == echo.interface());
        let others: Vec<Seen> =
            echoes.iter().filter(|echo| echo.uplink.is_none() || !of_modem(echo)).map(|echo| self.link(echo)).collect();
        seen.extend(others);
        seen
    }

    fn bare(&self) -> Point {
        Point {
            at_ms: self.at_ms,
            lat: self.fix.lat,
            lon: self.fix.lon,
            accuracy_m: self.fix.accuracy_m,
            altitude_m: self.fix.altitude_m,
            speed_mps: self.fix.speed_mps,
            indoor: self.indoor,
            ..Point::default()
        }
    }

    /// A link that no modem speaks for: fibre to the house, somebody's telephone.
    fn link(&self, echo: &Echo) -> Seen {
        let uplink = echo.uplink.as_ref();
        let mut point = self.bare();
        point.interface = uplink.map(|uplink| uplink.interface.clone());
        point.technology = uplink.and_then(|uplink| uplink.technology);
        point.served = Some(echo.answered());
        add(&mut point, echo);
        let network = uplink.map(|uplink| uplink.provider.clone().unwrap_or_else(|| uplink.interface.clone()));
        let gave = if echo.answered() { Gave::Service } else { Gave::Silence };
        let link = point.interface.clone().unwrap_or_else(|| "default".into());
        Seen { network: network.unwrap_or_else(|| "default".into()), link, gave, point, radio: None }
    }

    fn modem(&self, key: &ModemKey, state: &ModemState, echoes: &[Echo]) -> Seen {
        let uplink = self.uplink(key, state);
        let echo = echoes.iter().find(|echo| echo.interface() == Some(&uplink.interface));
        let signal = state
            .signal
            .as_ref()
            .filter(|known| state.present && self.now_mono_ms.saturating_sub(known.at_mono_ms) <= FRESH_MS);
        let cells: Vec<RadioCell> =
            signal.iter().flat_map(|known| &known.value.cells).take(limits::CELLS).cloned().collect();
        let served = served(state, &uplink);
        let mut point = self.bare();
        point.modem = Some(key.0.clone());
        point.interface = Some(uplink.interface.clone());
        (point.sim_plmn, point.serving_plmn) = (uplink.sim_plmn.clone(), uplink.serving_plmn.clone());
        (point.service, point.technology, point.served) = (uplink.service_state, uplink.technology, served);
        let is_leg = |cell: &&RadioCell| cell.technology == Some(Technology::NrNsa);
        // What the modem repeats while nothing answers is no signal of this place.
        let shown = if state.stale { &[] } else { &cells[..] };
        point.cell = shown.iter().find(|cell| !is_leg(cell)).or(shown.first()).cloned();
        point.nr_cell = shown.iter().find(is_leg).filter(|_| shown.len() > 1).cloned();
        if let Some(echo) = echo {
            add(&mut point, echo);
        }
        let gave = match (served, echo.map(Echo::answered)) {
            (_, Some(true)) | (Some(true), None) => Gave::Service,
            (Some(false), _) => Gave::NoService,
            (Some(true), Some(false)) => Gave::Silence,
            (None, _) => Gave::Nothing,
        };
        let raw = signal.and_then(|known| known.value.raw.clone()).map(|raw| cut(raw, limits::RAW_BYTES));
        let reading = if cells.is_empty() {
            // No cell at this place: the registration says what that means.
            registration(state).filter(|_| served == Some(false)).map(Reading::Registration)
        } else {
            let (taken, stale) = (Some(Taken::Survey), state.stale.then_some(true));
            Some(Reading::Radio(RadioReading { cells, raw, taken, stale, ..RadioReading::default() }))
        };
        let network = uplink.sim_plmn.clone().unwrap_or_else(|| key.0.clone());
        let radio = reading.map(|reading| (uplink, Outcome::Reading(reading), served != Some(false)));
        Seen { network, link: key.0.clone(), gave, point, radio }
    }

    /// The link of a modem's samples. Where nobody says which interface it is, the modem's name stands for it.
    fn uplink(&self, key: &ModemKey, state: &ModemState) -> Uplink {
        let table = self.config.modems.iter().find(|table| table.name == key.0);
        let configured = table.and_then(|table| table.interface.clone());
        let named = configured.or_else(|| state.identity.interface.clone());
        let interface = named.unwrap_or_else(|| bounded(key.0.clone()));
        let known = self.config.uplinks.iter().find(|uplink| uplink.interface == interface).map(wire_uplink);
        let facts = self.facts.get(&interface).cloned().unwrap_or_else(|| {
            let sim_plmn = state.sim.as_ref().and_then(|sim| sim.value.plmn.clone());
            UplinkFacts::of(state, sim_plmn.as_deref())
        });
        let mut uplink = known.unwrap_or_else(|| Uplink::bare(interface));
        facts.put_on(&mut uplink);
        uplink
    }
}

fn add(point: &mut Point, echo: &Echo) {
    (point.rtt_us, point.failure) = (echo.rtt_us(), echo.failure());
}

/// Whether the SIM's network served here; `None` where the modem cannot tell (gone, no SIM, refused).
fn served(state: &ModemState, uplink: &Uplink) -> Option<bool> {
    let sim = state.sim.as_ref().map(|known| known.value.state);
    let stat = state.registration.as_ref()?.value.stat;
    let no_sim = stat == RegistrationStat::NoSim
        || sim.is_some_and(|sim| !matches!(sim, SimState::Ready | SimState::Busy | SimState::Unknown));
    if !state.present || no_sim {
        return None;
    }
    match (uplink.service_state, stat) {
        (_, RegistrationStat::Denied | RegistrationStat::Unknown) => None,
        (Some(ServiceState::Home | ServiceState::Roaming), _) => Some(true),
        (Some(ServiceState::None | ServiceState::Limited), _) => Some(false),
        (None, RegistrationStat::Idle | RegistrationStat::Searching | RegistrationStat::EmergencyOnly) => Some(false),
        (None, _) => None,
    }
}

/// What the modem says instead of a signal, at this place.
fn registration(state: &ModemState) -> Option<RegistrationReading> {
    let registered = &state.registration.as_ref()?.value;
    let sim = state.sim.as_ref().map(|known| known.value.state);
    let raw = registered.raw.clone().map(|raw| cut(raw, limits::RAW_BYTES));
    let reject_cause = registered.reject_cause;
    let taken = Some(Taken::Survey);
    Some(RegistrationReading { sim, raw, reject_cause, taken, ..RegistrationReading::new(registered.stat) })
}

fn cut(mut text: String, bytes: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes));
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::modem::picture::Known;
    use crate::device::modem::{Registered, Signal};
    use phusong_protocol::PlaceSource;

    fn state(stat: RegistrationStat, level: Option<f32>) -> ModemState {
        let cell = |dbm| RadioCell { technology: Some(Technology::Lte), rsrp_dbm: Some(dbm), ..RadioCell::default() };
        let signal = level.map(|dbm| Signal { cells: vec![cell(dbm)], rrc: None, raw: None });
        let now =
            Registered { stat, service: None, plmn: None, technology: None, cell: None, reject_cause: None, raw: None };
        ModemState {
            present: true,
            registration: Some(Known { at_mono_ms: 9_000, value: now }),
            signal: signal.map(|value| Known { at_mono_ms: 9_000, value }),
            ..ModemState::default()
        }
    }

    fn seen(state: ModemState) -> Seen {
        let text = "site = \"s\"\nprobe = \"p\"\n[[broker]]\nurl = \"mqtt://h\"\n";
        let config = Config::parse("lab", text).expect("a good file");
        let fix = Fix {
            at_mono_ms: 10_000,
            lat: 21.6,
            lon: 105.8,
            accuracy_m: Some(5.0),
            altitude_m: None,
            speed_mps: None,
            track_deg: None,
            source: PlaceSource::Gps,
            utc_ms: None,
        };
        let picture = Picture { modems: [(ModemKey("m".into()), state)].into(), left_out: 0 };
        let facts = FactsByInterface::new();
        let view = View {
            config: &config,
            picture: &picture,
            facts: &facts,
            fix: &fix,
            now_mono_ms: 10_000,
            at_ms: 1,
            indoor: false,
        };
        view.see(&[]).remove(0)
    }

    fn reading(seen: &Seen) -> &Reading {
        match &seen.radio {
            Some((_, Outcome::Reading(reading), _)) => reading,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_modem_repeats_while_nothing_answers_is_no_signal_of_a_point() {
        let alive = seen(state(RegistrationStat::Home, Some(-95.0)));
        let stale = seen(ModemState { stale: true, ..state(RegistrationStat::Home, Some(-95.0)) });
        let flags = |seen: &Seen| match reading(seen) {
            Reading::Radio(radio) => (radio.taken, radio.stale, seen.point.cell.is_some()),
            other => panic!("{other:?}"),
        };
        assert_eq!(flags(&alive), (Some(Taken::Survey), None, true));
        assert_eq!(flags(&stale), (Some(Taken::Survey), Some(true), false));
    }

    #[test]
    fn a_point_without_a_cell_is_a_registration_that_the_survey_took() {
        let seen = seen(state(RegistrationStat::Searching, None));
        let Reading::Registration(registration) = reading(&seen) else { panic!("{seen:?}") };
        assert_eq!((registration.stat, registration.taken), (RegistrationStat::Searching, Some(Taken::Survey)));
        assert_eq!(seen.gave, Gave::NoService);
    }
}
