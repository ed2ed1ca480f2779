//! Quectel: the neighbours of `+QENG`, whose layouts change with the mode of the serving cell.
//!
//! In: a line. Out: an object of the neighbour. What a mode has where is seen from the numbers: RSRP and RSRQ have
//! ranges that do not meet. Refuses to know: priorities and thresholds. Limits: none.

use super::line::Line;
use super::quectel::lte_sinr;
use super::{Decoded, Kind, scale, values};
use phusong_protocol::Technology;

/// RSRP of LTE ends here from below, RSRQ far above it.
const BETWEEN_RSRP_AND_RSRQ: f32 = -44.0;
/// Lower ones are no channel of 5G.
const LEAST_NR_ARFCN: u32 = 80_000;

pub(super) fn neighbour(line: &Line, first: &str, model: Option<&str>) -> Option<Decoded> {
    let technology = match line.text(1).to_ascii_uppercase().as_str() {
        "LTE" => Technology::Lte,
        "WCDMA" => Technology::Umts,
        "GSM" => Technology::Gsm,
        "NR5G" | "NR" | "NR5G-NSA" | "NR5G-SA" => Technology::Nr,
        _ => return None,
    };
    let mut one = Decoded { technology: Some(technology), serving: Some(false), ..Decoded::new(Kind::Neighbour, line) };
    match technology {
        Technology::Lte => lte(line, &mut one, first == "neighbourcell", model),
        Technology::Umts => wcdma(line, &mut one),
        Technology::Gsm => gsm(line, &mut one),
        _ => five(line, &mut one),
    }
    Some(one)
}

/// `<earfcn>,<pci>,<rsrq>,<rsrp>,<rssi>,<sinr>,..`; in WCDMA mode, and of RM500U, `<earfcn>,<pci>,<rsrp>,<rsrq>,..`
/// without an RSSI.
fn lte(line: &Line, one: &mut Decoded, reversed: bool, model: Option<&str>) {
    let number = |at: usize| values::number(line.text(at));
    one.arfcn = values::arfcn(line.text(2), Technology::Lte);
    one.pci = values::pci(line.text(3), Technology::Lte);
    let (fourth, fifth) = (number(4), number(5));
    // `None`: neither of both.
    let is_rsrp = |value: Option<f32>| {
        let is_rsrp = value? <= BETWEEN_RSRP_AND_RSRQ;
        let read = if is_rsrp { values::rsrp(value) } else { values::rsrq(value, Technology::Lte) };
        read.map(|_| is_rsrp)
    };
    let rsrp_first = match (is_rsrp(fourth), is_rsrp(fifth)) {
        (Some(true), None | Some(false)) | (None, Some(false)) => Some(true),
        (Some(false), None | Some(true)) | (None, Some(true)) => Some(false),
        // It cannot be seen.
        (None, None) | (Some(true), Some(true)) | (Some(false), Some(false)) => None,
    };
    let (rsrp, rsrq) = if rsrp_first.unwrap_or(reversed) { (fourth, fifth) } else { (fifth, fourth) };
    one.rsrp_dbm = values::rsrp(rsrp);
    one.rsrq_db = values::rsrq(rsrq, Technology::Lte);
    if rsrp_first == Some(false) && !reversed {
        one.rssi_dbm = values::rssi(number(6));
        scale::sinr(one, line.text(7), lte_sinr(model));
    }
}

/// In LTE mode `<uarfcn>,<priority>,<high>,<low>,<psc>,<rscp>,<ecno>,..`, in WCDMA mode `<uarfcn>,<qual>,<psc>,<rscp>,..`,
/// in GSM mode `<uarfcn>,<psc>,<rscp>,..`: the level is the first number that can be one.
fn wcdma(line: &Line, one: &mut Decoded) {
    one.arfcn = values::arfcn(line.text(2), Technology::Umts);
    let level = |at: &usize| values::rscp(values::number(line.text(*at))).is_some();
    let Some(at) = [4, 5, 7].into_iter().find(level) else { return };
    one.pci = values::pci(line.text(at - 1), Technology::Umts);
    one.rscp_dbm = values::rscp(values::number(line.text(at)));
    one.ecio_db = values::ecio(values::number(line.text(at + 1)));
}

/// In LTE mode `<arfcn>,<priority>,..`, in GSM mode `<mcc>,<mnc>,<lac>,<cell>,<bsic>,<arfcn>,..`.
fn gsm(line: &Line, one: &mut Decoded) {
    let second = line.text(3);
    let at = match second.len() {
        1 if values::count(second).is_some() => 2,
        2 | 3 if values::network(line.text(2), second).1.is_some() => 7,
        _ => return,
    };
    one.arfcn = values::arfcn(line.text(at), Technology::Gsm);
}

/// `<arfcn>,<pci>,<rsrp>,<rsrq>,..` where the numbers say so; the layout is not known from a note.
fn five(line: &Line, one: &mut Decoded) {
    let number = |at: usize| values::number(line.text(at));
    one.arfcn = values::arfcn(line.text(2), Technology::Nr).filter(|arfcn| *arfcn >= LEAST_NR_ARFCN);
    if one.arfcn.is_none() {
        return;
    }
    one.pci = values::pci(line.text(3), Technology::Nr);
    if let (Some(rsrp), Some(rsrq)) = (number(4), number(5))
        && rsrp <= BETWEEN_RSRP_AND_RSRQ
        && rsrq > BETWEEN_RSRP_AND_RSRQ
        && rsrq < 0.0
    {
        one.rsrp_dbm = values::rsrp(Some(rsrp));
        one.rsrq_db = values::rsrq(Some(rsrq), Technology::Nr);
        ["rsrp_dbm", "rsrq_db"].into_iter().for_each(|field| one.doubt(field));
    }
}
