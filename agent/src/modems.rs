//! Runs the sources of radio facts, folds what they say and writes it; answers who asks about modems.
//!
//! In: the configuration, what sources say, [`Order`]s, the sampler's tries. Out: samples in the spool, the picture and
//! the uplink facts for everybody, questions to sources. Refuses to know: how a modem is read (`device/modem`), what a
//! state means; the decisions are the tracker's. Limits: [`ORDERS`] orders wait, one commissioning record at a time.

pub mod exchange;
mod jobs;
mod look;
mod places;
mod sources;
pub mod tracker;

pub use look::look;
pub use tracker::NotNow;

use crate::attempt::Means;
use crate::config::Config;
use crate::control::{AcceptStep, Paced};
use crate::device::modem::{Ask, Event, ModemKey, Picture, QUEUE, Said};
use crate::device::position::Fix;
use crate::device::power::Supply;
use crate::device::{clock, net};
use crate::record::{Stamp, Stamper, append};
use crate::spool::Urgency;
use crate::spooler::SpoolHandle;
use exchange::{Exchange, FactsByInterface, LoadsByInterface, Tries};
use jobs::{Ended, Job};
use phusong_protocol::{Outcome, Reading, Sample, Scan};
use places::Places;
use sources::Sources;
use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracker::{Do, Settings, Tracker, World, Write};

/// Orders that wait.
pub const ORDERS: usize = 8;
const TICK: Duration = Duration::from_secs(1);
/// How old what is known of the default route may be.
const ROUTE_MS: u64 = 5_000;

/// What somebody wants of the modems.
#[derive(Debug)]
pub enum Order {
    /// For as long as `held` is open.
    Pace {
        modem: ModemKey,
        signal_ms: u64,
        flow: bool,
        held: oneshot::Receiver<()>,
        answer: oneshot::Sender<Result<Paced, String>>,
    },
    Aimed {
        modem: ModemKey,
        answer: oneshot::Sender<Result<(u64, Vec<phusong_protocol::RadioCell>), String>>,
    },
    Scan {
        modem: ModemKey,
        answer: oneshot::Sender<Result<Scan, String>>,
    },
    /// A technology check, out of turn.
    Check {
        modem: ModemKey,
        answer: oneshot::Sender<Result<(), String>>,
    },
    Accept {
        modem: ModemKey,
        steps: mpsc::Sender<Result<AcceptStep, String>>,
    },
}

/// Everybody else's ends.
#[derive(Debug, Clone)]
pub struct Handle {
    pub orders: mpsc::Sender<Order>,
    pub picture: watch::Receiver<Arc<Picture>>,
    pub facts: watch::Receiver<FactsByInterface>,
    pub tries: watch::Receiver<Tries>,
    /// Whoever surveys says so here: nothing that would disturb it is begun meanwhile.
    pub surveying: watch::Sender<bool>,
}

/// The task's ends.
#[derive(Debug)]
pub struct Ends {
    orders: mpsc::Receiver<Order>,
    picture: watch::Sender<Arc<Picture>>,
    facts: watch::Sender<FactsByInterface>,
    loads: watch::Sender<LoadsByInterface>,
    tries: watch::Sender<Tries>,
    surveying: watch::Receiver<bool>,
}

/// The ends of everybody, of the sampler and of the task.
pub fn ends() -> (Handle, Exchange, Ends) {
    let (orders_to, orders) = mpsc::channel(ORDERS);
    let (picture, facts) = (watch::Sender::new(Arc::default()), watch::Sender::new(BTreeMap::new()));
    let (loads, tries) = (watch::Sender::new(BTreeMap::new()), watch::Sender::new(Tries::default()));
    let surveying = watch::Sender::new(false);
    let handle = Handle {
        orders: orders_to,
        picture: picture.subscribe(),
        facts: facts.subscribe(),
        tries: tries.subscribe(),
        surveying: surveying.clone(),
    };
    let exchange = Exchange { facts: facts.subscribe(), loads: loads.subscribe(), tries: tries.clone() };
    let surveying = surveying.subscribe();
    (handle, exchange, Ends { orders, picture, facts, loads, tries, surveying })
}

/// What the task works with.
pub struct Inputs {
    /// What is in force: targets may come from afar.
    pub config: watch::Receiver<Arc<Config>>,
    pub stamper: Stamper,
    pub spool: SpoolHandle,
    /// Rounds that are folded into summaries.
    pub rounds: mpsc::Sender<Sample>,
    pub means: Arc<Means>,
    /// Positions that the receivers of modems give.
    pub fixes: watch::Sender<Option<Fix>>,
}

struct Modems {
    inputs: Inputs,
    ends: Ends,
    tracker: Tracker,
    sources: Sources,
    supply: Supply,
    jobs: JoinSet<Ended>,
    /// Numbers those who set a pace.
    holders: u64,
    scans: BTreeMap<ModemKey, oneshot::Sender<Result<Scan, String>>>,
    accepting: bool,
    places: Places,
    route: (u64, Option<String>),
}

/// Runs until dropped.
pub async fn run(inputs: Inputs, ends: Ends) {
    let (out, mut said) = mpsc::channel(QUEUE);
    let config = inputs.config.borrow().clone();
    let sources = Sources::start(&config.modems, &out);
    let settings = Settings {
        modems: config.modems.clone(),
        uplinks: config.uplinks.clone(),
        check: config.radio_check.clone(),
        bands: config.setup.as_ref().and_then(|setup| setup.bands.clone()).unwrap_or_default(),
        seed: crate::plan::Plan::of(&config).seed,
    };
    let mut modems = Modems {
        inputs,
        ends,
        tracker: Tracker::new(settings),
        sources,
        supply: Supply::find(Path::new("/sys"), &config.power),
        jobs: JoinSet::new(),
        holders: 0,
        scans: BTreeMap::new(),
        accepting: false,
        places: Places::default(),
        route: (0, None),
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let now = clock::mono_ms();
        let things = tokio::select! {
            Some(word) = said.recv() => modems.hear(&word),
            Some(order) = modems.ends.orders.recv() => modems.obey(order).await,
            Some(ended) = modems.jobs.join_next() => match ended {
                Ok(ended) => modems.ended(ended),
                Err(stopped) => {
                    tracing::error!(%stopped, "a job on a modem stopped; this is a mistake of ours");
                    Vec::new()
                }
            },
            _ = tick.tick() => modems.tick(now),
        };
        modems.tell();
        modems.carry_out(things).await;
    }
}

impl Modems {
    fn hear(&mut self, word: &Said) -> Vec<Do> {
        if let Event::Fix(fix) = &word.what {
            self.inputs.fixes.send_replace(Some(*fix));
        }
        if let Event::Reset { why } = &word.what {
            tracing::warn!(modem = word.modem.0, why, "a modem was reset");
        }
        self.look_around();
        self.tracker.hear(clock::mono_ms(), word)
    }

    fn tick(&mut self, now: u64) -> Vec<Do> {
        self.look_around();
        self.tracker.tick(now)
    }

    fn look_around(&mut self) {
        let now = clock::mono_ms();
        self.places.hear(*self.inputs.stamper.fix.borrow());
        if self.route.0 == 0 || now.saturating_sub(self.route.0) >= ROUTE_MS {
            self.route = (now, net::default_interface());
        }
        self.tracker.see(World {
            tries: self.ends.tries.borrow().clone(),
            default_interface: self.route.1.clone(),
            surveying: *self.ends.surveying.borrow(),
            accepting: self.accepting,
        });
    }

    /// Shows everybody what is known now, where that is new.
    fn tell(&self) {
        let (picture, facts) = (self.tracker.picture(), self.tracker.facts());
        self.ends.picture.send_if_modified(|before| {
            let new = **before != *picture;
            if new {
                *before = Arc::new(picture.clone());
            }
            new
        });
        exchange::tell_scanning(&self.ends.loads, &self.tracker.scanning(), clock::mono_ms());
        self.ends.facts.send_if_modified(|before| {
            let new = *before != facts;
            *before = facts;
            new
        });
    }

    async fn carry_out(&mut self, things: Vec<Do>) {
        let mut looked = false;
        let mut things = VecDeque::from(things);
        while let Some(thing) = things.pop_front() {
            match thing {
                Do::Write(write) => {
                    // A round on a Raspberry Pi: a modem that vanishes was often short of voltage.
                    looked |= !looked && self.say_supply(&write).await;
                    self.write(*write).await;
                }
                Do::Ask(ask) => match self.sources.ask(ask) {
                    Err(Ask::Pace { modem, .. }) => self.tracker.pace_was_lost(&modem),
                    Err(Ask::Scan(modem)) => things.extend(self.tracker.scan_was_lost(clock::mono_ms(), &modem)),
                    Err(Ask::Refresh(_)) | Ok(()) => {}
                },
                Do::Check { modem, interface } => self.begin_check(modem, interface),
                Do::Scanned { modem, result } => {
                    if let Some(answer) = self.scans.remove(&modem) {
                        // Whoever asked may be gone.
                        let _ = answer.send(result);
                    }
                }
            }
        }
    }

    async fn say_supply(&self, write: &Write) -> bool {
        let of_a_round = matches!(&write.outcome, Outcome::Failure(_) | Outcome::Reading(Reading::Radio(_)));
        let reading = self.supply.read(None);
        if !of_a_round || reading.undervoltage.is_none() {
            return false;
        }
        append(&self.inputs.spool, self.inputs.stamper.reading(Reading::Power(reading)), Urgency::Batched).await;
        true
    }

    async fn write(&self, write: Write) -> Option<u64> {
        let late_ms = clock::mono_ms().saturating_sub(write.at_mono_ms);
        let wall_ms = clock::wall_ms().saturating_sub_unsigned(late_ms);
        let fix = self.places.at(write.at_mono_ms);
        let stamp = Stamp { fix, ..self.inputs.stamper.stamp_at(write.at_mono_ms, wall_ms) };
        let mut sample = self.inputs.stamper.sample(stamp, write.outcome);
        sample.uplink = Some(Arc::new(write.uplink));
        append(&self.inputs.spool, sample, if write.urgent { Urgency::Urgent } else { Urgency::Batched }).await
    }

    async fn obey(&mut self, order: Order) -> Vec<Do> {
        let now = clock::mono_ms();
        self.look_around();
        // Whoever asked may be gone: every answer may fail to be heard.
        match order {
            Order::Pace { modem, signal_ms, flow, held, answer } => {
                self.begin_pace(now, modem, (signal_ms, flow), held, answer)
            }
            Order::Aimed { modem, answer } => {
                let _ = answer.send(self.aimed(now, &modem).await);
                Vec::new()
            }
            Order::Scan { modem, answer } => match self.tracker.scan(now, &modem) {
                Ok(things) => {
                    self.scans.insert(modem, answer);
                    things
                }
                Err(why) => {
                    let _ = answer.send(Err(why.to_string()));
                    Vec::new()
                }
            },
            Order::Check { modem, answer } => {
                let begun = self.tracker.check(now, &modem);
                let _ = answer.send(begun.as_ref().map(|_| ()).map_err(ToString::to_string));
                begun.unwrap_or_default()
            }
            Order::Accept { modem, steps } => {
                if let Err(why) = self.begin_accept(&modem, steps.clone()) {
                    let _ = steps.try_send(Err(why));
                }
                Vec::new()
            }
        }
    }

    async fn aimed(&self, now: u64, key: &ModemKey) -> Result<(u64, Vec<phusong_protocol::RadioCell>), String> {
        let Do::Write(write) = self.tracker.aimed(now, key).map_err(|why| why.to_string())? else {
            return Err(NotNow::NoSignal.to_string());
        };
        let cells = match &write.outcome {
            Outcome::Reading(Reading::Radio(reading)) => reading.cells.clone(),
            _ => Vec::new(),
        };
        let seq = self.write(*write).await.ok_or("the spool took no sample")?;
        Ok((seq, cells))
    }

    fn begin_pace(
        &mut self,
        now: u64,
        modem: ModemKey,
        (signal_ms, flow): (u64, bool),
        held: oneshot::Receiver<()>,
        answer: oneshot::Sender<Result<Paced, String>>,
    ) -> Vec<Do> {
        self.holders += 1;
        let holder = self.holders;
        let begun = self.tracker.pace(now, &modem, holder, signal_ms);
        let flow = begun.is_ok().then(|| flow.then(|| self.job().flow_lane(&self.tracker.uplink(&modem)))).flatten();
        let said = match (&begun, &flow) {
            (Err(why), _) => Err(why.to_string()),
            (Ok(_), Some(Err(why))) => Err(why.clone()),
            (Ok(_), flow) => {
                let to = flow.as_ref().and_then(|lane| lane.as_ref().ok());
                Ok(Paced { signal_ms, flow_to: to.map(|lane| lane.target.host.clone()) })
            }
        };
        let good = said.is_ok();
        let _ = answer.send(said);
        if !good {
            return self.tracker.unpace(now, holder);
        }
        let job = self.job();
        self.jobs.spawn(job.hold(holder, flow.and_then(Result::ok), held));
        begun.unwrap_or_default()
    }

    fn begin_check(&mut self, modem: ModemKey, interface: String) {
        let job = self.job();
        self.jobs.spawn(job.check(modem, interface));
    }

    fn begin_accept(
        &mut self,
        modem: &ModemKey,
        steps: mpsc::Sender<Result<AcceptStep, String>>,
    ) -> Result<(), String> {
        self.tracker.may_accept(modem).map_err(|why| why.to_string())?;
        let job = self.job();
        let lanes = job.accept_lanes(&self.tracker.uplink(modem))?;
        self.accepting = true;
        self.jobs.spawn(job.accept(modem.clone(), lanes, steps));
        Ok(())
    }

    fn job(&self) -> Job {
        Job {
            config: self.inputs.config.borrow().clone(),
            means: self.inputs.means.clone(),
            stamper: self.inputs.stamper.clone(),
            rounds: self.inputs.rounds.clone(),
            facts: self.ends.facts.subscribe(),
            picture: self.ends.picture.subscribe(),
            loads: self.ends.loads.clone(),
            tries: self.ends.tries.clone(),
        }
    }

    fn ended(&mut self, ended: Ended) -> Vec<Do> {
        let now = clock::mono_ms();
        match ended {
            Ended::Held { holder } => self.tracker.unpace(now, holder),
            Ended::Checked { modem, result } => self.tracker.checked(now, &modem, result),
            Ended::Accepted { modem, done } => {
                self.accepting = false;
                if done { self.tracker.accepted(now, &modem) } else { Vec::new() }
            }
        }
    }
}
