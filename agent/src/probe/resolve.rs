//! From a configured host to the address that an attempt goes to.
//!
//! In: a host (name, address, or the words `gateway` and `resolver`), a family, an uplink's interface. Out: a [`Hop`],
//! that there is nothing to ask, or the failure. Refuses to know: what is measured. Limits: [`TIMEOUT`]; nothing is
//! kept, so that a name that stops resolving is seen.

use super::ProbeError;
use crate::config::Family;
use crate::device::net::{self, Gateway, Hop};
use phusong_protocol::FailureKind;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Longest wait for the system's resolver.
pub const TIMEOUT: Duration = Duration::from_secs(5);

/// Where an attempt goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    At(Hop),
    /// A point-to-point link has no gateway: not a failure, there is nothing to measure.
    Nothing,
}

/// Says why nothing can leave by this interface, before a socket says it less clearly.
pub fn check_link(interface: &str) -> Result<(), ProbeError> {
    let state = net::link_state(interface)
        .ok_or_else(|| ProbeError::new(FailureKind::DeviceMissing, format!("no interface {interface}")))?;
    let down = |what: &str| Err(ProbeError::new(FailureKind::LinkDown, format!("{interface} has no {what}")));
    match (state.up, state.addresses.is_empty()) {
        (false, _) => down("carrier"),
        (true, true) => down("address"),
        (true, false) => Ok(()),
    }
}

/// Whether the host has to be looked up.
pub fn is_name(host: &str) -> bool {
    !matches!(host, "gateway" | "resolver") && host.parse::<IpAddr>().is_err()
}

/// [`resolve`] with the time it took; a failure carries it, too. What takes longer than `limit` is a timeout.
pub async fn timed(
    host: &str,
    family: Family,
    interface: Option<&str>,
    limit: Duration,
) -> Result<(Resolved, Duration), ProbeError> {
    let began = Instant::now();
    let found = tokio::time::timeout(limit, resolve(host, family, interface)).await;
    let elapsed = began.elapsed();
    match found {
        Ok(Ok(found)) => Ok((found, elapsed)),
        Ok(Err(error)) => Err(ProbeError { elapsed: Some(elapsed), ..error }),
        Err(_) => Err(ProbeError { elapsed: Some(elapsed), ..ProbeError::new(FailureKind::Timeout, None) }),
    }
}

pub async fn resolve(host: &str, family: Family, interface: Option<&str>) -> Result<Resolved, ProbeError> {
    match host {
        "gateway" => gateway(family, interface),
        "resolver" => {
            let found = net::resolvers().into_iter().find(|a| fits(*a, family));
            let none =
                || ProbeError::new(FailureKind::Dns, "/etc/resolv.conf names no resolver of this family".to_owned());
            found.map(|address| Resolved::At(scoped(address, interface))).ok_or_else(none)
        }
        _ => match host.parse::<IpAddr>() {
            Ok(address) => Ok(Resolved::At(scoped(address, interface))),
            Err(_) => look_up(host, family).await.map(|address| Resolved::At(scoped(address, interface))),
        },
    }
}

fn gateway(family: Family, interface: Option<&str>) -> Result<Resolved, ProbeError> {
    let v4 = || net::gateway_v4(interface);
    let v6 = || net::gateway_v6(interface);
    let found = match family {
        Family::V4 => v4(),
        Family::V6 => v6(),
        Family::Auto => match v4() {
            Gateway::NoRoute => v6(),
            found => found,
        },
    };
    match found {
        Gateway::At(hop) => Ok(Resolved::At(hop)),
        Gateway::None => Ok(Resolved::Nothing),
        Gateway::NoRoute => Err(ProbeError::new(FailureKind::Unreachable, "no default route".to_owned())),
    }
}

async fn look_up(host: &str, family: Family) -> Result<IpAddr, ProbeError> {
    let dns = |detail: String| ProbeError::new(FailureKind::Dns, detail);
    let found = tokio::time::timeout(TIMEOUT, tokio::net::lookup_host((host, 0)));
    let mut addresses = match found.await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(error)) => return Err(dns(error.to_string())),
        Err(_) => return Err(dns(format!("no answer within {} s", TIMEOUT.as_secs()))),
    };
    let none = || dns("the name has no address of this family".into());
    addresses.find(|a| fits(a.ip(), family)).map(|a| a.ip()).ok_or_else(none)
}

fn fits(address: IpAddr, family: Family) -> bool {
    match family {
        Family::Auto => true,
        Family::V4 => address.is_ipv4(),
        Family::V6 => address.is_ipv6(),
    }
}

/// A link-local address means something on one interface only.
fn scoped(address: IpAddr, interface: Option<&str>) -> Hop {
    let local = matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let scope_id = if local { interface.and_then(net::index).unwrap_or(0) } else { 0 };
    Hop { address, scope_id }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_stands_for_itself_and_a_name_that_cannot_exist_is_a_dns_failure() {
        let found = resolve("192.0.2.7", Family::Auto, None).await;
        let hop = Hop { address: "192.0.2.7".parse().expect("an address"), scope_id: 0 };
        assert_eq!(found, Ok(Resolved::At(hop)));
        let error = resolve("no-such-host.invalid", Family::Auto, None).await.expect_err("RFC 6761");
        assert_eq!(error.kind, FailureKind::Dns);
    }

    #[tokio::test]
    async fn a_name_gives_an_address_of_the_family_that_was_asked_for() {
        let found = resolve("localhost", Family::V4, None).await;
        assert!(matches!(found, Ok(Resolved::At(hop)) if hop.address.is_loopback() && hop.address.is_ipv4()));
    }

    #[test]
    fn a_missing_interface_is_told_apart_from_one_that_is_down() {
        assert_eq!(check_link("nosuch0").map_err(|e| e.kind), Err(FailureKind::DeviceMissing));
    }
}
