//! One bandwidth test against a LibreSpeed back end (`garbage.php`, `empty.php`), within a budget that is never exceeded.
//!
//! In: the back end, bounds, the ledger of the month. Out: a [`ThroughputReading`], or the failure. Refuses to know:
//! schedules, what else runs on the uplink (the sampler marks that). Limits: `bytes_max` of a test, both ways, headers
//! of TCP and IP included, whatever the server does; `month_bytes` of an uplink; `seconds_max` each way.
//!
//! The bytes of a test are reserved before the first packet and durable then (`budget.rs`); what was not spent is given
//! back after the last. A test that is cut off in between, by a kill or by the power, counts in full.
//!
//! This does not use reqwest: its caps could only be hoped for. It hides the socket, so neither what the kernel took
//! unread nor what it sent again can be asked for, the receive buffer cannot be bounded, and a connection cannot be cut
//! without sending what waits. `docs/adr/0010-throughput-on-our-own-sockets.md` has the figures.

mod meter;
pub mod paced;
mod speed;
mod transfer;

pub use transfer::{APART_BYTES, Server};

use super::{BoxFuture, Probe, ProbeError};
use crate::budget::{BudgetError, Ledger, Month};
use crate::config::Direction;
use phusong_protocol::{FailureKind, Reading, ThroughputReading};
use speed::Speed;
use std::time::Duration;
use transfer::{ANSWER_WITHIN, Bounds, Way};

/// Names what was spoken, and how the figures were made.
const METHOD: &str = "librespeed";

/// What one test may take, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowance {
    pub ledger: Ledger,
    pub interface: String,
    pub direction: Direction,
    pub bytes_max: u64,
    pub month_bytes: u64,
    /// Of each direction.
    pub time: Duration,
}

/// Runs one test.
#[derive(Debug, Clone)]
pub struct ThroughputProbe {
    pub server: Server,
    pub allowance: Allowance,
    /// For the connection, for TLS, for the answer to begin; and for a silence in the middle.
    pub patience: Duration,
    /// The true time; `None` while the clock is not set, and then nothing may be spent.
    pub now_unix_ms: Option<i64>,
}

impl Allowance {
    /// The longest that a test can take, the look-up of the name aside.
    pub fn longest(&self, patience: Duration) -> Duration {
        (3 * patience + self.time + 2 * ANSWER_WITHIN) * self.direction.count()
    }
}

/// What the transfers came to.
#[derive(Debug, Default)]
struct Transfers {
    down: Option<Speed>,
    up: Option<Speed>,
}

impl ThroughputProbe {
    async fn test(&self) -> Result<Reading, ProbeError> {
        let budget = |error: BudgetError| ProbeError::new(FailureKind::Budget, error.to_string());
        let Some(now_unix_ms) = self.now_unix_ms else {
            let why = "the clock is not set: it is not known which month would pay".to_owned();
            return Err(ProbeError::new(FailureKind::Budget, why));
        };
        let Allowance { ledger, interface, bytes_max, month_bytes, .. } = self.allowance.clone();
        let month = Month::of(now_unix_ms);
        // The disk may take its time, and the other probes must not wait for it.
        let reserving = move || ledger.reserve(month, &interface, bytes_max, month_bytes);
        let reserved = tokio::task::spawn_blocking(reserving).await;
        let reserved = reserved.map_err(|stopped| ProbeError::new(FailureKind::Budget, stopped.to_string()))?;
        let reserved = reserved.map_err(budget)?;
        let mut cost = 0;
        let result = self.transfers(&mut cost).await;
        if cost > bytes_max {
            tracing::error!(cost, bytes_max, "a bandwidth test took more than it may; this is a mistake of ours");
        }
        let settling = tokio::task::spawn_blocking(move || reserved.settle(cost)).await;
        if let Ok(Err(error)) = settling {
            tracing::warn!(%error, "what a bandwidth test did not spend stays counted as spent");
        }
        let Transfers { down, up } = result?;
        let all = || down.iter().chain(&up);
        Ok(Reading::Throughput(ThroughputReading {
            down_bps: down.map(|speed| speed.bps),
            up_bps: up.map(|speed| speed.bps),
            bytes: cost,
            elapsed_ms: u32::try_from(all().map(|speed| speed.elapsed.as_millis()).sum::<u128>()).unwrap_or(u32::MAX),
            early: all().any(|speed| speed.early),
            method: METHOD.into(),
        }))
    }

    async fn transfers(&self, cost: &mut u64) -> Result<Transfers, ProbeError> {
        let Allowance { direction, bytes_max, time, .. } = self.allowance;
        let bounds = |bytes: u64| Bounds { bytes: bytes.saturating_sub(APART_BYTES), time, patience: self.patience };
        let down = match direction {
            Direction::Down => self.server.transfer(Way::Down, bounds(bytes_max), cost).await.map(Some)?,
            Direction::Both => self.server.transfer(Way::Down, bounds(bytes_max / 2), cost).await.map(Some)?,
            Direction::Up => None,
        };
        if direction == Direction::Down {
            return Ok(Transfers { down, up: None });
        }
        // What the download left is the upload's.
        let up = self.server.transfer(Way::Up, bounds(bytes_max.saturating_sub(*cost)), cost).await;
        match (up, down) {
            (Ok(up), down) => Ok(Transfers { down, up: Some(up) }),
            (Err(error), None) => Err(error),
            // Half of the answer is data that was paid for; the other half is absent.
            (Err(error), down) => {
                tracing::info!(%error, "a bandwidth test measured one direction only");
                Ok(Transfers { down, up: None })
            }
        }
    }
}

impl Probe for ThroughputProbe {
    fn measure(&mut self) -> BoxFuture<'_, Result<Reading, ProbeError>> {
        Box::pin(self.test())
    }
}
