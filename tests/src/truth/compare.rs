//! What was found against what was true, one to one.
//!
//! In: truth events and found interruptions of the same world. Out: counts, summed over worlds. An interruption is found
//! when one of its kind at its probe overlaps it by 80 % of the longer; what the truth leaves open (a clock that was
//! never set, a probe that was carried, the edges of the simulated time) counts for nobody.

use super::world::{Found, FoundKind};
use phusong_simulator::{Cause, Plan, TruthEvent, TruthKind};
use std::collections::BTreeMap;

const MINUTE_MS: i64 = 60_000;
/// Goals are about interruptions of at least this length.
const LONG_MS: i64 = 45 * MINUTE_MS;
const OVERLAP: f64 = 0.8;
/// Nothing is said about what lies closer to the begin or the end of the world.
const EDGE_MS: i64 = 90 * MINUTE_MS;

pub const CAUSES: [&str; 4] = ["backhaul", "power", "device", "unknown"];

/// The two kinds that are interruptions of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Gap,
    Blind,
}

/// Counts; those of several worlds are added.
#[derive(Debug, Default, Clone)]
pub struct Compared {
    /// Long ones: found, and all.
    pub recalled: BTreeMap<Kind, (u64, u64)>,
    pub shorter: BTreeMap<Kind, (u64, u64)>,
    /// Found ones: right, and all that were judged.
    pub precise: BTreeMap<Kind, (u64, u64)>,
    /// (true cause, said cause) of the found long ones.
    pub confusion: BTreeMap<(&'static str, &'static str), u64>,
    /// Dead targets: found, and all of at least 45 minutes.
    pub remote: (u64, u64),
    /// A line for each miss and each false one, for a person.
    pub remarks: Vec<String>,
}

impl Compared {
    pub fn add(&mut self, other: &Compared) {
        let sum = |to: &mut BTreeMap<Kind, (u64, u64)>, from: &BTreeMap<Kind, (u64, u64)>| {
            for (kind, (part, all)) in from {
                let entry = to.entry(*kind).or_default();
                *entry = (entry.0 + part, entry.1 + all);
            }
        };
        sum(&mut self.recalled, &other.recalled);
        sum(&mut self.shorter, &other.shorter);
        sum(&mut self.precise, &other.precise);
        for (pair, n) in &other.confusion {
            *self.confusion.entry(*pair).or_default() += n;
        }
        self.remote = (self.remote.0 + other.remote.0, self.remote.1 + other.remote.1);
        self.remarks.extend(other.remarks.iter().cloned());
    }

    /// Of one true cause: right, all.
    pub fn cause(&self, cause: &str) -> (u64, u64) {
        let of = |wanted: Option<&str>| -> u64 {
            let hit = |(truth, said): &(&str, &str)| *truth == cause && wanted.is_none_or(|wanted| *said == wanted);
            self.confusion.iter().filter(|(pair, _)| hit(pair)).map(|(_, n)| n).sum()
        };
        (of(Some(cause)), of(None))
    }
}

pub fn compare(plan: &Plan, truth: &[TruthEvent], found: &[Found]) -> Compared {
    let mut result = Compared::default();
    let (begin_ms, end_ms) = (plan.start_ms + EDGE_MS, plan.end_ms() - EDGE_MS);
    let judged = |event: &TruthEvent| {
        event.from_ms >= begin_ms && event.to_ms <= end_ms && !event.clock_uncertain && event.cause != Cause::Moved
    };
    for (kind, truth_kind, found_kind) in
        [(Kind::Gap, TruthKind::Gap, FoundKind::Gap), (Kind::Blind, TruthKind::Blind, FoundKind::Blind)]
    {
        let mut by_probe: BTreeMap<&str, (Vec<&TruthEvent>, Vec<&Found>)> = BTreeMap::new();
        for event in truth {
            let entry = by_probe.entry(event.probe.as_str()).or_default();
            if event.kind == truth_kind || event.clock_uncertain || event.cause == Cause::Moved {
                entry.0.push(event);
            }
        }
        for one in found.iter().filter(|one| one.kind == found_kind) {
            by_probe.entry(&one.probe).or_default().1.push(one);
        }
        for (events, found) in by_probe.values() {
            probe(&mut result, kind, events, found, &judged, plan, (begin_ms, end_ms));
        }
    }
    remotes(&mut result, plan, truth, found);
    result
}

fn probe(
    result: &mut Compared,
    kind: Kind,
    events: &[&TruthEvent],
    found: &[&Found],
    judged: &impl Fn(&TruthEvent) -> bool,
    plan: &Plan,
    (begin_ms, end_ms): (i64, i64),
) {
    let span = |one: &Found| (one.from_ms, one.to_ms.unwrap_or(plan.end_ms()));
    let mut taken = vec![false; found.len()];
    for event in events.iter().filter(|event| judged(event)) {
        let truth = (event.from_ms, event.to_ms);
        let best = (0..found.len())
            .filter(|at| !taken[*at])
            .max_by(|a, b| overlap(truth, span(found[*a])).total_cmp(&overlap(truth, span(found[*b]))));
        let hit = best.filter(|at| overlap(truth, span(found[*at])) >= OVERLAP);
        let long = event.to_ms - event.from_ms >= LONG_MS;
        let entry = if long { &mut result.recalled } else { &mut result.shorter }.entry(kind).or_default();
        entry.1 += 1;
        match hit {
            Some(at) => {
                taken[at] = true;
                entry.0 += 1;
                if long {
                    let pair = (cause(event.cause), found[at].cause);
                    *result.confusion.entry(pair).or_default() += 1;
                }
            }
            None if long => {
                let near: Vec<String> = found
                    .iter()
                    .filter(|one| overlap(truth, span(one)) > 0.0)
                    .map(|one| {
                        let (from, to) = span(one);
                        format!("{} {}..{}", one.cause, (from - truth.0) / 1_000, (to - truth.0) / 1_000)
                    })
                    .collect();
                let length_s = (truth.1 - truth.0) / 1_000;
                let place = format!("seed {} {} at {}", plan.seed, event.probe, truth.0);
                result.remarks.push(format!("missed {kind:?} {:?} {place}: {length_s} s, found {near:?}", event.cause));
            }
            None => {}
        }
    }
    for (at, one) in found.iter().enumerate() {
        let (from_ms, to_ms) = span(one);
        let touches = |event: &&&TruthEvent| event.from_ms < to_ms && event.to_ms > from_ms;
        let near: Vec<&&TruthEvent> = events.iter().filter(touches).collect();
        if from_ms < begin_ms || to_ms > end_ms || near.iter().any(|event| !judged(event)) {
            continue;
        }
        // A short one is cut too coarsely by windows to be held against 80 %; it must be about something true.
        let right = taken[at] || (((to_ms - from_ms) as f64) < OVERLAP * LONG_MS as f64 && !near.is_empty());
        let entry = result.precise.entry(kind).or_default();
        *entry = (entry.0 + u64::from(right), entry.1 + 1);
        if !right {
            let near: Vec<String> =
                near.iter().map(|e| format!("{:?} {}..{}", e.cause, e.from_ms - from_ms, e.to_ms - from_ms)).collect();
            let length_s = (to_ms - from_ms) / 1_000;
            let place = format!("seed {} {} at {from_ms}", plan.seed, one.probe);
            result.remarks.push(format!("false {kind:?} {} {place}: {length_s} s, true near it {near:?}", one.cause));
        }
    }
}

/// A dead target counts as found when somebody at the probe saw it for most of the time.
fn remotes(result: &mut Compared, plan: &Plan, truth: &[TruthEvent], found: &[Found]) {
    for event in truth.iter().filter(|event| event.kind == TruthKind::Remote) {
        let long = event.to_ms - event.from_ms >= LONG_MS;
        if !long
            || event.clock_uncertain
            || event.from_ms < plan.start_ms + EDGE_MS
            || event.to_ms > plan.end_ms() - EDGE_MS
        {
            continue;
        }
        let mine = found.iter().filter(|one| one.kind == FoundKind::Remote && one.probe == event.probe.as_str());
        let seen: i64 = mine
            .map(|one| (one.to_ms.unwrap_or(plan.end_ms()).min(event.to_ms) - one.from_ms.max(event.from_ms)).max(0))
            .sum();
        result.remote.1 += 1;
        result.remote.0 += u64::from(seen as f64 >= 0.5 * (event.to_ms - event.from_ms) as f64);
    }
}

/// Intersection over the longer.
fn overlap(a: (i64, i64), b: (i64, i64)) -> f64 {
    let shared = (a.1.min(b.1) - a.0.max(b.0)).max(0);
    shared as f64 / (a.1 - a.0).max(b.1 - b.0).max(1) as f64
}

fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::Backhaul => "backhaul",
        Cause::Power => "power",
        Cause::Device => "device",
        Cause::Moved => "moved",
        Cause::Remote => "remote",
        Cause::Delivery => "delivery",
        Cause::Congestion => "congestion",
    }
}
