//! The forecast of the store's size, as a person and as `/readyz` see it.

mod broker;
mod house;

use broker::Broker;
use house::{Home, PROBE, SITE, wait};

#[test]
fn a_young_store_is_forecast_by_the_default_mix_and_readyz_tells_the_same() {
    let broker = Broker::start("forecast", "allow_anonymous true");
    let home = Home::new(&broker, 5, "", "[retention]\nraw_days = 30");
    assert!(home.refuses(&["storage", "forecast"]).contains("start the collector once"));
    home.says(&["probe", "add", PROBE, "--site", SITE]);
    let collector = home.start();
    collector.wait_ready();
    let line = home.says(&["storage", "forecast", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
    assert_eq!((&told["measured"], &told["observations_per_day"]), (&false.into(), &5_544.into()));
    let (raw, windows) = (5_544 * 195 * 31, 576 * 250 * 1_095);
    assert_eq!(told["bytes_at_steady_state"], raw + windows, "{line}");
    let text = home.says(&["storage", "forecast"]);
    assert!(text.contains("30 days raw, 1095 derived") && text.contains("partly assumed"), "{text}");
    wait("/readyz tells a forecast", || {
        let (_, body) = collector.get("/readyz", "");
        body.contains(&format!("\"bytes_at_steady_state\":{}", raw + windows))
    });
}
