//! Quectel: `+QENG` (serving cell and neighbours), `+QCAINFO`, `+QRSRP` and its sisters.
//!
//! In: a line. Out: an object of the cell. The layouts are told apart by the words in them, never by the model; the
//! model decides the scale of LTE's SINR, which is dB on RM, RG, EC2x and EG2x. Refuses to know: bandwidths in 5G,
//! which mean something in CONNECT only. Limits: none.

use super::line::{Line, text};
use super::scale::{self, Scale};
use super::{Decoded, Kind, Service, values};
use phusong_protocol::Technology;

const NO_CELL: &str = "no cell";

/// Where a layout has what. Counted from the technology's own word; `None`: not in this layout.
struct Layout {
    technology: Technology,
    mcc: usize,
    cell: Option<usize>,
    area: Option<usize>,
    pci: Option<usize>,
    arfcn: usize,
    band: Option<usize>,
    rsrp: usize,
    rsrq: usize,
    rssi: Option<usize>,
    sinr: Option<usize>,
}

const LTE: Layout = Layout {
    technology: Technology::Lte,
    mcc: 2,
    cell: Some(4),
    pci: Some(5),
    arfcn: 6,
    band: Some(7),
    area: Some(10),
    rsrp: 11,
    rsrq: 12,
    rssi: Some(13),
    sinr: Some(14),
};
const SA: Layout = Layout {
    technology: Technology::NrSa,
    mcc: 2,
    cell: Some(4),
    pci: Some(5),
    area: Some(6),
    arfcn: 7,
    band: Some(8),
    rsrp: 10,
    rsrq: 11,
    rssi: None,
    sinr: Some(12),
};
/// SINR stands before RSRQ here.
const NSA: Layout = Layout {
    technology: Technology::NrNsa,
    mcc: 1,
    cell: None,
    area: None,
    pci: Some(3),
    rsrp: 4,
    sinr: Some(5),
    rsrq: 6,
    arfcn: 7,
    band: Some(8),
    rssi: None,
};
/// `rsrp` and `rsrq` are RSCP and Ec/Io.
const WCDMA: Layout = Layout {
    technology: Technology::Umts,
    mcc: 1,
    area: Some(3),
    cell: Some(4),
    arfcn: 5,
    pci: Some(6),
    rsrp: 8,
    rsrq: 9,
    band: None,
    rssi: None,
    sinr: None,
};

pub(super) fn qeng(line: &Line, model: Option<&str>, all: &mut Vec<Decoded>) {
    let first = line.text(0).to_ascii_lowercase();
    if first.starts_with("neighbourcell") {
        all.extend(neighbour(line, &first, model));
        return;
    }
    let (state, skipped) = if first == "servingcell" { (Some(line.text(1)), 2) } else { (None, 0) };
    let mut one = match cell(line, skipped, model) {
        Some(one) => one,
        // The state alone: no service, or the first line of three. Or a technology of another layout.
        None if state.is_some_and(|state| !state.is_empty()) => Decoded::new(Kind::Signal, line),
        None => return,
    };
    if let Some(state) = state.filter(|state| !state.is_empty() && *state != "-") {
        one.state = Some(state.to_owned());
        one.service = match state.to_ascii_uppercase().as_str() {
            "SEARCH" => Some(Service::None),
            "LIMSRV" => Some(Service::Limited),
            "NOCONN" | "CONNECT" => Some(Service::Full),
            _ => None,
        };
    }
    all.push(one);
}

/// The cell whose technology stands at field `from`.
fn cell(line: &Line, from: usize, model: Option<&str>) -> Option<Decoded> {
    match line.text(from).to_ascii_uppercase().as_str() {
        "LTE" => Some(fill(line, from, &LTE, lte_sinr(model))),
        "NR5G-SA" => Some(fill(line, from, &SA, &[Scale::Whole])),
        "NR5G-NSA" => Some(fill(line, from, &NSA, &[Scale::Whole])),
        "WCDMA" => Some(wcdma(line, from)),
        "GSM" => Some(gsm(line, from)),
        _ => None,
    }
}

/// The scales that LTE's SINR may be on.
fn lte_sinr(model: Option<&str>) -> &'static [Scale] {
    match model.map(scale::of_model) {
        // A reply of Quectel's own, of which the families below were measured.
        None | Some(Some(Scale::Whole)) => &[Scale::Whole],
        Some(Some(Scale::Doubled)) => &[Scale::Doubled],
        _ => &[Scale::Whole, Scale::Doubled, Scale::Fifths, Scale::Tenths],
    }
}

fn fill(line: &Line, from: usize, layout: &Layout, scales: &[Scale]) -> Decoded {
    let at = |index: usize| line.text(from + index);
    let optional = |index: Option<usize>| index.map_or("", at);
    let technology = layout.technology;
    let mut one = Decoded { technology: Some(technology), ..Decoded::new(Kind::Signal, line) };
    (one.mcc, one.mnc) = (values::mcc(at(layout.mcc)), values::mnc(at(layout.mcc + 1)));
    one.cell_id = values::cell_id(values::hex(optional(layout.cell)), one.technology);
    let area = values::area(values::hex(optional(layout.area)), one.technology);
    one.pci = values::pci(optional(layout.pci), technology);
    one.arfcn = values::arfcn(at(layout.arfcn), technology);
    one.band = values::band(optional(layout.band), technology);
    if technology == Technology::Umts {
        one.lac = area;
        one.rscp_dbm = values::rscp(values::number(at(layout.rsrp)));
        one.ecio_db = values::ecio(values::number(at(layout.rsrq)));
    } else {
        one.tac = area;
        one.rsrp_dbm = values::rsrp(values::number(at(layout.rsrp)));
        one.rsrq_db = values::rsrq(values::number(at(layout.rsrq)), technology);
        one.rssi_dbm = values::rssi(values::number(optional(layout.rssi)));
        scale::sinr(&mut one, optional(layout.sinr), scales);
    }
    if one.has_level() || one.pci.is_some() || one.arfcn.is_some() || one.cell_id.is_some() {
        one.serving = Some(true);
    } else {
        one.state = Some(NO_CELL.into());
        one.service = (technology == Technology::NrNsa).then_some(Service::None);
    }
    one
}

fn wcdma(line: &Line, from: usize) -> Decoded {
    fill(line, from, &WCDMA, &[])
}

/// `"GSM",MCC,MNC,LAC,cellID,BSIC,ARFCN,band,RxLev`: the level is dBm where it is negative.
fn gsm(line: &Line, from: usize) -> Decoded {
    let at = |index: usize| line.text(from + index);
    let mut one = Decoded { technology: Some(Technology::Gsm), ..Decoded::new(Kind::Signal, line) };
    (one.mcc, one.mnc) = (values::mcc(at(1)), values::mnc(at(2)));
    one.lac = values::area(values::hex(at(3)), one.technology);
    one.cell_id = values::cell_id(values::hex(at(4)), one.technology);
    one.arfcn = values::arfcn(at(6), Technology::Gsm);
    let level = values::number(at(8));
    one.rssi_dbm = values::rssi(level);
    if level.is_some() && one.rssi_dbm.is_none() {
        one.doubt("rssi_dbm");
    }
    one.serving = Some(true);
    one
}

fn neighbour(line: &Line, first: &str, model: Option<&str>) -> Option<Decoded> {
    let technology = match line.text(1).to_ascii_uppercase().as_str() {
        "LTE" => Technology::Lte,
        "WCDMA" => Technology::Umts,
        "GSM" => Technology::Gsm,
        "NR5G" | "NR" | "NR5G-NSA" | "NR5G-SA" => Technology::Nr,
        _ => return None,
    };
    let mut one = Decoded { technology: Some(technology), serving: Some(false), ..Decoded::new(Kind::Neighbour, line) };
    if technology != Technology::Lte {
        // Their layouts change with the mode of the serving cell.
        return Some(one);
    }
    let number = |at: usize| values::number(line.text(at));
    one.arfcn = values::arfcn(line.text(2), technology);
    one.pci = values::pci(line.text(3), technology);
    if first == "neighbourcell" {
        // In WCDMA mode the order is the other way round.
        one.rsrp_dbm = values::rsrp(number(4));
        one.rsrq_db = values::rsrq(number(5), technology);
    } else {
        one.rsrq_db = values::rsrq(number(4), technology);
        one.rsrp_dbm = values::rsrp(number(5));
        one.rssi_dbm = values::rssi(number(6));
        scale::sinr(&mut one, line.text(7), lte_sinr(model));
    }
    Some(one)
}

/// `"PCC"|"SCC",<arfcn>,<bandwidth>,"LTE BAND n"|"NR5G BAND n"[,<state>],<pci>,<rsrp>,<rsrq>[,<rssi>],<sinr>`
pub(super) fn qcainfo(line: &Line, model: Option<&str>, all: &mut Vec<Decoded>) {
    let band = line.text(3).to_ascii_uppercase();
    let (primary, secondary) = (line.is(0, "PCC"), line.is(0, "SCC"));
    if !primary && !secondary {
        return;
    }
    let technology = match (band.starts_with("LTE"), band.starts_with("NR")) {
        (true, _) => Technology::Lte,
        (_, true) if primary => Technology::NrSa,
        (_, true) => Technology::Nr,
        _ => return,
    };
    let mut one = Decoded { technology: Some(technology), serving: Some(true), ..Decoded::new(Kind::Signal, line) };
    one.arfcn = values::arfcn(line.text(1), technology);
    one.band = values::band(&band, technology);
    let rest = line.fields.get(4..).unwrap_or_default();
    // The level is the first field below zero; a field before the cell's identity is the carrier's state.
    let whole = if technology == Technology::Lte { 6 } else { 5 };
    let level = rest.iter().position(|field| values::number(field.text).is_some_and(|number| number < 0.0));
    let at = match level {
        Some(at @ 1..=2) => at,
        _ if rest.len() >= whole => 2,
        _ => {
            all.push(one);
            return;
        }
    };
    one.pci = values::pci(text(rest, at - 1), technology);
    one.rsrp_dbm = values::rsrp(values::number(text(rest, at)));
    one.rsrq_db = values::rsrq(values::number(text(rest, at + 1)), technology);
    if technology == Technology::Lte {
        one.rssi_dbm = values::rssi(values::number(text(rest, at + 2)));
        scale::sinr(&mut one, text(rest, at + 3), lte_sinr(model));
    } else {
        scale::sinr(&mut one, text(rest, at + 2), &[]);
    }
    all.push(one);
}

/// `<first>,<second>,<third>,<fourth>,<RAT>`; older firmware has the technology first. A branch not in use has -32768,
/// its RSRP also -140. What the cell has is what its best branch has (TS 36.214, 5.1.1).
pub(super) fn branches(line: &Line, model: Option<&str>, all: &mut Vec<Decoded>) {
    let word = |wanted: &str| line.fields.iter().any(|field| field.text.eq_ignore_ascii_case(wanted));
    let technology = match () {
        () if word("LTE") => Some(Technology::Lte),
        () if ["NR5G", "NR", "NR5G-SA", "NR5G-NSA"].into_iter().any(word) => Some(Technology::Nr),
        () if word("WCDMA") => Some(Technology::Umts),
        () => None,
    };
    let numbers: Vec<&str> = line
        .fields
        .iter()
        .map(|field| field.text)
        .filter(|text| text.starts_with(['-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']))
        .collect();
    if numbers.is_empty() {
        return;
    }
    let mut one = Decoded { technology, ..Decoded::new(Kind::Signal, line) };
    let best = |values: &[Option<f32>]| values.iter().flatten().copied().reduce(f32::max);
    let kind = line.name.to_ascii_uppercase();
    if kind == "+QRSRP" {
        let read = |text: &&str| values::rsrp(values::number(text)).filter(|level| *level > -140.0);
        one.branches_dbm = numbers.iter().map(read).collect();
        one.rsrp_dbm = best(&one.branches_dbm);
    } else if kind == "+QRSRQ" {
        let of = technology.unwrap_or(Technology::Lte);
        let read: Vec<_> = numbers.iter().map(|text| values::rsrq(values::number(text), of)).collect();
        one.rsrq_db = best(&read);
    } else {
        let raw = numbers.iter().filter(|text| values::number(text).is_some());
        let raw =
            raw.max_by(|a, b| values::number(a).partial_cmp(&values::number(b)).unwrap_or(std::cmp::Ordering::Equal));
        scale::sinr(&mut one, raw.copied().unwrap_or(""), lte_sinr(model));
    }
    if one.has_level() {
        one.serving = Some(true);
    } else {
        one.state = Some("unknown".into());
    }
    all.push(one);
}

/// A line that has the state of the lines behind it.
pub(super) fn is_state_line(raw: &str) -> bool {
    starts(raw, "+QENG:", "servingcell")
}

pub(super) fn belongs_to_state_line(raw: &str) -> bool {
    starts(raw, "+QENG:", "LTE") || starts(raw, "+QENG:", "NR5G-NSA")
}

pub(super) fn is_primary(raw: &str) -> bool {
    starts(raw, "+QCAINFO:", "PCC")
}

pub(super) fn is_secondary(raw: &str) -> bool {
    starts(raw, "+QCAINFO:", "SCC")
}

fn starts(raw: &str, name: &str, word: &str) -> bool {
    let is =
        |text: &str, wanted: &str| text.get(..wanted.len()).is_some_and(|start| start.eq_ignore_ascii_case(wanted));
    is(raw, name) && raw.get(name.len()..).is_some_and(|rest| is(rest.trim_start_matches([' ', '"']), word))
}
