//! A store in a directory of its own and an ingest engine without threads, for the tests beside.
//!
//! In: samples and batches made by hand. Out: everything that is committed, in a form that two runs can be compared by.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code)]

use phusong_collector::ingest::{Counters, Decoded, Done, Engine, Fate, Incoming};
use phusong_collector::store::{
    EpochAccount, Letter, LetterQuery, NewProbe, ObservationQuery, ObservationRow, ProbeRow, Reader, Readers,
    Registrar, Store, StoreOptions,
};
use phusong_protocol::{
    Ack, AckResult, BootId, BootReading, Clock, ClockReading, DropClass, DropReading, Epoch, Outcome, Previous,
    ProbeId, Ranges, Reading, Replaced, Sample, SiteId, SummaryReading, TcpReading, encode_batch, encode_json,
};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub const NOW: i64 = 1_800_000_000_000;
pub const SITE: &str = "thanh-dinh";

/// A directory that is gone after the test.
pub struct Dir(PathBuf);

impl Dir {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("phusong-ingest-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).expect("the temporary directory is writable");
        Dir(dir)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct World {
    pub engine: Engine,
    pub counters: Arc<Counters>,
    pub dir: Dir,
    pub now_ms: i64,
}

impl World {
    pub fn new(probes: &[&str]) -> Self {
        Self::with(probes, StoreOptions::default())
    }

    pub fn with(probes: &[&str], options: StoreOptions) -> Self {
        let dir = Dir::new();
        let store = Store::open(dir.path(), options, NOW).expect("a new store opens");
        let counters = Arc::new(Counters::default());
        let world = World { engine: Engine::new(store, Arc::clone(&counters)), counters, dir, now_ms: NOW };
        let mut registrar = world.registrar();
        for name in probes {
            let new = NewProbe { probe: probe(name), site: site(SITE), label: None, place: None };
            registrar.add(&new, NOW - 1_000).expect("a new probe");
        }
        world
    }

    /// The same data directory under a new process, as far as the store can tell.
    pub fn restart(self, options: StoreOptions) -> Self {
        let World { engine, dir, now_ms, .. } = self;
        drop(engine);
        let store = Store::open(dir.path(), options, now_ms).expect("the store opens again");
        let counters = Arc::new(Counters::default());
        World { engine: Engine::new(store, Arc::clone(&counters)), counters, dir, now_ms }
    }

    pub fn registrar(&self) -> Registrar {
        Registrar::open(self.dir.path()).expect("the database is there")
    }

    pub fn reader(&self) -> Reader {
        Readers::of(self.dir.path()).connect().expect("the database is there")
    }

    /// One message on a topic of the usual site.
    pub fn send(&mut self, name: &str, payload: Vec<u8>) -> Vec<Ack> {
        self.send_on(&format!("phusong/v1/{SITE}/{name}/batch"), payload)
    }

    pub fn send_on(&mut self, topic: &str, payload: Vec<u8>) -> Vec<Ack> {
        let done = self.group(vec![(topic.to_string(), payload)]);
        assert_eq!(done.iter().map(|done| done.tokens.len()).sum::<usize>(), 1, "each message is dealt with once");
        done.into_iter().flat_map(|done| done.acks).collect()
    }

    /// Several messages in one transaction.
    pub fn group(&mut self, messages: Vec<(String, Vec<u8>)>) -> Vec<Done> {
        let decode = |(token, (topic, payload)): (usize, (String, Vec<u8>))| {
            Decoded::of(Incoming { topic, payload, received_ms: self.now_ms, token: token as u64 })
        };
        let messages: Vec<Decoded> = messages.into_iter().enumerate().map(decode).collect();
        let mut all = Vec::new();
        self.engine.group(&messages, self.now_ms, &mut |done| all.push(done));
        all
    }

    /// Until nothing is left to be re-timed.
    pub fn settle(&mut self) {
        for _ in 0..10_000 {
            if !self.engine.has_backlog() {
                return;
            }
            self.engine.idle(self.now_ms);
        }
        panic!("re-timing does not come to an end");
    }

    pub fn count(&self, fate: Fate) -> u64 {
        self.counters.get(fate)
    }

    pub fn rows(&self) -> Vec<ObservationRow> {
        let query = ObservationQuery { limit: 1_000_000, ..ObservationQuery::default() };
        self.reader().observations(&query).expect("the store can be read")
    }

    /// Event time and certainty of one sample.
    pub fn at(&self, epoch: Epoch, seq: u64) -> (i64, &'static str) {
        let row = self.rows().into_iter().find(|row| (row.epoch, row.seq) == (epoch, seq)).expect("it is stored");
        (row.at_ms, row.at_state.name())
    }

    pub fn letters(&self) -> Vec<Letter> {
        let query = LetterQuery { limit: 1_000_000, ..LetterQuery::default() };
        self.reader().letters(&query).expect("the store can be read")
    }

    pub fn reasons(&self) -> Vec<String> {
        self.letters().into_iter().map(|letter| letter.reason).collect()
    }

    pub fn probe_row(&self, name: &str) -> ProbeRow {
        let all = self.reader().probes().expect("the store can be read");
        all.into_iter().find(|row| row.probe == name).expect("it is registered")
    }

    pub fn account(&self, name: &str) -> Vec<EpochAccount> {
        self.reader().account(&probe(name)).expect("the store can be read")
    }

    /// Everything that must not depend on the order of arrival.
    pub fn picture(&self, probes: &[&str]) -> Picture {
        let mut rows = self.rows();
        rows.iter_mut().for_each(|row| row.id = 0);
        rows.sort_by(|a, b| (&a.probe, a.epoch, a.seq).cmp(&(&b.probe, b.epoch, b.seq)));
        let probe_rows = self.reader().probes().expect("the store can be read");
        let accounts = probes.iter().map(|name| self.account(name)).collect();
        let mut letters: Vec<_> = self.letters().into_iter().map(|l| (l.probe, l.reason, l.detail, l.bytes)).collect();
        letters.sort();
        Picture { rows, probe_rows, accounts, letters }
    }
}

#[derive(Debug, PartialEq)]
pub struct Picture {
    pub rows: Vec<ObservationRow>,
    pub probe_rows: Vec<ProbeRow>,
    pub accounts: Vec<Vec<EpochAccount>>,
    pub letters: Vec<(String, String, String, u64)>,
}

pub fn probe(name: &str) -> ProbeId {
    name.parse().expect("a good name")
}

pub fn site(name: &str) -> SiteId {
    name.parse().expect("a good name")
}

pub fn batch(name: &str, epoch: Epoch, samples: &[Sample]) -> Vec<u8> {
    encode_batch(&probe(name), epoch, samples)
}

pub fn json(name: &str, samples: &[Sample]) -> Vec<u8> {
    encode_json(&probe(name), Epoch::FOREIGN, samples)
}

/// A handshake at `mono_ms` of boot `boot`, by a clock that was never set.
pub fn tcp(seq: u64, boot: u8, mono_ms: u64) -> Sample {
    sample(seq, boot, mono_ms, Reading::Tcp(TcpReading { connect_us: 1_000 + (seq % 1_000_000) as u32 }))
}

pub fn sample(seq: u64, boot: u8, mono_ms: u64, reading: Reading) -> Sample {
    Sample {
        seq,
        boot_id: Some(BootId([boot; 16])),
        mono_ms: Some(mono_ms),
        wall_ms: mono_ms as i64,
        clock: Clock { synced: false, age_s: None },
        place: None,
        setup: None,
        uplink: None,
        target: None,
        outcome: Outcome::Reading(reading),
    }
}

pub fn clock(seq: u64, boot: u8, mono_ms: u64, true_unix_ms: i64, err_ms: u32) -> Sample {
    sample(seq, boot, mono_ms, Reading::Clock(ClockReading { true_unix_ms, err_ms, source: "kernel".into() }))
}

pub fn boot(seq: u64, boot: u8, mono_ms: u64, prev: Option<(Epoch, u64)>) -> Sample {
    let prev = prev.map(|(epoch, last_seq)| Previous { epoch, last_seq });
    let version = "0.1.0".into();
    let reading = BootReading { prev, start: 1, clean: true, same_boot: None, version, period_ms: None };
    sample(seq, boot, mono_ms, Reading::Boot(reading))
}

pub fn summary(seq: u64, boot: u8, mono_ms: u64, epoch: Epoch, ranges: Ranges) -> Sample {
    let reading = SummaryReading {
        of: phusong_protocol::Attempt::Tcp,
        rounds: ranges.count() as u32,
        first_mono_ms: mono_ms,
        last_mono_ms: mono_ms,
        sent: 1,
        received: 1,
        min_us: None,
        p10_us: None,
        p50_us: None,
        p90_us: None,
        p95_us: None,
        p99_us: None,
        max_us: None,
        mean_us: None,
        sd_us: None,
        jitter_us: None,
        loss_bursts: 0,
        longest_burst: 0,
        sketch: phusong_protocol::Sketch::default(),
        replaces: Replaced { epoch, ranges },
    };
    sample(seq, boot, mono_ms, Reading::Summary(reading))
}

pub fn dropped(seq: u64, boot: u8, mono_ms: u64, epoch: Epoch, ranges: Ranges) -> Sample {
    sample(seq, boot, mono_ms, Reading::Drop(DropReading { class: DropClass::Raw, epoch, ranges }))
}

/// A record of a script, by a clock that it calls synced.
pub fn record(wall_ms: i64, synced: bool, connect_us: u32) -> Sample {
    Sample {
        boot_id: None,
        mono_ms: None,
        wall_ms,
        clock: Clock { synced, age_s: None },
        ..sample(0, 0, 0, Reading::Tcp(TcpReading { connect_us }))
    }
}

/// The ids that an acknowledgement gives this result.
pub fn told(acks: &[Ack], result: AckResult) -> Vec<u64> {
    let mut ids = Ranges::new();
    acks.iter().filter(|ack| ack.result == result).for_each(|ack| ids.union(&ack.ranges));
    ids.numbers().collect()
}
