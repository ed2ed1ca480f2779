//! From a stored record to the words of the domain.
//!
//! In: one row's outcome and surroundings. Out: an attempt, a fact, a summary with what it stands for, or nothing.
//! Pure. The operator table stands here: who is judged, by PLMN (MCC 452; `docs/coverage.md`).

use phusong_coverage::Micros;
use phusong_coverage::observation::{Attempt, Ended, Fact, FactKind, Layer, NetworkId, Role, SampleId, TargetId};
use phusong_protocol::{Attempt as Tried, Epoch, Failure, FailureKind, Outcome, Reading, SummaryReading, Uplink};
use std::collections::{BTreeMap, HashSet};

/// Vietnam's operators; 04 and 06 are one. An unlisted PLMN is judged under its own number.
const OPERATORS: [(&str, &str); 8] = [
    ("452-01", "mobifone"),
    ("452-02", "vinaphone"),
    ("452-04", "viettel"),
    ("452-05", "vietnamobile"),
    ("452-06", "viettel"),
    ("452-07", "gmobile"),
    ("452-08", "itelecom"),
    ("452-09", "wintel"),
];

/// A network of mobile operators; `fixed:` names a provider of fixed links, nothing an unknown network.
pub fn is_cellular(network: &str) -> bool {
    !network.is_empty() && !network.starts_with("fixed:")
}

/// One observation as far as coverage goes.
#[derive(Debug)]
pub struct Row {
    pub epoch: Epoch,
    pub seq: u64,
    pub at_ms: i64,
    pub certain: bool,
    pub mono_ms: Option<i64>,
    pub target: Option<i64>,
    pub uplink: Option<i64>,
    pub setup: Option<i64>,
    pub outcome: Outcome,
}

#[derive(Debug, Clone, Copy)]
pub struct Context {
    pub network: NetworkId,
    pub target: TargetId,
    pub role: Role,
}

/// An attempt that stands for raw rounds, and which: epoch, first and last seq.
pub type Summarised = (Attempt, Vec<(u64, u64, u64)>);

#[derive(Debug)]
pub enum Heard {
    Nothing,
    /// Something was measured, but its time is only bounded.
    Undated,
    Facts(Vec<Fact>),
    Attempt(Attempt),
    /// An attempt that stands for raw rounds.
    Summary(Attempt, Vec<(u64, u64, u64)>),
}

/// Who is judged by what an uplink measures; `None` where it says neither SIM nor provider.
pub fn network_name(uplink: &Uplink) -> Option<String> {
    if let Some(plmn) = &uplink.sim_plmn {
        return Some(operator(plmn).to_owned());
    }
    uplink.provider.as_ref().map(|provider| format!("fixed:{provider}"))
}

/// The operator that a PLMN is judged under.
pub fn operator(plmn: &str) -> &str {
    OPERATORS.iter().find(|operator| operator.0 == plmn).map_or(plmn, |operator| operator.1)
}

pub fn translate(row: &Row, context: Context) -> Heard {
    let id = SampleId { epoch: row.epoch.0, seq: row.seq };
    let facts = |all: &[FactKind]| match row.certain && !all.is_empty() {
        true => Heard::Facts(all.iter().map(|what| Fact { at_ms: row.at_ms, id, what: *what }).collect()),
        false => Heard::Nothing,
    };
    let attempt = |layer, ended| Attempt {
        id,
        first_ms: row.at_ms,
        last_ms: row.at_ms,
        network: context.network,
        target: context.target,
        role: context.role,
        layer,
        ended,
        rounds: 1,
        sent: 0,
        received: 0,
        rtts: Vec::new(),
    };
    let heard = match &row.outcome {
        Outcome::Failure(failure) => match failed(failure) {
            Some((layer, ended)) => Heard::Attempt(attempt(layer, ended)),
            None => return Heard::Nothing,
        },
        Outcome::Reading(Reading::Latency(r)) => {
            let answered = if r.rtt_us.is_empty() { Ended::Unanswered } else { Ended::Answered };
            Heard::Attempt(Attempt {
                sent: r.sent.into(),
                received: r.rtt_us.len() as u32,
                rtts: r.rtt_us.iter().map(|us| (Micros::new(u64::from(*us)), 1)).collect(),
                ..attempt(Layer::Icmp, answered)
            })
        }
        Outcome::Reading(Reading::Tcp(_)) => Heard::Attempt(attempt(Layer::Tcp, Ended::Answered)),
        Outcome::Reading(Reading::Dns(_)) => Heard::Attempt(attempt(Layer::Dns, Ended::Answered)),
        Outcome::Reading(Reading::Http(_)) => Heard::Attempt(attempt(Layer::Http, Ended::Answered)),
        // Bytes came through: the way served. A test that failed says nothing here, see [`layer`].
        Outcome::Reading(Reading::Throughput(_)) => Heard::Attempt(attempt(Layer::Http, Ended::Answered)),
        Outcome::Reading(Reading::Summary(s)) => match layer(s.of) {
            Some(layer) => summary(s, row, attempt(layer, Ended::Answered)),
            None => return Heard::Nothing,
        },
        Outcome::Reading(Reading::Boot(boot)) => {
            return facts(&[FactKind::Started { clean: boot.clean, same_boot: boot.same_boot }]);
        }
        Outcome::Reading(Reading::Power(power)) => {
            // A device with a mains input may be short of voltage all the same.
            let alarm = (power.undervoltage == Some(true)).then_some(FactKind::Undervoltage);
            let said: Vec<FactKind> = power.mains.map(FactKind::Mains).into_iter().chain(alarm).collect();
            return facts(&said);
        }
        Outcome::Reading(Reading::Link(link)) => {
            let network = Some(context.network).filter(|network| *network != NetworkId::NONE);
            return facts(&[FactKind::Link { network, up: link.up && link.has_address }]);
        }
        Outcome::Reading(_) => return Heard::Nothing,
    };
    if row.certain { heard } else { Heard::Undated }
}

/// A throughput test has none: it fails by its budget and by a busy back end, and never accuses a network.
fn layer(of: Tried) -> Option<Layer> {
    match of {
        Tried::Latency => Some(Layer::Icmp),
        Tried::Tcp => Some(Layer::Tcp),
        Tried::Dns => Some(Layer::Dns),
        Tried::Http => Some(Layer::Http),
        _ => None,
    }
}

fn failed(failure: &Failure) -> Option<(Layer, Ended)> {
    let ended = match failure.kind {
        FailureKind::Timeout | FailureKind::Unreachable | FailureKind::Dns | FailureKind::Reset => Ended::Unanswered,
        // Somebody at the other end answered: the way works.
        FailureKind::Refused | FailureKind::Tls | FailureKind::HttpStatus | FailureKind::Malformed => Ended::Answered,
        FailureKind::Portal => Ended::Portal,
        FailureKind::DeviceMissing | FailureKind::LinkDown => Ended::LinkDown,
        FailureKind::Denied | FailureKind::Budget | FailureKind::Busy => Ended::NotTried,
    };
    Some((layer(failure.of)?, ended))
}

fn summary(summary: &SummaryReading, row: &Row, attempt: Attempt) -> Heard {
    // The sample's stamps are those of its last round.
    let ago = |mono_ms: u64| row.mono_ms.map_or(0, |now| (now - mono_ms.cast_signed()).max(0));
    let icmp = attempt.layer == Layer::Icmp;
    let rtts = summary.sketch.values_us().map(|(us, times)| (Micros::new(us as u64), times));
    let attempt = Attempt {
        first_ms: row.at_ms - ago(summary.first_mono_ms),
        last_ms: row.at_ms - ago(summary.last_mono_ms),
        rounds: summary.rounds,
        sent: if icmp { summary.sent } else { 0 },
        received: if icmp { summary.received } else { 0 },
        rtts: if icmp { rtts.collect() } else { Vec::new() },
        ..attempt
    };
    let epoch = summary.replaces.epoch.0;
    let replaced = summary.replaces.ranges.iter().map(|(first, last)| (epoch, first, last)).collect();
    Heard::Summary(attempt, replaced)
}

/// A summary counts unless all rounds that it stands for are here; then they count, and never both.
pub fn settle(attempts: &mut BTreeMap<NetworkId, Vec<Attempt>>, raws: &HashSet<SampleId>, summaries: Vec<Summarised>) {
    let mut dropped = HashSet::new();
    for (attempt, replaced) in summaries {
        // A range may name more numbers than anybody can count: only those that are here are looked at.
        let covers = |id: &SampleId| {
            let (epoch, seq) = (id.epoch, id.seq);
            replaced.iter().any(|(of, first, last)| *of == epoch && (*first..=*last).contains(&seq))
        };
        let here: Vec<SampleId> = raws.iter().filter(|id| covers(id)).copied().collect();
        let wanted: u64 =
            replaced.iter().map(|(_, first, last)| (last - first).saturating_add(1)).fold(0, u64::saturating_add);
        if wanted > 0 && here.len() as u64 == wanted {
            continue;
        }
        dropped.extend(here);
        attempts.entry(attempt.network).or_default().push(attempt);
    }
    if !dropped.is_empty() {
        attempts.values_mut().for_each(|of| of.retain(|attempt| !dropped.contains(&attempt.id)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_judged_and_providers_of_fixed_links_apart() {
        let uplink = |plmn: Option<&str>, provider: Option<&str>| Uplink {
            interface: "wwan0".into(),
            provider: provider.map(str::to_owned),
            sim_plmn: plmn.map(str::to_owned),
            serving_plmn: None,
            roaming: None,
            service_state: None,
            technology: None,
            rrc: None,
            self_load: None,
        };
        for (plmn, provider, wanted) in [
            (Some("452-04"), None, Some("viettel")),
            (Some("452-06"), None, Some("viettel")),
            (Some("310-260"), None, Some("310-260")),
            (None, Some("vnpt"), Some("fixed:vnpt")),
            (None, None, None),
        ] {
            assert_eq!(network_name(&uplink(plmn, provider)).as_deref(), wanted);
        }
    }

    #[test]
    fn originals_count_when_all_are_here_else_the_summary_and_never_both() {
        let attempt = |seq, rounds| Attempt {
            id: SampleId { epoch: 9, seq },
            first_ms: 0,
            last_ms: 0,
            network: NetworkId(1),
            target: TargetId(1),
            role: Role::Service,
            layer: Layer::Tcp,
            ended: Ended::Answered,
            rounds,
            sent: 0,
            received: 0,
            rtts: Vec::new(),
        };
        for (here, wanted) in
            [(vec![], vec![9]), (vec![1, 2], vec![9]), (vec![1, 2, 3], vec![1, 2, 3]), (vec![4], vec![4, 9])]
        {
            let raws: HashSet<SampleId> = here.iter().map(|seq| SampleId { epoch: 9, seq: *seq }).collect();
            let mut all = BTreeMap::from([(NetworkId(1), here.iter().map(|seq| attempt(*seq, 1)).collect::<Vec<_>>())]);
            settle(&mut all, &raws, vec![(attempt(9, 3), vec![(9, 1, 3)])]);
            let left: Vec<u64> = all[&NetworkId(1)].iter().map(|attempt| attempt.id.seq).collect();
            assert_eq!(left, wanted, "{here:?}");
        }
    }
}
