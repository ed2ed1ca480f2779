//! One round of ICMP echoes (RFC 792, RFC 4443) to one address.
//!
//! In: an open echo socket, an address, how many echoes how far apart. Out: a [`LatencyReading`] with the positions of
//! the lost ones, or a failure when none came back. Refuses to know: names, periods. Limits: one socket per family and
//! interface for the life of the process; `limits::ECHOES` echoes a round.
//!
//! Echoes are sent on their own grid and do not wait for each other, so loss does not stretch a round.

use super::{BoxFuture, Probe, ProbeError, kind_of, micros};
use crate::device::net::{self, Hop};
use phusong_protocol::{FailureKind, LatencyReading, Reading};
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use surge_ping::{Client, Config, ICMP, IcmpPacket, PingIdentifier, PingSequence, SurgeError};
use tokio::task::JoinSet;

/// As `ping` sends by default.
const PAYLOAD: [u8; 56] = [0x50; 56];
/// Longest wait for the echo that is not measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// The kind of socket that the system permitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SocketKind {
    /// Needs CAP_NET_RAW; sees what routers say (unreachable, prohibited).
    Raw,
    /// Needs `net.ipv4.ping_group_range`; what routers say looks like silence.
    Datagram,
}

/// The process's echo sockets: one per family and interface, opened when first needed.
#[derive(Default)]
pub struct EchoSockets {
    open: Mutex<HashMap<Binding, Bound>>,
    /// One counter for all: a raw socket also sees the replies that were meant for another one.
    seq: Arc<AtomicU16>,
}

/// Whether IPv6, and the interface.
type Binding = (bool, Option<String>);
/// The index that the interface had, and the socket.
type Bound = (Option<u32>, EchoSocket);

/// An open socket, shared by every round that uses it.
#[derive(Clone)]
pub struct EchoSocket {
    client: Client,
    ident: PingIdentifier,
    seq: Arc<AtomicU16>,
}

impl EchoSockets {
    /// The socket for addresses of this family, bound to the interface where there is one.
    pub fn get(&self, v6: bool, interface: Option<&str>) -> io::Result<EchoSocket> {
        // A modem that was unplugged and came back has a new index: a socket bound to the old one is dead.
        let index = interface.and_then(net::index);
        let key = (v6, interface.map(str::to_owned));
        let mut open = self.open.lock().expect("nothing panics while it holds the lock");
        if let Some((bound_to, socket)) = open.get(&key)
            && *bound_to == index
        {
            return Ok(socket.clone());
        }
        let mut config =
            Config::builder().kind(if v6 { ICMP::V6 } else { ICMP::V4 }).sock_type_hint(socket2::Type::RAW);
        if let Some(interface) = interface {
            config = config.interface(interface);
        }
        let client = Client::new(&config.build())?;
        let socket = EchoSocket { client, ident: PingIdentifier(fastrand::u16(1..)), seq: self.seq.clone() };
        open.insert(key, (index, socket.clone()));
        Ok(socket)
    }
}

impl EchoSocket {
    pub fn kind(&self) -> SocketKind {
        if self.client.get_socket().get_type() == socket2::Type::RAW { SocketKind::Raw } else { SocketKind::Datagram }
    }

    async fn echo(self, hop: Hop, timeout: Duration) -> Result<Duration, FailureKind> {
        self.echo_of(hop, timeout, &PAYLOAD).await
    }

    /// One echo that carries this, and carries it back.
    pub async fn echo_of(self, hop: Hop, timeout: Duration, payload: &[u8]) -> Result<Duration, FailureKind> {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed);
        let mut pinger = self.client.pinger(hop.address, self.ident).await;
        pinger.timeout(timeout).scope_id(hop.scope_id);
        match pinger.ping(PingSequence(seq), payload).await {
            Ok((packet, rtt)) => answered(&packet).map(|()| rtt),
            Err(SurgeError::Timeout { .. }) => Err(FailureKind::Timeout),
            Err(SurgeError::IOError(error)) => Err(kind_of(&error)),
            Err(SurgeError::IdenticalRequests { .. }) => Err(FailureKind::Busy),
            Err(_) => Err(FailureKind::Malformed),
        }
    }
}

/// Whether a packet that belongs to our echo is its reply, or what a router had to say.
fn answered(packet: &IcmpPacket) -> Result<(), FailureKind> {
    match packet {
        // RFC 792: 0 echo reply; 3 unreachable, codes 9, 10 and 13 administratively prohibited.
        IcmpPacket::V4(p) => match (p.get_icmp_type().0, p.get_icmp_code().0) {
            (0, _) => Ok(()),
            (3, 9 | 10 | 13) => Err(FailureKind::Denied),
            _ => Err(FailureKind::Unreachable),
        },
        // RFC 4443: 129 echo reply; 1 unreachable, code 1 administratively prohibited.
        IcmpPacket::V6(p) => match (p.get_icmpv6_type().0, p.get_icmpv6_code().0) {
            (129, _) => Ok(()),
            (1, 1) => Err(FailureKind::Denied),
            _ => Err(FailureKind::Unreachable),
        },
    }
}

/// One round to one address.
pub struct IcmpProbe {
    pub socket: EchoSocket,
    pub hop: Hop,
    pub count: u16,
    pub interval: Duration,
    pub timeout: Duration,
    /// Send one echo that is not measured: the first pays for neighbour discovery and route set-up.
    pub warm_up: bool,
}

impl IcmpProbe {
    /// The longest that a round can take.
    pub fn longest(count: u16, interval: Duration, timeout: Duration) -> Duration {
        WARM_UP + interval * u32::from(count) + timeout
    }

    async fn round(&self) -> Result<Reading, ProbeError> {
        let began = Instant::now();
        if self.warm_up {
            let _outlier = self.socket.clone().echo(self.hop, WARM_UP.min(self.timeout)).await;
        }
        let first = tokio::time::Instant::now();
        let mut echoes = JoinSet::new();
        for position in 0..self.count {
            tokio::time::sleep_until(first + self.interval * u32::from(position)).await;
            let echo = self.socket.clone().echo(self.hop, self.timeout);
            echoes.spawn(async move { (position, echo.await) });
        }
        let mut results: Vec<(u16, Result<Duration, FailureKind>)> = Vec::with_capacity(self.count.into());
        while let Some(echo) = echoes.join_next().await {
            results.extend(echo);
        }
        results.sort_by_key(|(position, _)| *position);
        self.reading(&results, began.elapsed())
    }

    fn reading(
        &self,
        results: &[(u16, Result<Duration, FailureKind>)],
        elapsed: Duration,
    ) -> Result<Reading, ProbeError> {
        let rtt_us: Vec<u32> = results.iter().filter_map(|(_, r)| r.as_ref().ok().map(|rtt| micros(*rtt))).collect();
        if rtt_us.is_empty() {
            // What somebody said is worth more than silence.
            let said = results.iter().filter_map(|(_, r)| r.as_ref().err().copied());
            let kind = said.fold(FailureKind::Timeout, |best, k| if best == FailureKind::Timeout { k } else { best });
            return Err(ProbeError { sent: Some(self.count), elapsed: Some(elapsed), ..ProbeError::new(kind, None) });
        }
        let lost = results.iter().filter(|(_, r)| r.is_err()).map(|(position, _)| *position).collect();
        Ok(Reading::Latency(LatencyReading { sent: self.count, rtt_us, lost }))
    }
}

impl Probe for IcmpProbe {
    fn measure(&mut self) -> BoxFuture<'_, Result<Reading, ProbeError>> {
        Box::pin(self.round())
    }
}

/// The family of an address, as [`EchoSockets::get`] asks for it.
pub fn is_v6(address: IpAddr) -> bool {
    address.is_ipv6()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(sockets: &EchoSockets, address: &str, interface: Option<&str>) -> Option<IcmpProbe> {
        let address: IpAddr = address.parse().expect("an address");
        let socket = match sockets.get(is_v6(address), interface) {
            Ok(socket) => socket,
            Err(error) => {
                eprintln!("SKIPPED: neither a raw nor a datagram ICMP socket is permitted here: {error}");
                return None;
            }
        };
        let (interval, timeout) = (Duration::from_millis(10), Duration::from_secs(2));
        let hop = Hop { address, scope_id: 0 };
        Some(IcmpProbe { socket, hop, count: 5, interval, timeout, warm_up: true })
    }

    #[tokio::test]
    async fn loopback_answers_every_echo_in_both_families() {
        let sockets = EchoSockets::default();
        for (address, interface) in [("127.0.0.1", None), ("127.0.0.1", Some("lo")), ("::1", None)] {
            let Some(mut probe) = probe(&sockets, address, interface) else { return };
            match probe.measure().await {
                Ok(Reading::Latency(reading)) => {
                    assert_eq!((reading.sent, reading.rtt_us.len()), (5, 5), "{address}");
                    assert!(reading.lost.is_empty());
                    assert!(reading.rtt_us.iter().all(|us| *us < 1_000_000));
                }
                other => {
                    assert_eq!(address, "::1", "{other:?}");
                    eprintln!("SKIPPED ::1: this machine has no IPv6 loopback: {other:?}");
                }
            }
        }
        assert_eq!(sockets.open.lock().expect("not poisoned").len(), 3);
    }

    #[tokio::test]
    async fn rounds_to_one_address_at_the_same_time_do_not_take_each_others_replies() {
        let sockets = EchoSockets::default();
        let (Some(mut one), Some(mut two)) =
            (probe(&sockets, "127.0.0.1", None), probe(&sockets, "127.0.0.1", Some("lo")))
        else {
            return;
        };
        let (one, two) = tokio::join!(one.measure(), two.measure());
        for result in [one, two] {
            assert!(matches!(result, Ok(Reading::Latency(r)) if r.rtt_us.len() == 5));
        }
    }

    #[tokio::test]
    async fn an_address_that_nobody_has_is_a_failure_with_the_number_of_echoes() {
        let sockets = EchoSockets::default();
        // RFC 5737: TEST-NET-3 is routed nowhere; bound to lo it cannot even leave.
        let Some(mut probe) = probe(&sockets, "203.0.113.1", Some("lo")) else { return };
        probe.timeout = Duration::from_millis(100);
        let error = probe.measure().await.expect_err("nobody answers");
        assert_eq!(error.sent, Some(5));
        assert!(matches!(error.kind, FailureKind::Timeout | FailureKind::Unreachable), "{error}");
    }
}
