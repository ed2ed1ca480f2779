//! Lines of modems to what is said of them.

use super::*;
use crate::device::modem::decode::decode;
use phusong_protocol::{Rrc, SimState};

struct Modem {
    mind: Mind,
    now: u64,
}

impl Modem {
    fn with_sim(plmn: &str) -> Self {
        let mut modem = Modem { mind: Mind::default(), now: 1_000 };
        modem.mind.sim(Sim { state: SimState::Ready, plmn: Some(plmn.into()), operator: None, raw: None }, 0);
        modem
    }

    /// Lines of registration, the operator and the serving cell; what was told once all of them were read.
    fn reads(&mut self, lines: &str) -> Option<Registered> {
        self.hears(lines);
        let objects: Vec<Decoded> = decode(lines, None)
            .into_iter()
            .filter(|one| one.kind == Some(Kind::Signal) || one.raw.starts_with("^SYSINFOEX"))
            .collect();
        if !objects.is_empty() {
            self.mind.signal(&objects, self.now);
        }
        self.mind.settle(self.now, true)
    }

    fn hears(&mut self, lines: &str) {
        for one in decode(lines, None) {
            match one.kind {
                Some(Kind::Registration) => self.mind.domain(&one, self.now),
                Some(Kind::Operator) => self.mind.operator(&one, self.now),
                _ => {}
            }
        }
    }

    fn after(&mut self, ms: u64) -> Option<Registered> {
        self.now += ms;
        self.mind.settle(self.now, false)
    }
}

const AT_HOME: &str = "+CREG: 3,1,\"1F00\",\"79D903\",7\n+CEREG: 3,1,\"1F00\",\"79D903\",7\n+COPS: 0,2,\"45204\",7";

#[test]
fn service_is_said_as_far_as_the_modem_shows_it() {
    use RegistrationStat::{Denied, EmergencyOnly, Home, HomeSmsOnly, Idle, Roaming, Searching, Unknown};
    use ServiceState as S;
    let limited_on = |mnc: &str| {
        format!(
            "+QENG: \"servingcell\",\"LIMSRV\",\"LTE\",\"FDD\",452,{mnc},7676A09,188,1350,3,3,3,603,-104,-9,-78,11,23"
        )
    };
    let cpsi = "+CPSI: LTE,Online,452-01,0x5A1E,187214780,257,EUTRAN-BAND3,1825,4,4,-102,-924,-632,13";
    let cases = [
        (AT_HOME.to_owned(), Home, Some(S::Home)),
        ("+CEREG: 3,5,\"1F00\",\"79D903\",7".into(), Roaming, Some(S::Roaming)),
        ("+CEREG: 3,2".into(), Searching, None),
        (format!("+CEREG: 3,0\n{}", limited_on("01")), Idle, Some(S::Limited)),
        (format!("+CEREG: 3,2\n{cpsi}"), Searching, Some(S::Limited)),
        (format!("+CEREG: 3,4\n{cpsi}"), Unknown, None),
        ("+CEREG: 3,2\n+QENG: \"servingcell\",\"SEARCH\"".into(), Searching, Some(S::None)),
        ("+CEREG: 3,2\n^SYSINFOEX: 1,0,0,1,,6,\"LTE\",101,\"LTE\"".into(), Searching, Some(S::Limited)),
        ("+CREG: 3,8".into(), EmergencyOnly, Some(S::Limited)),
        ("+CEREG: 3,6".into(), HomeSmsOnly, None),
        ("+CEREG: 3,3,,,,0,11\n+CREG: 3,1".into(), Denied, None),
        // An unpaid SIM camps on the network that refuses it; that says nothing of the network.
        (format!("+CEREG: 3,3\n{}", limited_on("04")), Denied, None),
        (format!("+CEREG: 3,3\n{}", limited_on("06")), Denied, None),
        ("+CEREG: 3,3\n+QENG: \"servingcell\",\"LIMSRV\"".into(), Denied, None),
        ("+CEREG: 3,3\n+QENG: \"servingcell\",\"SEARCH\"".into(), Denied, None),
        (format!("+CEREG: 3,3\n{}", limited_on("01")), Denied, Some(S::Limited)),
        ("+CEREG: 3,0\n+CREG: 3,1,\"0001\",\"0010\",0".into(), Home, Some(S::Home)),
    ];
    for (lines, stat, service) in cases {
        let told = Modem::with_sim("452-04").reads(&lines).unwrap_or_else(|| panic!("nothing of {lines}"));
        assert_eq!((told.stat, told.service), (stat, service), "{lines}");
    }
}

#[test]
fn a_network_that_serves_and_its_cell_are_named() {
    let told = Modem::with_sim("452-04").reads(AT_HOME).expect("it is told");
    assert_eq!((told.plmn.as_deref(), told.technology), (Some("452-04"), Some(Technology::Lte)));
    let cell = told.cell.expect("a cell");
    assert_eq!((cell.cell_id, cell.tac, cell.mnc.as_deref()), (Some(0x79_D903), Some(0x1F00), Some("04")));
}

#[test]
fn a_denial_carries_its_cause_and_registering_forgets_it() {
    let mut modem = Modem::with_sim("452-04");
    let told = modem.reads("+CEREG: 3,3,,,,0,11").expect("it is told");
    assert_eq!((told.stat, told.reject_cause), (RegistrationStat::Denied, Some(11)));
    assert_eq!(modem.reads(AT_HOME).expect("it is told").reject_cause, None);
    // A vendor's own number is no cause of TS 24.301.
    assert_eq!(modem.reads("+CEREG: 3,3,,,,1,200").expect("it is told").reject_cause, None);
    assert!(modem.mind.is_denied_without_cause());
    modem.mind.cause(7, 0);
    assert_eq!(modem.mind.settle(0, true).expect("it is told").reject_cause, Some(7));
}

#[test]
fn each_denial_has_a_cause_of_its_own() {
    let mut modem = Modem::with_sim("452-04");
    assert_eq!(modem.reads("+CEREG: 3,3").expect("it is told").reject_cause, None);
    modem.mind.cause(15, 0);
    assert_eq!(modem.mind.settle(0, true).expect("it is told").reject_cause, Some(15));
    // It goes on being refused: the cause is asked for again, and may be another.
    assert!(modem.mind.is_denied_without_cause());
    modem.mind.cause(8, 0);
    assert_eq!(modem.mind.settle(0, true).expect("it is told").reject_cause, Some(8));
    assert_eq!(modem.reads("+CEREG: 3,2").expect("it is told").reject_cause, None);
    let again = modem.reads("+CEREG: 3,3").expect("it is told");
    assert_eq!((again.stat, again.reject_cause), (RegistrationStat::Denied, None), "nobody asked for it yet");
}

#[test]
fn five_g_on_a_scale_that_nobody_knows_is_there_all_the_same() {
    let mut modem = Modem::with_sim("452-04");
    modem.reads(AT_HOME);
    let signal = modem.mind.signal(&decode("^HCSQ: \"NR\",40,50,60", None), 0);
    let cells: Vec<_> = signal.cells.iter().map(|cell| (cell.technology, cell.rsrp_dbm)).collect();
    assert_eq!(cells, [(Some(Technology::Nr), None)]);
}

#[test]
fn the_same_again_is_not_told_again() {
    let mut modem = Modem::with_sim("452-04");
    assert!(modem.reads(AT_HOME).is_some());
    assert_eq!(modem.reads(AT_HOME), None);
    modem.mind.forget_told(0);
    assert!(modem.reads(AT_HOME).is_some());
}

#[test]
fn a_loss_is_told_when_all_was_asked_or_a_second_later() {
    let mut modem = Modem::with_sim("452-04");
    modem.reads(AT_HOME);
    modem.hears("+CEREG: 2");
    assert_eq!(modem.after(999), None);
    assert_eq!(modem.after(1).map(|told| told.stat), Some(RegistrationStat::Searching));
    modem.reads(AT_HOME);
    modem.hears("+CEREG: 2");
    let told = modem.reads("+CREG: 3,2\n+CEREG: 3,2").expect("all was asked");
    assert_eq!((told.stat, told.plmn, told.cell), (RegistrationStat::Searching, None, None));
}

#[test]
fn falling_back_to_voice_networks_is_not_a_loss() {
    let mut modem = Modem::with_sim("452-04");
    modem.reads(AT_HOME);
    modem.hears("+CEREG: 2");
    let told = modem
        .reads("+CEREG: 3,0\n+CGREG: 3,1,\"0426\",\"F00F\",0\n+CREG: 3,1,\"0426\",\"F00F\",0")
        .expect("it is told");
    assert_eq!((told.stat, told.technology), (RegistrationStat::Home, Some(Technology::Gsm)));
}

#[test]
fn two_legs_of_one_attachment_stay_apart() {
    let mut modem = Modem::with_sim("222-01");
    modem.reads("+CEREG: 3,1,\"BE3\",\"328261F\",7");
    let lines = "+QENG: \"servingcell\",\"CONNECT\"\n\
                 +QENG: \"LTE\",\"FDD\",222,01,328261F,280,275,1,4,4,BE3,-99,-14,-66,7,4,30,-\n\
                 +QENG: \"NR5G-NSA\",222,01,920,-96,18,-10,648768,78,10,1";
    let signal = modem.mind.signal(&decode(lines, Some("RM520N-GL")), 0);
    let of = |at: usize| (signal.cells[at].technology, signal.cells[at].rsrp_dbm, signal.cells[at].cell_id);
    assert_eq!(signal.cells.len(), 2);
    assert_eq!(of(0), (Some(Technology::Lte), Some(-99.0), Some(0x0328_261F)));
    assert_eq!(of(1), (Some(Technology::NrNsa), Some(-96.0), None));
    assert_eq!(signal.rrc, Some(Rrc::Connected));
}

#[test]
fn levels_without_an_identity_take_the_registrations() {
    let mut modem = Modem::with_sim("452-04");
    modem.reads(AT_HOME);
    let signal = modem.mind.signal(&decode("+CESQ: 99,99,255,255,20,44", None), 0);
    let cell = &signal.cells[0];
    assert_eq!((cell.rsrp_dbm, cell.rsrq_db, cell.cell_id), (Some(-97.0), Some(-10.0), Some(0x79_D903)));
    let signal = modem.mind.signal(&decode("+CSQ: 20,99", None), 0);
    assert_eq!((signal.cells[0].rssi_dbm, signal.cells[0].technology), (Some(-73.0), Some(Technology::Lte)));
    // Of another technology than the registration's: nothing is borrowed.
    let signal = modem.mind.signal(&decode("+CESQ: 10,6,255,255,255,255", None), 0);
    assert_eq!((signal.cells[0].technology, signal.cells[0].cell_id), (Some(Technology::Gsm), None));
}

#[test]
fn no_service_is_a_reading_without_cells() {
    let signal = Modem::with_sim("452-04").mind.signal(&decode("+CPSI: NO SERVICE,Online", None), 0);
    assert_eq!((signal.cells.len(), signal.raw.as_deref()), (0, Some("+CPSI: NO SERVICE,Online")));
}
