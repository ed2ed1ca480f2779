//! Two days of two communes, as the collector's metrics would have told them; and of a bare one, in which nothing happens.
//!
//! In: which, and when they end. Out: series with their own timestamps, a value a minute. Refuses to know: what a dashboard asks.
//! Limits: no chance in it; every level, state and cause that exists occurs.

use super::families::{FAMILIES, labels};
use crate::harness::Series;

const DAYS: i64 = 2;
const STEP_MS: i64 = 60_000;
const SITE: &str = "muong-xen";
const NETWORKS: [(&str, &str); 3] = [("viettel", "lte"), ("vinaphone", "lte"), ("viettel", "nr_sa")];
/// By level; time without a result is in none.
const STATES: [(u8, &str); 3] = [(1, "dead"), (2, "weak"), (3, "good")];
const GAP_CAUSES: [&str; 4] = ["no_coverage", "site_down", "backhaul", "unknown"];
const BLIND_CAUSES: [&str; 6] = ["power", "device", "sim", "bearer", "plan", "unknown"];

/// Whose two days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Story {
    /// Two communes of a province, with every level, change, state and cause.
    Eventful,
    /// One hamlet of a commune without a province above it, dead all the time.
    Bare,
}

struct Hamlet {
    commune: &'static str,
    code: &'static str,
    name: &'static str,
    latitude: &'static str,
    longitude: &'static str,
    /// What it is at the end.
    level: u8,
}

const HAMLETS: [Hamlet; 7] = [
    hamlet("Huồi Tụ", "17230-01", "Bản Huồi Tụ", "19.5412", "104.2210", 1),
    hamlet("Huồi Tụ", "17230-02", "Bản Phà Bún", "19.5533", "104.2467", 2),
    hamlet("Huồi Tụ", "17230-03", "Bản Trung Tâm", "19.5298", "104.2391", 0),
    hamlet("Huồi Tụ", "17230-04", "Bản Na Ni", "19.5127", "104.2542", 3),
    hamlet("Huồi Tụ", "17230-05", "Bản Huồi Khe", "19.5060", "104.2105", 1),
    hamlet("Na Ngoi", "17233-01", "Bản Đỉnh Sơn 1", "19.4123", "104.1022", 3),
    hamlet("Na Ngoi", "17233-02", "Bản Nọong Dẻ", "19.4301", "104.0875", 2),
];

const fn hamlet(
    commune: &'static str,
    code: &'static str,
    name: &'static str,
    latitude: &'static str,
    longitude: &'static str,
    level: u8,
) -> Hamlet {
    Hamlet { commune, code, name, latitude, longitude, level }
}

impl Hamlet {
    /// Changes every hour or two; the last hour and more has the hamlet's own level.
    fn level_at(&self, story: Story, number: usize, minutes_ago: i64) -> u8 {
        if story == Story::Bare {
            return self.level;
        }
        let length = 97 + 13 * i64::try_from(number).expect("a handful");
        let block = u8::try_from(minutes_ago / length % 4).expect("below 4");
        (self.level + block) % 4
    }

    fn labels(&self, story: Story) -> Vec<(&'static str, String)> {
        let province = if story == Story::Bare { "" } else { "Nghệ An" };
        vec![("province", province.into()), ("commune", self.commune.into()), ("hamlet", self.code.into())]
    }
}

/// A sample each minute of the two days; `end_ms` is the last.
fn minutes(end_ms: i64) -> impl Iterator<Item = (i64, i64)> {
    let count = DAYS * 24 * 60;
    (0..=count).rev().map(move |ago| (end_ms - ago * STEP_MS, ago))
}

struct Told {
    story: Story,
    end_ms: i64,
    all: Vec<Series>,
}

impl Told {
    /// A series whose value is a function of how many minutes ago it was.
    fn add(&mut self, name: &str, given: Vec<(&'static str, String)>, mut value: impl FnMut(i64) -> f64) {
        let known = labels(name).expect("a family of the table");
        let named: Vec<&str> = given.iter().map(|(key, _)| *key).collect();
        assert!(named.len() == known.len() && named.iter().all(|key| known.contains(key)), "{name}: {named:?}");
        let samples = minutes(self.end_ms).map(|(at, ago)| (at, value(ago))).collect();
        let labels = given.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        self.all.push(Series { name: name.into(), labels, samples });
    }
}

fn with(labels: &[(&'static str, String)], more: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    labels.iter().cloned().chain(more.iter().map(|(key, value)| (*key, (*value).to_owned()))).collect()
}

/// Every family of the table.
pub fn series(story: Story, end_ms: i64) -> Vec<Series> {
    let mut told = Told { story, end_ms, all: Vec::new() };
    let (hamlets, communes) = match story {
        Story::Eventful => (&HAMLETS[..], &["Huồi Tụ", "Na Ngoi"][..]),
        Story::Bare => (&HAMLETS[..1], &["Huồi Tụ"][..]),
    };
    for (number, hamlet) in hamlets.iter().enumerate() {
        of_hamlet(&mut told, number, hamlet);
        of_probe(&mut told, number, hamlet);
    }
    for commune in communes {
        of_commune(&mut told, commune);
    }
    for (name, ..) in FAMILIES {
        assert!(told.all.iter().any(|series| series.name == name), "{name} is nowhere in the test data");
    }
    told.all
}

fn of_hamlet(told: &mut Told, number: usize, hamlet: &Hamlet) {
    let story = told.story;
    let place = hamlet.labels(story);
    let told_of = [("hamlet_name", hamlet.name), ("latitude", hamlet.latitude), ("longitude", hamlet.longitude)];
    told.add("phusong_hamlet_info", with(&place, &told_of), |_| 1.0);
    let level = |ago: i64| f64::from(hamlet.level_at(story, number, ago));
    told.add("phusong_hamlet_coverage_level", place.clone(), level);
    for (shift, (network, technology)) in NETWORKS.iter().enumerate() {
        let labels = with(&place, &[("network", network), ("technology", technology)]);
        told.add("phusong_hamlet_network_level", labels, |ago| f64::from(hamlet.level_at(story, number + shift, ago)));
    }
    for network in ["fixed:vnpt", "fixed:vsat"] {
        let labels = with(&place, &[("network", network)]);
        told.add("phusong_hamlet_link_level", labels, |ago| f64::from(hamlet.level_at(story, number + 3, ago)));
    }
    for (at, state) in STATES {
        let mut seconds = 0.0;
        told.add("phusong_hamlet_state_seconds_total", with(&place, &[("state", state)]), |ago| {
            seconds += if hamlet.level_at(story, number, ago) == at { 60.0 } else { 0.0 };
            seconds
        });
    }
    for network in ["viettel", "vinaphone", "fixed:vnpt"] {
        for (quantile, base) in [("0.5", 0.045), ("0.95", 0.180)] {
            let labels = with(&place, &[("network", network), ("quantile", quantile)]);
            told.add("phusong_hamlet_rtt_seconds", labels, |ago| {
                base * (1.0 + f64::from(u8::try_from(ago % 7).expect("small")) / 10.0)
            });
        }
        let labels = with(&place, &[("network", network)]);
        told.add("phusong_hamlet_packet_loss_ratio", labels, |ago| if ago % 50 < 5 { 0.2 } else { 0.01 });
        for (direction, bits) in [("down", 21e6), ("up", 6e6)] {
            let labels = with(&place, &[("network", network), ("direction", direction)]);
            told.add("phusong_hamlet_throughput_bits_per_second", labels, |_| bits);
        }
    }
}

fn of_probe(told: &mut Told, number: usize, hamlet: &Hamlet) {
    let probe = format!("gw-{number:02}");
    let only = vec![("probe", probe.clone())];
    let sited = vec![("site", SITE.to_owned()), ("probe", probe.clone())];
    let end_s = told.end_ms / 1000;
    told.add("phusong_probe_info", with(&hamlet.labels(told.story), &[("probe", &probe), ("site", SITE)]), |_| 1.0);
    // The third has been silent for two hours.
    let silent = if number == 2 { 120 } else { 1 };
    told.add("phusong_probe_last_contact_timestamp_seconds", sited.clone(), |ago| {
        let heard = end_s - 60 * ago.max(silent);
        f64::from(u32::try_from(heard).expect("before 2106"))
    });
    told.add("phusong_probe_spool_samples", only.clone(), |ago| if ago < 30 { 12.0 } else { 340.0 });
    told.add("phusong_probe_clock_offset_seconds", only.clone(), |_| if silent > 1 { -412.5 } else { 0.004 });
    told.add("phusong_missing_samples_total", sited, |_| if silent > 1 { 3.0 } else { 0.0 });
    told.add("phusong_probe_battery_ratio", only.clone(), |_| 0.83);
    told.add("phusong_probe_data_used_bytes", only, |ago| 4e7 - 1e4 * f64::from(u16::try_from(ago).expect("two days")));
}

fn of_commune(told: &mut Told, commune: &str) {
    let families = [("gaps", &GAP_CAUSES[..]), ("blinds", &BLIND_CAUSES[..])];
    for (kind, causes) in families {
        for (at, cause) in causes.iter().enumerate() {
            let labels = vec![("commune", commune.to_owned()), ("cause", (*cause).to_owned())];
            let (open, total) = match kind {
                "gaps" => ("phusong_gaps_open", "phusong_gaps_total"),
                _ => ("phusong_blinds_open", "phusong_blinds_total"),
            };
            told.add(open, labels.clone(), |_| if at % 2 == 0 { 1.0 } else { 0.0 });
            let every = 190 + 40 * i64::try_from(at).expect("a handful");
            let minutes = DAYS * 24 * 60;
            told.add(total, labels, |ago| f64::from(u16::try_from((minutes - ago) / every).expect("two days")));
        }
    }
}
