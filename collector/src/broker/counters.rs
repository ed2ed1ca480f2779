//! What the embedded broker counts, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a connection was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// `broker.connections` was reached.
    Full,
    /// No TLS handshake in time, or a faulty one.
    Tls,
    /// No login in time.
    Silent,
    Login,
}

impl Refusal {
    pub const ALL: [Refusal; 4] = [Refusal::Full, Refusal::Tls, Refusal::Silent, Refusal::Login];

    pub fn name(self) -> &'static str {
        match self {
            Refusal::Full => "full",
            Refusal::Tls => "tls",
            Refusal::Silent => "silent",
            Refusal::Login => "login",
        }
    }
}

#[derive(Debug, Default)]
pub struct Counters {
    refused: [AtomicU64; 4],
    forbidden: AtomicU64,
    held: AtomicU64,
    dropped: AtomicU64,
    not_retained: AtomicU64,
}

impl Counters {
    pub fn refuse(&self, why: Refusal) {
        self.refused[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub fn refused(&self, why: Refusal) -> u64 {
        self.refused[why as usize].load(Ordering::Relaxed)
    }

    /// A publish or a subscription that the access list forbids.
    pub fn forbid(&self) {
        self.forbidden.fetch_add(1, Ordering::Relaxed);
    }

    pub fn forbidden(&self) -> u64 {
        self.forbidden.load(Ordering::Relaxed)
    }

    /// A publish that was refused because the collector did not take what was there.
    pub fn hold_back(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
    }

    pub fn held_back(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// A message that fell out of a client's queue or ended with its session.
    pub fn drop_message(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// A message that asked to be retained and was only delivered.
    pub fn not_retain(&self) {
        self.not_retained.fetch_add(1, Ordering::Relaxed);
    }

    pub fn not_retained(&self) -> u64 {
        self.not_retained.load(Ordering::Relaxed)
    }
}
