//! Lines of programs to words.

use super::*;
use crate::device::modem::decode::decode;
use proptest::prelude::*;

fn of(line: &str) -> Word {
    read(line, 10_000).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn each_kind_is_read_with_its_keys() {
    let cell = RadioCell {
        technology: Some(Technology::Lte),
        mcc: Some("452".into()),
        mnc: Some("04".into()),
        cell_id: Some(7_985_411),
        pci: Some(188),
        rsrp_dbm: Some(-97.5),
        serving: Some(true),
        ..RadioCell::default()
    };
    let signal = r#"{"kind":"signal","technology":"lte","mcc":"452","mnc":"04","cell_id":7985411,"pci":188,"rsrp_dbm":-97.5,"rrc":"connected","raw":"x"}"#;
    assert_eq!(of(signal), Word::Signal { cell: Some(cell), rrc: Some(Rrc::Connected), raw: Some("x".into()) });

    let Word::Registration(now) =
        of(r#"{"kind":"registration","stat":5,"technology":"lte","plmn":"452-01","tac":7936,"cell_id":1}"#)
    else {
        panic!("a registration");
    };
    assert_eq!(
        (now.stat, now.service, now.plmn.as_deref()),
        (RegistrationStat::Roaming, Some(ServiceState::Roaming), Some("452-01"))
    );
    assert_eq!(now.cell.expect("a cell").tac, Some(7_936));

    let Word::Registration(now) = of(r#"{"kind":"registration","stat":"denied","reject_cause":11}"#) else {
        panic!("a registration");
    };
    assert_eq!((now.stat, now.service, now.reject_cause), (RegistrationStat::Denied, None, Some(11)));

    let Word::Sim(sim) = of(r#"{"kind":"sim","state":"ready","plmn":"452-04","operator":"Viettel"}"#) else {
        panic!("a SIM")
    };
    assert_eq!(
        (sim.state, sim.plmn.as_deref(), sim.operator.as_deref()),
        (SimState::Ready, Some("452-04"), Some("Viettel"))
    );

    let Word::Bearer(bearer) = of(r#"{"kind":"bearer","state":"refused","apn":"v-internet","cause":33}"#) else {
        panic!("a bearer")
    };
    assert_eq!((bearer.state, bearer.cause), (BearerState::Refused, Some(33)));

    let Word::Position(fix) = of(r#"{"kind":"position","lat":22.4,"lon":103.5,"accuracy_m":8,"age_s":2.5}"#) else {
        panic!("a position")
    };
    assert_eq!((fix.at_mono_ms, fix.lat, fix.accuracy_m), (7_500, 22.4, Some(8.0)));

    let Word::Modem(identity) = of(r#"{"kind":"modem","model":"X1","able":["lte","nr_nsa"],"bands":["B3","n78"]}"#)
    else {
        panic!("a modem")
    };
    assert_eq!((identity.model.as_deref(), identity.able.len(), identity.bands.len()), (Some("X1"), 2, 2));
}

#[test]
fn a_line_that_cannot_be_read_says_what_would_be_right() {
    let cases = [
        ("{}", "`kind` is missing"),
        ("[1]", "no JSON object"),
        ("no signal today", "no JSON object"),
        (r#"{"kind":"weather"}"#, "\"weather\" is none of modem, signal"),
        (r#"{"kind":"registration","stat":12}"#, "registration: `stat`"),
        (r#"{"kind":"sim","state":"fine"}"#, "sim: `state`"),
        (r#"{"kind":"position","lat":91,"lon":1}"#, "position: `lat`"),
        (r#"{"kind":"signal","mnc":4}"#, "no JSON object"),
    ];
    for (line, why) in cases {
        let error = read(line, 0).expect_err(line).to_string();
        assert!(error.contains(why), "{line}: {error}");
    }
}

#[test]
fn values_that_no_radio_reads_are_left_out() {
    let line = r#"{"kind":"signal","technology":"nr_sa","rsrp_dbm":0,"rsrq_db":99,"sinr_db":-32768,"pci":1008,"cell_id":68719476736,"mnc":"4","band":"LTE","rssi_dbm":-70}"#;
    let Word::Signal { cell: Some(cell), .. } = of(line) else { panic!("a signal") };
    let wanted = RadioCell {
        technology: Some(Technology::NrSa),
        rssi_dbm: Some(-70.0),
        serving: Some(true),
        ..RadioCell::default()
    };
    assert_eq!(cell, wanted);
}

#[test]
fn what_the_decoder_prints_can_be_printed_again() {
    let reply = "+QENG: \"servingcell\",\"CONNECT\",\"LTE\",\"FDD\",452,04,7676A09,188,6300,20,3,3,603,-104,-9,-78,11,23\n\
                 +QENG: \"neighbourcell intra\",\"LTE\",66536,221,-10,-96,-56,-,29,7,8,4,255\n\
                 +CEREG: 3,1,\"1F00\",\"79D903\",7\n+COPS: 0,2,\"45204\",7\n+QENG: \"servingcell\",\"SEARCH\"";
    let lines: Vec<String> =
        decode(reply, None).iter().map(|one| serde_json::to_string(one).expect("every number is finite")).collect();
    let words: Vec<Word> = lines.iter().map(|line| of(line)).collect();
    let Word::Signal { cell: Some(cell), rrc: Some(Rrc::Connected), .. } = &words[0] else { panic!("{words:?}") };
    assert_eq!((cell.rsrp_dbm, cell.pci), (Some(-104.0), Some(188)));
    assert!(matches!(&words[1], Word::Neighbour { cell, .. } if cell.pci == Some(221)), "{words:?}");
    assert!(matches!(&words[2], Word::Registration(now) if now.stat == RegistrationStat::Home), "{words:?}");
    assert_eq!(words[3], Word::Nothing);
    assert!(matches!(&words[4], Word::Signal { cell: None, .. }), "{words:?}");
}

proptest! {
    #[test]
    fn no_line_makes_it_panic(line in "\\PC{0,200}") {
        let _ = read(&line, 0);
    }

    #[test]
    fn no_value_of_a_known_key_makes_it_panic(kind in 0..7_usize, key in 0..12_usize, value in "-?[0-9]{1,30}(\\.[0-9]{1,5})?(e[0-9]{1,4})?|\"\\PC{0,10}\"|null|\\[\\]|true") {
        let kinds = ["modem", "signal", "neighbour", "registration", "sim", "bearer", "position"];
        let keys = ["stat", "state", "rsrp_dbm", "cell_id", "mcc", "plmn", "lat", "age_s", "bands", "raw", "cause", "band"];
        let _ = read(&format!("{{\"kind\":\"{}\",\"{}\":{value}}}", kinds[kind], keys[key]), u64::MAX);
    }
}
