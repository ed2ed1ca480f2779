//! A TCP proxy between MQTT clients and the broker that loses what it is told to lose, whole packets at a time.
//!
//! In: plain connections on an own port, a [`Policy`]. Out: what the policy lets through, [`Counts`]. Refuses to know:
//! what a batch says. It never breaks a packet; what it drops toward the broker is gone as on a bad line, what it drops
//! toward the client is acknowledged to the broker, so that the broker takes it for delivered.

use super::packet::{PUBACK, PUBLISH, Packet, puback};
use anyhow::{Context, Result};
use std::io::{self, BufReader, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What is lost. Shares are 0 to 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policy {
    /// Of the client's batches.
    pub drop_publish: f64,
    /// Of the broker's PUBACKs.
    pub drop_puback: f64,
    /// Of the collector's acknowledgements on `ack` topics.
    pub drop_ack: f64,
    /// Answers every batch with a PUBACK and forgets it: the broker that accepts and loses.
    pub forget: bool,
    /// Connections stay open and nothing passes, in either direction.
    pub blackhole: bool,
}

/// What went by and what was lost, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub connections: u64,
    pub publishes: u64,
    pub dropped_publishes: u64,
    pub forgotten_publishes: u64,
    pub pubacks: u64,
    pub dropped_pubacks: u64,
    pub acks: u64,
    pub dropped_acks: u64,
}

pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Tally {
    connections: AtomicU64,
    publishes: AtomicU64,
    dropped_publishes: AtomicU64,
    forgotten_publishes: AtomicU64,
    pubacks: AtomicU64,
    dropped_pubacks: AtomicU64,
    acks: AtomicU64,
    dropped_acks: AtomicU64,
}

struct Shared {
    upstream: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
    tally: Tally,
    ended: AtomicBool,
}

struct State {
    policy: Policy,
    random: fastrand::Rng,
    open: Vec<TcpStream>,
}

/// Toward one side; both pumps write, a packet at a time.
type Sink = Arc<Mutex<TcpStream>>;

type Judge = fn(&Shared, &Packet) -> Verdict;

enum Verdict {
    Pass,
    Drop,
    /// Tell the sender that it arrived.
    DropAndAcknowledge,
}

impl Proxy {
    pub fn start(upstream: SocketAddr, seed: u64) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("proxy port")?;
        let address = listener.local_addr()?;
        let state = State { policy: Policy::default(), random: fastrand::Rng::with_seed(seed), open: Vec::new() };
        let shared = Arc::new(Shared {
            upstream,
            state: Mutex::new(state),
            changed: Condvar::new(),
            tally: Tally::default(),
            ended: AtomicBool::new(false),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || accept(&listener, &own));
        Ok(Proxy { address, shared })
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn set(&self, policy: Policy) {
        self.shared.lock().policy = policy;
        self.shared.changed.notify_all();
    }

    /// Closes every connection that is open now.
    pub fn cut(&self) {
        for stream in self.shared.lock().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    pub fn counts(&self) -> Counts {
        let tally = &self.shared.tally;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            connections: of(&tally.connections),
            publishes: of(&tally.publishes),
            dropped_publishes: of(&tally.dropped_publishes),
            forgotten_publishes: of(&tally.forgotten_publishes),
            pubacks: of(&tally.pubacks),
            dropped_pubacks: of(&tally.dropped_pubacks),
            acks: of(&tally.acks),
            dropped_acks: of(&tally.dropped_acks),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        self.set(Policy::default());
        self.cut();
        // Wakes the accepting thread, which then sees that it is over.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits out a black hole; false when the proxy has ended.
    fn may_pass(&self) -> bool {
        let state = self.lock();
        let over = |state: &mut State| state.policy.blackhole && !self.ended.load(Ordering::Relaxed);
        let _state = self.changed.wait_while(state, over).unwrap_or_else(PoisonError::into_inner);
        !self.ended.load(Ordering::Relaxed)
    }

    fn hit(&self, share: impl Fn(&Policy) -> f64) -> bool {
        let mut state = self.lock();
        let share = share(&state.policy);
        share > 0.0 && state.random.f64() < share
    }

    fn judge_client(&self, packet: &Packet) -> Verdict {
        if packet.kind() != PUBLISH || !packet.topic().ends_with("/batch") {
            return Verdict::Pass;
        }
        add(&self.tally.publishes);
        if self.lock().policy.forget {
            add(&self.tally.forgotten_publishes);
            return if packet.qos() == 1 { Verdict::DropAndAcknowledge } else { Verdict::Drop };
        }
        if self.hit(|policy| policy.drop_publish) {
            add(&self.tally.dropped_publishes);
            return Verdict::Drop;
        }
        Verdict::Pass
    }

    fn judge_broker(&self, packet: &Packet) -> Verdict {
        if packet.kind() == PUBACK {
            add(&self.tally.pubacks);
            if self.hit(|policy| policy.drop_puback) {
                add(&self.tally.dropped_pubacks);
                return Verdict::Drop;
            }
        }
        if packet.kind() == PUBLISH && packet.topic().ends_with("/ack") {
            add(&self.tally.acks);
            if self.hit(|policy| policy.drop_ack) {
                add(&self.tally.dropped_acks);
                return if packet.qos() == 1 { Verdict::DropAndAcknowledge } else { Verdict::Drop };
            }
        }
        Verdict::Pass
    }
}

fn add(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for client in listener.incoming().map_while(Result::ok) {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        if let Err(e) = join(client, shared) {
            // The broker is away: the client sees its connection closed, as it would without a proxy.
            eprintln!("proxy: {e}");
        }
    }
}

fn join(client: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let broker = TcpStream::connect(shared.upstream)?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    shared.lock().open.extend([client.try_clone()?, broker.try_clone()?]);
    add(&shared.tally.connections);
    let to_client: Sink = Arc::new(Mutex::new(client.try_clone()?));
    let to_broker: Sink = Arc::new(Mutex::new(broker.try_clone()?));
    let ways: [(TcpStream, Sink, Sink, Judge); 2] = [
        (client, Arc::clone(&to_client), Arc::clone(&to_broker), Shared::judge_client),
        (broker, to_broker, to_client, Shared::judge_broker),
    ];
    for (from, back, on, judge) in ways {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || pump(from, &back, &on, &shared, judge));
    }
    Ok(())
}

/// One direction of one connection, until either side ends it.
fn pump(from: TcpStream, back: &Sink, on: &Sink, shared: &Shared, judge: Judge) {
    let mut reader = BufReader::with_capacity(64 * 1024, &from);
    while let Ok(Some(packet)) = Packet::read(&mut reader) {
        if !shared.may_pass() {
            break;
        }
        let sent = match judge(shared, &packet) {
            Verdict::Pass => write(on, &packet.bytes),
            Verdict::Drop => Ok(()),
            Verdict::DropAndAcknowledge => write(back, &puback(packet.id())),
        };
        if sent.is_err() {
            break;
        }
    }
    for sink in [back, on] {
        let _ = sink.lock().unwrap_or_else(PoisonError::into_inner).shutdown(Shutdown::Both);
    }
}

fn write(to: &Sink, bytes: &[u8]) -> io::Result<()> {
    to.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
}
