//! A disk in memory whose room, fdatasync and power can be taken away, and samples to put on it.
//!
//! In: the calls of [`Disk`]. Out: the same answers as a directory, or the faults a test asked for. Refuses to know:
//! what is written. Limits: one test's worth of memory.

#![allow(dead_code, reason = "each test file uses its own part")]

use phusong_agent::disk::Disk;
use phusong_agent::spool::{BatchRequest, Opened, Pick, Spool, SpoolConfig, Start};
use phusong_protocol::{
    Attempt, Clock, DropClass, Epoch, Failure, FailureKind, LatencyReading, Outcome, PositionReading, ProbeId, Ranges,
    Reading, Replaced, Sample, SummaryReading, ThroughputReading, decode, limits,
};
use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard};

#[derive(Default, Clone)]
struct File {
    content: Vec<u8>,
    /// As of the last fdatasync.
    durable: Vec<u8>,
    /// Room that it keeps.
    owned: u64,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, File>,
    /// Names and files as of the last fsync of the directory.
    names: BTreeMap<String, File>,
    room: Option<u64>,
    /// Syncs to come that fail, after this many that do not.
    fail_syncs: Option<(u64, u64)>,
    /// What was done, for questions of order.
    log: Vec<String>,
}

/// Clones share the same files.
#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<State>>);

impl FaultyDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test panics while it holds the lock")
    }

    /// From now on all files together take at most this.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.state().room = bytes;
    }

    /// After `good` more fdatasyncs the next `bad` fail, and throw the unsynced bytes away as Linux does.
    pub fn fail_syncs(&self, good: u64, bad: u64) {
        self.state().fail_syncs = Some((good, bad));
    }

    /// Only what was synced is left.
    pub fn cut_power(&self) {
        let mut state = self.state();
        let names = state.names.keys().cloned().collect::<Vec<_>>();
        let live = std::mem::take(&mut state.files);
        state.files = names
            .into_iter()
            .map(|name| {
                let durable = live.get(&name).or(state.names.get(&name)).map(|f| f.durable.clone()).unwrap_or_default();
                let owned = durable.len() as u64;
                (name, File { content: durable.clone(), durable, owned })
            })
            .collect();
        state.names = state.files.clone();
    }

    pub fn used(&self) -> u64 {
        self.state().used()
    }

    pub fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    pub fn content(&self, name: &str) -> Vec<u8> {
        self.state().files.get(name).map(|f| f.content.clone()).unwrap_or_default()
    }

    /// Puts other bytes in a file's place, durably.
    pub fn set_content(&self, name: &str, content: Vec<u8>) {
        let file = File { durable: content.clone(), owned: content.len() as u64, content };
        let mut state = self.state();
        state.files.insert(name.to_owned(), file.clone());
        state.names.insert(name.to_owned(), file);
    }

    /// A disk of its own with the same files.
    pub fn copy(&self) -> FaultyDisk {
        let files = self.state().files.clone();
        FaultyDisk(Arc::new(Mutex::new(State { names: files.clone(), files, ..State::default() })))
    }

    pub fn segments(&self) -> Vec<String> {
        self.state().files.keys().filter(|name| name.contains('-')).cloned().collect()
    }
}

impl State {
    fn used(&self) -> u64 {
        self.files.values().map(|f| f.owned.max(f.content.len() as u64)).sum()
    }

    fn grow(&mut self, name: &str, to: u64) -> Result<()> {
        let file = self.files.get(name).ok_or(ErrorKind::NotFound)?;
        let more = to.saturating_sub(file.owned.max(file.content.len() as u64));
        match self.room {
            Some(room) if self.used() + more > room => Err(Error::from_raw_os_error(28)),
            _ => Ok(()),
        }
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> Result<Vec<String>> {
        Ok(self.state().files.keys().cloned().collect())
    }

    fn len(&self, name: &str) -> Result<u64> {
        let state = self.state();
        Ok(state.files.get(name).ok_or(ErrorKind::NotFound)?.content.len() as u64)
    }

    fn read(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let state = self.state();
        let content = &state.files.get(name).ok_or(ErrorKind::NotFound)?.content;
        let from = content.get(offset as usize..).unwrap_or_default();
        let n = from.len().min(buffer.len());
        buffer[..n].copy_from_slice(&from[..n]);
        Ok(n)
    }

    fn create(&mut self, name: &str) -> Result<()> {
        let mut state = self.state();
        if state.files.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        state.files.insert(name.to_owned(), File::default());
        Ok(())
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut state = self.state();
        let len = state.files.get(name).ok_or(ErrorKind::NotFound)?.content.len();
        let grown = state.grow(name, (len + bytes.len()) as u64);
        let taken = if grown.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        // A full disk takes a part, as a real one does.
        state.files.get_mut(name).ok_or(ErrorKind::NotFound)?.content.extend_from_slice(taken);
        grown
    }

    fn sync(&mut self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.log.push(format!("sync {name}"));
        let fails = match &mut state.fail_syncs {
            Some((0, 0)) | None => false,
            Some((0, bad)) => {
                *bad -= 1;
                true
            }
            Some((good, _)) => {
                *good -= 1;
                false
            }
        };
        let file = state.files.get_mut(name).ok_or(ErrorKind::NotFound)?;
        if fails {
            return Err(Error::from_raw_os_error(5));
        }
        file.durable = file.content.clone();
        Ok(())
    }

    fn sync_dir(&mut self) -> Result<()> {
        let mut state = self.state();
        state.names = state.files.clone();
        Ok(())
    }

    fn unlink(&mut self, name: &str) -> Result<()> {
        let mut state = self.state();
        state.log.push(format!("unlink {name}"));
        state.files.remove(name).map(drop).ok_or(ErrorKind::NotFound.into())
    }

    fn preallocate(&mut self, name: &str, bytes: u64) -> Result<()> {
        let mut state = self.state();
        let fresh = !state.files.contains_key(name);
        state.files.entry(name.to_owned()).or_default();
        let grown = state.grow(name, bytes);
        if grown.is_ok() {
            let file = state.files.get_mut(name).expect("inserted above");
            file.owned = file.owned.max(bytes);
        } else if fresh {
            state.files.remove(name);
        }
        grown
    }

    fn write_slot(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut state = self.state();
        state.grow(name, bytes.len() as u64)?;
        let content = &mut state.files.get_mut(name).ok_or(ErrorKind::NotFound)?.content;
        if content.len() < bytes.len() {
            content.resize(bytes.len(), 0);
        }
        content[..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

pub fn probe() -> ProbeId {
    "na-chen-1".parse().expect("a probe id")
}

/// Small enough that a few samples fill a segment.
pub fn small() -> SpoolConfig {
    SpoolConfig { segment_bytes: 4096, max_bytes: 1 << 20, sync_bytes: 1 << 20, ..SpoolConfig::default() }
}

pub fn open(disk: &FaultyDisk, config: &SpoolConfig, epoch: u64) -> (Spool, Opened) {
    let start = Start { probe: probe(), epoch: Epoch(epoch), boot_id: None };
    Spool::open(Box::new(disk.clone()), config.clone(), start).expect("the disk lists, reads and takes a cursor")
}

/// A sample of a class; `n` makes it tell from others.
pub fn sample(class: DropClass, n: u64) -> Sample {
    let outcome = match class {
        DropClass::Raw => {
            Outcome::Reading(Reading::Latency(LatencyReading { sent: 1, rtt_us: vec![n as u32], lost: vec![] }))
        }
        DropClass::Bandwidth => Outcome::Reading(Reading::Throughput(ThroughputReading {
            down_bps: Some(n),
            up_bps: None,
            bytes: n,
            elapsed_ms: 1,
            early: false,
            method: "test".into(),
        })),
        DropClass::Radio => Outcome::Reading(Reading::Position(PositionReading {
            lat: 22.0,
            lon: 104.0,
            accuracy_m: Some(n as f32),
            source: phusong_protocol::PlaceSource::Gps,
            altitude_m: None,
            mark: None,
            survey: None,
        })),
        DropClass::Summary => return summary(Epoch(1), Ranges::new(), n),
        DropClass::Evidence => failure(&format!("attempt {n}")),
    };
    of(outcome, n)
}

pub fn failure(detail: &str) -> Outcome {
    let (of, kind) = (Attempt::Latency, FailureKind::Timeout);
    Outcome::Failure(Failure { of, kind, detail: Some(detail.into()), sent: Some(1), elapsed_us: None })
}

pub fn of(outcome: Outcome, n: u64) -> Sample {
    Sample {
        seq: 0,
        boot_id: None,
        mono_ms: None,
        wall_ms: 1_800_000_000_000 + n as i64,
        clock: Clock::default(),
        place: None,
        setup: None,
        uplink: None,
        target: None,
        outcome,
    }
}

pub fn summary(epoch: Epoch, ranges: Ranges, n: u64) -> Sample {
    let reading = SummaryReading {
        of: Attempt::Latency,
        rounds: ranges.count() as u32,
        first_mono_ms: n,
        last_mono_ms: n,
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
        sketch: Default::default(),
        replaces: Replaced { epoch, ranges },
    };
    of(Outcome::Reading(Reading::Summary(reading)), n)
}

pub fn request(pick: Pick, skip: Vec<(Epoch, Ranges)>) -> BatchRequest {
    BatchRequest { pick, max_bytes: limits::BATCH_BYTES, skip }
}

/// Everything that would be published, batch by batch, without acknowledging any.
pub fn drain(spool: &mut Spool) -> BTreeMap<(Epoch, u64), Sample> {
    let mut skip: Vec<(Epoch, Ranges)> = Vec::new();
    let mut out = BTreeMap::new();
    while let Some(batch) = spool.next_batch(&request(Pick::Oldest, skip.clone())) {
        let decoded = decode(&batch.payload).expect("our own payload");
        assert_eq!(decoded.samples.iter().map(|s| s.seq).collect::<Ranges>(), batch.seqs);
        for sample in decoded.samples {
            assert!(out.insert((batch.epoch, sample.seq), sample).is_none(), "a sample came twice");
        }
        skip.push((batch.epoch, batch.seqs));
    }
    out
}

/// Every orphan, chunk by chunk.
pub fn orphans(spool: &mut Spool) -> BTreeMap<(Epoch, u64), Sample> {
    let (mut out, mut after) = (BTreeMap::new(), None);
    while let Some(chunk) = spool.orphans(after, 3) {
        after = chunk.samples.last().map(|last| (chunk.epoch, last.seq));
        for sample in chunk.samples {
            assert!(out.insert((chunk.epoch, sample.seq), sample).is_none(), "an orphan came twice");
        }
    }
    out
}
