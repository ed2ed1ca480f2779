//! What one round comes to: round-trip times with noise and loss, or why there is no answer.
//!
//! In: a lane, the time, what is wrong at that time. Out: [`Came`]. Refuses to know: the spool, clocks. Limits: noise is
//! invented; loss is drawn for each hour, 0 to 2 %, mostly near 0, and is far higher on a crowded cell.

use crate::plan::HOUR_MS;
use crate::script::Fault;
use crate::targets::{self, ECHOES, GATEWAY, HOSTS, Lane};
use fastrand::Rng;
use phusong_protocol::{Attempt, Failure, FailureKind, Uplink};

const TIMEOUT_US: u32 = 3_000_000;
/// The kernel sends a SYN again after this time (RFC 6298).
const SYN_AGAIN_US: u32 = 1_000_000;
/// What the air of LTE adds to the way to a host.
const AIR_US: u32 = 28_000;
/// A crowded cell loses so much, in 65,536ths (15 %), and everything takes so many times as long.
const CROWDED_LOSS: u64 = 9_830;
const CROWDED_TIMES: u32 = 3;

/// The answers of one successful round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Echoes {
    pub sent: u8,
    pub got: u8,
    /// The first `got` are times.
    pub rtt_us: [u32; ECHOES],
    /// Bit `i`: echo `i` was lost.
    pub lost: u16,
}

pub enum Came {
    Round(Echoes),
    Failure(Failure),
}

/// One probe's network.
pub struct Air {
    rng: Rng,
    base_us: [u32; HOSTS],
    hour: i64,
    /// In 65,536ths.
    loss: u64,
    stray_failures: f64,
    interface: String,
}

impl Air {
    pub fn new(seed: u64, stray_failures: f64, uplink: &Uplink) -> Self {
        let mut rng = Rng::with_seed(seed);
        let farther = 1.0 + 0.4 * rng.f64();
        let air_us = if uplink.sim_plmn.is_some() { AIR_US } else { 0 };
        let base_us = std::array::from_fn(|host| (f64::from(targets::least_us(host)) * farther) as u32 + air_us);
        Air { rng, base_us, hour: i64::MIN, loss: 0, stray_failures, interface: uplink.interface.clone() }
    }

    pub fn round(&mut self, lane: &Lane, at_ms: i64, fault: Option<Fault>) -> Came {
        if let Some(failure) = fault.and_then(|fault| failure(lane, fault, &self.interface)) {
            return Came::Failure(failure);
        }
        let hour = at_ms.div_euclid(HOUR_MS);
        if hour != self.hour {
            self.hour = hour;
            // The fourth power: 2 % is rare.
            self.loss = (self.rng.f64().powi(4) * 0.02 * 65_536.0) as u64;
        }
        let crowded = fault == Some(Fault::Crowded);
        match lane.of {
            Attempt::Latency => self.echoes(lane.host, crowded),
            _ => self.handshake(lane, crowded),
        }
    }

    fn way(&self, host: usize, crowded: bool) -> (u32, u64) {
        match crowded {
            true => (self.base_us[host] * CROWDED_TIMES, CROWDED_LOSS),
            false => (self.base_us[host], self.loss),
        }
    }

    fn echoes(&mut self, host: usize, crowded: bool) -> Came {
        let mut echoes = Echoes { sent: ECHOES as u8, got: 0, rtt_us: [0; ECHOES], lost: 0 };
        // The way to the gateway is a cable: nothing is lost there.
        let (base_us, lost) = self.way(host, crowded);
        let loss = if host == GATEWAY { 0 } else { lost };
        for echo in 0..ECHOES {
            let random = self.rng.u64(..);
            if random >> 48 < loss {
                echoes.lost |= 1 << echo;
            } else {
                echoes.rtt_us[usize::from(echoes.got)] = noisy(base_us, random);
                echoes.got += 1;
            }
        }
        match echoes.got {
            0 => Came::Failure(timed_out(Attempt::Latency)),
            _ => Came::Round(echoes),
        }
    }

    fn handshake(&mut self, lane: &Lane, crowded: bool) -> Came {
        if self.stray_failures > 0.0 && self.rng.f64() < self.stray_failures {
            return Came::Failure(timed_out(lane.of));
        }
        let random = self.rng.u64(..);
        let (base_us, loss) = self.way(lane.host, crowded);
        let mut us = noisy(base_us, random);
        if random >> 48 < loss {
            us += SYN_AGAIN_US;
        }
        let mut rtt_us = [0; ECHOES];
        rtt_us[0] = us;
        Came::Round(Echoes { sent: 1, got: 1, rtt_us, lost: 0 })
    }
}

/// A base with a long tail above it, and a spike now and then.
fn noisy(base_us: u32, random: u64) -> u32 {
    let share = (random & 0xFFFF) as f32 / 65_536.0;
    let tail = share * share * share;
    let mut us = base_us as f32 * (1.0 + 0.05 * share + 0.25 * tail * tail) + 200.0 * share;
    if random & 0xFF_0000 == 0 {
        us += ((random >> 24) & 0xFFFF) as f32;
    }
    us as u32
}

fn timed_out(of: Attempt) -> Failure {
    let (sent, waited_us) = match of {
        Attempt::Latency => (ECHOES as u16, TIMEOUT_US + 200_000 * (ECHOES as u32 - 1)),
        _ => (1, TIMEOUT_US),
    };
    Failure { of, kind: FailureKind::Timeout, detail: None, sent: Some(sent), elapsed_us: Some(waited_us + 400) }
}

fn unreachable(of: Attempt) -> Failure {
    let detail = Some("No route to host (os error 113)".to_owned());
    Failure { kind: FailureKind::Unreachable, detail, elapsed_us: Some(3_100), ..timed_out(of) }
}

fn unresolved(of: Attempt) -> Failure {
    let detail = Some("the name was not resolved in time".to_owned());
    Failure { kind: FailureKind::Dns, detail, sent: None, elapsed_us: Some(5_000_000), ..timed_out(of) }
}

/// What a fault does to a lane; nothing, if it leaves the lane alone.
fn failure(lane: &Lane, fault: Fault, interface: &str) -> Option<Failure> {
    let of = lane.of;
    let dead = |unreachable_at_once: bool| match of {
        _ if unreachable_at_once => unreachable(of),
        Attempt::Http => unresolved(of),
        _ => timed_out(of),
    };
    match fault {
        Fault::Crowded => None,
        Fault::Host(host) => (lane.host == host).then(|| timed_out(of)),
        Fault::Backhaul { unreachable } => (lane.host != GATEWAY).then(|| dead(unreachable)),
        Fault::Gateway { carrier: true } => Some(dead(of == Attempt::Tcp)),
        Fault::Gateway { carrier: false } => {
            let detail = Some(format!("{interface} has no carrier"));
            Some(Failure { of, kind: FailureKind::LinkDown, detail, sent: None, elapsed_us: None })
        }
    }
}
