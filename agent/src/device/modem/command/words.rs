//! The JSON that a program prints, one object a line.
//!
//! In: a line. Out: a [`Word`], or why not. Refuses to know: programs, time. Limits: what lies outside what a radio can
//! read is left out; keys that are not known are left out, so that the decoder's own output can be printed.

use crate::device::modem::at::stat_of;
use crate::device::modem::{Bearer, Identity, Registered, Sim};
use crate::device::position::Fix;
use phusong_protocol::{
    BearerState, PlaceSource, RadioCell, RegistrationStat, Rrc, ServiceState, SimState, Technology, limits,
};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error as WordError, StrDeserializer};

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Word {
    Modem(Identity),
    Signal {
        cell: Option<RadioCell>,
        rrc: Option<Rrc>,
        raw: Option<String>,
    },
    Neighbour {
        cell: RadioCell,
        raw: Option<String>,
    },
    Registration(Registered),
    Sim(Sim),
    Bearer(Bearer),
    Position(Fix),
    /// A kind that is the decoder's and says nothing here.
    Nothing,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("no JSON object: {0}")]
    Json(String),
    #[error("`kind` is missing; one of modem, signal, neighbour, registration, sim, bearer, position")]
    NoKind,
    #[error("`kind` {0:?} is none of modem, signal, neighbour, registration, sim, bearer, position")]
    Kind(String),
    #[error("{kind}: `{field}` is missing or not what it can be")]
    Field { kind: &'static str, field: &'static str },
}

/// A number of TS 27.007 or a word.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stat {
    Number(u8),
    Word(RegistrationStat),
}

/// Every key of every kind: a line is small, and one type reads them all.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    kind: Option<String>,
    technology: Option<Technology>,
    mcc: Option<String>,
    mnc: Option<String>,
    plmn: Option<String>,
    cell_id: Option<u64>,
    tac: Option<u32>,
    lac: Option<u32>,
    pci: Option<u16>,
    arfcn: Option<u32>,
    band: Option<String>,
    rsrp_dbm: Option<f32>,
    rsrq_db: Option<f32>,
    sinr_db: Option<f32>,
    sinr_raw: Option<f32>,
    rssi_dbm: Option<f32>,
    rscp_dbm: Option<f32>,
    ecio_db: Option<f32>,
    srxlev_db: Option<f32>,
    doubtful: Vec<String>,
    rrc: Option<Rrc>,
    state: Option<String>,
    stat: Option<Stat>,
    service: Option<ServiceState>,
    reject_cause: Option<u16>,
    operator: Option<String>,
    interface: Option<String>,
    apn: Option<String>,
    cause: Option<u16>,
    lat: Option<f64>,
    lon: Option<f64>,
    accuracy_m: Option<f32>,
    altitude_m: Option<f32>,
    speed_mps: Option<f32>,
    track_deg: Option<f32>,
    utc_ms: Option<i64>,
    age_s: Option<f32>,
    manufacturer: Option<String>,
    model: Option<String>,
    firmware: Option<String>,
    able: Vec<Technology>,
    bands: Vec<String>,
    raw: Option<String>,
}

/// `now` is the boot's clock, for positions.
pub fn read(line: &str, now_mono_ms: u64) -> Result<Word, Refused> {
    let line: Line = serde_json::from_str(line).map_err(|error| Refused::Json(error.to_string()))?;
    let kind = line.kind.clone().ok_or(Refused::NoKind)?;
    match kind.as_str() {
        "modem" => Ok(Word::Modem(line.identity())),
        "signal" => Ok(line.signal()),
        "neighbour" => {
            let raw = line.raw();
            Ok(Word::Neighbour { cell: RadioCell { serving: Some(false), ..line.cell() }, raw })
        }
        "registration" => line.registration(),
        "sim" => line.sim(),
        "bearer" => line.bearer(),
        "position" => line.position(now_mono_ms),
        "operator" => Ok(Word::Nothing),
        _ => Err(Refused::Kind(kind.chars().take(32).collect())),
    }
}

fn word<'a, T: Deserialize<'a>>(text: Option<&'a str>) -> Option<T> {
    let text: StrDeserializer<'a, WordError> = text?.into_deserializer();
    T::deserialize(text).ok()
}

fn within(value: Option<f32>, low: f32, high: f32) -> Option<f32> {
    value.filter(|value| (low..=high).contains(value))
}

fn short(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.is_empty() && text.len() <= limits::STRING_BYTES)
}

fn digits(text: Option<String>, from: usize, to: usize) -> Option<String> {
    text.filter(|text| (from..=to).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// "452-04".
fn plmn(text: &str) -> Option<String> {
    let (mcc, mnc) = text.split_once('-')?;
    Some(format!("{}-{}", digits(Some(mcc.into()), 3, 3)?, digits(Some(mnc.into()), 2, 3)?))
}

impl Line {
    fn raw(&self) -> Option<String> {
        self.raw.clone().filter(|raw| !raw.is_empty() && raw.len() <= limits::RAW_BYTES)
    }

    fn network(&self) -> Option<String> {
        let joined = || Some(format!("{}-{}", self.mcc.as_ref()?, self.mnc.as_ref()?));
        plmn(&self.plmn.clone().or_else(joined)?)
    }

    fn cell(self) -> RadioCell {
        let mut doubtful = self.doubtful;
        doubtful.retain(|name| name.len() <= limits::ID_BYTES);
        doubtful.truncate(limits::TAGS);
        RadioCell {
            technology: self.technology,
            mcc: digits(self.mcc, 3, 3),
            mnc: digits(self.mnc, 2, 3),
            cell_id: self.cell_id.filter(|id| *id < 1 << 36),
            tac: self.tac.filter(|tac| *tac <= 0xff_ffff),
            lac: self.lac.filter(|lac| *lac <= 0xffff),
            pci: self.pci.filter(|pci| *pci <= 1007),
            arfcn: self.arfcn.filter(|arfcn| *arfcn <= 3_279_165),
            band: self.band.filter(|band| (2..=5).contains(&band.len()) && band.starts_with(['B', 'n'])),
            rsrp_dbm: within(self.rsrp_dbm, -156.0, -31.0),
            rsrq_db: within(self.rsrq_db, -43.5, 20.0),
            sinr_db: within(self.sinr_db, -23.5, 40.0),
            sinr_raw: within(self.sinr_raw, -1_000.0, 1_000.0),
            rssi_dbm: within(self.rssi_dbm, -125.0, -10.0),
            rscp_dbm: within(self.rscp_dbm, -121.0, -24.0),
            ecio_db: within(self.ecio_db, -32.5, 0.0),
            srxlev_db: within(self.srxlev_db, -200.0, 200.0),
            serving: Some(true),
            doubtful,
        }
    }

    fn signal(self) -> Word {
        let (raw, state) = (self.raw(), self.state.clone());
        let rrc = self.rrc.or(match state.as_deref() {
            Some("CONNECT") => Some(Rrc::Connected),
            Some("NOCONN") => Some(Rrc::Idle),
            _ => None,
        });
        let cell = self.cell();
        let bare = RadioCell { technology: None, serving: None, doubtful: Vec::new(), ..cell.clone() };
        // A reply without values: there is no cell.
        let is_cell = bare != RadioCell::default();
        Word::Signal { cell: is_cell.then_some(cell), rrc, raw }
    }

    fn registration(self) -> Result<Word, Refused> {
        let missing = Refused::Field { kind: "registration", field: "stat" };
        let stat = match self.stat {
            Some(Stat::Number(number)) => stat_of(number).ok_or(missing)?,
            Some(Stat::Word(stat)) => stat,
            // The decoder's `^SYSINFOEX` says the service alone.
            None => return Err(missing),
        };
        let (raw, service, technology, plmn) = (self.raw(), self.service, self.technology, self.network());
        let reject_cause = self.reject_cause.filter(|cause| (1..=255).contains(cause));
        let cell = self.cell();
        let known = cell.cell_id.is_some() || cell.tac.is_some() || cell.lac.is_some();
        Ok(Word::Registration(Registered {
            stat,
            service: service.or(match stat {
                RegistrationStat::Home => Some(ServiceState::Home),
                RegistrationStat::Roaming => Some(ServiceState::Roaming),
                RegistrationStat::EmergencyOnly => Some(ServiceState::Limited),
                _ => None,
            }),
            plmn,
            technology,
            cell: known.then_some(cell),
            reject_cause,
            raw,
        }))
    }

    fn sim(self) -> Result<Word, Refused> {
        let state: Option<SimState> = word(self.state.as_deref());
        let state = state.ok_or(Refused::Field { kind: "sim", field: "state" })?;
        Ok(Word::Sim(Sim { state, plmn: self.network(), raw: self.raw(), operator: short(self.operator) }))
    }

    fn bearer(self) -> Result<Word, Refused> {
        let state: Option<BearerState> = word(self.state.as_deref());
        let state = state.ok_or(Refused::Field { kind: "bearer", field: "state" })?;
        let raw = self.raw();
        let cause = self.cause.filter(|cause| (1..=255).contains(cause));
        Ok(Word::Bearer(Bearer { state, interface: short(self.interface), apn: short(self.apn), cause, raw }))
    }

    fn position(self, now_mono_ms: u64) -> Result<Word, Refused> {
        let of = |value: Option<f64>, most: f64, field| {
            let good = value.filter(|value| value.is_finite() && value.abs() <= most);
            good.ok_or(Refused::Field { kind: "position", field })
        };
        let positive = |value: Option<f32>| within(value, 0.0, 1e6);
        let age_ms = positive(self.age_s).map_or(0, |age| (age * 1_000.0) as u64);
        Ok(Word::Position(Fix {
            at_mono_ms: now_mono_ms.saturating_sub(age_ms),
            lat: of(self.lat, 90.0, "lat")?,
            lon: of(self.lon, 180.0, "lon")?,
            accuracy_m: positive(self.accuracy_m),
            altitude_m: within(self.altitude_m, -1_000.0, 20_000.0),
            speed_mps: within(self.speed_mps, 0.0, 400.0),
            track_deg: within(self.track_deg, 0.0, 360.0),
            source: PlaceSource::Modem,
            utc_ms: self.utc_ms,
        }))
    }

    fn identity(self) -> Identity {
        let mut bands = self.bands;
        bands.retain(|band| (2..=5).contains(&band.len()));
        bands.truncate(limits::CELLS);
        let mut able = self.able;
        able.truncate(limits::TAGS);
        Identity {
            source: "command".into(),
            manufacturer: short(self.manufacturer),
            model: short(self.model),
            firmware: short(self.firmware),
            interface: short(self.interface),
            able,
            bands,
            ..Identity::default()
        }
    }
}

#[cfg(test)]
mod tests;
