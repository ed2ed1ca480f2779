//! A real Mosquitto on a free port of loopback, in a directory of its own, ended by its process id.

#![allow(dead_code)] // Each test program uses a part of it.

use rumqttc::{Client, Event, MqttOptions, Packet};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Broker {
    process: Option<Child>,
    pub port: u16,
    pub dir: PathBuf,
}

impl Broker {
    /// Starts one; `extra` are lines of its configuration.
    pub fn start(name: &str, extra: &str) -> Self {
        let dir = scratch(name);
        for _ in 0..5 {
            let port = free_port();
            let config = dir.join("mosquitto.conf");
            let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
            let text = format!("listener {port} 127.0.0.1\nlog_dest stderr\n{user}{extra}\n");
            std::fs::write(&config, text).expect("a writable directory");
            if let Some(process) = launch(&config) {
                return Broker { process: Some(process), port, dir };
            }
        }
        panic!("Mosquitto does not start: is it installed?");
    }

    /// Ends it at once, as a power cut does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again on the same port.
    pub fn restart(&mut self) {
        self.process = launch(&self.dir.join("mosquitto.conf"));
        assert!(self.process.is_some(), "port {} was taken meanwhile", self.port);
    }

    /// Whether a client may log in.
    pub fn lets_in(&self, user: &str, password: &str) -> bool {
        let mut options = MqttOptions::new("login", "127.0.0.1", self.port);
        options.set_credentials(user, password);
        let (_client, mut connection) = Client::new(options, 1);
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match connection.recv_timeout(left).expect("an answer in time") {
                Ok(Event::Incoming(Packet::ConnAck(_))) => return true,
                Ok(_) => {}
                Err(rumqttc::ConnectionError::ConnectionRefused(_)) => return false,
                Err(other) => panic!("no answer: {other}"),
            }
        }
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn launch(config: &Path) -> Option<Child> {
    let mut process = Command::new("/usr/sbin/mosquitto")
        .arg("-c")
        .arg(config)
        .stderr(Stdio::piped())
        .spawn()
        .expect("mosquitto is installed; `make setup` installs it");
    let (line_in, lines) = mpsc::channel();
    let stderr = process.stderr.take().expect("asked for");
    // Reads to the end, so that the broker never blocks on a full pipe.
    std::thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).for_each(|line| drop(line_in.send(line)))
    });
    let deadline = Instant::now() + PATIENCE;
    while let Ok(line) = lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if line.ends_with(" running") {
            return Some(process);
        }
    }
    // Its port was taken by somebody else between our asking and its binding.
    let _ = process.kill();
    let _ = process.wait();
    None
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener.local_addr().expect("a bound socket has an address").port()
}

/// A directory of this test alone.
pub fn scratch(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("phusong-collector-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).expect("a writable temporary directory");
    dir
}
