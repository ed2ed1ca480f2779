//! Who may transfer now, how much, and how fast.
//!
//! In: client addresses, bytes. Out: a [`Seat`], or why not; waiting times. Refuses to know: HTTP. Limits: [`CLIENTS`]
//! addresses in an hour; IPv6 clients count by their /64, which is what one household gets.

use axum::body::Bytes;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Addresses whose bytes are counted; more in one hour are not served.
pub const CLIENTS: usize = 10_000;
const HOUR: Duration = Duration::from_secs(3_600);
/// Random bytes made once and sent over and over; longer than any window in which a compressor looks back.
const BLOCK_BYTES: usize = 1 << 20;
/// How far a pause may be made up for.
const BURST: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Transfers at once.
    pub concurrency: usize,
    /// Bytes of one client address in an hour, both ways.
    pub hour_bytes: u64,
    /// Bytes a second of all transfers together.
    pub rate_bytes_s: u64,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    Busy,
    UsedUp { again_s: u64 },
    TooLong,
}

/// Shared by all transfers.
#[derive(Clone)]
pub struct Speed {
    limits: Limits,
    seats: Arc<Semaphore>,
    hour: Arc<Mutex<Hour>>,
    /// When the next byte may pass.
    next: Arc<Mutex<Instant>>,
    block: Bytes,
}

/// One transfer that is let in; its place is free again when it is dropped.
pub struct Seat {
    speed: Speed,
    client: IpAddr,
    began: Instant,
    _place: OwnedSemaphorePermit,
}

struct Hour {
    began: Instant,
    used: HashMap<IpAddr, u64>,
}

impl Refused {
    pub fn word(self) -> &'static str {
        match self {
            Refused::Busy => "too many clients",
            Refused::UsedUp { .. } => "the client's hour is used up",
            Refused::TooLong => "the transfer took too long",
        }
    }
}

impl Speed {
    pub fn new(limits: Limits) -> Self {
        let mut block = vec![0; BLOCK_BYTES];
        fastrand::fill(&mut block);
        Speed {
            limits,
            seats: Arc::new(Semaphore::new(limits.concurrency)),
            hour: Arc::new(Mutex::new(Hour { began: Instant::now(), used: HashMap::new() })),
            next: Arc::new(Mutex::new(Instant::now())),
            block: block.into(),
        }
    }

    pub fn block(&self) -> Bytes {
        self.block.clone()
    }

    pub fn seat(&self, client: IpAddr) -> Result<Seat, Refused> {
        let client = household(client);
        self.count(client, 0)?;
        let place = Arc::clone(&self.seats).try_acquire_owned().map_err(|_| Refused::Busy)?;
        Ok(Seat { speed: self.clone(), client, began: Instant::now(), _place: place })
    }

    fn count(&self, client: IpAddr, bytes: u64) -> Result<(), Refused> {
        // Counters are right whoever panicked.
        let mut hour = self.hour.lock().unwrap_or_else(PoisonError::into_inner);
        if hour.began.elapsed() >= HOUR {
            *hour = Hour { began: Instant::now(), used: HashMap::new() };
        }
        if hour.used.len() >= CLIENTS && !hour.used.contains_key(&client) {
            return Err(Refused::Busy);
        }
        let again_s = HOUR.saturating_sub(hour.began.elapsed()).as_secs() + 1;
        let used = hour.used.entry(client).or_default();
        if used.saturating_add(bytes.max(1)) > self.limits.hour_bytes {
            return Err(Refused::UsedUp { again_s });
        }
        *used += bytes;
        Ok(())
    }

    /// How long these bytes have to wait, so that all together keep to the rate.
    fn wait(&self, bytes: u64) -> Duration {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let at = (*next).max(earliest);
        *next = at + Duration::from_secs_f64(bytes as f64 / self.limits.rate_bytes_s as f64);
        at.saturating_duration_since(now)
    }
}

impl Seat {
    /// Counts bytes and waits until they may pass.
    pub async fn pass(&self, bytes: usize, longest: Duration) -> Result<(), Refused> {
        if self.began.elapsed() >= longest {
            return Err(Refused::TooLong);
        }
        self.speed.count(self.client, bytes as u64)?;
        tokio::time::sleep(self.speed.wait(bytes as u64)).await;
        Ok(())
    }
}

fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}
