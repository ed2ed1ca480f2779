//! What a phone says of its SIM and its registrations.
//!
//! In: a `PhoneState`. Out: a registration reading and the uplink of its slot. Refuses to know: states before. The
//! record does not carry the state of a registration itself: it is read from what it does carry, see [`standing`].
//! Limits: [`REGISTRATIONS`].

use super::field::{Data, Field, Kind, Row};
use super::plmn;
use super::record::{Bad, Reader};
use phusong_protocol::{
    RadioCell, Reading, RegistrationReading, RegistrationStat, ServiceState, SimState, Technology, Uplink,
};
use serde_json::{Map, Value as Json};
use std::borrow::Cow;

/// Registrations of one record: two domains, over the air and over Wi-Fi, are four.
const REGISTRATIONS: usize = 16;

pub fn registration(reader: &Reader<'_, impl Row>) -> Result<(Option<Uplink>, Reading), Bad> {
    let sim = sim_state(reader)?;
    let sim_plmn = match reader.text(Field::SimOperator) {
        Some(text) => {
            let joined = plmn::joined(&text);
            Some(joined.ok_or_else(|| reader.wrong(Field::SimOperator, "write MCC and MNC, as 45204"))?)
        }
        None => None,
    };
    let all = listed(reader)?;
    let told = all.iter().map(|info| told(reader, info)).collect::<Result<Vec<Told>, Bad>>()?;
    let chosen = choose(&told);
    let cell = chosen.and_then(|told| told.cell.clone());
    let network = cell.as_ref().and_then(|cell| cell.mcc.as_ref().zip(cell.mnc.as_ref()));
    let network = network.map(|(mcc, mnc)| format!("{mcc}-{mnc}"));
    let own = sim_plmn.as_ref().zip(network.as_ref()).map(|(sim, network)| sim == network);
    let stat = standing(sim, chosen, own);
    let registered = chosen.filter(|told| told.technology.is_some() && told.cause.is_none());
    let uplink = Uplink {
        sim_plmn,
        serving_plmn: network.filter(|_| registered.is_some()),
        roaming: registered.and_then(|told| told.roaming),
        service_state: match stat {
            RegistrationStat::Home => Some(ServiceState::Home),
            RegistrationStat::Roaming => Some(ServiceState::Roaming),
            _ => None,
        },
        technology: registered.and_then(|told| told.technology),
        ..Uplink::bare(reader.interface()?)
    };
    let reading = RegistrationReading {
        cell: cell.map(Box::new),
        reject_cause: chosen.and_then(|told| told.cause),
        sim,
        ..RegistrationReading::new(stat)
    };
    Ok((Some(uplink), Reading::Registration(reading)))
}

fn sim_state(reader: &Reader<'_, impl Row>) -> Result<Option<SimState>, Bad> {
    let Some(text) = reader.text(Field::SimState) else { return Ok(None) };
    Ok(Some(match &*text {
        "READY" | "LOADED" | "PRESENT" => SimState::Ready,
        "ABSENT" => SimState::Absent,
        "PIN_REQUIRED" => SimState::Pin,
        "PUK_REQUIRED" => SimState::Puk,
        "NETWORK_LOCKED" | "PERM_DISABLED" | "CARD_IO_ERROR" | "CARD_RESTRICTED" => SimState::Failure,
        "NOT_READY" => SimState::Busy,
        "UNKNOWN" => SimState::Unknown,
        _ => return Err(reader.wrong(Field::SimState, "write one of Android's SIM states, as READY or ABSENT")),
    }))
}

/// The list, which logs write as text.
fn listed<'a>(reader: &Reader<'a, impl Row>) -> Result<Cow<'a, [Json]>, Bad> {
    use super::field::Value;
    let wrong = || reader.wrong(Field::Registrations, "write a JSON list of at most 16 registrations");
    let list = match reader.row.get(Field::Registrations) {
        None => return Ok(Cow::Borrowed(&[])),
        Some(Value::Json(Json::Array(list))) => Cow::Borrowed(list.as_slice()),
        Some(Value::Text(text)) if text.trim().is_empty() => return Ok(Cow::Borrowed(&[])),
        Some(Value::Text(text)) => Cow::Owned(serde_json::from_str::<Vec<Json>>(text).map_err(|_| wrong())?),
        Some(_) => return Err(wrong()),
    };
    if list.len() > REGISTRATIONS { Err(wrong()) } else { Ok(list) }
}

/// One registration.
#[derive(Debug, Default)]
struct Told {
    packet: bool,
    wifi: bool,
    technology: Option<Technology>,
    roaming: Option<bool>,
    cause: Option<u16>,
    cell: Option<RadioCell>,
}

fn told(reader: &Reader<'_, impl Row>, info: &Json) -> Result<Told, Bad> {
    let wrong = |wanted| reader.wrong(Field::Registrations, wanted);
    let Json::Object(info) = info else { return Err(wrong("each registration is an object")) };
    let text = |key: &str| info.get(key).and_then(Json::as_str).unwrap_or_default();
    let network = text("accessNetworkTechnology");
    let cause = info.get("rejectCause").and_then(Json::as_i64);
    let cause = cause.filter(|cause| *cause != 0 && *cause != i64::from(i32::MAX));
    let cause = cause.map(u16::try_from).transpose().map_err(|_| wrong("a reject cause lies between 0 and 65535"))?;
    Ok(Told {
        packet: text("domain") == "PS",
        wifi: network == "IWLAN",
        technology: technology(network),
        roaming: info.get("roaming").and_then(Json::as_bool),
        cause,
        cell: identity(info).map_err(|_| wrong("a number of a cell is out of its range"))?,
    })
}

fn technology(name: &str) -> Option<Technology> {
    Some(match name {
        "GSM" | "GPRS" | "EDGE" => Technology::Gsm,
        "UMTS" | "HSDPA" | "HSUPA" | "HSPA" | "HSPAP" | "TD_SCDMA" => Technology::Umts,
        "LTE" | "LTE_CA" => Technology::Lte,
        "NR" => Technology::NrSa,
        "CDMA" | "EVDO_0" | "EVDO_A" | "EVDO_B" | "OnexRTT" | "IDEN" | "EHRPD" => Technology::Other,
        _ => return None,
    })
}

/// The cell that a registration names. It says nothing of levels.
fn identity(info: &Map<String, Json>) -> Result<Option<RadioCell>, Bad> {
    let of = [
        ("cellIdentityLte", Kind::Lte),
        ("cellIdentityNr", Kind::Nr),
        ("cellIdentityUmts", Kind::Umts),
        ("cellIdentityGsm", Kind::Gsm),
    ];
    for (key, kind) in of {
        let Some(Json::Object(fields)) = info.get(key) else { continue };
        let row = Data { kind, fields };
        let cell = super::record::identified(&Reader { kind, row: &row })?;
        return Ok((cell != RadioCell { technology: cell.technology, ..RadioCell::default() }).then_some(cell));
    }
    Ok(None)
}

/// The registration that carries data over the air; else what there is.
fn choose(all: &[Told]) -> Option<&Told> {
    let rank = |told: &&Told| (told.wifi, !told.packet, told.cause.is_none() && told.technology.is_none());
    all.iter().min_by_key(rank).filter(|told| !told.wifi)
}

/// A cause is there only of a registration that was refused. `own`: whether the network is the SIM's, where both are
/// known. A phone on a network that is neither its own nor roamed on has limited service, or a SIM that is a guest
/// there by contract: the record does not tell them apart, so neither is said.
fn standing(sim: Option<SimState>, told: Option<&Told>, own: Option<bool>) -> RegistrationStat {
    let registered = told.filter(|told| told.technology.is_some()).map(|told| told.roaming);
    match (sim, told, registered) {
        (Some(SimState::Absent), ..) => RegistrationStat::NoSim,
        (_, Some(Told { cause: Some(_), .. }), _) => RegistrationStat::Denied,
        (.., Some(Some(true))) => RegistrationStat::Roaming,
        (.., Some(Some(false))) if own != Some(false) => RegistrationStat::Home,
        (.., Some(None)) if own == Some(true) => RegistrationStat::Home,
        _ => RegistrationStat::Unknown,
    }
}
