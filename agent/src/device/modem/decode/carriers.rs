//! Quectel: the carriers of `+QCAINFO`, the antenna branches of `+QRSRP` and its sisters.
//!
//! In: a line. Out: an object of the carrier, or of the cell that the branches hear. Which of its layouts a carrier has is
//! seen from its fields. Refuses to know: bandwidths; what a carrier does for the uplink. Limits: none.

use super::line::{Field, Line, text};
use super::quectel::{NO_CELL, lte_sinr};
use super::{Decoded, Kind, scale, values};
use phusong_protocol::Technology;

/// Where the fields behind the band are.
struct Places {
    /// Before the identity: 0 deconfigured, 1 deactivated, 2 active.
    has_state: bool,
    pci: Option<usize>,
    /// RSRP, and the others behind it.
    level: Option<usize>,
}

/// `[<state>,]<pci>[,<rsrp>,<rsrq>[,<rssi>],<sinr>]`; since SA between identity and level
/// `<uplink configured>,<uplink bandwidth>,<uplink arfcn>`.
fn places(rest: &[Field], technology: Technology) -> Places {
    let count = |at: usize| values::count(text(rest, at));
    let level = rest.iter().position(|field| values::number(field.text).is_some_and(|number| number < 0.0));
    let uplink = rest.len() >= 5 && matches!(text(rest, 2), "0" | "1");
    let whole = if technology == Technology::Lte { 6 } else { 5 };
    let may_be_state = count(0).is_none_or(|state| state <= 3);
    let with_state = |level| Places { has_state: true, pci: Some(1), level };
    match level {
        _ if uplink => with_state(Some(5)),
        Some(1) => Places { has_state: false, pci: Some(0), level: Some(1) },
        Some(2) if may_be_state => with_state(Some(2)),
        Some(5) => with_state(Some(5)),
        _ if rest.len() >= whole => with_state(Some(2)),
        _ if may_be_state && count(1).is_some() => with_state(None),
        // A single small number is a state or an identity.
        _ if may_be_state => Places { has_state: false, pci: None, level: None },
        _ => Places { has_state: false, pci: Some(0), level: None },
    }
}

/// `"PCC"|"SCC",<arfcn>,<bandwidth>,"LTE BAND n"|"NR5G BAND n",..`
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
    let zeros = rest.iter().all(|field| values::number(field.text).is_none_or(|number| number == 0.0));
    if rest.len() >= 2 && zeros && values::number(text(rest, 1)).is_some() {
        // A carrier that is not there is printed as zeros.
        (one.serving, one.state) = (None, Some(NO_CELL.into()));
        one.arfcn = one.arfcn.filter(|arfcn| *arfcn != 0);
        all.push(one);
        return;
    }
    let places = places(rest, technology);
    one.pci = values::pci(places.pci.map_or("", |at| text(rest, at)), technology);
    if secondary && places.has_state && text(rest, 0) == "0" {
        one.serving = Some(false);
    }
    let Some(at) = places.level else {
        all.push(one);
        return;
    };
    one.rsrp_dbm = values::rsrp(values::number(text(rest, at)));
    // Above zero it is something else that stands there.
    let rsrq = values::number(text(rest, at + 1)).filter(|rsrq| *rsrq < 0.0);
    one.rsrq_db = values::rsrq(rsrq, technology);
    if technology == Technology::Lte {
        one.rssi_dbm = values::rssi(values::number(text(rest, at + 2)));
    }
    if one.has_level() && technology == Technology::Lte {
        scale::sinr(&mut one, text(rest, at + 3), lte_sinr(model));
    } else if one.has_level() {
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
