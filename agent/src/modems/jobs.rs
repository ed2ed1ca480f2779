//! What takes its time: a kilobyte a second, a technology check, a commissioning record.
//!
//! In: the configuration in force, an uplink, what all attempts share. Out: rounds for the recorder, what was
//! transferred, steps for whoever waits. Refuses to know: modems' states, when it is due. Limits: [`ROUNDS`] rounds of
//! [`ECHOES`] echoes, one bandwidth test within its budget, a check within [`CHECK_BYTES`] and its month.

use super::exchange::{FactsByInterface, LoadsByInterface, Tries};
use super::tracker::Transferred;
use crate::attempt::{Attempted, Means, attempt};
use crate::budget::{Ledger, Month};
use crate::config::{CHECK_BYTES, Config, Family, TargetKind};
use crate::control::{AcceptStep, Accepted};
use crate::device::clock;
use crate::device::modem::{ModemKey, Picture};
use crate::plan::{Lane, Plan};
use crate::probe::http::Url;
use crate::probe::icmp::is_v6;
use crate::probe::resolve::{self, Resolved};
use crate::probe::throughput::paced::Paced;
use crate::probe::{ProbeError, micros};
use crate::record::{Stamp, Stamper};
use phusong_protocol::{FailureKind, Outcome, Reading, Sample, Tag, Target, Uplink};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// With [`ECHOES`] each and [`APART_MS`] between them: a minute.
pub const ROUNDS: u32 = 6;
/// As many as one sample holds.
pub const ECHOES: u16 = 100;
pub const APART_MS: u64 = 100;
/// What flows each second, both ways, headers included.
const FLOW_BYTES: usize = 1_000 - 28;
const FLOW_EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// What all jobs need.
pub struct Job {
    pub config: Arc<Config>,
    pub means: Arc<Means>,
    pub stamper: Stamper,
    pub rounds: mpsc::Sender<Sample>,
    pub facts: watch::Receiver<FactsByInterface>,
    pub picture: watch::Receiver<Arc<Picture>>,
    pub loads: watch::Sender<LoadsByInterface>,
    pub tries: watch::Sender<Tries>,
}

/// A job that is over. A record that is not `done` was broken off: nobody waited for it any more.
pub enum Ended {
    Held { holder: u64 },
    Checked { modem: ModemKey, result: Result<Transferred, ProbeError> },
    Accepted { modem: ModemKey, done: bool },
}

/// What a commissioning record measures.
pub struct AcceptLanes {
    echoes: Lane,
    test: Option<Arc<Lane>>,
}

/// While it lives, the uplink is loaded by us.
struct Loading {
    loads: watch::Sender<LoadsByInterface>,
    interface: String,
}

impl Loading {
    fn begin(loads: &watch::Sender<LoadsByInterface>, interface: &str) -> Self {
        loads.send_modify(|all| all.entry(interface.to_owned()).or_default().running = true);
        Loading { loads: loads.clone(), interface: interface.to_owned() }
    }
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.loads.send_modify(|all| {
            let load = all.entry(self.interface.clone()).or_default();
            (load.running, load.ended_mono_ms) = (false, Some(clock::mono_ms()));
        });
    }
}

/// Whether an answer of it says something about the air.
fn beyond_gateway(lane: &Lane) -> bool {
    !lane.target.tags.iter().any(|tag| matches!(tag, Tag::Gateway | Tag::Loudspeaker)) && lane.target.host != "gateway"
}

impl Job {
    fn lanes(&self, uplink: &Uplink) -> Vec<Arc<Lane>> {
        let mut lanes = Plan::of(&self.config).lanes;
        lanes.retain(|lane| lane.interface() == Some(&uplink.interface));
        lanes
    }

    /// The echo target of an uplink, by which something can flow.
    pub fn flow_lane(&self, uplink: &Uplink) -> Result<Arc<Lane>, String> {
        let lanes = self.lanes(uplink);
        let name = &uplink.interface;
        if lanes.is_empty() {
            return Err(format!("no [[uplink]] has interface = \"{name}\"; name it there, and in the [[modem]]"));
        }
        let echo = lanes.into_iter().find(|lane| lane.target.kind == TargetKind::Icmp && beyond_gateway(lane));
        echo.ok_or_else(|| format!("no [[target]] of kind icmp beyond the gateway is measured on {name}"))
    }

    pub fn accept_lanes(&self, uplink: &Uplink) -> Result<AcceptLanes, String> {
        let mut echoes = Lane::clone(&*self.flow_lane(uplink)?);
        (echoes.target.count, echoes.target.interval_ms) = (ECHOES, APART_MS);
        let test = self.lanes(uplink).into_iter().find(|lane| lane.is_test());
        Ok(AcceptLanes { echoes, test })
    }

    /// Lasts until whoever holds the other end lets go of it.
    pub async fn hold(self, holder: u64, flow: Option<Arc<Lane>>, held: oneshot::Receiver<()>) -> Ended {
        let flowing = async {
            match flow {
                Some(lane) => self.flow(&lane).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _gone = held => {}
            () = flowing => {}
        }
        Ended::Held { holder }
    }

    /// An echo of a kilobyte each second. It is nobody's measurement: only that something came back is told.
    async fn flow(&self, lane: &Lane) {
        let payload = [0x50; FLOW_BYTES];
        let mut tick = tokio::time::interval(FLOW_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let began = clock::mono_ms();
            let answered = self.echo(lane, &payload).await.ok();
            let Some(interface) = lane.interface() else { return };
            let load = self.loads.borrow().get(interface).copied().unwrap_or_default();
            if load.searched_since(began) {
                continue;
            }
            self.tries.send_modify(|tries| {
                let tried = tries.uplinks.entry(interface.to_owned()).or_default();
                match answered {
                    Some(rtt) => {
                        tried.rtt_us = Some(micros(rtt));
                        tried.answered_mono_ms = tried.answered_mono_ms.max(Some(began));
                    }
                    None => tried.failed_mono_ms = tried.failed_mono_ms.max(Some(began)),
                }
            });
        }
    }

    async fn echo(&self, lane: &Lane, payload: &[u8]) -> Result<Duration, ProbeError> {
        let target = &lane.target;
        let resolving = resolve::timed(&target.host, target.family, lane.interface(), resolve::TIMEOUT);
        let (Resolved::At(hop), _) = resolving.await? else {
            return Err(ProbeError::new(FailureKind::Unreachable, None));
        };
        let socket = self.means.sockets.get(is_v6(hop.address), lane.interface());
        let socket = socket.map_err(|e| ProbeError::from_io(&e))?;
        let echo = socket.echo_of(hop, lane.timeout(), payload).await;
        echo.map_err(|kind| ProbeError::new(kind, None))
    }

    pub async fn check(self, modem: ModemKey, interface: String) -> Ended {
        let result = self.download(&interface).await;
        Ended::Checked { modem, result }
    }

    async fn download(&self, interface: &str) -> Result<Transferred, ProbeError> {
        let budget = |why: String| ProbeError::new(FailureKind::Budget, why);
        let config = self.config.radio_check.as_ref().ok_or_else(|| budget("no [radio_check]".to_owned()))?;
        let wall = self.means.wall.as_ref().map(|wall| *wall.borrow()).unwrap_or_default();
        let offset_ms = wall
            .synced_offset_ms
            .ok_or_else(|| budget("the clock is not set: it is not known which month would pay".to_owned()))?;
        let month = Month::of(offset_ms.saturating_add_unsigned(clock::mono_ms()));
        let url = Url::parse(&config.url).expect("the configuration was checked: it is a URL");
        let resolving = resolve::timed(&url.host, Family::Auto, Some(interface), PATIENCE);
        let Resolved::At(hop) = resolving.await.map_err(|error| error.in_phase("resolving"))?.0 else {
            return Err(ProbeError::new(FailureKind::Dns, None));
        };
        let address = match hop.address {
            IpAddr::V4(v4) => SocketAddr::from((v4, url.port)),
            IpAddr::V6(v6) => SocketAddr::V6(SocketAddrV6::new(v6, url.port, 0, hop.scope_id)),
        };
        // A count of its own, beside that of the bandwidth tests: no interface has a slash in its name.
        let (ledger, entry) = (Ledger::of(&self.config.data_dir), format!("{interface}/check"));
        let month_bytes = config.month_bytes;
        let reserving = move || ledger.reserve(month, &entry, CHECK_BYTES, month_bytes);
        let reserved = tokio::task::spawn_blocking(reserving).await.map_err(|stopped| budget(stopped.to_string()))?;
        let reserved = reserved.map_err(|error| budget(error.to_string()))?;
        let loading = Loading::begin(&self.loads, interface);
        let paced = Paced {
            url,
            address,
            interface: Some(interface.to_owned()),
            ca_file: config.ca_file.clone(),
            floor_unix_ms: wall.floor_unix_ms,
            patience: PATIENCE,
        };
        let mut cost = 0;
        let got = paced.download(&mut cost).await;
        drop(loading);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(move || reserved.settle(cost)).await {
            tracing::warn!(%error, "what a technology check did not spend stays counted as spent");
        }
        let got = got?;
        let elapsed_ms = u32::try_from(got.elapsed.as_millis()).unwrap_or(u32::MAX);
        let down_bps = got.bytes.saturating_mul(8_000) / u64::from(elapsed_ms.max(1));
        Ok(Transferred { down_bps, elapsed_ms, bytes: got.bytes })
    }

    /// A minute of echoes, then one bandwidth test.
    pub async fn accept(
        self,
        modem: ModemKey,
        lanes: AcceptLanes,
        steps: mpsc::Sender<Result<AcceptStep, String>>,
    ) -> Ended {
        let work = async {
            let mut record = Accepted { target: lanes.echoes.target.name.clone(), ..Accepted::default() };
            let mut rtts = Vec::new();
            for _ in 0..ROUNDS {
                let outcome = self.round(&lanes.echoes).await;
                record.sent += u32::from(ECHOES);
                if let Some(Outcome::Reading(Reading::Latency(reading))) = outcome {
                    rtts.extend(reading.rtt_us);
                }
                record.received = u32::try_from(rtts.len()).unwrap_or(u32::MAX);
                let of = ROUNDS * u32::from(ECHOES);
                let (sent, received) = (record.sent, record.received);
                let _ = steps.send(Ok(AcceptStep::Pinging { sent, received, of })).await;
            }
            percentiles(&mut record, rtts);
            self.speed(&lanes, &mut record, &steps).await;
            let picture = self.picture.borrow().clone();
            let state = picture.modems.get(&modem).filter(|state| !state.stale);
            let signal = state.and_then(|state| state.signal.clone());
            record.cells = signal.map(|known| known.value.cells).unwrap_or_default();
            let _ = steps.send(Ok(AcceptStep::Done(record))).await;
        };
        let done = tokio::select! {
            biased;
            () = work => true,
            // Nobody waits for it any more.
            () = steps.closed() => false,
        };
        Ended::Accepted { modem, done }
    }

    async fn speed(
        &self,
        lanes: &AcceptLanes,
        record: &mut Accepted,
        steps: &mpsc::Sender<Result<AcceptStep, String>>,
    ) {
        let Some(lane) = &lanes.test else {
            let why = "no [[target]] of kind throughput runs on this uplink; it needs on_cellular = true";
            record.no_speed = Some(why.to_owned());
            return;
        };
        let _ = steps.send(Ok(AcceptStep::Testing { target: lane.target.name.clone() })).await;
        let loading = lane.interface().map(|interface| Loading::begin(&self.loads, interface));
        let outcome = self.round(lane).await;
        drop(loading);
        match outcome {
            Some(Outcome::Reading(Reading::Throughput(reading))) => {
                (record.down_bps, record.up_bps) = (reading.down_bps, reading.up_bps);
                record.early = Some(reading.early);
            }
            Some(Outcome::Failure(failure)) => {
                record.no_speed = Some(failure.detail.unwrap_or_else(|| format!("{:?}", failure.kind)));
            }
            _ => record.no_speed = Some("there was nothing to measure".to_owned()),
        }
    }

    /// One round, handed to the recorder like every other.
    async fn round(&self, lane: &Lane) -> Option<Outcome> {
        let stamp = self.stamper.stamp();
        let Attempted { address, outcome } = attempt(lane, &self.means, None).await;
        let outcome = outcome?;
        let target = lane.wire_target(address);
        let sample = self.sample(lane, stamp, target, outcome.clone());
        // The recorder is gone at the end of the agent only.
        let _ = self.rounds.send(sample).await;
        Some(outcome)
    }

    fn sample(&self, lane: &Lane, stamp: Stamp, target: Target, outcome: Outcome) -> Sample {
        let mut sample = self.stamper.sample(stamp, outcome);
        sample.uplink = lane.uplink.clone();
        let facts = lane.interface().and_then(|interface| self.facts.borrow().get(interface).cloned());
        if let (Some(facts), Some(uplink)) = (facts, sample.uplink.as_mut()) {
            facts.put_on(Arc::make_mut(uplink));
        }
        sample.target = Some(Arc::new(target));
        sample
    }
}

/// Exact ones: there are at most six hundred values.
fn percentiles(record: &mut Accepted, mut rtts: Vec<u32>) {
    rtts.sort_unstable();
    let at = |share: usize| rtts.get((rtts.len() * share / 100).min(rtts.len().saturating_sub(1))).copied();
    (record.min_us, record.median_us) = (at(0), at(50));
    (record.p95_us, record.max_us) = (at(95), at(100));
}
