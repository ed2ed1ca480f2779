//! The embedded MQTT broker: the default of `phusong-collector run`, when no external one is configured.
//!
//! In: `[broker]` of the configuration, credentials. Out: listeners for probes, and how the collector reaches it: as an
//! ordinary client with a secret of this start, so that embedded and external brokers have one code path. Refuses to
//! know: what is in a message, the store.
//!
//! The data's way: `front` (TLS, bounds) -> the library on loopback -> `hooks` (`login`, `acl`, `backlog`) -> `router`
//! and `retained`. It runs on a runtime of its own and ends with it.

mod addresses;

mod front;
mod guests;

mod server;

mod hooks;

mod acl;
mod backlog;
mod login;

mod retained;
mod router;

mod counters;
pub mod tls;

use crate::config::{self, Config, Protocol, Secret};
use crate::credentials::Credentials;
use anyhow::Context;
use counters::{Counters, Refusal};
use front::Hall;
use guests::Guests;
use login::Login;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

const THREADS: usize = 2;
/// Password hashes and their files.
const BLOCKING_THREADS: usize = 4;
/// Of each connection: the probe's, and both ends of the one to the library.
const FILES_PER_CONNECTION: u64 = 3;
/// The store, HTTP, the rest of the process.
const OTHER_FILES: u64 = 512;
/// How the file beside the certificates is called that says where the broker listens.
const ADDRESS_FILE: &str = "address";

/// The running broker.
pub struct Broker {
    /// Always there until it is taken for the end.
    runtime: Option<Runtime>,
    client: config::Mqtt,
    guests: Arc<Guests>,
    counters: Arc<Counters>,
    pub listen: SocketAddr,
    pub plain_listen: Option<SocketAddr>,
}

/// What `/metrics` shows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    pub connections: u64,
    /// Connections turned away, by reason, with every reason there is.
    pub refused: Vec<(&'static str, u64)>,
    pub forbidden: u64,
    pub held_back: u64,
    pub dropped: u64,
    pub not_retained: u64,
}

/// The names and addresses under which probes reach this machine: those configured, else what it knows of itself.
pub fn hosts(config: &Config) -> Vec<String> {
    if !config.broker.hosts.is_empty() {
        return config.broker.hosts.clone();
    }
    let mut hosts: Vec<String> = addresses::own().iter().map(ToString::to_string).collect();
    let name = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    if config::is_host(&name) && name != "localhost" {
        hosts.push(name);
    }
    hosts
}

/// The port at which probes find the broker. One that was left to the system (0) is known once a broker has started.
pub fn port(config: &Config) -> anyhow::Result<u16> {
    if config.broker.listen.port() != 0 {
        return Ok(config.broker.listen.port());
    }
    let file = config.data_dir.join("broker").join(ADDRESS_FILE);
    let text = std::fs::read_to_string(&file).with_context(|| {
        format!(
            "{}: broker.listen leaves the port to the system: start the collector first, or write a port",
            file.display()
        )
    })?;
    let address: SocketAddr = text.trim().parse().with_context(|| format!("{} is no address", file.display()))?;
    Ok(address.port())
}

impl Broker {
    /// Binds, and takes connections from now on.
    pub async fn start(config: &Config) -> anyhow::Result<Self> {
        let settings = &config.broker;
        let hosts = hosts(config);
        let acceptor = TlsAcceptor::from(Arc::new(tls::server(&config.data_dir, &hosts)?));
        let listener = bind("broker.listen", settings.listen)?;
        let plain = settings.plain_listen.map(|address| bind("broker.plain_listen", address)).transpose()?;
        let listen = listener.local_addr()?;
        let plain_listen = plain.as_ref().map(std::net::TcpListener::local_addr).transpose()?;
        allow_files(settings.connections as u64);

        let (guests, counters) = (Arc::new(Guests::default()), Arc::new(Counters::default()));
        let secret = secret()?;
        let login = Arc::new(Login {
            secret: secret.clone(),
            credentials: Arc::new(Credentials::open(&config.data_dir)?),
            guests: Arc::clone(&guests),
            counters: Arc::clone(&counters),
            owners: login::Owners::default(),
        });
        let runtime = runtime()?;
        let starting = {
            let (settings, counters) = (settings.clone(), Arc::clone(&counters));
            runtime.spawn(async move { server::start(&settings, login, counters).await })
        };
        let doors = starting.await.context("starting the embedded broker")??;
        let places = Arc::new(Semaphore::new(settings.connections));
        let hall = Hall { inside: doors.probes, guests: Arc::clone(&guests), places, counters: Arc::clone(&counters) };
        {
            let _context = runtime.enter();
            runtime.spawn(front::serve(TcpListener::from_std(listener)?, Some(acceptor), hall.clone()));
            if let Some(plain) = plain {
                runtime.spawn(front::serve(TcpListener::from_std(plain)?, None, hall));
            }
        }
        say(&config.data_dir, listen, plain_listen, &hosts)?;
        let client = client(&config.mqtt, doors.collector, secret);
        Ok(Broker { runtime: Some(runtime), client, guests, counters, listen, plain_listen })
    }

    /// How the collector reaches it.
    pub fn client(&self) -> &config::Mqtt {
        &self.client
    }

    pub fn watch(&self) -> Watch {
        Watch { guests: Arc::clone(&self.guests), counters: Arc::clone(&self.counters) }
    }

    /// Ends it, within a moment. Sessions and retained messages go with it; probes connect again and lose nothing.
    pub fn stop(mut self, within: Duration) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(within);
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Where a start failed half way, in the middle of another runtime that must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The figures of a running broker.
#[derive(Debug, Clone)]
pub struct Watch {
    guests: Arc<Guests>,
    counters: Arc<Counters>,
}

impl Watch {
    pub fn figures(&self) -> Figures {
        Figures {
            connections: self.guests.logged_in() as u64,
            refused: Refusal::ALL.iter().map(|why| (why.name(), self.counters.refused(*why))).collect(),
            forbidden: self.counters.forbidden(),
            held_back: self.counters.held_back(),
            dropped: self.counters.dropped(),
            not_retained: self.counters.not_retained(),
        }
    }
}

fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("broker")
        .enable_all()
        .build()
        .context("starting the broker's runtime")
}

fn bind(key: &str, address: SocketAddr) -> anyhow::Result<std::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address).with_context(|| {
        format!("{key} = {address}: choose another port, end its user, or give an external broker as mqtt.url")
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// The collector's own settings, with the embedded broker's address and the secret of this start.
fn client(mqtt: &config::Mqtt, address: SocketAddr, secret: String) -> config::Mqtt {
    config::Mqtt {
        url: Some(format!("mqtt://{address}")),
        username: Some(login::COLLECTOR.into()),
        password: Some(Secret(secret)),
        password_file: None,
        ca_file: None,
        protocol: Protocol::V5,
        ..mqtt.clone()
    }
}

fn secret() -> anyhow::Result<String> {
    let mut random = [0u8; 32];
    getrandom::fill(&mut random).context("the system gives no random numbers")?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Each connection takes several open files; the usual bound of 1,024 would be reached by a few hundred probes.
fn allow_files(connections: u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = connections * FILES_PER_CONNECTION + OTHER_FILES;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= wanted) {
        return;
    }
    let raised = limit.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let done = setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum });
    if done.is_err() || raised < wanted {
        let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        tracing::warn!(
            "broker.connections = {connections} take up to {wanted} open files, and {now} are allowed: \
             raise the limit (LimitNOFILE in the unit), or lower broker.connections"
        );
    }
}

/// Tells where it can be reached, in the log and, for other processes, in a file.
fn say(data_dir: &Path, listen: SocketAddr, plain: Option<SocketAddr>, hosts: &[String]) -> anyhow::Result<()> {
    tls::write(&tls::directory(data_dir)?.join(ADDRESS_FILE), &format!("{listen}\n"))?;
    tracing::info!("MQTT with TLS on {listen}, for probes as {}", hosts.join(", "));
    if let Some(plain) = plain {
        tracing::info!("MQTT without TLS on {plain}, for this machine alone");
    }
    let fingerprint: String = tls::fingerprint(data_dir)?.iter().map(|byte| format!("{byte:02x}")).collect();
    tracing::info!("fingerprint of the broker's authority: {fingerprint}");
    Ok(())
}
