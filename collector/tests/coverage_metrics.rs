//! `/metrics/coverage` read back: labels, levels, what disappears, and what is counted once, also over restarts.

mod api_world;
mod ingest_world;

use api_world::{Commune, WINDOW};
use ingest_world::{NOW, SITE, World, batch, boot, clock, probe, site, tcp};
use phusong_collector::derive::{Derive, Options};
use phusong_collector::store::{NewProbe, Standing};
use phusong_coverage::Place;
use phusong_protocol::{
    Attempt, Clock, Epoch, Failure, FailureKind, HealthReading, LatencyReading, Outcome, PowerReading, Reading, Sample,
    Target, Technology, Uplink,
};
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

const PROBE: &str = "na-chen-1";
const EPOCH: Epoch = Epoch(11);
const WINDOW_MS: i64 = 300_000;
/// The world's windows end now.
const WINDOWS: i64 = 40;
const HERE: &str = "province=\"Cao Bằng\",commune=\"Thanh Định\",hamlet=\"nc\"";

/// Every line, name and labels as written.
fn lines(text: &str) -> BTreeMap<String, f64> {
    let split = |line: &str| {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        (name.to_owned(), value.parse().expect("a number"))
    };
    let lines: Vec<(String, f64)> = text.lines().filter(|line| !line.starts_with('#')).map(split).collect();
    let count = lines.len();
    let all: BTreeMap<_, _> = lines.into_iter().collect();
    assert_eq!(all.len(), count, "no series twice in\n{text}");
    all
}

fn scrape(commune: &Commune) -> BTreeMap<String, f64> {
    let reply = commune.get("/metrics/coverage");
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    lines(&reply.text)
}

#[track_caller]
fn check(found: &BTreeMap<String, f64>, wanted: &[(&str, &str, f64)]) {
    for (family, labels, value) in wanted {
        let name = format!("phusong_{family}{{{labels}}}");
        assert_eq!(found.get(&name), Some(value), "{name} in {found:#?}");
    }
}

fn count(found: &BTreeMap<String, f64>, start: &str) -> usize {
    found.keys().filter(|name| name.starts_with(&format!("phusong_{start}{{"))).count()
}

#[test]
fn every_hamlet_has_its_levels_and_what_nobody_measures_is_unknown() {
    let commune = Commune::new();
    let found = scrape(&commune);
    let kv = "province=\"Cao Bằng\",commune=\"Thanh Định\",hamlet=\"kv\"";
    let x = "province=\"\",commune=\"Cao Bằng\",hamlet=\"x\"";
    let viettel = |base: &str| format!("{base},network=\"viettel\",technology=\"unknown\"");
    let vinaphone = format!("{HERE},network=\"vinaphone\",technology=\"unknown\"");
    check(
        &found,
        &[
            ("hamlet_info", &format!("{HERE},hamlet_name=\"Nà Chèn\",latitude=\"22.28\",longitude=\"106.45\""), 1.0),
            ("hamlet_coverage_level", HERE, 2.0),
            ("hamlet_coverage_level", kv, 0.0),
            ("hamlet_coverage_level", x, 0.0),
            ("hamlet_link_level", &format!("{HERE},network=\"fixed:vnpt\""), 3.0),
            ("hamlet_network_level", &viettel(HERE), 2.0),
            ("hamlet_network_level", &vinaphone, 2.0),
            // An hour old: the level stays, at 0.
            ("hamlet_network_level", &viettel(kv), 0.0),
            ("hamlet_state_seconds_total", &format!("{HERE},state=\"good\""), 0.0),
            ("gaps_open", "commune=\"Thanh Định\",cause=\"backhaul\"", 1.0),
            ("gaps_open", "commune=\"Thanh Định\",cause=\"site_down\"", 0.0),
            ("blinds_open", "commune=\"Thanh Định\",cause=\"power\"", 1.0),
            ("blinds_total", "commune=\"Cao Bằng\",cause=\"plan\"", 0.0),
            ("probe_info", &format!("probe=\"na-chen-2\",site=\"{SITE}\",{HERE}"), 1.0),
            ("probe_info", &format!("probe=\"mobile-1\",site=\"{SITE}\",province=\"\",commune=\"\",hamlet=\"\""), 1.0),
        ],
    );
    assert_eq!(count(&found, "hamlet_coverage_level"), 3, "an area of the past is no hamlet");
    assert_eq!(
        (count(&found, "gaps_open"), count(&found, "blinds_total")),
        (2 * 4, 2 * 6),
        "closed sets from the start"
    );
    assert_eq!(count(&found, "hamlet_state_seconds_total"), 2 * 3, "where nobody measures, no time is counted");
}

#[test]
fn names_are_escaped_and_a_renamed_area_is_seen_by_the_next_scrape() {
    let commune = Commune::new();
    scrape(&commune);
    commune.sql("phusong.db", "UPDATE area SET name = 'Thanh \"Định\"\\' || char(10) WHERE id = 2");
    let base = "province=\"Cao Bằng\",commune=\"Thanh \\\"Định\\\"\\\\\\n\",hamlet=\"nc\"";
    check(&scrape(&commune), &[("hamlet_coverage_level", base, 2.0)]);
    // Two communes of one name are told apart; both have a hamlet now.
    commune.sql(
        "phusong.db",
        "UPDATE area SET name = 'Hòa Bình' WHERE id IN (2, 6);
         INSERT INTO area (id, code, parent_ref, name, label) VALUES (7, 'hb', 6, 'Hai', 'xóm')",
    );
    let found = scrape(&commune);
    let (one, two) =
        ("province=\"Cao Bằng\",commune=\"Hòa Bình (td)\"", "province=\"Cao Bằng\",commune=\"Hòa Bình (x)\"");
    check(&found, &[("hamlet_coverage_level", &format!("{one},hamlet=\"nc\""), 2.0)]);
    check(&found, &[("hamlet_coverage_level", &format!("{two},hamlet=\"hb\""), 0.0)]);
}

#[test]
fn before_anything_is_derived_hamlets_are_listed_as_unknown() {
    let found = scrape(&Commune::ground());
    check(&found, &[("hamlet_coverage_level", HERE, 0.0)]);
    assert_eq!(count(&found, "hamlet_network_level"), 0);
}

#[test]
fn every_documented_family_of_coverage_is_written_somewhere_with_its_type() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let text = std::fs::read_to_string(path).expect("shipped");
    let section = text.split("\n## ").find(|section| section.starts_with("The hamlets: `GET /metrics/coverage`\n"));
    let row = |line: &str| {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned());
        Some((cells.nth(1)?, cells.next()?)).filter(|(name, _)| name.starts_with("phusong_"))
    };
    let documented: BTreeSet<(String, String)> = section.expect("a section").lines().filter_map(row).collect();
    let source = include_str!("../src/http/coverage_metrics/families.rs");
    let names = source.split('"').skip(1).step_by(2).filter(|word| word.starts_with("phusong_"));
    let written: BTreeSet<&str> = names.collect();
    assert_eq!(documented.iter().map(|(name, _)| name.as_str()).collect::<BTreeSet<_>>(), written);
    let mut village = Village::new();
    village.live(0..12);
    village.burst(12..WINDOWS);
    let text = village.text();
    let types: BTreeSet<(String, String)> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .collect();
    let absent: Vec<_> = documented.difference(&types).map(|(name, _)| name.as_str()).collect();
    // A village without a fixed link and without bandwidth tests.
    assert_eq!(absent, ["phusong_hamlet_link_level", "phusong_hamlet_throughput_bits_per_second"]);
    assert!(types.is_subset(&documented), "{types:?}");
}

/// One probe of a hamlet with a SIM of Viettel, its windows as they come.
struct Village {
    world: World,
    derive: Derive,
    seq: u64,
}

impl Village {
    fn new() -> Self {
        let world = World::new(&[]);
        let db = Connection::open(world.dir.path().join("phusong.db")).expect("it is there");
        db.execute_batch(
            "INSERT INTO area (id, code, parent_ref, name, label) VALUES (1, 'cb', NULL, 'Cao Bằng', 'tỉnh'),
                (2, 'td', 1, 'Thanh Định', 'xã'), (3, 'nc', 2, 'Nà Chèn', 'xóm')",
        )
        .expect("the schema has these columns");
        let at = Place::new(22.281, 106.454).expect("it lies in Vietnam");
        let place = Some(Standing { at, hamlet: Some("nc".into()), supply: None });
        let new = NewProbe { probe: probe(PROBE), site: site(SITE), label: None, place };
        world.registrar().add(&new, NOW - 86_400_000).expect("a new probe");
        let derive = Derive::open(world.dir.path(), Options::default(), NOW).expect("the database is there");
        Village { world, derive, seq: 0 }
    }

    /// Each window is sent and derived a minute after its end.
    fn live(&mut self, windows: std::ops::Range<i64>) {
        for no in windows {
            let samples = self.window(no);
            self.send(&samples, start_ms(no + 1) + 60_000);
        }
    }

    /// All of them are sent and derived now.
    fn burst(&mut self, windows: std::ops::Range<i64>) {
        let samples: Vec<Sample> = windows.flat_map(|no| self.window(no)).collect();
        self.send(&samples, NOW);
    }

    fn send(&mut self, samples: &[Sample], at_ms: i64) {
        self.world.now_ms = at_ms;
        for chunk in samples.chunks(200) {
            self.world.send(PROBE, batch(PROBE, EPOCH, chunk));
        }
        self.derive.settle(at_ms).expect("it can be derived");
    }

    /// Three targets and a word about the probe; nobody answers in windows 4 to 7.
    fn window(&mut self, no: i64) -> Vec<Sample> {
        let failed = |of| Failure { of, kind: FailureKind::Timeout, detail: None, sent: None, elapsed_us: None };
        let all = LatencyReading { sent: 4, rtt_us: vec![30_000, 31_000, 32_000, 31_000], lost: Vec::new() };
        let lossy = LatencyReading { sent: 4, rtt_us: vec![30_000, 31_000, 32_000], lost: vec![3] };
        let rounds = match (4..8).contains(&no) {
            true => [Attempt::Tcp, Attempt::Tcp, Attempt::Latency].map(|of| Outcome::Failure(failed(of))),
            // One echo of the last window is lost.
            false => [&all, &all, if no == WINDOWS - 1 { &lossy } else { &all }]
                .map(|round| Outcome::Reading(Reading::Latency(round.clone()))),
        };
        let health =
            HealthReading { spool_samples: 5, report_bytes: Some(700), probe_bytes: Some(300), ..Default::default() };
        let power = PowerReading { mains: None, undervoltage: None, battery_ratio: Some(0.75) };
        let own = [Reading::Health(health), Reading::Power(power)].map(Outcome::Reading);
        let outcomes = rounds.into_iter().chain(own).collect::<Vec<_>>();
        let true_ms = start_ms(no) + 61_000;
        let start = || [boot(0, 1, 1_000, None).outcome, clock(1, 1, 61_000, true_ms, 5).outcome];
        let first = if self.seq == 0 { start().to_vec() } else { Vec::new() };
        first.into_iter().chain(outcomes).enumerate().map(|(n, outcome)| self.sample(no, n as i64, outcome)).collect()
    }

    fn sample(&mut self, no: i64, n: i64, outcome: Outcome) -> Sample {
        let wall_ms = start_ms(no) + 60_000 + n * 1_000;
        let seq = self.seq;
        self.seq += 1;
        let target = Target { name: format!("t{n}"), host: format!("t{n}"), address: None, tags: Vec::new() };
        let uplink = Uplink {
            interface: "wwan0".into(),
            provider: None,
            sim_plmn: Some("452-04".into()),
            serving_plmn: None,
            roaming: None,
            service_state: None,
            technology: Some(Technology::Lte),
            rrc: None,
            self_load: None,
        };
        Sample {
            seq,
            wall_ms,
            mono_ms: Some((wall_ms - start_ms(0)) as u64 + 1_000),
            clock: Clock { synced: true, age_s: Some(1) },
            target: Some(target.into()),
            uplink: Some(uplink.into()),
            outcome,
            ..tcp(0, 1, 0)
        }
    }

    fn text(&self) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let router = phusong_collector::http::router(api_world::sources(&self.world, None));
        runtime.block_on(async {
            let request = axum::http::Request::get("/metrics/coverage").body(axum::body::Body::empty());
            let response =
                tower::ServiceExt::oneshot(router, request.expect("a good path")).await.expect("it never fails");
            assert_eq!(response.status(), 200);
            let bytes = axum::body::to_bytes(response.into_body(), 64 << 20).await.expect("the whole body");
            String::from_utf8(bytes.to_vec()).expect("UTF-8")
        })
    }

    fn seconds(&self, family: &str, state: &str) -> f64 {
        let name = format!("phusong_hamlet_{family}_seconds_total{{{HERE},state=\"{state}\"}}");
        lines(&self.text()).get(&name).copied().unwrap_or_else(|| panic!("{name} is there"))
    }

    fn lost(&self) -> u64 {
        let views = self.world.reader().with_derived().expect("it is there");
        views.lost().expect("it can be read").get(PROBE).copied().unwrap_or(0)
    }

    fn sql(&self, sql: &str) {
        let db = Connection::open(self.world.dir.path().join("derived.db")).expect("it is there");
        db.execute_batch(sql).expect("good SQL");
    }
}

fn start_ms(no: i64) -> i64 {
    (WINDOW - WINDOWS + no) * WINDOW_MS
}

#[test]
fn a_window_is_counted_once_when_it_is_final_and_late_ones_apart() {
    let mut village = Village::new();
    village.live(0..12);
    // The twelfth waits for a sample after its end.
    assert_eq!(village.seconds("state", "good"), 7.0 * 300.0);
    assert_eq!(village.seconds("state", "dead"), 4.0 * 300.0);
    village.burst(12..WINDOWS);
    let counted = |village: &Village| {
        [("state", "good"), ("state", "dead"), ("late_state", "good"), ("late_state", "dead")]
            .map(|(family, state)| village.seconds(family, state) / 300.0)
    };
    // Of the burst, six ended within the half hour before now; the last one is not final.
    let wanted = [7.0 + 6.0, 4.0, 22.0, 0.0];
    assert_eq!(counted(&village), wanted);
    village.derive.settle(NOW).expect("nothing to do");
    village.derive = Derive::open(village.world.dir.path(), Options::default(), NOW).expect("the database is there");
    village.derive.shelf().touch(1, WINDOW - WINDOWS, WINDOW).expect("a healthy database");
    village.derive.settle(NOW).expect("everything again");
    assert_eq!(counted(&village), wanted, "after a restart, and with every window computed again");
    let found = lines(&village.text());
    let labels = "province=\"Cao Bằng\",network=\"viettel\",technology=\"lte\"";
    check(
        &found,
        &[
            // Twelve echoes came back in each of 35 good windows that are counted.
            ("rtt_seconds_bucket", &format!("{labels},le=\"0.02\""), 0.0),
            ("rtt_seconds_bucket", &format!("{labels},le=\"0.05\""), 420.0),
            ("rtt_seconds_count", labels, 420.0),
            ("hamlet_network_level", &format!("{HERE},network=\"viettel\",technology=\"lte\""), 3.0),
            ("hamlet_packet_loss_ratio", &format!("{HERE},network=\"viettel\""), 1.0 / 12.0),
            ("gaps_open", "commune=\"Thanh Định\",cause=\"unknown\"", 0.0),
        ],
    );
    let gaps: f64 = found.iter().filter(|(name, _)| name.starts_with("phusong_gaps_total")).map(|(_, n)| n).sum();
    assert_eq!(gaps, 1.0, "the gap is counted when it ends, once");
}

#[test]
fn a_hole_holds_up_only_what_lies_after_it_and_is_lost_after_three_days() {
    let mut village = Village::new();
    village.live(0..2);
    let mut third = village.window(2);
    let hole = third.remove(2);
    village.send(&third, start_ms(3) + 60_000);
    village.live(3..4);
    assert_eq!(village.seconds("state", "good"), 2.0 * 300.0, "two windows lie before the hole");
    village.derive.settle(NOW).expect("it can be derived");
    assert_eq!((village.lost(), village.world.probe_row(PROBE).missing), (0, 1), "it may be under way");
    let hours = |n: i64| NOW + n * 3_600_000;
    village.derive.settle(hours(71)).expect("it can be derived");
    assert_eq!(village.lost(), 0);
    village.derive.settle(hours(73)).expect("it can be derived");
    assert_eq!(village.lost(), 1);
    village.send(&[hole], hours(74));
    village.derive.settle(hours(200)).expect("it can be derived");
    assert_eq!((village.lost(), village.world.probe_row(PROBE).missing), (1, 0), "what was counted is not taken back");
}

#[test]
fn what_is_stale_disappears_and_only_levels_stay() {
    let mut village = Village::new();
    village.live(0..12);
    village.burst(12..WINDOWS);
    let found = lines(&village.text());
    let labels = format!("{HERE},network=\"viettel\"");
    check(&found, &[("hamlet_coverage_level", HERE, 3.0)]);
    let probe = format!("probe=\"{PROBE}\"");
    check(&found, &[("probe_spool_samples", &probe, 5.0), ("probe_data_used_bytes", &probe, 1_000.0)]);
    check(&found, &[("probe_battery_ratio", &probe, 0.75)]);
    for quantile in ["0.5", "0.95"] {
        let rtt = found[&format!("phusong_hamlet_rtt_seconds{{{labels},quantile=\"{quantile}\"}}")];
        assert!((rtt - 0.031).abs() < 0.002, "{quantile}: {rtt}");
    }
    // The same an hour and more later.
    village.sql(
        "UPDATE last_known SET no = no - 20; UPDATE place_newest SET no = no - 20;
         UPDATE probe_newest SET at_ms = at_ms - 4000000, health_at_ms = health_at_ms - 4000000,
                power_at_ms = power_at_ms - 4000000;",
    );
    let found = lines(&village.text());
    check(&found, &[("hamlet_coverage_level", HERE, 0.0)]);
    check(&found, &[("hamlet_network_level", &format!("{labels},technology=\"lte\""), 0.0)]);
    for gone in ["hamlet_rtt_seconds", "hamlet_packet_loss_ratio", "probe_spool_samples", "probe_battery_ratio"] {
        assert_eq!(count(&found, gone), 0, "{gone}");
    }
    assert_eq!(count(&found, "delivery_delay_seconds") + count(&found, "probe_data_used_bytes"), 0);
    assert_eq!(count(&found, "probe_info"), 1);
}
