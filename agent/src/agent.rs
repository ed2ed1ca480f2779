//! The wiring of `run`: who is started, who talks to whom, and in what order all of it ends.
//!
//! In: a configuration file, signals, what the collector asks. Out: the exit. Refuses to know: how anything is
//! measured, stored or sent. Limits: one order queue of 8, an end within [`END_WITHIN`].
//!
//! The end: probes stop, open summaries are closed, the spool is flushed, the broker hears "offline", the spool notes a
//! clean end.

use crate::attempt::Means;
use crate::config::{Config, Problems};
use crate::control::{self, Served};
use crate::device::clock;
use crate::health;
use crate::modems;
use crate::notify::{Notifier, State};
use crate::plan::{Plan, wire_uplink};
use crate::positions::Positions;
use crate::publish::{self, Applied, Inbound, PublishStatus, Publisher};
use crate::record::{self, Recorder, Stamper, append};
use crate::sampler::{Order, Sampler};
use crate::spool::Urgency;
use crate::spooler::SpoolHandle;
use crate::start::{self, StartError, Started, reference, with_setup};
use crate::status::Facts;
use crate::survey;
use crate::trial::{Trial, Verdict};
use crate::watchers;
use phusong_protocol::{DesiredConfig, Reading, SetupRef};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// systemd waits longer, a person does not.
pub const END_WITHIN: Duration = Duration::from_secs(10);
/// How often a trial is looked at.
const TRIAL_LOOK: Duration = Duration::from_secs(5);

/// A running agent.
struct Agent {
    file: PathBuf,
    /// What the file says.
    config: Config,
    /// What is in force, with what came from afar.
    now: watch::Sender<Arc<Config>>,
    trial: Trial,
    spool: SpoolHandle,
    stamper: Stamper,
    setup: watch::Sender<Option<Arc<SetupRef>>>,
    applied: watch::Sender<Applied>,
    orders: mpsc::Sender<Order>,
    summary_ms: watch::Sender<u64>,
    health_ms: watch::Sender<u64>,
    publish: watch::Receiver<PublishStatus>,
}

/// What must end in order, and what may simply be dropped.
struct Tasks {
    spool: SpoolHandle,
    socket: PathBuf,
    sampler: JoinHandle<()>,
    modems: JoinHandle<()>,
    recorder: JoinHandle<()>,
    clock: JoinHandle<()>,
    droppable: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// Runs until SIGTERM or SIGINT.
pub async fn run(file: PathBuf, config: Config) -> Result<(), StartError> {
    // Before anything is written: an early SIGTERM must not end the process in the middle.
    let mut signals = Signals::listen().map_err(|e| StartError::Device(anyhow::Error::new(e)))?;
    // A password that cannot be read is found before there is a start that would count as cut off.
    config.brokers().map_err(StartError::Broker)?;
    let notifier = Notifier::from_env();
    let trial = Trial::load(&config.data_dir);
    let in_force = start::in_force(&config, trial.good());
    let started = Started::begin(config).await?;
    let applied = watch::Sender::new(trial.applied());
    let publishing = started.publishing(applied.subscribe())?;
    let publisher = publish::start(publishing, started.spool.clone());
    tracing::info!(
        epoch = %started.epoch, start = started.opened.start, clean = started.opened.clean,
        torn_bytes = started.opened.torn_bytes, "started"
    );
    let (agent, tasks) = wire(file, started, &in_force, trial, applied, &publisher);
    notifier.tell(State::Ready);
    let publisher = agent.serve(publisher, &mut signals, &notifier).await;
    notifier.tell(State::Stopping);
    if tokio::time::timeout(END_WITHIN, tasks.end(publisher)).await.is_err() {
        tracing::error!("the end took longer than {END_WITHIN:?}; the next start will find what was not written");
    }
    Ok(())
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }
}

/// Starts every task.
fn wire(
    file: PathBuf,
    started: Started,
    in_force: &Config,
    trial: Trial,
    applied: watch::Sender<Applied>,
    publisher: &Publisher,
) -> (Agent, Tasks) {
    let Started { config, epoch, opened, spool, stamper, keeper, setup, fix, began_mono_ms } = started;
    let (orders, inbox) = mpsc::channel(8);
    let (rounds, spooled) = mpsc::channel(record::QUEUE);
    let summary_ms = watch::Sender::new(in_force.schedule.summary_ms);
    let health_ms = watch::Sender::new(in_force.schedule.health_ms);
    let stop = watch::Sender::new(false);
    let (modems, exchange, ends) = modems::ends();
    let surveying = Some(modems.surveying.subscribe());
    let means = Means { wall: Some(keeper.wall()), modems: Some(exchange), surveying, ..Means::default() };
    let means = Arc::new(means);
    let sampler = Sampler::new(Plan::of(in_force), stamper.clone(), means.clone());
    let recorder = Recorder::new(spool.clone(), epoch, summary_ms.subscribe());
    let uplinks = in_force.uplinks.iter().map(|uplink| Arc::new(wire_uplink(uplink))).collect();
    let fixes = watch::Sender::new(None);
    let of_modems = fixes.subscribe();
    let now = watch::Sender::new(Arc::new(in_force.clone()));
    let inputs = modems::Inputs {
        config: now.subscribe(),
        stamper: stamper.clone(),
        spool: spool.clone(),
        rounds: rounds.clone(),
        means,
        fixes,
    };
    let seen_fix = fix.subscribe();
    let surveys = survey::start(survey::Inputs::beside(&inputs, fix.subscribe(), modems.clone(), setup.clone()));
    let positions = Positions::of(&config, fix, stamper.clone(), spool.clone());
    let facts = Facts {
        epoch,
        start: opened.start,
        began_mono_ms,
        data_dir: config.data_dir.clone(),
        spool: spool.clone(),
        stamper: stamper.clone(),
        publish: publisher.status.clone(),
        hurry: publisher.hurry.clone(),
        applied: applied.subscribe(),
    };
    let publish = publisher.status.clone();
    let tasks = Tasks {
        spool: spool.clone(),
        socket: control::socket_path(&config.data_dir),
        modems: tokio::spawn(modems::run(inputs, ends)),
        sampler: tokio::spawn(sampler.run(inbox, rounds)),
        recorder: tokio::spawn(recorder.run(spooled)),
        clock: tokio::spawn(keeper.run(stamper.clone(), spool.clone(), stop.subscribe())),
        droppable: vec![
            tokio::spawn(watchers::links(uplinks, stamper.clone(), spool.clone())),
            tokio::spawn(watchers::power(config.power.clone(), stamper.clone(), spool.clone())),
            tokio::spawn(positions.run(of_modems)),
            tokio::spawn(report_health(facts.clone(), health_ms.subscribe())),
            tokio::spawn(control::serve(Served { facts, modems, fix: seen_fix, surveys })),
        ],
        stop,
    };
    let agent =
        Agent { file, config, now, trial, spool, stamper, setup, applied, orders, summary_ms, health_ms, publish };
    (agent, tasks)
}

/// One `health` sample at the start and one each period.
async fn report_health(facts: Facts, mut period_ms: watch::Receiver<u64>) {
    loop {
        let Some(status) = facts.spool.status().await else { return };
        let uptime_ms = clock::mono_ms().saturating_sub(facts.began_mono_ms);
        let reading = Reading::Health(health::reading(&status, uptime_ms, &facts.data_dir));
        append(&facts.spool, facts.stamper.reading(reading), Urgency::Batched).await;
        let period = Duration::from_millis(*period_ms.borrow_and_update());
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            changed = period_ms.changed() => if changed.is_err() { return },
        }
    }
}

impl Agent {
    /// Serves signals and the collector until told to end; gives the publisher back for its goodbye.
    async fn serve(mut self, mut publisher: Publisher, signals: &mut Signals, notifier: &Notifier) -> Publisher {
        let mut trial_look = tokio::time::interval(TRIAL_LOOK);
        let mut watchdog = tokio::time::interval(notifier.watchdog_period().unwrap_or(END_WITHIN));
        let mut collector_speaks = true;
        loop {
            tokio::select! {
                _ = signals.terminate.recv() => return publisher,
                _ = signals.interrupt.recv() => return publisher,
                _ = signals.hangup.recv() => {
                    notifier.tell(State::Reloading);
                    self.reload().await;
                    notifier.tell(State::Ready);
                }
                inbound = publisher.inbound.recv(), if collector_speaks => match inbound {
                    Some(Inbound::Config(offer)) => self.offered(offer).await,
                    Some(Inbound::MeasureNow) => self.order(Order::MeasureNow).await,
                    None => collector_speaks = false,
                },
                _ = trial_look.tick() => self.look_at_trial().await,
                _ = watchdog.tick() => notifier.tell(State::Watchdog),
            }
        }
    }

    /// SIGHUP: the new file is put in force, or the old one stays and the log says why.
    async fn reload(&mut self) {
        let config = match Config::load(&self.file) {
            Ok(config) => config,
            Err(problems) => {
                tracing::error!(%problems, "the configuration was not reloaded; the old one stays in force");
                return;
            }
        };
        for key in needs_restart(&self.config, &config) {
            tracing::warn!(key, "changed; this takes effect at the next start");
        }
        self.config.targets = config.targets;
        self.config.schedule = config.schedule;
        self.config.language = config.language;
        if self.config.setup != config.setup {
            self.config.setup = config.setup;
            self.setup.send_replace(reference(&self.config));
            self.say_setup().await;
        }
        let in_force = start::in_force(&self.config, self.trial.in_force());
        self.put_in_force(&in_force).await;
        tracing::info!(targets = in_force.targets.len(), "the configuration was reloaded");
    }

    /// A new set-up is sent whole once, with the state of the agent.
    async fn say_setup(&self) {
        if let Some(status) = self.spool.status().await {
            let reading = Reading::Health(health::reading(&status, 0, &self.config.data_dir));
            append(&self.spool, with_setup(self.stamper.reading(reading), &self.config), Urgency::Batched).await;
        }
    }

    async fn offered(&mut self, offer: DesiredConfig) {
        if !self.trial.is_new(&offer) {
            return;
        }
        match self.config.with_remote(&offer.toml) {
            Ok(in_force) => {
                tracing::info!(revision = offer.revision, "a remote configuration is put in force on trial");
                let acks = self.publish.borrow().acks;
                self.trial.begin(offer, clock::mono_ms(), acks);
                self.put_in_force(&in_force).await;
            }
            Err(problems) => self.refuse(offer.revision, &problems),
        }
        self.applied.send_replace(self.trial.applied());
    }

    fn refuse(&mut self, revision: u64, problems: &Problems) {
        tracing::warn!(revision, %problems, "a remote configuration was refused");
        self.trial.refuse(revision, &problems.to_string());
    }

    async fn look_at_trial(&mut self) {
        let acks = self.publish.borrow().acks;
        match self.trial.look(clock::mono_ms(), acks) {
            Verdict::Nothing => return,
            Verdict::Proved => tracing::info!("the remote configuration proved itself"),
            Verdict::Return(toml) => {
                tracing::warn!("no acknowledgement since the remote configuration; the last good one returns");
                let in_force = start::in_force(&self.config, toml.as_deref());
                self.put_in_force(&in_force).await;
            }
        }
        self.applied.send_replace(self.trial.applied());
    }

    async fn put_in_force(&self, config: &Config) {
        let replace = |to: &watch::Sender<u64>, value| {
            to.send_if_modified(|before| std::mem::replace(before, value) != value);
        };
        replace(&self.summary_ms, config.schedule.summary_ms);
        replace(&self.health_ms, config.schedule.health_ms);
        self.now.send_replace(Arc::new(config.clone()));
        self.order(Order::Plan(Plan::of(config))).await;
    }

    async fn order(&self, order: Order) {
        if self.orders.send(order).await.is_err() {
            tracing::error!("the sampler is gone; nothing is measured");
        }
    }
}

/// The keys that a reload cannot change under the feet of open files, sockets and sessions.
fn needs_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let mut keys = Vec::new();
    let mut compare = |key, same: bool| {
        if !same {
            keys.push(key);
        }
    };
    compare("site", old.site == new.site);
    compare("probe", old.probe == new.probe);
    compare("data_dir", old.data_dir == new.data_dir);
    compare("spool", old.spool == new.spool);
    compare("publish", old.publish == new.publish);
    compare("broker", old.brokers == new.brokers);
    compare("uplink", old.uplinks == new.uplinks);
    compare("modem", old.modems == new.modems);
    compare("radio_check", old.radio_check == new.radio_check);
    compare("clock", old.clock == new.clock);
    compare("place", old.place == new.place);
    compare("position", old.position == new.position);
    compare("power", old.power == new.power);
    compare("survey", old.survey == new.survey);
    keys
}

impl Tasks {
    /// Ends everything in order. The agent and with it the orders are gone: the sampler is ending already.
    async fn end(self, publisher: Publisher) {
        // A task that panicked has nothing left to end.
        let _ = self.sampler.await;
        // It holds an end of the rounds, and the recorder waits for all of them.
        self.modems.abort();
        let _ = self.modems.await;
        let _ = self.recorder.await;
        self.stop.send_replace(true);
        let _ = self.clock.await;
        for task in self.droppable {
            task.abort();
        }
        // Nobody answers there any more.
        let _ = std::fs::remove_file(&self.socket);
        if let Err(error) = self.spool.flush().await {
            tracing::error!(%error, "the last samples are not durable");
        }
        publisher.stop().await;
        match self.spool.shutdown(true).await {
            Ok(()) => tracing::info!("ended in order"),
            Err(error) => tracing::error!(%error, "the spool did not end in order"),
        }
    }
}
