//! The JSON Schema of the JSON form, published as `protocol/golden/v1/schema.json`.

use crate::ack::AckMessage;
use crate::control::{Command, DesiredConfig, Status};
use crate::json::JsonSample;
use crate::limits;
use schemars::JsonSchema;

/// A batch in JSON, as the schema describes it.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code)] // Described, never built: `json.rs` reads samples one by one so that each can fail alone.
struct Batch {
    /// Always 1.
    v: u8,
    /// The same probe as in the topic, or left out.
    probe: Option<String>,
    /// 16 hexadecimal digits drawn at random at each start of the sender; left out where samples have no `seq`.
    epoch: Option<String>,
    /// 1 to 1,000.
    #[schemars(length(min = 1, max = 1000))]
    samples: Vec<JsonSample>,
}

/// One document with a definition for each JSON message and the bounds.
pub fn document() -> serde_json::Value {
    let bounds = serde_json::json!({
        "batch_bytes": limits::BATCH_BYTES,
        "batch_samples": limits::BATCH_SAMPLES,
        "string_bytes": limits::STRING_BYTES,
        "age_ms": limits::AGE_MS,
        "future_skew_ms": limits::FUTURE_SKEW_MS,
    });
    serde_json::json!({
        "bounds": bounds,
        "batch": schemars::schema_for!(Batch),
        "ack": schemars::schema_for!(AckMessage),
        "status": schemars::schema_for!(Status),
        "config": schemars::schema_for!(DesiredConfig),
        "command": schemars::schema_for!(Command),
    })
}
