//! A modem behind a serial port, by AT commands: TS 27.007 and what Quectel, SIMCom and Huawei add.
//!
//! In: `device` of a `[[modem]]`. Out: [`Said`]s: registration at once when the modem reports it, the rest by its time.
//! Refuses to know: samples, coverage; the subscriber's number leaves no function that reads it. Limits: one command at a
//! time; the port is looked for every [`LOOK`] while it is away; the modem's radio, operator and bearer are never set,
//! but for a reset when AT was silent for five minutes.

mod causes;
mod introduce;
pub mod lines;
mod mind;
mod model;
mod news;
mod port;
pub mod reply;
mod scan;
mod session;
mod settings;
mod silence;
mod sim;
mod talk;
mod work;

pub use mind::stat_of;

use super::{Ask, Event, ModemKey, Said};
use crate::config::ModemConfig;
use crate::device::clock::mono_ms;
use phusong_protocol::limits;
use port::Port;
use session::{Over, Session};
use silence::Silence;
use std::time::Duration;
use talk::Talk;
use tokio::sync::mpsc;

/// Between two looks for a port that is away.
const LOOK: Duration = Duration::from_secs(2);
/// Between readings of the serving cell, whoever asks.
const PACE_LEAST_MS: u64 = 1_000;

/// Reads the modem for as long as anybody listens.
pub async fn run(config: ModemConfig, out: mpsc::Sender<Said>, mut asks: mpsc::Receiver<Ask>) {
    let Some(path) = config.device.clone() else {
        let what = Event::Vanished { why: "`device` names no port".into() };
        let _ = out.send(Said { modem: ModemKey(config.name), at_mono_ms: mono_ms(), what }).await;
        return out.closed().await;
    };
    let mut signal_ms = config.signal_ms.max(PACE_LEAST_MS);
    let mut silence = Silence::new(mono_ms());
    // Why it is away, once it was said.
    let mut away: Option<String> = None;
    let mut reopening = false;
    loop {
        let why = match Port::open(&path) {
            Ok(port) => {
                if !std::mem::take(&mut reopening) {
                    silence.appeared(mono_ms());
                }
                let session = Session::new(&config, Talk::new(port), &out, &mut asks, &mut silence, signal_ms);
                let ended = session.run().await;
                signal_ms = ended.signal_ms;
                if ended.answered {
                    away = None;
                }
                match ended.over {
                    Over::Unheard => return,
                    Over::Gone(why) => why,
                    Over::Reopen => {
                        reopening = true;
                        continue;
                    }
                }
            }
            Err(error) => {
                reopening = false;
                port::trouble(&path, &error)
            }
        };
        if away.as_ref() != Some(&why) && away.replace(why.clone()).is_none() {
            let said =
                Said { modem: ModemKey(config.name.clone()), at_mono_ms: mono_ms(), what: Event::Vanished { why } };
            if out.send(said).await.is_err() {
                return;
            }
        }
        if !wait(&config, &out, &mut asks, &mut signal_ms).await {
            return;
        }
    }
}

/// Until the next look; whoever asks for a scan is told at once. `false`: nobody listens.
async fn wait(
    config: &ModemConfig,
    out: &mpsc::Sender<Said>,
    asks: &mut mpsc::Receiver<Ask>,
    signal_ms: &mut u64,
) -> bool {
    let until = tokio::time::Instant::now() + LOOK;
    loop {
        let ask = tokio::select! {
            () = tokio::time::sleep_until(until) => return !out.is_closed(),
            Some(ask) = asks.recv() => ask,
        };
        match ask {
            Ask::Scan(modem) if modem.0 == config.name => {
                let what = Event::ScanFailed { why: "the port is not there".into(), elapsed_ms: 0 };
                if out.send(Said { modem, at_mono_ms: mono_ms(), what }).await.is_err() {
                    return false;
                }
            }
            Ask::Pace { modem, signal_ms: pace } if modem.0 == config.name => *signal_ms = pace.max(PACE_LEAST_MS),
            Ask::Scan(_) | Ask::Pace { .. } | Ask::Refresh(_) => {}
        }
    }
}

/// As much of a text as a sample may carry.
fn bounded(raw: &str) -> String {
    cut(raw, limits::RAW_BYTES)
}

fn cut(raw: &str, bytes: usize) -> String {
    let mut end = raw.len().min(bytes);
    while !raw.is_char_boundary(end) {
        end -= 1;
    }
    raw[..end].to_owned()
}
