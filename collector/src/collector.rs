//! The wiring: starts the parts in order, reloads, and ends them within ten seconds.
//!
//! In: a configuration. Out: a running collector, until SIGTERM or SIGINT. Refuses to know: what the parts do.
//!
//! Start: store (and its lock), ingest, derive, HTTP, the embedded broker if there is no other, the broker's client.
//! End: no more intake; what was taken is decoded, committed and acknowledged; then the client, the broker, HTTP. What
//! is not done by the deadline was not acknowledged and comes again.

mod outlook;
mod reload;
mod view;

use crate::broker::Broker;
use crate::config::{Config, Secret};
use crate::derive;
use crate::http::{self, Api, Bounded, Sources, Speed, SpeedLimits};
use crate::ingest::{Counters, Ingest, IngestOptions};
use crate::logging::LogLevel;
use crate::metrics::Metrics;
use crate::mqtt::Client;
use crate::notify::{State, notify};
use crate::store::{LetterLimits, Retention, Store, StoreOptions};
use anyhow::Context;
use outlook::Outlook;
use reload::Live;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use view::Watched;

/// Threads of the runtime: the broker's task, and everything else. Decoding and writing have threads of their own.
const THREADS: usize = 2;
/// Settled batches on their way to the broker's desk. While it is full, the writer waits.
const SETTLED: usize = 4_096;
/// Of the ten seconds: to commit what was taken, to say so, to end the scrapes.
const DRAIN: Duration = Duration::from_secs(6);
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The broker has nothing left to do; the time is for its threads.
const LAST_PACKETS: Duration = Duration::from_millis(200);
const LAST_SCRAPES: Duration = Duration::from_secs(1);

/// Runs until it is told to end.
pub fn run(file: &Path, config: Config, level: LogLevel) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let result = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let running = Running::start(&config).await?;
        tracing::info!("collector {} runs; data in {}", env!("CARGO_PKG_VERSION"), config.data_dir.display());
        notify(State::Ready);
        let mut live = Live::new(file, config, level);
        while signals.next().await == Asked::Reload {
            notify(State::Reloading);
            live.reload(&running.client, &running.token).await;
            notify(State::Ready);
        }
        notify(State::Stopping);
        running.stop().await;
        Ok(())
    });
    // A scrape that still reads the store must not hold up the end.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// The parts of a running collector.
struct Running {
    ingest: Ingest,
    derive: derive::Running,
    broker: Option<Broker>,
    client: Client,
    token: watch::Sender<Option<Secret>>,
    stop_http: watch::Sender<bool>,
    http: JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(config: &Config) -> anyhow::Result<Self> {
        let store = Store::open(&config.data_dir, store_options(config), now_ms())?;
        let listener = tokio::net::TcpListener::bind(config.http.listen)
            .await
            .with_context(|| format!("http.listen = {}: choose another port, or end its user", config.http.listen))?;
        let readers = store.readers();
        let api = Api::new(readers.clone(), now_ms);
        let counters = Arc::new(Counters::default());
        let metrics = Metrics::new();
        let (settled_in, settled) = mpsc::channel(SETTLED);
        // A send fails only when the client is gone, and then there is nobody to tell.
        let done = move |done| drop(settled_in.blocking_send(done));
        let ingest = Ingest::start(store, ingest_options(config), Arc::clone(&counters), done)?;
        let options = derive::Options { retention: retention(config), ..derive::Options::default() };
        let derive = derive::Running::start(config.data_dir.clone(), options)?;
        let pace = config.ingest.ack_interval_ms;
        let broker = match config.mqtt.url {
            None => Some(Broker::start(config).await?),
            Some(_) => None,
        };
        let mqtt = broker.as_ref().map_or(&config.mqtt, Broker::client);
        let client = Client::start(mqtt, pace, ingest.intake(), settled, metrics.mqtt())?;
        let outlook = Outlook::new(readers.clone(), retention(config));
        let watched = Arc::new(Watched {
            counters,
            metrics,
            readers,
            health: client.health(),
            flow: client.flow(),
            broker: broker.as_ref().map(Broker::watch),
            queue_bound: config.ingest.queue_messages as u64,
            data_dir: config.data_dir.clone(),
            outlook,
        });
        let (token, token_out) = watch::channel(config.http.token.clone());
        let (stop_http, stop_out) = watch::channel(false);
        let listener = Bounded::new(listener, http::CONNECTIONS);
        tracing::info!("HTTP on {}", listener.address()?);
        let (ready, scraped) = (Arc::clone(&watched), watched);
        let sources = Sources {
            readiness: Arc::new(move || ready.readiness()),
            metrics: Arc::new(move || scraped.metrics()),
            api,
            token: token_out,
        };
        let speed = config.serves_speed().then(|| Speed::new(speed_limits(config)));
        let http = tokio::spawn(http::serve_with(listener, sources, speed, stop_out));
        Ok(Running { ingest, derive, broker, client, token, stop_http, http })
    }

    async fn stop(self) {
        tracing::info!("ending: taking nothing more, committing what was taken");
        self.client.stop_intake();
        let (ingest, derive) = (self.ingest, self.derive);
        let drained = tokio::task::spawn_blocking(move || {
            ingest.stop();
            derive.stop();
        });
        if tokio::time::timeout(DRAIN, drained).await.is_err() {
            tracing::warn!(
                "not everything was committed in time; nothing of the rest was acknowledged, it comes again"
            );
        }
        self.client.close(LAST_WORDS).await;
        if let Some(broker) = self.broker {
            // Joins threads, which this runtime must not wait for itself; it cannot fail.
            let _ = tokio::task::spawn_blocking(move || broker.stop(LAST_PACKETS)).await;
        }
        // Fails only when the server has ended by itself.
        let _ = self.stop_http.send(true);
        // An open connection may keep the server; it ends with the process.
        let _ = tokio::time::timeout(LAST_SCRAPES, self.http).await;
        tracing::info!("ended");
    }
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    Reload,
    End,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening to signals");
        Ok(Signals {
            hangup: listen(SignalKind::hangup())?,
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
        }
    }
}

/// Also for the commands that write beside a running collector.
pub fn store_options(config: &Config) -> StoreOptions {
    let bounds = &config.dead_letters;
    let letters = LetterLimits { per_probe_bytes: bounds.per_probe_bytes, total_bytes: bounds.total_bytes };
    StoreOptions { letters, retention: retention(config), ..StoreOptions::default() }
}

/// Also for what is derived.
pub fn retention(config: &Config) -> Retention {
    let days = &config.retention;
    Retention {
        raw_days: days.raw_days,
        derived_days: days.derived_days,
        changes_days: days.changes_days,
        replayed_letters_days: days.replayed_letters_days,
    }
}

fn speed_limits(config: &Config) -> SpeedLimits {
    let speed = &config.speed;
    SpeedLimits { concurrency: speed.concurrency, hour_bytes: speed.hour_bytes, rate_bytes_s: speed.rate_bytes_s }
}

fn ingest_options(config: &Config) -> IngestOptions {
    let ingest = &config.ingest;
    IngestOptions {
        queue_messages: ingest.queue_messages,
        queue_bytes: ingest.queue_bytes,
        group_rows: ingest.group_commit_rows,
        group_ms: ingest.group_commit_ms,
    }
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
