//! Keeps the fix of a probe that moves, for everybody who makes samples.
//!
//! In: `[position]`, what gpsd or a modem's receiver says. Out: the fix of now or none, and `clock` samples by the
//! receiver's time where the kernel has none. Refuses to know: what is measured there. Limits: one source; a fix that is
//! not confirmed for [`STALE_MS`] is taken back.

use crate::config::{Config, PositionConfig, PositionSource};
use crate::device::clock;
use crate::device::gpsd::{self, Heard};
use crate::device::position::{Fix, STALE_MS};
use crate::record::{Stamper, append};
use crate::spool::Urgency;
use crate::spooler::SpoolHandle;
use phusong_protocol::{ClockReading, Outcome, PlaceSource, Reading};
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Words of gpsd that wait.
const QUEUE: usize = 16;
/// A receiver's report reaches us within its second.
const GPS_ERR_MS: u32 = 1_000;
/// Earlier than this project: a receiver that has lost count of its weeks.
const GPS_FLOOR_MS: i64 = 1_704_067_200_000;

/// Everything the task needs.
pub struct Positions {
    pub config: PositionConfig,
    /// Between two anchors.
    pub anchor_ms: u64,
    pub fix: watch::Sender<Option<Fix>>,
    pub stamper: Stamper,
    pub spool: SpoolHandle,
}

impl Positions {
    pub fn of(config: &Config, fix: watch::Sender<Option<Fix>>, stamper: Stamper, spool: SpoolHandle) -> Self {
        Positions { config: config.position.clone(), anchor_ms: config.clock.anchor_ms, fix, stamper, spool }
    }

    /// Runs as long as the agent. `of_modems`: what the receivers of modems say.
    pub async fn run(self, mut of_modems: watch::Receiver<Option<Fix>>) {
        let (to, heard) = mpsc::channel(QUEUE);
        match self.config.source {
            PositionSource::Fixed => {}
            PositionSource::Gpsd => {
                let address = self.config.gpsd.clone();
                tokio::join!(gpsd::follow(address, to), self.keep(heard));
            }
            PositionSource::Modem => {
                let hand_on = async {
                    while of_modems.changed().await.is_ok() {
                        let heard = of_modems.borrow_and_update().map_or(Heard::Lost, Heard::Fix);
                        if to.send(heard).await.is_err() {
                            return;
                        }
                    }
                };
                tokio::join!(hand_on, self.keep(heard));
            }
        }
    }

    async fn keep(&self, mut heard: mpsc::Receiver<Heard>) {
        let mut anchored_at_mono_ms = None;
        loop {
            let expires_ms = self.fix.borrow().map(|fix| STALE_MS.saturating_sub(fix.age_ms(clock::mono_ms())) + 1);
            let expiry = Duration::from_millis(expires_ms.unwrap_or(STALE_MS));
            let said = match tokio::time::timeout(expiry, heard.recv()).await {
                Ok(None) => return,
                Ok(Some(said)) => said,
                Err(_) => Heard::Lost,
            };
            let now_mono_ms = clock::mono_ms();
            let fix = match said {
                Heard::Fix(fix) if fix.holds(now_mono_ms) => Some(fix),
                Heard::Fix(_) | Heard::Lost => None,
            };
            self.fix.send_if_modified(|before| std::mem::replace(before, fix) != fix);
            if let Some(fix) = fix {
                self.anchor(&fix, now_mono_ms, &mut anchored_at_mono_ms).await;
            }
        }
    }

    /// Where the kernel's clock was never in sync, the receiver's time dates this boot's samples.
    async fn anchor(&self, fix: &Fix, now_mono_ms: u64, anchored_at_mono_ms: &mut Option<u64>) {
        let is_synced = self.stamper.clock.borrow().synced_at_mono_ms.is_some();
        let is_fresh = anchored_at_mono_ms.is_some_and(|at| now_mono_ms.saturating_sub(at) < self.anchor_ms);
        let Some(true_unix_ms) = gps_time_ms(fix).filter(|_| !is_synced && !is_fresh) else { return };
        *anchored_at_mono_ms = Some(now_mono_ms);
        let reading = ClockReading { true_unix_ms, err_ms: GPS_ERR_MS, source: "gps".into() };
        let wall_ms = clock::wall_ms().saturating_sub_unsigned(fix.age_ms(now_mono_ms));
        let stamp = self.stamper.stamp_at(fix.at_mono_ms, wall_ms);
        append(&self.spool, self.stamper.sample(stamp, Outcome::Reading(Reading::Clock(reading))), Urgency::Batched)
            .await;
    }
}

/// The true time at the moment of the fix, where a receiver of satellites knows it.
pub fn gps_time_ms(fix: &Fix) -> Option<i64> {
    fix.utc_ms.filter(|ms| fix.source == PlaceSource::Gps && *ms >= GPS_FLOOR_MS)
}
