//! The API of a running collector over its socket: what a probe of a hamlet sends is read back by anybody.

use phusong_tests::harness::{Collector, Lab, Login, MqttClient, Source, get, wait};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

fn api(collector: &Collector, path: &str) -> Value {
    let (status, body) = get(collector.config.http_port, path).expect("it answers");
    assert_eq!(status, 200, "{path}: {body}");
    // Long answers may come in chunks of HTTP/1.1; what lies between the outer braces is the body.
    let (from, to) = (body.find('{').expect("an object"), body.rfind('}').expect("an object"));
    serde_json::from_str(&body[from..=to]).unwrap_or_else(|e| panic!("{e}: {body}"))
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    now.try_into().expect("far from overflow")
}

#[test]
fn what_a_probe_of_a_hamlet_sends_is_read_back_over_http() {
    let lab = Lab::start("api", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let file = lab.path().join("hamlets.csv");
    std::fs::write(&file, "code,name,lat,lon,radius_m\nnc,Nà Chèn,22.281,106.454,500\n").expect("own directory");
    let file = file.to_str().expect("an ASCII name");
    for args in [
        &["areas", "import", file, "--label", "xóm"][..],
        &["probe", "move", "p1", "--lat", "22.281", "--lon", "106.454"][..],
    ] {
        let output = collector.cli(args).expect("it runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let mut source = Source::new("p1", 3).at(now_ms() - 60_000);
    let sample = source.latency();
    let login = Login::plain(lab.broker.plain_port(), "p1", &Lab::password("p1"));
    let mut client = MqttClient::connect(&login).expect("the broker lets it in");
    client.publish(&Lab::topic("p1", "batch"), source.batch(std::slice::from_ref(&sample))).expect("it takes it");

    let found = wait::until("the observation", wait::PATIENCE, || {
        let answer = api(&collector, "/api/v1/observations?probe=p1&kind=latency");
        answer["items"].as_array().and_then(|items| items.first().cloned())
    });
    let found = found.expect("in time");
    assert_eq!(found["epoch"], json!(source.epoch.to_string()));
    assert_eq!(found["seq"], json!(format!("{:016x}", sample.seq)));
    assert_eq!(found["reading"]["sent"], json!(3));

    let probe = api(&collector, "/api/v1/probes/p1");
    assert_eq!(probe["places"][0]["hamlet"], json!({"code": "nc", "name": "Nà Chèn"}));
    assert!(probe["probe"]["last_contact_ms"].is_i64(), "{probe}");
    let hamlet = api(&collector, "/api/v1/hamlets/nc");
    assert_eq!((&hamlet["hamlet"]["label"], &hamlet["places"][0]["probe"]), (&json!("xóm"), &json!("p1")));
    let map = api(&collector, "/api/v1/map/hamlets.geojson");
    assert_eq!(map["features"][0]["properties"]["places"], json!(1));
    let (status, body) = get(collector.config.http_port, "/api/v1/gaps?open=maybe").expect("it answers");
    assert_eq!(status, 400);
    assert!(body.contains("write true or false"), "{body}");
    assert!(api(&collector, "/openapi.json")["paths"].get("/api/v1/gaps").is_some());
}
