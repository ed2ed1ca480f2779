//! One look at a modem, and what it says by itself: the words of radio, before any window.
//!
//! In: what a record said, already in these words. Out: how high a level is by a policy. Refuses to know: the wire, PLMNs,
//! who the operator is, time. Signal belongs to the serving network; a look is filed under the network of the SIM, so
//! limited service is dead for the SIM's operator and says nothing of the cell's owner.

use crate::observation::SampleId;
use crate::policy::Policy;
use crate::units::{Db, Dbm};

/// What a modem said of its registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Registration {
    /// No service, or searching.
    NoService,
    /// It camps on a cell that lets it call for help and nothing else.
    Limited,
    Registered,
    /// Refused, for no reason of the subscription.
    Denied,
    /// Not registered, and nobody knows whether it looks for a network: it says nothing, whatever it hears.
    Unregistered,
}

/// What keeps a modem from testing its operator; never the operator's fault as far as anybody can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Block {
    /// Absent, locked, or refused for a reason of the subscription.
    Sim,
    /// Refused for another reason.
    Denied,
    /// Registered, and no data bearer was given.
    Bearer,
    /// The modem is not on the bus.
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sim {
    Ready,
    /// Absent, locked, or refused for a reason of the subscription.
    Bad,
}

/// The data bearer: PDP context, PDN connection, PDU session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bearer {
    Up,
    /// Nobody asked for one.
    Down,
    Refused,
}

/// What a modem reports when it changes, each as far as it was said; each holds until the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Change {
    pub registered: Option<Registration>,
    pub sim: Option<Sim>,
    pub bearer: Option<Bearer>,
}

/// Which thresholds a level is held against. LTE and NR: RSRP, SS-RSRP; UMTS: RSCP; GSM: RxLev.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Generation {
    Gsm,
    Umts,
    Lte,
    Nr,
}

/// A level and by which thresholds it is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    pub generation: Generation,
    pub dbm: Dbm,
    /// From this reading to that of a handset outdoors (0 dBi at 1.5 m); absent where the set-up is not known.
    pub correction: Option<Db>,
}

/// A level against its thresholds, best last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Height {
    /// Below the dead level: dead, unless a transfer succeeds.
    Low,
    /// A little above it: alive, unless transfers fail.
    Marginal,
    Weak,
    Fine,
}

/// Technologies as a set of bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Technologies(pub u16);

impl Technologies {
    pub const GSM: Technologies = Technologies(1);
    pub const UMTS: Technologies = Technologies(2);
    pub const LTE: Technologies = Technologies(4);
    pub const NR_NSA: Technologies = Technologies(8);
    pub const NR_SA: Technologies = Technologies(16);

    pub const fn and(self, other: Technologies) -> Self {
        Technologies(self.0 | other.0)
    }

    pub const fn without(self, other: Technologies) -> Self {
        Technologies(self.0 & !other.0)
    }

    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub const fn has(self, other: Technologies) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A serving cell or a neighbour as far as its being there goes: channel and physical identity, or its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellKey(pub u64);

/// What one record said. Absent is absent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Said {
    /// Written at once; as far as the registration goes it counts as long as the modem is looked at.
    pub change: Change,
    /// Said beside a measurement: holds as long as any other observation.
    pub beside: Option<Registration>,
    /// The modem was not found. From a measurement alone that counts only where a modem is known to be.
    pub gone: bool,
    pub hearsay: bool,
    /// A reading of levels; `Some(None)`: there was none to be read.
    pub level: Option<Option<Level>>,
    pub serving: Option<CellKey>,
    pub neighbours: Vec<CellKey>,
    /// Stale, foreign, or registering again: until the next look it says nothing but that there is no service.
    pub void: bool,
    /// It was scanning for so long up to now: nothing of that time is counted.
    pub scan_ms: Option<i64>,
    /// It was reset: nothing is counted for a while.
    pub reset: bool,
    pub yes: Technologies,
    pub no: Technologies,
    /// How it was taken, in the store's numbering.
    pub setup: Option<i64>,
}

/// One look at one modem.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub at_ms: i64,
    pub id: SampleId,
    /// Modems of one place that speak of one network.
    pub device: u32,
    pub said: Said,
}

/// A level against the thresholds of a policy.
pub fn height(level: &Level, policy: &Policy) -> Height {
    let (dead, weak) = match level.generation {
        Generation::Gsm => (policy.dead_gsm, policy.weak_gsm),
        Generation::Umts => (policy.dead_umts, policy.weak_umts),
        Generation::Lte => (policy.dead_lte, policy.weak_lte),
        Generation::Nr => (policy.dead_nr, policy.weak_nr),
    };
    if level.dbm < dead {
        Height::Low
    } else if level.dbm < dead + policy.marginal {
        Height::Marginal
    } else if level.dbm < weak {
        Height::Weak
    } else {
        Height::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_technology_has_its_own_dead_and_weak_level() {
        use Generation as G;
        use Height as H;
        for (generation, dbm, wanted) in [
            (G::Lte, -121.1, H::Low),
            (G::Lte, -121.0, H::Marginal),
            (G::Lte, -115.1, H::Marginal),
            (G::Lte, -115.0, H::Weak),
            (G::Lte, -105.0, H::Fine),
            (G::Nr, -118.5, H::Low),
            (G::Nr, -112.0, H::Weak),
            (G::Umts, -110.5, H::Low),
            (G::Umts, -100.0, H::Weak),
            (G::Gsm, -104.5, H::Low),
            (G::Gsm, -98.5, H::Marginal),
            (G::Gsm, -95.0, H::Fine),
        ] {
            let level = Level { generation, dbm: Dbm::new(dbm), correction: None };
            assert_eq!(height(&level, &Policy::default()), wanted, "{generation:?} {dbm}");
        }
    }
}
