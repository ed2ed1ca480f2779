//! Huawei: `^HCSQ` (indexes of bins) and `^SYSINFOEX` (whether service is limited).
//!
//! In: a line. Out: levels by the vendor's formulas, which hold for index 0, too (`clipped: below`). Refuses to know:
//! the layouts of CDMA. Limits: none.

use super::indexes::Bins;
use super::line::Line;
use super::{Decoded, Kind, Service};
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
        "1" => ("restricted", Service::Limited),
        "2" => ("valid", Service::Full),
        _ => return,
    };
    let mut one = Decoded::without_values(Kind::Registration, state, line);
    one.service = Some(service);
    one.technology = match line.text(6).to_ascii_uppercase().as_str() {
        "GSM" => Some(Technology::Gsm),
        "WCDMA" | "TD-SCDMA" => Some(Technology::Umts),
        "LTE" => Some(Technology::Lte),
        "NR" | "NR-5GC" => Some(Technology::Nr),
        _ => None,
    };
    all.push(one);
}
