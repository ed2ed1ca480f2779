//! `aim` as somebody on a hill sees it: a real terminal, a real agent without a collector, a modem whose signal changes.

mod aim_world;

use aim_world::{Tmux, World, keep_picture};
use phusong_tests::harness::virtual_modem::{Cell, Family, Listen, NrLeg, State};
use phusong_tests::harness::{Gpsd, Service, VirtualModem, skip_test, wait};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// From the change of the signal to the screen.
const SHOWN_WITHIN: Duration = Duration::from_secs(2);
const FULL: (u16, u16) = (80, 24);
const PHONE: (u16, u16) = (40, 20);

fn state(level_dbm: i32, sinr_db: i32) -> State {
    State { cell: Some(Cell::lte(level_dbm, -11, sinr_db)), ..State::good() }
}

/// On another cell of the same network.
fn beyond(level_dbm: i32, sinr_db: i32) -> State {
    let cell = Cell { pci: 300, arfcn: 1650, id: 0x079_D904, ..Cell::lte(level_dbm, -11, sinr_db) };
    State { cell: Some(cell), ..State::good() }
}

/// The full columns of the last bar on the screen: that of the level on either size.
fn bar(screen: &str, columns: usize) -> usize {
    let is_bar = |line: &&str| line.chars().all(|c| " ▄▖·◆".contains(c)) && line.contains(['·', '◆']);
    let line = screen.lines().rfind(is_bar).unwrap_or_else(|| panic!("no bar:\n{screen}"));
    line.chars().skip(columns).filter(|c| *c == '▄').count()
}

/// Changes the modem, and says how long the screen took to show it.
fn change(modem: &mut VirtualModem, tmux: &Tmux, state: State, wanted: &[&str]) -> (f64, String) {
    let began = Instant::now();
    modem.set(state);
    let screen = tmux.shows(wanted, wait::PATIENCE);
    let took = began.elapsed();
    assert!(took <= SHOWN_WITHIN, "{wanted:?} after {took:?}\n{screen}");
    (took.as_secs_f64(), screen)
}

fn followed(name: &str, size: (u16, u16), picture: &str) {
    if !Tmux::is_installed() {
        return skip_test("driving aim: tmux is not installed");
    }
    let mut modem = VirtualModem::start_as(Listen::Pty, Family::Quectel, state(-101, 8)).expect("a pty");
    let world = World::new(name, &modem);
    let tmux = Tmux::start(name, size, &world.line("aim"));
    let skipped = if size == FULL { 40 } else { 0 };
    let screen = tmux.shows(&["RSRP -101 dBm", "SINR 8 dB", "PCI 295", "đã đăng ký"], wait::PATIENCE);
    let weak = bar(&screen, skipped);
    tmux.shows(&["ping"], wait::PATIENCE);

    let (first, screen) = change(&mut modem, &tmux, state(-91, 14), &["RSRP -91 dBm", "SINR 14 dB"]);
    assert!(bar(&screen, skipped) > weak + 3, "{weak}\n{screen}");
    assert!(screen.contains("nhất -91 dBm") && screen.contains("nhất 14 dB"), "{screen}");

    let (second, screen) = change(&mut modem, &tmux, state(-97, 11), &["RSRP -97 dBm"]);
    assert!(screen.contains("nhất -91 dBm") && screen.contains("nhất 14 dB"), "the best is held\n{screen}");
    assert!(bar(&screen, skipped) > weak && screen.contains('◆'), "{screen}");

    let (third, screen) = change(&mut modem, &tmux, beyond(-99, 9), &["PCI 300", "RSRP -99 dBm", "295/1350"]);
    assert!(screen.contains("nhất -99 dBm"), "another cell has a best of its own\n{screen}");
    assert!(screen.contains("-91 dBm"), "and the one before keeps its own\n{screen}");

    let leg = NrLeg { pci: 500, arfcn: 633_984, band: 78, rsrp_dbm: -95, rsrq_db: -11, sinr_db: 12 };
    let both = State { leg: Some(leg), ..beyond(-99, 9) };
    let (fourth, _) = change(&mut modem, &tmux, both, &["SS-RSRP -95 dBm"]);
    println!("shown after {first:.2}, {second:.2}, {third:.2}, {fourth:.2} s");

    tmux.shows(&["ĐÃ LƯU MẪU -99 dBm"], wait::PATIENCE);
    keep_picture(&tmux, picture);
    assert!(UnixStream::connect(world.socket()).is_ok(), "it runs an agent of its own");
    tmux.press("q");
    wait::until_true("aim to end", wait::PATIENCE, || tmux.has_ended()).expect("q ends it");
    assert!(UnixStream::connect(world.socket()).is_err(), "and its agent with it");
}

#[test]
fn on_a_full_terminal_signal_best_and_serving_cell_follow_within_two_seconds() {
    followed("aim-full", FULL, "aim.png");
}

#[test]
fn on_a_telephone_signal_best_and_serving_cell_follow_within_two_seconds() {
    followed("aim-phone", PHONE, "aim-phone.png");
}

#[test]
fn calibrating_writes_an_offset_and_refuses_places_that_differ_and_a_shortened_one_changes_nothing() {
    let modem = VirtualModem::start_as(Listen::Pty, Family::Quectel, state(-101, 8)).expect("a pty");
    let world = World::new("calibrate", &modem);
    let before = std::fs::read_to_string(&world.config).expect("it is there");
    let calibrate = |reference: &str| {
        let mut command = world.agent();
        command.args(["--lang", "en", "calibrate", "--seconds-a-place", "3", "--reference-dbm", reference]);
        let output = command.stdin(Stdio::null()).output().expect("it runs");
        let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).concat();
        (output.status.success(), text)
    };
    let (good, said) = calibrate("-95,-96,-94.5");
    assert!(good && said.contains("SHORTENED to 3 s a place: NOT A CALIBRATION"), "{said}");
    assert!(said.contains("place 2: this device -101 dBm") && said.contains("B3 PCI 295"), "{said}");
    assert!(said.contains("OFFSET 6 dB (the three places differ by 1.5 dB)"), "{said}");
    let written = world.config.with_extension("not-a-calibration");
    let written = std::fs::read_to_string(written).expect("it says what it would be");
    assert!(written.starts_with(&before) && written.contains("[setup]\noffset_db = 6.0\n"), "{written}");

    let (good, said) = calibrate("-95,-101,-88");
    assert!(!good && said.contains("differ by 13 dB, more than 6 dB"), "{said}");
    let (good, said) = calibrate("-95,-101");
    assert!(!good && said.contains("takes three numbers"), "{said}");
    assert_eq!(std::fs::read_to_string(&world.config).expect("it is there"), before);
}

#[test]
fn without_a_terminal_it_is_a_line_a_second_until_told_to_end() {
    let modem = VirtualModem::start_as(Listen::Pty, Family::Quectel, state(-101, 8)).expect("a pty");
    let world = World::without_link("aim-plain", &modem);
    let mut command = world.agent();
    command.arg("aim");
    let mut aim = Service::spawn("aim", command, &world.dir.join("log")).expect("it starts");
    aim.wait_log("PCI 295 ARFCN 1350", wait::PATIENCE).expect("it shows the cell");
    aim.wait_log("KHÔNG CÓ DỮ LIỆU CHẠY | 4G LTE", wait::PATIENCE).expect("what that means is said");
    aim.wait_log("| SINR 8 dB | RSRP -101 dBm | 10 s -101 dBm | nhất -101 dBm | tuổi", wait::PATIENCE).expect("a line");
    let ended = aim.terminate(wait::PATIENCE).expect("it ends");
    assert!(ended.success());
    assert!(UnixStream::connect(world.socket()).is_err(), "and its agent with it");
}

#[test]
fn an_agent_that_aim_runs_ends_with_it_even_where_its_reader_goes_or_it_is_killed() {
    let modem = VirtualModem::start_as(Listen::Pty, Family::Quectel, state(-101, 8)).expect("a pty");
    let world = World::new("aim-orphan", &modem);
    for kill in [false, true] {
        let mut aim = world.agent().args(["aim", "--plain"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        let aim = aim.as_mut().expect("it runs");
        wait::until_true("its agent answers", wait::PATIENCE, || UnixStream::connect(world.socket()).is_ok())
            .expect("in time");
        if kill {
            aim.kill().expect("it is killed");
        } else {
            drop(aim.stdout.take());
        }
        let ended = wait::until("aim to end", wait::PATIENCE, || aim.try_wait().ok().flatten()).expect("it ends");
        assert_eq!(ended.success(), !kill, "{ended}");
        wait::until_true("its agent to end", wait::PATIENCE, || UnixStream::connect(world.socket()).is_err())
            .expect("in time");
    }
}

/// Walks on at 1.25 m/s.
fn walk() -> Vec<Option<(f64, f64)>> {
    (0..180).map(|second| Some((21.86 + f64::from(second) * 1.25 / 111_195.0, 105.54))).collect()
}

#[test]
fn a_survey_is_followed_on_the_screen_and_tells_where_the_network_is_lost_and_found() {
    if !Tmux::is_installed() || !Gpsd::here("driving survey") {
        return skip_test("driving survey: tmux and gpsd are needed");
    }
    let mut modem = VirtualModem::start_as(Listen::Pty, Family::Quectel, state(-91, 14)).expect("a pty");
    let world = World::without_link("survey-screen", &modem);
    let gpsd = Gpsd::drive(world.dir.path(), &walk(), Duration::from_secs(1)).expect("gpsd starts");
    let more = format!(
        "[position]\nsource = \"gpsd\"\ngpsd = \"{}\"\n[setup]\nenvironment = \"outdoor\"\nheight_m = 1.5\n",
        gpsd.address()
    );
    let text = std::fs::read_to_string(&world.config).expect("it is there") + &more;
    std::fs::write(&world.config, text).expect("writable");
    let mut run = world.agent();
    run.arg("run");
    let mut agent = Service::spawn("phusong-agent", run, &world.dir.join("agent.log")).expect("it starts");
    wait::until_true("a fix, and a survey that begins", wait::PATIENCE, || {
        let started = world.agent().args(["survey", "start", "ban-moi-1"]).stdin(Stdio::null()).output();
        started.is_ok_and(|output| output.status.success())
    })
    .unwrap_or_else(|e| panic!("{e}: {}", agent.log_text()));

    let tmux = Tmux::start("survey-screen", FULL, &world.line("survey status --follow"));
    tmux.shows(&["ban-moi-1: 452-04 -91 dBm"], wait::PATIENCE);
    modem.set(State::searching());
    tmux.shows(&["VÀO VÙNG MẤT SÓNG"], wait::PATIENCE);
    modem.set(state(-97, 11));
    tmux.shows(&["ra khỏi vùng mất sóng", "452-04 -97 dBm"], wait::PATIENCE);
    keep_picture(&tmux, "survey.png");
    let stopped = world.agent().args(["survey", "stop"]).stdin(Stdio::null()).output().expect("it runs");
    assert!(stopped.status.success() && String::from_utf8_lossy(&stopped.stdout).contains("ban-moi-1"));
    assert!(agent.terminate(wait::PATIENCE).expect("it ends").success());
}
