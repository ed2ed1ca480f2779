//! Why: one cause for each interruption, how sure it is, and by what.
//!
//! In: what a gap's windows tallied, the facts around a blind, when the neighbours stopped. Out: a [`Cause`]. Where no
//! evidence supports a cause it is [`CauseKind::Unknown`]. Causes that need a radio or a SIM have their words here and
//! come with the observations that prove them.

use crate::blind::Silence;
use crate::gap::GapTally;
use crate::observation::{Fact, FactKind, SampleId};
use crate::policy::Policy;
use crate::window::EVIDENCE;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CauseKind {
    NoCoverage,
    SiteDown,
    Backhaul,
    Remote,
    Power,
    Device,
    Sim,
    Bearer,
    Plan,
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Confidence {
    /// Nothing supports any cause.
    None,
    Guess,
    Likely,
    Certain,
}

/// The evidence in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proof {
    Nothing,
    /// The first hop answered and nothing beyond it did.
    GatewayAnswered,
    /// The link was up and nothing answered.
    LinkUp,
    /// A mains input said so.
    MainsInput,
    /// Unclean reboot, and a probe on another supply stopped at the same time.
    StoppedTogether,
    UncleanReboot,
    /// The agent started again in the same boot of the device.
    AgentRestarted,
    /// Stopped in order by somebody.
    OrderlyStop,
    Undervoltage,
    /// The first hop was silent, or the link was down.
    OwnSide,
    OthersAnswered,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Cause {
    pub kind: CauseKind,
    pub confidence: Confidence,
    pub proof: Proof,
    pub evidence: Vec<SampleId>,
}

/// How long before a silence a word about the mains still belongs to it: a small UPS runs that long [J].
const MAINS_MS: i64 = 60 * 60_000;
/// An alarm of the supply this shortly before the end explains it (domain model).
const UNDERVOLTAGE_MS: i64 = 60_000;

impl Cause {
    pub const fn new(kind: CauseKind, confidence: Confidence, proof: Proof, evidence: Vec<SampleId>) -> Self {
        Cause { kind, confidence, proof, evidence }
    }

    pub const fn unknown() -> Self {
        Cause::new(CauseKind::Unknown, Confidence::None, Proof::Nothing, Vec::new())
    }
}

/// The cause of a gap of a fixed link. `link_up`: the last word about the link when it began.
pub fn of_gap(tally: GapTally, link_up: Option<bool>, evidence: &[SampleId]) -> Cause {
    let cause = |confidence, proof| Cause::new(CauseKind::Backhaul, confidence, proof, evidence.to_vec());
    if tally.gateway_answered > 0 && 2 * tally.gateway_answered >= tally.dead {
        return cause(Confidence::Certain, Proof::GatewayAnswered);
    }
    match link_up {
        Some(true) => cause(Confidence::Likely, Proof::LinkUp),
        _ if tally.gateway_answered > 0 => cause(Confidence::Likely, Proof::GatewayAnswered),
        _ => Cause::unknown(),
    }
}

/// The cause of a silence. `facts`: of this place, ascending, from an hour before it to its end and two minutes more.
/// `together`: a probe of the same hamlet on another supply stopped within [`Policy::together_ms`] of its beginning.
pub fn of_silence(silence: &Silence, facts: &[Fact], together: bool, policy: &Policy) -> Cause {
    let until_ms = silence.to_ms.map_or(i64::MAX, |to_ms| to_ms.saturating_add(policy.together_ms));
    let mains = facts.iter().filter(|fact| {
        matches!(fact.what, FactKind::Mains(_))
            && fact.at_ms >= silence.from_ms - MAINS_MS
            && fact.at_ms <= silence.from_ms + policy.together_ms
    });
    if let Some(last) = mains.max_by_key(|fact| (fact.at_ms, fact.id))
        && last.what == FactKind::Mains(false)
    {
        return Cause::new(CauseKind::Power, Confidence::Certain, Proof::MainsInput, vec![last.id]);
    }
    // A start that breaks the silence, or one in a row of failed starts inside it.
    let starts: Vec<(&Fact, bool, Option<bool>)> = facts
        .iter()
        .filter(|fact| fact.at_ms > silence.from_ms && fact.at_ms <= until_ms)
        .filter_map(|fact| match fact.what {
            FactKind::Started { clean, same_boot } => Some((fact, clean, same_boot)),
            _ => None,
        })
        .collect();
    let ids = |wanted: &dyn Fn(bool, Option<bool>) -> bool| -> Vec<SampleId> {
        let found = starts.iter().filter(|start| wanted(start.1, start.2)).map(|start| start.0.id);
        found.take(EVIDENCE).collect()
    };
    let unclean = ids(&|clean, same_boot| !clean && same_boot == Some(false));
    if !unclean.is_empty() {
        return reboot(silence, facts, unclean, together);
    }
    let restarted = ids(&|_, same_boot| same_boot == Some(true));
    if !restarted.is_empty() {
        return Cause::new(CauseKind::Device, Confidence::Certain, Proof::AgentRestarted, restarted);
    }
    let orderly = ids(&|clean, same_boot| clean && same_boot == Some(false));
    if !orderly.is_empty() {
        return Cause::new(CauseKind::Device, Confidence::Likely, Proof::OrderlyStop, orderly);
    }
    if silence.own_side {
        return Cause::new(CauseKind::Device, Confidence::Likely, Proof::OwnSide, Vec::new());
    }
    Cause::unknown()
}

fn reboot(silence: &Silence, facts: &[Fact], evidence: Vec<SampleId>, together: bool) -> Cause {
    let alarm = facts.iter().find(|fact| {
        fact.what == FactKind::Undervoltage
            && fact.at_ms <= silence.from_ms + UNDERVOLTAGE_MS
            && fact.at_ms >= silence.from_ms - UNDERVOLTAGE_MS
    });
    match alarm {
        Some(alarm) => Cause::new(CauseKind::Device, Confidence::Likely, Proof::Undervoltage, vec![alarm.id]),
        None if together => Cause::new(CauseKind::Power, Confidence::Likely, Proof::StoppedTogether, evidence),
        None => Cause::new(CauseKind::Power, Confidence::Guess, Proof::UncleanReboot, evidence),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(at_s: i64, what: FactKind) -> Fact {
        Fact { at_ms: at_s * 1_000, id: SampleId { epoch: 1, seq: at_s.unsigned_abs() }, what }
    }

    #[test]
    fn a_silence_is_explained_by_the_strongest_evidence_and_by_nothing_else() {
        let start = |clean, same_boot| FactKind::Started { clean, same_boot };
        let silence = |own_side| Silence { first: 4, from_ms: 1_000_000, to_ms: Some(4_000_000), own_side };
        let unclean = fact(3_990, start(false, Some(false)));
        for (name, facts, together, own_side, wanted) in [
            ("nothing", vec![], false, false, (CauseKind::Unknown, Confidence::None)),
            (
                "a mains input",
                vec![fact(900, FactKind::Mains(false))],
                false,
                false,
                (CauseKind::Power, Confidence::Certain),
            ),
            (
                "mains that came back before",
                vec![fact(800, FactKind::Mains(false)), fact(900, FactKind::Mains(true))],
                false,
                false,
                (CauseKind::Unknown, Confidence::None),
            ),
            ("an unclean reboot", vec![unclean], false, false, (CauseKind::Power, Confidence::Guess)),
            ("and a neighbour", vec![unclean], true, false, (CauseKind::Power, Confidence::Likely)),
            (
                "an alarm of the supply",
                vec![fact(960, FactKind::Undervoltage), unclean],
                true,
                false,
                (CauseKind::Device, Confidence::Likely),
            ),
            (
                "a restart",
                vec![fact(3_990, start(false, Some(true)))],
                true,
                false,
                (CauseKind::Device, Confidence::Certain),
            ),
            (
                "an orderly stop",
                vec![fact(3_990, start(true, Some(false)))],
                true,
                false,
                (CauseKind::Device, Confidence::Likely),
            ),
            (
                "an old agent",
                vec![fact(3_990, start(false, None))],
                true,
                false,
                (CauseKind::Unknown, Confidence::None),
            ),
            ("a silent gateway", vec![], false, true, (CauseKind::Device, Confidence::Likely)),
            (
                "a start long after",
                vec![fact(9_000, start(false, Some(false)))],
                false,
                false,
                (CauseKind::Unknown, Confidence::None),
            ),
        ] {
            let cause = of_silence(&silence(own_side), &facts, together, &Policy::default());
            assert_eq!((cause.kind, cause.confidence), wanted, "{name}");
            assert_eq!(cause.evidence.is_empty(), facts.is_empty() || cause.kind == CauseKind::Unknown, "{name}");
        }
    }

    #[test]
    fn backhaul_needs_a_first_hop_that_answers_or_a_link_that_is_up() {
        let tally = |dead, gateway_answered| GapTally { dead, gateway_answered, no_signal: 0 };
        let kind = |tally, up| {
            let cause = of_gap(tally, up, &[]);
            (cause.kind, cause.confidence)
        };
        assert_eq!(kind(tally(9, 9), None), (CauseKind::Backhaul, Confidence::Certain));
        assert_eq!(kind(tally(9, 1), None), (CauseKind::Backhaul, Confidence::Likely));
        assert_eq!(kind(tally(9, 0), Some(true)), (CauseKind::Backhaul, Confidence::Likely));
        assert_eq!(kind(tally(9, 0), Some(false)), (CauseKind::Unknown, Confidence::None));
        assert_eq!(kind(tally(9, 0), None), (CauseKind::Unknown, Confidence::None));
    }
}
