//! One point after the other: paces for the modems, echoes, samples, lines, bells.
//!
//! In: what the task works with, the fix, the time. Out: samples and lines. Refuses to know: asks. Limits: at most
//! [`HELD`] radio readings wait for [`HOLD_MS`], one program of a bell runs at a time and within [`BELL_WITHIN`].

use super::echo::{Echo, Echoes};
use super::pace::{Crossing, EVERY_MS, FRESH_MS, Hole, is_due};
use super::point::Line;
use super::seen::{Seen, View};
use super::walk::{Running, note_error};
use super::{Glance, Inputs};
use crate::device::clock;
use crate::device::modem::ModemKey;
use crate::device::position::Fix;
use crate::modems;
use crate::record::{Stamp, append};
use crate::spool::Urgency;
use phusong_protocol::{Outcome, Reading, Sample, Uplink};
use std::collections::{BTreeMap, VecDeque};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The fastest that a serving cell is read.
const SIGNAL_MS: u64 = 1_000;
/// No longer than any sample waits for its fdatasync: `reacquiring` can be put only on what is not yet durable.
const HOLD_MS: u64 = 5_000;
const HELD: usize = 64;
const BELL_WITHIN: Duration = Duration::from_secs(10);

/// A radio reading without service, which may turn out to be one of a modem that was late to see its network.
struct Held {
    modem: String,
    at_mono_ms: u64,
    sample: Sample,
}

/// What lasts from point to point.
#[derive(Default)]
pub struct Round {
    /// The position of the last point, and when it was due.
    last: Option<(Fix, u64)>,
    missed_at_mono_ms: Option<u64>,
    echoes: Echoes,
    holes: BTreeMap<String, Hole>,
    held: VecDeque<Held>,
    /// Closing one gives the modem its own pace back.
    paces: BTreeMap<ModemKey, oneshot::Sender<()>>,
    paced_at_mono_ms: Option<u64>,
    bell: Option<JoinHandle<()>>,
}

impl Running {
    pub async fn look(&mut self, inputs: &Inputs, fix: Option<Fix>, at_ms: Option<i64>) {
        let now = clock::mono_ms();
        self.round.pace(inputs, now);
        self.round.let_go(inputs, now.saturating_sub(HOLD_MS)).await;
        note_error(self.journal.look(now));
        let fresh = fix.filter(|fix| fix.age_ms(now) <= FRESH_MS);
        self.status.has_fix = fresh.is_some();
        let (Some(fix), Some(at_ms)) = (fresh, at_ms) else { return self.without_fix(now) };
        let last = self.round.last.as_ref().map(|(before, at)| (before, *at));
        if is_due(last, &fix, now) {
            self.round.last = Some((fix, now));
            self.point(inputs, &fix, now, at_ms).await;
        }
    }

    /// A point is due, and nobody knows where we are: it is counted, and nothing is guessed.
    fn without_fix(&mut self, now: u64) {
        let since = self.round.missed_at_mono_ms.max(self.round.last.map(|(_, at)| at));
        if since.is_none_or(|at| now.saturating_sub(at) >= EVERY_MS) {
            self.round.missed_at_mono_ms = Some(now);
            self.status.without_fix += 1;
        }
    }

    async fn point(&mut self, inputs: &Inputs, fix: &Fix, now: u64, at_ms: i64) {
        let stamp = Stamp { fix: Some(*fix), ..inputs.stamper.stamp() };
        let config = inputs.config.borrow().clone();
        let picture = inputs.modems.picture.borrow().clone();
        let facts = inputs.modems.facts.borrow().clone();
        let echoes = self.round.echoes.round(&config, &inputs.means).await;
        for echo in &echoes {
            say_echo(inputs, stamp, echo, &facts).await;
        }
        let view = View {
            config: &config,
            picture: &picture,
            facts: &facts,
            fix,
            now_mono_ms: now,
            at_ms,
            indoor: self.kept.indoor,
        };
        let was_inside = self.status.in_hole;
        for seen in view.see(&echoes) {
            self.take(inputs, stamp, seen).await;
        }
        self.status.in_hole = self.round.holes.values().any(|hole| hole.inside);
        if was_inside != self.status.in_hole {
            note_error(self.kept.store(&config.data_dir));
            self.round.ring(&config.survey.hole_command, self.status.in_hole);
        }
    }

    async fn take(&mut self, inputs: &Inputs, stamp: Stamp, seen: Seen) {
        match self.round.holes.entry(seen.link.clone()).or_default().see(seen.gave) {
            Some(Crossing::Entered) => {
                self.kept.holes += 1;
                self.status.holes = self.kept.holes;
            }
            Some(Crossing::Left) => self.round.reacquired(inputs, &seen.link).await,
            None => {}
        }
        if let Some((uplink, outcome, served)) = seen.radio {
            let sample = sample(inputs, stamp, Some(uplink), outcome);
            if served {
                append(&inputs.spool, sample, Urgency::Batched).await;
            } else {
                self.round.hold(inputs, Held { modem: seen.link.clone(), at_mono_ms: stamp.mono_ms, sample }).await;
            }
        }
        // Of one point a modem is shown before a link that has none.
        let of_this = self.status.last.as_ref().is_some_and(|last| last.at_wall_ms == seen.point.at_ms);
        if !of_this || seen.point.modem.is_some() {
            self.status.last = Some(Glance {
                at_wall_ms: seen.point.at_ms,
                network: Some(seen.network),
                rsrp_dbm: seen.point.cell.as_ref().and_then(|cell| cell.rsrp_dbm),
                rtt_us: seen.point.rtt_us,
            });
        }
        note_error(self.journal.append(&Line::Point(Box::new(seen.point)), stamp.mono_ms));
        self.status.points += 1;
    }
}

fn sample(inputs: &Inputs, stamp: Stamp, uplink: Option<Uplink>, outcome: Outcome) -> Sample {
    let mut sample = inputs.stamper.sample(stamp, outcome);
    sample.uplink = uplink.map(Arc::new);
    sample
}

async fn say_echo(inputs: &Inputs, stamp: Stamp, echo: &Echo, facts: &modems::exchange::FactsByInterface) {
    let mut uplink = echo.uplink.clone();
    if let Some(uplink) = &mut uplink {
        if let Some(facts) = facts.get(&uplink.interface) {
            facts.put_on(uplink);
        }
        if let Some(exchange) = &inputs.means.modems {
            let take = |tries: &mut modems::exchange::Tries| {
                tries.take(&uplink.interface, &echo.target, &echo.outcome, stamp.mono_ms);
            };
            exchange.tries.send_modify(take);
        }
    }
    let mut sample = sample(inputs, stamp, uplink, echo.outcome.clone());
    sample.target = Some(Arc::new(echo.target.clone()));
    append(&inputs.spool, sample, Urgency::Batched).await;
}

impl Round {
    /// Of the last point.
    pub fn last_fix(&self) -> Option<Fix> {
        self.last.map(|(fix, _)| fix)
    }

    /// Every modem that is there is read each second, as long as the survey runs.
    fn pace(&mut self, inputs: &Inputs, now: u64) {
        if self.paced_at_mono_ms.is_some_and(|at| now.saturating_sub(at) < EVERY_MS) {
            return;
        }
        self.paced_at_mono_ms = Some(now);
        let picture = inputs.modems.picture.borrow().clone();
        let is_there = |key: &ModemKey| picture.modems.get(key).is_some_and(|state| state.present);
        self.paces.retain(|key, pace| is_there(key) && !pace.is_closed());
        for key in picture.modems.keys().filter(|key| is_there(key)) {
            if self.paces.contains_key(key) {
                continue;
            }
            let (pace, held) = oneshot::channel();
            // Whoever is asked may refuse: the modem then keeps its own pace, and points carry what is fresh.
            let (answer, _) = oneshot::channel();
            let order = modems::Order::Pace { modem: key.clone(), signal_ms: SIGNAL_MS, flow: false, held, answer };
            if inputs.modems.orders.try_send(order).is_ok() {
                self.paces.insert(key.clone(), pace);
            }
        }
    }

    async fn hold(&mut self, inputs: &Inputs, held: Held) {
        if self.held.len() >= HELD
            && let Some(oldest) = self.held.pop_front()
        {
            append(&inputs.spool, oldest.sample, Urgency::Urgent).await;
        }
        self.held.push_back(held);
    }

    /// Writes what waited long enough.
    async fn let_go(&mut self, inputs: &Inputs, until_mono_ms: u64) {
        while let Some(held) = self.held.pop_front_if(|held| held.at_mono_ms <= until_mono_ms) {
            append(&inputs.spool, held.sample, Urgency::Urgent).await;
        }
    }

    /// The modem registered again: what still waits had coverage already.
    async fn reacquired(&mut self, inputs: &Inputs, modem: &str) {
        let (now_served, others): (Vec<Held>, Vec<Held>) = self.held.drain(..).partition(|held| held.modem == modem);
        self.held.extend(others);
        for mut held in now_served {
            if let Outcome::Reading(Reading::Radio(reading)) = &mut held.sample.outcome {
                reading.reacquiring = Some(true);
            }
            append(&inputs.spool, held.sample, Urgency::Urgent).await;
        }
    }

    pub async fn end(&mut self, inputs: &Inputs) {
        self.let_go(inputs, u64::MAX).await;
        self.paces.clear();
    }

    /// Runs the program of the bell, unless the last one still runs.
    fn ring(&mut self, command: &[String], entered: bool) {
        let Some((program, arguments)) = command.split_first() else { return };
        if self.bell.as_ref().is_some_and(|bell| !bell.is_finished()) {
            return;
        }
        let mut command = Command::new(program);
        command.args(arguments).env("PHUSONG_HOLE", if entered { "enter" } else { "leave" }).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        match command.spawn() {
            Ok(mut child) => {
                // It is ended with its handle when it takes too long.
                self.bell =
                    Some(tokio::spawn(async move { drop(tokio::time::timeout(BELL_WITHIN, child.wait()).await) }));
            }
            Err(error) => tracing::warn!(program, %error, "survey.hole_command does not run"),
        }
    }
}
