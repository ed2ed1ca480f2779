//! A store as `/metrics/coverage` finds it in a province: hamlets with one probe each, all of them fresh.
//!
//! In: a directory, how many hamlets, the time. Out: both databases, and which series are to be found. Rows of the
//! registry are written directly, everything derived by the shelf that the collector itself writes with.

use anyhow::Result;
use phusong_collector::store::derived::{HamletWindow, ProbeNews, RttCounts, Shelf, StoredWindow};
use phusong_collector::store::{Store, StoreOptions};
use phusong_coverage::Micros;
use phusong_coverage::grade::{Grade, Graded, Reason, Service};
use phusong_coverage::rtt::Rtts;
use phusong_coverage::window::{Window, WindowNo};
use rusqlite::{Connection, params};
use std::path::Path;

/// Hamlets of a commune, communes of a province.
const COMMUNE: i64 = 13;
const PROVINCE: i64 = 70;
const NETWORKS: [&str; 3] = ["viettel", "vinaphone", "fixed:vnpt"];
/// The wire's numbers of LTE and fibre.
const TECHNOLOGIES: [i64; 3] = [2, 2, 5];
/// Every so many hamlets the newest windows are an hour old, and a gap is open.
const STALE: i64 = 100;
const GAP: i64 = 50;
/// Labels need escaping in one of them.
const ODD_NAME: &str = "Nà \"Chèn\" \\ 1";

/// What was made, and what a scrape of it must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsWorld {
    pub hamlets: i64,
    pub communes: i64,
    pub provinces: i64,
    pub stale: i64,
    pub gaps: i64,
}

impl MetricsWorld {
    pub fn build(dir: &Path, hamlets: i64, now_ms: i64) -> Result<Self> {
        let communes = (hamlets + COMMUNE - 1) / COMMUNE;
        let provinces = (communes + PROVINCE - 1) / PROVINCE;
        let every = |n: i64| (hamlets + n - 1) / n;
        let world = MetricsWorld { hamlets, communes, provinces, stale: every(STALE), gaps: every(GAP) };
        drop(Store::open(dir, StoreOptions::default(), now_ms)?);
        world.registry(&Connection::open(dir.join("phusong.db"))?, now_ms)?;
        world.derived(&mut Shelf::open(dir, now_ms)?, now_ms)?;
        Ok(world)
    }

    /// Series by family, and their sum.
    pub fn series(&self) -> Vec<(&'static str, i64)> {
        let MetricsWorld { hamlets, communes, provinces, stale, .. } = *self;
        let fresh = hamlets - stale;
        let links = 3;
        vec![
            ("hamlet_info", hamlets),
            ("hamlet_coverage_level", hamlets),
            ("hamlet_link_level", hamlets),
            ("hamlet_network_level", 2 * hamlets),
            ("hamlet_state_seconds_total", 3 * hamlets),
            ("hamlet_late_state_seconds_total", 3 * hamlets),
            ("hamlet_rtt_seconds", 2 * links * fresh),
            ("hamlet_packet_loss_ratio", links * fresh),
            ("gaps_open", 4 * communes),
            ("gaps_total", 4 * communes),
            ("blinds_open", 6 * communes),
            ("blinds_total", 6 * communes),
            ("probe_info", hamlets),
            ("delivery_delay_seconds", fresh),
            ("probe_clock_offset_seconds", fresh),
            ("probe_spool_samples", fresh),
            ("probe_battery_ratio", fresh),
            ("probe_data_used_bytes", fresh),
            ("rtt_seconds_bucket", 10 * links * provinces),
            ("rtt_seconds_sum", links * provinces),
            ("rtt_seconds_count", links * provinces),
        ]
    }

    /// Single lines with their values.
    pub fn lines(&self) -> Vec<(String, f64)> {
        let first = "province=\"Tỉnh 0\",commune=\"Xã 0\",hamlet=\"h00000\"";
        let second = "province=\"Tỉnh 0\",commune=\"Xã 0\",hamlet=\"h00001\"";
        let line = |family: &str, labels: String, value| (format!("phusong_{family}{{{labels}}}"), value);
        let escaped = "Nà \\\"Chèn\\\" \\\\ 1";
        vec![
            // The first hamlet is stale.
            line("hamlet_coverage_level", first.into(), 0.0),
            line("hamlet_network_level", format!("{first},network=\"viettel\",technology=\"lte\""), 0.0),
            line("hamlet_coverage_level", second.into(), 3.0),
            line("hamlet_link_level", format!("{second},network=\"fixed:vnpt\""), 2.0),
            line(
                "hamlet_info",
                format!("{second},hamlet_name=\"{escaped}\",latitude=\"21.5\",longitude=\"105.5\""),
                1.0,
            ),
            line("hamlet_packet_loss_ratio", format!("{second},network=\"viettel\""), 0.02),
            line("hamlet_state_seconds_total", format!("{second},state=\"good\""), 300.0),
            line("hamlet_late_state_seconds_total", format!("{second},state=\"dead\""), 300.0),
            line("gaps_open", "commune=\"Xã 0\",cause=\"backhaul\"".into(), 1.0),
            line("blinds_open", "commune=\"Xã 0\",cause=\"power\"".into(), 0.0),
            line("probe_spool_samples", "probe=\"p00001\"".into(), 7.0),
        ]
    }

    fn registry(&self, db: &Connection, now_ms: i64) -> Result<()> {
        db.execute_batch("BEGIN; INSERT INTO site (id, name) VALUES (1, 'bench')")?;
        let mut area = db.prepare(
            "INSERT INTO area (id, code, parent_ref, name, label, lat, lon, radius_m)
             VALUES (?1, ?2, ?3, ?4, ?5, 21.5, 105.5, 500.0)",
        )?;
        for n in 0..self.provinces {
            area.execute(params![1 + n, format!("t{n:05}"), None::<i64>, format!("Tỉnh {n}"), "tỉnh"])?;
        }
        let commune = |n: i64| 1_000 + n;
        for n in 0..self.communes {
            area.execute(params![commune(n), format!("x{n:05}"), 1 + n / PROVINCE, format!("Xã {n}"), "xã"])?;
        }
        let mut probe = db.prepare("INSERT INTO probe (id, name, site_ref, created_ms) VALUES (?1, ?2, 1, ?3)")?;
        let mut place = db.prepare(
            "INSERT INTO place (id, probe_ref, from_ms, lat, lon, area_ref) VALUES (?1, ?1, ?2, 21.5, 105.5, ?3)",
        )?;
        for n in 0..self.hamlets {
            let (row, name) = (hamlet_row(n), if n == 1 { ODD_NAME.to_owned() } else { format!("Xóm {n}") });
            area.execute(params![row, format!("h{n:05}"), commune(n / COMMUNE), name, "xóm"])?;
            probe.execute(params![1 + n, format!("p{n:05}"), now_ms])?;
            place.execute(params![1 + n, now_ms - 86_400_000, row])?;
        }
        Ok(db.execute_batch("COMMIT")?)
    }

    fn derived(&self, shelf: &mut Shelf, now_ms: i64) -> Result<()> {
        shelf.begin()?;
        let networks = NETWORKS.iter().map(|name| shelf.network(name)).collect::<Result<Vec<_>, _>>()?;
        let mut rtts = Rtts::default();
        (0..25).for_each(|n| rtts.add(Micros::new(20_000 + n * n * 500), 2));
        for n in 0..self.hamlets {
            let (place, stale) = (1 + n, n % STALE == 0);
            let no = WindowNo::of(now_ms).0 - if stale { 13 } else { 1 };
            for (network, technology) in networks.iter().zip(TECHNOLOGIES) {
                let fixed = technology == TECHNOLOGIES[2];
                let grade = if fixed { Grade::Weak } else { Grade::Good };
                let graded = Graded { no, grade, reason: Reason::Served, service: Service::Ok, policy: 1 };
                let window = Window { no, sent: 50, received: 49, rtts: rtts.clone(), ..Window::default() };
                shelf.put_window(place, *network, &StoredWindow { window, graded })?;
                shelf.put_last_known(place, *network)?;
                shelf.put_newest(place, *network, Some(technology))?;
            }
            let at = |no| HamletWindow { area: hamlet_row(n), link: false, no };
            shelf.count_window(at(no), Some(Grade::Good), false, 0)?;
            shelf.count_window(at(no - 9), Some(Grade::Dead), true, 0)?;
            let at_ms = if stale { now_ms - 7_200_000 } else { now_ms - 60_000 };
            let news = ProbeNews {
                delay: Some((at_ms, 1_234)),
                offset: Some((at_ms, -n)),
                health: Some((at_ms, (7, Some(1_000_000 + n.cast_unsigned())))),
                battery: Some((at_ms, 0.5)),
            };
            shelf.put_news(place, &news)?;
        }
        let mut counts = RttCounts::default();
        counts.add(&rtts);
        for province in 0..self.provinces {
            for (network, technology) in networks.iter().zip(TECHNOLOGIES) {
                shelf.count_rtts(1 + province, *network, technology, &counts)?;
            }
        }
        let sql = "INSERT INTO interruption VALUES (?1, 1, ?2, ?3, NULL, ?4, ?5, NULL, 0, 900, 'backhaul', 'certain',
                       'gateway_answered', x'', x'', ?1, 1)";
        for n in (0..self.hamlets).step_by(GAP as usize) {
            let no = WindowNo::of(now_ms).0 - 20;
            shelf.db.execute(sql, params![1 + n, 1 + n, networks[0].0, no, WindowNo(no).start_ms()])?;
        }
        Ok(shelf.commit()?)
    }
}

fn hamlet_row(n: i64) -> i64 {
    10_000 + n
}
