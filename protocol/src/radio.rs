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
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct RadioReading {
    #[n(0)]
    pub cells: Vec<RadioCell>,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
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
    #[n(8)]
    EmergencyOnly,
    #[n(9)]
    NoSim,
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
    pub cell: Option<RadioCell>,
    /// TS 24.301 cause.
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject_cause: Option<u16>,
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
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
