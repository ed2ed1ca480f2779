//! From a target on loopback to durable samples: sampler, recorder and spool together, without a broker.

use phusong_agent::attempt::Means;
use phusong_agent::config::Config;
use phusong_agent::disk::DiskError;
use phusong_agent::plan::Plan;
use phusong_agent::publish::WallClock;
use phusong_agent::record::{QUEUE, Recorder};
use phusong_agent::sampler::{Order, Sampler};
use phusong_agent::spool::{BatchRequest, OpenError, Pick};
use phusong_agent::start::{StartError, Started};
use phusong_protocol::{
    Attempt, DropClass, Epoch, FailureKind, Outcome, Ranges, Reading, Sample, SummaryReading, decode, limits,
};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

struct Lab {
    dir: PathBuf,
    config: Config,
    /// Keeps the open port open.
    _listener: TcpListener,
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// One target that answers and one that refuses, each ten times a second; windows of a second.
fn lab(name: &str) -> Lab {
    let dir = std::env::temp_dir().join(format!("phusong-sampling-{name}-{}", std::process::id()));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let open = listener.local_addr().expect("bound").port();
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let target = |name: &str, port: u16| {
        format!("[[target]]\nname = \"{name}\"\nkind = \"tcp\"\nhost = \"127.0.0.1\"\nport = {port}\nperiod_ms = 100\n")
    };
    let text = format!(
        "site = \"lab\"\nprobe = \"p1\"\ndata_dir = {dir:?}\n[spool]\nsync_interval_ms = 20\n\
         [schedule]\nsummary_ms = 1000\n[setup]\nenvironment = \"indoor\"\n\
         [[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n{}{}",
        target("open", open),
        target("closed", closed)
    );
    let config = Config::parse("lab", &text).expect("a good file");
    Lab { dir, config, _listener: listener }
}

struct Running {
    started: Started,
    sampler: JoinHandle<()>,
    recorder: JoinHandle<()>,
    orders: mpsc::Sender<Order>,
    _summary_ms: watch::Sender<u64>,
}

/// The lock of a spool that was shut down goes a moment after its answer.
async fn begin(config: &Config) -> Started {
    let open = async {
        loop {
            match Started::begin(config.clone()).await {
                Err(StartError::Spool(OpenError::Disk(DiskError::Locked { .. }))) => tokio::task::yield_now().await,
                result => return result.expect("the spool opens"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, open).await.expect("in time")
}

async fn start(config: &Config) -> Running {
    let started = begin(config).await;
    let (orders, inbox) = mpsc::channel(8);
    let (rounds, spooled) = mpsc::channel(QUEUE);
    let summary_ms = watch::Sender::new(config.schedule.summary_ms);
    let sampler = Sampler::new(Plan::of(config), started.stamper.clone(), Arc::default());
    let recorder = Recorder::new(started.spool.clone(), started.epoch, summary_ms.subscribe());
    let (sampler, recorder) = (tokio::spawn(sampler.run(inbox, rounds)), tokio::spawn(recorder.run(spooled)));
    Running { started, sampler, recorder, orders, _summary_ms: summary_ms }
}

impl Running {
    /// Waits until so many samples of the class are on disk.
    async fn held(&self, class: DropClass, at_least: u64) {
        let mut durable = self.started.spool.durable();
        let wait = async {
            loop {
                let status = self.started.spool.status().await.expect("it runs");
                if status.classes.iter().any(|c| c.class == class && c.held >= at_least) {
                    return;
                }
                durable.changed().await.expect("it runs");
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("in time");
    }

    /// Waits until every round of earlier starts is named by a summary on disk.
    async fn orphans_folded(&self) {
        let mut durable = self.started.spool.durable();
        let wait = async {
            while self.started.spool.orphans(None, 10).await.is_some() {
                durable.changed().await.expect("it runs");
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("in time");
    }

    /// Everything that would be published, oldest first.
    async fn published(&self) -> Vec<(Epoch, Sample)> {
        self.started.spool.flush().await.expect("the disk is good");
        let mut samples = Vec::new();
        let mut skip: Vec<(Epoch, Ranges)> = Vec::new();
        loop {
            let request = BatchRequest { pick: Pick::Oldest, max_bytes: limits::BATCH_BYTES, skip: skip.clone() };
            let Some(batch) = self.started.spool.next_batch(request).await else { return samples };
            let decoded = decode(&batch.payload).expect("a batch of ours");
            assert_eq!(decoded.bad, []);
            samples.extend(decoded.samples.into_iter().map(|sample| (batch.epoch, sample)));
            skip.push((batch.epoch, batch.seqs));
        }
    }

    /// An end in order of everything but the publisher, which there is none of.
    async fn end(self) -> Started {
        drop(self.orders);
        let ended = async {
            self.sampler.await.expect("no panic");
            self.recorder.await.expect("no panic");
        };
        tokio::time::timeout(PATIENCE, ended).await.expect("in time");
        self.started
    }
}

fn summaries(samples: &[(Epoch, Sample)]) -> Vec<(&Sample, &SummaryReading)> {
    let of = |sample| match sample {
        &Sample { outcome: Outcome::Reading(Reading::Summary(ref summary)), .. } => Some(summary),
        _ => None,
    };
    samples.iter().filter_map(|(_, sample)| Some((sample, of(sample)?))).collect()
}

#[tokio::test]
async fn rounds_become_summaries_that_name_them_and_failures_stand_beside() {
    let lab = lab("rounds");
    let running = start(&lab.config).await;
    running.held(DropClass::Raw, 5).await;
    running.held(DropClass::Summary, 1).await;
    running.held(DropClass::Evidence, 5).await;
    let samples = running.published().await;

    let (epoch, first) = &samples[0];
    let Outcome::Reading(Reading::Boot(boot)) = &first.outcome else { panic!("the first sample is {first:?}") };
    assert_eq!((boot.prev, boot.start, boot.clean, boot.period_ms), (None, 1, true, Some(100)));
    assert!(first.setup.as_ref().is_some_and(|setup| setup.full.is_some()), "the whole set-up comes first");
    assert!(samples.iter().skip(1).all(|(e, s)| e == epoch && s.setup.as_ref().is_some_and(|r| r.full.is_none())));

    let failures: Vec<_> = samples
        .iter()
        .filter_map(|(_, s)| match &s.outcome {
            Outcome::Failure(failure) => Some((s, failure)),
            Outcome::Reading(_) => None,
        })
        .collect();
    assert!(failures.len() >= 4);
    for (sample, failure) in failures {
        assert_eq!((failure.of, failure.kind, failure.sent), (Attempt::Tcp, FailureKind::Refused, Some(1)));
        let target = sample.target.as_ref().expect("a target");
        assert_eq!((target.name.as_str(), target.address), ("closed", Some([127, 0, 0, 1].into())));
        assert!(failure.elapsed_us.is_some());
    }
    let found = summaries(&samples);
    assert!(!found.is_empty());
    let mut replaced = Ranges::new();
    for (sample, summary) in &found {
        assert_eq!(sample.target.as_ref().map(|t| t.name.as_str()), Some("open"));
        assert_eq!(u64::from(summary.rounds), summary.replaces.ranges.count());
        assert!(summary.replaces.ranges.iter().all(|(first, last)| !(first..=last).any(|n| replaced.contains(n))));
        replaced.union(&summary.replaces.ranges);
        assert!(summary.first_mono_ms <= summary.last_mono_ms && sample.mono_ms == Some(summary.last_mono_ms));
    }
    // No id is used twice: what was published was not replaced.
    assert!(samples.iter().all(|(_, sample)| !replaced.contains(sample.seq)));

    let started = running.end().await;
    started.spool.shutdown(true).await.expect("the disk is good");
}

#[tokio::test]
async fn an_end_in_order_leaves_no_round_without_a_summary() {
    let lab = lab("end");
    let running = start(&lab.config).await;
    running.held(DropClass::Raw, 2).await;
    let started = running.end().await;
    started.spool.shutdown(true).await.expect("the disk is good");

    let again = begin(&lab.config).await;
    assert_eq!((again.opened.start, again.opened.clean, again.opened.same_boot), (2, true, Some(true)));
    assert!(again.spool.orphans(None, 10).await.is_none());
    again.spool.shutdown(true).await.expect("the disk is good");
}

#[tokio::test]
async fn rounds_of_a_start_that_was_cut_are_summarised_by_the_next_one() {
    let lab = lab("cut");
    let running = start(&lab.config).await;
    running.held(DropClass::Raw, 3).await;
    let cut_epoch = running.started.epoch;
    running.sampler.abort();
    running.recorder.abort();
    // No summary is closed and no clean end is noted.
    running.started.spool.shutdown(false).await.expect("the disk is good");
    drop(running);

    let mut quiet = lab.config.clone();
    quiet.targets.truncate(1);
    quiet.targets[0].period_ms = Some(3_600_000);
    let next = start(&quiet).await;
    assert!(!next.started.opened.clean);
    // The rounds may lie in two windows: then they are two summaries.
    next.orphans_folded().await;
    let samples = next.published().await;
    let found = summaries(&samples);
    let folded: Vec<_> = found.iter().filter(|(_, s)| s.replaces.epoch == cut_epoch).collect();
    assert!(!folded.is_empty());
    let count: u64 = folded.iter().map(|(_, s)| s.replaces.ranges.count()).sum();
    assert!(count >= 3, "{count} rounds");
    assert!(folded.iter().all(|(sample, summary)| sample.boot_id.is_some() && summary.of == Attempt::Tcp));
    let started = next.end().await;
    assert!(started.spool.orphans(None, 10).await.is_none());
    started.spool.shutdown(true).await.expect("the disk is good");
}

#[tokio::test]
async fn what_is_measured_beside_a_bandwidth_test_is_marked_and_what_comes_later_is_not() {
    let dir = std::env::temp_dir().join(format!("phusong-sampling-load-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a directory");
    let silent = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = silent.local_addr().expect("bound").port();
    // The back end takes the connection and says nothing: the test lasts for as long as its patience.
    let text = format!(
        "site = \"lab\"\nprobe = \"p1\"\ndata_dir = {dir:?}\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n\
         [[uplink]]\ninterface = \"lo\"\n\
         [[target]]\nname = \"near\"\nkind = \"tcp\"\nhost = \"127.0.0.1\"\nport = {port}\nperiod_ms = 100\n\
         [[target]]\nname = \"speed\"\nkind = \"throughput\"\nhost = \"http://127.0.0.1:{port}/\"\n\
         direction = \"down\"\ntimeout_ms = 700\n"
    );
    let config = Config::parse("lab", &text).expect("a good file");
    let started = begin(&config).await;
    let offset_ms = Some(1_796_058_000_000);
    let wall = watch::Sender::new(WallClock { synced_offset_ms: offset_ms, floor_unix_ms: 0 });
    let means = Means { wall: Some(wall.subscribe()), ..Means::default() };
    let (orders, inbox) = mpsc::channel(8);
    let (rounds, mut samples) = mpsc::channel(QUEUE);
    let sampler = Sampler::new(Plan::of(&config), started.stamper.clone(), Arc::new(means));
    let sampler = tokio::spawn(sampler.run(inbox, rounds));
    orders.send(Order::MeasureNow).await.expect("it runs");
    let marked = |sample: &Sample| sample.uplink.as_ref().is_some_and(|uplink| uplink.self_load == Some(true));
    let seen = async {
        let (mut beside, mut test) = (0, None);
        loop {
            let sample = samples.recv().await.expect("it runs");
            let is_test = sample.target.as_ref().is_some_and(|target| target.name == "speed");
            match (is_test, marked(&sample), &test) {
                (true, ..) => test = Some(sample),
                (false, true, _) => beside += 1,
                (false, false, Some(test)) => return (beside, test.clone()),
                (false, false, None) => {}
            }
        }
    };
    let (beside, test): (i32, Sample) = tokio::time::timeout(PATIENCE, seen).await.expect("in time");
    let Outcome::Failure(failure) = &test.outcome else { panic!("{test:?}") };
    assert_eq!((failure.of, failure.kind), (Attempt::Throughput, FailureKind::Timeout));
    assert!(beside >= 3 && !marked(&test), "{beside} marked");
    drop(orders);
    tokio::time::timeout(PATIENCE, sampler).await.expect("in time").expect("no panic");
    started.spool.shutdown(true).await.expect("the disk is good");
    let _ = std::fs::remove_dir_all(&dir);
}
