//! The fold of `aim`: scripts of what the agent says and what is pressed, and what is shown then.

use super::*;
use crate::device::modem::picture::Known;
use crate::device::modem::{Event, Identity, Picture, Said, Signal};
use phusong_protocol::Technology;

fn cell(pci: u16, dbm: f32) -> RadioCell {
    RadioCell {
        technology: Some(Technology::Lte),
        pci: Some(pci),
        arfcn: Some(1650),
        band: Some("B3".into()),
        rsrp_dbm: Some(dbm),
        sinr_db: Some(10.0),
        ..RadioCell::default()
    }
}

fn nr(dbm: f32) -> RadioCell {
    RadioCell { technology: Some(Technology::NrNsa), pci: Some(500), arfcn: Some(633_984), ..cell(0, dbm) }
}

/// An agent that says what it is told to.
#[derive(Default)]
struct Agent {
    picture: Picture,
}

impl Agent {
    fn say(&mut self, modem: &str, at_mono_ms: u64, what: Event) {
        self.picture.hear(&Said { modem: ModemKey(modem.into()), at_mono_ms, what });
    }

    fn signal(&mut self, modem: &str, at_mono_ms: u64, cells: Vec<RadioCell>) {
        self.say(modem, at_mono_ms, Event::Signal(Signal { cells, rrc: None, raw: None }));
    }

    fn seen(&self, now_mono_ms: u64) -> Seen {
        Seen { now_mono_ms, picture: self.picture.clone(), ..Seen::default() }
    }
}

fn key(name: &str) -> ModemKey {
    ModemKey(name.into())
}

#[test]
fn the_first_modem_is_paced_once_and_another_one_when_it_is_asked_for() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(None));
    assert_eq!(screen.hear(&agent.seen(0)), []);
    agent.signal("a", 1_000, vec![cell(1, -100.0)]);
    agent.signal("b", 1_000, vec![cell(2, -90.0)]);
    assert_eq!(screen.hear(&agent.seen(1_000)), [Wish::Pace(key("a"))]);
    assert_eq!(screen.hear(&agent.seen(1_100)), []);
    assert_eq!(screen.level(Slot::Anchor, 1_100).value, Some(-100.0));
    assert_eq!(screen.press(Key::Modem), None);
    assert_eq!(screen.hear(&agent.seen(1_200)), [Wish::Pace(key("b"))]);
    let level = screen.level(Slot::Anchor, 1_200);
    assert_eq!((level.value, level.best.map(|best| best.value)), (Some(-90.0), Some(-90.0)));
    screen.press(Key::Modem);
    assert_eq!(screen.hear(&agent.seen(1_300)), [Wish::Pace(key("a"))], "round and round");
}

#[test]
fn a_modem_that_is_not_there_is_waited_for_and_named() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(Some(key("roof"))));
    agent.signal("other", 1_000, vec![cell(1, -100.0)]);
    assert_eq!(screen.hear(&agent.seen(1_000)), []);
    assert_eq!((screen.missing(), screen.modem()), (Some(&key("roof")), None));
    agent.signal("roof", 2_000, vec![cell(1, -100.0)]);
    assert_eq!(screen.hear(&agent.seen(2_000)), [Wish::Pace(key("roof"))]);
    assert_eq!(screen.missing(), None);
}

#[test]
fn holding_still_for_ten_seconds_asks_for_one_sample_and_says_what_came_of_it() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(None));
    let mut asked = Vec::new();
    for second in 1..=30 {
        agent.signal("a", second * 1_000, vec![cell(1, -100.0)]);
        for wish in screen.hear(&agent.seen(second * 1_000 + 10)) {
            if wish == Wish::Aimed(key("a")) {
                asked.push(second);
                screen.stored(second * 1_000 + 20, Ok(()));
            }
        }
    }
    assert_eq!(asked, [11]);
    assert_eq!(screen.hold(30_100), Hold::Stored { at_ms: 11_020, dbm: -100.0 });
    screen.press(Key::Inverse);
    assert_eq!(screen.hold(30_200), Hold::Nothing, "whoever presses a key has moved");
}

#[test]
fn a_value_of_a_modem_that_is_gone_is_no_value_and_an_old_one_is_old() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(None));
    agent.signal("a", 1_000, vec![cell(1, -100.0)]);
    screen.hear(&agent.seen(1_000));
    let shown = screen.level(Slot::Anchor, 9_000);
    assert!(shown.is_old() && shown.fresh().is_none() && shown.value == Some(-100.0));
    screen.lost = Some("gone".into());
    assert_eq!(screen.level(Slot::Anchor, 1_100).value, None);
    agent.say("a", 2_000, Event::Vanished { why: "unplugged".into() });
    screen.hear(&agent.seen(2_000));
    let shown = screen.level(Slot::Anchor, 2_000);
    assert_eq!((shown.value, shown.best.map(|best| best.value)), (None, Some(-100.0)));
    assert_eq!(screen.state().trouble.as_deref(), Some("unplugged"));
}

#[test]
fn the_nr_leg_is_shown_while_it_is_there_and_the_anchor_when_it_is_not() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(None));
    agent.signal("a", 1_000, vec![cell(1, -100.0), nr(-85.0)]);
    screen.hear(&agent.seen(1_000));
    assert_eq!(screen.shown_slot(1_000), Slot::Anchor);
    assert!(screen.other_leg(1_000).is_some());
    screen.press(Key::Leg);
    assert_eq!(screen.shown_slot(1_000), Slot::Nr);
    assert_eq!(screen.level(screen.shown_slot(1_000), 1_000).value, Some(-85.0));
    agent.signal("a", 7_000, vec![cell(1, -100.0)]);
    screen.hear(&agent.seen(7_000));
    assert_eq!(screen.shown_slot(7_000), Slot::Anchor);
    assert!(screen.other_leg(7_000).is_none(), "it is six seconds old");
}

#[test]
fn an_acceptance_runs_once_shows_how_far_it_is_and_keeps_its_result_until_a_key() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(None));
    assert_eq!(screen.press(Key::Accept), None, "there is no modem yet");
    agent.say("a", 500, Event::Present(Identity { interface: Some("wwan0".into()), ..Identity::default() }));
    screen.hear(&agent.seen(1_000));
    assert_eq!(screen.press(Key::Accept), Some(Wish::Accept(key("a"))));
    assert_eq!(screen.press(Key::Accept), None, "it runs");
    screen.accepting(AcceptStep::Pinging { sent: 30, received: 29, of: 60 });
    assert!((screen.acceptance().share() - 0.425).abs() < 1e-9);
    screen.accepting(AcceptStep::Done(Accepted { sent: 60, received: 57, ..Accepted::default() }));
    assert!(matches!(screen.acceptance(), Acceptance::Done(done) if done.received == 57));
    screen.press(Key::Other);
    assert_eq!(screen.acceptance(), &Acceptance::No);
    assert_eq!(screen.press(Key::Quit), Some(Wish::Quit));
}

#[test]
fn only_the_echoes_of_the_modems_own_link_are_shown_and_neighbours_stand_by_strength() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(None));
    agent.say("a", 500, Event::Present(Identity { interface: Some("wwan0".into()), ..Identity::default() }));
    let cells = vec![cell(2, -110.0), cell(3, -90.0), RadioCell { rsrp_dbm: None, ..cell(4, 0.0) }];
    agent.say("a", 600, Event::Neighbours { cells, raw: None });
    let mut seen = agent.seen(1_000);
    seen.ping.insert("eth0".into(), Pinged { at_mono_ms: 900, rtt_us: Some(1_000) });
    screen.hear(&seen);
    assert_eq!(screen.ping(), None);
    seen.ping.insert("wwan0".into(), Pinged { at_mono_ms: 900, rtt_us: Some(45_000) });
    screen.hear(&seen);
    assert_eq!(screen.ping().and_then(|ping| ping.rtt_us), Some(45_000));
    let (age_ms, cells) = screen.neighbours(1_600).expect("they were named");
    let pcis: Vec<_> = cells.iter().map(|cell| cell.pci).collect();
    assert_eq!((age_ms, pcis), (1_000, vec![Some(3), Some(2), Some(4)]));
}

#[test]
fn what_a_modem_repeats_while_nothing_answers_is_struck_out_and_nothing_is_held_still_by_it() {
    let (mut agent, mut screen) = (Agent::default(), Screen::new(None));
    let mut wishes = Vec::new();
    for second in 1..30 {
        agent.signal("a", second * 1_000, vec![cell(1, -100.0)]);
        if let Some(state) = agent.picture.modems.get_mut(&key("a")) {
            state.stale = second > 3;
        }
        wishes.extend(screen.hear(&agent.seen(second * 1_000)));
    }
    assert_eq!(wishes, [Wish::Pace(key("a"))], "no sample");
    assert_eq!(screen.hold(29_000), Hold::Nothing);
    let level = screen.level(Slot::Anchor, 4_000);
    assert_eq!((level.value, level.fresh(), level.median, level.is_out()), (Some(-100.0), None, None, true));
    assert!(crate::aim::told::line(&screen, 4_000, crate::text::Language::En).contains("NUMBERS REPEATED"));
}

#[test]
fn what_is_known_of_a_modem_is_what_was_said_last() {
    let known = Known { at_mono_ms: 5, value: Signal { cells: vec![cell(7, -70.0)], rrc: None, raw: None } };
    let state = ModemState { present: true, signal: Some(known), ..ModemState::default() };
    let picture = Picture { modems: [(key("m"), state)].into(), left_out: 0 };
    let mut screen = Screen::new(None);
    screen.hear(&Seen { now_mono_ms: 10, picture, ..Seen::default() });
    let row = screen.track(Slot::Anchor).and_then(|track| track.rows().next()).expect("it has a cell");
    assert_eq!(row.pin.pci, Some(7));
}
