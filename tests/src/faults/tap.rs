//! A tap on the agent's line to the broker: it changes nothing and knows which samples are in flight.
//!
//! In: plain MQTT connections on an own port. Out: the same packets, and [`Tap::in_flight`]: samples that went toward
//! the broker on the present connection and whose collector's ack has not come back. Refuses to know: what is lost on
//! purpose (the harness's proxy does that, behind the tap). Limits: reads PUBLISH only; a packet that it cannot read
//! is passed on all the same.

use crate::harness::packet::{PUBLISH, Packet};
use anyhow::{Context, Result};
use phusong_protocol::{AckMessage, Epoch, Ranges};
use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub struct Tap {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Of the present connection.
    in_flight: BTreeMap<Epoch, Ranges>,
    /// Over the tap's life.
    connections: u64,
    batches: u64,
    acks: u64,
    /// MQTT's protocol level, 4 or 5, as the CONNECT said.
    level: u8,
    open: Vec<TcpStream>,
    ended: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

impl Tap {
    pub fn start(upstream: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("the tap's port")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared { upstream, state: Mutex::default(), changed: Condvar::new() });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &own));
        Ok(Tap { address, shared })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Samples that went out and are not acknowledged.
    pub fn in_flight(&self) -> u64 {
        self.shared.lock().flying()
    }

    /// Waits until something is in flight; how many samples, or 0 when nothing was within `patience`.
    pub fn wait_in_flight(&self, patience: Duration) -> u64 {
        self.wait(patience, |state| state.flying() > 0).flying()
    }

    /// Connections that reached the broker so far.
    pub fn connections(&self) -> u64 {
        self.shared.lock().connections
    }

    /// Batches that went toward the broker so far.
    pub fn batches(&self) -> u64 {
        self.shared.lock().batches
    }

    /// Collector's ack messages that came back so far.
    pub fn acks(&self) -> u64 {
        self.shared.lock().acks
    }

    /// Waits until more than `known` acks came back; false when none came within `patience`.
    pub fn wait_ack(&self, known: u64, patience: Duration) -> bool {
        self.wait(patience, |state| state.acks > known).acks > known
    }

    /// Waits until more than `known` connections reached the broker.
    pub fn wait_connection(&self, known: u64, patience: Duration) -> bool {
        self.wait(patience, |state| state.connections > known).connections > known
    }

    fn wait(&self, patience: Duration, is_so: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, |state| !is_so(state));
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.lock().close();
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl State {
    fn flying(&self) -> u64 {
        self.in_flight.values().map(Ranges::count).sum()
    }

    fn close(&mut self) {
        for stream in self.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Notes what the client sends.
    fn went_up(&mut self, packet: &Packet) {
        if let Some(level) = connect_level(packet) {
            self.level = level;
        }
        let Some(payload) = payload(packet, "/batch", self.level) else { return };
        let Ok(batch) = phusong_protocol::decode(payload) else { return };
        self.batches += 1;
        let ids = batch.samples.iter().map(|sample| sample.seq).chain(batch.bad.iter().map(|bad| bad.seq));
        let ranges = self.in_flight.entry(batch.epoch).or_default();
        ids.for_each(|seq| ranges.insert(seq, seq));
    }

    /// Notes what comes back.
    fn came_down(&mut self, packet: &Packet) {
        let Some(payload) = payload(packet, "/ack", self.level) else { return };
        let Ok(message) = AckMessage::from_json(payload) else { return };
        self.acks += 1;
        for ack in message.acks {
            if let Some(ranges) = ack.epoch.and_then(|epoch| self.in_flight.get_mut(&epoch)) {
                ranges.subtract(&ack.ranges);
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// CONNECT: "MQTT" behind its length, then the protocol level (MQTT 3.1.1 and 5, section 3.1.2).
fn connect_level(packet: &Packet) -> Option<u8> {
    let at = packet.bytes.windows(6).take(8).position(|window| window == b"\x00\x04MQTT")?;
    if packet.kind() == 1 { packet.bytes.get(at + 6).copied() } else { None }
}

/// The payload of a PUBLISH on a topic with this ending.
fn payload<'a>(packet: &'a Packet, ending: &str, level: u8) -> Option<&'a [u8]> {
    if packet.kind() != PUBLISH || !packet.topic().ends_with(ending) {
        return None;
    }
    let remaining = packet.bytes.get(1..)?.iter().position(|byte| byte & 0x80 == 0)?;
    let rest = packet.bytes.get(2 + remaining + 2 + packet.topic().len()..)?;
    let rest = if packet.qos() > 0 { rest.get(2..)? } else { rest };
    if level < 5 {
        return Some(rest);
    }
    // Properties, behind their length as a variable byte integer.
    let digits = rest.iter().position(|byte| byte & 0x80 == 0)?;
    let length = rest[..=digits].iter().rev().fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
    rest.get(digits + 1 + length..)
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().map_while(Result::ok) {
        if shared.lock().ended {
            return;
        }
        // A broker that is away: the client sees its connection closed, as it would without a tap.
        let _ = join(client, shared);
    }
}

fn join(client: TcpStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    let broker = TcpStream::connect(shared.upstream)?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    {
        let mut state = shared.lock();
        state.close();
        state.in_flight.clear();
        state.connections += 1;
        state.open.extend([client.try_clone()?, broker.try_clone()?]);
    }
    shared.changed.notify_all();
    let ways = [(client.try_clone()?, broker.try_clone()?, Way::Up), (broker, client, Way::Down)];
    for (from, to, way) in ways {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || pump(&from, &to, &shared, way));
    }
    Ok(())
}

fn pump(from: &TcpStream, mut to: &TcpStream, shared: &Shared, way: Way) {
    let mut reader = BufReader::with_capacity(64 * 1024, from);
    while let Ok(Some(packet)) = Packet::read(&mut reader) {
        // A batch counts from before it leaves, an ack from when it has been handed over: neither overtakes the other.
        if way == Way::Up {
            shared.lock().went_up(&packet);
        }
        if to.write_all(&packet.bytes).is_err() {
            break;
        }
        if way == Way::Down {
            shared.lock().came_down(&packet);
        }
        shared.changed.notify_all();
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
