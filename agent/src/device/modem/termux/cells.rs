//! What the JSON of Termux:API says of cells, SIM, network and bearer.
//!
//! In: both objects, as far as they are there. Out: [`Seen`]. Refuses to know: programs. Limits: [`MOST`] cells; what
//! Android gives as "unavailable", and what no radio reads, is left out.

use crate::device::modem::{Bearer, Registered, Signal, Sim};
use phusong_protocol::{BearerState, RadioCell, RegistrationStat, ServiceState, SimState, Technology};
use serde_json::Value;

const MOST: usize = 32;
const NAME_BYTES: usize = 64;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    pub sim: Option<Sim>,
    pub registration: Option<Registered>,
    pub bearer: Option<Bearer>,
    pub signal: Option<Signal>,
    pub neighbours: Option<Vec<RadioCell>>,
}

pub fn seen(cells: Option<&Value>, device: Option<&Value>) -> Seen {
    let mut seen = Seen::default();
    let device = device.filter(|device| device.is_object());
    let network = device.and_then(|device| plmn(text(device, "network_operator")?));
    let technology = device.and_then(|device| technology(text(device, "network_type")?));
    let all: Option<Vec<RadioCell>> =
        cells.and_then(Value::as_array).map(|all| all.iter().take(MOST).filter_map(cell).collect());
    if let Some(all) = all {
        let (mut serving, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|cell| cell.serving == Some(true));
        settle_nr(&mut serving, technology);
        seen.signal = Some(Signal { cells: serving, rrc: None, raw: None });
        seen.neighbours = Some(others).filter(|others| !others.is_empty());
    }
    if let Some(device) = device {
        let sim = sim(device);
        let serving = seen.signal.as_ref().and_then(|signal| signal.cells.first());
        seen.registration = Some(registration(device, network, technology, serving));
        seen.bearer = bearer(device).filter(|_| sim.state == SimState::Ready);
        seen.sim = Some(sim);
    }
    seen
}

fn text<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// A number; Android's "unavailable" is the largest of its kind.
fn number(object: &Value, key: &str) -> Option<i64> {
    object.get(key)?.as_i64().filter(|value| *value != i64::from(i32::MAX) && *value != i64::MAX)
}

fn id(object: &Value, key: &str, most: u64) -> Option<u64> {
    u64::try_from(number(object, key)?).ok().filter(|value| *value <= most)
}

fn level(object: &Value, key: &str, low: i16, high: i16) -> Option<f32> {
    let value = i16::try_from(number(object, key)?).ok()?;
    (low..=high).contains(&value).then(|| f32::from(value))
}

/// A number for GSM, UMTS and LTE, where a leading zero is lost; a string for 5G.
fn code(object: &Value, key: &str, digits: usize) -> Option<String> {
    let code = match object.get(key)? {
        Value::Number(_) => format!("{:0digits$}", id(object, key, 999)?),
        Value::String(code) => code.clone(),
        _ => return None,
    };
    let good = (digits..=3).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit());
    good.then_some(code)
}

/// `None` for objects of other radios, which are empty.
fn cell(object: &Value) -> Option<RadioCell> {
    let technology = match text(object, "type")? {
        "gsm" => Technology::Gsm,
        "wcdma" => Technology::Umts,
        "lte" => Technology::Lte,
        // Which of both the phone does not say here.
        "nr" => Technology::Nr,
        _ => return None,
    };
    let mut cell = RadioCell {
        technology: Some(technology),
        mcc: code(object, "mcc", 3),
        mnc: code(object, "mnc", 2),
        serving: Some(object.get("registered").and_then(Value::as_bool).unwrap_or(false)),
        ..RadioCell::default()
    };
    let small = |value: Option<u64>| value.and_then(|value| u32::try_from(value).ok());
    let pci = |key, most| id(object, key, most).and_then(|value| u16::try_from(value).ok());
    let none = |id: &u64| *id != 0xfff_ffff;
    match technology {
        Technology::Gsm => {
            cell.cell_id = id(object, "cid", 0xffff).filter(|id| *id != 0xffff);
            cell.lac = small(id(object, "lac", 0xffff));
            cell.rssi_dbm = level(object, "dbm", -120, -30);
        }
        Technology::Umts => {
            cell.cell_id = id(object, "cid", 0xfff_ffff).filter(none);
            cell.lac = small(id(object, "lac", 0xffff));
            cell.pci = pci("psc", 511);
            umts_level(object, &mut cell);
        }
        Technology::Lte => {
            cell.cell_id = id(object, "ci", 0xfff_ffff).filter(none);
            cell.tac = small(id(object, "tac", 0xffff));
            cell.pci = pci("pci", 503);
            cell.rsrp_dbm = level(object, "rsrp", -156, -31);
            cell.rsrq_db = level(object, "rsrq", -34, 3);
            cell.rssi_dbm = level(object, "rssi", -125, -10);
            cell.band = band(object, 'B');
        }
        _ => {
            cell.cell_id = id(object, "nci", (1 << 36) - 2);
            cell.tac = small(id(object, "tac", 0xff_ffff));
            cell.pci = pci("pci", 1007);
            cell.rsrp_dbm = level(object, "ss_rsrp", -156, -31);
            cell.rsrq_db = level(object, "ss_rsrq", -43, 20);
            cell.sinr_db = level(object, "ss_sinr", -23, 40);
            cell.band = band(object, 'n');
        }
    }
    Some(cell)
}

/// `dbm` is the code power on newer phones and the whole channel's on older ones; `asu` counts on the same scale.
fn umts_level(object: &Value, cell: &mut RadioCell) {
    let small = |key| number(object, key).and_then(|value| i16::try_from(value).ok()).map(i32::from);
    let Some((dbm, asu)) = small("dbm").zip(small("asu")) else { return };
    if asu == dbm + 120 {
        cell.rscp_dbm = level(object, "dbm", -121, -24);
    } else if asu * 2 == dbm + 113 {
        cell.rssi_dbm = level(object, "dbm", -120, -30);
    } else {
        cell.doubtful.push("rscp_dbm".into());
    }
}

/// Where the phone names one; several are what the channel could be.
fn band(object: &Value, letter: char) -> Option<String> {
    let [band] = &object.get("bands")?.as_array()?[..] else { return None };
    let band = band.as_u64().filter(|band| (1..=512).contains(band))?;
    Some(format!("{letter}{band}"))
}

/// A 5G cell beside a serving LTE cell is the other leg; alone, or on a 5G core, it stands by itself.
fn settle_nr(serving: &mut [RadioCell], network: Option<Technology>) {
    let lte = serving.iter().any(|cell| cell.technology == Some(Technology::Lte));
    for cell in serving.iter_mut().filter(|cell| cell.technology == Some(Technology::Nr)) {
        if lte {
            cell.technology = Some(Technology::NrNsa);
        } else if network == Some(Technology::NrSa) {
            cell.technology = network;
        }
    }
}

fn technology(name: &str) -> Option<Technology> {
    match name {
        "gprs" | "edge" => Some(Technology::Gsm),
        // "hdspa" is how the program spells it.
        "umts" | "hdspa" | "hsdpa" | "hsupa" | "hspa" | "hspap" => Some(Technology::Umts),
        "lte" => Some(Technology::Lte),
        // Android says so of standalone alone; with an LTE anchor it says "lte".
        "nr" => Some(Technology::NrSa),
        _ => None,
    }
}

/// "45204" to "452-04".
fn plmn(digits: &str) -> Option<String> {
    let good = (5..=6).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    (good && !digits.starts_with("000")).then(|| format!("{}-{}", &digits[..3], &digits[3..]))
}

fn sim(device: &Value) -> Sim {
    let state = match text(device, "sim_state") {
        Some("ready") => SimState::Ready,
        Some("absent") => SimState::Absent,
        Some("pin_required") => SimState::Pin,
        Some("puk_required") => SimState::Puk,
        // Locked to a network; not ready, permanently disabled, card error, card restricted (Android's numbers).
        Some("network_locked" | "7" | "8" | "9") => SimState::Failure,
        Some("6") => SimState::Busy,
        _ => SimState::Unknown,
    };
    let ready = state == SimState::Ready;
    let operator = text(device, "sim_operator_name").filter(|name| ready && name.len() <= NAME_BYTES);
    let plmn = text(device, "sim_operator").filter(|_| ready).and_then(plmn);
    Sim { state, plmn, operator: operator.map(str::to_owned), raw: None }
}

/// Android says whether it is registered by naming the network; why it is not, it does not say.
fn registration(
    device: &Value,
    network: Option<String>,
    technology: Option<Technology>,
    serving: Option<&RadioCell>,
) -> Registered {
    let roaming = device.get("network_roaming").and_then(Value::as_bool);
    let (stat, service) = match (&network, roaming) {
        (None, _) => (RegistrationStat::Idle, None),
        (Some(_), Some(true)) => (RegistrationStat::Roaming, Some(ServiceState::Roaming)),
        (Some(_), Some(false)) => (RegistrationStat::Home, Some(ServiceState::Home)),
        (Some(_), None) => (RegistrationStat::Unknown, None),
    };
    let cell = serving.filter(|_| network.is_some()).map(|cell| RadioCell {
        technology: cell.technology,
        mcc: cell.mcc.clone(),
        mnc: cell.mnc.clone(),
        cell_id: cell.cell_id,
        tac: cell.tac,
        lac: cell.lac,
        serving: Some(true),
        ..RadioCell::default()
    });
    let technology = technology.filter(|_| network.is_some());
    Registered { stat, service, plmn: network, technology, cell, reject_cause: None, raw: None }
}

fn bearer(device: &Value) -> Option<Bearer> {
    let state = match text(device, "data_state")? {
        "connected" | "suspended" => BearerState::Connected,
        // A phone on Wi-Fi, or whose owner switched data off, has none either.
        "disconnected" | "connecting" => BearerState::Disconnected,
        _ => return None,
    };
    Some(Bearer { state, interface: None, apn: None, cause: None, raw: None })
}

#[cfg(test)]
mod tests;
