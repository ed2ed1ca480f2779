//! The script: each state of a modem, what must stand in the store for it, and what it is when it lasts.
//!
//! In: nothing. Out: a table. Where ModemManager hides what a modem knows, the table says what is left of it.

use super::agent::Way;
use super::read::Heard;
use super::street::Road;
use crate::harness::virtual_modem::State;
use phusong_protocol::{BearerState, FailureKind, Outcome, Reading, RegistrationStat, ServiceState, SimState};

/// What a state comes to when it lasts for four windows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    Nothing,
    Gap(&'static str),
    Blind(&'static str),
}

/// What becomes of the modem.
#[derive(Debug, Clone)]
pub enum Turn {
    Set(State),
    /// Off the bus.
    Unplug,
    /// The daemon is killed and started again; the modem stays.
    Daemon,
}

pub struct Case {
    pub name: &'static str,
    pub turn: Turn,
    pub road: Road,
    /// Whether a row says what it must; a case is right once one does.
    pub proof: fn(&Heard, Way) -> bool,
    pub end: End,
    /// Only over this way; `None`: over both.
    pub only: Option<Way>,
}

/// The level that a good row shows, exactly.
fn level(heard: &Heard, wanted: f32) -> bool {
    let Outcome::Reading(Reading::Radio(radio)) = &heard.outcome else { return false };
    let right = |dbm: Option<f32>| dbm.is_some_and(|dbm| (dbm - wanted).abs() < 0.05);
    let sim = heard.uplink.as_ref().and_then(|uplink| uplink.sim_plmn.as_deref());
    radio.cells.iter().any(|cell| right(cell.rsrp_dbm)) && sim == Some("452-04")
}

fn service(heard: &Heard) -> Option<ServiceState> {
    heard.uplink.as_ref().and_then(|uplink| uplink.service_state)
}

fn stat(heard: &Heard, wanted: RegistrationStat) -> bool {
    matches!(&heard.outcome, Outcome::Reading(Reading::Registration(said)) if said.stat == wanted)
}

/// Where a serial line says which network a modem camps on, ModemManager says only that it is not registered.
fn limited(heard: &Heard, way: Way) -> bool {
    let serving = heard.uplink.as_ref().and_then(|uplink| uplink.serving_plmn.as_deref());
    match way {
        Way::Serial => service(heard) == Some(ServiceState::Limited) && serving == Some("452-02"),
        Way::Manager => matches!(service(heard), Some(ServiceState::Limited | ServiceState::None)),
    }
}

fn denied(heard: &Heard, way: Way) -> bool {
    let Outcome::Reading(Reading::Registration(said)) = &heard.outcome else { return false };
    // ModemManager 1.20 keeps the cause to itself.
    said.stat == RegistrationStat::Denied && (way == Way::Manager || said.reject_cause == Some(8))
}

fn no_sim(heard: &Heard, _: Way) -> bool {
    matches!(&heard.outcome, Outcome::Reading(Reading::Registration(said)) if said.sim == Some(SimState::Absent))
}

fn refused(heard: &Heard, _: Way) -> bool {
    let Outcome::Reading(Reading::Registration(said)) = &heard.outcome else { return false };
    said.bearer == Some(BearerState::Refused)
}

fn failed(heard: &Heard, kind: FailureKind, of: phusong_protocol::Attempt) -> bool {
    matches!(&heard.outcome, Outcome::Failure(failure) if failure.kind == kind && failure.of == of)
}

impl Case {
    /// ModemManager 1.20 tells no cause of a refusal; then nobody can say that it is the SIM.
    pub fn end_over(&self, way: Way) -> End {
        if self.name == "denied" && way == Way::Manager { End::Blind("unknown") } else { self.end }
    }
}

/// In the order in which one modem lives through it.
pub fn script() -> Vec<Case> {
    use phusong_protocol::Attempt;
    let set = |name, state, road, proof, end| Case { name, turn: Turn::Set(state), road, proof, end, only: None };
    let home = |heard: &Heard, _: Way| level(heard, -85.0) && service(heard) == Some(ServiceState::Home);
    let vanished = |heard: &Heard, _: Way| failed(heard, FailureKind::DeviceMissing, Attempt::Radio);
    vec![
        set("good", State::good(), Road::Open, home, End::Nothing),
        set("weak", State::weak(), Road::Open, |heard, _| level(heard, -112.0), End::Nothing),
        set("edge", State::edge(), Road::Open, |heard, _| level(heard, -124.0), End::Nothing),
        set("limited", State::limited(), Road::Cut, limited, End::Gap("no_coverage")),
        set(
            "searching",
            State::searching(),
            Road::Cut,
            |heard, _| stat(heard, RegistrationStat::Searching),
            End::Gap("no_coverage"),
        ),
        set("denied", State::denied(8), Road::Cut, denied, End::Blind("sim")),
        set("sim removed", State::no_sim(), Road::Cut, no_sim, End::Blind("sim")),
        set("bearer refused", State::bearer_refused(33), Road::Cut, refused, End::Blind("bearer")),
        set(
            "portal",
            State::good(),
            Road::Portal,
            |heard, _| failed(heard, FailureKind::Portal, Attempt::Http),
            End::Blind("plan"),
        ),
        set(
            "backhaul",
            State::good(),
            Road::Silent,
            |heard, _| failed(heard, FailureKind::Timeout, Attempt::Http),
            End::Gap("backhaul"),
        ),
        Case {
            name: "modem gone",
            turn: Turn::Unplug,
            road: Road::Cut,
            proof: vanished,
            end: End::Blind("device"),
            only: None,
        },
        Case {
            name: "daemon restarted",
            turn: Turn::Daemon,
            road: Road::Open,
            proof: home,
            end: End::Nothing,
            only: Some(Way::Manager),
        },
    ]
}
