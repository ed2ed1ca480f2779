//! What really happened: told apart from the wire, never on it.
//!
//! In: what the draw decided. Out: plain records for whoever judges a collector's answers. Refuses to know: samples.
//! Limits: one record for each affected probe; two of one probe never overlap.

use phusong_protocol::ProbeId;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TruthKind {
    /// The network did not serve at the probe.
    Gap,
    /// The probe could not test.
    Blind,
    /// A target was dead: no interruption of any network.
    Remote,
    /// Everything answered, the report came late: no interruption.
    Delay,
    /// The network served badly: no interruption.
    Weak,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    Backhaul,
    Power,
    /// The agent was dead, or the local gateway silent.
    Device,
    /// The probe was carried to another place.
    Moved,
    Remote,
    Delivery,
    /// Too many share the cell.
    Congestion,
}

/// What the wire carries of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The probe's own mains input said so.
    MainsInput,
    /// The mains input of the hamlet's other probe said so.
    OtherMainsInput,
    /// The hamlet's other probe, on another supply, stopped within 120 s.
    OtherSupplyStopped,
    /// A new boot after no orderly end.
    UncleanReboot,
    /// A new boot after an orderly end.
    CleanReboot,
    /// A new start in the same boot after no orderly end.
    SameBootRestart,
    GatewayAnswers,
    GatewaySilent,
    /// The interface lost its carrier.
    CarrierLost,
    /// The interface had carrier and address all the time.
    LinkUp,
    /// Echoes are lost although others come back.
    EchoesLost,
    /// Other targets answer meanwhile.
    OthersAnswer,
    /// Everything arrives in a burst afterwards.
    LateArrival,
    /// The registry says that the probe has another place since.
    PlaceChanged,
}

/// One thing that happened at one probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TruthEvent {
    pub kind: TruthKind,
    pub cause: Cause,
    pub probe: ProbeId,
    /// Code of its area.
    pub hamlet: String,
    /// The network that it is about; absent for what is about the probe or a target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    /// The dead target's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    pub from_ms: i64,
    pub to_ms: i64,
    /// Whether the probe has a mains input.
    pub mains_input: bool,
    /// Whether the time of the samples around it is uncertain, for a clock that was never set.
    pub clock_uncertain: bool,
    pub evidence: Vec<Evidence>,
}
