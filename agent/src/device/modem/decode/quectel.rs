//! Quectel: `+QENG` of the serving cell, `+QCSQ`.
//!
//! In: a line. Out: an object of the cell. The layouts are told apart by the words in them, never by the model; the
//! model decides the scale of LTE's SINR, which is dB on RM, RG, EC2x and EG2x. Refuses to know: bandwidths in 5G,
//! which mean something in CONNECT only; neighbours and carriers, which have files of their own. Limits: none.

use super::line::Line;
use super::scale::{self, Scale};
use super::{Decoded, Kind, Service, neighbours, values};
use phusong_protocol::Technology;

pub(super) const NO_CELL: &str = "no cell";

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
        all.extend(neighbours::neighbour(line, &first, model));
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
        // Their SINR is on a scale that no line decided.
        word if values::is_narrow_lte(word) => Some(fill(line, from, &LTE, &[])),
        "LTE" => Some(fill(line, from, &LTE, lte_sinr(model))),
        "NR5G-SA" => Some(fill(line, from, &SA, &[Scale::Whole])),
        "NR5G-NSA" => Some(fill(line, from, &NSA, &[Scale::Whole])),
        "WCDMA" => Some(wcdma(line, from)),
        "TDSCDMA" | "TD-SCDMA" => Some(time_division(line, from)),
        "GSM" => Some(gsm(line, from)),
        _ => None,
    }
}

/// The scales that LTE's SINR may be on.
pub(super) fn lte_sinr(model: Option<&str>) -> &'static [Scale] {
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
    (one.mcc, one.mnc) = values::network(at(layout.mcc), at(layout.mcc + 1));
    one.cell_id = values::cell_id(values::hex(optional(layout.cell)), one.technology);
    let area = values::area(optional(layout.area), one.technology);
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
    (one.mcc, one.mnc) = values::network(at(1), at(2));
    one.lac = values::area(at(3), one.technology);
    one.cell_id = values::cell_id(values::hex(at(4)), one.technology);
    one.arfcn = values::arfcn(at(6), Technology::Gsm);
    let level = values::number(at(8));
    one.rssi_dbm = values::rssi(level);
    if level.is_some() && one.rssi_dbm.is_none() {
        one.doubt("rssi_dbm");
    }
    serving_with_values(&mut one);
    one
}

/// `"TDSCDMA",MCC,MNC,LAC,cellID,..`: what stands behind is not known well enough to be read.
fn time_division(line: &Line, from: usize) -> Decoded {
    let at = |index: usize| line.text(from + index);
    let mut one = Decoded { technology: Some(Technology::Umts), ..Decoded::new(Kind::Signal, line) };
    (one.mcc, one.mnc) = values::network(at(1), at(2));
    one.lac = values::area(at(3), one.technology);
    one.cell_id = values::cell_id(values::hex(at(4)), one.technology);
    serving_with_values(&mut one);
    if one.serving.is_some() {
        ["rscp_dbm", "ecio_db"].into_iter().for_each(|field| one.doubt(field));
    }
    one
}

/// A technology with dashes behind it is no cell.
fn serving_with_values(one: &mut Decoded) {
    let is_cell = one.has_level() || one.arfcn.is_some() || one.cell_id.is_some() || one.lac.is_some();
    if is_cell || one.mcc.is_some() {
        one.serving = Some(true);
    } else {
        one.state = Some(NO_CELL.into());
    }
}

/// `"LTE",rssi,rsrp,sinr,rsrq`, `"WCDMA",rssi,rscp,ecio`, `"GSM",rssi`, `"NR5G",rsrp,sinr,rsrq`.
pub(super) fn qcsq(line: &Line, all: &mut Vec<Decoded>) {
    let word = line.text(0);
    let number = |at: usize| values::number(line.text(at));
    let mut one = Decoded::new(Kind::Signal, line);
    match word.to_ascii_uppercase().as_str() {
        "NOSERVICE" => (one.state, one.service) = (Some(word.to_owned()), Some(Service::None)),
        "GSM" => {
            one.technology = Some(Technology::Gsm);
            one.rssi_dbm = values::rssi(number(1));
        }
        "WCDMA" | "TDSCDMA" | "TD-SCDMA" => {
            one.technology = Some(Technology::Umts);
            (one.rssi_dbm, one.rscp_dbm) = (values::rssi(number(1)), values::rscp(number(2)));
            one.ecio_db = values::ecio(number(3));
        }
        s if s == "LTE" || values::is_narrow_lte(s) => {
            one.technology = Some(Technology::Lte);
            (one.rssi_dbm, one.rsrp_dbm) = (values::rssi(number(1)), values::rsrp(number(2)));
            one.rsrq_db = values::rsrq(number(4), Technology::Lte);
            // Whole dB and fifths are both in use here.
            scale::sinr(&mut one, line.text(3), &[]);
        }
        s if s.starts_with("NR5G") => {
            one.technology = Some(Technology::Nr);
            one.rsrp_dbm = values::rsrp(number(1));
            one.rsrq_db = values::rsrq(number(3), Technology::Nr);
            scale::sinr(&mut one, line.text(2), &[]);
            ["rsrp_dbm", "rsrq_db", "sinr_db"].into_iter().for_each(|field| one.doubt(field));
        }
        _ => return,
    }
    if one.has_level() {
        one.serving = Some(true);
    } else if one.state.is_none() {
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
