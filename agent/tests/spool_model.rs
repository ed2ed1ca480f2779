//! The spool against a plain model, under any order of appending, syncing, acknowledging, dropping and dying.
//!
//! The model: every id that was reported durable is, for ever after, on disk, or acknowledged, or named in a drop, or a
//! raw round that a summary on disk or acknowledged stands for. Content never changes, and nothing else ever appears.

mod spool_disk;

use phusong_agent::spool::{Pick, Spool, SpoolConfig, Urgency};
use phusong_protocol::{DropClass, Epoch, Outcome, Ranges, Reading, Sample, decode};
use proptest::prelude::*;
use spool_disk::{FaultyDisk, drain, open, orphans, request, sample, small, summary};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Op {
    Append(usize, bool),
    /// A summary of so many raw rounds that have none yet.
    Summarize(usize),
    Flush,
    /// The next batch is acknowledged, all of it or its first half.
    Ack {
        newest: bool,
        half: bool,
    },
    Housekeep {
        ring_over: bool,
    },
    Quarantine,
    /// The process is killed; the page cache stays.
    Kill,
    PowerCut,
    Close,
    FailSync(u64),
    Room(Option<u64>),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        20 => (0usize..5, prop::bool::weighted(0.2)).prop_map(|(class, urgent)| Op::Append(class, urgent)),
        3 => (1usize..6).prop_map(Op::Summarize),
        5 => Just(Op::Flush),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(newest, half)| Op::Ack { newest, half }),
        2 => any::<bool>().prop_map(|ring_over| Op::Housekeep { ring_over }),
        1 => Just(Op::Quarantine),
        1 => Just(Op::Kill),
        1 => Just(Op::PowerCut),
        1 => Just(Op::Close),
        1 => (1u64..3).prop_map(Op::FailSync),
        1 => prop::option::of(0u64..9_000).prop_map(Op::Room),
    ];
    prop::collection::vec(op, 1..250)
}

struct Model {
    disk: FaultyDisk,
    config: SpoolConfig,
    spool: Spool,
    epoch: u64,
    /// Everything that was appended, by id.
    appended: BTreeMap<(Epoch, u64), Sample>,
    /// Of this epoch, not yet durable for sure.
    waiting: Vec<u64>,
    durable: BTreeMap<Epoch, Ranges>,
    /// Acknowledged, quarantined, named by what was, or named in a drop.
    accounted: BTreeMap<Epoch, Ranges>,
    unsummarized: Vec<u64>,
    quarantined: u64,
    n: u64,
}

impl Model {
    fn new() -> Self {
        let disk = FaultyDisk::default();
        // Far below what a configuration allows, so that segments fill and go all the time.
        let config = SpoolConfig { segment_bytes: 512, max_bytes: 4_096, ring_ms: 1, ..small() };
        let (spool, opened) = open(&disk, &config, 1);
        assert_eq!((opened.prev, opened.start, opened.clean), (None, 1, true));
        Model {
            disk,
            config,
            spool,
            epoch: 1,
            appended: BTreeMap::new(),
            waiting: Vec::new(),
            durable: BTreeMap::new(),
            accounted: BTreeMap::new(),
            unsummarized: Vec::new(),
            quarantined: 0,
            n: 0,
        }
    }

    fn append(&mut self, sample: Sample, urgent: bool) {
        let urgency = if urgent { Urgency::Urgent } else { Urgency::Batched };
        let raw = sample.drop_class() == DropClass::Raw;
        if let Ok(seq) = self.spool.append(sample.clone(), urgency) {
            let id = (Epoch(self.epoch), seq);
            assert!(self.appended.insert(id, Sample { seq, ..sample }).is_none(), "an id was given twice");
            self.waiting.push(seq);
            if raw {
                self.unsummarized.push(seq);
            }
            self.note_durable();
        }
    }

    fn note_durable(&mut self) {
        if !self.spool.has_unsynced() {
            let ranges = self.durable.entry(Epoch(self.epoch)).or_default();
            self.waiting.drain(..).for_each(|seq| ranges.insert(seq, seq));
        }
    }

    fn account(&mut self, epoch: Epoch, ranges: &Ranges) {
        self.accounted.entry(epoch).or_default().union(ranges);
    }

    fn account_for(&mut self, epoch: Epoch, sample: &Sample) {
        self.account(epoch, &Ranges::of(sample.seq, sample.seq));
        self.account_content(sample);
    }

    fn account_content(&mut self, sample: &Sample) {
        match &sample.outcome {
            Outcome::Reading(Reading::Summary(summary)) => {
                self.account(summary.replaces.epoch, &summary.replaces.ranges);
            }
            Outcome::Reading(Reading::Drop(drop)) => self.account(drop.epoch, &drop.ranges),
            _ => {}
        }
    }

    fn take_batch(&mut self, newest: bool, half: bool) -> Option<(Epoch, Ranges)> {
        let pick = if newest { Pick::Newest } else { Pick::Oldest };
        let batch = self.spool.next_batch(&request(pick, Vec::new()))?;
        let samples = decode(&batch.payload).expect("our own payload").samples;
        let count = if half { samples.len().div_ceil(2) } else { samples.len() };
        let seqs: Ranges = samples[..count].iter().map(|sample| sample.seq).collect();
        for sample in &samples[..count] {
            self.check_content(batch.epoch, sample);
            self.account_for(batch.epoch, sample);
        }
        Some((batch.epoch, seqs))
    }

    fn check_content(&self, epoch: Epoch, sample: &Sample) {
        match self.appended.get(&(epoch, sample.seq)) {
            Some(appended) => assert_eq!(appended, sample, "content changed"),
            None => {
                let own = matches!(&sample.outcome, Outcome::Reading(Reading::Drop(_)));
                assert!(own, "nobody appended {epoch} {}", sample.seq);
            }
        }
    }

    fn reopen(&mut self) {
        self.epoch += 1;
        let (spool, opened) = open(&self.disk, &self.config, self.epoch);
        self.spool = spool;
        assert_eq!(u64::from(opened.start), self.epoch);
        let newest = self.durable.iter().rev().find_map(|(epoch, ranges)| Some((*epoch, ranges.last()?)));
        if let Some((epoch, last)) = newest {
            let prev = opened.prev.expect("something was durable");
            assert!((prev.epoch, prev.last_seq) >= (epoch, last), "prev {prev:?} is older than {epoch} {last}");
        }
        self.waiting.clear();
        self.unsummarized.clear();
    }

    fn run(&mut self, op: &Op) {
        self.n += 1;
        match op {
            Op::Append(class, urgent) => self.append(sample(DropClass::ALL[*class], self.n), *urgent),
            Op::Summarize(count) => {
                let count = (*count).min(self.unsummarized.len());
                let ranges = self.unsummarized.drain(..count).collect();
                self.append(summary(Epoch(self.epoch), ranges, self.n), false);
            }
            Op::Flush => {
                let _ = self.spool.flush();
                self.note_durable();
            }
            Op::Ack { newest, half } => {
                if let Some((epoch, seqs)) = self.take_batch(*newest, *half) {
                    self.spool.acked(epoch, &seqs);
                }
            }
            Op::Housekeep { ring_over } => self.spool.housekeep(ring_over.then_some(i64::MAX)),
            Op::Quarantine => {
                if let Some((epoch, seqs)) = self.take_batch(false, true) {
                    self.quarantined += self.spool.quarantine(epoch, &seqs);
                }
            }
            Op::Kill => self.reopen_with_room(),
            Op::PowerCut => {
                self.disk.cut_power();
                self.reopen_with_room();
            }
            Op::Close => {
                let clean = self.spool.close(true).is_ok();
                if clean {
                    let ranges = self.durable.entry(Epoch(self.epoch)).or_default();
                    self.waiting.drain(..).for_each(|seq| ranges.insert(seq, seq));
                }
                self.reopen_with_room();
            }
            Op::FailSync(count) => self.disk.fail_syncs(0, *count),
            Op::Room(spare) => self.disk.set_room(spare.map(|spare| self.disk.used() + spare)),
        }
    }

    /// A start needs a disk that takes its cursor.
    fn reopen_with_room(&mut self) {
        self.disk.set_room(None);
        self.disk.fail_syncs(0, 0);
        self.reopen();
    }

    /// After the last power cut, on a healthy disk: everything is accounted for.
    fn finish(&mut self) {
        self.disk.set_room(None);
        self.disk.fail_syncs(0, 0);
        // Raw rounds may find no room beside evidence; then they stay waiting.
        let _ = self.spool.flush();
        self.note_durable();
        self.disk.cut_power();
        self.reopen();
        self.append(sample(DropClass::Evidence, 0), true);
        self.note_durable();
        let published = drain(&mut self.spool);
        for ((epoch, _), sample) in &published {
            self.check_content(*epoch, sample);
            self.account_for(*epoch, sample);
        }
        for ((epoch, seq), sample) in orphans(&mut self.spool) {
            self.check_content(epoch, &sample);
            self.account(epoch, &Ranges::of(seq, seq));
        }
        for (epoch, durable) in &self.durable {
            let mut missing = durable.clone();
            missing.subtract(self.accounted.get(epoch).unwrap_or(&Ranges::new()));
            assert!(missing.is_empty(), "durable and gone: {epoch} {missing:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: ProptestConfig::default().cases.max(300),
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_every_durable_sample_is_there_or_accounted_for(ops in ops()) {
        let mut model = Model::new();
        for op in &ops {
            model.run(op);
        }
        model.finish();
    }
}
