//! Where Alertmanager's webhooks end: a small HTTP server that keeps what it was told.
//!
//! In: `POST` of Alertmanager's JSON, version 4. Out: [`Told`], one for each alert of each notification, in the order
//! of arrival. Refuses to know what the alerts mean. Limits: a body of [`BODY_BYTES`]; one request a connection.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

const BODY_BYTES: usize = 1024 * 1024;

/// One alert as one notification told it.
#[derive(Debug, Clone)]
pub struct Told {
    pub at: Instant,
    /// `firing` or `resolved`.
    pub status: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
}

pub struct Sink {
    address: SocketAddr,
    from: Receiver<Result<Vec<Told>>>,
    told: Vec<Told>,
}

#[derive(Deserialize)]
struct Notification {
    version: String,
    alerts: Vec<Alert>,
}

#[derive(Deserialize)]
struct Alert {
    status: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

impl Told {
    pub fn name(&self) -> &str {
        self.label("alertname")
    }

    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub fn fires(&self) -> bool {
        self.status == "firing"
    }
}

impl Sink {
    pub fn start() -> Result<Sink> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("a port for the sink")?;
        let address = listener.local_addr()?;
        let (to, from) = channel();
        // It ends with the process: nothing tells a blocked accept to stop.
        std::thread::Builder::new().name("sink".into()).spawn(move || serve(&listener, &to))?;
        Ok(Sink { address, from, told: Vec::new() })
    }

    pub fn url(&self) -> String {
        format!("http://{}/alerts", self.address)
    }

    /// Everything told so far; an error when a notification could not be read.
    pub fn told(&mut self) -> Result<&[Told]> {
        while let Ok(notification) = self.from.try_recv() {
            self.told.extend(notification?);
        }
        Ok(&self.told)
    }
}

fn serve(listener: &TcpListener, to: &Sender<Result<Vec<Told>>>) {
    for stream in listener.incoming() {
        let told = stream.context("accepting").and_then(|stream| read(&stream));
        if to.send(told).is_err() {
            return;
        }
    }
}

fn read(stream: &TcpStream) -> Result<Vec<Told>> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        ensure!(reader.read_line(&mut line)? > 0, "the request ends within its header");
        let line = line.trim_end();
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().with_context(|| line.to_owned())?;
        }
    }
    ensure!(length <= BODY_BYTES, "a notification of {length} bytes");
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let mut stream = stream;
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    let text = || String::from_utf8_lossy(&body).into_owned();
    let notification: Notification = serde_json::from_slice(&body).with_context(text)?;
    ensure!(notification.version == "4", "a notification of version {}", notification.version);
    let at = Instant::now();
    let told = |alert: Alert| Told { at, status: alert.status, labels: alert.labels, annotations: alert.annotations };
    Ok(notification.alerts.into_iter().map(told).collect())
}
