//! Huawei: `^HCSQ` (indexes of bins), `^SYSINFOEX` (whether service is limited), `^MONSC` (the serving cell).
//!
//! In: a line. Out: levels by the vendor's formulas, which hold for index 0, too (`clipped: below`). Refuses to know:
//! the layouts of CDMA; of `^MONSC` those of GSM and UMTS. Limits: none.

use super::indexes::Bins;
use super::line::Line;
use super::{Decoded, Kind, Service, scale, values};
use phusong_protocol::Technology;

const RSSI: Bins = Bins { first: -121.0, step: 1.0, last: 96, open_top: true, lowest: -121.0 };
const RSRP: Bins = Bins { first: -141.0, step: 1.0, last: 97, open_top: true, lowest: -141.0 };
const SINR: Bins = Bins { first: -20.2, step: 0.2, last: 251, open_top: true, lowest: -20.2 };
const RSRQ: Bins = Bins { first: -20.0, step: 0.5, last: 34, open_top: true, lowest: -20.0 };
const RSCP: Bins = Bins { first: -121.0, step: 1.0, last: 96, open_top: true, lowest: -121.0 };
const ECIO: Bins = Bins { first: -32.5, step: 0.5, last: 65, open_top: true, lowest: -32.5 };

pub(super) fn hcsq(line: &Line, all: &mut Vec<Decoded>) {
    let mode = line.text(0);
    let mut one = Decoded::new(Kind::Signal, line);
    match mode.to_ascii_uppercase().as_str() {
        "LTE" => {
            one.technology = Some(Technology::Lte);
            one.rssi_dbm = RSSI.read(line.text(1), &mut one);
            one.rsrp_dbm = RSRP.read(line.text(2), &mut one);
            one.sinr_db = SINR.read(line.text(3), &mut one);
            one.rsrq_db = RSRQ.read(line.text(4), &mut one);
        }
        "WCDMA" | "TD-SCDMA" => {
            one.technology = Some(Technology::Umts);
            one.rssi_dbm = RSSI.read(line.text(1), &mut one);
            one.rscp_dbm = RSCP.read(line.text(2), &mut one);
            one.ecio_db = ECIO.read(line.text(3), &mut one);
        }
        "GSM" => {
            one.technology = Some(Technology::Gsm);
            one.rssi_dbm = RSSI.read(line.text(1), &mut one);
        }
        "NOSERVICE" => {
            one.state = Some(mode.to_owned());
            one.service = Some(Service::None);
        }
        "NR" | "NR-5GC" => {
            // The vendor's tables for 5G are not known to us.
            one.technology = Some(Technology::Nr);
            ["rsrp_dbm", "sinr_db", "rsrq_db"].into_iter().for_each(|field| one.doubt(field));
        }
        "CDMA" | "EVDO" | "CDMA-EVDO" => one.state = Some(mode.to_owned()),
        _ => return,
    }
    if one.has_level() {
        one.serving = Some(true);
    } else if one.state.is_none() {
        one.state = Some("unknown".into());
    }
    all.push(one);
}

/// `<srv_status>,<srv_domain>,<roam>,<sim_state>,<lock>,<sysmode>,"<name>",<submode>,"<name>"`
pub(super) fn sysinfoex(line: &Line, all: &mut Vec<Decoded>) {
    let (state, service) = match line.text(0) {
        "0" => ("none", Service::None),
        // 3 is restricted to a region.
        "1" | "3" => ("restricted", Service::Limited),
        "2" => ("valid", Service::Full),
        "4" => ("power saving", Service::None),
        _ => return,
    };
    let mut one = Decoded::without_values(Kind::Registration, state, line);
    one.service = Some(service);
    one.technology = match line.text(6).to_ascii_uppercase().as_str() {
        "GSM" => Some(Technology::Gsm),
        "WCDMA" | "TD-SCDMA" => Some(Technology::Umts),
        "LTE" => Some(Technology::Lte),
        "NR" => Some(Technology::Nr),
        "NR-5GC" => Some(Technology::NrSa),
        _ => None,
    };
    all.push(one);
}

/// `LTE,<mcc>,<mnc>,<arfcn>,<cell>,<pci>,<tac>,<rsrp>,<rsrq>,<rssi>`, all identities in hexadecimal;
/// `NR,<mcc>,<mnc>,<arfcn>,<scs>,<cell>,<pci>,<tac>,<rsrp>,<rsrq>,<sinr>`
pub(super) fn monsc(line: &Line, all: &mut Vec<Decoded>) {
    let word = line.text(0);
    let (technology, cell) = match word.to_ascii_uppercase().as_str() {
        "LTE" => (Technology::Lte, Some(4)),
        "NR" => (Technology::Nr, Some(5)),
        "WCDMA" | "TD-SCDMA" => (Technology::Umts, None),
        "GSM" => (Technology::Gsm, None),
        "NONE" => {
            let none = Decoded::without_values(Kind::Signal, word, line);
            all.push(Decoded { service: Some(Service::None), ..none });
            return;
        }
        _ => return,
    };
    let mut one = Decoded { technology: Some(technology), ..Decoded::new(Kind::Signal, line) };
    (one.mcc, one.mnc) = values::network(line.text(1), line.text(2));
    if let Some(cell) = cell {
        one.arfcn = values::arfcn(line.text(3), technology);
        one.cell_id = values::cell_id(values::hex(line.text(cell)), one.technology);
        let pci = values::hex(line.text(cell + 1)).map(|pci| pci.to_string());
        one.pci = values::pci(pci.as_deref().unwrap_or(""), technology);
        one.tac = values::area(line.text(cell + 2), one.technology);
        one.rsrp_dbm = values::rsrp(values::number(line.text(cell + 3)));
        one.rsrq_db = values::rsrq(values::number(line.text(cell + 4)), technology);
        let last = line.text(cell + 5);
        if technology == Technology::Lte {
            one.rssi_dbm = values::rssi(values::number(last));
        } else {
            // No line that decides the scale was seen.
            scale::sinr(&mut one, last, &[]);
        }
    }
    if one.has_level() || one.cell_id.is_some() || one.arfcn.is_some() || one.pci.is_some() || one.mcc.is_some() {
        one.serving = Some(true);
    } else {
        one.state = Some("unknown".into());
    }
    all.push(one);
}
