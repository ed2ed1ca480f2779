//! The network as the kernel sees it now: gateways, resolvers, state of interfaces, and a wake-up when that changes.
//!
//! In: `/proc/net`, `/sys/class/net`, `/etc/resolv.conf`, a netlink socket. Out: addresses, [`LinkState`]s. Refuses to
//! know: targets, samples. Limits: files of the kernel are read whole; at most [`RESOLVERS`] resolvers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use tokio::io::unix::AsyncFd;

/// As many as the C library uses.
pub const RESOLVERS: usize = 3;
const RTF_GATEWAY: u32 = 0x2;
const RTF_UP: u32 = 0x1;
const RTF_REJECT: u32 = 0x200;

/// An address with the interface index that a link-local one needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hop {
    pub address: IpAddr,
    pub scope_id: u32,
}

/// The way out of one interface, or of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gateway {
    At(Hop),
    /// A default route without a next hop (a point-to-point link): there is no gateway to ask.
    None,
    /// No default route.
    NoRoute,
}

/// State of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    pub up: bool,
    pub addresses: Vec<IpAddr>,
}

/// The IPv4 default gateway, of one interface or of the system.
pub fn gateway_v4(interface: Option<&str>) -> Gateway {
    parse_route_v4(&std::fs::read_to_string("/proc/net/route").unwrap_or_default(), interface)
}

pub fn gateway_v6(interface: Option<&str>) -> Gateway {
    parse_route_v6(&std::fs::read_to_string("/proc/net/ipv6_route").unwrap_or_default(), interface, index)
}

/// The interface of the system's IPv4 default route, or of its IPv6 one.
pub fn default_interface() -> Option<String> {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    interfaces_v4(&read("/proc/net/route"))
        .or_else(|| read("/proc/net/ipv6_route").lines().find_map(|line| default_v6(line).map(str::to_owned)))
}

fn interfaces_v4(text: &str) -> Option<String> {
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let of_line = |line: &&str| {
        let metric: u32 = line.split_whitespace().nth(6)?.parse().ok()?;
        let alone = format!("heading\n{line}");
        (parse_route_v4(&alone, None) != Gateway::NoRoute).then_some(metric)
    };
    let defaults = text.lines().skip(1).filter_map(|line| Some((of_line(&line)?, line)));
    defaults.min_by_key(|(metric, _)| *metric).and_then(|(_, line)| name(line))
}

fn default_v6(line: &str) -> Option<&str> {
    let name = line.split_whitespace().nth(9)?;
    (name != "lo" && parse_route_v6(line, Some(name), index) != Gateway::NoRoute).then_some(name)
}

fn parse_route_v4(text: &str, interface: Option<&str>) -> Gateway {
    let routes = text.lines().skip(1).filter_map(|line| {
        let f: Vec<&str> = line.split_whitespace().collect();
        let hex = |i: usize| u32::from_str_radix(f.get(i)?, 16).ok();
        let (destination, gateway, flags, mask) = (hex(1)?, hex(2)?, hex(3)?, hex(7)?);
        let metric: u32 = f.get(6)?.parse().ok()?;
        let default = destination == 0 && mask == 0 && flags & RTF_UP != 0 && flags & RTF_REJECT == 0;
        let wanted = interface.is_none_or(|name| f[0] == name);
        // The kernel prints addresses as numbers in its own byte order.
        let address = Ipv4Addr::from(gateway.to_ne_bytes());
        (default && wanted).then_some((metric, flags & RTF_GATEWAY != 0, Hop { address: address.into(), scope_id: 0 }))
    });
    best(routes)
}

fn parse_route_v6(text: &str, interface: Option<&str>, index_of: impl Fn(&str) -> Option<u32>) -> Gateway {
    let routes = text.lines().filter_map(|line| {
        let f: Vec<&str> = line.split_whitespace().collect();
        let hex = |i: usize| u32::from_str_radix(f.get(i)?, 16).ok();
        let (length, metric, flags, name) = (hex(1)?, hex(5)?, hex(8)?, *f.get(9)?);
        let destination = u128::from_str_radix(f[0], 16).ok()?;
        let address = Ipv6Addr::from(u128::from_str_radix(f.get(4)?, 16).ok()?);
        let default = destination == 0 && length == 0 && flags & RTF_UP != 0 && flags & RTF_REJECT == 0;
        let wanted = interface.is_none_or(|wanted| wanted == name) && name != "lo";
        let scope_id = if address.is_unicast_link_local() { index_of(name)? } else { 0 };
        (default && wanted).then_some((metric, flags & RTF_GATEWAY != 0, Hop { address: address.into(), scope_id }))
    });
    best(routes)
}

fn best(routes: impl Iterator<Item = (u32, bool, Hop)>) -> Gateway {
    match routes.min_by_key(|(metric, ..)| *metric) {
        None => Gateway::NoRoute,
        Some((_, false, _)) => Gateway::None,
        Some((_, true, hop)) => Gateway::At(hop),
    }
}

/// The system's resolvers; behind the local stub of systemd those that it asks.
pub fn resolvers() -> Vec<IpAddr> {
    let read = |file: &str| parse_resolvers(&std::fs::read_to_string(file).unwrap_or_default());
    let listed = read("/etc/resolv.conf");
    if listed.iter().all(|address| *address == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53))) {
        let behind = read("/run/systemd/resolve/resolv.conf");
        if !behind.is_empty() {
            return behind;
        }
    }
    listed
}

fn parse_resolvers(text: &str) -> Vec<IpAddr> {
    let addresses = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "nameserver").then(|| words.next())??.parse().ok()
    });
    addresses.take(RESOLVERS).collect()
}

/// The kernel's number of an interface.
pub fn index(interface: &str) -> Option<u32> {
    let file = Path::new("/sys/class/net").join(interface).join("ifindex");
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// `None` when there is no such interface.
pub fn link_state(interface: &str) -> Option<LinkState> {
    let dir = Path::new("/sys/class/net").join(interface);
    let flags = std::fs::read_to_string(dir.join("flags")).ok()?;
    let up = u32::from_str_radix(flags.trim().trim_start_matches("0x"), 16).is_ok_and(|f| f & 1 != 0);
    // Reading `carrier` fails while the interface is down.
    let carrier = std::fs::read_to_string(dir.join("carrier")).is_ok_and(|c| c.trim() == "1");
    Some(LinkState { up: up && carrier, addresses: addresses(interface) })
}

/// The addresses of an interface that packets can leave with: no link-local ones.
#[allow(unsafe_code)] // No safe wrapper of getifaddrs exists among our dependencies.
pub fn addresses(interface: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs fills `list` or fails; every pointer that is followed was checked for null and belongs to the
    // list, which is freed once, at the end; an address is read as the type that its family names.
    unsafe {
        if libc::getifaddrs(&mut list) != 0 {
            return found;
        }
        let mut next = list;
        while let Some(entry) = next.as_ref() {
            next = entry.ifa_next;
            let name = std::ffi::CStr::from_ptr(entry.ifa_name).to_bytes();
            if name != interface.as_bytes() || entry.ifa_addr.is_null() {
                continue;
            }
            let address = match i32::from((*entry.ifa_addr).sa_family) {
                libc::AF_INET => {
                    let v4 = entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    IpAddr::V4(Ipv4Addr::from(v4.sin_addr.s_addr.to_ne_bytes()))
                }
                libc::AF_INET6 => {
                    let v6 = entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    IpAddr::V6(Ipv6Addr::from(v6.sin6_addr.s6_addr))
                }
                _ => continue,
            };
            if !is_link_local(&address) {
                found.push(address);
            }
        }
        libc::freeifaddrs(list);
    }
    found
}

fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// Wakes when any interface or address of the system changes (rtnetlink).
pub struct Changes {
    socket: AsyncFd<std::os::fd::OwnedFd>,
}

impl Changes {
    #[allow(unsafe_code)] // What tokio asks of a descriptor, an OwnedFd keeps by its type.
    pub fn subscribe() -> std::io::Result<Self> {
        use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, netlink, socket_with};
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        // Protocol 0 of netlink is rtnetlink.
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        let groups = (libc::RTMGRP_LINK | libc::RTMGRP_IPV4_IFADDR | libc::RTMGRP_IPV6_IFADDR) as u32;
        bind(&socket, &netlink::SocketAddrNetlink::new(0, groups))?;
        // SAFETY: an OwnedFd is open for as long as it lives, and always the same descriptor.
        let socket = unsafe { AsyncFd::register(socket)? };
        Ok(Changes { socket })
    }

    /// Returns after at least one change; what changed is read from the kernel by whoever asks.
    pub async fn next(&mut self) -> std::io::Result<()> {
        let mut ready = self.socket.readable().await?;
        let mut buffer = [0u8; 4096];
        // Everything that is queued counts as one change. A full queue (ENOBUFS) is a change too.
        loop {
            match rustix::io::read(self.socket.get_ref(), &mut buffer) {
                Ok(_) | Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(e) => return Err(e.into()),
            }
        }
        ready.clear_ready();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gateway_is_that_of_the_best_default_route_of_the_interface() {
        let text = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\n\
            wwan0\t00000000\t00000000\t0001\t0\t0\t700\t00000000\t0\t0\t0\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
            eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        let hop = Hop { address: "192.0.2.1".parse().expect("an address"), scope_id: 0 };
        if cfg!(target_endian = "little") {
            assert_eq!(parse_route_v4(text, None), Gateway::At(hop));
            assert_eq!(parse_route_v4(text, Some("eth0")), Gateway::At(hop));
        }
        assert_eq!(interfaces_v4(text).as_deref(), Some("eth0"));
        assert_eq!(parse_route_v4(text, Some("wwan0")), Gateway::None);
        assert_eq!(parse_route_v4(text, Some("eth1")), Gateway::NoRoute);
    }

    #[test]
    fn a_link_local_gateway_carries_its_interface_and_unreachable_defaults_do_not_count() {
        let zero = "0".repeat(32);
        let text = format!(
            "{zero} 00 {zero} 00 fe800000000000000000000000000001 00000400 00000002 00000000 00000003     eth0\n\
             {zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n"
        );
        let hop = Hop { address: "fe80::1".parse().expect("an address"), scope_id: 9 };
        assert_eq!(parse_route_v6(&text, None, |_| Some(9)), Gateway::At(hop));
        assert_eq!(parse_route_v6(&text, Some("wlan0"), |_| Some(9)), Gateway::NoRoute);
    }

    #[test]
    fn resolvers_are_read_in_order_and_no_more_than_are_used() {
        let text = "# comment\nnameserver 192.0.2.53\nsearch x\nnameserver 2001:db8::53\nnameserver bad\n\
            nameserver 192.0.2.54\nnameserver 192.0.2.55\n";
        let shown: Vec<String> = parse_resolvers(text).iter().map(IpAddr::to_string).collect();
        assert_eq!(shown, ["192.0.2.53", "2001:db8::53", "192.0.2.54"]);
    }

    #[test]
    fn the_loopback_interface_has_an_index_and_its_addresses() {
        assert!(index("lo").is_some());
        let state = link_state("lo").expect("every Linux has lo");
        if state.up {
            assert!(state.addresses.contains(&IpAddr::V4(Ipv4Addr::LOCALHOST)));
        }
        assert_eq!(link_state("no-such-link"), None);
    }
}
