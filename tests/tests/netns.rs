//! Every target is measured on every uplink, bound to it: an agent with two cables, one of which is cut.

use phusong_protocol::ReadingKind;
use phusong_tests::harness::netns::{self, NetNs};
use phusong_tests::harness::{Agent, Collector, Lab, TargetConfig, skip_test};

const FAILURE: u16 = 64;
/// An address of the world that both cables lead to.
const FAR: &str = "10.77.9.9";

/// The device's namespace with the cables `up0` and `up1`, and the world with everything else.
fn two_cables() -> (NetNs, NetNs) {
    let id = std::process::id();
    let device = NetNs::new(&format!("phd{id}")).expect("a namespace");
    let world = NetNs::new(&format!("phw{id}")).expect("a namespace");
    world.run(&format!("ip address add {FAR}/32 dev lo")).expect("an address");
    for (number, metric) in [(0, 200), (1, 100)] {
        let (own, other) = (format!("10.77.{number}.2/24"), format!("10.77.{number}.1/24"));
        let (inside, outside) = (format!("up{number}"), format!("far{number}"));
        device.cable((&inside, &own), &world, (&outside, &other)).expect("a cable");
        let route = format!("ip route add {FAR}/32 via 10.77.{number}.1 dev {inside} metric {metric}");
        device.run(&route).expect("a route");
    }
    (device, world)
}

fn on(interface: &str, target: &str, kind: u16) -> String {
    format!(
        "SELECT count(*) FROM observation o JOIN uplink u ON u.id = o.uplink_ref JOIN target t ON t.id = o.target_ref \
         WHERE u.interface = '{interface}' AND t.name = '{target}' AND o.kind = {kind}"
    )
}

fn failures(collector: &Collector, interface: &str) -> i64 {
    let of = |target| collector.query(&on(interface, target, FAILURE)).expect("a count");
    of("echo") + of("handshake")
}

#[test]
fn each_target_is_measured_on_each_uplink_and_a_cut_cable_fails_alone() {
    if let Some(why) = netns::unavailable() {
        return skip_test(&why);
    }
    let (device, world) = two_cables();
    let lab = Lab::start_in("netns", &["p1"], &world, &[FAR]).expect("the broker starts");
    let collector = Collector::start_in(lab.collector_config(), &["p1"], &world).expect("the collector starts");
    let mut config = lab.agent_config("p1");
    config.brokers = vec![format!("mqtts://{FAR}:{}", lab.broker.tls_port())];
    config.uplinks = vec!["up0".into(), "up1".into()];
    config.targets = vec![TargetConfig::icmp("echo", FAR), TargetConfig::tcp("handshake", FAR, lab.broker.tls_port())];
    let _agent = Agent::start_in(config, &device).expect("the agent starts");

    let summary = ReadingKind::Summary.code();
    for interface in ["up0", "up1"] {
        for target in ["echo", "handshake"] {
            let what = format!("{target} on {interface}");
            collector.wait_query(&what, &on(interface, target, summary), |n| n >= 1).expect("in time");
        }
    }
    assert_eq!((failures(&collector, "up0"), failures(&collector, "up1")), (0, 0));

    // The far end of one cable loses everything; the device's own end stays up, so only the binding tells.
    world.run("ip link set far0 down").expect("it is cut");
    for target in ["echo", "handshake"] {
        let what = format!("{target} fails on the cut cable");
        collector.wait_query(&what, &on("up0", target, FAILURE), |n| n >= 2).expect("in time");
    }
    let good = collector.query(&on("up1", "echo", summary)).expect("a count");
    collector.wait_query("the other cable works on", &on("up1", "echo", summary), |n| n > good).expect("in time");
    assert_eq!(failures(&collector, "up1"), 0);
}
