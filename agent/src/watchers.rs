//! The tasks that watch the device and say what changed: clock, links, supply.
//!
//! In: the kernel, looked at every few seconds or when it wakes us. Out: `clock`, `link` and `power` samples, the state
//! of the clock for everybody. Refuses to know: probes, MQTT. Limits: a change between two looks that was undone is
//! not seen; each task is one timer or one socket.

use crate::config::{ClockConfig, PowerConfig};
use crate::device::clock::{self, ClockState, ClockWatch, Floor, Now};
use crate::device::net::{self, Changes};
use crate::device::power::{self, Supply};
use crate::publish::WallClock;
use crate::record::{Stamper, append};
use crate::spool::Urgency;
use crate::spooler::SpoolHandle;
use phusong_protocol::{LinkReading, Outcome, PowerReading, Reading, Uplink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// How late a step of the clock may be noticed.
const CLOCK_LOOK: Duration = Duration::from_secs(10);
/// Raw rounds age by hours; looking more often deletes nothing more.
const HOUSEKEEPING_MS: u64 = 3_600_000;
/// An under-voltage alarm comes within this time before the device dies.
const POWER_LOOK: Duration = Duration::from_secs(2);
/// Where the kernel does not wake us.
const LINK_LOOK: Duration = Duration::from_secs(10);

/// Keeps the clock's state, its anchors and its floor.
pub struct ClockKeeper {
    config: ClockConfig,
    watch: ClockWatch,
    floor: Floor,
    state: watch::Sender<ClockState>,
    wall: watch::Sender<WallClock>,
    stored_at_mono_ms: u64,
    housekept_at_mono_ms: Option<u64>,
}

impl ClockKeeper {
    /// Looks once, so that the first sample already knows; the anchor of that look comes with the first [`look`](Self::look).
    pub fn new(config: ClockConfig, data_dir: &Path) -> Self {
        let now = clock::now();
        let mut probing = ClockWatch::new(config.anchor_ms, config.step_ms);
        probing.observe(&now);
        let keeper = ClockKeeper {
            watch: ClockWatch::new(config.anchor_ms, config.step_ms),
            config,
            floor: Floor::load(data_dir, now.mono_ms),
            state: watch::Sender::new(probing.state()),
            wall: watch::Sender::new(WallClock::default()),
            stored_at_mono_ms: now.mono_ms,
            housekept_at_mono_ms: None,
        };
        keeper.wall.send_replace(keeper.wall_clock(&now, probing.state()));
        keeper
    }

    pub fn state(&self) -> watch::Receiver<ClockState> {
        self.state.subscribe()
    }

    pub fn wall(&self) -> watch::Receiver<WallClock> {
        self.wall.subscribe()
    }

    fn wall_clock(&self, now: &Now, state: ClockState) -> WallClock {
        let synced = state.synced_at_mono_ms.is_some();
        let offset = now.wall_ms.saturating_sub(now.mono_ms as i64);
        WallClock { synced_offset_ms: synced.then_some(offset), floor_unix_ms: self.floor.at(now.mono_ms) }
    }

    /// Looks at the clock and does what is due.
    pub async fn look(&mut self, stamper: &Stamper, spool: &SpoolHandle) {
        let now = clock::now();
        let anchor = self.watch.observe(&now);
        let state = self.watch.state();
        let synced = state.synced_at_mono_ms.is_some();
        self.state.send_if_modified(|before| std::mem::replace(before, state) != state);
        self.floor.raise(&now, synced);
        self.wall.send_replace(self.wall_clock(&now, state));
        if let Some(anchor) = anchor {
            let stamp = stamper.stamp_at(now.mono_ms, now.wall_ms);
            append(spool, stamper.sample(stamp, Outcome::Reading(Reading::Clock(anchor))), Urgency::Batched).await;
        }
        if now.mono_ms.saturating_sub(self.stored_at_mono_ms) >= self.config.floor_ms {
            self.store_floor();
        }
        let housekept = self.housekept_at_mono_ms.is_some_and(|at| now.mono_ms.saturating_sub(at) < HOUSEKEEPING_MS);
        if synced && !housekept {
            self.housekept_at_mono_ms = Some(now.mono_ms);
            spool.housekeep(now.wall_ms).await;
        }
    }

    pub fn store_floor(&mut self) {
        let now = clock::now();
        self.floor.raise(&now, self.watch.state().synced_at_mono_ms.is_some());
        self.stored_at_mono_ms = now.mono_ms;
        if let Err(error) = self.floor.store() {
            tracing::warn!(%error, "the last known time was not kept");
        }
    }

    /// Runs until told to stop; the floor is stored at the end.
    pub async fn run(mut self, stamper: Stamper, spool: SpoolHandle, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            self.look(&stamper, &spool).await;
            tokio::select! {
                _ = stop.changed() => break,
                () = tokio::time::sleep(CLOCK_LOOK) => {}
            }
        }
        self.store_floor();
    }
}

/// Says the state of each uplink's interface at the start and whenever it changes.
pub async fn links(uplinks: Vec<Arc<Uplink>>, stamper: Stamper, spool: SpoolHandle) {
    if uplinks.is_empty() {
        return;
    }
    let mut changes = Changes::subscribe();
    if let Err(error) = &changes {
        tracing::warn!(%error, "the kernel does not tell about links; they are looked at every {LINK_LOOK:?}");
    }
    let mut known: Vec<Option<(bool, bool)>> = vec![None; uplinks.len()];
    loop {
        for (uplink, known) in uplinks.iter().zip(&mut known) {
            let state = net::link_state(&uplink.interface);
            let now = (state.as_ref().is_some_and(|s| s.up), state.is_some_and(|s| !s.addresses.is_empty()));
            if known.replace(now) == Some(now) {
                continue;
            }
            let (up, has_address) = now;
            let reading = LinkReading { interface: uplink.interface.clone(), up, has_address };
            let mut sample = stamper.reading(Reading::Link(reading));
            sample.uplink = Some(uplink.clone());
            append(&spool, sample, Urgency::Urgent).await;
        }
        match &mut changes {
            Ok(socket) => {
                if socket.next().await.is_err() {
                    changes = Err(std::io::ErrorKind::BrokenPipe.into());
                }
            }
            Err(_) => tokio::time::sleep(LINK_LOOK).await,
        }
    }
}

/// Says the state of the supply at the start, whenever it changes, and again while an alarm lasts. When the mains fail,
/// everything that waits is made durable and published at once: the device may have seconds left.
pub async fn power(config: PowerConfig, stamper: Stamper, spool: SpoolHandle) {
    let supply = Supply::find(Path::new("/sys"), &config);
    if !supply.is_known() {
        return;
    }
    let (to, mut said) = watch::channel(None);
    tokio::join!(ask_program(&config, to), async {
        let mut last: Option<(PowerReading, u64)> = None;
        loop {
            let (now, now_mono_ms) = (supply.read(*said.borrow_and_update()), clock::mono_ms());
            if let Some(urgency) = power::worth(last.as_ref(), &now, now_mono_ms) {
                append(&spool, stamper.reading(Reading::Power(now.clone())), urgency).await;
                if power::is_last_gasp(last.as_ref().map(|(before, _)| before), &now) {
                    tracing::warn!("the mains are gone; what waits is made durable and sent");
                    // Counted in the status where it failed.
                    let _ = spool.flush().await;
                }
                last = Some((now, now_mono_ms));
            }
            tokio::select! {
                () = tokio::time::sleep(POWER_LOOK) => {}
                Ok(()) = said.changed() => {}
            }
        }
    });
}

/// Asks the program of `[power]`, where there is one, for as long as the agent runs.
async fn ask_program(config: &PowerConfig, to: watch::Sender<Option<bool>>) {
    while !config.command.is_empty() {
        let now = power::ask(&config.command).await;
        to.send_if_modified(|before| std::mem::replace(before, now) != now);
        tokio::time::sleep(Duration::from_millis(config.command_ms)).await;
    }
}
