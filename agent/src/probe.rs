//! One attempt at one target: the one place where variety is real.
//!
//! In: what a probe was built with. Out: a reading, or why there is none. Refuses to know: periods, retries, the spool.
//! Limits: each probe names the longest time that it can take, and the sampler holds it to that.

pub mod dns;
pub mod http;
pub mod icmp;
pub mod resolve;
pub mod tcp;
pub mod throughput;

use phusong_protocol::{Attempt, Failure, FailureKind, Reading, limits};
use std::io;
use std::pin::Pin;
use std::time::Duration;

/// A future without a name, as a trait object needs it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Takes one reading. It never loops, sleeps its period, retries or exports.
pub trait Probe: Send {
    fn measure(&mut self) -> BoxFuture<'_, Result<Reading, ProbeError>>;
}

/// Why an attempt gave no reading.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?}{}", detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
pub struct ProbeError {
    pub kind: FailureKind,
    pub detail: Option<String>,
    pub sent: Option<u16>,
    pub elapsed: Option<Duration>,
}

impl ProbeError {
    pub fn new(kind: FailureKind, detail: impl Into<Option<String>>) -> Self {
        ProbeError { kind, detail: detail.into(), sent: None, elapsed: None }
    }

    /// An error of the operating system in the terms of the wire.
    pub fn from_io(error: &io::Error) -> Self {
        ProbeError::new(kind_of(error), error.to_string())
    }

    /// The same with the part of the attempt that it ended in.
    pub fn in_phase(mut self, phase: &str) -> Self {
        self.detail = Some(match self.detail {
            Some(detail) => format!("{phase}: {detail}"),
            None => phase.to_owned(),
        });
        self
    }

    pub fn into_failure(self, of: Attempt) -> Failure {
        let elapsed_us = self.elapsed.map(micros);
        Failure { of, kind: self.kind, detail: self.detail.map(bounded), sent: self.sent, elapsed_us }
    }
}

/// A duration as the wire has it; more than an hour is the longest it can say.
pub fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

/// The first bytes of a text that the wire takes, cut between characters.
pub fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(limits::STRING_BYTES));
    text
}

/// Which failure an error of a socket is.
pub fn kind_of(error: &io::Error) -> FailureKind {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => FailureKind::Refused,
        Some(libc::ETIMEDOUT) => FailureKind::Timeout,
        Some(libc::ECONNRESET | libc::ECONNABORTED | libc::EPIPE) => FailureKind::Reset,
        Some(libc::ENODEV | libc::ENXIO) => FailureKind::DeviceMissing,
        Some(libc::ENETDOWN | libc::EADDRNOTAVAIL) => FailureKind::LinkDown,
        Some(libc::EPERM | libc::EACCES) => FailureKind::Denied,
        Some(libc::ENOBUFS | libc::EMFILE | libc::ENFILE | libc::ENOMEM | libc::EAGAIN) => FailureKind::Busy,
        // ENETUNREACH, EHOSTUNREACH, and what else keeps a packet from leaving.
        Some(_) => FailureKind::Unreachable,
        None => match error.kind() {
            io::ErrorKind::TimedOut => FailureKind::Timeout,
            io::ErrorKind::InvalidData => FailureKind::Malformed,
            io::ErrorKind::UnexpectedEof => FailureKind::Reset,
            _ => FailureKind::Unreachable,
        },
    }
}
