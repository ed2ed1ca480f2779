//! Operators: `+COPS` (the chosen one, a scan), `+QNWINFO`, `+QSCAN`, `+QOPS`.
//!
//! In: a line. Out: one object for each operator that the line names. Refuses to know: which network is the SIM's.
//! Limits: as many operators as fit in a line.

use super::line::{Field, Line, split, text};
use super::{Decoded, Kind, Service, values};
use phusong_protocol::Technology;

const NO_OPERATOR: &str = "no operator";

pub(super) fn cops(line: &Line, all: &mut Vec<Decoded>) {
    let mut groups = line.fields.iter().filter(|field| !field.quoted && field.text.starts_with('(')).peekable();
    if groups.peek().is_none() {
        all.extend(chosen(line));
        return;
    }
    let before = all.len();
    all.extend(groups.filter_map(|group| listed(line, group.text)));
    // What the modem supports, or a scan that found nobody. A list that is cut off says nothing.
    let is_support = |byte: u8| byte.is_ascii_digit() || byte.is_ascii_whitespace() || b"(),-".contains(&byte);
    if all.len() == before && line.fields.iter().all(|field| field.text.bytes().all(is_support)) {
        all.push(Decoded::without_values(Kind::Operator, NO_OPERATOR, line));
    }
}

/// `<mode>[,<format>,<name or PLMN>[,<AcT>]]`
fn chosen(line: &Line) -> Option<Decoded> {
    if !line.text(0).is_empty() {
        values::within(line.text(0), 0..=4)?;
    }
    let mut one = Decoded::new(Kind::Operator, line);
    match values::plmn(line.text(2)) {
        Some((mcc, mnc)) => (one.mcc, one.mnc) = (Some(mcc), Some(mnc)),
        None if line.text(2).is_empty() => {
            one.state = Some(NO_OPERATOR.into());
        }
        None => one.name = Some(line.text(2).to_owned()),
    }
    act(&mut one, line.text(3));
    if one.state.is_none() {
        one.serving = Some(true);
    }
    Some(one)
}

/// `(<availability>,<long name>,<short name>,<PLMN>[,<AcT>])`; `None` for a list of supported modes.
fn listed(line: &Line, group: &str) -> Option<Decoded> {
    let fields = split(group.strip_prefix('(')?.strip_suffix(')')?);
    // A name without quotes may have commas of its own.
    let at = (3..fields.len()).rev().find(|at| values::plmn(text(&fields, *at)).is_some())?;
    let (mcc, mnc) = values::plmn(text(&fields, at))?;
    let mut one = Decoded::new(Kind::Operator, line);
    (one.mcc, one.mnc) = (Some(mcc), Some(mnc));
    one.availability = values::availability(text(&fields, 0));
    one.name = [1, 2].into_iter().map(|at| text(&fields, at)).find(|name| !name.is_empty()).map(str::to_owned);
    act(&mut one, text(&fields, at + 1));
    Some(one)
}

fn act(one: &mut Decoded, text: &str) {
    one.act = values::act(text);
    one.technology = one.act.and_then(values::technology_of_act);
}

/// `"FDD LTE","46011","LTE BAND 3",1825`
pub(super) fn qnwinfo(line: &Line, all: &mut Vec<Decoded>) {
    if line.is(0, "No Service") || line.is(0, "NONE") {
        let none = Decoded::without_values(Kind::Operator, line.text(0), line);
        all.push(Decoded { service: Some(Service::None), ..none });
        return;
    }
    let (access, band) = (line.text(0).to_ascii_uppercase(), line.text(2).to_ascii_uppercase());
    let technology = match access.as_str() {
        a if a.contains("NSA") => Some(Technology::NrNsa),
        a if a.contains("NR5G-SA") => Some(Technology::NrSa),
        // "FDD NR5G", "TDD NR5G": which of both is not said.
        a if a.contains("NR5G") => Some(Technology::Nr),
        a if a.contains("LTE") || values::is_narrow_lte(a) => Some(Technology::Lte),
        a if a.contains("WCDMA") || a.contains("HS") || a.contains("UMTS") => Some(Technology::Umts),
        a if a.contains("TDSCDMA") || a.contains("TD-SCDMA") => Some(Technology::Umts),
        a if a.contains("GSM") || a.contains("GPRS") || a.contains("EDGE") => Some(Technology::Gsm),
        _ => None,
    };
    let mut one = Decoded { technology, ..Decoded::new(Kind::Operator, line) };
    if let Some((mcc, mnc)) = values::plmn(line.text(1)) {
        (one.mcc, one.mnc) = (Some(mcc), Some(mnc));
    }
    if let Some(technology) = technology {
        one.band = Some(&band).filter(|band| band.contains("BAND")).and_then(|band| values::band(band, technology));
        one.arfcn = values::arfcn(line.text(3), technology);
    }
    if one.technology.is_some() || one.mcc.is_some() {
        one.serving = Some(true);
        all.push(one);
    }
}

/// `"LTE"|"NR5G",<mcc>,<mnc>,<arfcn>,<pci>,<rsrp>,<rsrq>,<srxlev>,<squal or scs>[,<cell hex>,<tac hex>,<bw>,<band>]`;
/// of the other technologies only the operator is read.
pub(super) fn qscan(line: &Line, all: &mut Vec<Decoded>) {
    let technology = match line.text(0).to_ascii_uppercase().as_str() {
        "LTE" => Technology::Lte,
        "NR5G" | "NR" => Technology::Nr,
        "WCDMA" => Technology::Umts,
        "GSM" => Technology::Gsm,
        _ => return,
    };
    let mut one = Decoded { technology: Some(technology), ..Decoded::new(Kind::Operator, line) };
    (one.mcc, one.mnc) = values::network(line.text(1), line.text(2));
    if matches!(technology, Technology::Lte | Technology::Nr) {
        one.arfcn = values::arfcn(line.text(3), technology);
        one.pci = values::pci(line.text(4), technology);
        one.rsrp_dbm = values::rsrp(values::number(line.text(5)));
        one.rsrq_db = values::rsrq(values::number(line.text(6)), technology);
        one.cell_id = values::cell_id(values::hex(line.text(9)), one.technology);
        one.tac = values::area(line.text(10), one.technology);
        one.band = values::band(line.text(12), technology);
    }
    all.push(one);
}

/// `"<long name>","<short name>","<PLMN>"`
pub(super) fn qops(line: &Line, all: &mut Vec<Decoded>) {
    let is_plmn = |field: &&Field| values::plmn(field.text).is_some();
    let Some((mcc, mnc)) = line.fields.iter().rev().find(is_plmn).and_then(|field| values::plmn(field.text)) else {
        return;
    };
    let name = Some(line.text(0).to_owned()).filter(|name| !name.is_empty() && values::plmn(name).is_none());
    all.push(Decoded { mcc: Some(mcc), mnc: Some(mnc), name, ..Decoded::new(Kind::Operator, line) });
}
