//! What `+CEER` says about the last failure.
//!
//! In: its line, of which TS 27.007 says only that it is text. Out: a cause of TS 24.301, of mobility (EMM) or of the
//! session (ESM), where the text is one that is known or names its kind and number. Refuses to know: when it happened.
//! Limits: other texts give nothing.

use super::reply;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// 9.9.3.9: the network does not want the SIM or the modem.
    Mobility(u16),
    /// 9.9.4.4: it does not want this bearer.
    Session(u16),
}

const MOBILITY: [(&str, u16); 14] = [
    ("imsi unknown in hss", 2),
    ("imsi unknown in hlr", 2),
    ("illegal ue", 3),
    ("illegal ms", 3),
    ("illegal me", 6),
    ("eps services and non-eps services not allowed", 8),
    ("eps services not allowed in this plmn", 14),
    ("eps services not allowed", 7),
    ("plmn not allowed", 11),
    ("tracking area not allowed", 12),
    ("roaming not allowed in this tracking area", 13),
    ("no suitable cells in tracking area", 15),
    ("network failure", 17),
    ("congestion", 22),
];
const SESSION: [(&str, u16); 12] = [
    ("operator determined barring", 8),
    ("insufficient resources", 26),
    ("missing or unknown apn", 27),
    ("unknown or missing apn", 27),
    ("unknown pdn type", 28),
    ("user authentication", 29),
    ("request rejected by serving gw or pdn gw", 30),
    ("request rejected, unspecified", 31),
    ("requested service option not subscribed", 33),
    ("service option not supported", 32),
    ("service option temporarily out of order", 34),
    ("multiple pdn connections for a given apn not allowed", 55),
];

pub fn of(line: &str) -> Option<Cause> {
    let text = reply::value(line).to_ascii_lowercase();
    let session = ["esm", "sm cause", "session management"].iter().any(|word| text.contains(word));
    let mobility = ["emm", "gmm", "mobility management"].iter().any(|word| text.contains(word));
    if session != mobility
        && let Some(number) = last_number(&text)
    {
        return Some(if session { Cause::Session(number) } else { Cause::Mobility(number) });
    }
    let find = |table: &[(&str, u16)]| table.iter().find(|(words, _)| text.contains(words)).map(|(_, number)| *number);
    find(&SESSION).map(Cause::Session).or_else(|| find(&MOBILITY).map(Cause::Mobility))
}

/// The last number that stands alone and is a cause.
fn last_number(text: &str) -> Option<u16> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter_map(|word| word.parse().ok()).rfind(|number| (1..=255).contains(number))
}

/// Whether a session's cause means that the network refused it, not that it ended as it should.
pub fn refuses(cause: u16) -> bool {
    matches!(cause, 8 | 26..=35 | 38 | 50..=55 | 65 | 66 | 95..=113)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cause_is_read_where_its_kind_is_known() {
        let cases = [
            (
                "+CEER: \"EPS session management\",33,\"Requested service option not subscribed\"",
                Some(Cause::Session(33)),
            ),
            ("+CEER: ESM cause 27", Some(Cause::Session(27))),
            ("+CEER: EMM_CAUSE: 11", Some(Cause::Mobility(11))),
            ("+CEER: Missing or unknown APN", Some(Cause::Session(27))),
            ("+CEER: Illegal UE", Some(Cause::Mobility(3))),
            ("+CEER: EPS services not allowed in this PLMN", Some(Cause::Mobility(14))),
            ("+CEER: No cause information available", None),
            ("+CEER: 5,0", None),
            ("+CEER:", None),
        ];
        cases.iter().for_each(|(line, cause)| assert_eq!(of(line), *cause, "{line}"));
        assert!(refuses(27) && refuses(33) && !refuses(36));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(line in "\\PC{0,80}") {
            let _ = of(&line);
        }
    }
}
