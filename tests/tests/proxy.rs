//! The instruments measure right: the proxy loses what it says it loses, and whole packets only.

use phusong_tests::harness::{Lab, Login, MqttClient, Policy, Proxy, wait};
use std::time::Duration;

struct Bench {
    lab: Lab,
    proxy: Proxy,
}

fn bench(name: &str) -> Bench {
    let lab = Lab::start(name, &["p1"]).expect("the broker starts");
    let proxy = Proxy::start(lab.broker.plain_address(), 1).expect("the proxy starts");
    Bench { lab, proxy }
}

impl Bench {
    fn through_proxy(&self) -> MqttClient {
        MqttClient::connect(&Login::plain(self.proxy.port(), "p1", &Lab::password("p1"))).expect("connects")
    }

    fn collector(&self) -> MqttClient {
        let port = self.lab.broker.plain_port();
        MqttClient::connect(&Login::plain(port, "collector", "collector-secret")).expect("connects")
    }
}

#[test]
fn nothing_is_lost_without_a_policy() {
    let bench = bench("proxy-pass");
    let mut reader = bench.collector();
    reader.subscribe("phusong/v1/+/+/batch").expect("subscribes");
    let mut client = bench.through_proxy();
    for number in 0..200_u32 {
        let payload = vec![7; 300 * number as usize];
        client.publish(&Lab::topic("p1", "batch"), payload.clone()).expect("publishes");
        let got = reader.next(wait::PATIENCE).expect("connected").expect("arrives");
        assert_eq!(got.payload, payload);
    }
    let counts = bench.proxy.counts();
    assert_eq!((counts.publishes, counts.pubacks, counts.dropped_publishes, counts.connections), (200, 200, 0, 1));
}

#[test]
fn a_third_of_the_batches_is_lost_and_counted() {
    let bench = bench("proxy-drop");
    let mut reader = bench.collector();
    reader.subscribe("phusong/v1/+/+/batch").expect("subscribes");
    bench.proxy.set(Policy { drop_publish: 1.0 / 3.0, ..Policy::default() });
    let mut client = bench.through_proxy();
    for _ in 0..90 {
        client.send(&Lab::topic("p1", "batch"), "x", false).expect("sends");
    }
    wait::until_true("all have passed the proxy", wait::PATIENCE, || bench.proxy.counts().publishes == 90)
        .expect("in time");
    let dropped = bench.proxy.counts().dropped_publishes;
    assert!((15..=45).contains(&dropped), "{dropped}");
    for _ in 0..90 - dropped {
        reader.next(wait::PATIENCE).expect("connected").expect("the others arrive");
    }
    assert_eq!(reader.next(Duration::from_millis(300)).expect("connected"), None);
}

#[test]
fn a_forgetful_broker_acknowledges_and_delivers_nothing() {
    let bench = bench("proxy-forget");
    let mut reader = bench.collector();
    reader.subscribe("phusong/v1/+/+/batch").expect("subscribes");
    bench.proxy.set(Policy { forget: true, ..Policy::default() });
    let mut client = bench.through_proxy();
    for _ in 0..10 {
        assert_eq!(client.publish(&Lab::topic("p1", "batch"), "x").expect("is acknowledged"), 0);
    }
    assert_eq!(bench.proxy.counts().forgotten_publishes, 10);
    assert_eq!(reader.next(Duration::from_millis(300)).expect("connected"), None);
}

#[test]
fn acknowledgements_are_lost_without_blocking_the_broker() {
    let bench = bench("proxy-acks");
    let mut writer = bench.collector();
    let mut client = bench.through_proxy();
    client.subscribe(&Lab::topic("p1", "ack")).expect("subscribes");
    bench.proxy.set(Policy { drop_ack: 1.0, ..Policy::default() });
    // More than the broker keeps in flight: it would stop if it thought them undelivered.
    for _ in 0..300 {
        writer.publish(&Lab::topic("p1", "ack"), "x").expect("publishes");
    }
    wait::until_true("all were dropped", wait::PATIENCE, || bench.proxy.counts().dropped_acks == 300).expect("in time");
    bench.proxy.set(Policy::default());
    writer.publish(&Lab::topic("p1", "ack"), "last").expect("publishes");
    let got = client.next(wait::PATIENCE).expect("connected").expect("arrives");
    assert_eq!(got.payload, b"last");
}

#[test]
fn a_black_hole_holds_everything_and_a_cut_closes_it() {
    let bench = bench("proxy-hole");
    let mut reader = bench.collector();
    reader.subscribe("phusong/v1/+/+/batch").expect("subscribes");
    let mut client = bench.through_proxy();
    bench.proxy.set(Policy { blackhole: true, ..Policy::default() });
    client.send(&Lab::topic("p1", "batch"), "late", false).expect("sends");
    assert_eq!(reader.next(Duration::from_millis(300)).expect("connected"), None);
    bench.proxy.set(Policy::default());
    assert_eq!(reader.next(wait::PATIENCE).expect("connected").expect("arrives").payload, b"late");
    bench.proxy.cut();
    assert!(
        wait::until("the client sees the end", wait::PATIENCE, || client.next(Duration::from_millis(50)).err()).is_ok()
    );
}
