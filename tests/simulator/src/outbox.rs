//! What waits in a probe's spool to be sent, and how it goes out.
//!
//! In: samples in the order of their `seq`. Out: [`Delivery`]s, one batch each, as `docs/wire.md` has it: of four sends one
//! is the newest data and three are backlog. Refuses to know: acknowledgements; a batch that went out is taken as
//! stored, and now and then goes out again all the same. Limits: 1,000 samples and 64 KiB a batch; the queue is as long as
//! the longest silence.

use crate::script::Script;
use fastrand::Rng;
use phusong_protocol::{Channel, Epoch, ProbeId, Sample, SiteId, Topic, encode_batch, limits};
use std::collections::VecDeque;

/// Of this many sends one is the newest data.
const NEWEST_EVERY: u64 = 4;
const NEWEST: usize = 200;
/// One in so many batches comes twice, one in so many comes late.
const TWICE: u32 = 300;
const LATE: u32 = 150;

/// One message as a broker hands it on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub received_ms: i64,
    pub topic: String,
    pub probe: ProbeId,
    pub payload: Vec<u8>,
}

/// The samples of one epoch that wait, each with the time at which it was made.
struct Queue {
    epoch: Epoch,
    samples: VecDeque<Sample>,
    made_ms: VecDeque<i64>,
}

pub struct Outbox {
    probe: ProbeId,
    topic: String,
    rng: Rng,
    queues: VecDeque<Queue>,
    sends: u64,
}

impl Outbox {
    pub fn new(site: &SiteId, probe: &ProbeId, seed: u64) -> Self {
        Outbox {
            topic: Topic::new(site, probe, Channel::Batch).to_string(),
            probe: probe.clone(),
            rng: Rng::with_seed(seed),
            queues: VecDeque::new(),
            sends: 0,
        }
    }

    pub fn push(&mut self, epoch: Epoch, made_ms: i64, sample: Sample) {
        if self.queues.back().is_none_or(|queue| queue.epoch != epoch) {
            self.queues.push_back(Queue { epoch, samples: VecDeque::new(), made_ms: VecDeque::new() });
        }
        let queue = self.queues.back_mut().expect("just pushed");
        queue.samples.push_back(sample);
        queue.made_ms.push_back(made_ms);
    }

    pub fn waiting(&self) -> usize {
        self.queues.iter().map(|queue| queue.samples.len()).sum()
    }

    /// Forgets what was made after `durable_ms`; how many that was.
    pub fn lose_after(&mut self, durable_ms: i64) -> u64 {
        let Some(queue) = self.queues.back_mut() else { return 0 };
        let keep = queue.made_ms.partition_point(|made| *made <= durable_ms);
        let lost = queue.made_ms.len() - keep;
        queue.samples.truncate(keep);
        queue.made_ms.truncate(keep);
        lost as u64
    }

    /// Sends everything that was made by `durable_ms`, one batch after the other.
    pub fn send(&mut self, now_ms: i64, durable_ms: i64, script: &Script, out: &mut Vec<Delivery>) {
        let mut sent_ms = now_ms;
        while let Some(payload) = self.next_batch(durable_ms) {
            let mut received_ms = sent_ms + self.rng.i64(30..400);
            if self.rng.u32(0..LATE) == 0 {
                received_ms += self.rng.i64(500..20_000);
            }
            let twice = self.rng.u32(0..TWICE) == 0;
            for again in 0..=i64::from(twice) {
                let meant_ms = received_ms + again * self.rng.i64(15_000..45_000);
                let open_ms = script.path_open_ms(meant_ms);
                // What is on its way when the way ends comes again once it is back.
                let waits_ms = if open_ms == meant_ms { 0 } else { self.rng.i64(5_000..60_000) };
                out.push(Delivery {
                    received_ms: open_ms + waits_ms,
                    topic: self.topic.clone(),
                    probe: self.probe.clone(),
                    payload: payload.clone(),
                });
            }
            sent_ms += self.rng.i64(40..250);
        }
    }

    fn next_batch(&mut self, durable_ms: i64) -> Option<Vec<u8>> {
        let durable = |queue: &Queue| queue.made_ms.partition_point(|made| *made <= durable_ms);
        self.queues.retain(|queue| !queue.samples.is_empty());
        let newest = self.sends % NEWEST_EVERY == NEWEST_EVERY - 1;
        let mut candidates = self.queues.iter().enumerate().filter(|(_, queue)| durable(queue) > 0);
        let chosen = if newest { candidates.next_back() } else { candidates.next() };
        let (at, ready) = chosen.map(|(at, queue)| (at, durable(queue)))?;
        self.sends += 1;
        let queue = &mut self.queues[at];
        let from = if newest { ready.saturating_sub(NEWEST) } else { 0 };
        let mut count = (ready - from).min(limits::BATCH_SAMPLES);
        let part: Vec<Sample> = queue.samples.drain(from..from + count).collect();
        let fits = |count: usize| if newest { part.len() - count..part.len() } else { 0..count };
        let payload = loop {
            let payload = encode_batch(&self.probe, queue.epoch, &part[fits(count)]);
            if payload.len() <= limits::BATCH_BYTES || count == 1 {
                break payload;
            }
            count = (count * limits::BATCH_BYTES / payload.len() * 9 / 10).clamp(1, count - 1);
        };
        let sent = fits(count);
        queue.made_ms.drain(from + sent.start..from + sent.end);
        // What did not fit goes back to where it was.
        let back = part.into_iter().enumerate().filter(|(nth, _)| !sent.contains(nth));
        for (at, (_, sample)) in back.enumerate() {
            queue.samples.insert(from + at, sample);
        }
        Some(payload)
    }
}
