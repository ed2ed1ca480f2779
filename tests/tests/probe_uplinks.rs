//! Queries and pages leave by the uplink that they are to judge: one round over two cables, one of which is cut.

use phusong_tests::harness::netns::{self, NetNs};
use phusong_tests::harness::{TempDir, binary, skip_test};
use serde_json::Value;
use std::collections::BTreeMap;

/// An address of the world that both cables lead to, where nobody serves anything.
const FAR: &str = "10.78.9.9";

/// The device's namespace with the cables `up0` and `up1`, and the world. The better route is that of `up1`.
fn two_cables() -> (NetNs, NetNs) {
    let id = std::process::id();
    let device = NetNs::new(&format!("ppd{id}")).expect("a namespace");
    let world = NetNs::new(&format!("ppw{id}")).expect("a namespace");
    world.run(&format!("ip address add {FAR}/32 dev lo")).expect("an address");
    for (number, metric) in [(0, 200), (1, 100)] {
        let (own, other) = (format!("10.78.{number}.2/24"), format!("10.78.{number}.1/24"));
        let (inside, outside) = (format!("up{number}"), format!("far{number}"));
        device.cable((&inside, &own), &world, (&outside, &other)).expect("a cable");
        let route = format!("ip route add {FAR}/32 via 10.78.{number}.1 dev {inside} metric {metric}");
        device.run(&route).expect("a route");
    }
    (device, world)
}

/// How each target failed on each uplink.
fn failures(device: &NetNs, file: &std::path::Path) -> BTreeMap<(String, String), String> {
    let mut command = device.command(binary("phusong-agent").expect("it is built"));
    let output = command.arg("--config").arg(file).args(["measure", "--json"]).output().expect("it runs");
    let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let results = said["results"].as_array().expect("a list").iter();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    results
        .map(|one| {
            let lane = (word(&one["uplink"]["interface"]), word(&one["target"]["name"]));
            (lane, word(&one["failure"]["kind"]))
        })
        .collect()
}

#[test]
fn queries_and_pages_go_by_their_own_uplink_and_a_cut_cable_fails_alone() {
    if let Some(why) = netns::unavailable() {
        return skip_test(&why);
    }
    let (device, world) = two_cables();
    let dir = TempDir::new("probe-uplinks").expect("a directory");
    let file = dir.path().join("agent.toml");
    let mut text = "site = \"lab\"\nprobe = \"p1\"\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n".to_owned();
    for interface in ["up0", "up1"] {
        text += &format!("[[uplink]]\ninterface = \"{interface}\"\n");
    }
    for (name, kind, host) in [("names", "dns", FAR.to_owned()), ("page", "http", format!("http://{FAR}/"))] {
        text += &format!("[[target]]\nname = {name:?}\nkind = {kind:?}\nhost = {host:?}\ntimeout_ms = 1000\n");
    }
    std::fs::write(&file, text).expect("a file");

    // Nobody serves there: a refusal proves that the way works.
    let before = failures(&device, &file);
    assert_eq!(before.len(), 4);
    assert!(before.values().all(|kind| kind == "refused"), "{before:?}");

    // The far end loses everything; the device's own end stays up, so only the binding tells.
    world.run("ip link set far1 down").expect("it is cut");
    world.run("ip link set far1 up").expect("the carrier is back");
    world.run("ip address flush dev far1").expect("it has no address any more");
    let after = failures(&device, &file);
    for ((interface, target), kind) in &after {
        let refused = kind == "refused";
        assert_eq!(refused, interface == "up0", "{target} on {interface}: {kind}");
    }
}
