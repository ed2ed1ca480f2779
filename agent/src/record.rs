//! From outcomes to durable samples: stamps, appends, folds.
//!
//! In: outcomes from everywhere in the agent, raw rounds from the sampler. Out: samples in the spool, and the
//! summaries of the rounds among them. Refuses to know: how anything was measured, MQTT. Limits: [`QUEUE`] rounds
//! wait for the disk, [`PENDING`] summaries for a spool that refuses them; what is left is folded at the next start.

use crate::device::clock::{self, ClockState};
use crate::device::position::Fix;
use crate::spool::{Refused, Urgency};
use crate::spooler::SpoolHandle;
use crate::summary::Summaries;
use phusong_protocol::{BootId, Clock, DropClass, Epoch, Outcome, Reading, Sample, SetupRef};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Rounds that wait for the disk, then the sampler waits.
pub const QUEUE: usize = 256;
/// Summaries that wait for a spool that refuses them.
pub const PENDING: usize = 64;
/// Orphans read at once: about 100 KiB.
const ORPHANS: usize = 500;
/// The longest sleep: the wall clock may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// The clocks when something was tried, and where that was on a probe that moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    pub mono_ms: u64,
    pub wall_ms: i64,
    pub clock: Clock,
    pub fix: Option<Fix>,
}

/// Makes samples of outcomes; every task has its own.
#[derive(Clone)]
pub struct Stamper {
    pub boot_id: BootId,
    pub clock: watch::Receiver<ClockState>,
    /// The set-up in force, by reference.
    pub setup: watch::Receiver<Option<Arc<SetupRef>>>,
    /// Where the probe is, of one that moves.
    pub fix: watch::Receiver<Option<Fix>>,
}

impl Stamper {
    pub fn stamp(&self) -> Stamp {
        self.stamp_at(clock::mono_ms(), clock::wall_ms())
    }

    pub fn stamp_at(&self, mono_ms: u64, wall_ms: i64) -> Stamp {
        // A position that nobody confirmed for a while is no place of a sample.
        let fix = self.fix.borrow().filter(|fix| fix.holds(mono_ms));
        Stamp { mono_ms, wall_ms, clock: self.clock.borrow().at(mono_ms), fix }
    }

    pub fn sample(&self, stamp: Stamp, outcome: Outcome) -> Sample {
        Sample {
            seq: 0,
            boot_id: Some(self.boot_id),
            mono_ms: Some(stamp.mono_ms),
            wall_ms: stamp.wall_ms,
            clock: stamp.clock,
            place: stamp.fix.map(|fix| Arc::new(fix.place(stamp.mono_ms))),
            setup: self.setup.borrow().clone(),
            uplink: None,
            target: None,
            outcome,
        }
    }

    /// A reading of now.
    pub fn reading(&self, reading: Reading) -> Sample {
        self.sample(self.stamp(), Outcome::Reading(reading))
    }
}

/// Puts a sample into the spool; a refusal is logged here and counted by the spool.
pub async fn append(spool: &SpoolHandle, sample: Sample, urgency: Urgency) -> Option<u64> {
    match spool.append(sample, urgency).await {
        Ok(seq) => Some(seq),
        Err(Refused::Closed) => None,
        Err(refused) => {
            tracing::error!(%refused, "a sample was not taken by the spool");
            None
        }
    }
}

/// Spools raw rounds and folds them.
pub struct Recorder {
    spool: SpoolHandle,
    epoch: Epoch,
    summaries: Summaries,
    summary_ms: watch::Receiver<u64>,
    /// Summaries that the spool refused.
    pending: VecDeque<Sample>,
}

impl Recorder {
    pub fn new(spool: SpoolHandle, epoch: Epoch, summary_ms: watch::Receiver<u64>) -> Self {
        let summaries = Summaries::new(*summary_ms.borrow());
        Recorder { spool, epoch, summaries, summary_ms, pending: VecDeque::new() }
    }

    /// Runs until the rounds end, then closes every open window.
    pub async fn run(mut self, mut rounds: mpsc::Receiver<Sample>) {
        self.fold_orphans().await;
        loop {
            let due_ms = self.summaries.next_close_ms().map(|at| at.saturating_sub(clock::wall_ms()).max(0) as u64);
            let sleep = due_ms.map_or(LOOK_AGAIN, Duration::from_millis).min(LOOK_AGAIN);
            tokio::select! {
                round = rounds.recv() => match round {
                    Some(sample) => self.take(sample).await,
                    None => break,
                },
                Ok(()) = self.summary_ms.changed() => {
                    self.close_all().await;
                    self.summaries = Summaries::new(*self.summary_ms.borrow_and_update());
                }
                () = tokio::time::sleep(sleep) => {}
            }
            let ended = self.summaries.take_ended(clock::wall_ms());
            self.store(ended).await;
        }
        self.close_all().await;
    }

    /// A round is folded only once the spool has it: a summary never stands for what was never stored.
    async fn take(&mut self, mut sample: Sample) {
        let raw = sample.drop_class() == DropClass::Raw;
        let kept = raw.then(|| sample.clone());
        sample.seq = 0;
        if let (Some(seq), Some(mut kept)) = (append(&self.spool, sample, Urgency::Batched).await, kept) {
            kept.seq = seq;
            self.summaries.add(self.epoch, &kept);
        }
    }

    async fn close_all(&mut self) {
        let all = self.summaries.take_all();
        self.store(all).await;
    }

    async fn store(&mut self, summaries: Vec<Sample>) {
        self.pending.extend(summaries);
        while let Some(summary) = self.pending.front() {
            match self.spool.append(summary.clone(), Urgency::Batched).await {
                // A summary that breaks a rule will never be taken.
                Ok(_) | Err(Refused::Invalid(_) | Refused::Oversize { .. }) => drop(self.pending.pop_front()),
                Err(Refused::Full | Refused::Closed) => break,
            }
        }
        while self.pending.len() > PENDING {
            // Its rounds are still in the spool as orphans.
            self.pending.pop_front();
            tracing::warn!("the spool takes no summaries; the rounds of one are folded at the next start");
        }
    }

    /// Folds what a start before this one measured and could not summarise any more.
    async fn fold_orphans(&mut self) {
        let mut after = None;
        let mut folded = 0;
        let mut open: Option<(Epoch, Summaries)> = None;
        while let Some(chunk) = self.spool.orphans(after, ORPHANS).await {
            let Some(last) = chunk.samples.last() else { break };
            after = Some((chunk.epoch, last.seq));
            folded += chunk.samples.len();
            if open.as_ref().is_some_and(|(epoch, _)| *epoch != chunk.epoch)
                && let Some((_, mut done)) = open.take()
            {
                self.store(done.take_all()).await;
            }
            let summary_ms = *self.summary_ms.borrow();
            let (_, summaries) = open.get_or_insert_with(|| (chunk.epoch, Summaries::new(summary_ms)));
            for sample in &chunk.samples {
                summaries.add(chunk.epoch, sample);
            }
            let ended = summaries.take_ended(last.wall_ms);
            self.store(ended).await;
        }
        if let Some((_, mut done)) = open {
            self.store(done.take_all()).await;
        }
        if folded > 0 {
            tracing::info!(rounds = folded, "folded the rounds that an earlier start left without a summary");
        }
    }
}
