//! `prometheus-mqtt-exporter` (Debian's) behind a Mosquitto of its own, fed with a given number of series.
//!
//! In: a directory, how many devices and how many metrics each. Out: a running exporter that has taken them all, to be
//! scraped. Its labels are those that it can make of a topic: the device and the topic itself.

use crate::harness::{Flood, Service, wait};
use crate::metrics_scrape::Scrape;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// What it takes to read 4,000 messages, and much more.
const PATIENCE: Duration = Duration::from_secs(180);
/// Connections that publish.
const CONNECTIONS: usize = 2;

pub struct Rival {
    pub exporter: Service,
    _broker: Service,
    port: u16,
}

impl Rival {
    /// Where it is installed.
    pub fn program() -> Option<PathBuf> {
        let path = PathBuf::from("/usr/bin/prometheus-mqtt-exporter");
        path.is_file().then_some(path)
    }

    pub fn start(dir: &Path, devices: usize, metrics: usize) -> Result<Self> {
        let program = Self::program().context("prometheus-mqtt-exporter is not installed; `make setup` installs it")?;
        let (broker_port, port) = (free_port()?, free_port()?);
        let broker = broker(dir, broker_port)?;
        let file = dir.join("mqtt-exporter.yaml");
        std::fs::write(&file, configuration(broker_port, metrics))?;
        let mut command = Command::new(program);
        command.arg("-config").arg(&file).args(["-listen-address", "127.0.0.1", "-log-level", "error"]);
        command.args(["-listen-port", &port.to_string()]);
        let mut exporter = Service::spawn("prometheus-mqtt-exporter", command, &dir.join("mqtt-exporter.log"))?;
        exporter.wait_for("its port is open", PATIENCE, |_| Scrape::of(port, "/metrics").is_ok())?;
        let rival = Rival { exporter, _broker: broker, port };
        rival.feed(broker_port, devices, metrics)?;
        Ok(rival)
    }

    fn feed(&self, broker_port: u16, devices: usize, metrics: usize) -> Result<()> {
        // A retained-free broker forgets what nobody has subscribed to: the first device tells when somebody has.
        wait::until_true("it has subscribed", PATIENCE, || {
            let first = Arc::new(vec![message(0, metrics)]);
            let sent = Flood::start(broker_port, ("bench", "bench"), &first, 1).and_then(Flood::wait);
            sent.is_ok() && self.scrape().is_ok_and(|scrape| own(&scrape) == metrics)
        })?;
        let messages = Arc::new((0..devices).map(|device| message(device, metrics)).collect());
        Flood::start(broker_port, ("bench", "bench"), &messages, CONNECTIONS)?.wait()?;
        wait::until_true("it has taken every series", PATIENCE, || {
            self.scrape().is_ok_and(|scrape| own(&scrape) >= devices * metrics)
        })
    }

    pub fn scrape(&self) -> Result<Scrape> {
        Scrape::of(self.port, "/metrics")
    }
}

/// The series that were asked for; it adds one of its own for each topic.
fn own(scrape: &Scrape) -> usize {
    scrape.text.lines().filter(|line| line.starts_with("bench_value_")).count()
}

fn message(device: usize, metrics: usize) -> (String, Vec<u8>) {
    let values: Vec<String> = (0..metrics).map(|metric| format!("\"v{metric}\":{}", metric as f64 + 0.25)).collect();
    (format!("bench/commune-{}/hamlet-{device:05}", device / 13), format!("{{{}}}", values.join(",")).into_bytes())
}

fn configuration(broker_port: u16, metrics: usize) -> String {
    let mut text = format!(
        "mqtt:\n  server: tcp://127.0.0.1:{broker_port}\n  topic_path: bench/+/+\n  qos: 1\ncache:\n  timeout: 24h\nmetrics:\n"
    );
    for metric in 0..metrics {
        let name = format!("bench_value_{metric}");
        writeln!(text, "  - prom_name: {name}\n    mqtt_name: v{metric}\n    help: A value.\n    type: gauge")
            .expect("a String takes everything");
    }
    text
}

fn broker(dir: &Path, port: u16) -> Result<Service> {
    let program =
        ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto"].into_iter().find(|path| Path::new(path).exists());
    let program = program.context("mosquitto is not installed; `make setup` installs it")?;
    let file = dir.join("bench-mosquitto.conf");
    let text = format!("listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nlog_dest stderr\n");
    std::fs::write(&file, text)?;
    let mut command = Command::new(program);
    command.arg("-c").arg(file);
    let mut broker = Service::spawn("mosquitto", command, &dir.join("bench-mosquitto.log"))?;
    broker.wait_for("its port is open", PATIENCE, |_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
    Ok(broker)
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
