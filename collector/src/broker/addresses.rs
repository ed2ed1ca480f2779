//! Under which addresses this machine can be reached, as far as the machine itself knows.
//!
//! In: `/proc/self/net`. Out: addresses of its interfaces, those of the default route first. Refuses to know: names,
//! what stands between here and the probes (a router that forwards a port is the operator's to name). Left out:
//! loopback, link-local addresses, the bridges of containers and virtual machines. Limits: [`MOST`] addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// More would not fit a code that a camera can read.
const MOST: usize = 4;
/// Interfaces that only lead into this machine.
const INWARD: [&str; 6] = ["docker", "br-", "veth", "virbr", "cni", "lo"];

/// The addresses of this machine, those that probes most likely reach first.
pub fn own() -> Vec<IpAddr> {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/self/net/{name}")).unwrap_or_default();
    let routes = routes(&read("route"));
    let mut found: Vec<(bool, IpAddr)> = local_v4(&read("fib_trie"))
        .into_iter()
        .filter_map(|address| Some((!leads_out(&routes, interface_of(&routes, address)?), address.into())))
        .collect();
    found.extend(global_v6(&read("if_inet6")).into_iter().map(|address| (true, address.into())));
    // A stable sort: what leads out first, else in the kernel's order.
    found.sort_by_key(|(inner, _)| *inner);
    found.into_iter().map(|(_, address)| address).take(MOST).collect()
}

struct Route {
    interface: String,
    network: u32,
    mask: u32,
}

fn routes(text: &str) -> Vec<Route> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The kernel prints addresses as numbers in its own byte order.
        let number = |at: usize| Some(u32::from_be(u32::from_str_radix(fields.get(at)?, 16).ok()?));
        Some(Route { interface: (*fields.first()?).to_owned(), network: number(1)?, mask: number(7)? })
    };
    text.lines().skip(1).filter_map(parse).collect()
}

/// The interface whose own network holds the address; none for one that only leads into this machine.
fn interface_of(routes: &[Route], address: Ipv4Addr) -> Option<&str> {
    let holds = |route: &&Route| route.mask != 0 && u32::from(address) & route.mask == route.network;
    let nearest = routes.iter().filter(holds).max_by_key(|route| route.mask)?;
    let outward = !INWARD.iter().any(|prefix| nearest.interface.starts_with(prefix));
    outward.then_some(nearest.interface.as_str())
}

fn leads_out(routes: &[Route], interface: &str) -> bool {
    routes.iter().any(|route| route.mask == 0 && route.interface == interface)
}

/// The lines before `/32 host LOCAL`, each once.
fn local_v4(text: &str) -> Vec<Ipv4Addr> {
    let mut found = Vec::new();
    let mut last = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            last = address.parse::<Ipv4Addr>().ok();
        } else if line == "/32 host LOCAL"
            && let Some(address) = last
            && !address.is_loopback()
            && !address.is_link_local()
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

/// Of global scope (`00`), without those that change for privacy (flag 1).
fn global_v6(text: &str) -> Vec<Ipv6Addr> {
    let parse = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let address = Ipv6Addr::from(u128::from_str_radix(fields.first()?, 16).ok()?);
        let temporary = u8::from_str_radix(fields.get(4)?, 16).ok()? & 1 != 0;
        let inward = INWARD.iter().any(|prefix| fields.get(5).is_none_or(|name| name.starts_with(prefix)));
        (*fields.get(3)? == "00" && !temporary && !inward).then_some(address)
    };
    text.lines().filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
        eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
        eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
        docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
        wlan0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";

    #[test]
    fn an_address_belongs_to_the_interface_of_its_network_and_containers_do_not_count() {
        let routes = routes(ROUTES);
        assert_eq!(interface_of(&routes, Ipv4Addr::new(192, 0, 2, 2)), Some("eth0"));
        assert_eq!(interface_of(&routes, Ipv4Addr::new(10, 1, 2, 3)), Some("wlan0"));
        assert_eq!(interface_of(&routes, Ipv4Addr::new(172, 17, 0, 1)), None);
        assert!(leads_out(&routes, "eth0") && !leads_out(&routes, "wlan0"));
    }

    #[test]
    fn local_addresses_are_found_once_and_without_loopback() {
        let trie = "Main:\n  +-- 0.0.0.0/0 3 0 5\n     |-- 127.0.0.1\n        /32 host LOCAL\n     |-- 192.0.2.0\n        \
                    /24 link UNICAST\n     |-- 192.0.2.2\n        /32 host LOCAL\nLocal:\n     |-- 192.0.2.2\n        \
                    /32 host LOCAL\n";
        assert_eq!(local_v4(trie), [Ipv4Addr::new(192, 0, 2, 2)]);
        let v6 = "fd000000000000000000000000000002 04 40 00 82     eth0\n\
                  00000000000000000000000000000001 01 80 10 80       lo\n\
                  fd000000000000000000000000000003 04 40 00 01     eth0\n\
                  fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n";
        assert_eq!(global_v6(v6), ["fd00::2".parse::<Ipv6Addr>().expect("an address")]);
    }
}
