//! The small messages beside the samples: a probe's status, its desired configuration, commands.

use crate::id::Epoch;
use crate::range::Ranges;
use crate::secret::Secret;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StatusState {
    Online,
    Offline,
}

/// Retained on `status`; `offline` is the Last Will. A status with a lower `(start, conn)` than one seen is ignored,
/// unless its epoch was never seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    pub v: u8,
    pub state: StatusState,
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub epoch: Epoch,
    /// Starts of the agent, counted beside the spool.
    pub start: u32,
    /// Connections in that start.
    pub conn: u32,
    /// Revision of the applied remote configuration; 0 for none.
    pub config_revision: u64,
    /// What happened to the last configuration that was tried, for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_note: Option<String>,
    pub version: String,
}

/// Retained on `config`: what the installation wants the probe to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DesiredConfig {
    pub v: u8,
    pub revision: u64,
    /// TOML of the agent's remotely settable tables (`target`, `schedule`).
    pub toml: String,
}

/// Sent on `command`, never retained; idempotent by `id`; never run after `not_after_ms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Command {
    pub v: u8,
    pub id: String,
    pub not_after_ms: i64,
    #[serde(flatten)]
    pub body: CommandBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum CommandBody {
    /// Send raw rounds that are still in the spool's ring.
    SendRaw {
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        epoch: Epoch,
        #[cfg_attr(feature = "schema", schemars(with = "Vec<(String, String)>"))]
        ranges: Ranges,
    },
    /// Take one round of every target now.
    MeasureNow,
    /// The lasting credentials, in exchange for a one-time secret: to a probe that logged in with one, and once more
    /// each time it does so, until they have been used.
    Credentials {
        username: String,
        #[cfg_attr(feature = "schema", schemars(with = "String"))]
        password: Secret,
    },
}
