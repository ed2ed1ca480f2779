//! The spool's thread, and the handle by which the rest of the agent reaches it.
//!
//! In: requests over a bounded channel, answered one by one; the monotonic clock for the sync timer. Out: answers, and
//! a wake-up when samples became durable. Refuses to know: MQTT, probes. Limits: [`QUEUE`] requests wait, then senders do.
//!
//! A thread of its own because an fdatasync on an SD card can take seconds, and rounds must go on meanwhile.

use crate::disk::{Disk, RealDisk};
use crate::spool::{
    BatchRequest, NotDurable, OpenError, Opened, OrphanChunk, OutBatch, Refused, Spool, SpoolConfig, SpoolStatus,
    Start, Urgency,
};
use phusong_protocol::{AckMessage, Epoch, Ranges, Sample};
use std::path::Path;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

/// Requests that may wait for the thread.
const QUEUE: usize = 32;
/// Between two looks at what can be deleted and at the lazily written cursor.
const HOUSEKEEPING: Duration = Duration::from_secs(15);

/// What became durable last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durable {
    /// Samples made durable since the start.
    pub samples: u64,
    /// Of them those that came as [`Urgency::Urgent`].
    pub urgent: u64,
}

enum Request {
    Append(Box<Sample>, Urgency, oneshot::Sender<Result<u64, Refused>>),
    Flush(oneshot::Sender<Result<(), NotDurable>>),
    Status(oneshot::Sender<SpoolStatus>),
    NextBatch(BatchRequest, oneshot::Sender<Option<OutBatch>>),
    Acked(Epoch, Ranges, oneshot::Sender<()>),
    Quarantine(Epoch, Ranges, oneshot::Sender<u64>),
    WantRaw(Epoch, Ranges, oneshot::Sender<u64>),
    Orphans(Option<(Epoch, u64)>, usize, oneshot::Sender<Option<OrphanChunk>>),
    Housekeep(i64, oneshot::Sender<()>),
    Shutdown(bool, oneshot::Sender<Result<(), NotDurable>>),
}

/// Reaches the spool from any task.
#[derive(Clone)]
pub struct SpoolHandle {
    requests: mpsc::Sender<Request>,
    durable: watch::Receiver<Durable>,
}

/// Opens the spool in `dir` and starts its thread.
pub fn start(dir: &Path, config: SpoolConfig, start: Start) -> Result<(SpoolHandle, Opened), OpenError> {
    start_on(Box::new(RealDisk::exclusive(dir)?), config, start)
}

/// The same on any disk.
pub fn start_on(disk: Box<dyn Disk>, config: SpoolConfig, start: Start) -> Result<(SpoolHandle, Opened), OpenError> {
    let interval = Duration::from_millis(config.sync_interval_ms);
    let (spool, opened) = Spool::open(disk, config, start)?;
    let (requests, inbox) = mpsc::channel(QUEUE);
    let (durable_to, durable) = watch::channel(Durable::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().map_err(OpenError::Thread)?;
    let spooler = Spooler { spool, inbox, durable: durable_to, interval, sync_at: None };
    std::thread::Builder::new()
        .name("spool".into())
        .spawn(move || runtime.block_on(spooler.run()))
        .map_err(OpenError::Thread)?;
    Ok((SpoolHandle { requests, durable }, opened))
}

impl SpoolHandle {
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Option<T> {
        let (answer_to, answer) = oneshot::channel();
        self.requests.send(request(answer_to)).await.ok()?;
        answer.await.ok()
    }

    /// Takes a sample and gives it its `seq` (the one it carries is ignored). With [`Urgency::Urgent`] it is durable
    /// when this returns, unless the disk failed, which `status` counts; it is then tried again at the next sync point.
    pub async fn append(&self, sample: Sample, urgency: Urgency) -> Result<u64, Refused> {
        self.ask(|to| Request::Append(Box::new(sample), urgency, to)).await.unwrap_or(Err(Refused::Closed))
    }

    /// Makes everything durable that was appended before.
    pub async fn flush(&self) -> Result<(), NotDurable> {
        self.ask(Request::Flush).await.unwrap_or(Err(NotDurable::Closed))
    }

    /// `None` after shutdown.
    pub async fn status(&self) -> Option<SpoolStatus> {
        self.ask(Request::Status).await
    }

    /// The next batch of durable samples to send, if there is any.
    pub async fn next_batch(&self, request: BatchRequest) -> Option<OutBatch> {
        self.ask(|to| Request::NextBatch(request, to)).await.flatten()
    }

    /// The collector has these.
    pub async fn acked(&self, epoch: Epoch, ranges: Ranges) {
        self.ask(|to| Request::Acked(epoch, ranges, to)).await;
    }

    /// Every range that a message acknowledges.
    pub async fn acked_by(&self, message: &AckMessage) {
        for (epoch, ranges) in crate::spool::settled_by(message) {
            self.acked(epoch, ranges.clone()).await;
        }
    }

    /// Sets samples aside that the collector rejected twice; they are exported, but not published any more. How many.
    pub async fn quarantine(&self, epoch: Epoch, ranges: Ranges) -> u64 {
        self.ask(|to| Request::Quarantine(epoch, ranges, to)).await.unwrap_or(0)
    }

    /// `send_raw`: publish these raw rounds as far as they are still in the ring. How many are.
    pub async fn want_raw(&self, epoch: Epoch, ranges: Ranges) -> u64 {
        self.ask(|to| Request::WantRaw(epoch, ranges, to)).await.unwrap_or(0)
    }

    /// Raw rounds of earlier epochs that no summary stands for: the first chunk, or the one after a given id.
    /// One chunk is of one epoch and ascends; the chunks of an epoch follow each other.
    pub async fn orphans(&self, after: Option<(Epoch, u64)>, max: usize) -> Option<OrphanChunk> {
        self.ask(|to| Request::Orphans(after, max, to)).await.flatten()
    }

    /// Deletes what may go, with this wall clock for the age of raw rounds. Without it only the disk's own timer looks,
    /// and the raw ring is bounded by `spool.max_bytes` alone.
    pub async fn housekeep(&self, now_unix_ms: i64) {
        self.ask(|to| Request::Housekeep(now_unix_ms, to)).await;
    }

    /// Changes whenever samples became durable.
    pub fn durable(&self) -> watch::Receiver<Durable> {
        self.durable.clone()
    }

    /// Flushes, notes whether the end was in order, and ends the thread.
    pub async fn shutdown(&self, clean: bool) -> Result<(), NotDurable> {
        self.ask(|to| Request::Shutdown(clean, to)).await.unwrap_or(Err(NotDurable::Closed))
    }
}

struct Spooler {
    spool: Spool,
    inbox: mpsc::Receiver<Request>,
    durable: watch::Sender<Durable>,
    interval: Duration,
    /// When the oldest waiting sample must be durable.
    sync_at: Option<Instant>,
}

impl Spooler {
    async fn run(mut self) {
        let mut housekeeping = Instant::now() + HOUSEKEEPING;
        loop {
            let wake = self.sync_at.map_or(housekeeping, |at| at.min(housekeeping));
            match tokio::time::timeout_at(wake, self.inbox.recv()).await {
                Ok(Some(Request::Shutdown(clean, to))) => {
                    let closed = self.spool.close(clean);
                    // Its lock goes with it: whoever hears the answer may open the spool.
                    drop(self.spool);
                    // The asker may be gone.
                    let _ = to.send(closed);
                    return;
                }
                Ok(Some(request)) => self.answer(request),
                // Every handle is gone without a shutdown: not a clean end, but nothing is kept back either.
                Ok(None) => {
                    let _ = self.spool.close(false);
                    return;
                }
                Err(_) => {}
            }
            let now = Instant::now();
            if self.sync_at.is_some_and(|at| at <= now) {
                self.sync_at = None;
                // A failure is counted in the status and tried again after the next interval.
                let _ = self.flush();
            }
            if housekeeping <= now {
                housekeeping = now + HOUSEKEEPING;
                self.spool.housekeep(None);
            }
            if self.sync_at.is_none() && self.spool.has_unsynced() {
                self.sync_at = Some(now + self.interval);
            }
        }
    }

    fn flush(&mut self) -> Result<(), NotDurable> {
        let result = self.spool.flush();
        self.announce();
        result
    }

    fn announce(&self) {
        let now = self.spool.durable();
        self.durable.send_if_modified(|last| std::mem::replace(last, now) != now);
    }

    /// An asker that went away needs no answer, so failed sends are ignored.
    fn answer(&mut self, request: Request) {
        match request {
            Request::Append(sample, urgency, to) => {
                let answer = self.spool.append(*sample, urgency);
                self.announce();
                let _ = to.send(answer);
            }
            Request::Flush(to) => {
                let answer = self.flush();
                let _ = to.send(answer);
            }
            Request::Status(to) => drop(to.send(self.spool.status())),
            Request::NextBatch(request, to) => drop(to.send(self.spool.next_batch(&request))),
            Request::Acked(epoch, ranges, to) => {
                self.spool.acked(epoch, &ranges);
                let _ = to.send(());
            }
            Request::Quarantine(epoch, ranges, to) => drop(to.send(self.spool.quarantine(epoch, &ranges))),
            Request::WantRaw(epoch, ranges, to) => drop(to.send(self.spool.want_raw(epoch, &ranges))),
            Request::Orphans(after, max, to) => drop(to.send(self.spool.orphans(after, max))),
            Request::Housekeep(now_unix_ms, to) => {
                self.spool.housekeep(Some(now_unix_ms));
                let _ = to.send(());
            }
            Request::Shutdown(..) => unreachable!("run() takes it"),
        }
    }
}
