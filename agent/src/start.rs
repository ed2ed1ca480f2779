//! One start of the agent: the spool opened and locked, a new epoch, its `boot` sample first.
//!
//! In: a checked configuration. Out: a [`Started`] that `run` and `check` build on. Refuses to know: probes, what is
//! published when. Limits: one start at a time over one data directory; the spool's lock says so.

use crate::config::{Config, PlaceConfig};
use crate::device::boot;
use crate::device::position::Fix;
use crate::plan::Plan;
use crate::publish::{Applied, Publishing};
use crate::record::Stamper;
use crate::spool::{OpenError, Opened, Refused, Start, Urgency};
use crate::spooler::{self, SpoolHandle};
use crate::trial::Trial;
use crate::watchers::ClockKeeper;
use phusong_protocol::{BootReading, Epoch, Place, PlaceSource, Reading, Sample, SetupRef};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Why the agent cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{dir}: {source}", dir = .dir.display())]
    DataDir { dir: PathBuf, source: std::io::Error },
    #[error(transparent)]
    Spool(#[from] OpenError),
    #[error("the first sample was refused: {0}")]
    Boot(#[from] Refused),
    #[error("{0:#}")]
    Device(anyhow::Error),
    #[error("{0:#}")]
    Broker(anyhow::Error),
}

/// A start under way.
pub struct Started {
    pub config: Config,
    pub epoch: Epoch,
    pub opened: Opened,
    pub spool: SpoolHandle,
    pub stamper: Stamper,
    pub keeper: ClockKeeper,
    /// The set-up that samples refer to.
    pub setup: watch::Sender<Option<Arc<SetupRef>>>,
    /// Where the probe is, of one that moves.
    pub fix: watch::Sender<Option<Fix>>,
    pub began_mono_ms: u64,
}

impl Started {
    /// Opens the spool and makes the `boot` sample durable.
    pub async fn begin(config: Config) -> Result<Started, StartError> {
        let data_dir = &config.data_dir;
        let boot_id = boot::boot_id().map_err(StartError::Device)?;
        std::fs::create_dir_all(data_dir).map_err(|source| StartError::DataDir { dir: data_dir.clone(), source })?;
        let epoch = fresh_epoch()?;
        let start = Start { probe: config.probe.clone(), epoch, boot_id: Some(boot_id) };
        let (spool, opened) = spooler::start(&data_dir.join("spool"), config.spool.clone(), start)?;
        let keeper = ClockKeeper::new(config.clock.clone(), data_dir);
        let setup = watch::Sender::new(reference(&config));
        let fix = watch::Sender::new(None);
        let stamper = Stamper { boot_id, clock: keeper.state(), setup: setup.subscribe(), fix: fix.subscribe() };
        let began_mono_ms = crate::device::clock::mono_ms();
        let started = Started { config, epoch, opened, spool, stamper, keeper, setup, fix, began_mono_ms };
        started.spool.append(started.boot_sample(), Urgency::Urgent).await?;
        Ok(started)
    }

    fn boot_sample(&self) -> Sample {
        let reading = BootReading {
            prev: self.opened.prev,
            start: self.opened.start,
            clean: self.opened.clean,
            same_boot: self.opened.same_boot,
            version: VERSION.into(),
            period_ms: self.shortest_period_ms(),
        };
        let mut sample = with_setup(self.stamper.reading(Reading::Boot(reading)), &self.config);
        sample.place = self.config.place.as_ref().map(|place| Arc::new(wire_place(place)));
        sample
    }

    /// Of the targets in force at this start: the file's, or those that came from afar.
    fn shortest_period_ms(&self) -> Option<u32> {
        let trial = Trial::load(&self.config.data_dir);
        let shortest = Plan::of(&in_force(&self.config, trial.good())).periods_ms().into_iter().min()?;
        Some(u32::try_from(shortest).unwrap_or(u32::MAX))
    }

    /// What the publisher is told.
    pub fn publishing(&self, applied: watch::Receiver<Applied>) -> Result<Publishing, StartError> {
        Ok(Publishing {
            site: self.config.site.clone(),
            probe: self.config.probe.clone(),
            brokers: self.config.brokers().map_err(StartError::Broker)?,
            config: self.config.publish.clone(),
            epoch: self.epoch,
            start: self.opened.start,
            version: VERSION.into(),
            clock: self.keeper.wall(),
            applied,
        })
    }
}

/// The file's configuration under the remote one; a remote one that no longer fits is left out.
pub fn in_force(config: &Config, remote: Option<&str>) -> Config {
    match remote.map(|toml| config.with_remote(toml)) {
        None => config.clone(),
        Some(Ok(config)) => config,
        Some(Err(problems)) => {
            tracing::warn!(%problems, "the kept remote configuration no longer fits; the file is used alone");
            config.clone()
        }
    }
}

/// How samples refer to the configured set-up.
pub fn reference(config: &Config) -> Option<Arc<SetupRef>> {
    config.wire_setup().map(|setup| Arc::new(SetupRef { id: setup.id(), full: None }))
}

/// The sample with the whole set-up: in the first of an epoch and after a change.
pub fn with_setup(mut sample: Sample, config: &Config) -> Sample {
    sample.setup = config.wire_setup().map(|setup| Arc::new(SetupRef { id: setup.id(), full: Some(setup) }));
    sample
}

fn wire_place(place: &PlaceConfig) -> Place {
    Place {
        lat: place.lat,
        lon: place.lon,
        accuracy_m: place.accuracy_m,
        source: PlaceSource::Fixed,
        fix_age_s: None,
        speed_mps: None,
    }
}

/// 64 random bits, never the epoch of foreign records.
fn fresh_epoch() -> Result<Epoch, StartError> {
    loop {
        let bits = getrandom::u64().map_err(|e| StartError::Device(anyhow::anyhow!("no randomness: {e}")))?;
        if Epoch(bits) != Epoch::FOREIGN {
            return Ok(Epoch(bits));
        }
    }
}
