//! One message of a phone, as it is published.
//!
//! In: bytes. Out: its kind and fields, or why it is none. Refuses to know: topics, probes. Limits: as large as a
//! batch; what a later version of the messages adds is left aside, a new major version is refused.

use super::field::Kind;
use phusong_protocol::limits;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

#[derive(Debug, Deserialize)]
struct Envelope {
    version: Option<String>,
    #[serde(rename = "messageType")]
    message_type: String,
    data: Map<String, Json>,
}

/// Why bytes are no message that is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMessage {
    #[error("{bytes} bytes; a message has at most {}", limits::BATCH_BYTES)]
    Oversize { bytes: usize },
    #[error("no message of Network Survey: {detail}")]
    Json { detail: String },
    #[error("version `{version}` of the messages is not known; 0 and 1 are")]
    Version { version: String },
    #[error(
        "messageType `{found}` is not taken; GsmRecord, UmtsRecord, LteRecord, NrRecord, PhoneState and DeviceStatus are"
    )]
    Kind { found: String },
}

pub fn decode(payload: &[u8]) -> Result<(Kind, Map<String, Json>), NoMessage> {
    if payload.len() > limits::BATCH_BYTES {
        return Err(NoMessage::Oversize { bytes: payload.len() });
    }
    let failed = |e: serde_json::Error| NoMessage::Json { detail: e.to_string() };
    let Envelope { version, message_type, data } = serde_json::from_slice(payload).map_err(failed)?;
    let short = |text: &str| text.chars().take(40).collect::<String>();
    if let Some(version) = version.filter(|version| !matches!(version.split('.').next(), Some("0" | "1"))) {
        return Err(NoMessage::Version { version: short(&version) });
    }
    match Kind::of_message(&message_type) {
        Some(kind) => Ok((kind, data)),
        None => Err(NoMessage::Kind { found: short(&message_type) }),
    }
}

/// Whether it looks like one: a dead letter is replayed without its topic.
pub fn is_one(payload: &[u8]) -> bool {
    let key = b"\"messageType\"";
    payload.first() == Some(&b'{') && payload.windows(key.len()).any(|window| window == key)
}
