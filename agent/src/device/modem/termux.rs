//! An Android phone, by the programs of Termux:API.
//!
//! In: the JSON of `termux-telephony-cellinfo` and `termux-telephony-deviceinfo`, every `signal_ms`. Out: [`Said`]s.
//! Refuses to know: the subscriber's and the device's numbers, which the second program prints, too. Limits: each
//! program has [`PATIENCE`] and 64 KiB; Android shows neither ARFCN, LTE's SINR, nor why a network said no.

pub mod cells;

use super::command::program::Program;
use super::{Ask, Event, Identity, ModemKey, Said};
use crate::config::ModemConfig;
use crate::device::clock::mono_ms;
use cells::Seen;
use phusong_protocol::Technology;
use serde_json::Value;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

const CELLS: &str = "termux-telephony-cellinfo";
const DEVICE: &str = "termux-telephony-deviceinfo";
/// Termux:API hangs where Android does not let it work in the background.
const PATIENCE: Duration = Duration::from_secs(20);
const OUTPUT_BYTES: usize = 64 * 1024;
const PACE_LEAST_MS: u64 = 1_000;

/// Reads the phone for as long as anybody listens. The first word of `command` stands for the program of the cells, the
/// second for that of the device.
pub async fn run(config: ModemConfig, out: mpsc::Sender<Said>, mut asks: mpsc::Receiver<Ask>) {
    let named = |at: usize, usual: &str| vec![config.command.get(at).cloned().unwrap_or_else(|| usual.to_owned())];
    let (cells, device) = (named(0, CELLS), named(1, DEVICE));
    let mut signal_ms = config.signal_ms.max(PACE_LEAST_MS);
    let mut phone = Phone { config: &config, out: &out, present: false, gone: false, told: Seen::default() };
    loop {
        let next = Instant::now() + Duration::from_millis(signal_ms);
        let seen = match (read(&cells).await, read(&device).await) {
            (Err(why), Err(_)) => Err(why),
            (cells, device) => Ok(cells::seen(cells.ok().as_ref(), device.ok().as_ref())),
        };
        let said = match seen {
            Ok(seen) => phone.saw(seen).await,
            Err(why) => phone.vanished(why).await,
        };
        if !said {
            return;
        }
        let mut now = false;
        while !now {
            let ask = tokio::select! {
                () = sleep_until(next) => break,
                Some(ask) = asks.recv() => ask,
            };
            match ask {
                Ask::Refresh(modem) if modem.0 == config.name => {
                    (phone.present, phone.told) = (false, Seen::default());
                    now = true;
                }
                Ask::Pace { modem, signal_ms: pace } if modem.0 == config.name => {
                    signal_ms = pace.max(PACE_LEAST_MS);
                    now = true;
                }
                Ask::Scan(modem) if modem.0 == config.name => {
                    let why = "Android lets no program scan for operators".into();
                    if !phone.say(Event::ScanFailed { why, elapsed_ms: 0 }).await {
                        return;
                    }
                }
                Ask::Refresh(_) | Ask::Pace { .. } | Ask::Scan(_) => {}
            }
        }
        // However often it is asked.
        if now {
            sleep_until(Instant::now() + Duration::from_millis(PACE_LEAST_MS)).await;
        }
    }
}

/// The JSON of a program.
async fn read(command: &[String]) -> Result<Value, String> {
    let name = command.first().map_or("", String::as_str);
    let mut program = Program::start(command).map_err(|error| format!("{name}: {error}"))?;
    let mut text = String::new();
    let reading = async {
        while let Some(line) = program.line().await {
            if text.len() + line.len() > OUTPUT_BYTES {
                return Err(format!("{name}: printed more than 64 KiB"));
            }
            text += &line;
            text.push('\n');
        }
        Ok(())
    };
    timeout(PATIENCE, reading).await.map_err(|_| format!("{name}: no answer within {} s", PATIENCE.as_secs()))??;
    let ended = program.end().await;
    if !ended.well {
        return Err(format!("{name}: {}", ended.why));
    }
    serde_json::from_str(&text).map_err(|error| format!("{name}: no JSON: {error}"))
}

struct Phone<'a> {
    config: &'a ModemConfig,
    out: &'a mpsc::Sender<Said>,
    present: bool,
    gone: bool,
    told: Seen,
}

impl Phone<'_> {
    /// What is new is said; the signal every time. `false`: nobody listens.
    async fn saw(&mut self, seen: Seen) -> bool {
        let mut events = Vec::new();
        if !std::mem::replace(&mut self.present, true) {
            let interface = self.config.interface.clone();
            // Phones list the 5G leg of an NSA attachment or leave it out: one that is not listed may be there.
            let shows = vec![Technology::Gsm, Technology::Umts, Technology::Lte];
            let identity = Identity { source: "termux".into(), interface, shows, ..Identity::default() };
            events.push(Event::Present(identity));
        }
        self.gone = false;
        let told = std::mem::replace(&mut self.told, seen.clone());
        events.extend(seen.sim.filter(|now| told.sim.as_ref() != Some(now)).map(Event::Sim));
        events.extend(seen.registration.filter(|now| told.registration.as_ref() != Some(now)).map(Event::Registration));
        let interface = &self.config.interface;
        let bearer = seen.bearer.filter(|now| told.bearer.as_ref() != Some(now));
        events.extend(bearer.map(|now| Event::Bearer(super::Bearer { interface: interface.clone(), ..now })));
        events.extend(seen.signal.map(Event::Signal));
        events.extend(seen.neighbours.map(|cells| Event::Neighbours { cells, raw: None }));
        for event in events {
            if !self.say(event).await {
                return false;
            }
        }
        true
    }

    async fn vanished(&mut self, why: String) -> bool {
        (self.present, self.told) = (false, Seen::default());
        if std::mem::replace(&mut self.gone, true) {
            return !self.out.is_closed();
        }
        self.say(Event::Vanished { why }).await
    }

    async fn say(&self, what: Event) -> bool {
        let said = Said { modem: ModemKey(self.config.name.clone()), at_mono_ms: mono_ms(), what };
        self.out.send(said).await.is_ok()
    }
}
