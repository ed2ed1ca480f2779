//! Searches for operators and technology checks that end well, badly or not at all; records of commissioning.

use super::*;
use phusong_protocol::Taken;

#[test]
fn a_search_that_fails_says_for_how_long_the_modem_was_off_its_network() {
    let took = |write: &Write| match &write.outcome {
        Outcome::Failure(failure) if failure.of == Attempt::Scan => failure.elapsed_us.map(|us| us / 1_000_000),
        _ => None,
    };
    let mut of_config = settings();
    of_config.modems[0].scan_ms = Some(3_600_000);
    let begun = || vec![(0, Says(sim(SimState::Ready))), (3_601, Until)];
    let searching = run(of_config.clone(), begun()).tracker;
    assert_eq!(searching.scanning().into_iter().collect::<Vec<_>>(), ["wwan0"]);
    assert!(searching.picture().modems[&key()].scanning);
    let ends = [
        ("gone", Event::Vanished { why: "unplugged".into() }, vec![Some(60), None]),
        ("refused", Event::ScanFailed { why: "no".into(), elapsed_ms: 59_000 }, vec![Some(59)]),
    ];
    for (name, what, wanted) in ends {
        let script = begun().into_iter().chain([(3_660, Says(what.clone())), (3_661, Says(what))]).collect();
        let ran = run(of_config.clone(), script);
        assert_eq!(ran.writes.iter().map(took).collect::<Vec<_>>(), wanted, "{name}: said once");
        assert!(ran.tracker.scanning().is_empty() && !ran.tracker.picture().modems[&key()].scanning, "{name}");
    }
    let mut busy = run(of_config, begun()).tracker;
    let things = busy.scan_was_lost(3_602_000, &key());
    assert!(matches!(&things[..], [Do::Write(write)] if took(write) == Some(2)), "{things:?}");
}

fn with_check() -> Settings {
    let check = RadioCheckConfig {
        url: "http://127.0.0.1/garbage.php".into(),
        per_day: 2,
        month_bytes: 80_000_000,
        ca_file: None,
    };
    Settings { check: Some(check), bands: vec!["B3".into(), "n78".into()], ..settings() }
}

/// What a check that began at second 62 is written as; these words of the modem come meanwhile.
fn checked(identity: Identity, before: Vec<Event>, meanwhile: Vec<Event>) -> String {
    let mut script = vec![(0, Says(Event::Present(identity))), (1, Says(home()))];
    script.extend(before.into_iter().map(|what| (2, Says(what))));
    script.push((70, Until));
    let mut ran = run(with_check(), script);
    assert_eq!(ran.others, [Do::Check { modem: key(), interface: "wwan0".into() }]);
    for what in meanwhile {
        ran.tracker.hear(70_000, &Said { modem: key(), at_mono_ms: 70_000, what });
    }
    let got = Transferred { down_bps: 1_040_000, elapsed_ms: 10_000, bytes: 1_300_000 };
    match &ran.tracker.checked(72_000, &key(), Ok(got))[0] {
        Do::Write(write) => told(write),
        other => format!("{other:?}"),
    }
}

#[test]
fn a_check_that_saw_nothing_refutes_nothing() {
    let shows = |shows: &[Technology]| Identity { shows: shows.to_vec(), ..Identity::default() };
    let nr_too = || shows(&[Technology::Lte, Technology::Nr]);
    let nr_without_level = || {
        let cell = RadioCell { technology: Some(Technology::Nr), ..RadioCell::default() };
        Event::Signal(Signal { cells: vec![cell], rrc: None, raw: None })
    };
    let nothing = "72 Radio/Timeout technology check: the modem showed no signal while it ran";
    let empty = Event::Signal(Signal { cells: Vec::new(), rrc: None, raw: None });
    for (name, identity, before, meanwhile, wanted) in [
        ("silent", nr_too(), vec![], vec![], nothing),
        ("heard before", nr_too(), vec![signal(-88.0)], vec![], nothing),
        ("no cell", nr_too(), vec![signal(-88.0)], vec![empty], nothing),
        ("heard", nr_too(), vec![], vec![signal(-88.0)], "72 radio -88 check able [Lte, Nr] seen [Lte]"),
        (
            "a reader that cannot show 5G",
            shows(&[Technology::Lte]),
            vec![],
            vec![signal(-88.0)],
            "72 radio -88 check able [Lte] seen [Lte]",
        ),
        ("nobody knows", Identity::default(), vec![], vec![signal(-88.0)], "72 radio -88 check able [Lte] seen [Lte]"),
        (
            "it showed 5G before",
            Identity::default(),
            vec![nr_without_level()],
            vec![signal(-88.0)],
            "72 radio -88 check able [Lte, Nr] seen [Lte]",
        ),
        (
            "5G without a level",
            nr_too(),
            vec![],
            vec![signal(-88.0), nr_without_level()],
            "72 radio - check able [Lte, Nr] seen [Lte, Nr]",
        ),
    ] {
        assert_eq!(checked(identity, before, meanwhile), wanted, "{name}");
    }
}

#[test]
fn a_record_of_commissioning_closes_with_a_sample_of_its_own() {
    let taken = |things: Vec<Do>| match &things[..] {
        [Do::Write(write)] => match &write.outcome {
            Outcome::Reading(Reading::Radio(r)) => (r.taken, r.cells.len()),
            Outcome::Reading(Reading::Registration(r)) => (r.taken, 0),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    let tracker = run(settings(), vec![(0, Says(home())), (1, Says(signal(-90.0)))]).tracker;
    assert_eq!(taken(tracker.accepted(2_000, &key())), (Some(Taken::Accepted), 1));
    assert_eq!(taken(tracker.accepted(60_000, &key())), (Some(Taken::Accepted), 0), "without a level of now");
    assert_eq!(tracker.accepted(2_000, &ModemKey("x".into())), []);
}

#[test]
fn a_technology_check_runs_where_5g_is_possible_and_tells_what_was_seen() {
    let mut with_check = Settings { bands: Vec::new(), ..with_check() };
    let able = |able: &[Technology]| Event::Present(Identity { able: able.to_vec(), ..Identity::default() });
    let script = |able: Event| vec![(0, Says(able)), (1, Says(home())), (70, Until)];
    assert_eq!(run(with_check.clone(), script(able(&[Technology::Lte]))).others, []);
    assert_eq!(run(settings(), script(able(&[Technology::NrNsa]))).others, []);
    let mut ran = run(with_check.clone(), script(able(&[Technology::Lte, Technology::NrNsa])));
    assert_eq!(ran.others, [Do::Check { modem: key(), interface: "wwan0".into() }]);
    assert_eq!(ran.paces().last(), Some(&(62, 1_000)));
    let said = Said { modem: key(), at_mono_ms: 65_000, what: signal(-88.0) };
    ran.tracker.hear(65_000, &said);
    let got = Transferred { down_bps: 1_040_000, elapsed_ms: 10_000, bytes: 1_300_000 };
    let things = ran.tracker.checked(72_000, &key(), Ok(got));
    let Do::Write(write) = &things[0] else { panic!("{things:?}") };
    assert_eq!(told(write), "72 radio -88 check able [Lte, NrNsa] seen [Lte]");
    assert_eq!(things[1], Do::Ask(Ask::Pace { modem: key(), signal_ms: 30_000 }));
    // By the bands that somebody wrote down where the modem does not say.
    with_check.bands = vec!["B3".into(), "n78".into()];
    assert_eq!(run(with_check, script(able(&[]))).others.len(), 1);
}
