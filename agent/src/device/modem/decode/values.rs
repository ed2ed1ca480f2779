//! Numbers of a reply, each within what 3GPP allows for it, or not at all.
//!
//! In: the text of a field. Out: a value of the field's own range, or nothing: a sentinel, a dash, an identity that is
//! reserved for "none" and a number out of range are left out. Refuses to know: which reply it is from. Limits: none.

use phusong_protocol::Technology;
use std::ops::RangeInclusive;

/// SS-RSRP reaches from -156 (TS 38.133) to -31; LTE lies within.
const RSRP_DBM: RangeInclusive<f32> = -156.0..=-31.0;
/// TS 36.133 with its extension.
const RSRQ_LTE_DB: RangeInclusive<f32> = -34.0..=2.5;
/// TS 38.133.
const RSRQ_NR_DB: RangeInclusive<f32> = -43.5..=20.0;
/// RS-SINR and SS-SINR alike; vendors go a little lower than -23.
const SINR_DB: RangeInclusive<f32> = -23.5..=40.0;
/// From the noise of a narrow carrier to 100 resource blocks at the strongest RSRP.
const RSSI_DBM: RangeInclusive<f32> = -125.0..=-10.0;
const RSCP_DBM: RangeInclusive<f32> = -121.0..=-24.0;
const ECIO_DB: RangeInclusive<f32> = -32.5..=0.0;

pub(super) fn rsrp(value: Option<f32>) -> Option<f32> {
    value.filter(|v| RSRP_DBM.contains(v))
}

pub(super) fn rsrq(value: Option<f32>, technology: Technology) -> Option<f32> {
    let range = if is_nr(technology) { RSRQ_NR_DB } else { RSRQ_LTE_DB };
    value.filter(|v| range.contains(v))
}

pub(super) fn sinr(value: Option<f32>) -> Option<f32> {
    value.filter(|v| SINR_DB.contains(v))
}

pub(super) fn rssi(value: Option<f32>) -> Option<f32> {
    value.filter(|v| RSSI_DBM.contains(v))
}

pub(super) fn rscp(value: Option<f32>) -> Option<f32> {
    value.filter(|v| RSCP_DBM.contains(v))
}

pub(super) fn ecio(value: Option<f32>) -> Option<f32> {
    value.filter(|v| ECIO_DB.contains(v))
}

pub(super) fn is_nr(technology: Technology) -> bool {
    matches!(technology, Technology::Nr | Technology::NrNsa | Technology::NrSa)
}

/// The words for LTE-M and NB-IoT, in upper case: "CAT-M1", "EMTC", "CAT-NB", "NTN NBIOT".
pub(super) fn is_narrow_lte(word: &str) -> bool {
    ["CAT-M", "CAT-NB", "EMTC", "NBIOT", "NB-IOT"].into_iter().any(|known| word.contains(known))
}

/// A decimal number with at most one point. "-32768" and words are none.
pub(super) fn number(text: &str) -> Option<f32> {
    let plain = text.len() <= 12 && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.'));
    let value: f32 = text.parse().ok().filter(|_| plain)?;
    (value.is_finite() && value > -32768.0).then_some(value)
}

/// A whole number without a sign.
pub(super) fn count(text: &str) -> Option<u32> {
    let digits = (1..=10).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

pub(super) fn within(text: &str, range: RangeInclusive<u32>) -> Option<u32> {
    count(text).filter(|value| range.contains(value))
}

fn small(text: &str, most: u32) -> Option<u8> {
    // Leading zeros occur: `001`.
    within(text, 0..=most).and_then(|value| u8::try_from(value).ok())
}

pub(super) fn stat(text: &str) -> Option<u8> {
    small(text, 11)
}

pub(super) fn act(text: &str) -> Option<u8> {
    small(text, 16)
}

pub(super) fn availability(text: &str) -> Option<u8> {
    small(text, 3)
}

/// What an `<AcT>` means. Satellite access (14 to 16) is none of the technologies; 8 is EC-GSM-IoT in the standard and
/// LTE-M on modems that exist.
pub(super) fn technology_of_act(act: u8) -> Option<Technology> {
    match act {
        0 | 1 | 3 => Some(Technology::Gsm),
        2 | 4..=6 => Some(Technology::Umts),
        // 10 is LTE on a 5G core.
        7 | 9 | 10 => Some(Technology::Lte),
        11 => Some(Technology::NrSa),
        // NG-RAN: not said which.
        12 => Some(Technology::Nr),
        13 => Some(Technology::NrNsa),
        _ => None,
    }
}

pub(super) fn hex(text: &str) -> Option<u64> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let plain = (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok())?
}

/// A cell identity of its technology's width; all ones stand for "none", of any width where the technology is not known.
pub(super) fn cell_id(value: Option<u64>, technology: Option<Technology>) -> Option<u64> {
    let bits = match technology {
        Some(Technology::Gsm) => 16,
        Some(Technology::Umts | Technology::Lte) => 28,
        _ => 36,
    };
    let all_ones = [0xffff_ffff, 0xfff_ffff];
    let short_ones = |v: u64| technology.is_none() && v == 0xffff;
    value.filter(|v| *v < (1 << bits) - 1 && !all_ones.contains(v) && !short_ones(*v))
}

/// Location and tracking areas in hexadecimal: 0 and ...FE are reserved for a SIM that has none (TS 23.003, TS 24.008).
/// Those of a 5G core have 24 bits; the LTE cell of EN-DC is one of an LTE core.
pub(super) fn area(text: &str, technology: Option<Technology>) -> Option<u32> {
    match technology {
        Some(Technology::Nr | Technology::NrSa) => area_of_five(text),
        // The widest that it can be, and nothing that is reserved in either.
        None => area_of_five(text).filter(|area| !matches!(area, 0xfffe | 0xffff)),
        Some(_) => area_of_five(text).filter(|area| *area < 0xfffe),
    }
}

/// An area of 24 bits: 000000 and FFFFFE are reserved, all ones stand for "none", of four digits, too.
pub(super) fn area_of_five(text: &str) -> Option<u32> {
    let short = matches!(text.to_ascii_uppercase().as_str(), "FFFE" | "FFFF" | "0XFFFE" | "0XFFFF");
    hex(text).filter(|v| !short && (1..0xff_fffe).contains(v)).and_then(|v| u32::try_from(v).ok())
}

pub(super) fn pci(text: &str, technology: Technology) -> Option<u16> {
    let most = match technology {
        Technology::Lte => 503,
        Technology::Umts => 511,
        _ => 1007,
    };
    within(text, 0..=most).and_then(|value| u16::try_from(value).ok())
}

pub(super) fn arfcn(text: &str, technology: Technology) -> Option<u32> {
    // An EARFCN 0 is one; an NR-ARFCN 0 would be at 0 Hz.
    let range = match technology {
        Technology::Gsm => 0..=1023,
        Technology::Umts => 0..=16_383,
        Technology::Lte => 0..=262_143,
        _ => 1..=3_279_165,
    };
    within(text, range)
}

/// "B3" or "n78" of the last number in `text`: `3`, `LTE BAND 3`, `EUTRAN-BAND3`, `NR5G_BAND78`.
pub(super) fn band(text: &str, technology: Technology) -> Option<String> {
    let digits = text.rfind(|c: char| !c.is_ascii_digit()).map_or(text, |at| text.get(at + 1..).unwrap_or(""));
    match technology {
        Technology::Lte => within(digits, 1..=256).map(|n| format!("B{n}")),
        _ if is_nr(technology) => within(digits, 1..=512).map(|n| format!("n{n}")),
        _ => None,
    }
}

fn mcc(text: &str) -> Option<String> {
    let digits = text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()) && text != "000";
    digits.then(|| text.to_owned())
}

/// As it was written, leading zeros and all.
fn mnc(text: &str) -> Option<String> {
    let digits = (2..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.to_owned())
}

/// A network in two fields. An MNC says nothing without its MCC: `000` and `00` are none.
pub(super) fn network(mcc_text: &str, mnc_text: &str) -> (Option<String>, Option<String>) {
    let mcc = mcc(mcc_text);
    let mnc = mnc(mnc_text).filter(|_| mcc.is_some());
    (mcc, mnc)
}

/// `46000` is 460 and 00, `310410` is 310 and 410.
pub(super) fn plmn(text: &str) -> Option<(String, String)> {
    // Five or six digits, all ASCII: the cut is at a character.
    let digits = (5..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if !digits {
        return None;
    }
    Some((mcc(&text[..3])?, mnc(&text[3..])?))
}
