//! Ingest: from a payload to a committed row and its acknowledgement, each sample exactly once.
//!
//! In: [`Incoming`] messages, as the broker delivered them. Out: [`Done`] after the commit: which messages were dealt
//! with, and what their probe is to be told. Refuses to know: MQTT, SQL, HTTP.
//! Two threads: one decodes, one writes, several messages to a transaction. Limits: messages and bytes from
//! [`Intake::submit`] until `Done`; a full queue takes nothing more and the caller drops the un-acked message.

mod queue;

mod decode;
mod phones;

mod accept;
mod acks;
mod engine;

mod counters;

pub use acks::Done;
pub use counters::{Counters, Fate, Histogram};
pub use decode::{Content, Decoded, observation, observations};
pub use engine::{Engine, Replay};

use crate::store::Store;
use queue::{Popped, Queue};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A decoded batch waits for the writer at most in this many rows: a 64 KiB payload can decode to a megabyte.
const DECODED_ROWS: usize = 64_000;
/// A transaction is not held open for messages that do not come.
const GAP: Duration = Duration::from_millis(5);
/// Messages that change hands at once: below this, waking a thread costs more than its work.
const CHUNK: usize = 128;
/// How long a thread that found little waits for more to gather.
const LINGER: Duration = Duration::from_millis(2);
/// How soon re-timing goes on when nothing arrives.
const IDLE: Duration = Duration::from_millis(200);

/// One message as it came.
#[derive(Debug, Clone)]
pub struct Incoming {
    pub topic: String,
    pub payload: Vec<u8>,
    pub received_ms: i64,
    /// Given back in [`Done`]; says nothing here.
    pub token: u64,
}

/// Bounds and pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestOptions {
    pub queue_messages: usize,
    pub queue_bytes: usize,
    /// Rows after which a transaction is committed.
    pub group_rows: usize,
    /// How long a transaction waits for more.
    pub group_ms: u64,
}

impl Default for IngestOptions {
    fn default() -> Self {
        IngestOptions { queue_messages: 20_000, queue_bytes: 64 << 20, group_rows: 32_000, group_ms: 100 }
    }
}

/// The queue is full; the message is not taken and its samples will come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the ingest queue is full")]
pub struct Full;

/// Where messages are handed in.
#[derive(Clone)]
pub struct Intake {
    raw: Arc<Queue<Incoming>>,
    counters: Arc<Counters>,
}

impl Intake {
    /// Whether a message of so many bytes would be taken now; with one submitter, the next one is.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.raw.has_room(bytes)
    }

    /// Never blocks.
    pub fn submit(&self, incoming: Incoming) -> Result<(), Full> {
        let bytes = incoming.payload.len();
        self.raw.try_push(incoming, bytes).map_err(|_| {
            self.counters.add(Fate::QueueFull, 1);
            Full
        })
    }
}

/// The running ingest.
pub struct Ingest {
    intake: Intake,
    threads: Vec<JoinHandle<()>>,
}

impl Ingest {
    /// Starts both threads. `done` is called by the writer thread; while it blocks, nothing is committed.
    pub fn start(
        store: Store,
        options: IngestOptions,
        counters: Arc<Counters>,
        done: impl FnMut(Done) + Send + 'static,
    ) -> std::io::Result<Self> {
        let raw = Arc::new(Queue::new(options.queue_messages, options.queue_bytes));
        let decoded = Arc::new(Queue::new(options.queue_messages, DECODED_ROWS));
        let intake = Intake { raw: Arc::clone(&raw), counters: Arc::clone(&counters) };
        let engine = Engine::new(store, counters);
        let writing = Writing { decoded: Arc::clone(&decoded), engine, options, done };
        let threads = vec![
            std::thread::Builder::new().name("ingest-decode".into()).spawn(move || decode_all(&raw, &decoded))?,
            std::thread::Builder::new().name("ingest-write".into()).spawn(move || writing.run())?,
        ];
        Ok(Ingest { intake, threads })
    }

    pub fn intake(&self) -> Intake {
        self.intake.clone()
    }

    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.intake.counters)
    }

    /// Messages that wait to be decoded.
    pub fn waiting(&self) -> usize {
        self.intake.raw.len()
    }

    /// Takes nothing more, commits and acknowledges what was taken, and lets go of the store. Blocks until then.
    pub fn stop(self) {
        self.intake.raw.close();
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("an ingest thread panicked; what it had not committed was not acknowledged");
            }
        }
    }
}

fn decode_all(raw: &Queue<Incoming>, decoded: &Queue<Decoded>) {
    // Also when this thread panics: the writer must not wait for ever.
    struct CloseAtEnd<'a>(&'a Queue<Decoded>);
    impl Drop for CloseAtEnd<'_> {
        fn drop(&mut self) {
            self.0.close();
        }
    }
    let _close = CloseAtEnd(decoded);
    while let Some(messages) = raw.pop_some(CHUNK) {
        let few = messages.len() < CHUNK / 4;
        for incoming in messages {
            let message = Decoded::of(incoming);
            let rows = message.rows();
            if decoded.push(message, rows).is_err() {
                return;
            }
        }
        if few {
            std::thread::sleep(LINGER);
        }
    }
}

/// The writer thread.
struct Writing<F> {
    decoded: Arc<Queue<Decoded>>,
    engine: Engine,
    options: IngestOptions,
    done: F,
}

impl<F: FnMut(Done)> Writing<F> {
    fn run(mut self) {
        loop {
            match self.decoded.pop_within(IDLE) {
                Popped::Item(first) => {
                    let group = self.gather(first);
                    self.engine.group(&group, unix_ms(), &mut self.done);
                    self.engine.prune(unix_ms(), true);
                }
                Popped::Nothing => self.engine.idle(unix_ms()),
                Popped::Closed => return,
            }
        }
    }

    /// What is there, and what comes within moments.
    fn gather(&self, first: Decoded) -> Vec<Decoded> {
        let until = Instant::now() + Duration::from_millis(self.options.group_ms);
        let mut rows = first.rows();
        let mut group = vec![first];
        while rows < self.options.group_rows {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let mut more = self.decoded.pop_ready(CHUNK);
            if more.is_empty() {
                let Popped::Item(message) = self.decoded.pop_within(left.min(GAP)) else { break };
                more.push(message);
                std::thread::sleep(LINGER.min(left));
            }
            rows += more.iter().map(Decoded::rows).sum::<usize>();
            group.append(&mut more);
        }
        group
    }
}

/// This machine's wall clock.
fn unix_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
