//! Runs the rounds that are due and hands on what they came to.
//!
//! In: a plan, orders, the boot clock. Out: one sample for each attempt, over a bounded channel. Refuses to know: the
//! spool, summaries, MQTT. Limits: `schedule.concurrency` rounds at once, each with a deadline; a lane whose round
//! still runs or waits is not started again, and that is counted.

use crate::attempt::{Attempted, Means, attempt};
use crate::device::clock;
use crate::plan::{Lane, Plan};
use crate::record::{Stamp, Stamper};
use crate::schedule::Schedule;
use phusong_protocol::{Outcome, Sample};
use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The longest sleep: tokio's clock stands still in suspend, the schedule's does not.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

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
    means: Arc<Means>,
    stamper: Stamper,
    overruns: u64,
}

impl Sampler {
    pub fn new(plan: Plan, stamper: Stamper, means: Arc<Means>) -> Self {
        let schedule = Schedule::new(&plan.periods_ms(), plan.schedule.jitter, plan.seed, clock::mono_ms());
        Sampler {
            warmed: vec![None; plan.lanes.len()],
            plan,
            generation: 0,
            schedule,
            waiting: VecDeque::new(),
            busy: BTreeSet::new(),
            running: JoinSet::new(),
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
            let Some(index) = self.waiting.pop_front() else { return };
            let (plan, lane, means) = (self.generation, self.plan.lanes[index].clone(), self.means.clone());
            let (warmed, stamp) = (self.warmed[index], self.stamper.stamp());
            self.running.spawn(async move {
                let attempted = attempt(&lane, &means, warmed).await;
                Finished { plan, index, lane, stamp, attempted }
            });
        }
    }

    fn finish(&mut self, done: Finished) -> Option<Sample> {
        if done.plan == self.generation {
            self.busy.remove(&done.index);
            let reached = matches!(done.attempted.outcome, Some(Outcome::Reading(_)));
            self.warmed[done.index] = done.attempted.address.filter(|_| reached);
        }
        let mut sample = self.stamper.sample(done.stamp, done.attempted.outcome?);
        sample.uplink = done.lane.uplink.clone();
        sample.target = Some(Arc::new(done.lane.wire_target(done.attempted.address)));
        Some(sample)
    }
}
