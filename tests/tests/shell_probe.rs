//! `deploy/examples/shell-probe.sh` is a probe: what it measures is in the store, with nothing but a shell, `ping` and
//! `mosquitto_pub` on its side.

use phusong_protocol::{FailureKind, Outcome, Reading};
use phusong_tests::harness::{Collector, Lab, repository};
use std::process::Command;

fn run(lab: &Lab, target: &str, tls: bool) {
    let mut script = Command::new("sh");
    script.arg(repository().join("deploy/examples/shell-probe.sh"));
    script.envs([
        ("BROKER", "localhost"),
        ("SITE", "lab"),
        ("PROBE", "p1"),
        ("COUNT", "2"),
        ("NAME", "it"),
        ("TAG", "domestic"),
    ]);
    script.env("PASSWORD", Lab::password("p1")).env("TARGET", target).env("SYNCED", "true");
    if tls {
        script.env("CA", lab.broker.ca_file()).env("PORT", lab.broker.tls_port().to_string());
    } else {
        script.env_remove("CA").env("PORT", lab.broker.plain_port().to_string());
    }
    let output = script.output().expect("a shell");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The newest outcome in the store, once there are `number` of them.
fn newest(collector: &Collector, number: i64) -> Outcome {
    let count = "SELECT count(*) FROM observation";
    collector.wait_query("the script's sample", count, |n| n == number).expect("in time");
    let store = collector.store().expect("the store opens");
    let sql = "SELECT o.kind, o.body, o.at_state, t.name FROM observation o JOIN target t ON t.id = o.target_ref \
               ORDER BY o.id DESC LIMIT 1";
    let row = store.query_row(sql, [], |row| {
        Ok((row.get::<_, u16>(0)?, row.get::<_, Vec<u8>>(1)?, row.get::<_, i64>(2)?, row.get::<_, String>(3)?))
    });
    let (kind, body, at_state, target) = row.expect("a row");
    assert_eq!(target, "it");
    assert_eq!(at_state, 1, "its own stamp is believed");
    Outcome::from_cbor(kind, &body).expect("it decodes")
}

#[test]
fn what_a_shell_script_measures_is_in_the_store() {
    let lab = Lab::start("shell", &["p1"]).expect("the broker starts");
    let collector = lab.start_collector().expect("the collector starts");

    run(&lab, "127.0.0.1", true);
    let Outcome::Reading(Reading::Latency(latency)) = newest(&collector, 1) else { panic!("no latency") };
    assert_eq!((latency.sent, latency.rtt_us.len()), (2, 2));
    assert!(latency.rtt_us.iter().all(|rtt| (1..1_000_000).contains(rtt)), "{:?}", latency.rtt_us);

    run(&lab, "name.invalid", false);
    let Outcome::Failure(failure) = newest(&collector, 2) else { panic!("no failure") };
    assert_eq!((failure.kind, failure.sent), (FailureKind::Dns, Some(2)));
}
