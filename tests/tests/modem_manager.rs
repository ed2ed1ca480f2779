//! Modems over D-Bus: the real ModemManager, on a bus of its own, with a modem that is a program.

use phusong_agent::config::{ModemConfig, ModemSource};
use phusong_agent::device::modem::mm::{self, Bus};
use phusong_agent::device::modem::{Ask, Event, ModemKey, Registered, Said, Signal};
use phusong_protocol::{BearerState, RegistrationStat, ServiceState, SimState, Technology};
use phusong_tests::harness::virtual_modem::{Family, Listen, SimCard, State};
use phusong_tests::harness::{ModemManager, TempDir, VirtualModem};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// From a change in the air to the event.
const AT_ONCE: Duration = Duration::from_secs(2);
/// From the modem's appearance to its first level.
const FIRST: Duration = Duration::from_secs(15);
const PATIENCE: Duration = Duration::from_secs(30);

struct World {
    /// Ended first: it listens to what follows.
    runtime: Runtime,
    said: mpsc::Receiver<Said>,
    asks: mpsc::Sender<Ask>,
    manager: ModemManager,
    modem: VirtualModem,
    family: Family,
    _dir: TempDir,
}

fn config(device: Option<&str>) -> ModemConfig {
    ModemConfig {
        name: "viettel".into(),
        source: ModemSource::ModemManager,
        device: device.map(Into::into),
        interface: None,
        model: None,
        command: vec![],
        signal_ms: 5_000,
        neighbours_ms: 60_000,
        scan_ms: None,
    }
}

impl World {
    /// `None`: this machine has no ModemManager, and that was said.
    fn start(name: &str, state: State) -> Option<Self> {
        Self::start_as(name, Family::Generic, state, |_| config(None))
    }

    fn start_as(name: &str, family: Family, state: State, table: impl Fn(&str) -> ModemConfig) -> Option<Self> {
        if !ModemManager::here(name) {
            return None;
        }
        let dir = TempDir::new(name).expect("a directory");
        let manager = ModemManager::start(dir.path()).expect("ModemManager starts");
        let modem = VirtualModem::start_as(Listen::Abstract, family, state).expect("a modem");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (out, said) = mpsc::channel(64);
        let (asks, asked) = mpsc::channel(8);
        runtime.spawn(mm::run(vec![table(&modem.imei())], Bus::Address(manager.address().into()), out, asked));
        let world = World { runtime, said, asks, manager, modem, family, _dir: dir };
        world.add();
        Some(world)
    }

    fn add(&self) {
        let plugin = if self.family == Family::Quectel { "quectel" } else { "generic" };
        self.manager.add("m0", plugin, &self.modem).expect("ModemManager takes the modem");
    }

    /// Its ports are gone, and udev says so.
    fn unplug(&mut self) {
        self.modem.unplug();
        let heard = self.manager.removed("m0");
        assert!(heard.is_ok(), "{heard:?}");
    }

    /// The next word about the modem, within the patience.
    fn next(&mut self, patience: Duration) -> Option<Said> {
        let heard = self.runtime.block_on(async { tokio::time::timeout(patience, self.said.recv()).await });
        heard.ok().map(|said| said.expect("the source runs"))
    }

    /// Listens until `find` finds what it wants.
    fn until<T>(&mut self, what: &str, patience: Duration, mut find: impl FnMut(&Event) -> Option<T>) -> T {
        let deadline = Instant::now() + patience;
        let mut heard = Vec::new();
        while let Some(said) = self.next(deadline.saturating_duration_since(Instant::now())) {
            if let Some(found) = find(&said.what) {
                return found;
            }
            heard.push(said);
        }
        panic!("waited {patience:?} in vain: {what}; heard {heard:#?}\n{}", self.manager.log_text())
    }

    fn registration(&mut self, stat: RegistrationStat, patience: Duration) -> Registered {
        self.until(&format!("{stat:?}"), patience, |event| match event {
            Event::Registration(now) if now.stat == stat => Some(now.clone()),
            _ => None,
        })
    }

    fn signal(&mut self, patience: Duration) -> Signal {
        self.until("a signal", patience, signal_of)
    }

    /// Nothing of this kind is said for a while.
    fn never(&mut self, what: &str, span: Duration, mut is: impl FnMut(&Event) -> bool) {
        let deadline = Instant::now() + span;
        while let Some(said) = self.next(deadline.saturating_duration_since(Instant::now())) {
            assert!(!is(&said.what), "{what}: {said:?}");
        }
    }
}

fn signal_of(event: &Event) -> Option<Signal> {
    match event {
        Event::Signal(signal) => Some(signal.clone()),
        _ => None,
    }
}

fn present(event: &Event) -> Option<()> {
    matches!(event, Event::Present(_)).then_some(())
}

fn vanished(event: &Event) -> Option<String> {
    match event {
        Event::Vanished { why } => Some(why.clone()),
        _ => None,
    }
}

fn sim_of(event: &Event) -> Option<(SimState, Option<String>)> {
    match event {
        Event::Sim(sim) => Some((sim.state, sim.plmn.clone())),
        _ => None,
    }
}

#[test]
fn a_modem_that_appears_is_enabled_registers_and_shows_its_level_in_fifteen_seconds() {
    let Some(mut world) = World::start("mm-appears", State::level(-97, -10, 8)) else { return };
    let appeared = Instant::now();
    let identity = world.until("the modem", PATIENCE, |event| match event {
        Event::Present(identity) => Some(identity.clone()),
        _ => None,
    });
    assert_eq!((identity.model.as_deref(), identity.source.as_str()), (Some("VM-1"), "modemmanager"));
    assert_eq!(identity.able, [Technology::Gsm, Technology::Umts, Technology::Lte]);
    let sim = world.until("the SIM", PATIENCE, sim_of);
    assert_eq!(sim, (SimState::Ready, Some("452-04".into())));
    let registered = world.registration(RegistrationStat::Home, PATIENCE);
    assert_eq!((registered.plmn.as_deref(), registered.service), (Some("452-04"), Some(ServiceState::Home)));
    assert_eq!(registered.technology, Some(Technology::Lte));
    let signal = world.signal(FIRST);
    assert!(appeared.elapsed() < FIRST, "{:?}", appeared.elapsed());
    let [cell] = signal.cells.as_slice() else { panic!("one cell: {signal:?}") };
    assert_eq!((cell.rsrp_dbm, cell.rsrq_db, cell.sinr_db), (Some(-97.0), Some(-10.0), None), "{signal:?}");
    assert_eq!((cell.technology, cell.serving), (Some(Technology::Lte), Some(true)));
    assert_eq!((cell.mcc.as_deref(), cell.mnc.as_deref()), (Some("452"), Some("04")));
    assert_eq!((cell.cell_id, cell.tac, cell.lac), (Some(0x79_D903), Some(0x1F00), None));
}

#[test]
fn lost_coverage_is_said_at_once_and_the_level_of_before_is_not_said_again() {
    let Some(mut world) = World::start("mm-lost", State::good()) else { return };
    world.signal(PATIENCE);
    for state in [State::searching(), State::denied(15)] {
        let stat = if state.stat == 2 { RegistrationStat::Searching } else { RegistrationStat::Denied };
        let no_cell = State { cell: None, ..state };
        let changed = Instant::now();
        world.modem.set(no_cell);
        let lost = world.registration(stat, AT_ONCE);
        assert!(changed.elapsed() < AT_ONCE, "{:?}", changed.elapsed());
        assert_eq!((lost.plmn, lost.technology, lost.cell, lost.service), (None, None, None, None));
        // ModemManager itself goes on showing the last level.
        world.never("a level without coverage", Duration::from_secs(7), |event| signal_of(event).is_some());
        world.modem.set(State::weak());
        world.registration(RegistrationStat::Home, PATIENCE);
        let again = world.signal(PATIENCE);
        assert_eq!(again.cells[0].rsrp_dbm, Some(-112.0), "not the level of before");
        world.modem.set(State::good());
        world.until("the good level", PATIENCE, |event| {
            signal_of(event).filter(|signal| signal.cells[0].rsrp_dbm == Some(-85.0))
        });
    }
}

#[test]
fn a_level_that_moves_without_registration_is_limited_service_of_an_unnamed_network() {
    let Some(mut world) = World::start("mm-limited", State::good()) else { return };
    world.signal(PATIENCE);
    world.modem.set(State::limited());
    let lost = world.registration(RegistrationStat::Idle, AT_ONCE);
    assert_eq!(lost.service, None, "it may be about to register");
    let limited = world.until("limited service", PATIENCE, |event| match event {
        Event::Registration(now) if now.service == Some(ServiceState::Limited) => Some(now.clone()),
        _ => None,
    });
    assert_eq!((limited.stat, limited.plmn), (RegistrationStat::Idle, None));
    let signal = world.signal(PATIENCE);
    let cell = &signal.cells[0];
    assert_eq!((cell.rsrp_dbm, cell.mcc.as_deref(), cell.cell_id), (Some(-91.0), None, None), "{signal:?}");
}

#[test]
fn a_sim_that_is_absent_locked_or_broken_is_said_as_that() {
    let cases = [
        ("mm-no-sim", SimCard::Absent, SimState::Absent),
        ("mm-pin", SimCard::Pin, SimState::Pin),
        ("mm-puk", SimCard::Puk, SimState::Puk),
    ];
    for (name, card, expected) in cases {
        let Some(mut world) = World::start(name, State::sim(card)) else { return };
        let (state, _) = world.until("the SIM", PATIENCE, sim_of);
        assert_eq!(state, expected, "{name}");
        world.never(
            "a registration",
            Duration::from_secs(1),
            |event| matches!(event, Event::Registration(now) if now.service.is_some()),
        );
    }
}

#[test]
fn a_sim_that_was_taken_out_is_absent_when_the_modem_is_there_again() {
    let Some(mut world) = World::start("mm-sim-out", State::good()) else { return };
    world.signal(PATIENCE);
    world.unplug();
    world.until("the modem is gone", AT_ONCE, vanished);
    world.modem.set(State::no_sim());
    world.modem.plug().expect("it is plugged again");
    world.add();
    let (state, _) = world.until("the SIM", PATIENCE, sim_of);
    assert_eq!(state, SimState::Absent);
}

#[test]
fn a_sim_that_leaves_a_running_modem_is_absent_where_the_plugin_hears_of_it() {
    let Some(mut world) = World::start_as("mm-hot-swap", Family::Quectel, State::good(), |_| config(None)) else {
        return;
    };
    world.registration(RegistrationStat::Home, PATIENCE);
    world.modem.set(State::no_sim());
    // The report that Quectel's plugin takes for a change of SIM.
    world.modem.say(b"\r\n+QUSIM: 1\r\n");
    let absent =
        world.until("the SIM is gone", PATIENCE, |event| sim_of(event).filter(|(state, _)| *state != SimState::Ready));
    assert_eq!(absent.0, SimState::Absent);
    world.modem.set(State::good());
    world.modem.say(b"\r\n+QUSIM: 1\r\n");
    world.until("the SIM is back", PATIENCE, |event| sim_of(event).filter(|(state, _)| *state == SimState::Ready));
    world.registration(RegistrationStat::Home, PATIENCE);
}

#[test]
fn a_bearer_is_connected_or_refused_with_the_networks_cause() {
    let Some(mut world) = World::start("mm-bearer", State::bearer_refused(33)) else { return };
    world.registration(RegistrationStat::Home, PATIENCE);
    let connect = ["-m", "any", "--simple-connect=apn=v-internet"];
    world.manager.mmcli(&connect).expect_err("the network refuses");
    let bearer = |state: BearerState| {
        move |event: &Event| match event {
            Event::Bearer(bearer) if bearer.state == state => Some(bearer.clone()),
            _ => None,
        }
    };
    let refused = world.until("a refusal", PATIENCE, bearer(BearerState::Refused));
    assert_eq!((refused.cause, refused.apn.as_deref()), (Some(33), Some("v-internet")), "{refused:?}");
    world.modem.set(State::good());
    world.manager.mmcli(&connect).expect("the network grants");
    let connected = world.until("a bearer", PATIENCE, bearer(BearerState::Connected));
    assert_eq!((connected.cause, connected.apn.as_deref()), (None, Some("v-internet")));
    assert!(connected.interface.is_some(), "{connected:?}");
}

#[test]
fn a_daemon_that_restarts_loses_its_modems_and_brings_them_back_with_their_levels() {
    let Some(mut world) = World::start("mm-restart", State::good()) else { return };
    world.signal(PATIENCE);
    for killed in [false, true] {
        if killed { world.manager.kill9() } else { world.manager.stop() }.expect("it ends");
        let why = world.until("the modem is gone", AT_ONCE, vanished);
        assert!(!why.is_empty());
        world.manager.launch().expect("it starts");
        world.add();
        let again = Instant::now();
        world.until("the modem", PATIENCE, present);
        world.registration(RegistrationStat::Home, PATIENCE);
        assert_eq!(world.signal(FIRST).cells[0].rsrp_dbm, Some(-85.0));
        assert!(again.elapsed() < FIRST, "{:?}", again.elapsed());
    }
}

#[test]
fn a_modem_that_is_unplugged_is_gone_and_comes_back_under_its_name() {
    let Some(mut world) = World::start("mm-unplug", State::good()) else { return };
    world.signal(PATIENCE);
    world.unplug();
    world.until("the modem is gone", AT_ONCE, vanished);
    world.modem.plug().expect("it is plugged again");
    world.add();
    world.until("the modem", PATIENCE, present);
    let said = world.next(PATIENCE).expect("more is said");
    assert_eq!(said.modem, ModemKey("viettel".into()));
    assert_eq!(world.signal(FIRST).cells[0].rsrp_dbm, Some(-85.0));
}

#[test]
fn operators_are_searched_when_asked_and_a_new_cell_is_seen_at_the_asked_pace() {
    let Some(mut world) = World::start("mm-scan", State::good()) else { return };
    world.signal(PATIENCE);
    let modem = ModemKey("viettel".into());
    world.asks.try_send(Ask::Scan(modem.clone())).expect("the source listens");
    let entries = world.until("a scan", PATIENCE, |event| match event {
        Event::Scanned { entries, elapsed_ms, .. } if *elapsed_ms > 0 => Some(entries.clone()),
        _ => None,
    });
    let mut found: Vec<_> = entries.iter().map(|entry| (entry.plmn.as_str(), entry.technology)).collect();
    let (lte, umts) = (Some(Technology::Lte), Some(Technology::Umts));
    found.sort_by_key(|(plmn, _)| *plmn);
    assert_eq!(found, [("452-01", umts), ("452-02", lte), ("452-04", lte)]);
    world.asks.try_send(Ask::Pace { modem, signal_ms: 1_000 }).expect("the source listens");
    world.modem.set(State::moved());
    world.until("the new cell", Duration::from_secs(5), |event| {
        signal_of(event).filter(|signal| {
            let cell = &signal.cells[0];
            (cell.cell_id, cell.rsrp_dbm) == (Some(0x79_DA01), Some(-101.0))
        })
    });
}

#[test]
fn a_table_speaks_for_the_modem_whose_imei_it_names_and_others_keep_their_own_name() {
    let cases = [
        ("mm-imei", None, "viettel"),
        ("mm-place", Some("/virtual/m0"), "viettel"),
        ("mm-other", Some("358000999999999"), "m0"),
    ];
    for (name, device, expected) in cases {
        let Some(mut world) =
            World::start_as(name, Family::Generic, State::good(), |imei| config(Some(device.unwrap_or(imei))))
        else {
            return;
        };
        let mut said = world.next(PATIENCE).expect("the modem");
        while present(&said.what).is_none() {
            said = world.next(PATIENCE).expect("the modem");
        }
        assert_eq!(said.modem.0, expected, "{name}");
    }
}
