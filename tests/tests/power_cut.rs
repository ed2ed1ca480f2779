//! The spool on a simulated disk under random work, power cuts, full disks and failing fsyncs: nothing durable is lost,
//! nothing comes back that was never taken, and each start names the last durable id before it.

use phusong_agent::spool::{OutBatch, Pick, SpoolConfig};
use phusong_protocol::{
    Ack, AckMessage, AckResult, Attempt, Failure, FailureKind, LatencyReading, Outcome, Ranges, Reading, ReadingKind,
    Sample, Tag, Target,
};
use phusong_tests::faults::account::{Account, Content, Held};
use phusong_tests::faults::sim_probe::SimProbe;
use phusong_tests::sim_disk::{SimDisk, SyncMode};
use proptest::prelude::*;
use std::sync::Arc;

const SUMMARY_MS: u64 = 60_000;

#[derive(Debug, Clone)]
enum Step {
    /// Rounds that succeed, then one that fails.
    Measure(u8),
    Health,
    Wait(u16),
    Flush,
    /// Batches go out; the answer to the last one may be lost.
    Deliver {
        batches: u8,
        newest: bool,
        last_ack_lost: bool,
    },
    Housekeep,
    /// The power goes after so many more changes of the disk.
    Arm(u8),
    /// The power goes now.
    Cut,
    /// SIGTERM and a new start.
    Restart,
    /// kill -9 and a new start: the cache survives.
    Kill,
    /// The disk has only so many bytes more, until there is room again.
    Fill(u16),
    Room,
    /// The next syncs fail.
    SyncFails,
    SyncWorks,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0u8..20).prop_map(Step::Measure),
        1 => Just(Step::Health),
        4 => (0u16..40_000).prop_map(Step::Wait),
        3 => Just(Step::Flush),
        3 => (1u8..5, any::<bool>(), any::<bool>())
            .prop_map(|(batches, newest, last_ack_lost)| Step::Deliver { batches, newest, last_ack_lost }),
        1 => Just(Step::Housekeep),
        2 => (0u8..16).prop_map(Step::Arm),
        1 => Just(Step::Cut),
        1 => Just(Step::Restart),
        1 => Just(Step::Kill),
    ]
}

fn step_of_a_bad_disk() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => step(),
        1 => (0u16..6_000).prop_map(Step::Fill),
        2 => Just(Step::Room),
        1 => Just(Step::SyncFails),
        2 => Just(Step::SyncWorks),
    ]
}

/// A collector in memory: keeps what it reads, notices what cannot be.
#[derive(Default)]
struct Collector {
    held: Held,
    wrong: Vec<String>,
}

impl Collector {
    fn take(&mut self, batch: &OutBatch) -> AckMessage {
        let decoded = phusong_protocol::decode(&batch.payload).expect("the spool sends what decodes");
        let seqs: Ranges = decoded.samples.iter().map(|sample| sample.seq).collect();
        if seqs != batch.seqs || decoded.epoch != batch.epoch || !decoded.bad.is_empty() {
            self.wrong.push(format!("a batch says {:?} of {}, its payload {seqs:?}", batch.seqs, batch.epoch));
        }
        for sample in decoded.samples {
            let content = Content::of(&sample);
            let known = self.held.samples.insert((decoded.epoch, sample.seq), content.clone());
            if known.is_some_and(|known| known != content) {
                self.wrong.push(format!("{}/{} came with another content", decoded.epoch, sample.seq));
            }
        }
        AckMessage::new(vec![Ack::ranges(AckResult::Stored, batch.epoch, seqs)])
    }
}

struct Trial {
    probe: SimProbe,
    collector: Collector,
    now_ms: i64,
    target: Arc<Target>,
}

impl Trial {
    fn new(config: SpoolConfig, seed: u64) -> Self {
        let target = Target { name: "a".into(), host: "a.example".into(), address: None, tags: vec![Tag::Domestic] };
        let mut probe = SimProbe::new(SimDisk::new(), config, SUMMARY_MS, seed);
        let now_ms = 1_790_000_000_000;
        assert!(probe.start(now_ms).expect("an empty disk"), "the power is there");
        Trial { probe, collector: Collector::default(), now_ms, target: Arc::new(target) }
    }

    fn step(&mut self, step: &Step) {
        let disk = self.probe.disk.clone();
        match step {
            Step::Measure(rounds) => self.measure(*rounds),
            Step::Health => self.probe.health(self.now_ms),
            Step::Wait(ms) => {
                self.now_ms += i64::from(*ms);
                self.probe.tick(self.now_ms);
            }
            Step::Flush => self.probe.flush(),
            Step::Deliver { batches, newest, last_ack_lost } => self.deliver(*batches, *newest, *last_ack_lost),
            Step::Housekeep => self.probe.housekeep(self.now_ms),
            Step::Arm(changes) => disk.arm(u64::from(*changes)),
            Step::Cut => disk.lose_power(),
            Step::Restart => {
                self.probe.stop();
                self.start();
            }
            Step::Kill => {
                self.probe.kill();
                self.start();
            }
            Step::Fill(more) => disk.set_room(Some(disk.used() + u64::from(*more))),
            Step::Room => disk.set_room(None),
            Step::SyncFails => disk.set_sync(SyncMode::Fails),
            Step::SyncWorks => disk.set_sync(SyncMode::Honest),
        }
        if disk.is_dark() {
            self.probe.power_cut();
            self.start();
        }
    }

    fn measure(&mut self, rounds: u8) {
        for i in 0..rounds {
            self.now_ms += 900;
            let reading = LatencyReading { sent: 1, rtt_us: vec![1_000 + u32::from(i)], lost: Vec::new() };
            self.probe.measured(self.now_ms, &self.target, Outcome::Reading(Reading::Latency(reading)));
        }
        let failure =
            Failure { of: Attempt::Latency, kind: FailureKind::Timeout, detail: None, sent: Some(1), elapsed_us: None };
        self.probe.measured(self.now_ms, &self.target, Outcome::Failure(failure));
        self.probe.tick(self.now_ms);
    }

    fn deliver(&mut self, batches: u8, newest: bool, last_ack_lost: bool) {
        for i in 1..=batches {
            let pick = if newest { Pick::Newest } else { Pick::Oldest };
            let Some(batch) = self.probe.next_batch(pick, &[]) else { return };
            let answer = self.collector.take(&batch);
            if i < batches || !last_ack_lost {
                self.probe.acked(&answer);
            }
        }
    }

    /// Boots until the power stays; a disk that is full or fails may keep the agent from starting.
    fn start(&mut self) {
        self.now_ms += 1_000;
        match self.probe.start(self.now_ms) {
            Ok(true) | Err(_) => {}
            Ok(false) => {
                self.probe.power_cut();
                self.start();
            }
        }
    }

    /// With a good disk again: the last power cut, everything folded, everything delivered.
    fn end(mut self) -> (Account, Vec<String>) {
        let disk = self.probe.disk.clone();
        disk.set_room(None);
        disk.set_sync(SyncMode::Honest);
        self.probe.power_cut();
        self.start();
        self.probe.stop();
        self.start();
        self.probe.flush();
        let collector = &mut self.collector;
        self.probe
            .deliver(|batch| Ok::<_, std::convert::Infallible>(collector.take(batch)))
            .expect("it always answers");
        let mut wrong = std::mem::take(&mut self.collector.wrong);
        wrong.extend(self.probe.chain_faults());
        // The spool makes its drops itself.
        let drops = ReadingKind::Drop.code();
        let ghosts = self.collector.held.samples.iter().filter(|(id, content)| match self.probe.taken.get(id) {
            Some(record) => Sample::from_record(record).map(|s| Content::of(&s)).as_ref() != Ok(content),
            None => content.kind != drops,
        });
        wrong.extend(ghosts.map(|((epoch, seq), _)| format!("{epoch}/{seq} was never taken as it came")));
        (Account::of(&self.probe.created(), &self.collector.held), wrong)
    }
}

fn check(config: SpoolConfig, seed: u64, steps: &[Step]) -> Result<(), TestCaseError> {
    let may_drop = config.max_bytes < 1024 * 1024;
    let mut trial = Trial::new(config, seed);
    for step in steps {
        trial.step(step);
    }
    let bad_disk = steps.iter().any(|step| matches!(step, Step::Fill(_)));
    let (account, wrong) = trial.end();
    prop_assert!(account.is_sound(may_drop || bad_disk), "{account:#?}");
    prop_assert_eq!(account.unwitnessed, 0, "published before it was durable: {:?}", account.examples);
    prop_assert!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

fn roomy() -> SpoolConfig {
    SpoolConfig { segment_bytes: 4_096, ..SpoolConfig::default() }
}

fn tiny() -> SpoolConfig {
    SpoolConfig { segment_bytes: 4_096, max_bytes: 24 * 1_024, ..SpoolConfig::default() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn power_cuts_lose_nothing_that_was_durable(seed: u64, steps in prop::collection::vec(step(), 1..60)) {
        check(roomy(), seed, &steps)?;
    }

    #[test]
    fn a_full_spool_loses_nothing_that_it_does_not_confess(seed: u64, steps in prop::collection::vec(step(), 1..120)) {
        check(tiny(), seed, &steps)?;
    }

    #[test]
    fn full_disks_and_failing_syncs_lose_nothing_that_was_durable(
        seed: u64, steps in prop::collection::vec(step_of_a_bad_disk(), 1..80),
    ) {
        check(roomy(), seed, &steps)?;
    }
}
