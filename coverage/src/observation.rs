//! What the fold looks at: one accepted measurement, or one piece of evidence, without anything of the wire.
//!
//! In: plain values, times already settled. Out: the words of `window.rs` and `cause.rs`. Refuses to know: encodings,
//! row numbers, the order of arrival; two observations with the same id are one.

use crate::radio::Change;
use crate::units::Micros;

/// The id of a sample: it does not depend on when it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SampleId {
    pub epoch: u64,
    pub seq: u64,
}

/// A target in the store's numbering.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetId(pub i64);

/// A network in the store's numbering: an operator, or a provider of fixed links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub i64);

impl NetworkId {
    /// Samples that left by the default route: they prove that the probe is alive and grade nothing.
    pub const NONE: NetworkId = NetworkId(0);
}

/// What a target is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Decides about service.
    Service,
    /// The first hop: tells our side from theirs, decides nothing.
    Gateway,
    /// A station that is watched; decides nothing.
    Loudspeaker,
}

/// Which way was tried. An echo alone never proves a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    Icmp,
    Tcp,
    Dns,
    Http,
}

impl Layer {
    /// TCP and HTTP: what users do.
    pub const fn is_transfer(self) -> bool {
        matches!(self, Layer::Tcp | Layer::Http)
    }
}

/// How an attempt, or the rounds of a summary, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ended {
    /// An answer, or a refusal, which proves that the way works.
    Answered,
    /// Nothing came back.
    Unanswered,
    /// The interface had no carrier or no address: our side.
    LinkDown,
    /// Every page is one portal: a spent plan, or a login page.
    Portal,
    /// The probe did not get to try (budget, busy, permissions): says nothing.
    NotTried,
}

/// One round, or the rounds that a summary stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    pub id: SampleId,
    pub first_ms: i64,
    pub last_ms: i64,
    pub network: NetworkId,
    pub target: TargetId,
    pub role: Role,
    pub layer: Layer,
    pub ended: Ended,
    pub rounds: u32,
    /// Echoes, where there were any.
    pub sent: u32,
    pub received: u32,
    /// Round-trip times and how often each was seen.
    pub rtts: Vec<(Micros, u32)>,
}

impl Attempt {
    /// A summary across a boundary belongs to the window of its midpoint.
    pub const fn mid_ms(&self) -> i64 {
        self.first_ms + (self.last_ms - self.first_ms) / 2
    }
}

/// Evidence about the device at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fact {
    pub at_ms: i64,
    pub id: SampleId,
    pub what: FactKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FactKind {
    /// The agent started; what it says of the start before.
    Started {
        clean: bool,
        same_boot: Option<bool>,
    },
    /// A mains input spoke.
    Mains(bool),
    Undervoltage,
    /// Carrier and address of the uplink.
    Link {
        network: Option<NetworkId>,
        up: bool,
    },
    /// A change that a modem reported, as far as it was said.
    Modem {
        network: NetworkId,
        device: u32,
        change: Change,
    },
}
