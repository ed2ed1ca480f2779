//! Decisions about one modem, without a bus.

use super::super::link::Refusal;
use super::*;
use phusong_protocol::{BearerState, ServiceState};

const REGISTERED: i64 = 8;
const LTE: i64 = 1 << 14;

fn props(all: &[(&str, Value)]) -> Props {
    Props(all.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
}

fn level(rsrp: f64) -> Value {
    Value::Map(vec![(Value::Text("rsrp".into()), Value::Real(rsrp))])
}

fn modem(state: i64, registration: i64) -> Modem {
    let all = Interfaces::from([
        (
            "Modem".to_owned(),
            props(&[
                ("State", Value::Int(state)),
                ("UnlockRequired", Value::Int(1)),
                ("AccessTechnologies", Value::Int(LTE)),
                ("Sim", Value::Text("/".into())),
            ]),
        ),
        (
            "Modem.Modem3gpp".to_owned(),
            props(&[("RegistrationState", Value::Int(registration)), ("OperatorCode", Value::Text("45204".into()))]),
        ),
        ("Modem.Signal".to_owned(), props(&[("Lte", level(-85.0))])),
    ]);
    Modem::new(ModemKey("m".into()), 1, (30_000, 300_000), all, 0)
}

fn levels_of(step: &Step) -> Vec<f32> {
    let signal = step.events.iter().filter_map(|event| match event {
        Event::Signal(signal) => signal.cells[0].rsrp_dbm,
        _ => None,
    });
    signal.collect()
}

fn registrations(step: &Step) -> Vec<(RegistrationStat, Option<ServiceState>)> {
    let said = step.events.iter().filter_map(|event| match event {
        Event::Registration(now) => Some((now.stat, now.service)),
        _ => None,
    });
    said.collect()
}

#[test]
fn a_level_counts_once_the_modem_was_read_again_and_then_at_its_pace() {
    let mut modem = modem(REGISTERED, 1);
    let first = modem.step(0);
    assert!(first.jobs.contains(&Job::Setup(30)), "{first:?}");
    assert_eq!(levels_of(&first), [0.0; 0], "nobody knows how old it is");
    assert_eq!(registrations(&first), [(RegistrationStat::Home, Some(ServiceState::Home))]);
    modem.done(&Job::Setup(30), Ok(Answer::Done), 100);
    assert_eq!(levels_of(&modem.step(500)), [0.0; 0]);
    assert_eq!(levels_of(&modem.step(1_600)), [-85.0]);
    assert_eq!(levels_of(&modem.step(20_000)), [0.0; 0]);
    assert_eq!(levels_of(&modem.step(31_700)), [-85.0]);
    modem.changed("Modem.Signal", props(&[("Lte", level(-90.0))]), &[]);
    assert_eq!(levels_of(&modem.step(31_800)), [-90.0], "a change is said at once");
}

#[test]
fn a_level_without_registration_is_limited_service_while_it_moves_and_only_when_that_lasts() {
    let mut modem = modem(REGISTERED, 1);
    modem.step(0);
    modem.changed("Modem.Modem3gpp", props(&[("RegistrationState", Value::Int(2))]), &[]);
    assert_eq!(registrations(&modem.step(1_000)), [(RegistrationStat::Searching, None)]);
    modem.changed("Modem.Signal", props(&[("Lte", level(-99.0))]), &[]);
    let soon = modem.step(3_000);
    assert_eq!((registrations(&soon), levels_of(&soon)), (vec![], vec![]));
    assert!(modem.due(3_000) <= 11_000);
    let later = modem.step(11_000);
    assert_eq!(registrations(&later), [(RegistrationStat::Searching, Some(ServiceState::Limited))]);
    assert_eq!(levels_of(&later), [-99.0]);
    // It stood still for two minutes: ModemManager's memory.
    assert_eq!(registrations(&modem.step(123_001)), [(RegistrationStat::Searching, None)]);
}

#[test]
fn whoever_is_refused_has_no_limited_service_however_many_levels_come() {
    let mut modem = modem(REGISTERED, 1);
    modem.step(0);
    modem.changed("Modem.Modem3gpp", props(&[("RegistrationState", Value::Int(3))]), &[]);
    assert_eq!(registrations(&modem.step(1_000)), [(RegistrationStat::Denied, None)]);
    modem.changed("Modem.Signal", props(&[("Lte", level(-99.0))]), &[]);
    assert_eq!(registrations(&modem.step(3_000)), []);
    assert_eq!(registrations(&modem.step(11_000)), [], "whose cell it is nobody says");
}

#[test]
fn what_a_modem_cannot_do_is_asked_once_and_what_failed_is_asked_again() {
    let mut modem = modem(words::DISABLED, 0);
    assert!(modem.step(0).jobs.contains(&Job::Enable));
    modem.done(&Job::Enable, Err(Refusal::Failed("no".into())), 10);
    assert_eq!(modem.step(20).jobs, []);
    assert!(modem.step(AGAIN_MS).jobs.contains(&Job::Enable));
    modem.done(&Job::Enable, Ok(Answer::Done), AGAIN_MS);
    modem.changed("Modem", props(&[("State", Value::Int(REGISTERED))]), &[]);
    modem.step(AGAIN_MS + 1);
    assert!(modem.step(AGAIN_MS + 20_000).jobs.contains(&Job::Cells));
    modem.done(&Job::Cells, Err(Refusal::Unsupported), AGAIN_MS + 20_100);
    assert!(!modem.step(AGAIN_MS + 900_000).jobs.contains(&Job::Cells));
}

#[test]
fn a_receiver_is_switched_on_after_the_cell_unless_somebody_manages_it() {
    let location = |on: u32| props(&[("Capabilities", Value::Int(7)), ("Enabled", Value::Int(on.into()))]);
    let cases = [(0, Some(Job::Sources(1, false))), (1, Some(Job::Sources(7, false))), (1 | 16, None), (7, None)];
    for (on, expected) in cases {
        let mut modem = modem(REGISTERED, 1);
        modem.added(Interfaces::from([("Modem.Location".to_owned(), location(on))]));
        let jobs = modem.step(0).jobs;
        assert_eq!(jobs.into_iter().find(|job| matches!(job, Job::Sources(..))), expected, "{on}");
    }
}

#[test]
fn a_refused_bearer_has_the_networks_cause() {
    let mut modem = modem(REGISTERED, 1);
    modem.changed("Modem", props(&[("Bearers", Value::List(vec![Value::Text("/b".into())]))]), &[]);
    let job = Job::Bearer("/b".into());
    assert!(modem.step(0).jobs.contains(&job));
    let error = ["org.freedesktop.ModemManager1.Error.MobileEquipment.ServiceOptionNotSubscribed", "not subscribed"];
    let error = Value::List(error.map(|text| Value::Text(text.into())).to_vec());
    modem.done(&job, Ok(Answer::Props(props(&[("Connected", Value::Bool(false)), ("ConnectionError", error)]))), 10);
    let said = modem.step(10).events.into_iter().find_map(|event| match event {
        Event::Bearer(bearer) => Some((bearer.state, bearer.cause)),
        _ => None,
    });
    assert_eq!(said, Some((BearerState::Refused, Some(33))));
}
