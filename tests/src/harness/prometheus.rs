//! A real Prometheus (Debian's) on a port of its own, which takes late samples by remote write.
//!
//! In: a directory, a configuration. Out: writing, asking. Refuses to know: what is asked. Limits: answers are read
//! whole; five attempts to find a free port.

use super::process::Service;
use super::remote_write::{self, Series};
use super::wait;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Takes what is three days late, and scrapes nothing.
pub const BACKFILL: &str = "global:\n  scrape_interval: 1m\nstorage:\n  tsdb:\n    out_of_order_time_window: 3d\n";
/// Samples younger than this go in a request of their own: a rejected old one must not take them along.
const FRESH_MS: i64 = 3_600_000;
/// What one request covers.
const SPAN_MS: i64 = 6 * 3_600_000;

pub struct Prometheus {
    port: u16,
    service: Service,
}

impl Prometheus {
    /// Whether this machine has one.
    pub fn installed() -> bool {
        program().is_some()
    }

    /// Starts one that keeps its data under `dir`.
    pub fn start(dir: &Path, configuration: &str) -> Result<Self> {
        let program = program().context("prometheus is not installed; `make setup` installs it")?;
        let dir = dir.join("prometheus");
        std::fs::create_dir_all(&dir)?;
        std::fs::write(dir.join("prometheus.yml"), configuration)?;
        for _ in 0..5 {
            let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
            let mut command = Command::new(&program);
            command
                .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
                .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
                .arg(format!("--web.listen-address=127.0.0.1:{port}"))
                .args(["--web.enable-remote-write-receiver", "--log.level=warn"]);
            let service = Service::spawn("prometheus", command, &dir.join("prometheus.log"))?;
            let mut started = Prometheus { port, service };
            match started.wait_ready() {
                Ok(()) => return Ok(started),
                // Somebody took the port between our asking and its binding.
                Err(_) if started.service.log_text().contains("address already in use") => {}
                Err(e) => return Err(e),
            }
        }
        bail!("five times in a row the free port was taken by somebody else")
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait_ready(&mut self) -> Result<()> {
        let port = self.port;
        self.service.wait_for("it is ready", wait::PATIENCE, |_| {
            request(port, "GET", "/-/ready", &[], &[]).is_ok_and(|(status, _)| status == 200)
        })
    }

    /// Writes all series, old samples first, fresh ones apart. Answers how many samples were written.
    pub fn write(&self, series: &[Series]) -> Result<usize> {
        let times = || series.iter().flat_map(|one| &one.samples).map(|(at, _)| *at);
        let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(0) };
        let fresh = (last - FRESH_MS).max(first);
        let mut from = first;
        while from <= last {
            let to = if from < fresh { (from + SPAN_MS).min(fresh) } else { last + 1 };
            if let Some(body) = remote_write::body(series, from, to) {
                self.post(&body)?;
            }
            from = to;
        }
        Ok(times().count())
    }

    fn post(&self, body: &[u8]) -> Result<()> {
        let headers = [
            ("Content-Encoding", "snappy"),
            ("Content-Type", "application/x-protobuf"),
            ("X-Prometheus-Remote-Write-Version", "0.1.0"),
        ];
        let (status, answer) = request(self.port, "POST", "/api/v1/write", &headers, body)?;
        anyhow::ensure!(status / 100 == 2, "remote write: {status} {answer}; log:\n{}", self.service.log_text());
        Ok(())
    }

    /// `data` of an answer of the HTTP API; an error is Prometheus's own words.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let pairs: Vec<String> =
            parameters.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        let (status, answer) = request(self.port, "GET", &format!("{path}?{}", pairs.join("&")), &[], &[])?;
        let mut answer: Value = serde_json::from_str(&answer).with_context(|| format!("{path}: {status} {answer}"))?;
        anyhow::ensure!(answer["status"] == "success", "{}", answer["error"].as_str().unwrap_or("no reason given"));
        Ok(answer["data"].take())
    }

    pub fn stop(&mut self) -> Result<()> {
        self.service.terminate(wait::PATIENCE).map(drop)
    }
}

fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join("prometheus")).find(|path| path.is_file())
}

/// Everything but letters, digits and `-._~` as `%XX`.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("a string takes everything");
        }
    }
    out
}

/// HTTP/1.0 over loopback: the answer ends with the connection and comes in one piece.
fn request(port: u16, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting")?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let mut head = format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
    head.push_str("\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).context("reading the answer")?;
    let text = String::from_utf8_lossy(&bytes);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { bail!("no HTTP answer: {text:?}") };
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).context("no status")?;
    Ok((status, body.to_owned()))
}
