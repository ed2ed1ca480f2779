//! The forecast of the store's size, as `/readyz` shows it: made now and then on a thread of its own.
//!
//! In: readers. Out: the last forecast there is; none before the first is done. It is first asked for when the collector
//! is ready, so that it delays no start. Limits: one thread at a time, once an hour.

use crate::store::{Forecast, Readers, Retention, StoreError, forecast};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(3_600);

pub struct Outlook {
    readers: Readers,
    retention: Retention,
    last: Arc<Mutex<Last>>,
}

#[derive(Default)]
struct Last {
    asked: Option<Instant>,
    forecast: Option<Forecast>,
}

impl Outlook {
    pub fn new(readers: Readers, retention: Retention) -> Self {
        Outlook { readers, retention, last: Arc::default() }
    }

    /// Never blocks for longer than a copy.
    pub fn look(&self, ready: bool) -> Option<Forecast> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if ready && last.asked.is_none_or(|asked| asked.elapsed() >= EVERY) {
            last.asked = Some(Instant::now());
            self.start();
        }
        last.forecast.clone()
    }

    fn start(&self) {
        let (readers, retention, last) = (self.readers.clone(), self.retention, Arc::clone(&self.last));
        let make = move || match measure(&readers, &retention) {
            Ok(forecast) => last.lock().unwrap_or_else(PoisonError::into_inner).forecast = Some(forecast),
            Err(error) => tracing::warn!("no forecast of the store's size: {error}"),
        };
        if let Err(error) = std::thread::Builder::new().name("forecast".into()).spawn(make) {
            tracing::warn!("no forecast of the store's size: {error}");
        }
    }
}

fn measure(readers: &Readers, retention: &Retention) -> Result<Forecast, StoreError> {
    let reader = readers.connect()?;
    let probes = reader.probes()?.iter().filter(|probe| probe.retired_ms.is_none()).count();
    forecast(probes as u64, &reader, retention)
}
