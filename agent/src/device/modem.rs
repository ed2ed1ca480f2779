//! Modems: what a source of radio facts says, in one set of words for all of them.
//!
//! In: ModemManager, AT ports, Termux, any command; one task each. Out: [`Said`]s over a bounded channel, folded into a
//! [`Picture`] for everybody who looks. Refuses to know: samples, spools, what a state means for coverage. Limits:
//! [`QUEUE`] events wait, then the source waits; a source degrades per field: what it cannot read is absent.

pub mod at;
pub mod command;
pub mod decode;
#[cfg(feature = "modemmanager")]
pub mod mm;
pub mod operator;
pub mod picture;
pub mod termux;

pub use picture::{ModemState, Picture};

use crate::device::position::Fix;
use phusong_protocol::{BearerState, RadioCell, RegistrationStat, Rrc, ScanEntry, ServiceState, SimState, Technology};
use serde::{Deserialize, Serialize};

/// Events that wait for the tracker.
pub const QUEUE: usize = 64;

/// Which modem: the `name` of its `[[modem]]` table, or what the source calls a modem that no table names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ModemKey(pub String);

/// One word of a source about one modem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    pub modem: ModemKey,
    /// When the modem said it, on the boot's clock.
    pub at_mono_ms: u64,
    pub what: Event,
}

/// What a modem can say. Each event replaces what the same kind said before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// It appeared, or more is known of it.
    Present(Identity),
    /// It is gone from the bus, its port is closed, or its daemon is.
    Vanished {
        why: String,
    },
    /// The port is there and the modem does not answer.
    Silent {
        for_ms: u64,
    },
    Sim(Sim),
    Registration(Registered),
    Signal(Signal),
    Neighbours {
        cells: Vec<RadioCell>,
        raw: Option<String>,
    },
    Bearer(Bearer),
    Scanned {
        entries: Vec<ScanEntry>,
        elapsed_ms: u32,
        raw: Option<String>,
    },
    ScanFailed {
        why: String,
        elapsed_ms: u32,
    },
    /// The modem's own receiver.
    Fix(Fix),
    /// The source reset it because it was silent.
    Reset {
        why: String,
    },
}

/// The modem itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub source: String,
    pub manufacturer: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    /// The network interface that carries its data, as `wwan0`.
    pub interface: Option<String>,
    /// Technologies that its hardware and its settings allow; empty where nobody says.
    pub able: Vec<Technology>,
    /// "B3", "n78"; empty where nobody says.
    pub bands: Vec<String>,
    /// Technologies that show when they are read this way; empty where the source does not know. What cannot show is
    /// not missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shows: Vec<Technology>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sim {
    pub state: SimState,
    /// "452-04".
    pub plmn: Option<String>,
    pub operator: Option<String>,
    pub raw: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    pub stat: RegistrationStat,
    /// Absent where the reply does not say: limited service hides behind several values of `stat`.
    pub service: Option<ServiceState>,
    /// "452-04" of the network that serves, its own or another.
    pub plmn: Option<String>,
    pub technology: Option<Technology>,
    /// Area code and cell id.
    pub cell: Option<RadioCell>,
    /// EMM or 5GMM cause (TS 24.301 9.9.3.9, TS 24.501 9.11.3.2).
    pub reject_cause: Option<u16>,
    pub raw: Option<String>,
}

/// Of the serving cell or cells: an NSA attachment has two, kept apart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    pub cells: Vec<RadioCell>,
    pub rrc: Option<Rrc>,
    pub raw: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bearer {
    pub state: BearerState,
    pub interface: Option<String>,
    pub apn: Option<String>,
    /// ESM cause (TS 24.301 9.9.4.4).
    pub cause: Option<u16>,
    pub raw: Option<String>,
}

/// What the tracker asks of a source. A source that cannot do it says so once with [`Event::ScanFailed`] or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// Read everything now: after a reload, or because somebody looks.
    Refresh(ModemKey),
    /// How often the serving cell is read, from now on; never below a second.
    Pace { modem: ModemKey, signal_ms: u64 },
    /// Search for operators. The tracker asks only when the uplink, surveys and tests are idle.
    Scan(ModemKey),
}
