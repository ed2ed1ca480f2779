//! What the modem says of its SIM: state, home network, name of the operator.
//!
//! In: answers to `+CPIN`, `+CIMI`, `+CRSM`. Out: [`SimState`], "452-04", a name. Refuses to know: the subscriber: of
//! the IMSI only the network's digits leave this file. Limits: countries whose networks have two or three digits give
//! nothing where the SIM does not say how many.

use super::reply::{self, Refusal};
use phusong_protocol::SimState;

/// The file that says how many digits the network has (EF_AD, TS 31.102 4.2.18).
pub const READ_AD: &str = "AT+CRSM=176,28589,0,0,4";
/// The file with the operator's name (EF_SPN, TS 31.102 4.2.12).
pub const READ_SPN: &str = "AT+CRSM=176,28486,0,0,17";

/// Countries with three digits throughout (ITU-T E.212).
const THREE: [&str; 22] = [
    "302", "310", "311", "312", "313", "314", "315", "316", "334", "338", "342", "344", "346", "348", "352", "356",
    "358", "360", "365", "376", "722", "732",
];
/// Countries with both.
const BOTH: [&str; 8] = ["350", "354", "366", "405", "502", "708", "714", "750"];

/// Of the line behind `+CPIN:`.
pub fn state(line: &str) -> SimState {
    match reply::value(line).trim_matches('"').to_ascii_uppercase().as_str() {
        // The second PIN guards other things than service.
        "READY" | "SIM PIN2" | "SIM PUK2" => SimState::Ready,
        "SIM PIN" => SimState::Pin,
        "SIM PUK" => SimState::Puk,
        "NOT INSERTED" | "SIM REMOVED" => SimState::Absent,
        // Locked to another modem, network or corporation.
        word if word.starts_with("PH-") => SimState::Failure,
        _ => SimState::Unknown,
    }
}

/// Of an error instead of an answer (TS 27.007 9.2.1).
pub fn refused(refusal: &Refusal) -> SimState {
    match refusal {
        Refusal::Cme(Some(10)) => SimState::Absent,
        Refusal::Cme(Some(11)) => SimState::Pin,
        Refusal::Cme(Some(12)) => SimState::Puk,
        Refusal::Cme(Some(13 | 15)) => SimState::Failure,
        Refusal::Cme(Some(14)) => SimState::Busy,
        Refusal::Cme(Some(17 | 18)) => SimState::Ready,
        _ => SimState::Unknown,
    }
}

/// Digits of the network's part, of the answer to [`READ_AD`].
pub fn mnc_digits(line: &str) -> Option<usize> {
    let bytes = file(line)?;
    match bytes.get(3)? & 0x0f {
        2 => Some(2),
        3 => Some(3),
        _ => None,
    }
}

/// The operator's name, of the answer to [`READ_SPN`].
pub fn name(line: &str) -> Option<String> {
    let bytes = file(line)?;
    let name = bytes.get(1..)?.iter().copied().take_while(|byte| *byte != 0xff);
    // The default alphabet of GSM agrees with ASCII on letters and digits; 0x80 begins another coding.
    let name: Option<String> = name.map(|byte| (0x20..0x7f).contains(&byte).then_some(char::from(byte))).collect();
    name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// The content of a file: `+CRSM: 144,0,"00000002"`.
fn file(line: &str) -> Option<Vec<u8>> {
    let fields = reply::fields(line);
    let done = matches!(*fields.first()?, "144" | "145" | "159");
    let hex = fields.get(2).filter(|hex| done && hex.is_ascii() && hex.len() <= 512 && hex.len() % 2 == 0)?;
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// "452-04" of an IMSI.
pub fn plmn(imsi: &str, digits: Option<usize>) -> Option<String> {
    let imsi = reply::value(imsi).trim_matches('"');
    if !(6..=15).contains(&imsi.len()) || !imsi.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mcc = &imsi[..3];
    let digits = match digits {
        Some(digits) => digits,
        None if BOTH.contains(&mcc) => return None,
        None if THREE.contains(&mcc) => 3,
        None => 2,
    };
    (mcc != "000").then(|| format!("{mcc}-{}", &imsi[3..3 + digits]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_home_network_is_cut_where_the_sim_or_the_country_says() {
        let cases = [
            ("452040123456789", None, Some("452-04")),
            ("452040123456789", Some(2), Some("452-04")),
            ("310410123456789", None, Some("310-410")),
            ("405840123456789", None, None),
            ("405840123456789", Some(3), Some("405-840")),
            ("\"452010123456789\"", None, Some("452-01")),
            ("ERROR", None, None),
            ("45204", None, None),
            ("000000000000000", None, None),
        ];
        for (imsi, digits, home) in cases {
            assert_eq!(plmn(imsi, digits).as_deref(), home, "{imsi}");
        }
    }

    #[test]
    fn files_of_the_sim_say_digits_and_name() {
        assert_eq!(mnc_digits("+CRSM: 144,0,\"00000002\""), Some(2));
        assert_eq!(mnc_digits("+CRSM: 144,0,00000103"), Some(3));
        assert_eq!(mnc_digits("+CRSM: 144,0,\"000000\""), None);
        assert_eq!(mnc_digits("+CRSM: 103,0"), None);
        assert_eq!(mnc_digits("+CRSM: 106,130,\"\""), None);
        assert_eq!(name("+CRSM: 144,0,\"0156696574746556FFFFFFFFFFFFFFFFFF\"").as_deref(), Some("VietteV"));
        assert_eq!(name("+CRSM: 144,0,\"01FFFFFFFF\""), None);
        assert_eq!(name("+CRSM: 144,0,\"0180043100\""), None);
    }

    #[test]
    fn every_word_and_error_of_a_sim_has_its_state() {
        let words = [
            ("+CPIN: READY", SimState::Ready),
            ("+CPIN:\"SIM PIN\"", SimState::Pin),
            ("+CPIN: SIM PUK", SimState::Puk),
            ("+CPIN: SIM PUK2", SimState::Ready),
            ("+CPIN: PH-NET PIN", SimState::Failure),
            ("+CPIN: NOT READY", SimState::Unknown),
            ("+CPIN: NOT INSERTED", SimState::Absent),
        ];
        words.iter().for_each(|(line, wanted)| assert_eq!(state(line), *wanted, "{line}"));
        let errors = [(10, SimState::Absent), (11, SimState::Pin), (13, SimState::Failure), (14, SimState::Busy)];
        errors.iter().for_each(|(code, wanted)| assert_eq!(refused(&Refusal::Cme(Some(*code))), *wanted, "{code}"));
        assert_eq!(refused(&Refusal::Plain), SimState::Unknown);
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic(line in "\\PC{0,80}", hex in "[0-9A-Fa-fé]{0,40}") {
            let file = format!("+CRSM: 144,0,\"{hex}\"");
            let _ = (plmn(&line, Some(3)), mnc_digits(&file), name(&file), name(&line), state(&line));
        }
    }
}
