//! The one place that waits: for a condition, with a deadline.

use anyhow::{Result, bail};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Between two looks at a condition.
const STEP: Duration = Duration::from_millis(20);

/// Usual patience: far above what anything here needs on two busy cores.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Looks until `look` returns something; an error names what was waited for.
pub fn until<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let pacer = Pacer::new();
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            bail!("waited {patience:?} in vain: {what}");
        }
        pacer.step(STEP);
    }
}

/// Looks until `look` is true.
pub fn until_true(what: &str, patience: Duration, mut look: impl FnMut() -> bool) -> Result<()> {
    until(what, patience, || look().then_some(()))
}

/// Looks for the whole of `span` and fails at once when `look` is false: for what must not happen.
pub fn holds(what: &str, span: Duration, mut look: impl FnMut() -> bool) -> Result<()> {
    let pacer = Pacer::new();
    let end = Instant::now() + span;
    while Instant::now() < end {
        if !look() {
            bail!("did not hold for {span:?}: {what}");
        }
        pacer.step(STEP);
    }
    Ok(())
}

/// Lets time pass: for measuring spans and for faults that land at a chosen moment, never for hoping.
pub fn pass(span: Duration) {
    Pacer::new().step(span);
}

/// A channel on which nothing is ever sent: its timeout paces the looking.
struct Pacer {
    _sender: Sender<()>,
    receiver: Receiver<()>,
}

impl Pacer {
    fn new() -> Self {
        let (_sender, receiver) = channel();
        Pacer { _sender, receiver }
    }

    fn step(&self, span: Duration) {
        let ended = self.receiver.recv_timeout(span);
        debug_assert_eq!(ended, Err(RecvTimeoutError::Timeout));
    }
}
