//! The collector's acknowledgement: the only thing that lets an agent forget a sample.

use crate::id::Epoch;
use crate::range::Ranges;
use serde::{Deserialize, Serialize};

/// What became of the samples of one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum AckResult {
    /// Committed.
    Stored,
    /// Committed before.
    Duplicate,
    /// Committed to the dead letters.
    DeadLetter,
    /// The payload could not be read: send it once more, then set it aside.
    Rejected,
    /// Readable, but not taken now (unknown probe): keep it and keep trying at the ordinary pace.
    Refused,
}

/// One entry of an acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ack {
    pub result: AckResult,
    /// For `stored`, `duplicate` and `dead_letter`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub epoch: Option<Epoch>,
    #[serde(default, skip_serializing_if = "Ranges::is_empty")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<(String, String)>"))]
    pub ranges: Ranges,
    /// For `rejected`: CRC-32 of the whole payload as 8 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_crc32: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Ack {
    pub fn ranges(result: AckResult, epoch: Epoch, ranges: Ranges) -> Self {
        Ack { result, epoch: Some(epoch), ranges, payload_crc32: None, reason: None }
    }

    pub fn payload(result: AckResult, payload: &[u8], reason: &str) -> Self {
        let crc = format!("{:08x}", crc32fast::hash(payload));
        Ack { result, epoch: None, ranges: Ranges::new(), payload_crc32: Some(crc), reason: Some(reason.into()) }
    }
}

/// What stands on an `ack` topic. An agent ignores results that it does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AckMessage {
    pub v: u8,
    pub acks: Vec<Ack>,
}

impl AckMessage {
    pub fn new(acks: Vec<Ack>) -> Self {
        AckMessage { v: 1, acks }
    }

    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("writing JSON to memory cannot fail")
    }

    /// Reads what can be read: an entry of a later version does not hide the others.
    pub fn from_json(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Loose {
            v: u8,
            acks: Vec<serde_json::Value>,
        }
        let loose: Loose = serde_json::from_slice(bytes)?;
        let acks = loose.acks.into_iter().filter_map(|value| serde_json::from_value(value).ok()).collect();
        Ok(AckMessage { v: loose.v, acks })
    }
}
