//! The decoder of modem replies, family by family: whatever comes in, what comes out is possible.

use phusong_agent::device::modem::decode::{Decoded, Kind, MAX_OBJECTS, decode};

/// One of each rule for a scale, and one without.
const MODELS: [Option<&str>; 5] = [None, Some("Quectel RM520N-GL"), Some("EG25-G"), Some("SIM7080G"), Some("EP06-E")];

pub fn indexes(data: &[u8]) {
    family(data, &["+CESQ:", "+CSQ:"]);
}

pub fn registration(data: &[u8]) {
    family(data, &["+CREG:", "+CGREG:", "+CEREG:", "+C5GREG:"]);
}

pub fn operators(data: &[u8]) {
    family(data, &["+COPS:", "+QNWINFO:", "+QSCAN:", "+QOPS:"]);
}

pub fn quectel(data: &[u8]) {
    family(data, &["+QENG:", "+QCAINFO:", "+QCSQ:", "+QRSRP:", "+QRSRQ:", "+QSINR:"]);
}

pub fn simcom(data: &[u8]) {
    family(data, &["+CPSI:"]);
}

pub fn huawei(data: &[u8]) {
    family(data, &["^HCSQ:", "^SYSINFOEX:", "^MONSC:"]);
}

pub fn reply(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    decoded(&text, data.len());
}

/// The first line has a name of the family; whatever names the next ones have.
fn family(data: &[u8], names: &[&str]) {
    let text = String::from_utf8_lossy(data);
    if names.iter().any(|name| text.starts_with(name)) {
        decoded(&text, data.len());
    } else {
        let name = names[data.first().map_or(0, |byte| usize::from(*byte)) % names.len()];
        let rest = text.split_once(':').map_or(&*text, |(_, rest)| rest);
        decoded(&format!("{name}{rest}"), data.len());
    }
}

fn decoded(text: &str, number: usize) {
    let all = decode(text, MODELS[number % MODELS.len()]);
    assert!(all.len() <= MAX_OBJECTS);
    all.iter().for_each(|one| possible(one, text));
}

fn possible(one: &Decoded, text: &str) {
    let within =
        |value: Option<f32>, low: f32, high: f32| value.is_none_or(|v| v.is_finite() && (low..=high).contains(&v));
    let good = within(one.rsrp_dbm, -156.0, -31.0)
        && within(one.rsrq_db, -43.5, 20.0)
        && within(one.sinr_db, -23.5, 40.0)
        && within(one.sinr_raw, -3276.0, 3276.0)
        && within(one.rssi_dbm, -125.0, -10.0)
        && within(one.rscp_dbm, -121.0, -24.0)
        && within(one.ecio_db, -32.5, 0.0)
        && one.cell_id.is_none_or(|id| id < (1 << 36))
        && one.tac.is_none_or(|tac| (1..0xff_fffe).contains(&tac))
        && one.lac.is_none_or(|lac| (1..0xfffe).contains(&lac))
        && one.pci.is_none_or(|pci| pci <= 1007)
        && one.arfcn.is_none_or(|arfcn| arfcn <= 3_279_165)
        && one.stat.is_none_or(|stat| stat <= 11)
        && one.act.is_none_or(|act| act <= 16)
        && one.availability.is_none_or(|availability| availability <= 3)
        && one.mcc.as_ref().is_none_or(|mcc| mcc.len() == 3)
        && one.mnc.as_ref().is_none_or(|mnc| (2..=3).contains(&mnc.len()))
        && one.error.is_some() != one.kind.is_some()
        && (one.kind != Some(Kind::Neighbour) || one.serving == Some(false))
        && !one.raw.is_empty();
    assert!(good, "{text:?}\n{one:?}");
    // Costs as much as all else: now and then is enough, since every number was seen to be finite.
    if text.len().is_multiple_of(16) {
        serde_json::to_string(one).expect("a plain struct");
    }
}
