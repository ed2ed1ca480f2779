//! What every probe measures: seven lanes to five hosts on one uplink.
//!
//! In: a probe. Out: the wire's targets and uplink, shared by all its samples. Refuses to know: time.
//! Limits: a modem has no gateway that would answer, so a probe with a SIM leaves that lane out; names and addresses are those that RFC 2606 and RFC 5737 keep for examples.

use crate::fleet::Member;
use phusong_protocol::{Attempt, ServiceState, Tag, Target, Technology, Uplink};
use std::net::{IpAddr, Ipv4Addr};
use std::ops::Range;
use std::sync::Arc;

pub const LANES: usize = 7;
pub const HOSTS: usize = 5;
pub const GATEWAY: usize = 0;
pub const BEYOND_GATEWAY: Range<usize> = 1..HOSTS;
/// Of one round of ICMP, 200 ms apart, as agents do.
pub const ECHOES: usize = 10;
/// How a fixed link is called, and a modem's.
const CABLE: &str = "eth0";
const MODEM: &str = "wwan0";
/// The shortest period of all lanes.
pub const PERIOD_MS: i64 = 60_000;

/// One target, one kind of probe.
pub struct Lane {
    pub name: &'static str,
    pub host: usize,
    pub of: Attempt,
    pub period_ms: i64,
    port: Option<u16>,
}

const fn lane(name: &'static str, host: usize, of: Attempt, port: Option<u16>, period_ms: i64) -> Lane {
    Lane { name, host, of, period_ms, port }
}

pub const LANE: [Lane; LANES] = [
    lane("gateway", GATEWAY, Attempt::Latency, None, PERIOD_MS),
    lane("domestic-1", 1, Attempt::Latency, None, PERIOD_MS),
    lane("domestic-1-tcp", 1, Attempt::Tcp, Some(443), PERIOD_MS),
    lane("domestic-2", 2, Attempt::Latency, None, PERIOD_MS),
    lane("domestic-2-tcp", 2, Attempt::Tcp, Some(443), PERIOD_MS),
    lane("public-service", 3, Attempt::Http, None, 5 * PERIOD_MS),
    lane("foreign", 4, Attempt::Tcp, Some(443), PERIOD_MS),
];

struct Host {
    name: &'static str,
    address: Ipv4Addr,
    tag: Tag,
    /// Round-trip time of the nearest probe.
    least_us: u32,
}

const HOST: [Host; HOSTS] = [
    Host { name: "gateway", address: Ipv4Addr::new(192, 168, 1, 1), tag: Tag::Gateway, least_us: 400 },
    Host { name: "one.vn.example", address: Ipv4Addr::new(203, 0, 113, 10), tag: Tag::Domestic, least_us: 7_000 },
    Host { name: "two.vn.example", address: Ipv4Addr::new(203, 0, 113, 20), tag: Tag::Domestic, least_us: 11_000 },
    Host {
        name: "dichvu.vn.example",
        address: Ipv4Addr::new(203, 0, 113, 30),
        tag: Tag::PublicService,
        least_us: 60_000,
    },
    Host { name: "abroad.example", address: Ipv4Addr::new(198, 51, 100, 40), tag: Tag::Foreign, least_us: 42_000 },
];

pub fn host(number: usize) -> &'static str {
    HOST[number].name
}

pub fn least_us(host: usize) -> u32 {
    HOST[host].least_us
}

/// The lanes' targets as samples carry them.
pub fn targets() -> [Arc<Target>; LANES] {
    LANE.each_ref().map(|lane| {
        let host = &HOST[lane.host];
        let named = match (lane.of, lane.port) {
            (Attempt::Http, _) => format!("https://{}/", host.name),
            (_, Some(port)) => format!("{}:{port}", host.name),
            (_, None) => host.name.to_owned(),
        };
        let address = Some(IpAddr::V4(host.address));
        Arc::new(Target { name: lane.name.into(), host: named, address, tags: vec![host.tag] })
    })
}

pub fn uplink(member: &Member) -> Arc<Uplink> {
    let plmn = member.sim.map(|sim| sim.plmn.to_owned());
    let modem = plmn.is_some();
    Arc::new(Uplink {
        interface: if modem { MODEM } else { CABLE }.into(),
        provider: (!modem).then(|| member.provider.into()),
        serving_plmn: plmn.clone(),
        sim_plmn: plmn,
        roaming: modem.then_some(false),
        service_state: modem.then_some(ServiceState::Home),
        technology: Some(if modem { Technology::Lte } else { Technology::Fiber }),
        rrc: None,
        self_load: None,
    })
}
