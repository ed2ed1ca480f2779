//! One attempt of one lane: its name resolved, its probe built and run, held to its deadline.
//!
//! In: a lane, what all attempts share. Out: an [`Attempted`]. Refuses to know: when, how often, what becomes of it.
//! Limits: `Lane::longest`; a probe that takes longer is cut off and counts as timed out.

use crate::config::{BODY_BYTES, QUERY, RECORD, TargetConfig, TargetKind};
use crate::device::clock;
use crate::device::net::Hop;
use crate::modems::exchange::Exchange;
use crate::plan::Lane;
use crate::probe::dns::{self, DnsProbe};
use crate::probe::http::{Expected, HttpProbe, Url};
use crate::probe::icmp::{EchoSockets, IcmpProbe, is_v6};
use crate::probe::resolve::{self, Resolved};
use crate::probe::tcp::TcpProbe;
use crate::probe::throughput::{Server, ThroughputProbe};
use crate::probe::{Probe, ProbeError};
use crate::publish::WallClock;
use phusong_protocol::{FailureKind, Outcome, Reading};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::Duration;
use tokio::sync::watch;

/// The port of DNS (RFC 1035, 4.2.1).
const DNS_PORT: u16 = 53;

/// What all attempts share.
#[derive(Default)]
pub struct Means {
    pub sockets: EchoSockets,
    /// The floor of time for certificates; without it the wall clock is believed.
    pub wall: Option<watch::Receiver<WallClock>>,
    /// What modems say of uplinks, and what they are told; absent where nobody reads modems.
    pub modems: Option<Exchange>,
    /// Whether a survey runs: no bandwidth test is begun meanwhile.
    pub surveying: Option<watch::Receiver<bool>>,
}

/// What one attempt came to; no outcome where there was nothing to measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempted {
    pub address: Option<IpAddr>,
    pub outcome: Option<Outcome>,
}

/// Where a lane's host was found.
struct Found {
    hop: Hop,
    /// How long it took, where there was a name to look up.
    looked_up: Option<Duration>,
    /// Whether the lane reached another address before, or none.
    fresh: bool,
}

/// Takes one attempt. `warmed` is the address that the lane reached before.
pub async fn attempt(lane: &Lane, means: &Means, warmed: Option<IpAddr>) -> Attempted {
    let mut address = None;
    let result = match tokio::time::timeout(lane.longest(), measured(lane, means, warmed, &mut address)).await {
        Ok(result) => result,
        Err(_) => Err(ProbeError::new(FailureKind::Timeout, "the round's deadline passed".to_owned())),
    };
    let outcome = match result {
        Ok(None) => None,
        Ok(Some(reading)) => Some(Outcome::Reading(reading)),
        Err(error) => Some(Outcome::Failure(error.into_failure(lane.attempt()))),
    };
    Attempted { address, outcome }
}

async fn measured(
    lane: &Lane,
    means: &Means,
    warmed: Option<IpAddr>,
    address: &mut Option<IpAddr>,
) -> Result<Option<Reading>, ProbeError> {
    if let Some(interface) = lane.interface() {
        resolve::check_link(interface)?;
    }
    let (host, is_page) = match lane.target.kind {
        TargetKind::Http | TargetKind::Throughput => (url(&lane.target).host, true),
        _ => (lane.target.host.clone(), false),
    };
    // A page is measured with the look-up of its name; elsewhere the name is only the way to an address.
    let limit = if is_page { lane.timeout() } else { resolve::TIMEOUT };
    let resolved = resolve::timed(&host, lane.target.family, lane.interface(), limit).await;
    let (hop, took) = match resolved.map_err(|error| if is_page { error.in_phase("resolving") } else { error })? {
        (Resolved::Nothing, _) => return Ok(None),
        (Resolved::At(hop), took) => (hop, took),
    };
    *address = Some(hop.address);
    let looked_up = resolve::is_name(&host).then_some(took);
    let found = Found { hop, looked_up, fresh: warmed != Some(hop.address) };
    let mut probe: Box<dyn Probe> = match lane.target.kind {
        TargetKind::Icmp => Box::new(icmp(lane, means, &found)?),
        TargetKind::Tcp => Box::new(tcp(lane, &found)),
        TargetKind::Dns => Box::new(dns(lane, &found)),
        TargetKind::Http => Box::new(http(lane, means, &found)),
        TargetKind::Throughput => Box::new(throughput(lane, means, &found)),
    };
    probe.measure().await.map(Some)
}

fn url(target: &TargetConfig) -> Url {
    Url::parse(&target.host).expect("the configuration was checked: the host of such a target is a URL")
}

fn socket_address(hop: Hop, port: u16) -> SocketAddr {
    match hop.address {
        IpAddr::V4(v4) => SocketAddr::from((v4, port)),
        IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, port, 0, hop.scope_id)),
    }
}

fn icmp(lane: &Lane, means: &Means, found: &Found) -> Result<IcmpProbe, ProbeError> {
    let hop = found.hop;
    let socket = means.sockets.get(is_v6(hop.address), lane.interface()).map_err(|e| ProbeError::from_io(&e))?;
    let (count, interval, timeout) = (lane.target.count, lane.interval(), lane.timeout());
    Ok(IcmpProbe { socket, hop, count, interval, timeout, warm_up: found.fresh })
}

fn tcp(lane: &Lane, found: &Found) -> TcpProbe {
    let port = lane.target.port.expect("the configuration was checked: a tcp target has a port");
    let address = socket_address(found.hop, port);
    TcpProbe { address, interface: lane.interface().map(str::to_owned), timeout: lane.timeout() }
}

fn dns(lane: &Lane, found: &Found) -> DnsProbe {
    let query = lane.target.query.as_deref().unwrap_or(QUERY);
    DnsProbe {
        server: socket_address(found.hop, lane.target.port.unwrap_or(DNS_PORT)),
        interface: lane.interface().map(str::to_owned),
        name: dns::name(query).expect("the configuration was checked: the query is a name"),
        record: lane.target.record.unwrap_or(RECORD),
        timeout: lane.timeout(),
    }
}

fn http(lane: &Lane, means: &Means, found: &Found) -> HttpProbe {
    let target = &lane.target;
    let url = url(target);
    HttpProbe {
        address: socket_address(found.hop, url.port),
        url,
        interface: lane.interface().map(str::to_owned),
        looked_up: found.looked_up,
        timeout: lane.timeout(),
        expected: Expected { status: target.expect_status, body: target.expect_body.clone() },
        body_bytes: target.body_bytes.unwrap_or(BODY_BYTES) as usize,
        ca_file: target.ca_file.clone(),
        floor_unix_ms: means.wall.as_ref().map_or(0, |wall| wall.borrow().floor_unix_ms),
    }
}

fn throughput(lane: &Lane, means: &Means, found: &Found) -> ThroughputProbe {
    let target = &lane.target;
    let base = url(target);
    let now = clock::now();
    let now_unix_ms = match &means.wall {
        Some(wall) => wall.borrow().synced_offset_ms.map(|offset| offset.saturating_add_unsigned(now.mono_ms)),
        None => now.kernel.synced.then_some(now.wall_ms),
    };
    ThroughputProbe {
        server: Server {
            address: socket_address(found.hop, base.port),
            base,
            interface: lane.interface().map(str::to_owned),
            ca_file: target.ca_file.clone(),
            floor_unix_ms: means.wall.as_ref().map_or(0, |wall| wall.borrow().floor_unix_ms),
        },
        allowance: lane.allowance.clone().expect("the plan gives each lane of a bandwidth test what it may take"),
        patience: lane.timeout(),
        now_unix_ms,
    }
}
