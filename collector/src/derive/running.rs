//! The thread that derives while the collector runs.
//!
//! In: a data directory. Out: derived rows, as soon as observations arrive. Errors are logged and tried again; ingest
//! never waits for it.

use super::{Derive, Options};
use crate::store::StoreError;
use std::path::PathBuf;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Below everything else of this machine that is not nice itself.
const NICE: i32 = 10;
/// Between two looks when there is nothing to do.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two rounds of removing what is too old.
const PRUNE: Duration = Duration::from_secs(3_600);
/// After an error.
const AGAIN: Duration = Duration::from_secs(10);

pub struct Running {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    pub fn start(dir: PathBuf, options: Options) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("derive".into()).spawn(move || {
            // On Linux this is the calling thread alone: where cores are few, ingest comes first.
            if let Err(error) = rustix::process::setpriority_process(None, NICE) {
                tracing::debug!("deriving at usual priority: {error}");
            }
            let mut derive = None;
            let mut prune_at = Instant::now();
            loop {
                let wait = match step(&mut derive, &dir, options, &mut prune_at) {
                    Ok(true) => Duration::ZERO,
                    Ok(false) => PAUSE,
                    Err(error) => {
                        tracing::error!("deriving: {error}; tried again in {} s", AGAIN.as_secs());
                        derive = None;
                        AGAIN
                    }
                };
                if stopped.recv_timeout(wait) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Running { stop, thread })
    }

    /// Ends it after the step under way.
    pub fn stop(self) {
        // An error means that it has ended already.
        let _ = self.stop.send(());
        if self.thread.join().is_err() {
            tracing::error!("the deriving thread panicked; what it had not committed is derived at the next start");
        }
    }
}

/// Whether there is more to do at once.
fn step(
    derive: &mut Option<Derive>,
    dir: &std::path::Path,
    options: Options,
    prune_at: &mut Instant,
) -> Result<bool, StoreError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    let derive = match derive {
        Some(derive) => derive,
        None => derive.insert(Derive::open(dir, options, now_ms)?),
    };
    if derive.step(now_ms)?.more {
        return Ok(true);
    }
    if *prune_at > Instant::now() {
        return Ok(false);
    }
    let complete = derive.prune(now_ms)?.complete;
    if complete {
        *prune_at = Instant::now() + PRUNE;
    }
    Ok(!complete)
}
