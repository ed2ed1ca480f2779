//! What surrounds a reading: clock, place, set-up, uplink, target.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// What the agent knew of its wall clock when it took the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Clock {
    /// Whether the wall clock was set from a time source in this boot.
    #[n(0)]
    pub synced: bool,
    /// Seconds since then.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_s: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum PlaceSource {
    #[n(0)]
    Fixed,
    #[n(1)]
    Gps,
    #[n(2)]
    Modem,
}

/// Where the sample was taken. A fixed probe leaves it out: the registry knows its place.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Place {
    /// Degrees, WGS 84.
    #[n(0)]
    pub lat: f64,
    #[n(1)]
    pub lon: f64,
    /// Radius that holds the truth in 95 % of cases (Android's 68 % radius x 1.62).
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f32>,
    #[n(3)]
    pub source: PlaceSource,
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix_age_s: Option<f32>,
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed_mps: Option<f32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Environment {
    #[n(0)]
    Outdoor,
    #[n(1)]
    Indoor,
    #[n(2)]
    Vehicle,
    #[n(3)]
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Antenna {
    #[n(0)]
    Internal,
    #[n(1)]
    External,
}

/// How readings are taken. Sent whole in the first sample of an epoch and whenever it changes; else by reference.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Setup {
    #[n(0)]
    pub environment: Environment,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_m: Option<f32>,
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub antenna: Option<Antenna>,
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain_dbi: Option<f32>,
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cable_loss_db: Option<f32>,
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_model: Option<String>,
    /// Bands the device can use, as "B3", "n41".
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bands: Option<Vec<String>>,
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_db: Option<f32>,
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibrated_at_ms: Option<i64>,
}

impl Setup {
    /// The number by which samples refer to this set-up: CRC-32 of its CBOR form.
    pub fn id(&self) -> u32 {
        crc32fast::hash(&minicbor::to_vec(self).expect("writing CBOR to memory cannot fail"))
    }
}

/// A sample's reference to a set-up, with the set-up itself where it is new.
#[derive(Debug, Clone, PartialEq, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SetupRef {
    #[n(0)]
    pub id: u32,
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub full: Option<Setup>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum ServiceState {
    #[n(0)]
    None,
    #[n(1)]
    Limited,
    #[n(2)]
    Home,
    #[n(3)]
    Roaming,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Technology {
    #[n(0)]
    Gsm,
    #[n(1)]
    Umts,
    #[n(2)]
    Lte,
    #[n(3)]
    NrNsa,
    #[n(4)]
    NrSa,
    #[n(5)]
    Fiber,
    #[n(6)]
    Satellite,
    #[n(7)]
    Wifi,
    #[n(8)]
    Other,
    /// 5G where the reply does not say which.
    #[n(9)]
    Nr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[cbor(index_only)]
pub enum Rrc {
    #[n(0)]
    Idle,
    #[n(1)]
    Connected,
    #[n(2)]
    Unknown,
}

/// The link that the sample left by. A sample that went by the default route has none and is not graded.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Uplink {
    /// Name of the network interface, as `wwan0`.
    #[n(0)]
    pub interface: String,
    /// Provider of a fixed link, as configured.
    #[n(1)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// MCC and MNC of the SIM with a dash, as "452-04".
    #[n(2)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sim_plmn: Option<String>,
    #[n(3)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serving_plmn: Option<String>,
    #[n(4)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roaming: Option<bool>,
    #[n(5)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_state: Option<ServiceState>,
    #[n(6)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
    #[n(7)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rrc: Option<Rrc>,
    /// Whether the probe's own throughput test ran on this link at the time.
    #[n(8)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_load: Option<bool>,
}

impl Uplink {
    /// A link of which nothing is known but its interface.
    pub const fn bare(interface: String) -> Self {
        Uplink {
            interface,
            provider: None,
            sim_plmn: None,
            serving_plmn: None,
            roaming: None,
            service_state: None,
            technology: None,
            rrc: None,
            self_load: None,
        }
    }
}

/// What a target stands for; `gateway` and `loudspeaker` never decide about service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
#[cbor(index_only)]
pub enum Tag {
    #[n(0)]
    Gateway,
    #[n(1)]
    Domestic,
    #[n(2)]
    Foreign,
    #[n(3)]
    PublicService,
    #[n(4)]
    Loudspeaker,
}

/// What was measured against.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Encode, Decode, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
#[cbor(map)]
pub struct Target {
    /// The configured name, as `gateway` or `vnnic`.
    #[n(0)]
    pub name: String,
    /// Host, host:port or URL, as configured.
    #[n(1)]
    pub host: String,
    /// The address that was used.
    #[n(2)]
    #[cbor(with = "address", has_nil)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub address: Option<IpAddr>,
    #[n(3)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
}

/// An address as its 4 or 16 bytes.
mod address {
    use minicbor::{Decoder, Encoder, decode as de, encode as en};
    use std::net::{Ipv4Addr, Ipv6Addr};

    use super::IpAddr;

    pub fn encode<C, W: en::Write>(
        value: &Option<IpAddr>,
        to: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), en::Error<W::Error>> {
        match value {
            None => to.null()?.ok(),
            Some(IpAddr::V4(v4)) => to.bytes(&v4.octets())?.ok(),
            Some(IpAddr::V6(v6)) => to.bytes(&v6.octets())?.ok(),
        }
    }

    pub fn decode<'b, C>(from: &mut Decoder<'b>, _: &mut C) -> Result<Option<IpAddr>, de::Error> {
        if from.datatype()? == minicbor::data::Type::Null {
            from.skip()?;
            return Ok(None);
        }
        let bytes = from.bytes()?;
        if let Ok(four) = <[u8; 4]>::try_from(bytes) {
            return Ok(Some(Ipv4Addr::from(four).into()));
        }
        match <[u8; 16]>::try_from(bytes) {
            Ok(sixteen) => Ok(Some(Ipv6Addr::from(sixteen).into())),
            Err(_) => Err(de::Error::message("an address has 4 or 16 bytes")),
        }
    }

    pub fn is_nil(value: &Option<IpAddr>) -> bool {
        value.is_none()
    }

    pub fn nil() -> Option<Option<IpAddr>> {
        Some(None)
    }
}
