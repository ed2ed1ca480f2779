//! One probe: plays its script and says on the wire what an agent would say.
//!
//! In: a [`Script`], the time up to which it is to be played. Out: [`Delivery`]s. Refuses to know: truth. Limits: memory
//! holds what waits to be sent; a round takes no time; the boot's clock runs exactly as true time does.
//!
//! Every sample gets the next `seq`, raw rounds too; those stay behind and only their summaries are sent. What was not
//! durable when an agent was cut off never had a `seq` that anybody saw: the next start's `prev` names the last durable
//! one, and the rounds that had no summary yet are folded by the next start.

use crate::fleet::Member;
use crate::fold::{Folded, GRACE_MS, Round, SUMMARY_MS, Stamp, Windows};
use crate::network::{Air, Came};
use crate::outbox::{Delivery, Outbox};
use crate::plan::{HOUR_MS, MINUTE_MS, Plan};
use crate::script::{Ending, Fault, Run, Script};
use crate::targets::{self, GATEWAY, LANE, LANES};
use fastrand::Rng;
use phusong_protocol::{
    BootId, BootReading, Clock, ClockReading, Epoch, HealthReading, LinkReading, Outcome, PowerReading, Previous,
    Reading, Sample, Target, Uplink,
};
use std::collections::VecDeque;
use std::sync::Arc;

const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The spool syncs at least this often; what waits longer is durable.
const SYNC_MS: i64 = 5_000;
/// Durable samples wait this long for company, unless they are urgent.
const GATHER_MS: i64 = 15_000;
const HEALTH_MS: i64 = 300_000;
/// The clock is looked at this often, and an anchor is made this often.
const LOOK_MS: i64 = 10_000;
const ANCHOR_MS: i64 = 6 * HOUR_MS;
/// First rounds come within this time of a start; the first connection within a minute.
const FIRST_ROUND_MS: i64 = 10_000;
const FIRST_CONNECT_MS: i64 = MINUTE_MS;
const SPOOL_BOUND_BYTES: u64 = 256 * 1024 * 1024;

// What is due, by its place in `Life::due`; the lanes come first.
const HEALTH: usize = LANES;
const CLOSE: usize = LANES + 1;
const CLOCK: usize = LANES + 2;
const MAINS: usize = LANES + 3;
const LINK: usize = LANES + 4;
const SEND: usize = LANES + 5;
const TIMERS: usize = LANES + 6;
const NEVER: i64 = i64::MAX;

/// How soon a sample goes out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Urgency {
    Batched,
    Urgent,
}

/// One start of the agent, while it lives.
struct Life {
    epoch: Epoch,
    next_seq: u64,
    due: [i64; TIMERS],
    /// Each lane's grid, without jitter.
    grid: [i64; LANES],
    windows: Windows,
    /// Rounds that may not be durable yet and are not folded.
    recent: VecDeque<Round>,
    synced: bool,
    /// Everything made by then is durable.
    durable_ms: i64,
    /// No connection before this.
    offline_until_ms: i64,
}

pub struct Device {
    script: Script,
    /// Changes of the interface's carrier.
    links: Vec<(i64, bool)>,
    strip: bool,
    mains_input: bool,
    targets: [Arc<Target>; LANES],
    uplink: Arc<Uplink>,
    air: Air,
    outbox: Outbox,
    rng: Rng,
    /// Where it is in its script.
    run: usize,
    spell: usize,
    mains: usize,
    link: usize,
    life: Option<Life>,
    starts: u32,
    boot_id: BootId,
    last: Option<Previous>,
    /// Summaries of an earlier epoch's rounds, for the next start to write.
    orphans: Vec<Sample>,
}

impl Device {
    pub fn new(plan: &Plan, member: &Member, script: Script, number: u64) -> Self {
        let mut rng = Rng::with_seed(plan.seed.wrapping_mul(1_000_003).wrapping_add(number));
        let dark = |fault: Fault| fault == Fault::Gateway { carrier: false } && !plan.strip_evidence;
        let changes = script.spells.iter().filter(|spell| dark(spell.fault));
        let uplink = targets::uplink(member);
        let links = changes.flat_map(|spell| [(spell.from_ms, false), (spell.to_ms, true)]).collect();
        Device {
            links,
            strip: plan.strip_evidence,
            mains_input: member.mains_input && !plan.strip_evidence,
            targets: targets::targets(),
            air: Air::new(rng.u64(..), plan.rates.stray_failures, &uplink),
            uplink,
            outbox: Outbox::new(&member.site, &member.probe, rng.u64(..)),
            script,
            run: 0,
            spell: 0,
            mains: 0,
            link: 0,
            life: None,
            starts: 0,
            boot_id: BootId(rng.u128(..).to_be_bytes()),
            last: None,
            orphans: Vec::new(),
            rng,
        }
    }

    /// Plays on until `until_ms`.
    pub fn advance(&mut self, until_ms: i64, out: &mut Vec<Delivery>) {
        while let Some(run) = self.script.runs.get(self.run) {
            let (begins_ms, ends_ms) = (run.begins_ms, run.ends_ms);
            let Some(life) = &self.life else {
                if begins_ms >= until_ms {
                    return;
                }
                self.begin();
                continue;
            };
            let due = life.due.iter().enumerate().min_by_key(|(_, at)| **at);
            let (timer, at_ms) = due.map_or((SEND, NEVER), |(timer, at)| (timer, *at));
            if at_ms < until_ms.min(ends_ms) {
                self.fire(timer, at_ms, out);
            } else if ends_ms < until_ms {
                self.end();
            } else {
                return;
            }
        }
    }

    fn current(&self) -> &Run {
        &self.script.runs[self.run]
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("an agent runs whenever something is due")
    }

    fn begin(&mut self) {
        let run = self.current().clone();
        let at_ms = run.begins_ms;
        if run.before.is_some_and(|(_, same_boot)| !same_boot) {
            self.boot_id = BootId(self.rng.u128(..).to_be_bytes());
        }
        self.starts += 1;
        let synced = run.synced_ms.is_some_and(|synced| synced <= at_ms);
        let look_ms = |synced_ms: i64| at_ms + ((synced_ms - at_ms).max(0) + LOOK_MS - 1) / LOOK_MS * LOOK_MS + 20;
        let mut due = [NEVER; TIMERS];
        due[CLOCK] = run.synced_ms.map_or(NEVER, look_ms);
        due[HEALTH] = at_ms + 30;
        let grid: [i64; LANES] = std::array::from_fn(|_| at_ms + 50 + self.rng.i64(0..FIRST_ROUND_MS));
        due[..LANES].copy_from_slice(&grid);
        if self.strip || self.uplink.sim_plmn.is_some() {
            due[GATEWAY] = NEVER;
        }
        due[MAINS] = self.script.mains.get(self.mains).filter(|_| self.mains_input).map_or(NEVER, |change| change.0);
        due[LINK] = self.links.get(self.link).map_or(NEVER, |change| change.0);
        self.life = Some(Life {
            epoch: Epoch(self.rng.u64(1..)),
            next_seq: 0,
            due,
            grid,
            windows: Windows::default(),
            recent: VecDeque::new(),
            synced,
            durable_ms: at_ms,
            offline_until_ms: at_ms + self.rng.i64(0..FIRST_CONNECT_MS),
        });
        self.put_reading(at_ms, Reading::Boot(self.boot_reading(&run)), Urgency::Urgent);
        if !self.strip {
            self.put_link(at_ms + 5, true);
        }
        if self.mains_input {
            self.put_mains(at_ms + 8, true);
        }
        for orphan in std::mem::take(&mut self.orphans) {
            self.put(at_ms + 10, orphan, Urgency::Batched);
            self.life().durable_ms = at_ms + 10;
        }
        let next_close_ms = self.next_close_ms(at_ms);
        self.life().due[CLOSE] = next_close_ms;
    }

    fn boot_reading(&self, run: &Run) -> BootReading {
        let (clean, same_boot) = match run.before {
            None => (true, None),
            Some(_) if self.strip => (false, None),
            Some((ending, same_boot)) => (ending == Ending::InOrder, Some(same_boot)),
        };
        BootReading {
            prev: self.last,
            start: self.starts,
            clean,
            same_boot,
            version: VERSION.into(),
            period_ms: Some(targets::PERIOD_MS as u32),
        }
    }

    /// The agent stops: what is not durable is gone, unless it was told to stop.
    fn end(&mut self) {
        let (at_ms, ending) = (self.current().ends_ms, self.current().ending);
        let lost_ms = if ending == Ending::Cut { self.rng.i64(0..=SYNC_MS) } else { 0 };
        let durable_ms = self.life().durable_ms.max(at_ms - lost_ms);
        let made = self.outbox.lose_after(durable_ms);
        let life = self.life();
        let kept = life.recent.partition_point(|round| round.at_ms <= durable_ms);
        let lost = made + (life.recent.len() - kept) as u64;
        life.recent.truncate(kept);
        life.next_seq -= lost;
        self.fold_recent(NEVER, durable_ms);
        let life = self.life();
        let (epoch, folded) = (life.epoch, life.windows.take_all(life.epoch));
        let samples: Vec<Sample> = folded.into_iter().map(|folded| self.summary(folded)).collect();
        match ending {
            Ending::Cut => self.orphans.extend(samples),
            Ending::InOrder => samples.into_iter().for_each(|sample| self.put(at_ms, sample, Urgency::Batched)),
        }
        let last_seq = self.life().next_seq - 1;
        self.last = Some(Previous { epoch, last_seq });
        self.life = None;
        self.run += 1;
    }

    fn fire(&mut self, timer: usize, at_ms: i64, out: &mut Vec<Delivery>) {
        match timer {
            HEALTH => {
                let reading = self.health(at_ms);
                self.put_reading(at_ms, Reading::Health(reading), Urgency::Batched);
                self.life().due[HEALTH] = at_ms + HEALTH_MS;
            }
            CLOSE => {
                self.close_ended(at_ms);
                let next_ms = self.next_close_ms(at_ms);
                self.life().due[CLOSE] = next_ms;
            }
            CLOCK => self.set_clock(at_ms),
            MAINS => {
                self.put_mains(at_ms, self.script.mains[self.mains].1);
                self.mains += 1;
                self.life().due[MAINS] = self.script.mains.get(self.mains).map_or(NEVER, |change| change.0);
            }
            LINK => {
                self.put_link(at_ms, self.links[self.link].1);
                self.link += 1;
                self.life().due[LINK] = self.links.get(self.link).map_or(NEVER, |change| change.0);
            }
            SEND => self.send(at_ms, out),
            lane => self.measure(lane, at_ms),
        }
    }

    fn fault(&mut self, at_ms: i64) -> Option<Fault> {
        let spells = &self.script.spells;
        while spells.get(self.spell).is_some_and(|spell| spell.to_ms <= at_ms) {
            self.spell += 1;
        }
        let fault = spells.get(self.spell).filter(|spell| spell.from_ms <= at_ms).map(|spell| spell.fault);
        match fault {
            // Without link samples, a dead cable looks like any other silence.
            Some(Fault::Gateway { .. }) if self.strip => Some(Fault::Gateway { carrier: true }),
            fault => fault,
        }
    }

    fn measure(&mut self, lane: usize, at_ms: i64) {
        self.fold_recent(at_ms - SYNC_MS, at_ms);
        let fault = self.fault(at_ms);
        match self.air.round(&LANE[lane], at_ms, fault) {
            Came::Round(echoes) => {
                let stamp = self.stamp(at_ms);
                let life = self.life();
                life.recent.push_back(Round { lane, seq: life.next_seq, at_ms, stamp, echoes });
                life.next_seq += 1;
            }
            Came::Failure(failure) => {
                let mut sample = self.sample(at_ms, Outcome::Failure(failure));
                sample.uplink = Some(self.uplink.clone());
                sample.target = Some(self.targets[lane].clone());
                self.put(at_ms, sample, Urgency::Batched);
            }
        }
        let (period_ms, jitter_ms) = (LANE[lane].period_ms, self.rng.i64(0..LANE[lane].period_ms / 10));
        let life = self.life();
        life.grid[lane] += period_ms;
        life.due[lane] = life.grid[lane] + jitter_ms;
    }

    /// The clock is in sync: an anchor. At the first, the wall clock steps to the true time.
    fn set_clock(&mut self, at_ms: i64) {
        if !std::mem::replace(&mut self.life().synced, true) {
            self.close_ended(at_ms);
            let next_ms = self.next_close_ms(at_ms);
            self.life().due[CLOSE] = next_ms;
        }
        let err_ms = self.rng.u32(3..60);
        let anchor = ClockReading { true_unix_ms: self.wall_ms(at_ms), err_ms, source: "kernel".into() };
        self.put_reading(at_ms, Reading::Clock(anchor), Urgency::Batched);
        self.life().due[CLOCK] = at_ms + ANCHOR_MS;
    }

    fn send(&mut self, at_ms: i64, out: &mut Vec<Delivery>) {
        let open_ms = self.script.path_open_ms(at_ms);
        if open_ms > at_ms {
            let again_ms = open_ms + self.rng.i64(5_000..60_000);
            let life = self.life();
            (life.offline_until_ms, life.due[SEND]) = (again_ms, again_ms);
            return;
        }
        let durable_ms = self.life().durable_ms.max(at_ms - SYNC_MS);
        self.outbox.send(at_ms, durable_ms, &self.script, out);
        self.life().due[SEND] = if self.outbox.waiting() == 0 { NEVER } else { at_ms + GATHER_MS };
    }

    /// Folds the rounds made by `by_ms`.
    fn fold_recent(&mut self, by_ms: i64, at_ms: i64) {
        let life = self.life();
        let epoch = life.epoch;
        let mut early = Vec::new();
        while let Some(round) = life.recent.pop_front_if(|round| round.at_ms <= by_ms) {
            early.extend(life.windows.add(epoch, &round));
        }
        for folded in early {
            let sample = self.summary(folded);
            self.put(at_ms, sample, Urgency::Batched);
        }
    }

    /// Writes the summaries whose window ended; they are durable at once, and with them everything before.
    fn close_ended(&mut self, at_ms: i64) {
        self.fold_recent(at_ms, at_ms);
        let wall_ms = self.wall_ms(at_ms);
        let life = self.life();
        for folded in life.windows.take_ended(life.epoch, wall_ms) {
            let sample = self.summary(folded);
            self.put(at_ms, sample, Urgency::Batched);
        }
        self.life().durable_ms = at_ms;
    }

    fn next_close_ms(&mut self, at_ms: i64) -> i64 {
        let since_grace = (self.wall_ms(at_ms) - GRACE_MS).rem_euclid(SUMMARY_MS);
        at_ms + SUMMARY_MS - since_grace
    }

    fn put_reading(&mut self, at_ms: i64, reading: Reading, urgency: Urgency) {
        let sample = self.sample(at_ms, Outcome::Reading(reading));
        self.put(at_ms, sample, urgency);
    }

    fn put_link(&mut self, at_ms: i64, up: bool) {
        let reading = LinkReading { interface: self.uplink.interface.clone(), up, has_address: up };
        let mut sample = self.sample(at_ms, Outcome::Reading(Reading::Link(reading)));
        sample.uplink = Some(self.uplink.clone());
        self.put(at_ms, sample, Urgency::Urgent);
    }

    fn put_mains(&mut self, at_ms: i64, mains: bool) {
        let reading = PowerReading { mains: Some(mains), undervoltage: None, battery_ratio: None };
        self.put_reading(at_ms, Reading::Power(reading), Urgency::Urgent);
    }

    fn put(&mut self, at_ms: i64, mut sample: Sample, urgency: Urgency) {
        let gather_ms = match urgency {
            Urgency::Urgent => 100,
            Urgency::Batched => GATHER_MS + self.rng.i64(0..SYNC_MS),
        };
        let life = self.life();
        sample.seq = life.next_seq;
        life.next_seq += 1;
        if urgency == Urgency::Urgent {
            life.durable_ms = at_ms;
        }
        let send_ms = (at_ms + gather_ms).max(life.offline_until_ms);
        life.due[SEND] = life.due[SEND].min(send_ms);
        let epoch = life.epoch;
        self.outbox.push(epoch, at_ms, sample);
    }

    fn wall_ms(&mut self, at_ms: i64) -> i64 {
        if self.life().synced { at_ms } else { at_ms - self.current().behind_ms }
    }

    fn stamp(&mut self, at_ms: i64) -> Stamp {
        let synced = self.life().synced;
        let wall_ms = self.wall_ms(at_ms);
        let mono_ms = (at_ms - self.current().boot_ms).max(0) as u64;
        let age_s = synced.then_some((mono_ms % LOOK_MS as u64 / 1_000) as u32);
        Stamp { mono_ms, wall_ms, clock: Clock { synced, age_s } }
    }

    fn sample(&mut self, at_ms: i64, outcome: Outcome) -> Sample {
        let stamp = self.stamp(at_ms);
        self.stamped(stamp, outcome)
    }

    fn stamped(&self, stamp: Stamp, outcome: Outcome) -> Sample {
        Sample {
            seq: 0,
            boot_id: Some(self.boot_id),
            mono_ms: Some(stamp.mono_ms),
            wall_ms: stamp.wall_ms,
            clock: stamp.clock,
            place: None,
            setup: None,
            uplink: None,
            target: None,
            outcome,
        }
    }

    /// A summary carries the stamps of its last round.
    fn summary(&self, folded: Folded) -> Sample {
        let mut sample = self.stamped(folded.stamp, Outcome::Reading(Reading::Summary(folded.summary)));
        sample.uplink = Some(self.uplink.clone());
        sample.target = Some(self.targets[folded.lane].clone());
        sample
    }

    fn health(&mut self, at_ms: i64) -> HealthReading {
        let waiting = self.outbox.waiting() as u64;
        HealthReading {
            uptime_s: ((at_ms - self.current().begins_ms) / 1_000) as u32,
            spool_samples: waiting,
            spool_bytes: waiting * 400 + 4 * 1024 * 1024,
            spool_bound_bytes: SPOOL_BOUND_BYTES,
            rss_bytes: Some(9_000_000 + self.rng.u64(0..500_000)),
            disk_free_bytes: Some(6_000_000_000 - self.rng.u64(0..1_000_000)),
            load1: Some(self.rng.u8(2..30) as f32 / 100.0),
            temperature_c: Some(self.rng.u16(420..560) as f32 / 10.0),
            ..HealthReading::default()
        }
    }
}
