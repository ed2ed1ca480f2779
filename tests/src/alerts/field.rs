//! Probes of a few hamlets, steered by hand: each sends a round of attempts every other second, failing or answered.
//!
//! In: which probe, by which SIM, how it is. Out: JSON batches over real MQTT, stamped with now. Refuses to know the
//! collector. The windows are those of real life, five minutes: a hamlet dies by rounds that fail in the window under
//! way, and lives again as soon as another operator answers there.

use crate::harness::{Lab, Login, MqttClient};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Between two rounds of a probe.
const ROUND: Duration = Duration::from_secs(2);

/// How a probe is from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Sends nothing.
    Quiet,
    /// No target answers.
    Fails,
    /// Every target answers.
    Served,
}

struct Order {
    probe: String,
    sim_plmn: &'static str,
    mode: Mode,
}

pub struct Field {
    orders: Sender<Order>,
    thread: JoinHandle<Result<()>>,
}

impl Field {
    pub fn start(broker_port: u16) -> Result<Field> {
        let (orders, from) = channel();
        let thread =
            std::thread::Builder::new().name("field".into()).spawn(move || Sending::new(broker_port).run(&from))?;
        Ok(Field { orders, thread })
    }

    /// From the next round on, `probe` with a SIM of `sim_plmn` is so.
    pub fn set(&self, probe: &str, sim_plmn: &'static str, mode: Mode) -> Result<()> {
        self.orders.send(Order { probe: probe.into(), sim_plmn, mode }).ok().context("the field's thread has ended")
    }

    /// Ends it, and says what went wrong meanwhile.
    pub fn stop(self) -> Result<()> {
        drop(self.orders);
        self.thread.join().ok().context("the field's thread panicked")?
    }
}

struct Sending {
    broker_port: u16,
    clients: BTreeMap<String, MqttClient>,
    modes: BTreeMap<String, (&'static str, Mode)>,
}

impl Sending {
    fn new(broker_port: u16) -> Self {
        Sending { broker_port, clients: BTreeMap::new(), modes: BTreeMap::new() }
    }

    fn run(mut self, orders: &Receiver<Order>) -> Result<()> {
        loop {
            match orders.recv_timeout(ROUND) {
                Ok(order) => {
                    self.modes.insert(order.probe, (order.sim_plmn, order.mode));
                }
                Err(RecvTimeoutError::Timeout) => self.round()?,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn round(&mut self) -> Result<()> {
        for (probe, (sim_plmn, mode)) in &self.modes {
            if *mode == Mode::Quiet {
                continue;
            }
            let client = match self.clients.remove(probe) {
                Some(client) => client,
                None => MqttClient::connect(&Login::plain(self.broker_port, probe, &Lab::password(probe)))?,
            };
            let client = self.clients.entry(probe.clone()).or_insert(client);
            client.publish(&Lab::topic(probe, "batch"), batch(sim_plmn, *mode == Mode::Served)?.to_string())?;
        }
        Ok(())
    }
}

/// A round against three targets: enough to prove either that the network serves or that it does not.
fn batch(sim_plmn: &str, served: bool) -> Result<Value> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let targets = [
        ("noc", "198.51.100.7", "tcp", json!({"kind": "tcp", "connect_us": 31_000})),
        ("portal", "198.51.100.80", "http", json!({"kind": "http", "status": 200, "total_us": 140_000})),
        ("abroad", "203.0.113.9", "latency", json!({"kind": "latency", "sent": 3, "rtt_us": [61_000, 62_000, 60_500]})),
    ];
    let samples = targets.into_iter().map(|(name, host, of, reading)| {
        let mut sample = json!({
            "wall_ms": now,
            "clock": {"synced": true},
            "uplink": {"interface": "wwan0", "sim_plmn": sim_plmn, "serving_plmn": sim_plmn, "technology": "lte"},
            "target": {"name": name, "host": host, "tags": ["domestic"]},
        });
        if served {
            sample["reading"] = reading;
        } else {
            sample["failure"] = json!({"of": of, "kind": "timeout"});
        }
        sample
    });
    Ok(json!({"v": 1, "samples": samples.collect::<Vec<_>>()}))
}
