//! Why: one cause for each interruption, how sure it is, and by what.
//!
//! In: what a gap's windows tallied, the facts around a blind, when the neighbours stopped. Out: a [`Cause`]. Where no
//! evidence supports a cause it is [`CauseKind::Unknown`].

use crate::blind::Silence;
use crate::blocked::Run;
use crate::gap::GapTally;
use crate::grade::Reason;
use crate::observation::{Fact, FactKind, NetworkId, SampleId};
use crate::policy::Policy;
use crate::radio::{Bearer, Change, Registration, Sim};
use crate::window::{EVIDENCE, WindowNo};

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
    /// The modem had no service, or only a stranger's, with a SIM that is good.
    NoService,
    /// The same, while another operator served at the same place.
    OthersServed,
    /// The level alone.
    LowLevel,
    /// The cell that usually serves here was neither serving nor among the neighbours, while others were seen.
    CellGone,
    /// Registered, with a signal that is enough.
    Registered,
    /// And with a bearer.
    BearerUp,
    SimState,
    BearerRefused,
    Portal,
    ModemGone,
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
/// A word of the modem this shortly before the first blocked window may have begun it.
const SAID_MS: i64 = 10 * 60_000;

impl Cause {
    pub const fn new(kind: CauseKind, confidence: Confidence, proof: Proof, evidence: Vec<SampleId>) -> Self {
        Cause { kind, confidence, proof, evidence }
    }

    pub const fn unknown() -> Self {
        Cause::new(CauseKind::Unknown, Confidence::None, Proof::Nothing, Vec::new())
    }
}

/// What is known around a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Around {
    /// The last words about link and registration when it began.
    pub link_up: Option<bool>,
    pub registered: Option<Registration>,
    /// The usual cell was gone; seen so by how many modems at once.
    pub cell_gone: Option<u8>,
    /// Another operator's modem was served at the same place while it lasted.
    pub others_served: bool,
}

/// The cause of a gap. Windows that bearer, plan or our own side explain are not dead and never come here.
pub fn of_gap(tally: GapTally, around: Around, evidence: &[SampleId]) -> Cause {
    use CauseKind::{Backhaul, NoCoverage, SiteDown};
    let cause = |kind, confidence, proof| Cause::new(kind, confidence, proof, evidence.to_vec());
    let mostly = |windows: i64| windows > 0 && 2 * windows >= tally.dead;
    if let Some(modems) = around.cell_gone {
        let confidence = if modems > 1 { Confidence::Likely } else { Confidence::Guess };
        return cause(SiteDown, confidence, Proof::CellGone);
    }
    if mostly(tally.no_signal) {
        return match (2 * tally.no_service >= tally.no_signal, around.others_served) {
            (true, true) => cause(NoCoverage, Confidence::Certain, Proof::OthersServed),
            (true, false) => cause(NoCoverage, Confidence::Likely, Proof::NoService),
            (false, true) => cause(NoCoverage, Confidence::Likely, Proof::LowLevel),
            (false, false) => cause(NoCoverage, Confidence::Guess, Proof::LowLevel),
        };
    }
    if mostly(tally.gateway_answered) {
        return cause(Backhaul, Confidence::Certain, Proof::GatewayAnswered);
    }
    if mostly(tally.bearer) {
        return cause(Backhaul, Confidence::Certain, Proof::BearerUp);
    }
    if mostly(tally.usable) {
        return cause(Backhaul, Confidence::Likely, Proof::Registered);
    }
    if matches!(around.registered, Some(Registration::NoService | Registration::Limited)) {
        return cause(NoCoverage, Confidence::Likely, Proof::NoService);
    }
    match around.link_up {
        Some(true) => cause(Backhaul, Confidence::Likely, Proof::LinkUp),
        _ if tally.gateway_answered > 0 => cause(Backhaul, Confidence::Likely, Proof::GatewayAnswered),
        _ => Cause::unknown(),
    }
}

/// The cause of a blind of one network. `facts`: ascending, from an hour before it on.
pub fn of_run(run: &Run, network: NetworkId, facts: &[Fact]) -> Cause {
    // Only what was said beside its first window: how wide facts were read must not show.
    let until_ms = WindowNo(run.first).end_ms();
    let since_ms = WindowNo(run.first).start_ms() - SAID_MS;
    let near = |fact: &&Fact| (since_ms..=until_ms).contains(&fact.at_ms);
    let said = |wanted: &dyn Fn(&Change) -> bool| -> Option<&Fact> {
        facts.iter().rev().filter(near).find(
            |fact| matches!(&fact.what, FactKind::Modem { network: of, change, .. } if *of == network && wanted(change)),
        )
    };
    let cause = |kind, confidence, proof, fact: Option<&Fact>| {
        let ids = fact.map(|fact| fact.id).into_iter().chain(run.evidence.iter().copied());
        let mut evidence: Vec<SampleId> = Vec::new();
        ids.for_each(|id| {
            if !evidence.contains(&id) {
                evidence.push(id)
            }
        });
        evidence.truncate(EVIDENCE);
        Cause::new(kind, confidence, proof, evidence)
    };
    let refused = |bearer| said(&move |change: &Change| change.bearer == Some(bearer));
    match run.reason {
        Reason::Sim => {
            let bad = said(&|change| change.sim == Some(Sim::Bad));
            cause(CauseKind::Sim, Confidence::Certain, Proof::SimState, bad)
        }
        Reason::Bearer => cause(CauseKind::Bearer, Confidence::Certain, Proof::BearerRefused, refused(Bearer::Refused)),
        Reason::Portal => cause(CauseKind::Plan, Confidence::Likely, Proof::Portal, None),
        Reason::Modem => match facts.iter().find(|fact| is_alarm(fact, run.from_ms)) {
            Some(alarm) => cause(CauseKind::Device, Confidence::Likely, Proof::Undervoltage, Some(alarm)),
            None => cause(CauseKind::Device, Confidence::Certain, Proof::ModemGone, None),
        },
        // A link that stays down: only a word about the bearer says more.
        Reason::OwnSide => match refused(Bearer::Refused).or_else(|| refused(Bearer::Down)) {
            Some(fact) => cause(CauseKind::Bearer, Confidence::Likely, Proof::BearerRefused, Some(fact)),
            None => cause(CauseKind::Device, Confidence::Guess, Proof::OwnSide, None),
        },
        _ => Cause::unknown(),
    }
}

fn is_alarm(fact: &Fact, end_ms: i64) -> bool {
    fact.what == FactKind::Undervoltage && (fact.at_ms - end_ms).abs() <= UNDERVOLTAGE_MS
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
    match facts.iter().find(|fact| is_alarm(fact, silence.from_ms)) {
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
    fn a_gap_is_explained_by_what_its_dead_windows_said() {
        use CauseKind as C;
        use Confidence as How;
        let dead = |dead| GapTally { dead, ..GapTally::default() };
        let none = Around::default();
        let link = |up| Around { link_up: Some(up), ..none };
        let others = Around { others_served: true, ..none };
        let gone = |modems| Around { cell_gone: Some(modems), ..none };
        let searching = GapTally { no_signal: 9, no_service: 9, ..dead(9) };
        let low = GapTally { no_signal: 9, ..dead(9) };
        let word = |registered| Around { registered: Some(registered), ..none };
        for (name, tally, around, wanted) in [
            ("the first hop answered", GapTally { gateway_answered: 9, ..dead(9) }, none, (C::Backhaul, How::Certain)),
            ("now and then", GapTally { gateway_answered: 1, ..dead(9) }, none, (C::Backhaul, How::Likely)),
            ("the link was up", dead(9), link(true), (C::Backhaul, How::Likely)),
            ("the link was down", dead(9), link(false), (C::Unknown, How::None)),
            ("nothing", dead(9), none, (C::Unknown, How::None)),
            ("searching", searching, link(true), (C::NoCoverage, How::Likely)),
            ("and another operator served", searching, others, (C::NoCoverage, How::Certain)),
            ("low alone", low, none, (C::NoCoverage, How::Guess)),
            ("low, and another operator served", low, others, (C::NoCoverage, How::Likely)),
            ("the usual cell is gone", low, gone(1), (C::SiteDown, How::Guess)),
            ("for two modems", low, gone(2), (C::SiteDown, How::Likely)),
            ("registered", GapTally { usable: 9, ..dead(9) }, link(false), (C::Backhaul, How::Likely)),
            ("with a bearer", GapTally { usable: 9, bearer: 9, ..dead(9) }, none, (C::Backhaul, How::Certain)),
            ("a word of long ago", dead(9), word(Registration::NoService), (C::NoCoverage, How::Likely)),
            ("a good word of long ago", dead(9), word(Registration::Registered), (C::Unknown, How::None)),
        ] {
            let cause = of_gap(tally, around, &[]);
            assert_eq!((cause.kind, cause.confidence), wanted, "{name}");
        }
    }
}
