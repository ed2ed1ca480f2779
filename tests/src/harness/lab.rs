//! Broker, collector and agents together, in one directory, all real and all under the test's hand.
//!
//! In: the names of the probes. Out: [`Collector`] and [`Agent`], each a running process with its files. A value that
//! goes out of scope kills its process; the directory goes last.

use super::configs::{AgentConfig, CollectorConfig, SITE};
use super::mosquitto::Mosquitto;
use super::netns::NetNs;
use super::process::{Service, binary};
use super::tempdir::TempDir;
use super::{http, wait};
use anyhow::{Context, Result};
use rusqlite::{Connection, OpenFlags};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Duration;

pub struct Lab {
    pub broker: Mosquitto,
    probes: Vec<String>,
    dir: TempDir,
}

/// A running `phusong-collector`.
pub struct Collector {
    pub service: Service,
    pub config: CollectorConfig,
    file: PathBuf,
    environment: Vec<(String, String)>,
}

/// A running `phusong-agent`.
pub struct Agent {
    pub service: Service,
    pub config: AgentConfig,
    file: PathBuf,
    environment: Vec<(String, String)>,
    starts: u32,
}

impl Lab {
    /// A broker with one account per probe; the collector does not run yet.
    pub fn start(name: &str, probes: &[&str]) -> Result<Lab> {
        Self::start_under(&std::env::temp_dir(), name, probes)
    }

    /// The same under a chosen directory.
    pub fn start_under(base: &Path, name: &str, probes: &[&str]) -> Result<Lab> {
        Self::start_at(TempDir::under(base, name)?, probes, None, &[])
    }

    /// With the broker in a network namespace, reachable as `names` too.
    pub fn start_in(name: &str, probes: &[&str], namespace: &NetNs, names: &[&str]) -> Result<Lab> {
        Self::start_at(TempDir::new(name)?, probes, Some(namespace), names)
    }

    fn start_at(dir: TempDir, probes: &[&str], namespace: Option<&NetNs>, names: &[&str]) -> Result<Lab> {
        let accounts: Vec<(String, String)> = probes.iter().map(|p| ((*p).to_owned(), Self::password(p))).collect();
        let accounts: Vec<(&str, &str)> = accounts.iter().map(|(user, pass)| (user.as_str(), pass.as_str())).collect();
        let broker = Mosquitto::start_in(dir.path(), &accounts, namespace, names)?;
        Ok(Lab { broker, probes: probes.iter().map(|p| (*p).to_owned()).collect(), dir })
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The broker password of a probe.
    pub fn password(probe: &str) -> String {
        format!("{probe}-secret")
    }

    pub fn topic(probe: &str, channel: &str) -> String {
        format!("phusong/v1/{SITE}/{probe}/{channel}")
    }

    pub fn collector_config(&self) -> CollectorConfig {
        CollectorConfig::new(self.path(), &self.broker)
    }

    pub fn agent_config(&self, probe: &str) -> AgentConfig {
        AgentConfig::new(self.path(), probe, &Self::password(probe), &self.broker)
    }

    /// Starts a collector that knows every probe of the lab.
    pub fn start_collector(&self) -> Result<Collector> {
        self.start_collector_with(self.collector_config(), &[])
    }

    pub fn start_collector_with(&self, config: CollectorConfig, environment: &[(&str, &str)]) -> Result<Collector> {
        let probes: Vec<&str> = self.probes.iter().map(String::as_str).collect();
        Collector::start(config, environment, &probes)
    }

    pub fn start_agent(&self, config: AgentConfig) -> Result<Agent> {
        Agent::start(config, &[])
    }
}

impl Collector {
    /// Writes the configuration, registers `probes`, runs, and waits until `/readyz` says yes.
    pub fn start(config: CollectorConfig, environment: &[(&str, &str)], probes: &[&str]) -> Result<Collector> {
        let mut collector = Self::launched(config, environment, probes, None)?;
        collector.wait_ready()?;
        Ok(collector)
    }

    /// The same in a network namespace, whose loopback is not ours: it is ready when its log says so.
    pub fn start_in(config: CollectorConfig, probes: &[&str], namespace: &NetNs) -> Result<Collector> {
        let mut collector = Self::launched(config, &[], probes, Some(namespace))?;
        collector.service.wait_log("receiving batches", wait::PATIENCE)?;
        Ok(collector)
    }

    fn launched(
        config: CollectorConfig,
        environment: &[(&str, &str)],
        probes: &[&str],
        namespace: Option<&NetNs>,
    ) -> Result<Collector> {
        std::fs::create_dir_all(&config.data_dir)?;
        let file = config.data_dir.with_extension("toml");
        std::fs::write(&file, config.to_toml())?;
        for probe in probes {
            let output = cli("phusong-collector", &file, &["probe", "add", probe, "--site", SITE])?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            anyhow::ensure!(output.status.success(), "probe add {probe}: {said}");
        }
        let environment = owned(environment);
        let service = launch("phusong-collector", &file, &environment, namespace)?;
        Ok(Collector { service, config, file, environment })
    }

    pub fn wait_ready(&mut self) -> Result<()> {
        let port = self.config.http_port;
        self.service.wait_for("/readyz says yes", wait::PATIENCE, |_| {
            http::get(port, "/readyz").is_ok_and(|(status, _)| status == 200)
        })
    }

    /// Runs it again after [`Service::kill9`] or [`Service::terminate`], over the same store.
    pub fn restart(&mut self) -> Result<()> {
        anyhow::ensure!(!self.service.runs(), "the collector runs still");
        self.service = launch("phusong-collector", &self.file, &self.environment, None)?;
        self.wait_ready()
    }

    /// Rewrites the configuration file; a SIGHUP or a restart makes it count.
    pub fn write_config(&self, text: &str) -> Result<()> {
        Ok(std::fs::write(&self.file, text)?)
    }

    /// Another call of the command line with the same configuration.
    pub fn cli(&self, args: &[&str]) -> Result<Output> {
        cli("phusong-collector", &self.file, args)
    }

    pub fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        http::metrics(self.config.http_port)
    }

    /// The sum of all lines of one metric whose labels hold every text of `labels`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Result<f64> {
        let all = self.metrics()?;
        let ours = all.iter().filter(|(line, _)| line.split('{').next() == Some(name));
        Ok(ours.filter(|(line, _)| labels.iter().all(|label| line.contains(label))).map(|(_, value)| value).sum())
    }

    /// The store, for looking only.
    pub fn store(&self) -> Result<Connection> {
        let file = self.config.data_dir.join("phusong.db");
        let store = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .with_context(|| file.display().to_string())?;
        store.busy_timeout(Duration::from_secs(10))?;
        Ok(store)
    }

    /// A number from the store.
    pub fn query(&self, sql: &str) -> Result<i64> {
        self.store()?.query_row(sql, [], |row| row.get(0)).with_context(|| sql.to_owned())
    }

    /// Waits until a number from the store is as wanted.
    pub fn wait_query(&self, what: &str, sql: &str, wanted: impl Fn(i64) -> bool) -> Result<i64> {
        let mut last = None;
        let found = wait::until(what, wait::PATIENCE, || {
            last = self.query(sql).ok();
            last.filter(|n| wanted(*n))
        });
        found.with_context(|| format!("{sql}: {last:?} last; log:\n{}", self.service.log_text()))
    }

    /// Waits until a metric (see [`Collector::metric`]) is as wanted.
    pub fn wait_metric(&self, name: &str, labels: &[&str], wanted: impl Fn(f64) -> bool) -> Result<f64> {
        let mut last = None;
        let found = wait::until(&format!("{name} {labels:?}"), wait::PATIENCE, || {
            last = self.metric(name, labels).ok();
            last.filter(|value| wanted(*value))
        });
        found.with_context(|| format!("{last:?} last"))
    }

    /// Ends the agent, starts it again, and waits until every id of every start before that is stored or explained:
    /// the new start names the last id of the one before, so nothing can be missing unseen.
    pub fn expect_nothing_missing(&self, agent: &mut Agent) -> Result<()> {
        let status = if agent.service.runs() { Some(agent.stop()?) } else { None };
        anyhow::ensure!(status.is_none_or(|status| status.success()), "the agent ended with {status:?}");
        agent.restart()?;
        let starts = "SELECT max(start) FROM epoch";
        let complete = "SELECT coalesce(sum(a.top_seq = b.prev_seq AND a.accounted = b.prev_seq + 1), 0) \
                        FROM epoch a JOIN epoch b ON b.prev_ref = a.id";
        let done = wait::until("every start before this one is complete", wait::PATIENCE, || {
            let (starts, complete) = (self.query(starts).ok()?, self.query(complete).ok()?);
            (starts >= i64::from(agent.starts) && complete == starts - 1).then_some(())
        });
        done.with_context(|| {
            let (starts, complete) = (self.query(starts), self.query(complete));
            format!("{starts:?} of {} starts seen, {complete:?} complete", agent.starts)
        })
    }

    /// SIGTERM and the end it comes to.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.service.terminate(wait::PATIENCE)
    }
}

impl Agent {
    /// Writes the configuration and runs; `environment` is for the sabotage of self-tests and for a preloaded witness.
    pub fn start(config: AgentConfig, environment: &[(&str, &str)]) -> Result<Agent> {
        let file = write_agent(&config)?;
        let environment = owned(environment);
        let service = launch("phusong-agent", &file, &environment, None)?;
        Ok(Agent { service, config, file, environment, starts: 1 })
    }

    /// Another build of the agent than the one under test elsewhere.
    pub fn start_program(config: AgentConfig, program: &Path) -> Result<Agent> {
        let file = write_agent(&config)?;
        let mut command = Command::new(program);
        command.arg("--config").arg(&file).arg("run");
        let service = Service::spawn("phusong-agent", command, &file.with_extension("log"))?;
        Ok(Agent { service, config, file, environment: Vec::new(), starts: 1 })
    }

    pub fn start_in(config: AgentConfig, namespace: &NetNs) -> Result<Agent> {
        let file = write_agent(&config)?;
        let service = launch("phusong-agent", &file, &[], Some(namespace))?;
        Ok(Agent { service, config, file, environment: Vec::new(), starts: 1 })
    }

    /// Samples that wait for the collector, by the spool's own count.
    pub fn waiting(config: &AgentConfig) -> Result<u64> {
        let output = Self::command(config, &["spool", "status", "--json"])?;
        anyhow::ensure!(output.status.success(), "spool status: {}", String::from_utf8_lossy(&output.stderr));
        let status: serde_json::Value = serde_json::from_slice(&output.stdout)?;
        // A running agent knows more than its files.
        let running = status["agent"].get("spool");
        let classes = running.unwrap_or(&status["spool"])["classes"].as_array();
        let classes = classes.with_context(|| status.to_string())?;
        let published = classes.iter().filter(|class| class["class"] != "raw");
        Ok(published.filter_map(|class| class["waiting"].as_u64()).sum())
    }

    /// Writes the configuration and does not run: for the command line alone.
    pub fn command(config: &AgentConfig, args: &[&str]) -> Result<Output> {
        cli("phusong-agent", &write_agent(config)?, args)
    }

    pub fn restart(&mut self) -> Result<()> {
        anyhow::ensure!(!self.service.runs(), "the agent runs still");
        self.service = launch("phusong-agent", &self.file, &self.environment, None)?;
        self.starts += 1;
        Ok(())
    }

    pub fn write_config(&self, text: &str) -> Result<()> {
        Ok(std::fs::write(&self.file, text)?)
    }

    pub fn file(&self) -> &Path {
        &self.file
    }

    pub fn cli(&self, args: &[&str]) -> Result<Output> {
        cli("phusong-agent", &self.file, args)
    }

    pub fn stop(&mut self) -> Result<ExitStatus> {
        self.service.terminate(wait::PATIENCE)
    }
}

fn write_agent(config: &AgentConfig) -> Result<PathBuf> {
    std::fs::create_dir_all(&config.data_dir)?;
    let file = config.data_dir.with_extension("toml");
    std::fs::write(&file, config.to_toml())?;
    Ok(file)
}

fn owned(environment: &[(&str, &str)]) -> Vec<(String, String)> {
    environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn launch(name: &str, file: &Path, environment: &[(String, String)], namespace: Option<&NetNs>) -> Result<Service> {
    let program = binary(name)?;
    let mut command = namespace.map_or_else(|| Command::new(&program), |namespace| namespace.command(&program));
    command.arg("--config").arg(file).arg("run").envs(environment.iter().cloned());
    Service::spawn(name, command, &file.with_extension("log"))
}

fn cli(name: &str, file: &Path, args: &[&str]) -> Result<Output> {
    let mut command = Command::new(binary(name)?);
    command.arg("--config").arg(file).args(args).stdin(Stdio::null());
    command.output().with_context(|| format!("{command:?}"))
}
