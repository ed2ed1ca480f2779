//! The record of commissioning: a real minute of echoes and one bandwidth test against a real collector, as the
//! technician reads it and as it lies in the store.

use phusong_protocol::{Outcome, Reading};
use phusong_tests::harness::virtual_modem::{Family, Listen, State};
use phusong_tests::harness::{Agent, Lab, TargetConfig, VirtualModem, wait};
use phusong_tests::modem_e2e::agent::environment;
use phusong_tests::modem_e2e::read::rows;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// What a record takes and holds.
const MINUTE: Duration = Duration::from_secs(60);
const ECHOES: u64 = 600;
/// Of the bandwidth test, which has 10 s a direction by default and stops sooner at its bytes.
const TEST_WITHIN: Duration = Duration::from_secs(40);
const CAP_BYTES: u64 = 10_000_000;

#[test]
fn a_commissioning_record_is_a_minute_of_echoes_and_one_capped_test_and_all_of_it_is_stored() {
    let modem = VirtualModem::start_as(Listen::Pty, Family::Quectel, State::level(-96, -10, 12)).expect("a pty");
    let lab = Lab::start("accept", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");
    let mut config = lab.agent_config("p1");
    // The schedule itself measures next to nothing, so that what is found is of the record.
    config.targets = vec![TargetConfig { period_ms: 3_600_000, ..TargetConfig::icmp("ha-noi", "127.0.0.1") }];
    config.extra = format!(
        "[[modem]]\nname = \"roof\"\nsource = \"at\"\ndevice = {:?}\ninterface = \"lo\"\n\
         [[uplink]]\ninterface = \"lo\"\nkind = \"cellular\"\n\
         [[target]]\nname = \"speed\"\nkind = \"throughput\"\nhost = \"http://127.0.0.1:{}/backend/\"\n\
         on_cellular = true\nbytes_max = {CAP_BYTES}\nmonth_bytes = 100000000\nperiod_ms = 86400000\ntags = [\"domestic\"]\n",
        modem.path(),
        collector.config.http_port,
    );
    // A budget of a month needs a clock that somebody keeps.
    let environment = environment(None, &config.data_dir).expect("the witness is built");
    let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (&**name, &**value)).collect();
    let socket = config.data_dir.join("status.sock");
    let agent = Agent::start(config, &environment).expect("the agent starts");
    // Else `aim` would run an agent of its own.
    wait::until_true("the agent answers", wait::PATIENCE, || UnixStream::connect(&socket).is_ok()).expect("in time");

    let began = Instant::now();
    let output = Agent::command(&agent.config, &["aim", "--accept"]).expect("it runs");
    let took = began.elapsed();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    println!("took {:.1} s:\n{said}", took.as_secs_f64());
    assert!(took >= MINUTE - Duration::from_secs(1) && took <= MINUTE + TEST_WITHIN, "{took:?}");
    assert!(said.contains("PCI 295") && said.contains("600"), "{said}");

    let sent_of = |reading: &Reading| match reading {
        Reading::Summary(summary) => u64::from(summary.sent),
        _ => 0,
    };
    let stored = || {
        let all = rows(&collector, "p1", 0).expect("rows");
        all.into_iter().filter_map(|heard| match heard.outcome {
            Outcome::Reading(reading) => Some((reading, heard.uplink)),
            Outcome::Failure(_) => None,
        })
    };
    wait::until("the echoes are stored", wait::PATIENCE, || {
        let echoes: u64 = stored().map(|(reading, _)| sent_of(&reading)).sum();
        (echoes >= ECHOES).then_some(())
    })
    .expect("all of them");
    let test = wait::until("the test is stored", wait::PATIENCE, || {
        stored().find_map(|(reading, uplink)| match reading {
            Reading::Throughput(test) => Some((test, uplink)),
            _ => None,
        })
    });
    let (test, uplink) = test.expect("one");
    let mbit = |bps: Option<u64>| bps.expect("both ways") as f64 / 1e6;
    println!("down {:.0}, up {:.0} Mbit/s", mbit(test.down_bps), mbit(test.up_bps));
    assert!(test.bytes <= CAP_BYTES && test.bytes > 0, "{test:?}");
    let uplink = uplink.expect("it has a link");
    assert_eq!((uplink.interface.as_str(), uplink.serving_plmn.as_deref()), ("lo", Some("452-04")), "{uplink:?}");
}
