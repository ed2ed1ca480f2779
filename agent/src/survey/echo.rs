//! The latency beside the signal: one echo, handshake or query on each uplink at each point.
//!
//! In: the configuration in force, what all attempts share. Out: one [`Echo`] for each uplink. Refuses to know: points,
//! modems. Limits: all uplinks at once, [`WITHIN`] for everything; what takes longer is a timeout.

use crate::attempt::{Attempted, Means, attempt};
use crate::config::{Config, TargetConfig, TargetKind};
use crate::plan::{Lane, wire_uplink};
use phusong_protocol::{Failure, FailureKind, Outcome, Reading, Tag, Target, Uplink};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// For one answer: whoever walks at 20 km/h has gone 5 m meanwhile.
const ANSWER_MS: u64 = 900;
/// With the look-up of a name and the echo that finds the way.
const WITHIN: Duration = Duration::from_millis(2_000);

/// What one uplink came to.
#[derive(Debug, Clone)]
pub struct Echo {
    /// Absent: the default route.
    pub uplink: Option<Uplink>,
    pub target: Target,
    pub outcome: Outcome,
}

/// Remembers where each uplink's answers came from, so that only the first pays for finding the way.
#[derive(Debug, Default)]
pub struct Echoes {
    warmed: BTreeMap<Option<String>, IpAddr>,
}

/// The target that is asked: the one that is named, else the first that is no gateway and loads nothing.
pub fn target(config: &Config) -> Option<&TargetConfig> {
    let light = |target: &&TargetConfig| matches!(target.kind, TargetKind::Icmp | TargetKind::Tcp | TargetKind::Dns);
    let beyond = |target: &&TargetConfig| !target.tags.iter().any(|tag| matches!(tag, Tag::Gateway | Tag::Loudspeaker));
    let named = config.targets.iter().filter(light).find(|target| Some(&target.name) == config.survey.target.as_ref());
    named.or_else(|| config.targets.iter().filter(light).find(beyond))
}

/// One lane for each uplink, or for the default route.
fn lanes(config: &Config) -> Vec<Arc<Lane>> {
    let Some(target) = target(config) else { return Vec::new() };
    let lane = |uplink: Option<Uplink>| {
        let target = TargetConfig { count: 1, timeout_ms: Some(ANSWER_MS), ..target.clone() };
        Arc::new(Lane { target, uplink: uplink.map(Arc::new), period_ms: ANSWER_MS, allowance: None })
    };
    match config.uplinks.as_slice() {
        [] => vec![lane(None)],
        uplinks => uplinks.iter().map(|uplink| lane(Some(wire_uplink(uplink)))).collect(),
    }
}

impl Echoes {
    /// One echo on each uplink, all at once. An uplink without anybody to ask gives none.
    pub async fn round(&mut self, config: &Config, means: &Arc<Means>) -> Vec<Echo> {
        let mut running = JoinSet::new();
        for lane in lanes(config) {
            let warmed = self.warmed.get(&lane.interface().map(str::to_owned)).copied();
            let means = means.clone();
            running.spawn(async move {
                let attempted = tokio::time::timeout(WITHIN, attempt(&lane, &means, warmed)).await;
                (attempted.unwrap_or_else(|_| too_late(&lane)), lane)
            });
        }
        let mut echoes = Vec::new();
        while let Some(done) = running.join_next().await {
            let Ok((Attempted { address, outcome: Some(outcome) }, lane)) = done else { continue };
            let interface = lane.interface().map(str::to_owned);
            match address.filter(|_| matches!(outcome, Outcome::Reading(_))) {
                Some(address) => drop(self.warmed.insert(interface, address)),
                None => drop(self.warmed.remove(&interface)),
            }
            echoes.push(Echo { uplink: lane.uplink.as_deref().cloned(), target: lane.wire_target(address), outcome });
        }
        echoes
    }
}

fn too_late(lane: &Lane) -> Attempted {
    let failure = Failure {
        of: lane.attempt(),
        kind: FailureKind::Timeout,
        detail: None,
        sent: None,
        elapsed_us: Some(crate::probe::micros(WITHIN)),
    };
    Attempted { address: None, outcome: Some(Outcome::Failure(failure)) }
}

impl Echo {
    pub fn rtt_us(&self) -> Option<u32> {
        match &self.outcome {
            Outcome::Reading(Reading::Latency(r)) => r.rtt_us.first().copied(),
            Outcome::Reading(Reading::Tcp(r)) => Some(r.connect_us),
            Outcome::Reading(Reading::Dns(r)) => Some(r.query_us),
            _ => None,
        }
    }

    pub fn failure(&self) -> Option<FailureKind> {
        match &self.outcome {
            Outcome::Failure(failure) => Some(failure.kind),
            Outcome::Reading(_) => None,
        }
    }

    /// A refusal came back, too: somebody is there.
    pub fn answered(&self) -> bool {
        self.failure().is_none_or(|kind| kind == FailureKind::Refused)
    }

    pub fn interface(&self) -> Option<&str> {
        self.uplink.as_ref().map(|uplink| uplink.interface.as_str())
    }
}
