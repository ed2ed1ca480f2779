//! Which scale a vendor's number is on: rules for models, and what physics allows.
//!
//! In: a raw number, what is known beside it, the model. Out: dB, or nothing where no scale can be trusted. Noise and
//! interference cannot exceed the RSSI of a resource element, so SINR >= RSRQ + 10.8 dB (3 dB are allowed); and
//! RSRQ = 10 log10(N_RB) + RSRP - RSSI (within 3 dB). Refuses to know: layouts. Limits: the rules below.

use super::{Decoded, values};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// The number is dB.
    Whole,
    Tenths,
    /// 2 X - 20.
    Doubled,
    /// X / 5 - 20.
    Fifths,
}

/// LTE SINR by model: the beginning of a word of its name. The first that fits counts, so that an entry for one model
/// or firmware can stand before its family's.
const LTE_SINR: [(&str, Scale); 5] = [
    ("RM", Scale::Whole),
    ("RG", Scale::Whole),
    ("EC2", Scale::Whole),
    ("EG2", Scale::Whole),
    ("SIM70", Scale::Doubled),
];

const ALLOWED_DB: f32 = 3.0;

impl Scale {
    fn db(self, raw: f32) -> f32 {
        match self {
            Scale::Whole => raw,
            Scale::Tenths => raw / 10.0,
            Scale::Doubled => 2.0 * raw - 20.0,
            Scale::Fifths => (raw - 100.0) / 5.0,
        }
    }

    fn holds(self, raw: f32, rsrq_db: Option<f32>) -> bool {
        values::sinr(Some(self.db(raw))).is_some_and(|sinr| rsrq_db.is_none_or(|rsrq| sinr >= rsrq + 10.8 - ALLOWED_DB))
    }
}

/// The rule for a model's LTE SINR.
pub(super) fn of_model(model: &str) -> Option<Scale> {
    let upper = model.to_ascii_uppercase();
    let mut words = upper.split(|c: char| !c.is_ascii_alphanumeric());
    words.find_map(|word| LTE_SINR.iter().find(|(start, _)| word.starts_with(start)).map(|(_, scale)| *scale))
}

/// -3276 and -32768 are sentinels; hundredths of a dB reach to 2700.
const RAW_LESS_THAN: f32 = 3276.0;

/// Puts a SINR into `to`: the raw number always, dB where `scales` has exactly one that is possible.
pub(super) fn sinr(to: &mut Decoded, text: &str, scales: &[Scale]) {
    let Some(raw) = values::number(text).filter(|raw| raw.abs() < RAW_LESS_THAN) else { return };
    to.sinr_raw = Some(raw);
    let mut possible = scales.iter().filter(|scale| scale.holds(raw, to.rsrq_db));
    match (possible.next(), possible.next()) {
        (Some(scale), None) => to.sinr_db = Some(scale.db(raw)),
        _ => to.doubt("sinr_db"),
    }
}

/// N_RB of the LTE bandwidth codes 0 to 5 (1.4 to 20 MHz), or of a number that is one already.
pub(super) fn resource_blocks(text: &str) -> Option<f32> {
    const BLOCKS: [f32; 6] = [6.0, 15.0, 25.0, 50.0, 75.0, 100.0];
    let code = values::count(text)?;
    let of_code = usize::try_from(code).ok().and_then(|at| BLOCKS.get(at).copied());
    of_code.or_else(|| BLOCKS.into_iter().find(|blocks| *blocks as u32 == code))
}

/// Whether RSRP, RSRQ and RSSI of one LTE carrier can stand beside each other; `None` where one of them is missing.
pub(super) fn consistent(of: &Decoded, blocks: Option<f32>) -> Option<bool> {
    let expected = 10.0 * blocks?.log10() + of.rsrp_dbm? - of.rssi_dbm?;
    Some((expected - of.rsrq_db?).abs() <= ALLOWED_DB)
}
