//! What ingest counted, for `/metrics` and `/readyz`. Closed sets, so that each is a label.

use crate::store::Reason;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

/// What became of samples (of whole payloads where no samples could be read).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    Stored,
    /// Stored, and its time is only bounded.
    Uncertain,
    Duplicate,
    Rejected,
    Conflict,
    WrongSite,
    WrongTopic,
    TooOld,
    Violation,
    UnknownReading,
    TooManyContexts,
    /// The probe is not registered, or retired.
    Unauthorised,
    /// A dead letter that had no room: left with its sender.
    DeadLettersFull,
    /// Unreadable, and no room for it; or on a topic that is none of ours.
    Garbage,
    /// The queue had no room: left with its sender.
    QueueFull,
    /// The store took nothing: left with its sender.
    NotCommitted,
}

impl Fate {
    pub const ALL: [Fate; 16] = [
        Fate::Stored,
        Fate::Uncertain,
        Fate::Duplicate,
        Fate::Rejected,
        Fate::Conflict,
        Fate::WrongSite,
        Fate::WrongTopic,
        Fate::TooOld,
        Fate::Violation,
        Fate::UnknownReading,
        Fate::TooManyContexts,
        Fate::Unauthorised,
        Fate::DeadLettersFull,
        Fate::Garbage,
        Fate::QueueFull,
        Fate::NotCommitted,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Fate::Stored => "stored",
            Fate::Uncertain => "uncertain",
            Fate::Duplicate => "duplicate",
            Fate::Rejected => "rejected",
            Fate::Conflict => "conflict",
            Fate::WrongSite => "wrong_site",
            Fate::WrongTopic => "wrong_topic",
            Fate::TooOld => "too_old",
            Fate::Violation => "violation",
            Fate::UnknownReading => "unknown_reading",
            Fate::TooManyContexts => "too_many_contexts",
            Fate::Unauthorised => "unauthorised",
            Fate::DeadLettersFull => "dead_letters_full",
            Fate::Garbage => "garbage",
            Fate::QueueFull => "queue_full",
            Fate::NotCommitted => "not_committed",
        }
    }
}

/// Under which result a dead letter of this reason is counted.
impl From<Reason> for Fate {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Rejected => Fate::Rejected,
            Reason::Conflict => Fate::Conflict,
            Reason::WrongSite => Fate::WrongSite,
            Reason::WrongTopic => Fate::WrongTopic,
            Reason::TooOld => Fate::TooOld,
            Reason::Violation => Fate::Violation,
            Reason::UnknownReading => Fate::UnknownReading,
            Reason::TooManyContexts => Fate::TooManyContexts,
        }
    }
}

/// Fixed buckets; `counts[i]` holds what is at most `bounds[i]`, the last one the rest.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    counts: Vec<AtomicU64>,
    sum_micros: AtomicU64,
}

impl Histogram {
    fn new(bounds: &'static [f64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Histogram { bounds, counts, sum_micros: AtomicU64::new(0) }
    }

    pub fn observe(&self, seconds: f64) {
        let seconds = seconds.max(0.0);
        let at = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum_micros.fetch_add((seconds * 1e6) as u64, Ordering::Relaxed);
    }

    /// Upper bounds in seconds with the observations in each bucket alone; the last bound is infinite.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        bounds.zip(&self.counts).map(|(bound, count)| (bound, count.load(Ordering::Relaxed))).collect()
    }

    pub fn sum_seconds(&self) -> f64 {
        self.sum_micros.load(Ordering::Relaxed) as f64 / 1e6
    }
}

/// Everything that is counted. All of it starts at 0 and only grows, but for `degraded`.
#[derive(Debug)]
pub struct Counters {
    fates: [AtomicU64; Fate::ALL.len()],
    pub messages: AtomicU64,
    pub commits: AtomicU64,
    pub store_failures: AtomicU64,
    /// Dead letters kept; the same once more does not count.
    pub dead_letters: AtomicU64,
    pub clones_suspected: AtomicU64,
    /// Observations that got another time from a better anchor or a neighbour.
    pub retimed: AtomicU64,
    /// Seconds from event to commit, of observations whose time is certain.
    pub delay: Histogram,
    pub commit_seconds: Histogram,
    degraded: Mutex<Option<String>>,
}

impl Default for Counters {
    fn default() -> Self {
        Counters {
            fates: std::array::from_fn(|_| AtomicU64::new(0)),
            messages: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            store_failures: AtomicU64::new(0),
            dead_letters: AtomicU64::new(0),
            clones_suspected: AtomicU64::new(0),
            retimed: AtomicU64::new(0),
            delay: Histogram::new(&[1.0, 10.0, 60.0, 600.0, 3_600.0, 21_600.0, 86_400.0, 604_800.0]),
            commit_seconds: Histogram::new(&[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0]),
            degraded: Mutex::new(None),
        }
    }
}

impl Counters {
    pub fn add(&self, fate: Fate, n: u64) {
        self.fates[fate as usize].fetch_add(n, Ordering::Relaxed);
    }

    pub fn get(&self, fate: Fate) -> u64 {
        self.fates[fate as usize].load(Ordering::Relaxed)
    }

    /// Why the store takes nothing now; `None` when it does.
    pub fn degraded(&self) -> Option<String> {
        self.degraded.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says whether that is news.
    pub(super) fn set_degraded(&self, why: Option<String>) -> bool {
        let mut now = self.degraded.lock().unwrap_or_else(PoisonError::into_inner);
        let news = now.is_some() != why.is_some();
        *now = why;
        news
    }
}
