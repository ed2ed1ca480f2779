//! The rules between and inside the fields of a configuration that parsed.
//!
//! In: a [`Config`] and its text. Out: nothing, or every broken rule with its place. Refuses to know: files, sockets;
//! whether a host exists is for `check` to try. Limits: the constants below, each with its reason.

use super::locate::{Source, Step, shown};
use super::problem::{Problem, Problems, Rule};
use super::{BODY_BYTES, Config, ScheduleConfig, TargetConfig, TargetKind, UplinkKind, default_period_ms};
use crate::mqtt::BrokerConfig;
use crate::probe::{dns, http};
use phusong_protocol::limits;
use std::fmt::Display;
use std::ops::RangeInclusive;

/// One round of every target on every uplink must be done in a minute on a small router.
pub const TARGETS: usize = 64;
/// More links than a multi-SIM router has.
pub const UPLINKS: usize = 8;
/// Tried in turn: more would only make a failure slower.
pub const BROKERS: usize = 8;
/// Below 100 ms a period is shorter than the round trip it measures; above a day nothing is learned.
pub const PERIOD_MS: RangeInclusive<u64> = 100..=86_400_000;
/// Bound of a latency reading on the wire.
pub const COUNT: RangeInclusive<u16> = 1..=limits::ECHOES as u16;
/// Faster is a flood, slower a round of its own.
pub const INTERVAL_MS: RangeInclusive<u64> = 10..=10_000;
/// A satellite hop takes 600 ms; nobody waits for more than half a minute.
pub const TIMEOUT_MS: RangeInclusive<u64> = 50..=30_000;
/// What a status code can be (RFC 9110, 15).
pub const STATUS: RangeInclusive<u16> = 100..=599;
/// More is a bandwidth test, not a page; and eight of them at once must fit in a small router.
pub const PAGE_BYTES: RangeInclusive<u32> = 1_024..=262_144;
/// Less is eaten by what is kept back; more is a day of a good fibre line.
pub const TEST_BYTES: RangeInclusive<u64> = 1_000_000..=1_000_000_000;
/// A shorter one is all ramp, a longer one keeps everybody else waiting.
pub const TEST_SECONDS: RangeInclusive<u64> = 2..=60;
/// A terabyte.
pub const MONTH_BYTES_MAX: u64 = 1_000_000_000_000;
/// Nobody learns more from a test a minute than from one an hour, and a busy back end refuses it.
pub const TEST_PERIOD_MS: u64 = 60_000;
/// The unit of reporting; the collector's windows are 5 minutes.
pub const SUMMARY_MS: RangeInclusive<u64> = 1_000..=3_600_000;
pub const HEALTH_MS: RangeInclusive<u64> = 1_000..=3_600_000;
/// Above a half, two rounds may fall together.
pub const JITTER: RangeInclusive<f64> = 0.0..=0.5;
pub const CONCURRENCY: RangeInclusive<usize> = 1..=64;
/// A quartz drifts by some seconds a day: an anchor a day is the least that makes sense.
pub const ANCHOR_MS: RangeInclusive<u64> = 1_000..=86_400_000;
/// Below 50 ms a busy machine's own lateness looks like a step.
pub const STEP_MS: RangeInclusive<u64> = 50..=60_000;
/// Each write wears the flash; an hour is the most a floor may lag.
pub const FLOOR_MS: RangeInclusive<u64> = 1_000..=3_600_000;
pub const HEIGHT_M: RangeInclusive<f32> = -100.0..=10_000.0;
pub const DB: RangeInclusive<f32> = -60.0..=60.0;

pub(super) struct Found<'a> {
    source: &'a Source<'a>,
    problems: Vec<Problem>,
}

impl Found<'_> {
    pub(super) fn add(&mut self, path: &[Step<'_>], rule: Rule) {
        let line = self.source.line_of(path);
        self.problems.push(Problem { file: self.source.name.into(), line, field: shown(path), rule });
    }

    pub(super) fn line_of(&self, path: &[Step<'_>]) -> Option<usize> {
        self.source.line_of(path)
    }

    pub(super) fn within<T: PartialOrd + Display>(&mut self, path: &[Step<'_>], value: &T, range: RangeInclusive<T>) {
        if !range.contains(value) {
            self.add(path, Rule::Between { min: range.start().to_string(), max: range.end().to_string() });
        }
    }

    pub(super) fn text(&mut self, path: &[Step<'_>], value: Option<&str>) {
        if value.is_some_and(|v| v.is_empty() || v.len() > limits::STRING_BYTES) {
            self.add(path, Rule::Length { max: limits::STRING_BYTES });
        }
    }

    /// A complaint of a table that checks itself: "table.key = value: what would be right".
    fn said_by_table(&mut self, table: &str, said: &str) {
        let key = said.split(' ').next().and_then(|field| field.split('.').nth(1)).unwrap_or_default();
        let detail = said.split_once(": ").map_or(said, |(_, right)| right).to_owned();
        self.add(&[Step::Key(table), Step::Key(key)], Rule::Value { detail });
    }

    fn done(self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(self.problems)) }
    }
}

/// Every rule of a file.
pub fn whole(config: &Config, source: &Source<'_>) -> Result<(), Problems> {
    let mut found = Found { source, problems: Vec::new() };
    if !config.data_dir.is_absolute() {
        found.add(&[Step::Key("data_dir")], Rule::AbsolutePath);
    }
    uplinks(config, &mut found);
    super::modem::check(config, &mut found);
    targets(config, &mut found);
    schedule(&config.schedule, &mut found);
    clock(config, &mut found);
    place_and_setup(config, &mut found);
    device(config, &mut found);
    delivery(config, &mut found);
    found.done()
}

/// The rules of what may be set from afar, against the rest of the file.
pub fn remote(config: &Config, source: &Source<'_>) -> Result<(), Problems> {
    let mut found = Found { source, problems: Vec::new() };
    targets(config, &mut found);
    schedule(&config.schedule, &mut found);
    found.done()
}

/// As the kernel takes it.
pub(super) fn is_interface(name: &str) -> bool {
    let odd = |c: char| c == '/' || c.is_whitespace() || c.is_control();
    !name.is_empty() && name.len() <= 15 && !name.contains(odd)
}

fn uplinks(config: &Config, found: &mut Found<'_>) {
    if config.uplinks.len() > UPLINKS {
        found.add(&[Step::Key("uplink"), Step::Item(UPLINKS)], Rule::TooMany { max: UPLINKS });
    }
    for (i, uplink) in config.uplinks.iter().enumerate() {
        let at = |key| [Step::Key("uplink"), Step::Item(i), Step::Key(key)];
        let name = &uplink.interface;
        if !is_interface(name) {
            found.add(&at("interface"), Rule::InterfaceName);
        }
        if let Some(first) = config.uplinks[..i].iter().position(|u| u.interface == *name) {
            let line = found.source.line_of(&[Step::Key("uplink"), Step::Item(first), Step::Key("interface")]);
            found.add(&at("interface"), Rule::DuplicateOf { line });
        }
        found.text(&at("provider"), uplink.provider.as_deref());
    }
}

fn targets(config: &Config, found: &mut Found<'_>) {
    if config.targets.is_empty() {
        found.add(&[Step::Key("target")], Rule::NoneGiven);
    }
    if config.targets.len() > TARGETS {
        found.add(&[Step::Key("target"), Step::Item(TARGETS)], Rule::TooMany { max: TARGETS });
    }
    // The shortest period that a target without one gets on any of the links.
    let all_cellular = !config.uplinks.is_empty() && config.uplinks.iter().all(|u| u.kind == UplinkKind::Cellular);
    let quickest = if all_cellular { UplinkKind::Cellular } else { UplinkKind::Fixed };
    for (i, target) in config.targets.iter().enumerate() {
        let at = |key| [Step::Key("target"), Step::Item(i), Step::Key(key)];
        one_target(target, default_period_ms(target.kind, quickest), &at, found);
        keys_of_its_kind(target, &at, found);
        if let Some(first) = config.targets[..i].iter().position(|t| t.name == target.name) {
            let line = found.source.line_of(&[Step::Key("target"), Step::Item(first), Step::Key("name")]);
            found.add(&at("name"), Rule::DuplicateOf { line });
        }
    }
}

fn one_target<'a>(
    target: &TargetConfig,
    default_period_ms: u64,
    at: &dyn Fn(&'a str) -> [Step<'a>; 3],
    found: &mut Found<'_>,
) {
    let good = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if !(1..=32).contains(&target.name.len()) || !target.name.bytes().all(good) {
        found.add(&at("name"), Rule::Name);
    }
    found.text(&at("host"), Some(&target.host));
    if target.tags.len() > limits::TAGS {
        found.add(&at("tags"), Rule::TooMany { max: limits::TAGS });
    }
    let period_ms = target.period_ms.unwrap_or(default_period_ms);
    found.within(&at("period_ms"), &period_ms, PERIOD_MS);
    found.within(&at("count"), &target.count, COUNT);
    found.within(&at("interval_ms"), &target.interval_ms, INTERVAL_MS);
    found.within(&at("timeout_ms"), &target.timeout_ms(), TIMEOUT_MS);
    let round_ms = u64::from(target.count).saturating_mul(target.interval_ms);
    if target.kind == TargetKind::Icmp && target.count > 1 && round_ms >= period_ms {
        found.add(&at("period_ms"), Rule::RoundTooLong { round_ms, period_ms });
    }
}

/// What one kind needs and the others refuse.
fn keys_of_its_kind<'a>(target: &TargetConfig, at: &dyn Fn(&'a str) -> [Step<'a>; 3], found: &mut Found<'_>) {
    match (target.kind, target.port) {
        (TargetKind::Tcp, None | Some(0)) => found.add(&at("port"), Rule::PortMissing),
        (TargetKind::Dns, Some(0)) => found.within(&at("port"), &0, 1..=u16::MAX),
        (TargetKind::Icmp, Some(_)) => found.add(&at("port"), Rule::PortUnused),
        (TargetKind::Http | TargetKind::Throughput, Some(_)) => found.add(&at("port"), Rule::PortInUrl),
        _ => {}
    }
    let of_dns = [("query", target.query.is_some()), ("record", target.record.is_some())];
    let of_http = [
        ("expect_status", target.expect_status.is_some()),
        ("expect_body", target.expect_body.is_some()),
        ("body_bytes", target.body_bytes.is_some()),
        ("ca_file", target.ca_file.is_some() && target.kind != TargetKind::Throughput),
    ];
    let of_throughput = [
        ("direction", target.direction.is_some()),
        ("bytes_max", target.bytes_max.is_some()),
        ("seconds_max", target.seconds_max.is_some()),
        ("month_bytes", target.month_bytes.is_some()),
        ("on_cellular", target.on_cellular.is_some()),
    ];
    for (kind, word, keys) in [
        (TargetKind::Dns, "dns", &of_dns[..]),
        (TargetKind::Http, "http", &of_http[..]),
        (TargetKind::Throughput, "throughput", &of_throughput[..]),
    ] {
        for (key, _) in keys.iter().filter(|(_, given)| *given && kind != target.kind) {
            found.add(&at(key), Rule::OnlyOf { kind: word });
        }
    }
    if target.kind == TargetKind::Dns && target.query.as_deref().is_some_and(|query| dns::name(query).is_none()) {
        found.add(&at("query"), Rule::DomainName);
    }
    if matches!(target.kind, TargetKind::Http | TargetKind::Throughput) {
        match &http::Url::parse(&target.host) {
            None => found.add(&at("host"), Rule::HttpUrl),
            Some(url) if target.kind == TargetKind::Throughput && url.path.contains('?') => {
                found.add(&at("host"), Rule::BackEndUrl);
            }
            Some(url) if !url.tls && target.ca_file.is_some() => found.add(&at("ca_file"), Rule::CaWithoutHttps),
            Some(_) => {}
        }
    }
    if target.kind == TargetKind::Http {
        found.within(&at("expect_status"), &target.expect_status.unwrap_or(*STATUS.start()), STATUS);
        found.text(&at("expect_body"), target.expect_body.as_deref());
        found.within(&at("body_bytes"), &target.body_bytes.unwrap_or(BODY_BYTES), PAGE_BYTES);
    }
    if target.kind == TargetKind::Throughput {
        bandwidth_test(target, at, found);
    }
}

fn bandwidth_test<'a>(target: &TargetConfig, at: &dyn Fn(&'a str) -> [Step<'a>; 3], found: &mut Found<'_>) {
    found.within(&at("bytes_max"), &target.bytes_max(false), TEST_BYTES);
    found.within(&at("seconds_max"), &target.seconds_max(), TEST_SECONDS);
    let period_ms = target.period_ms.unwrap_or(TEST_PERIOD_MS);
    found.within(&at("period_ms"), &period_ms, TEST_PERIOD_MS..=*PERIOD_MS.end());
    // What no test fits into forbids them all, by mistake.
    let least = target.bytes_max.unwrap_or(*TEST_BYTES.start());
    found.within(&at("month_bytes"), &target.month_bytes.unwrap_or(least), least..=MONTH_BYTES_MAX);
}

fn schedule(schedule: &ScheduleConfig, found: &mut Found<'_>) {
    let at = |key| [Step::Key("schedule"), Step::Key(key)];
    found.within(&at("summary_ms"), &schedule.summary_ms, SUMMARY_MS);
    found.within(&at("health_ms"), &schedule.health_ms, HEALTH_MS);
    found.within(&at("jitter"), &schedule.jitter, JITTER);
    found.within(&at("concurrency"), &schedule.concurrency, CONCURRENCY);
}

fn clock(config: &Config, found: &mut Found<'_>) {
    let at = |key| [Step::Key("clock"), Step::Key(key)];
    found.within(&at("anchor_ms"), &config.clock.anchor_ms, ANCHOR_MS);
    found.within(&at("step_ms"), &config.clock.step_ms, STEP_MS);
    found.within(&at("floor_ms"), &config.clock.floor_ms, FLOOR_MS);
}

fn place_and_setup(config: &Config, found: &mut Found<'_>) {
    if let Some(place) = &config.place {
        let at = |key| [Step::Key("place"), Step::Key(key)];
        found.within(&at("lat"), &place.lat, -90.0..=90.0);
        found.within(&at("lon"), &place.lon, -180.0..=180.0);
        found.within(&at("accuracy_m"), &place.accuracy_m.unwrap_or(0.0), 0.0..=100_000.0);
    }
    if let Some(setup) = &config.setup {
        let at = |key| [Step::Key("setup"), Step::Key(key)];
        found.within(&at("height_m"), &setup.height_m.unwrap_or(0.0), HEIGHT_M);
        found.within(&at("gain_dbi"), &setup.gain_dbi.unwrap_or(0.0), DB);
        found.within(&at("cable_loss_db"), &setup.cable_loss_db.unwrap_or(0.0), DB);
        found.within(&at("offset_db"), &setup.offset_db.unwrap_or(0.0), DB);
        found.text(&at("device_model"), setup.device_model.as_deref());
        let bands = setup.bands.as_deref().unwrap_or(&[]);
        if bands.len() > limits::CELLS {
            found.add(&at("bands"), Rule::TooMany { max: limits::CELLS });
        }
        for band in bands {
            found.text(&at("bands"), Some(band));
        }
    }
}

/// Tables that check themselves.
fn device(config: &Config, found: &mut Found<'_>) {
    let light = [TargetKind::Icmp, TargetKind::Tcp, TargetKind::Dns];
    let askable = config.targets.iter().filter(|target| light.contains(&target.kind));
    let names: Vec<&str> = askable.map(|target| target.name.as_str()).collect();
    for (table, said) in [
        ("position", config.position.check(config.place.is_some())),
        ("power", config.power.check()),
        ("survey", config.survey.check(&names)),
    ] {
        if let Err(said) = said {
            found.said_by_table(table, &said);
        }
    }
}

fn delivery(config: &Config, found: &mut Found<'_>) {
    if let Err(said) = config.spool.check() {
        found.said_by_table("spool", &said);
    }
    if let Err(said) = config.publish.check() {
        found.said_by_table("publish", &said);
    }
    if config.brokers.is_empty() {
        found.add(&[Step::Key("broker")], Rule::NoneGiven);
    }
    if config.brokers.len() > BROKERS {
        found.add(&[Step::Key("broker"), Step::Item(BROKERS)], Rule::TooMany { max: BROKERS });
    }
    for (i, broker) in config.brokers.iter().enumerate() {
        let at = |key| [Step::Key("broker"), Step::Item(i), Step::Key(key)];
        if broker.password.is_some() && broker.password_file.is_some() {
            found.add(&at("password_file"), Rule::PasswordTwice);
        }
        let plain = BrokerConfig { password: None, ..BrokerConfig::new(&broker.url) };
        if plain.address().is_err() {
            found.add(&at("url"), Rule::BrokerUrl);
        } else if (BrokerConfig { ca_file: broker.ca_file.clone(), ..plain }).check().is_err() {
            found.add(&at("ca_file"), Rule::CaWithoutTls);
        }
    }
}
