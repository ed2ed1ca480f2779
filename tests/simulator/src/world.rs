//! The world as a whole: set-up, deliveries in the order of reception, truth.
//!
//! In: a checked plan. Out: what a collector is set up with, what it receives, and apart from both what was true. Refuses
//! to know: files, brokers. Limits: six hours of deliveries are in memory at once, made by as many threads as the machine
//! has; the result is the same for any number of them.

use crate::draw;
use crate::fleet::{self, Member, Move, Registration};
use crate::geography;
use crate::outbox::Delivery;
use crate::plan::{HOUR_MS, Plan, PlanError};
use crate::probe::Device;
use crate::scene::{Scene, SceneTruth};
use crate::script::Script;
use crate::truth::TruthEvent;

const STEP_MS: i64 = 6 * HOUR_MS;

/// A drawn world.
pub struct World {
    plan: Plan,
    members: Vec<Member>,
    scripts: Vec<Script>,
    truth: Vec<TruthEvent>,
    moves: Vec<Move>,
}

impl World {
    pub fn new(plan: Plan) -> Result<Self, PlanError> {
        plan.check()?;
        let members = fleet::members(&plan);
        let drawn = draw::draw(&plan, &members);
        Ok(World { plan, members, scripts: drawn.scripts, truth: drawn.truth, moves: drawn.moves })
    }

    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The commune and its hamlets as GeoJSON.
    pub fn areas(&self) -> String {
        geography::areas(self.plan.hamlets)
    }

    pub fn registrations(&self) -> Vec<Registration> {
        fleet::registrations(&self.plan, &self.members)
    }

    pub fn moves(&self) -> &[Move] {
        &self.moves
    }

    /// What really happened, by its begin.
    pub fn truth(&self) -> &[TruthEvent] {
        &self.truth
    }

    /// What the map has to show, where the plan has a scene.
    pub fn scene(&self) -> Option<SceneTruth> {
        Scene::of(&self.plan).map(|scene| scene.truth())
    }

    /// Everything that a broker receives, in that order; each call begins anew.
    pub fn deliveries(&self) -> Deliveries {
        let pairs = self.members.iter().zip(&self.scripts).enumerate().filter(|(_, (member, _))| !member.absent);
        let device = |(number, (member, script)): (usize, (&Member, &Script))| {
            Device::new(&self.plan, member, script.clone(), number as u64)
        };
        Deliveries {
            devices: pairs.map(device).collect(),
            upto_ms: self.plan.start_ms,
            end_ms: self.plan.end_ms(),
            later: Vec::new(),
            ready: Vec::new().into_iter(),
        }
    }
}

/// Deliveries in the order of reception.
pub struct Deliveries {
    devices: Vec<Device>,
    upto_ms: i64,
    end_ms: i64,
    later: Vec<Delivery>,
    ready: std::vec::IntoIter<Delivery>,
}

impl Iterator for Deliveries {
    type Item = Delivery;

    fn next(&mut self) -> Option<Delivery> {
        loop {
            if let Some(delivery) = self.ready.next() {
                return Some(delivery);
            }
            if self.upto_ms >= self.end_ms {
                return None;
            }
            self.step();
        }
    }
}

impl Deliveries {
    fn step(&mut self) {
        self.upto_ms = (self.upto_ms + STEP_MS).min(self.end_ms);
        let upto_ms = self.upto_ms;
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let share = self.devices.len().div_ceil(threads);
        let play = |devices: &mut [Device]| {
            let mut out = Vec::new();
            devices.iter_mut().for_each(|device| device.advance(upto_ms, &mut out));
            out
        };
        let parts: Vec<Vec<Delivery>> = std::thread::scope(|scope| {
            let running: Vec<_> = self.devices.chunks_mut(share).map(|part| scope.spawn(|| play(part))).collect();
            running.into_iter().map(|thread| thread.join().expect("a device never panics")).collect()
        });
        self.later.extend(parts.into_iter().flatten());
        // By probe where two arrive in the same millisecond, so that the number of threads does not matter.
        self.later.sort_by(|a, b| (a.received_ms, &a.probe).cmp(&(b.received_ms, &b.probe)));
        // The last step gives out everything, also what arrives a little after the end.
        let last = self.upto_ms >= self.end_ms;
        let until = self.later.partition_point(|delivery| last || delivery.received_ms < upto_ms);
        let rest = self.later.split_off(until);
        self.ready = std::mem::replace(&mut self.later, rest).into_iter();
    }
}
