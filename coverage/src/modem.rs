//! What is known of one modem at a moment: the state that its looks leave behind, one after the other.
//!
//! In: looks of one modem, ascending. Out: what a bin of ten seconds counts as. Refuses to know: windows, other modems.
//! What was said beside a measurement holds 90 s; what was written when it changed holds until the next change, as long as
//! the modem is looked at.

use crate::policy::Policy;
use crate::radio::{Bearer, Block, CellKey, Change, Height, Level, Look, Registration, Sim, height};
use crate::signal::{GONE_MS, HOLD_MS};

/// One bin of one modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bin {
    Unobserved,
    Nothing,
    Blocked(Block),
    Alive,
    Dead,
    Level(Height),
}

/// What is known of a modem at a moment.
#[derive(Default)]
pub(crate) struct State {
    looked_ms: Option<i64>,
    /// The last look says nothing; or nothing but that there is no service.
    void: bool,
    doubted: bool,
    /// The last words that were written when they changed, and the last that was said beside a measurement.
    changed: Change,
    sim_ms: Option<i64>,
    beside: Option<(Registration, i64)>,
    none_since: Option<i64>,
    pub(crate) level: Option<(Level, i64)>,
    gone_ms: Option<i64>,
    /// A registered modem has a SIM.
    registered_ms: Option<i64>,
    pub(crate) serving: Option<(CellKey, i64)>,
}

impl State {
    pub(crate) fn take(&mut self, look: &Look) {
        let (said, at_ms) = (&look.said, look.at_ms);
        if said.gone {
            if !said.hearsay || self.changed != Change::default() {
                self.gone_ms = Some(at_ms);
            }
            return;
        }
        if self.looked_ms.is_none_or(|before| at_ms - before > HOLD_MS) {
            self.none_since = None;
        }
        self.looked_ms = Some(at_ms);
        // Where there is no service nothing answers, and what it hears may well stay the same.
        let own = said.change.registered.or(said.beside).or(self.changed.registered);
        self.doubted = said.void;
        self.void = said.void && !matches!(own, Some(Registration::NoService | Registration::Limited));
        if let Some(level) = said.level {
            self.level = level.map(|level| (level, at_ms));
            self.serving = said.serving.map(|cell| (cell, at_ms));
        }
        if said.change.registered.is_some() {
            (self.changed.registered, self.beside) = (said.change.registered, None);
        }
        if said.change.sim.is_some() {
            (self.changed.sim, self.sim_ms) = (said.change.sim, Some(at_ms));
        }
        self.changed.bearer = said.change.bearer.or(self.changed.bearer);
        if let Some(word) = said.beside {
            self.beside = Some((word, at_ms));
        }
        let word = self.word(at_ms);
        if said.beside == Some(Registration::Registered) && !said.void {
            self.registered_ms = Some(at_ms);
        }
        self.none_since = match word {
            Some(Registration::NoService) if !self.void => Some(self.none_since.unwrap_or(at_ms)),
            _ => None,
        };
    }

    fn word(&self, ms: i64) -> Option<Registration> {
        let beside = self.beside.filter(|(_, at_ms)| ms - at_ms <= HOLD_MS).map(|(word, _)| word);
        beside.or(self.changed.registered)
    }

    fn blocked(&self, ms: i64) -> Option<Block> {
        let since = |at_ms: Option<i64>, later: Option<i64>| later.is_some_and(|later| Some(later) > at_ms);
        if self.gone_ms.is_some_and(|at_ms| ms - at_ms <= GONE_MS) && !since(self.gone_ms, self.looked_ms) {
            return Some(Block::Gone);
        }
        // What is registered has a SIM, as long as that is believed.
        let registered = self.registered_ms.filter(|at_ms| ms - at_ms <= HOLD_MS);
        if self.changed.sim == Some(Sim::Bad) && !since(self.sim_ms, registered) {
            return Some(Block::Sim);
        }
        let word = self.word(ms);
        // Whoever is refused may camp on anything and be called limited: it is refused all the same.
        let refused = self.changed.registered == Some(Registration::Denied) && word == Some(Registration::Limited);
        if refused || word == Some(Registration::Denied) {
            return Some(Block::Denied);
        }
        // Only who is registered is given a bearer, or none.
        let could = matches!(word, Some(Registration::Registered) | None);
        (could && self.changed.bearer == Some(Bearer::Refused)).then_some(Block::Bearer)
    }

    pub(crate) fn bin(&self, ms: i64, policy: &Policy) -> Bin {
        if let Some(block) = self.blocked(ms) {
            return Bin::Blocked(block);
        }
        if self.looked_ms.is_none_or(|looked| ms - looked > HOLD_MS) {
            return Bin::Unobserved;
        }
        let unserved = |word| matches!(word, Some(Registration::NoService | Registration::Limited));
        if self.void || self.doubted && !unserved(self.word(ms)) {
            return Bin::Nothing;
        }
        let level = self.level.filter(|(_, at_ms)| ms - at_ms <= HOLD_MS).map(|(level, _)| height(&level, policy));
        match (self.word(ms), level) {
            (Some(Registration::Limited), _) => Bin::Dead,
            (Some(Registration::Unregistered), _) => Bin::Nothing,
            (Some(Registration::NoService), _) => match self.none_since {
                Some(since) if ms - since >= policy.no_service_ms => Bin::Dead,
                _ => Bin::Nothing,
            },
            (_, Some(height)) => Bin::Level(height),
            (Some(Registration::Registered), None) => Bin::Alive,
            (Some(Registration::Denied) | None, None) => Bin::Nothing,
        }
    }

    /// Whether it is without service, as far as it says.
    pub(crate) fn is_unserved(&self, ms: i64) -> bool {
        use Registration::{Limited, NoService, Unregistered};
        matches!(self.word(ms), Some(NoService | Limited | Unregistered))
    }

    pub(crate) fn is_registered(&self, ms: i64) -> bool {
        self.word(ms) == Some(Registration::Registered)
    }

    pub(crate) fn has_bearer(&self) -> bool {
        self.changed.bearer == Some(Bearer::Up)
    }
}
