//! One device with two modems, one behind the real ModemManager and one on a serial line: each tells of its own network,
//! and one that is pulled out silences nobody else.

use phusong_protocol::{FailureKind, Outcome, RadioCell, Reading, RegistrationReading, RegistrationStat};
use phusong_tests::harness::virtual_modem::{Cell, Family, Listen, State};
use phusong_tests::harness::{Agent, Collector, Lab, ModemManager, VirtualModem, wait};
use phusong_tests::modem_e2e::read::{Heard, newest, rows};

const MANAGED: &str = "viettel";
const SERIAL: &str = "vinaphone";

fn registration(heard: &Heard) -> Option<&RegistrationReading> {
    match &heard.outcome {
        Outcome::Reading(Reading::Registration(said)) => Some(said),
        _ => None,
    }
}

fn serving(heard: &Heard) -> Option<&RadioCell> {
    match &heard.outcome {
        Outcome::Reading(Reading::Radio(radio)) => radio.cells.first(),
        _ => None,
    }
}

fn of<'a>(heard: &'a Heard, modem: &str) -> Option<&'a Heard> {
    heard.uplink.as_ref().is_some_and(|uplink| uplink.interface == modem).then_some(heard)
}

/// Waits for a row of this modem that is as wanted, after row `after`.
fn stored(collector: &Collector, after: i64, modem: &str, what: &str, wanted: impl Fn(&Heard) -> bool) -> Heard {
    let look = || {
        let all = rows(collector, "p1", after).ok()?;
        all.into_iter().find(|heard| of(heard, modem).is_some_and(&wanted))
    };
    wait::until(what, wait::PATIENCE, look).unwrap_or_else(|e| {
        let all = rows(collector, "p1", after).unwrap_or_default();
        panic!("{modem}: {e}; stored: {all:#?}")
    })
}

fn says(stat: RegistrationStat) -> impl Fn(&Heard) -> bool {
    move |heard| registration(heard).is_some_and(|said| said.stat == stat)
}

fn is_gone(heard: &Heard) -> bool {
    matches!(&heard.outcome, Outcome::Failure(failure) if failure.kind == FailureKind::DeviceMissing)
}

fn level(dbm: f32) -> impl Fn(&Heard) -> bool {
    move |heard| serving(heard).is_some_and(|cell| cell.rsrp_dbm == Some(dbm))
}

#[test]
fn two_modems_tell_of_their_own_networks_and_one_that_is_pulled_out_silences_nobody() {
    if !ModemManager::here("two modems") {
        return;
    }
    let lab = Lab::start("two-modems", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let managed = VirtualModem::start_as(Listen::Abstract, Family::Generic, State::level(-85, -9, 14));
    let mut managed = managed.expect("a modem");
    let manager = ModemManager::start(lab.path()).expect("ModemManager starts");
    manager.add("m0", "generic", &managed).expect("it takes the modem");
    let abroad = |dbm| State { stat: 5, cell: Some(Cell::lte(dbm, -10, 8).of("457", "08")), ..State::good() };
    let mut serial = VirtualModem::start_as(Listen::Pty, Family::Quectel, abroad(-97)).expect("a pty");

    let mut config = lab.agent_config("p1");
    config.extra = format!(
        "[[modem]]\nname = {MANAGED:?}\nsource = \"modemmanager\"\ndevice = {:?}\nsignal_ms = 1000\n\
         [[modem]]\nname = {SERIAL:?}\nsource = \"at\"\ndevice = {:?}\nsignal_ms = 1000\n",
        managed.imei(),
        serial.path(),
    );
    let _agent = Agent::start(config, &[("DBUS_SYSTEM_BUS_ADDRESS", manager.address())]).expect("the agent starts");

    // Each with its own values, and with nothing of the other's.
    stored(&collector, 0, MANAGED, "at home", says(RegistrationStat::Home));
    stored(&collector, 0, SERIAL, "abroad", says(RegistrationStat::Roaming));
    let first = stored(&collector, 0, MANAGED, "a level", level(-85.0));
    let second = stored(&collector, 0, SERIAL, "a level", level(-97.0));
    let network = |heard: &Heard| {
        let uplink = heard.uplink.clone().expect("a modem's row has its link");
        (uplink.serving_plmn, uplink.roaming)
    };
    assert_eq!(network(&first), (Some("452-04".to_owned()), Some(false)));
    assert_eq!(network(&second), (Some("457-08".to_owned()), Some(true)));
    for heard in rows(&collector, "p1", 0).expect("rows") {
        let dbm = serving(&heard).and_then(|cell| cell.rsrp_dbm);
        let own = dbm.is_none() || dbm == Some(if of(&heard, MANAGED).is_some() { -85.0 } else { -97.0 });
        assert!(own, "a level of the other modem: {heard:#?}");
    }

    // Pulled out: gone is written, the other goes on.
    let after = newest(&collector).expect("a number");
    serial.unplug();
    managed.set(State::level(-88, -10, 11));
    stored(&collector, after, SERIAL, "gone", is_gone);
    stored(&collector, after, MANAGED, "a new level", level(-88.0));
    let silent = newest(&collector).expect("a number");
    stored(&collector, silent, MANAGED, "and one more", level(-88.0));
    let stale = rows(&collector, "p1", silent).expect("rows");
    assert!(stale.iter().all(|heard| of(heard, SERIAL).and_then(serving).is_none()), "{stale:#?}");

    // And back in its place, under its own name.
    serial.set(abroad(-103));
    serial.plug().expect("the port is there again");
    stored(&collector, silent, SERIAL, "it is back", level(-103.0));

    // The other way round.
    let after = newest(&collector).expect("a number");
    managed.unplug();
    manager.removed("m0").expect("it was there");
    serial.set(abroad(-91));
    stored(&collector, after, MANAGED, "gone", is_gone);
    stored(&collector, after, SERIAL, "a level", level(-91.0));
    let later = newest(&collector).expect("a number");
    stored(&collector, later, SERIAL, "and one more", level(-91.0));
    let stale = rows(&collector, "p1", later).expect("rows");
    assert!(stale.iter().all(|heard| of(heard, MANAGED).and_then(serving).is_none()), "{stale:#?}");
}
