//! Runs the rounds that are due and hands on what they came to.
//!
//! In: a plan, orders, the boot clock. Out: one sample for each attempt, over a bounded channel. Refuses to know: the
//! spool, summaries, MQTT. Limits: `schedule.concurrency` rounds at once, each with a deadline; a lane whose round
//! still runs or waits is not started again, and that is counted.

use crate::attempt::{Attempted, Means, attempt};
use crate::device::clock;
use crate::modems::exchange::{Load, UplinkFacts};
use crate::plan::{Lane, Plan};
use crate::record::{Stamp, Stamper};
use crate::schedule::Schedule;
use phusong_protocol::{FailureKind, Outcome, Sample};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The longest sleep: tokio's clock stands still in suspend, the schedule's does not.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Queues on the way empty themselves within this time of a bandwidth test.
const ECHO_MS: u64 = 1_000;

/// Asks of the sampler.
#[derive(Debug)]
pub enum Order {
    Plan(Plan),
    /// One round of every lane, now.
    MeasureNow,
}

/// A round that ended.
struct Finished {
    plan: u64,
    index: usize,
    lane: Arc<Lane>,
    /// What the modem said of the uplink when it began.
    facts: Option<UplinkFacts>,
    stamp: Stamp,
    attempted: Attempted,
}

/// The running sampler.
pub struct Sampler {
    plan: Plan,
    /// Counts plans: a round of an old one says nothing about the lanes of the new.
    generation: u64,
    schedule: Schedule,
    /// The address that each lane reached last.
    warmed: Vec<Option<IpAddr>>,
    waiting: VecDeque<usize>,
    /// Lanes that wait or run.
    busy: BTreeSet<usize>,
    running: JoinSet<Finished>,
    /// Whether a bandwidth test runs: one at a time, or they would measure each other.
    testing: bool,
    /// By interface: whether a test runs there, and when the last one ended.
    loaded: BTreeMap<String, Load>,
    means: Arc<Means>,
    stamper: Stamper,
    overruns: u64,
}

impl Sampler {
    pub fn new(plan: Plan, stamper: Stamper, means: Arc<Means>) -> Self {
        for target in &plan.idle {
            tracing::warn!(
                target = target.as_str(),
                "runs on no uplink: a bandwidth test needs one that is not cellular, or on_cellular"
            );
        }
        let schedule = Schedule::new(&plan.periods_ms(), plan.schedule.jitter, plan.seed, clock::mono_ms());
        Sampler {
            warmed: vec![None; plan.lanes.len()],
            plan,
            generation: 0,
            schedule,
            waiting: VecDeque::new(),
            busy: BTreeSet::new(),
            running: JoinSet::new(),
            testing: false,
            loaded: BTreeMap::new(),
            means,
            stamper,
            overruns: 0,
        }
    }

    /// Runs until the orders end; rounds that still run are then dropped.
    pub async fn run(mut self, mut orders: mpsc::Receiver<Order>, out: mpsc::Sender<Sample>) {
        loop {
            let now = clock::mono_ms();
            for due in self.schedule.take_due(now) {
                self.enqueue(due.lane);
            }
            self.start_rounds();
            let sleep = self.schedule.next_ms().map_or(LOOK_AGAIN, |at| Duration::from_millis(at.saturating_sub(now)));
            tokio::select! {
                order = orders.recv() => match order {
                    Some(order) => self.obey(order),
                    None => return,
                },
                Some(done) = self.running.join_next() => {
                    if let Some(sample) = done.ok().and_then(|done| self.finish(done))
                        && out.send(sample).await.is_err()
                    {
                        return;
                    }
                }
                () = tokio::time::sleep(sleep.min(LOOK_AGAIN)) => {}
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::MeasureNow => (0..self.plan.lanes.len()).for_each(|lane| self.enqueue(lane)),
            Order::Plan(plan) => {
                let fresh = Sampler::new(plan, self.stamper.clone(), self.means.clone());
                self.generation += 1;
                self.schedule = fresh.schedule;
                self.warmed = fresh.warmed;
                self.plan = fresh.plan;
                self.waiting.clear();
                self.busy.clear();
            }
        }
    }

    fn enqueue(&mut self, lane: usize) {
        if self.busy.insert(lane) {
            self.waiting.push_back(lane);
        } else {
            self.overruns += 1;
            let name = &self.plan.lanes[lane].target.name;
            tracing::debug!(
                target = name,
                overruns = self.overruns,
                "the round before is not done; this one is left out"
            );
        }
    }

    fn start_rounds(&mut self) {
        while self.running.len() < self.plan.schedule.concurrency {
            self.leave_out_searched();
            let testing = self.testing || self.transfer_elsewhere() || self.surveying();
            let may_start = |index: &usize| {
                let lane = &self.plan.lanes[*index];
                !lane.is_test() || !(testing || self.load_of(lane).scanning)
            };
            let Some(at) = self.waiting.iter().position(may_start) else { return };
            let Some(index) = self.waiting.remove(at) else { return };
            let (plan, lane, means) = (self.generation, self.plan.lanes[index].clone(), self.means.clone());
            if let Some(allowance) = &lane.allowance {
                self.testing = true;
                self.tell_testing();
                self.loaded.entry(allowance.interface.clone()).or_default().running = true;
            }
            let (warmed, stamp, facts) = (self.warmed[index], self.stamper.stamp(), self.facts_of(&lane));
            self.running.spawn(async move {
                let attempted = attempt(&lane, &means, warmed).await;
                Finished { plan, index, lane, facts, stamp, attempted }
            });
        }
    }

    /// While its modem searches for operators an uplink is off its network: rounds that are due there are left out
    /// until the next time. A bandwidth test, whose next time is far, waits.
    fn leave_out_searched(&mut self) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.retain(|index| {
            let lane = &self.plan.lanes[*index];
            let starts = lane.is_test() || !self.load_of(lane).scanning;
            starts || !self.busy.remove(index)
        });
        self.waiting = waiting;
    }

    fn finish(&mut self, done: Finished) -> Option<Sample> {
        if done.plan == self.generation {
            self.busy.remove(&done.index);
            let reached = matches!(done.attempted.outcome, Some(Outcome::Reading(_)));
            self.warmed[done.index] = done.attempted.address.filter(|_| reached);
        }
        if let Some(allowance) = &done.lane.allowance {
            self.tested(&allowance.interface, done.attempted.outcome.as_ref());
        }
        if self.load_of(&done.lane).searched_since(done.stamp.mono_ms) {
            // The search came into the middle of it: nothing was measured, nothing failed.
            return None;
        }
        let loaded = !done.lane.is_test() && self.was_loaded(&done.lane, done.stamp.mono_ms);
        // Of a modem that was not yet known when the round began, what is known now.
        let facts = done.facts.or_else(|| self.facts_of(&done.lane));
        let target = Arc::new(done.lane.wire_target(done.attempted.address));
        let mut sample = self.stamper.sample(done.stamp, done.attempted.outcome?);
        if let (Some(interface), Some(modems)) = (done.lane.interface(), &self.means.modems) {
            modems.tries.send_modify(|tries| tries.take(interface, &target, &sample.outcome, done.stamp.mono_ms));
        }
        sample.uplink = done.lane.uplink.clone();
        if let (Some(facts), Some(uplink)) = (facts, sample.uplink.as_mut()) {
            facts.put_on(Arc::make_mut(uplink));
        }
        if let Some(uplink) = sample.uplink.as_mut().filter(|_| loaded) {
            Arc::make_mut(uplink).self_load = Some(true);
        }
        sample.target = Some(target);
        Some(sample)
    }

    fn facts_of(&self, lane: &Lane) -> Option<UplinkFacts> {
        let modems = self.means.modems.as_ref()?;
        modems.facts.borrow().get(lane.interface()?).cloned()
    }

    /// Whether a transfer runs that is not of the schedule.
    fn transfer_elsewhere(&self) -> bool {
        self.means.modems.as_ref().is_some_and(|modems| modems.loads.borrow().values().any(|load| load.running))
    }

    /// Whether somebody walks and measures: a test would drown his echoes. It waits until he is done.
    fn surveying(&self) -> bool {
        self.means.surveying.as_ref().is_some_and(|surveying| *surveying.borrow())
    }

    fn tell_testing(&self) {
        if let Some(modems) = &self.means.modems {
            modems.tries.send_modify(|tries| tries.testing = self.testing);
        }
    }

    fn tested(&mut self, interface: &str, outcome: Option<&Outcome>) {
        self.testing = false;
        self.tell_testing();
        let load = self.loaded.entry(interface.to_owned()).or_default();
        load.running = false;
        // A test that its budget forbade has sent nothing.
        if !matches!(outcome, Some(Outcome::Failure(failure)) if failure.kind == FailureKind::Budget) {
            load.ended_mono_ms = Some(clock::mono_ms());
        }
    }

    /// What others do to the lane's uplink.
    fn load_of(&self, lane: &Lane) -> Load {
        let modems = self.means.modems.as_ref().zip(lane.interface());
        modems.and_then(|(modems, interface)| modems.loads.borrow().get(interface).copied()).unwrap_or_default()
    }

    /// Whether a round that began then and ends now shared its uplink with a bandwidth test.
    fn was_loaded(&self, lane: &Lane, began_mono_ms: u64) -> bool {
        let Some(interface) = lane.interface() else { return false };
        let here = self.loaded.get(interface).copied().unwrap_or_default();
        [here, self.load_of(lane)].into_iter().any(|load| {
            load.running || load.ended_mono_ms.is_some_and(|ended| ended.saturating_add(ECHO_MS) >= began_mono_ms)
        })
    }
}
