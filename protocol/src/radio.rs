//! Cellular readings: one object per technology of a modem's reply, registration, neighbours, scans.

use crate::context::Technology;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// One cell as a modem reported it. Absent is absent: no field is ever a sentinel.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[cbor(map)]
pub struct RadioCell {
    #[n(0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
    #[n(1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mcc: Option<String>,
    #[n(2)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mnc: Option<String>,
    #[n(3)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell_id: Option<u64>,
    #[n(4)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tac: Option<u32>,
    #[n(5)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lac: Option<u32>,
    #[n(6)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci: Option<u16>,
    #[n(7)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arfcn: Option<u32>,
    /// "B3", "n78".
    #[n(8)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub band: Option<String>,
    /// RSRP, or SS-RSRP for NR.
    #[n(9)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsrp_dbm: Option<f32>,
    #[n(10)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rsrq_db: Option<f32>,
    #[n(11)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinr_db: Option<f32>,
    /// The modem's own number, kept while its scale is not verified.
    #[n(12)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sinr_raw: Option<f32>,
    #[n(13)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rssi_dbm: Option<f32>,
    #[n(14)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rscp_dbm: Option<f32>,
    #[n(15)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ecio_db: Option<f32>,
    #[n(16)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srxlev_db: Option<f32>,
    #[n(17)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving: Option<bool>,
    /// Names of fields whose value is disputed.
    #[n(18)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cbor(default)]
    pub doubtful: Vec<String>,
}

/// Signal of the serving cell or cells (an NSA attachment has two), with the modem's own lines.
#[derive(Debug, Clone, Default, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct RadioReading {
    #[n(0)]
    pub cells: Vec<RadioCell>,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Absent: by the schedule.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
    /// Within 30 s before the modem registered again: it had coverage already and votes for nothing.
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reacquiring: Option<bool>,
    /// The modem repeated itself while nothing answered: no signal.
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stale: Option<bool>,
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check: Option<TechnologyCheck>,
}

/// Registration state, TS 27.007 `<stat>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum RegistrationStat {
    #[n(0)]
    Idle,
    #[n(1)]
    Home,
    #[n(2)]
    Searching,
    #[n(3)]
    Denied,
    #[n(4)]
    Unknown,
    #[n(5)]
    Roaming,
    #[n(6)]
    HomeSmsOnly,
    #[n(7)]
    RoamingSmsOnly,
    #[n(8)]
    EmergencyOnly,
    #[n(9)]
    NoSim,
    /// Restricted local operator services.
    #[n(11)]
    Rlos,
}

/// What the SIM is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum SimState {
    #[n(0)]
    Ready,
    #[n(1)]
    Absent,
    #[n(2)]
    Pin,
    #[n(3)]
    Puk,
    /// It is there and does not work.
    #[n(4)]
    Failure,
    /// Ask again.
    #[n(5)]
    Busy,
    #[n(6)]
    Unknown,
}

/// Whether the network gave a data bearer (PDP context, PDN connection, PDU session).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum BearerState {
    #[n(0)]
    Connected,
    /// Nobody asked for one.
    #[n(1)]
    Disconnected,
    #[n(2)]
    Refused,
}

/// Why a radio reading was taken, where it was not the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Taken {
    #[n(0)]
    Survey,
    /// Somebody aimed an antenna and held still.
    #[n(1)]
    Aimed,
    #[n(2)]
    Calibration,
    /// At the end of a technology check, see [`TechnologyCheck`].
    #[n(3)]
    Check,
    /// At the end of a record of commissioning.
    #[n(4)]
    Accepted,
}

/// A paced download that kept the modem connected: without it "no 5G" cannot be said.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct TechnologyCheck {
    #[n(0)]
    pub down_bps: u64,
    #[n(1)]
    pub elapsed_ms: u32,
    #[n(2)]
    pub bytes: u64,
    /// Technologies that the device's bands, its settings and its SIM allow.
    #[n(3)]
    pub able: Vec<Technology>,
    /// Technologies that were seen at any time while it ran.
    #[n(4)]
    pub seen: Vec<Technology>,
}

/// A change of registration; written at once.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct RegistrationReading {
    #[n(0)]
    pub stat: RegistrationStat,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Box<RadioCell>>,
    /// TS 24.301 cause.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_cause: Option<u16>,
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim: Option<SimState>,
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<BearerState>,
    /// TS 24.301 9.9.4.4.
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer_cause: Option<u16>,
    /// The agent reset the modem.
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<bool>,
    /// Manufacturer, model and firmware, where they are new.
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modem: Option<String>,
    /// What a reading of levels would have been taken for: without a cell there is none. Absent: it changed.
    #[n(9)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
}

impl RegistrationReading {
    /// Nothing is known but the state.
    pub const fn new(stat: RegistrationStat) -> Self {
        RegistrationReading {
            stat,
            cell: None,
            reject_cause: None,
            raw: None,
            sim: None,
            bearer: None,
            bearer_cause: None,
            reset: None,
            modem: None,
            taken: None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Neighbours {
    #[n(0)]
    pub cells: Vec<RadioCell>,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}

/// One operator of a scan. A scan proves presence, never absence.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct ScanEntry {
    /// "452-04".
    #[n(0)]
    pub plmn: String,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Scan {
    #[n(0)]
    pub entries: Vec<ScanEntry>,
    #[n(1)]
    pub elapsed_ms: u32,
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
}
