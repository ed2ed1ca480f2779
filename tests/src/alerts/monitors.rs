//! A real Prometheus and a real Alertmanager over sped-up copies of what `dashboards/` ships.
//!
//! In: the collector's port and the sink's address. Out: two running processes on ports of their own, in the given
//! directory. Only what must differ here is replaced: addresses, the webhook, durations ([`super::pace`]), the pace of
//! scraping, and the time zone of the night mute, which is set so that it is midday.

use super::look::page;
use super::pace::sped_up;
use crate::harness::{Service, repository, wait};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// How much faster than shipped.
pub const FACTOR: u64 = 60;

pub struct Monitors {
    _prometheus: Service,
    _alertmanager: Service,
    prometheus_port: u16,
    /// Durations that were divided, in the rules and in Alertmanager's configuration.
    pub divided: (usize, usize),
}

/// What Prometheus says of the rules that it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    pub sound: usize,
    pub failing: usize,
}

impl Monitors {
    pub fn start(dir: &Path, collector_port: u16, webhook: &str) -> Result<Monitors> {
        let (prometheus_port, alertmanager_port) = (free_port()?, free_port()?);
        let dir = dir.join("monitors");
        let divided = write(&dir, collector_port, alertmanager_port, webhook)?;
        let mut alertmanager = Command::new(program(&["prometheus-alertmanager", "alertmanager"])?);
        alertmanager
            .arg(flag("config.file", dir.join("alertmanager/alertmanager.yml").display()))
            .arg(flag("storage.path", dir.join("alertmanager/data").display()))
            .arg(flag("web.listen-address", format!("127.0.0.1:{alertmanager_port}")))
            .arg("--cluster.listen-address=");
        let mut alertmanager = Service::spawn("alertmanager", alertmanager, &dir.join("alertmanager.log"))?;
        let mut prometheus = Command::new(program(&["prometheus"])?);
        prometheus
            .arg(flag("config.file", dir.join("prometheus/prometheus.yml").display()))
            .arg(flag("storage.tsdb.path", dir.join("prometheus/data").display()))
            .arg(flag("web.listen-address", format!("127.0.0.1:{prometheus_port}")))
            // A minute by default.
            .arg("--rules.alert.resend-delay=1s");
        let mut prometheus = Service::spawn("prometheus", prometheus, &dir.join("prometheus.log"))?;
        for (service, port) in [(&mut alertmanager, alertmanager_port), (&mut prometheus, prometheus_port)] {
            service.wait_for("/-/ready says yes", wait::PATIENCE, |_| page(port, "/-/ready").is_ok())?;
        }
        Ok(Monitors { _prometheus: prometheus, _alertmanager: alertmanager, prometheus_port, divided })
    }

    pub fn rules(&self) -> Result<Rules> {
        let answer: Value = serde_json::from_str(&page(self.prometheus_port, "/api/v1/rules")?)?;
        let groups = answer["data"]["groups"].as_array().context("no groups of rules")?;
        let all = groups.iter().filter_map(|group| group["rules"].as_array()).flatten();
        let (sound, failing): (Vec<&Value>, Vec<&Value>) = all.partition(|rule| rule["health"] == "ok");
        failing.iter().for_each(|rule| eprintln!("a rule fails: {} {}", rule["name"], rule["lastError"]));
        Ok(Rules { sound: sound.len(), failing: failing.len() })
    }
}

/// Writes the sped-up copies under `dir`; how many durations were divided, in the rules and for Alertmanager.
fn write(dir: &Path, collector_port: u16, alertmanager_port: u16, webhook: &str) -> Result<(usize, usize)> {
    let shipped = repository().join("dashboards");
    for sub in ["rules", "prometheus", "alertmanager/templates"] {
        std::fs::create_dir_all(dir.join(sub))?;
    }
    let mut in_rules = 0;
    for file in files(&shipped.join("rules"), "yml")? {
        let (text, count) = sped_up(&read(&file)?, FACTOR).with_context(|| file.display().to_string())?;
        in_rules += count;
        std::fs::write(dir.join("rules").join(file.file_name().context("a file has a name")?), text)?;
    }
    for file in files(&shipped.join("alertmanager/templates"), "tmpl")? {
        let name = file.file_name().context("a file has a name")?;
        std::fs::copy(&file, dir.join("alertmanager/templates").join(name))?;
    }
    let (text, in_alertmanager) = sped_up(&read(&shipped.join("alertmanager/alertmanager.yml"))?, FACTOR)?;
    let text = replaced(&text, &[("http://127.0.0.1:8490/alerts", webhook), ("Asia/Ho_Chi_Minh", &midday()?)])?;
    std::fs::write(dir.join("alertmanager/alertmanager.yml"), text)?;

    std::fs::copy(shipped.join("prometheus/phusong-token"), dir.join("prometheus/phusong-token"))?;
    let text = read(&shipped.join("prometheus/prometheus.yml"))?;
    let (collector, alertmanager) = (format!("127.0.0.1:{collector_port}"), format!("127.0.0.1:{alertmanager_port}"));
    let text = replaced(
        &text,
        &[
            ("scrape_interval: 30s", "scrape_interval: 1s"),
            ("scrape_timeout: 25s", "scrape_timeout: 1s"),
            ("evaluation_interval: 30s", "evaluation_interval: 1s"),
            ("127.0.0.1:8480", &collector),
            ("127.0.0.1:9093", &alertmanager),
        ],
    )?;
    std::fs::write(dir.join("prometheus/prometheus.yml"), text)?;
    Ok((in_rules, in_alertmanager))
}

/// A zone of the time zone database in which it is between 12 and 13 h now.
fn midday() -> Result<String> {
    let hour = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() / 3_600 % 24;
    let ahead = 12 - i64::try_from(hour)?;
    // The sign of these names is that of POSIX: what is ahead of Greenwich is negative.
    Ok(if ahead == 0 { "Etc/GMT".into() } else { format!("Etc/GMT{:+}", -ahead) })
}

fn replaced(text: &str, pairs: &[(&str, &str)]) -> Result<String> {
    let mut text = text.to_owned();
    for (from, to) in pairs {
        ensure!(text.contains(from), "the shipped file no longer says {from:?}");
        text = text.replace(from, to);
    }
    Ok(text)
}

fn files(dir: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == ending) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| path.display().to_string())
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

/// The first of these programs that is installed.
fn program(names: &[&str]) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut all = std::env::split_paths(&path).flat_map(|dir| names.iter().map(move |name| dir.join(name)));
    all.find(|file| file.is_file()).with_context(|| format!("{} is not installed; `make setup` installs it", names[0]))
}

/// A port that was free a moment ago.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
