//! Runs the rounds that are due and hands on what they came to.
//!
//! In: a plan, orders, the boot clock. Out: one sample for each attempt, over a bounded channel. Refuses to know: the
//! spool, summaries, MQTT. Limits: `schedule.concurrency` rounds at once, each with a deadline; a lane whose round
//! still runs or waits is not started again, and that is counted.

use crate::config::TargetKind;
use crate::device::clock;
use crate::device::net::Hop;
use crate::plan::{Lane, Plan};
use crate::probe::icmp::{EchoSockets, IcmpProbe, is_v6};
use crate::probe::resolve::{self, Resolved};
use crate::probe::tcp::TcpProbe;
use crate::probe::{Probe, ProbeError};
use crate::record::{Stamp, Stamper};
use crate::schedule::Schedule;
use phusong_protocol::{FailureKind, Outcome, Sample};
use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// The longest sleep: tokio's clock stands still in suspend, the schedule's does not.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What one attempt came to; no outcome where there was nothing to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempted {
    pub address: Option<IpAddr>,
    pub outcome: Option<Outcome>,
}

/// Asks of the sampler.
#[derive(Debug)]
pub enum Order {
    Plan(Plan),
    /// One round of every lane, now.
    MeasureNow,
}

/// Takes one attempt. `warmed` is the address that the lane reached before.
pub async fn attempt(lane: &Lane, sockets: &EchoSockets, warmed: Option<IpAddr>) -> Attempted {
    let mut address = None;
    let result = match tokio::time::timeout(lane.longest(), measured(lane, sockets, warmed, &mut address)).await {
        Ok(result) => result,
        Err(_) => Err(ProbeError::new(FailureKind::Timeout, "the round's deadline passed".to_owned())),
    };
    let outcome = match result {
        Ok(None) => None,
        Ok(Some(reading)) => Some(Outcome::Reading(reading)),
        Err(error) => Some(Outcome::Failure(error.into_failure(lane.attempt()))),
    };
    Attempted { address, outcome }
}

async fn measured(
    lane: &Lane,
    sockets: &EchoSockets,
    warmed: Option<IpAddr>,
    address: &mut Option<IpAddr>,
) -> Result<Option<phusong_protocol::Reading>, ProbeError> {
    if let Some(interface) = lane.interface() {
        resolve::check_link(interface)?;
    }
    let hop = match resolve::resolve(&lane.target.host, lane.target.family, lane.interface()).await? {
        Resolved::Nothing => return Ok(None),
        Resolved::At(hop) => hop,
    };
    *address = Some(hop.address);
    let mut probe = probe(lane, sockets, hop, warmed != Some(hop.address))?;
    probe.measure().await.map(Some)
}

fn probe(lane: &Lane, sockets: &EchoSockets, hop: Hop, warm_up: bool) -> Result<Box<dyn Probe>, ProbeError> {
    let (interval, timeout) = (lane.interval(), lane.timeout());
    match lane.target.kind {
        TargetKind::Icmp => {
            let socket = sockets.get(is_v6(hop.address), lane.interface()).map_err(|e| ProbeError::from_io(&e))?;
            Ok(Box::new(IcmpProbe { socket, hop, count: lane.target.count, interval, timeout, warm_up }))
        }
        TargetKind::Tcp => {
            let port = lane.target.port.expect("the configuration was checked: a tcp target has a port");
            let address = match hop.address {
                IpAddr::V4(v4) => SocketAddr::from((v4, port)),
                IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, hop.scope_id)),
            };
            Ok(Box::new(TcpProbe { address, interface: lane.interface().map(str::to_owned), timeout }))
        }
    }
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
    sockets: Arc<EchoSockets>,
    stamper: Stamper,
    overruns: u64,
}

impl Sampler {
    pub fn new(plan: Plan, stamper: Stamper) -> Self {
        let schedule = Schedule::new(&plan.periods_ms(), plan.schedule.jitter, plan.seed, clock::mono_ms());
        Sampler {
            warmed: vec![None; plan.lanes.len()],
            plan,
            generation: 0,
            schedule,
            waiting: VecDeque::new(),
            busy: BTreeSet::new(),
            running: JoinSet::new(),
            sockets: Arc::new(EchoSockets::default()),
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
                let fresh = Sampler::new(plan, self.stamper.clone());
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
            let (plan, lane, sockets) = (self.generation, self.plan.lanes[index].clone(), self.sockets.clone());
            let (warmed, stamp) = (self.warmed[index], self.stamper.stamp());
            self.running.spawn(async move {
                let attempted = attempt(&lane, &sockets, warmed).await;
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
