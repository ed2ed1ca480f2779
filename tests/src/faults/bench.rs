//! One fault round's bench: broker, collector, and a witnessed agent behind a tap, all real.
//!
//! In: a [`Setup`]. Out: the running parts, and [`Bench::settle`], which ends the round in order and waits until each
//! witnessed sample is accounted for, or until nothing moves any more. Refuses to know: what fault the round is about.
//! Limits: one probe, measuring loopback with knobs far faster than in the field.

use super::account::{Account, Held};
use super::small_disk::SmallDisk;
use super::tap::Tap;
use super::witness_log::WitnessLog;
use crate::harness::wait::{self, PATIENCE};
use crate::harness::{Agent, AgentConfig, Collector, Lab, Policy, Proxy, TargetConfig, binary};
use anyhow::{Context, Result, ensure};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub const PROBE: &str = "witnessed";
const LIBRARY: &str = "libphusong_witness.so";
/// Between two accounts while the bench settles.
const LOOK: Duration = Duration::from_millis(150);
/// Targets whose handshakes are refused, ten times a second each.
const CLOSED: usize = 12;
/// As slow as the configuration allows: the agent only empties its spool.
const IDLE_MS: u64 = 3_600_000;

/// How a round's bench differs from the plain one.
#[derive(Clone, Copy, Default)]
pub struct Setup {
    pub name: &'static str,
    pub seed: u64,
    /// `PHUSONG_SABOTAGE` of the agent and of the collector.
    pub agent_sabotage: Option<&'static str>,
    pub collector_sabotage: Option<&'static str>,
    /// A proxy behind the tap.
    pub proxy: Option<Policy>,
    /// `spool.max_bytes` and `spool.segment_bytes`.
    pub spool: Option<(u64, u64)>,
    /// A disk of so many KiB under the agent's or the collector's data directory.
    pub agent_disk_kib: Option<u64>,
    pub collector_disk_kib: Option<u64>,
}

/// The order of the fields is the order of the end.
pub struct Bench {
    pub agent: Agent,
    pub collector: Collector,
    pub tap: Tap,
    pub proxy: Option<Proxy>,
    pub disk: Option<SmallDisk>,
    pub lab: Lab,
    pub witness: WitnessLog,
    log: PathBuf,
}

impl Bench {
    pub fn start(setup: Setup) -> Result<Bench> {
        let lab = Lab::start(setup.name, &[PROBE])?;
        let mut agent = lab.agent_config(PROBE);
        let collector = lab.collector_config();
        let disk = match (setup.agent_disk_kib, setup.collector_disk_kib) {
            (Some(kib), _) => Some(SmallDisk::mount(&agent.data_dir, kib)?),
            (None, Some(kib)) => Some(SmallDisk::mount(&collector.data_dir, kib)?),
            (None, None) => None,
        };
        let proxy = setup.proxy.map(|_| Proxy::start(lab.broker.plain_address(), setup.seed)).transpose()?;
        let upstream = proxy.as_ref().map_or(lab.broker.plain_port(), Proxy::port);
        let tap = Tap::start((Ipv4Addr::LOCALHOST, upstream).into())?;
        tune(&mut agent, &setup)?;
        let log = lab.path().join("witness.log");
        let agent_environment = [
            ("LD_PRELOAD", text(library()?)?),
            ("PHUSONG_WITNESS_DIR", text(agent.data_dir.join("spool"))?),
            ("PHUSONG_WITNESS_LOG", text(log.clone())?),
        ];
        let mut agent_environment: Vec<_> = agent_environment.iter().map(|(n, v)| (*n, v.as_str())).collect();
        agent_environment.extend(setup.agent_sabotage.map(|what| ("PHUSONG_SABOTAGE", what)));
        let collector_environment: Vec<_> =
            setup.collector_sabotage.map(|what| ("PHUSONG_SABOTAGE", what)).into_iter().collect();
        let collector = lab.start_collector_with(collector, &collector_environment)?;
        let agent = Agent::start(agent.plain(tap.port()), &agent_environment)?;
        let mut bench = Bench { agent, collector, tap, proxy, disk, lab, witness: WitnessLog::default(), log };
        bench.wait_running()?;
        if let (Some(proxy), Some(policy)) = (&bench.proxy, setup.proxy) {
            proxy.set(policy);
        }
        Ok(bench)
    }

    /// Until the collector has acknowledged something: the whole way works.
    fn wait_running(&mut self) -> Result<()> {
        let tap = &self.tap;
        self.agent.service.wait_for("a first acknowledgement", PATIENCE, |_| tap.acks() > 0)?;
        self.update_witness()?;
        ensure!(!self.witness.created.is_empty(), "the witness saw nothing: are its calls intercepted?");
        Ok(())
    }

    pub fn update_witness(&mut self) -> Result<()> {
        self.witness.update(&self.log).with_context(|| self.log.display().to_string())
    }

    /// Where every witnessed sample is now.
    pub fn account(&mut self) -> Result<Account> {
        // The store first: what is witnessed in between counts as lost only for a moment.
        let held = Held::read(&self.collector.store()?, PROBE)?;
        self.update_witness()?;
        Ok(Account::of(&self.witness.created, &held))
    }

    /// Ends the round: the agent stops in order and starts again without work, which folds what a kill left over, then
    /// everything is delivered. Gives up when nothing moved for `patience`.
    pub fn settle(&mut self, patience: Duration) -> Result<Account> {
        if self.agent.service.runs() {
            self.agent.stop()?;
        }
        idle(&mut self.agent.config);
        let config = self.agent.config.to_toml();
        self.agent.write_config(&config)?;
        self.agent.restart()?;
        let mut last = self.account()?;
        let mut moved = Instant::now();
        while last.lost > 0 && moved.elapsed() < patience {
            wait::pass(LOOK);
            let now = self.account()?;
            if (now.lost, now.stored) != (last.lost, last.stored) {
                moved = Instant::now();
            }
            last = now;
        }
        Ok(last)
    }

    /// Ids that the collector has neither seen nor had explained.
    pub fn missing(&self) -> Result<f64> {
        self.collector.metric("phusong_probe_missing_samples", &[])
    }
}

/// Fast knobs, and targets of every kind: refused handshakes are published one by one, the others are raw rounds.
fn tune(agent: &mut AgentConfig, setup: &Setup) -> Result<()> {
    let open = TargetConfig { period_ms: 100, ..TargetConfig::tcp("open", "127.0.0.1", open_port()?) };
    let echo = TargetConfig { period_ms: 100, count: 1, timeout_ms: 90, ..TargetConfig::icmp("echo", "127.0.0.1") };
    let closed = closed_ports(CLOSED)?.into_iter().enumerate();
    let refused = closed.map(|(i, port)| TargetConfig {
        period_ms: 100,
        ..TargetConfig::tcp(&format!("closed-{i}"), "127.0.0.1", port)
    });
    agent.targets = [open, echo].into_iter().chain(refused).collect();
    agent.retry_first_ms = 300;
    agent.retry_max_ms = 1_200;
    agent.first_connect_jitter_ms = 0;
    agent.gather_ms = 100;
    agent.sync_interval_ms = 50;
    agent.summary_ms = 2_000;
    agent.health_ms = 2_000;
    if let Some((max_bytes, segment_bytes)) = setup.spool {
        agent.max_bytes = Some(max_bytes);
        agent.segment_bytes = Some(segment_bytes);
    }
    Ok(())
}

fn idle(agent: &mut AgentConfig) {
    agent.targets.truncate(1);
    agent.targets.iter_mut().for_each(|target| target.period_ms = IDLE_MS);
    agent.health_ms = IDLE_MS;
}

/// A port of this process that takes every connection and ends it, for as long as the process lives.
fn open_port() -> Result<u16> {
    static PORT: OnceLock<u16> = OnceLock::new();
    if let Some(port) = PORT.get() {
        return Ok(*port);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    Ok(*PORT.get_or_init(|| port))
}

/// Ports that were free a moment ago: a handshake with them is refused.
fn closed_ports(count: usize) -> Result<Vec<u16>> {
    let listeners =
        (0..count).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).collect::<std::io::Result<Vec<_>>>()?;
    listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
}

/// `make build` puts the library beside the binaries; cargo alone leaves it in `deps`, as a dependency of this package.
fn library() -> Result<PathBuf> {
    if let Ok(built) = binary(LIBRARY) {
        return Ok(built);
    }
    let own = std::env::current_exe()?;
    let deps = own.ancestors().skip(1).take(2).flat_map(|dir| [dir.join("deps").join(LIBRARY), dir.join(LIBRARY)]);
    deps.into_iter()
        .find(|path| path.is_file())
        .with_context(|| format!("{LIBRARY} is not built; `make build` builds it"))
}

fn text(path: PathBuf) -> Result<String> {
    path.into_os_string().into_string().ok().context("the path of the temporary directory is UTF-8")
}
