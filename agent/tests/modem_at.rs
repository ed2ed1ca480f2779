//! Modems behind a pseudo terminal: each family's session to events, news, unplugging, silence, errors.

#![allow(clippy::unwrap_used)]

mod modem_at_port;

use modem_at_port::{Modem, Source, TempDir, key};
use phusong_agent::device::modem::{Ask, Event, Registered, Signal, Sim};
use phusong_protocol::{BearerState, RegistrationStat, Rrc, ServiceState, SimState, Technology};
use std::time::{Duration, Instant};

const IMSI: &str = "452040123456789";

/// What every modem here answers, as far as it knows it.
const GENERIC: &[(&str, &str)] = &[
    ("AT+CGMI", "Acme\nOK"),
    ("AT+CGMM", "Model 1\nOK"),
    ("AT+CGMR", "Revision: 1.2\nOK"),
    ("AT+CPIN?", "+CPIN: READY\nOK"),
    ("AT+CIMI", "452040123456789\nOK"),
    ("AT+CRSM=176,28589,0,0,4", "+CRSM: 144,0,\"00000002\"\nOK"),
    ("AT+CRSM=176,28486,0,0,17", "+CRSM: 144,0,\"0156696574746556FFFFFFFFFFFFFFFFFF\"\nOK"),
    ("AT+CREG=3", "OK"),
    ("AT+CEREG=3", "OK"),
    ("AT+COPS=3,2", "OK"),
    ("AT+CREG?", "+CREG: 3,1,\"1F00\",\"79D903\",7\nOK"),
    ("AT+CEREG?", "+CEREG: 3,1,\"1F00\",\"79D903\",7\nOK"),
    ("AT+COPS?", "+COPS: 0,2,\"45204\",7\nOK"),
    ("AT+CESQ", "+CESQ: 99,99,255,255,20,44\nOK"),
    ("AT+CGACT?", "+CGACT: 1,1\n+CGACT: 2,1\nOK"),
    ("AT+CGDCONT?", "+CGDCONT: 1,\"IPV4V6\",\"v-internet\",\"0.0.0.0\",0,0\n+CGDCONT: 2,\"IP\",\"ims\",\"\",0,0\nOK"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    GENERIC.iter().chain(more).copied().collect()
}

struct Bench {
    modem: Modem,
    source: Source,
    _dir: TempDir,
}

fn bench(replies: &[(&str, &str)]) -> Bench {
    let dir = TempDir::new();
    let mut modem = Modem::new(dir.path(), replies);
    modem.plug_in();
    let source = Source::start(&modem.path);
    Bench { modem, source, _dir: dir }
}

fn signal(event: &Event) -> Option<Signal> {
    if let Event::Signal(signal) = event { Some(signal.clone()) } else { None }
}

fn registered(event: &Event) -> Option<Registered> {
    if let Event::Registration(now) = event { Some(now.clone()) } else { None }
}

fn sim(event: &Event) -> Option<Sim> {
    if let Event::Sim(sim) = event { Some(sim.clone()) } else { None }
}

/// `(technology, RSRP or RSSI, PCI)` of each serving cell.
fn check_serving(signal: &Signal, wanted: &[(Option<Technology>, f32, Option<u16>)]) {
    let seen = signal.cells.iter().map(|cell| (cell.technology, cell.rsrp_dbm.or(cell.rssi_dbm).unwrap(), cell.pci));
    assert_eq!(seen.collect::<Vec<_>>(), wanted, "{signal:?}");
}

async fn check_family(
    more: &[(&'static str, &'static str)],
    rrc: Option<Rrc>,
    cells: &[(Option<Technology>, f32, Option<u16>)],
) {
    let mut bench = bench(&with(more));
    let began = Instant::now();
    let first = bench.source.until("a signal", signal).await;
    assert!(began.elapsed() < Duration::from_secs(15), "the first signal took {:?}", began.elapsed());
    check_serving(&first, cells);
    assert_eq!(first.rrc, rrc);
    let now = bench.source.heard.iter().find_map(registered).expect("registration comes before the signal");
    assert_eq!((now.stat, now.plmn.as_deref()), (RegistrationStat::Home, Some("452-04")));
    let sim = bench.source.until("the SIM", sim).await;
    assert_eq!((sim.state, sim.plmn.as_deref()), (SimState::Ready, Some("452-04")));
    assert_eq!(sim.operator.as_deref(), Some("VietteV"));
    let bearer = bench
        .source
        .until("the bearer", |event| if let Event::Bearer(b) = event { Some(b.clone()) } else { None })
        .await;
    assert_eq!((bearer.state, bearer.apn.as_deref()), (BearerState::Connected, Some("v-internet")));
    let said = serde_json::to_string(&bench.source.heard).unwrap();
    assert!(!said.contains(&IMSI[5..]), "the subscriber's number is nobody's business: {said}");
    let sets =
        |command: &String| ["AT+COPS=0", "AT+CFUN", "AT+CGACT=", "AT+CGATT"].iter().any(|no| command.starts_with(no));
    assert!(!bench.modem.asked().iter().any(sets), "{:?}", bench.modem.asked());
}

const LTE: Option<Technology> = Some(Technology::Lte);

#[tokio::test]
async fn a_quectel_5g_modem_tells_both_legs_apart() {
    let qeng = "+QENG: \"servingcell\",\"CONNECT\"\n\
                +QENG: \"LTE\",\"FDD\",452,04,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-\n\
                +QENG: \"NR5G-NSA\",452,04,920,-96,18,-10,648768,78,10,1\nOK";
    let replies = [("AT+CGMI", "Quectel\nOK"), ("AT+CGMM", "RM520N-GL\nOK"), ("AT+QENG=\"servingcell\"", qeng)];
    let cells = [(LTE, -99.0, Some(280)), (Some(Technology::NrNsa), -96.0, Some(920))];
    check_family(&replies, Some(Rrc::Connected), &cells).await;
}

#[tokio::test]
async fn a_quectel_4g_modem_that_keeps_its_echo_is_read_all_the_same() {
    let qeng =
        "+QENG: \"servingcell\",\"NOCONN\",\"LTE\",\"FDD\",452,04,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23\nOK";
    let replies =
        [("AT+CGMI", "Quectel\nOK"), ("AT+CGMM", "EC25\nOK"), ("AT+QENG=\"servingcell\"", qeng), ("ATE0", "")];
    check_family(&replies, Some(Rrc::Idle), &[(LTE, -104.0, Some(188))]).await;
}

#[tokio::test]
async fn a_simcom_modem_is_read_by_its_own_command() {
    let cpsi = "+CPSI: LTE,Online,452-04,0x5A1E,187214780,257,EUTRAN-BAND3,1825,4,4,-102,-924,-632,13\nOK";
    let replies = [("AT+CGMI", "SIMCOM INCORPORATED\nOK"), ("AT+CGMM", "SIMCOM_SIM7600G-H\nOK"), ("AT+CPSI?", cpsi)];
    check_family(&replies, None, &[(LTE, -92.4, Some(257))]).await;
}

#[tokio::test]
async fn a_huawei_modem_has_levels_and_the_registration_its_cell() {
    let replies = [
        ("AT+CGMI", "huawei\nOK"),
        ("AT+CGMM", "ME909s-120\nOK"),
        ("AT^HCSQ?", "^HCSQ: \"LTE\",30,19,66,0\n^RSSI: 20\nOK"),
        ("AT^SYSINFOEX", "^SYSINFOEX: 2,3,0,1,,6,\"LTE\",101,\"LTE\"\nOK"),
    ];
    check_family(&replies, None, &[(LTE, -122.0, None)]).await;
}

#[tokio::test]
async fn an_unknown_modem_is_read_by_what_the_standard_has() {
    check_family(&[], None, &[(LTE, -97.0, None)]).await;
}

#[tokio::test]
async fn replies_byte_by_byte_read_as_replies_at_once() {
    let mut bench = bench(GENERIC);
    bench.modem.in_pieces();
    let first = bench.source.until("a signal", signal).await;
    check_serving(&first, &[(LTE, -97.0, None)]);
}

#[tokio::test]
async fn a_modem_that_knows_its_strength_alone_gives_that_and_nothing_made_up() {
    let mut bench = bench(&[("AT+CSQ", "+CSQ: 20,99\nOK")]);
    let first = bench.source.until("a signal", signal).await;
    check_serving(&first, &[(None, -73.0, None)]);
    let again = bench.source.until("a signal", signal).await;
    check_serving(&again, &[(None, -73.0, None)]);
    bench.source.until("a signal", signal).await;
    bench.source.until("a signal", signal).await;
    // What it refused twice is not asked again; what works is.
    assert_eq!(bench.modem.times_asked("AT+CESQ"), 2);
    assert!(bench.modem.times_asked("AT+CSQ") >= 4);
    assert!(bench.source.heard.iter().all(|event| registered(event).is_none()));
}

#[tokio::test]
async fn a_loss_that_is_said_in_the_middle_of_a_reply_is_told_within_two_seconds() {
    let mut bench = bench(GENERIC);
    bench.source.until("a signal", signal).await;
    bench.modem.reply("AT+CREG?", "+CREG: 3,2\nOK");
    bench.modem.reply("AT+CEREG?", "+CEREG: 3,2\nOK");
    bench.modem.reply("AT+CESQ", "+CEREG: 2\n+CESQ: 99,99,255,255,255,255\nOK");
    let began = Instant::now();
    let lost = bench
        .source
        .until("the loss", |event| registered(event).filter(|now| now.stat == RegistrationStat::Searching))
        .await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert_eq!((lost.plmn, lost.cell), (None, None));
    let empty =
        bench.source.until("a reading without a level", |event| signal(event).filter(|now| now.cells.is_empty())).await;
    assert!(empty.raw.unwrap().starts_with("+CESQ: 99,99,255"));
}

#[tokio::test]
async fn a_loss_is_told_even_while_the_modem_does_not_answer() {
    let mut bench = bench(GENERIC);
    bench.source.until("a signal", signal).await;
    // It goes deaf: the questions after the news get no answer.
    for command in ["AT+CREG?", "AT+CEREG?", "AT+C5GREG?", "AT+CGREG?", "AT+CESQ", "AT+CSQ"] {
        bench.modem.reply(command, "");
    }
    let began = Instant::now();
    bench.modem.says("\r\n+CEREG: 2\r\n").await;
    bench
        .source
        .until("the loss", |event| registered(event).filter(|now| now.stat == RegistrationStat::Searching))
        .await;
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}

#[tokio::test]
async fn limited_service_on_a_foreign_network_is_seen() {
    let qeng =
        "+QENG: \"servingcell\",\"LIMSRV\",\"LTE\",\"FDD\",452,01,7676A09,188,6300,20,3,3,603,-114,-9,-88,11,23\nOK";
    let replies = [
        ("AT+CGMI", "Quectel\nOK"),
        ("AT+CGMM", "EC25\nOK"),
        ("AT+CEREG?", "+CEREG: 3,0\nOK"),
        ("AT+CREG?", "+CREG: 3,0\nOK"),
        ("AT+QENG=\"servingcell\"", qeng),
    ];
    let mut bench = bench(&with(&replies));
    let now = bench.source.until("registration", registered).await;
    assert_eq!((now.stat, now.service), (RegistrationStat::Idle, Some(ServiceState::Limited)));
    assert_eq!(now.plmn.as_deref(), Some("452-01"));
    let serving = bench.source.heard.iter().find_map(signal).expect("the cell it camps on");
    assert_eq!((serving.cells[0].mnc.as_deref(), serving.rrc), (Some("01"), None));
}

#[tokio::test]
async fn a_denial_and_a_refused_bearer_come_with_their_causes() {
    let mut denied = bench(&with(&[("AT+CEREG?", "+CEREG: 3,3,,,,0,11\nOK"), ("AT+CREG?", "+CREG: 3,3\nOK")]));
    let now = denied.source.until("registration", registered).await;
    assert_eq!((now.stat, now.reject_cause), (RegistrationStat::Denied, Some(11)));

    let mut refused = bench(&with(&[
        ("AT+CGACT?", "+CGACT: 1,0\nOK"),
        ("AT+CEER", "+CEER: \"EPS session management\",27,\"Missing or unknown APN\"\nOK"),
    ]));
    let bearer = |event: &Event| if let Event::Bearer(b) = event { Some(b.clone()) } else { None };
    let first = refused.source.until("the bearer", bearer).await;
    assert_eq!((first.state, first.cause), (BearerState::Disconnected, None), "that was before anybody looked");
    refused
        .modem
        .reply("AT+CEER", "+CEER: \"EPS session management\",33,\"Requested service option not subscribed\"\nOK");
    refused.source.asks.send(Ask::Refresh(key())).await.unwrap();
    let now = refused.source.until("its refusal", bearer).await;
    assert_eq!((now.state, now.cause), (BearerState::Refused, Some(33)));
}

#[tokio::test]
async fn a_sim_is_what_its_error_says_and_its_coming_is_heard() {
    for (reply, state) in [
        ("+CME ERROR: 10", SimState::Absent),
        ("+CME ERROR: 13", SimState::Failure),
        ("+CME ERROR: 14", SimState::Busy),
        ("+CPIN: SIM PIN\nOK", SimState::Pin),
        ("+CME ERROR: SIM PUK required", SimState::Puk),
    ] {
        let mut bench = bench(&with(&[("AT+CPIN?", reply)]));
        let now = bench.source.until("the SIM", sim).await;
        assert_eq!((now.state, now.plmn), (state, None), "{reply}");
        bench.modem.reply("AT+CPIN?", "+CPIN: READY\nOK");
        bench.modem.says("\r\n+CPIN: READY\r\n").await;
        let now = bench.source.until("the SIM's return", sim).await;
        assert_eq!((now.state, now.plmn.as_deref()), (SimState::Ready, Some("452-04")), "{reply}");
    }
}

#[tokio::test]
async fn a_modem_that_is_unplugged_is_gone_once_and_back_when_it_is_back() {
    let mut bench = bench(GENERIC);
    bench.source.until("a signal", signal).await;
    let gone = |event: &Event| if let Event::Vanished { why } = event { Some(why.clone()) } else { None };
    bench.modem.unplug().await;
    bench.source.until("its going", gone).await;
    bench.source.asks.send(Ask::Scan(key())).await.unwrap();
    bench.source.until("a scan that cannot be", |event| matches!(event, Event::ScanFailed { .. }).then_some(())).await;
    let heard = bench.source.heard.len();
    bench.modem.plug_in();
    bench.source.until("a signal", signal).await;
    let since = &bench.source.heard[heard..];
    assert!(matches!(since[0], Event::Present(_)), "{since:?}");
    assert!(since.iter().all(|event| gone(event).is_none()), "{since:?}");
}

#[tokio::test]
async fn a_port_that_is_not_there_is_said_once() {
    let dir = TempDir::new();
    let mut modem = Modem::new(dir.path(), GENERIC);
    let mut source = Source::start(&modem.path);
    source.until("its absence", |event| matches!(event, Event::Vanished { .. }).then_some(())).await;
    modem.plug_in();
    source.until("a signal", signal).await;
    assert_eq!(source.heard.iter().filter(|event| matches!(event, Event::Vanished { .. })).count(), 1);
}

#[tokio::test]
async fn a_silent_modem_is_told_of_and_welcomed_when_it_speaks() {
    let mut bench = bench(&with(&[("AT", "")]));
    let for_ms = bench
        .source
        .until("its silence", |event| if let Event::Silent { for_ms } = event { Some(*for_ms) } else { None })
        .await;
    assert!(for_ms >= 10_000);
    assert_eq!(bench.source.heard.len(), 1, "{:?}", bench.source.heard);
    bench.modem.reply("AT", "OK");
    bench.source.until("its name", |event| matches!(event, Event::Present(_)).then_some(())).await;
    bench.source.until("a signal", signal).await;
    assert!(!bench.modem.asked().iter().any(|command| command.contains("CFUN")));
}

#[tokio::test]
async fn a_modem_that_starts_anew_is_introduced_again() {
    let mut bench = bench(GENERIC);
    bench.source.until("a signal", signal).await;
    let before = bench.modem.times_asked("AT+CEREG=3");
    bench.modem.says("\r\nRDY\r\n").await;
    bench.source.until("its name", |event| matches!(event, Event::Present(_)).then_some(())).await;
    bench.source.until("a signal", signal).await;
    assert_eq!(bench.modem.times_asked("AT+CEREG=3"), before + 1);
}

#[tokio::test]
async fn a_late_answer_is_not_taken_for_the_next_one() {
    let mut bench = bench(&with(&[("AT+CESQ", "")]));
    bench.source.until("its name", |event| matches!(event, Event::Present(_)).then_some(())).await;
    bench.modem.reply("AT+CSQ", "+CSQ: 20,99\nOK");
    // The answer to the question that was given up comes with the next one, its OK and all.
    bench.modem.reply("AT", "+CESQ: 99,99,255,255,20,80\nOK\nOK");
    let first = bench.source.until("a signal", signal).await;
    check_serving(&first, &[(LTE, -73.0, None)]);
}

#[tokio::test]
async fn a_scan_names_each_operator_and_nothing_else_is_asked_meanwhile() {
    let list = "+COPS: (2,\"Viettel\",\"Viettel\",\"45204\",7),(1,\"MobiFone\",\"MOBI\",\"45201\",7),\
                (3,\"VinaPhone\",\"VINA\",\"45202\",2),,(0,1,2,3,4),(0,1,2)\nOK";
    let mut bench = bench(&with(&[("AT+COPS=?", list)]));
    bench.source.until("a signal", signal).await;
    bench.source.asks.send(Ask::Scan(key())).await.unwrap();
    let entries = bench.source.until("the scan", |event| match event {
        Event::Scanned { entries, .. } => Some(entries.clone()),
        _ => None,
    });
    let entries = entries.await;
    let plmns: Vec<_> = entries.iter().map(|entry| (entry.plmn.as_str(), entry.technology)).collect();
    assert_eq!(plmns, [("452-04", LTE), ("452-01", LTE), ("452-02", Some(Technology::Umts))]);
    // It may be asked what it does afterwards, and is never told to choose again while it is automatic.
    bench.source.until("a signal", signal).await;
    assert!(!bench.modem.asked().iter().any(|command| command == "AT+COPS=0"));
}

#[tokio::test]
async fn the_pace_that_is_asked_for_is_kept() {
    let mut bench = bench(GENERIC);
    bench.source.until("a signal", signal).await;
    bench.source.asks.send(Ask::Pace { modem: key(), signal_ms: 10 }).await.unwrap();
    let began = Instant::now();
    for _ in 0..3 {
        bench.source.until("a signal", signal).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(1_500), "never more than one a second: {:?}", began.elapsed());
}
