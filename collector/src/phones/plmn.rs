//! MCC and MNC as strings, from sources that lost the leading zeros.
//!
//! In: the two numbers, or a SIM's operator as five or six digits. Out: `("452", "04")`, `"452-04"`. Refuses to know:
//! who they belong to.

/// Countries whose MNCs have three digits (ITU-T E.212 as it is used) [M].
const THREE_DIGITS: [u16; 28] = [
    302, 310, 311, 312, 313, 314, 315, 316, 330, 334, 338, 342, 344, 346, 348, 350, 352, 354, 356, 358, 360, 364, 365,
    366, 376, 708, 722, 732,
];

/// Both as they are written; `None` where the numbers are none.
pub fn strings(mcc: i64, mnc: i64) -> Option<(String, String)> {
    let mcc = u16::try_from(mcc).ok().filter(|mcc| (100..=999).contains(mcc))?;
    let mnc = u16::try_from(mnc).ok().filter(|mnc| *mnc <= 999)?;
    let three = mnc > 99 || THREE_DIGITS.contains(&mcc);
    Some((mcc.to_string(), if three { format!("{mnc:03}") } else { format!("{mnc:02}") }))
}

/// `45204` or `452-04` -> `452-04`.
pub fn joined(text: &str) -> Option<String> {
    let (mcc, mnc) = match text.split_once('-') {
        Some(parts) => parts,
        None => text.split_at_checked(3)?,
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shaped = mcc.len() == 3 && (2..=3).contains(&mnc.len()) && digits(mcc) && digits(mnc);
    shaped.then(|| format!("{mcc}-{mnc}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leading_zeros_come_back() {
        let pair = |mcc: &str, mnc: &str| Some((mcc.to_owned(), mnc.to_owned()));
        for (mcc, mnc, wanted) in [
            (452, 4, pair("452", "04")),
            (310, 4, pair("310", "004")),
            (310, 260, pair("310", "260")),
            (262, 1, pair("262", "01")),
            (404, 880, pair("404", "880")),
            (0, 4, None),
            (452, 1000, None),
            (452, -1, None),
        ] {
            assert_eq!(strings(mcc, mnc), wanted);
        }
        for (text, wanted) in [
            ("45204", Some("452-04")),
            ("311480", Some("311-480")),
            ("452-04", Some("452-04")),
            ("4520", None),
            ("", None),
        ] {
            assert_eq!(joined(text).as_deref(), wanted, "{text}");
        }
    }
}
