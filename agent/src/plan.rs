//! What is to be measured: every target on every uplink, each pair a lane.
//!
//! In: a checked configuration. Out: a [`Plan`]. Refuses to know: time, sockets. Limits: 64 targets on 8 uplinks.

use crate::budget::Ledger;
use crate::config::{Config, ScheduleConfig, TargetConfig, TargetKind, UplinkConfig, UplinkKind, default_period_ms};
use crate::probe::icmp::IcmpProbe;
use crate::probe::resolve;
use crate::probe::throughput::Allowance;
use phusong_protocol::{Attempt, Target, Uplink};
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// One target on one uplink, or on the default route.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    pub target: TargetConfig,
    pub uplink: Option<Arc<Uplink>>,
    pub period_ms: u64,
    /// Of a bandwidth test: what it may take.
    pub allowance: Option<Allowance>,
}

/// Everything the sampler needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    pub lanes: Vec<Arc<Lane>>,
    pub schedule: ScheduleConfig,
    /// Spreads the rounds of different probes; the same probe keeps its times.
    pub seed: u64,
    /// Targets that run on no uplink: bandwidth tests where there is none, or only cellular ones without `on_cellular`.
    pub idle: Vec<String>,
}

impl Plan {
    pub fn of(config: &Config) -> Self {
        let seed = seed_of(config.probe.as_str());
        let lanes = lanes(&config.targets, &config.uplinks, Some(&config.data_dir));
        let runs = |target: &&TargetConfig| lanes.iter().any(|lane| lane.target.name == target.name);
        let idle = config.targets.iter().filter(|target| !runs(target)).map(|target| target.name.clone()).collect();
        Plan { lanes, schedule: config.schedule.clone(), seed, idle }
    }

    /// The plan of `measure` where there is no configuration.
    pub fn without_file() -> Self {
        let lanes = lanes(&crate::config::targets_without_file(), &[], None);
        Plan { lanes, schedule: ScheduleConfig::default(), seed: 0, idle: Vec::new() }
    }

    pub fn periods_ms(&self) -> Vec<u64> {
        self.lanes.iter().map(|lane| lane.period_ms).collect()
    }
}

fn lanes(targets: &[TargetConfig], uplinks: &[UplinkConfig], data_dir: Option<&Path>) -> Vec<Arc<Lane>> {
    let lane = |target: &TargetConfig, uplink: Option<&UplinkConfig>| {
        let uplink_kind = uplink.map_or(UplinkKind::Fixed, |uplink| uplink.kind);
        let period_ms = target.period_ms.unwrap_or_else(|| default_period_ms(target.kind, uplink_kind));
        let allowance = uplink.zip(data_dir).and_then(|(uplink, dir)| allowance(target, uplink, dir));
        Arc::new(Lane {
            target: target.clone(),
            uplink: uplink.map(|u| Arc::new(wire_uplink(u))),
            period_ms,
            allowance,
        })
    };
    let on = |uplink: Option<&UplinkConfig>| -> Vec<Arc<Lane>> {
        targets.iter().filter(|target| target.runs_on(uplink)).map(|target| lane(target, uplink)).collect()
    };
    if uplinks.is_empty() {
        return on(None);
    }
    uplinks.iter().flat_map(|uplink| on(Some(uplink))).collect()
}

fn allowance(target: &TargetConfig, uplink: &UplinkConfig, data_dir: &Path) -> Option<Allowance> {
    let cellular = uplink.is_cellular();
    (target.kind == TargetKind::Throughput).then(|| Allowance {
        ledger: Ledger::of(data_dir),
        interface: uplink.interface.clone(),
        direction: target.direction.unwrap_or_default(),
        bytes_max: target.bytes_max(cellular),
        month_bytes: target.month_bytes(cellular),
        time: Duration::from_secs(target.seconds_max()),
    })
}

/// The uplink as samples carry it.
pub fn wire_uplink(uplink: &UplinkConfig) -> Uplink {
    Uplink {
        provider: uplink.provider.clone(),
        technology: uplink.technology,
        ..Uplink::bare(uplink.interface.clone())
    }
}

impl Lane {
    pub fn attempt(&self) -> Attempt {
        match self.target.kind {
            TargetKind::Icmp => Attempt::Latency,
            TargetKind::Tcp => Attempt::Tcp,
            TargetKind::Dns => Attempt::Dns,
            TargetKind::Http => Attempt::Http,
            TargetKind::Throughput => Attempt::Throughput,
        }
    }

    /// Whether it loads its uplink so that nothing else that is measured there counts.
    pub fn is_test(&self) -> bool {
        self.allowance.is_some()
    }

    pub fn interface(&self) -> Option<&str> {
        self.uplink.as_deref().map(|uplink| uplink.interface.as_str())
    }

    pub fn interval(&self) -> Duration {
        Duration::from_millis(self.target.interval_ms)
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.target.timeout_ms())
    }

    /// The longest that an attempt can take; one that takes longer is cut off and counts as timed out.
    pub fn longest(&self) -> Duration {
        let measuring = match self.target.kind {
            TargetKind::Icmp => IcmpProbe::longest(self.target.count, self.interval(), self.timeout()),
            TargetKind::Tcp | TargetKind::Dns | TargetKind::Http => self.timeout(),
            TargetKind::Throughput => {
                self.allowance.as_ref().map(|allowance| allowance.longest(self.timeout())).unwrap_or_default()
            }
        };
        resolve::TIMEOUT + measuring + Duration::from_secs(1)
    }

    /// The target as samples carry it.
    pub fn wire_target(&self, address: Option<IpAddr>) -> Target {
        let host = match self.target.port {
            Some(port) if self.target.host.contains(':') => format!("[{}]:{port}", self.target.host),
            Some(port) => format!("{}:{port}", self.target.host),
            None => self.target.host.clone(),
        };
        let host = crate::probe::bounded(host);
        Target { name: self.target.name.clone(), host, address, tags: self.target.tags.clone() }
    }
}

/// FNV-1a: the seed needs to differ between probes, nothing more.
fn seed_of(name: &str) -> u64 {
    name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "site = \"s\"\nprobe = \"p\"\n[[broker]]\nurl = \"mqtt://localhost\"\n";

    #[test]
    fn every_target_is_measured_on_every_uplink_with_the_period_of_its_kind() {
        let uplinks = "[[uplink]]\ninterface = \"eth0\"\nprovider = \"vnpt\"\n\
            [[uplink]]\ninterface = \"wwan0\"\nkind = \"cellular\"\n";
        let config = Config::parse("t", &format!("{FILE}{uplinks}")).expect("a good file");
        let plan = Plan::of(&config);
        assert_eq!(plan.lanes.len(), 2 * config.targets.len());
        let periods: Vec<u64> = plan.lanes.iter().map(|l| l.period_ms).collect();
        assert_eq!(periods, [60_000, 60_000, 60_000, 300_000, 300_000, 300_000]);
        assert_eq!(plan.lanes[3].interface(), Some("wwan0"));
    }

    #[test]
    fn a_bandwidth_test_runs_where_somebody_said_that_it_may_and_nowhere_else() {
        let test = "[[target]]\nname = \"speed\"\nkind = \"throughput\"\nhost = \"http://127.0.0.1/backend\"\n";
        let fixed = "[[uplink]]\ninterface = \"eth0\"\n";
        let cellular = "[[uplink]]\ninterface = \"wwan0\"\nkind = \"cellular\"\n";
        let lte = "[[uplink]]\ninterface = \"usb0\"\ntechnology = \"lte\"\n";
        let plan = |uplinks: &[&str], more: &str| {
            let text = format!("{FILE}{}{test}{more}", uplinks.concat());
            Plan::of(&Config::parse("t", &text).expect("a good file"))
        };
        let check = |uplinks: &[&str], more: &str, wanted: &[&str]| {
            let plan = plan(uplinks, more);
            let on: Vec<&str> = plan.lanes.iter().filter_map(|lane| lane.interface()).collect();
            assert_eq!(on, wanted, "{uplinks:?} {more}");
            assert_eq!(plan.idle.is_empty(), !wanted.is_empty());
            assert!(plan.lanes.iter().all(|lane| lane.is_test()));
        };
        check(&[], "", &[]);
        check(&[], "on_cellular = true\n", &[]);
        check(&[cellular], "", &[]);
        check(&[lte], "", &[]);
        check(&[fixed, cellular, lte], "", &["eth0"]);
        check(&[fixed, cellular, lte], "on_cellular = false\n", &["eth0"]);
        check(&[fixed, cellular, lte], "on_cellular = true\n", &["eth0", "wwan0", "usb0"]);
        let takes = |uplink: &str| plan(&[uplink], "on_cellular = true\n").lanes[0].allowance.clone().expect("a test");
        assert!(
            takes(cellular).bytes_max < takes(fixed).bytes_max && takes(lte).month_bytes == takes(cellular).month_bytes
        );
        let default = Config::parse("t", &format!("{FILE}{fixed}")).expect("a good file");
        assert!(Plan::of(&default).lanes.iter().all(|lane| !lane.is_test()), "off by default");
    }

    #[test]
    fn without_uplinks_samples_go_by_the_default_route_and_carry_no_network() {
        let config = Config::parse("t", FILE).expect("a good file");
        assert!(Plan::of(&config).lanes.iter().all(|lane| lane.uplink.is_none()));
        assert_ne!(seed_of("a"), seed_of("b"));
    }
}
