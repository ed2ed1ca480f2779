//! Scripts of what modems say, and the samples that they become.

mod checks;

use super::*;
use crate::config::ModemSource;
use crate::device::modem::{Bearer, Identity, Registered, Signal, Sim};
use crate::modems::exchange::Tried;
use phusong_protocol::{
    BearerState, Reading, RegistrationStat as Stat, Rrc, ScanEntry, ServiceState, SimState, Technology,
};

/// One line of a script: the time in seconds, and what happens then.
enum Step {
    Says(Event),
    /// One second after the other up to this one.
    Until,
    Sees(World),
}
use Step::{Says, Sees, Until};

fn key() -> ModemKey {
    ModemKey("m".into())
}

fn settings() -> Settings {
    let modem = ModemConfig {
        name: "m".into(),
        source: ModemSource::At,
        device: Some("/dev/ttyUSB2".into()),
        interface: Some("wwan0".into()),
        model: None,
        command: Vec::new(),
        signal_ms: 30_000,
        neighbours_ms: 300_000,
        scan_ms: None,
    };
    Settings { modems: vec![modem], ..Settings::default() }
}

fn sim(state: SimState) -> Event {
    Event::Sim(Sim { state, plmn: (state == SimState::Ready).then(|| "452-04".into()), operator: None, raw: None })
}

fn registered(stat: Stat, service: Option<ServiceState>, plmn: Option<&str>, technology: Option<Technology>) -> Event {
    let plmn = plmn.map(str::to_owned);
    Event::Registration(Registered { stat, service, plmn, technology, cell: None, reject_cause: None, raw: None })
}

fn home() -> Event {
    registered(Stat::Home, None, Some("452-04"), Some(Technology::Lte))
}

fn searching() -> Event {
    registered(Stat::Searching, None, None, None)
}

fn signal(rsrp_dbm: f32) -> Event {
    let cell =
        RadioCell { technology: Some(Technology::Lte), pci: Some(7), rsrp_dbm: Some(rsrp_dbm), ..RadioCell::default() };
    Event::Signal(Signal { cells: vec![cell], rrc: Some(Rrc::Connected), raw: None })
}

/// A sample in a few words: second, urgent or not, what.
fn told(write: &Write) -> String {
    let what = match &write.outcome {
        Outcome::Failure(failure) => {
            format!("{:?}/{:?} {}", failure.of, failure.kind, failure.detail.as_deref().unwrap_or("-"))
        }
        Outcome::Reading(Reading::Registration(r)) => {
            let more = [
                r.reject_cause.map(|cause| format!(" cause {cause}")),
                r.sim.filter(|sim| *sim != SimState::Ready).map(|sim| format!(" sim {sim:?}")),
                r.bearer.map(|bearer| format!(" bearer {bearer:?}")),
                r.bearer_cause.map(|cause| format!(" {cause}")),
                r.reset.map(|_| " reset".to_owned()),
                r.modem.as_ref().map(|modem| format!(" is {modem}")),
            ];
            format!("{:?}{}", r.stat, more.into_iter().flatten().collect::<String>())
        }
        Outcome::Reading(Reading::Radio(r)) => {
            let level = r.cells.first().and_then(|cell| cell.rsrp_dbm).map_or("-".into(), |dbm| dbm.to_string());
            let flags = [(r.stale, " stale"), (r.reacquiring, " reacquiring")];
            let flags: String = flags.into_iter().filter(|(set, _)| *set == Some(true)).map(|(_, word)| word).collect();
            let check = r.check.as_ref().map(|c| format!(" check able {:?} seen {:?}", c.able, c.seen));
            format!("radio {level}{flags}{}", check.unwrap_or_default())
        }
        Outcome::Reading(Reading::Scan(r)) => format!("scan of {} in {} ms", r.entries.len(), r.elapsed_ms),
        Outcome::Reading(Reading::Neighbours(r)) => format!("{} neighbours", r.cells.len()),
        Outcome::Reading(other) => format!("{other:?}"),
    };
    format!("{}{} {what}", write.at_mono_ms / 1_000, if write.urgent { "!" } else { "" })
}

struct Ran {
    writes: Vec<Write>,
    asks: Vec<(u64, Ask)>,
    others: Vec<Do>,
    tracker: Tracker,
}

fn run(settings: Settings, script: Vec<(u64, Step)>) -> Ran {
    let mut ran = Ran { writes: Vec::new(), asks: Vec::new(), others: Vec::new(), tracker: Tracker::new(settings) };
    let mut second = 0;
    for (at, step) in script {
        while second < at {
            second += 1;
            let things = ran.tracker.tick(second * 1_000);
            ran.keep(second, things);
        }
        match step {
            Says(what) => {
                let said = Said { modem: key(), at_mono_ms: at * 1_000, what };
                let things = ran.tracker.hear(at * 1_000, &said);
                ran.keep(at, things);
            }
            Sees(world) => ran.tracker.see(world),
            Until => {}
        }
    }
    ran
}

impl Ran {
    fn keep(&mut self, second: u64, things: Vec<Do>) {
        for thing in things {
            match thing {
                Do::Write(write) => self.writes.push(*write),
                Do::Ask(ask) => self.asks.push((second, ask)),
                other => self.others.push(other),
            }
        }
    }

    fn told(&self) -> Vec<String> {
        self.writes.iter().map(told).collect()
    }

    fn paces(&self) -> Vec<(u64, u64)> {
        let pace = |(second, ask): &(u64, Ask)| match ask {
            Ask::Pace { signal_ms, .. } => Some((*second, *signal_ms)),
            _ => None,
        };
        self.asks.iter().filter_map(pace).collect()
    }
}

fn check(name: &str, script: Vec<(u64, Step)>, wanted: &[&str]) -> Ran {
    let ran = run(settings(), script);
    assert_eq!(ran.told(), wanted, "{name}");
    ran
}

#[test]
fn a_change_of_registration_sim_or_bearer_is_written_at_once_and_a_repetition_is_not() {
    let refused =
        Bearer { state: BearerState::Refused, interface: Some("wwan0".into()), apn: None, cause: Some(33), raw: None };
    check(
        "changes",
        vec![
            (1, Says(Event::Present(Identity { model: Some("EG25".into()), ..Identity::default() }))),
            (1, Says(sim(SimState::Ready))),
            (2, Says(home())),
            (3, Says(home())),
            (4, Says(registered(Stat::Roaming, None, Some("452-02"), Some(Technology::Lte)))),
            (5, Says(Event::Bearer(refused))),
            (6, Says(sim(SimState::Absent))),
            (7, Says(Event::Reset { why: "silent".into() })),
        ],
        &[
            "2! Home is EG25",
            "4! Roaming",
            "5! Roaming bearer Refused 33",
            "6! Roaming sim Absent bearer Refused 33",
            "7! Roaming sim Absent bearer Refused 33 reset",
        ],
    );
}

#[test]
fn another_service_or_technology_under_the_same_stat_is_a_change_too() {
    let limited = registered(Stat::Idle, Some(ServiceState::Limited), Some("452-02"), None);
    let ran = check(
        "service",
        vec![
            (1, Says(sim(SimState::Ready))),
            (2, Says(registered(Stat::Idle, Some(ServiceState::None), None, None))),
            (3, Says(limited)),
            (4, Says(home())),
            (5, Says(registered(Stat::Home, None, Some("452-04"), Some(Technology::Umts)))),
        ],
        &["2! Idle", "3! Idle", "4! Home", "5 Home"],
    );
    let uplinks: Vec<_> = ran.writes.iter().map(|w| (w.uplink.service_state, w.uplink.serving_plmn.clone())).collect();
    assert_eq!(uplinks[1], (Some(ServiceState::Limited), Some("452-02".into())));
    assert!(ran.writes.iter().all(|w| w.uplink.sim_plmn.as_deref() == Some("452-04")));
    assert_eq!((ran.writes[3].uplink.technology, ran.writes[3].uplink.roaming), (Some(Technology::Umts), Some(false)));
}

#[test]
fn signals_are_written_at_their_pace_and_another_cell_at_once() {
    let other = match signal(-95.0) {
        Event::Signal(mut signal) => {
            signal.cells[0].pci = Some(8);
            Event::Signal(signal)
        }
        other => other,
    };
    let mut script = vec![(0, Says(home()))];
    script.extend((1..=40).map(|second| (second, Says(signal(-90.0)))));
    script.push((41, Says(other)));
    check("pace", script, &["0! Home", "1 radio -90", "27 radio -90", "41 radio -95"]);
}

#[test]
fn without_service_the_agent_looks_every_ten_seconds_for_five_minutes_and_then_every_minute() {
    let ran = run(settings(), vec![(0, Says(home())), (10, Says(searching())), (489, Until), (490, Says(home()))]);
    let told = ran.told();
    let looks = |from: u64, to: u64| {
        let seconds = ran.writes.iter().map(|write| write.at_mono_ms / 1_000);
        seconds.filter(|second| (from..to).contains(second)).collect::<Vec<u64>>()
    };
    assert_eq!((told[0].as_str(), told[1].as_str(), told[2].as_str()), ("0! Home", "10! Searching", "20 Searching"));
    assert_eq!(looks(10, 310), (0..30).map(|look| 10 + 10 * look).collect::<Vec<u64>>());
    assert_eq!(looks(310, 490), [360, 420, 480]);
    assert_eq!(told.last().map(String::as_str), Some("490! Home"));
    assert_eq!(ran.paces(), [(0, 30_000), (10, 10_000), (310, 60_000), (490, 30_000)]);
}

#[test]
fn what_was_read_just_before_a_registration_is_reacquiring_and_what_was_read_long_before_is_not() {
    check(
        "reacquiring",
        vec![
            (0, Says(searching())),
            (1, Says(signal(-119.0))),
            (13, Says(signal(-110.0))),
            (15, Says(home())),
            (45, Says(signal(-101.0))),
        ],
        &["0! Searching", "1! radio -119", "10 Searching", "13! radio -110 reacquiring", "15! Home", "45 radio -101"],
    );
}

#[test]
fn a_modem_that_repeats_itself_while_nothing_answers_gives_no_signal() {
    let tried = |answered, failed| {
        let tried = Tried { answered_mono_ms: answered, failed_mono_ms: failed, rtt_us: None };
        World { tries: Tries { uplinks: [("wwan0".to_owned(), tried)].into(), testing: false }, ..World::default() }
    };
    let script = |world: World| {
        let same = |second| (second, Says(signal(-90.0)));
        vec![(0, Says(home())), same(1), same(31), (60, Sees(world)), same(61), same(91)]
    };
    let seconds = ["0! Home", "1 radio -90", "31 radio -90"];
    let wanted = |last: [&'static str; 2]| [&seconds[..], &last[..]].concat();
    check("dead", script(tried(Some(500), Some(50_000))), &wanted(["61 radio -90 stale", "91 radio -90 stale"]));
    check("never answered", script(tried(None, Some(50_000))), &wanted(["61 radio -90 stale", "91 radio -90 stale"]));
    check("answered since", script(tried(Some(40_000), Some(50_000))), &wanted(["61 radio -90", "91 radio -90"]));
    let alive = check("alive", script(tried(Some(50_000), Some(20_000))), &wanted(["61 radio -90", "91 radio -90"]));
    assert!(!alive.tracker.picture().modems[&key()].stale && alive.tracker.aimed(91_000, &key()).is_ok());
    let mut dead = run(settings(), script(tried(Some(500), Some(50_000)))).tracker;
    assert!(dead.picture().modems[&key()].stale, "whoever looks at the picture sees it");
    assert_eq!(dead.aimed(91_000, &key()), Err(NotNow::Stale));
    dead.hear(92_000, &Said { modem: key(), at_mono_ms: 92_000, what: signal(-91.0) });
    assert!(!dead.picture().modems[&key()].stale && dead.aimed(92_000, &key()).is_ok());
}

#[test]
fn a_modem_that_is_gone_is_said_at_once_and_every_minute_under_the_operator_of_its_sim() {
    let ran = check(
        "gone",
        vec![
            (0, Says(sim(SimState::Ready))),
            (0, Says(home())),
            (1, Says(signal(-90.0))),
            (5, Says(Event::Vanished { why: "unplugged".into() })),
            (7, Says(Event::Silent { for_ms: 7_000 })),
            (66, Until),
            (70, Says(Event::Present(Identity::default()))),
            (71, Says(home())),
            (190, Until),
        ],
        &[
            "0! Home",
            "1 radio -90",
            "5! Radio/DeviceMissing vanished: unplugged",
            "65 Radio/DeviceMissing silent for 7 s",
            "71! Home",
        ],
    );
    let gone = &ran.writes[2].uplink;
    assert_eq!((gone.interface.as_str(), gone.sim_plmn.as_deref(), gone.technology), ("wwan0", Some("452-04"), None));
}

#[test]
fn a_scan_waits_while_the_modem_carries_the_uplink_and_says_why() {
    let default = World { default_interface: Some("wwan0".into()), ..World::default() };
    let mut tracker = run(settings(), vec![(0, Says(home()))]).tracker;
    let refused = |tracker: &mut Tracker, world: World| {
        tracker.see(world);
        tracker.scan(1_000, &key()).err()
    };
    assert_eq!(refused(&mut tracker, default.clone()), Some(NotNow::CarriesUplink));
    assert_eq!(refused(&mut tracker, World { surveying: true, ..World::default() }), Some(NotNow::Surveying));
    assert_eq!(refused(&mut tracker, World { accepting: true, ..World::default() }), Some(NotNow::Testing));
    let testing = World { tries: Tries { testing: true, ..Tries::default() }, ..World::default() };
    assert_eq!(refused(&mut tracker, testing), Some(NotNow::Testing));
    assert_eq!(tracker.scan(1_000, &ModemKey("other".into())).err(), Some(NotNow::NoSuchModem));
    let other = World { default_interface: Some("eth0".into()), ..World::default() };
    assert_eq!(refused(&mut tracker, other), None);
    assert_eq!(refused(&mut tracker, World::default()), Some(NotNow::Scanning));
    // Without service it carries nothing.
    let mut lost = run(settings(), vec![(0, Says(searching()))]).tracker;
    assert_eq!(refused(&mut lost, default), None);
}

#[test]
fn a_scan_becomes_a_sample_and_one_without_an_answer_a_failure_after_five_minutes() {
    let mut of_config = settings();
    of_config.modems[0].scan_ms = Some(3_600_000);
    let entry = ScanEntry { plmn: "452-01".into(), name: None, technology: None };
    let scanned = Event::Scanned { entries: vec![entry], elapsed_ms: 90_000, raw: None };
    let script = vec![(0, Says(sim(SimState::Ready))), (3_690, Says(scanned)), (7_300, Until), (7_600, Until)];
    let told = run(of_config.clone(), script).told();
    assert_eq!(told, ["3690 scan of 1 in 90000 ms", "7500 Scan/Timeout no answer"]);
    let carries = World { default_interface: Some("wwan0".into()), ..World::default() };
    let script = vec![(0, Says(home())), (1, Sees(carries)), (3_800, Until)];
    let told = run(of_config, script).told();
    let why = "Scan/Busy the modem carries the uplink that reports leave by; a scan would cut it";
    assert_eq!(told, ["0! Home".to_owned(), format!("3600 {why}")]);
}

#[test]
fn two_modems_have_facts_of_their_own_and_a_fixed_link_keeps_its_own() {
    let uplink =
        |interface: &str, kind| UplinkConfig { interface: interface.into(), provider: None, kind, technology: None };
    let mut two = settings();
    let mut second = two.modems[0].clone();
    (second.name, second.interface) = ("n".into(), Some("wwan1".into()));
    two.modems.push(second);
    two.uplinks =
        vec![uplink("wwan0", crate::config::UplinkKind::Cellular), uplink("wwan1", crate::config::UplinkKind::Fixed)];
    let mut tracker = Tracker::new(two);
    for (modem, what) in [("m", home()), ("n", searching()), ("x", home())] {
        tracker.hear(1, &Said { modem: ModemKey(modem.into()), at_mono_ms: 1, what });
    }
    let facts = tracker.facts();
    assert_eq!(facts.keys().map(String::as_str).collect::<Vec<_>>(), ["wwan0"]);
    assert_eq!(facts["wwan0"].technology, Some(Technology::Lte));
    assert_eq!(tracker.uplink(&ModemKey("x".into())).interface, "x");
}

#[test]
fn whoever_looks_sets_the_pace_and_takes_it_along() {
    let mut ran = run(settings(), vec![(0, Says(home()))]);
    let things = ran.tracker.pace(1_000, &key(), 7, 200).expect("it is known");
    assert_eq!(things[1], Do::Ask(Ask::Pace { modem: key(), signal_ms: 1_000 }), "never below a second");
    assert_eq!(ran.tracker.unpace(2_000, 7), [Do::Ask(Ask::Pace { modem: key(), signal_ms: 30_000 })]);
    assert!(ran.tracker.aimed(3_000, &key()).is_err());
    ran.tracker.hear(4_000, &Said { modem: key(), at_mono_ms: 4_000, what: signal(-80.0) });
    assert!(ran.tracker.aimed(5_000, &key()).is_ok());
    assert!(ran.tracker.aimed(15_000, &key()).is_err(), "it is old");
}
