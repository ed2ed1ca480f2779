//! A probe without a device: the agent's spool, summaries and start-up over a simulated disk, under a virtual clock.
//!
//! In: outcomes of rounds, the time, power cuts. Out: batches, as the publisher would take them. It does what the
//! agent's wiring does, in the same order: `boot` sample first, orphans of earlier epochs folded, every raw round
//! given to the summaries once the spool has it, summaries appended when their window has ended.
//! Refuses to know: MQTT, the collector. Limits: when the power is gone every call does nothing until the next start.

use super::account::{Created, Id};
use crate::sim_disk::SimDisk;
use phusong_agent::spool::{BatchRequest, OpenError, Opened, OutBatch, Pick, Spool, SpoolConfig, Start, Urgency};
use phusong_agent::summary::Summaries;
use phusong_protocol::{
    AckMessage, BootId, BootReading, Clock, Epoch, HealthReading, Outcome, ProbeId, Ranges, Reading, Sample, Target,
    Uplink, limits,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// As many orphans as the agent takes at once.
const ORPHANS: usize = 256;

pub struct SimProbe {
    pub disk: SimDisk,
    pub id: ProbeId,
    config: SpoolConfig,
    summary_ms: u64,
    random: fastrand::Rng,
    running: Option<Running>,
    /// Every start so far: its epoch, and what the spool said of the one before.
    pub starts: Vec<(Epoch, Opened)>,
    /// Every record that the spool took, durable or not.
    pub taken: BTreeMap<Id, Vec<u8>>,
}

struct Running {
    spool: Spool,
    epoch: Epoch,
    boot_id: BootId,
    booted_ms: i64,
    summaries: Summaries,
    sync_at_ms: Option<i64>,
}

impl SimProbe {
    pub fn new(disk: SimDisk, config: SpoolConfig, summary_ms: u64, seed: u64) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        let id = "simulated".parse().expect("letters only");
        SimProbe { disk, id, config, summary_ms, random, running: None, starts: Vec::new(), taken: BTreeMap::new() }
    }

    /// Starts the agent on a freshly booted device. False when the power went meanwhile.
    pub fn start(&mut self, now_ms: i64) -> Result<bool, OpenError> {
        self.disk.evict_failed();
        let epoch = Epoch(self.random.u64(1..));
        let boot_id = BootId(self.random.u128(..).to_be_bytes());
        let start = Start { epoch, boot_id: Some(boot_id), probe: self.id.clone() };
        let (spool, opened) = match Spool::open(Box::new(self.disk.clone()), self.config.clone(), start) {
            Ok(opened) => opened,
            Err(_) if self.disk.is_dark() => return Ok(false),
            Err(e) => return Err(e),
        };
        let summaries = Summaries::new(self.summary_ms);
        self.running = Some(Running { spool, epoch, boot_id, booted_ms: now_ms, summaries, sync_at_ms: None });
        self.starts.push((epoch, opened));
        let boot = BootReading {
            prev: opened.prev,
            start: opened.start,
            clean: opened.clean,
            same_boot: opened.same_boot,
            version: "simulated".into(),
            period_ms: None,
        };
        self.append(now_ms, None, Outcome::Reading(Reading::Boot(boot)), Urgency::Urgent);
        self.fold_orphans(now_ms);
        Ok(self.has_power())
    }

    /// One round against a target came out.
    pub fn measured(&mut self, now_ms: i64, target: &Arc<Target>, outcome: Outcome) {
        self.append(now_ms, Some(target), outcome, Urgency::Batched);
        self.has_power();
    }

    pub fn health(&mut self, now_ms: i64) {
        let Some(running) = &self.running else { return };
        let status = running.spool.status();
        let health = HealthReading {
            uptime_s: ((now_ms - running.booted_ms) / 1_000) as u32,
            spool_samples: status.waiting(),
            spool_bytes: status.bytes,
            spool_bound_bytes: status.max_bytes,
            ..HealthReading::default()
        };
        self.append(now_ms, None, Outcome::Reading(Reading::Health(health)), Urgency::Batched);
        self.has_power();
    }

    /// When [`SimProbe::tick`] has something to do.
    pub fn next_tick_ms(&self) -> Option<i64> {
        let running = self.running.as_ref()?;
        running.sync_at_ms.into_iter().chain(running.summaries.next_close_ms()).min()
    }

    /// Closes windows and syncs, where it is time.
    pub fn tick(&mut self, now_ms: i64) {
        let Some(running) = &mut self.running else { return };
        for summary in running.summaries.take_ended(now_ms) {
            running.append(summary, Urgency::Batched, &mut self.taken);
        }
        if running.sync_at_ms.is_some_and(|at| at <= now_ms) {
            running.flush();
        }
        running.plan_sync(now_ms, self.config.sync_interval_ms);
        self.has_power();
    }

    /// Makes everything durable at once.
    pub fn flush(&mut self) {
        if let Some(running) = &mut self.running {
            running.flush();
        }
        self.has_power();
    }

    pub fn housekeep(&mut self, now_ms: i64) {
        if let Some(running) = &mut self.running {
            running.spool.housekeep(Some(now_ms));
        }
        self.has_power();
    }

    /// SIGTERM.
    pub fn stop(&mut self) {
        let Some(running) = &mut self.running else { return };
        for summary in running.summaries.take_all() {
            running.append(summary, Urgency::Batched, &mut self.taken);
        }
        // A disk that fails now has its samples in memory only: they were never durable.
        let _ = running.spool.close(true);
        self.running = None;
    }

    /// kill -9: what the agent had in memory is gone, what it had written is still in the cache. A spool that is dropped
    /// must not save anything more: the power is taken away while it goes.
    pub fn kill(&mut self) {
        self.disk.lose_power();
        self.running = None;
        self.disk.regain_power();
    }

    /// The power is gone and back; the agent does not run.
    pub fn power_cut(&mut self) {
        // First, so that nothing can be saved on the way out.
        self.disk.lose_power();
        self.running = None;
        let mut random = self.random.fork();
        self.disk.power_cut(&mut random);
    }

    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// The next batch, leaving out what `skip` names.
    pub fn next_batch(&mut self, pick: Pick, skip: &[(Epoch, Ranges)]) -> Option<OutBatch> {
        let request = BatchRequest { pick, max_bytes: limits::BATCH_BYTES, skip: skip.to_vec() };
        let batch = self.running.as_mut().and_then(|running| running.spool.next_batch(&request));
        self.has_power();
        batch
    }

    /// What the collector answered.
    pub fn acked(&mut self, message: &AckMessage) {
        if let Some(running) = &mut self.running {
            phusong_agent::spool::settled_by(message).for_each(|(epoch, ranges)| running.spool.acked(epoch, ranges));
        }
        self.has_power();
    }

    /// Hands every batch to `collector` until nothing is left, or until it answers nothing.
    pub fn deliver<E>(&mut self, mut collector: impl FnMut(&OutBatch) -> Result<AckMessage, E>) -> Result<u64, E> {
        let mut batches = 0;
        while let Some(batch) = self.next_batch(Pick::Oldest, &[]) {
            let answer = collector(&batch)?;
            self.acked(&answer);
            batches += 1;
        }
        Ok(batches)
    }

    /// Every sample whose sync returned.
    pub fn created(&self) -> Created {
        self.disk.witnessed()
    }

    /// What is wrong with the chain of epochs: each start must name the last durable id before it.
    pub fn chain_faults(&self) -> Vec<String> {
        let created = self.created();
        let last = |epoch: Epoch| created.range((epoch, 0)..=(epoch, u64::MAX)).next_back().map(|(id, _)| id.1);
        let mut faults = Vec::new();
        for (i, (epoch, opened)) in self.starts.iter().enumerate() {
            let before = &self.starts[..i];
            let named = opened.prev.map(|prev| before.iter().position(|(e, _)| *e == prev.epoch));
            let skipped = match named {
                Some(None) => {
                    faults.push(format!("start {i} ({epoch}) names {:?}, which never ran", opened.prev));
                    continue;
                }
                Some(Some(at)) => &before[at + 1..],
                None => before,
            };
            let missed = skipped.iter().find(|(e, _)| last(*e).is_some());
            missed
                .iter()
                .for_each(|(e, _)| faults.push(format!("start {i} names {:?}, not {e} after it", opened.prev)));
            if let Some(prev) = opened.prev.filter(|prev| last(prev.epoch).is_some_and(|seq| seq > prev.last_seq)) {
                faults.push(format!("start {i} names {prev:?}, but {:?} was durable", last(prev.epoch)));
            }
        }
        faults
    }

    /// Raw rounds of earlier starts that nothing stands for yet.
    pub fn orphans(&mut self) -> Vec<(Epoch, Sample)> {
        let mut found = Vec::new();
        let mut after = None;
        while let Some(chunk) = self.running.as_mut().and_then(|r| r.spool.orphans(after, ORPHANS)) {
            after = chunk.samples.last().map(|sample| (chunk.epoch, sample.seq));
            found.extend(chunk.samples.into_iter().map(|sample| (chunk.epoch, sample)));
        }
        found
    }

    fn fold_orphans(&mut self, now_ms: i64) {
        let orphans = self.orphans();
        let Some(running) = &mut self.running else { return };
        let mut folded = Summaries::new(self.summary_ms);
        orphans.iter().for_each(|(epoch, sample)| folded.add(*epoch, sample));
        for summary in folded.take_all() {
            running.append(summary, Urgency::Batched, &mut self.taken);
        }
        running.plan_sync(now_ms, self.config.sync_interval_ms);
    }

    fn append(&mut self, now_ms: i64, target: Option<&Arc<Target>>, outcome: Outcome, urgency: Urgency) {
        let Some(running) = &mut self.running else { return };
        let sample = running.sample(now_ms, target, outcome);
        running.append(sample, urgency, &mut self.taken);
        running.plan_sync(now_ms, self.config.sync_interval_ms);
    }

    /// Lets go of a running agent whose power went.
    fn has_power(&mut self) -> bool {
        if self.disk.is_dark() {
            self.running = None;
        }
        self.running.is_some()
    }
}

impl Running {
    /// A refused sample got no seq and was never durable: there is nothing to account for.
    fn append(&mut self, mut sample: Sample, urgency: Urgency, taken: &mut BTreeMap<Id, Vec<u8>>) {
        if let Ok(seq) = self.spool.append(sample.clone(), urgency) {
            sample.seq = seq;
            taken.insert((self.epoch, seq), sample.to_record());
            self.summaries.add(self.epoch, &sample);
        }
    }

    /// A failed flush keeps its samples in memory for the next one.
    fn flush(&mut self) {
        self.sync_at_ms = None;
        let _ = self.spool.flush();
    }

    fn plan_sync(&mut self, now_ms: i64, interval_ms: u64) {
        if self.sync_at_ms.is_none() && self.spool.has_unsynced() {
            self.sync_at_ms = Some(now_ms + interval_ms as i64);
        }
    }

    fn sample(&self, now_ms: i64, target: Option<&Arc<Target>>, outcome: Outcome) -> Sample {
        let uplink = Uplink {
            interface: "wwan0".into(),
            provider: None,
            sim_plmn: Some("452-04".into()),
            serving_plmn: None,
            roaming: None,
            service_state: None,
            technology: None,
            rrc: None,
            self_load: None,
        };
        let mono_ms = (now_ms - self.booted_ms).max(0) as u64;
        Sample {
            seq: 0,
            boot_id: Some(self.boot_id),
            mono_ms: Some(mono_ms),
            wall_ms: now_ms,
            clock: Clock { synced: true, age_s: Some((mono_ms / 1_000) as u32) },
            place: None,
            setup: None,
            uplink: target.map(|_| Arc::new(uplink)),
            target: target.cloned(),
            outcome,
        }
    }
}
