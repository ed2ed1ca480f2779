//! A disk that is full, on either side: nothing that was promised is lost, and it goes on when there is room again.

use phusong_protocol::ReadingKind;
use phusong_tests::harness::tmpfs::{self, Tmpfs};
use phusong_tests::harness::{Lab, get, skip_test, wait};

fn count(kind: ReadingKind) -> String {
    format!("SELECT count(*) FROM observation WHERE kind = {}", kind.code())
}

#[test]
fn a_collector_with_a_full_disk_acknowledges_nothing_and_takes_everything_later() {
    if let Some(why) = tmpfs::unavailable() {
        return skip_test(&why);
    }
    let lab = Lab::start("full-collector", &["p1"]).expect("the broker starts");
    let mut config = lab.collector_config();
    let disk = Tmpfs::mount(&config.data_dir, 64 << 20).expect("a small disk");
    config.data_dir = disk.path().join("data");
    let mut collector = lab.start_collector_with(config, &[]).expect("the collector starts");
    let mut agent = lab.start_agent(lab.agent_config("p1")).expect("the agent starts");
    collector.wait_query("summaries", &count(ReadingKind::Summary), |n| n >= 2).expect("in time");

    disk.fill().expect("it is filled");
    let port = collector.config.http_port;
    wait::until_true("/readyz says no", wait::PATIENCE, || get(port, "/readyz").is_ok_and(|(status, _)| status == 503))
        .expect("in time");
    let (_, said) = get(port, "/readyz").expect("it answers");
    assert!(said.contains("disk") || said.contains("store"), "{said}");
    assert!(collector.service.runs(), "a full disk is no reason to end");
    let stored = collector.query(&count(ReadingKind::Summary)).expect("a count");

    disk.free().expect("there is room again");
    let all = collector.wait_query("it goes on", &count(ReadingKind::Summary), |n| n >= stored + 4);
    all.expect("in time");
    collector.wait_ready().expect("it is ready again");
    collector.expect_nothing_missing(&mut agent).expect("all of it has arrived");
    drop(collector);
}

#[test]
fn an_agent_with_a_full_disk_says_so_and_goes_on_when_there_is_room() {
    if let Some(why) = tmpfs::unavailable() {
        return skip_test(&why);
    }
    let lab = Lab::start("full-agent", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut config = lab.agent_config("p1");
    let disk = Tmpfs::mount(&config.data_dir, 8 << 20).expect("a small disk");
    config.data_dir = disk.path().join("data");
    config.max_bytes = Some(4 << 20);
    let mut agent = lab.start_agent(config).expect("the agent starts");
    collector.wait_query("summaries", &count(ReadingKind::Summary), |n| n >= 2).expect("in time");

    disk.fill().expect("it is filled");
    let stored = collector.query(&count(ReadingKind::Summary)).expect("a count");
    // Long enough for several syncs and summaries on the full disk.
    wait::holds("the agent runs on", std::time::Duration::from_secs(4), || agent.service.runs()).expect("it does");
    disk.free().expect("there is room again");
    let again = collector.wait_query("it goes on", &count(ReadingKind::Summary), |n| n >= stored + 4);
    again.unwrap_or_else(|e| panic!("{e:#}\n{}", agent.service.log_text()));
    // What was not durable was never promised; what was dropped was said.
    collector.expect_nothing_missing(&mut agent).expect("all of it has arrived");
    drop(agent);
}
