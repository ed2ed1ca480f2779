//! Any program that prints our JSON, one object a line (docs/modems.md).
//!
//! In: `command` of a `[[modem]]`: a program that goes on, or one that ends and is started again every `signal_ms`. Out:
//! [`Said`]s. Refuses to know: how the program knows. Limits: 4 KiB a line; silence for [`SILENT`] ends it; one that
//! fails is started again after a second, then ever later, up to a minute.

pub(super) mod program;
pub mod words;

use super::{Ask, Event, Identity, ModemKey, Said, Signal};
use crate::config::ModemConfig;
use crate::device::clock::mono_ms;
use phusong_protocol::{RadioCell, Rrc, limits};
use program::Program;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use words::Word;

/// Lines of one reading come within this of each other.
const TOGETHER: Duration = Duration::from_millis(200);
const SILENT: Duration = Duration::from_secs(300);
const AGAIN_FIRST: Duration = Duration::from_secs(1);
const AGAIN_LAST: Duration = Duration::from_secs(60);
const PACE_LEAST_MS: u64 = 1_000;

/// The agent ends.
struct Unheard;

pub async fn run(config: ModemConfig, out: mpsc::Sender<Said>, asks: mpsc::Receiver<Ask>) {
    let signal_ms = config.signal_ms.max(PACE_LEAST_MS);
    let identity = Identity { source: "command".into(), interface: config.interface.clone(), ..Identity::default() };
    let mut reader = Reader {
        config,
        out,
        asks,
        signal_ms,
        identity,
        present: false,
        gone: None,
        reading: Reading::default(),
        refused: 0,
    };
    // It ends when nobody listens.
    let _ = reader.run().await;
}

struct Reader {
    config: ModemConfig,
    out: mpsc::Sender<Said>,
    asks: mpsc::Receiver<Ask>,
    signal_ms: u64,
    identity: Identity,
    present: bool,
    /// Why it is away, once it was said.
    gone: Option<String>,
    reading: Reading,
    refused: u64,
}

/// Lines that belong together.
#[derive(Default)]
struct Reading {
    signal: Option<Signal>,
    neighbours: Option<(Vec<RadioCell>, Option<String>)>,
    until: Option<Instant>,
}

impl Reader {
    async fn run(&mut self) -> Result<(), Unheard> {
        let mut again = AGAIN_FIRST;
        loop {
            let began = Instant::now();
            let next = match Program::start(&self.config.command) {
                Err(error) => {
                    let name = self.config.command.first().map_or("", String::as_str);
                    self.vanished(format!("{name}: {error}")).await?;
                    None
                }
                Ok(mut program) => {
                    let heard = self.listen(&mut program).await?;
                    let ended = program.end().await;
                    if heard && ended.well {
                        Some(began + Duration::from_millis(self.signal_ms))
                    } else {
                        let why = if ended.well { "it printed nothing that was understood".into() } else { ended.why };
                        self.vanished(why).await?;
                        if heard {
                            again = AGAIN_FIRST;
                        }
                        None
                    }
                }
            };
            match next {
                Some(next) => {
                    again = AGAIN_FIRST;
                    self.wait(next).await?;
                }
                None => {
                    self.wait(Instant::now() + again).await?;
                    again = (again * 2).min(AGAIN_LAST);
                }
            }
        }
    }

    /// Until it prints no more; whether any of it was understood.
    async fn listen(&mut self, program: &mut Program) -> Result<bool, Unheard> {
        let mut heard = false;
        let mut silent = Instant::now() + SILENT;
        loop {
            let until = self.reading.until.unwrap_or(silent).min(silent);
            tokio::select! {
                line = program.line() => {
                    let Some(line) = line else { break };
                    silent = Instant::now() + SILENT;
                    heard |= self.line(&line).await?;
                }
                Some(ask) = self.asks.recv() => {
                    self.answer(ask).await?;
                }
                () = sleep_until(until) => {
                    self.flush().await?;
                    if Instant::now() >= silent {
                        self.vanished(format!("it printed nothing for {} s", SILENT.as_secs())).await?;
                        heard = false;
                        break;
                    }
                }
            }
        }
        self.flush().await?;
        Ok(heard)
    }

    async fn line(&mut self, line: &str) -> Result<bool, Unheard> {
        let word = match words::read(line, mono_ms()) {
            Ok(word) => word,
            Err(error) => {
                self.refused += 1;
                // The first one tells what is wrong; a program that prints nothing else is told of by its silence.
                if self.refused == 1 {
                    tracing::warn!(modem = self.config.name, %error, "a line of the modem's program was left out");
                }
                return Ok(false);
            }
        };
        if !self.present && !matches!(word, Word::Modem(_)) {
            self.appeared().await?;
        }
        match word {
            Word::Modem(identity) => {
                let interface = self.config.interface.clone().or(identity.interface.clone());
                self.identity = Identity { interface, ..identity };
                self.appeared().await?;
            }
            Word::Signal { cell, rrc, raw } => self.signal(cell, rrc, raw).await?,
            Word::Neighbour { cell, raw } => {
                let (cells, kept) = self.reading.neighbours.get_or_insert_with(Default::default);
                if cells.len() < limits::CELLS {
                    cells.push(cell);
                    join(kept, raw);
                }
                self.reading.until.get_or_insert_with(|| Instant::now() + TOGETHER);
            }
            Word::Registration(now) => self.say(Event::Registration(now)).await?,
            Word::Sim(sim) => self.say(Event::Sim(sim)).await?,
            Word::Bearer(mut bearer) => {
                bearer.interface = bearer.interface.or_else(|| self.identity.interface.clone());
                self.say(Event::Bearer(bearer)).await?;
            }
            Word::Position(fix) => self.say(Event::Fix(fix)).await?,
            Word::Nothing => {}
        }
        Ok(true)
    }

    /// A second cell of the same technology begins the next reading.
    async fn signal(&mut self, cell: Option<RadioCell>, rrc: Option<Rrc>, raw: Option<String>) -> Result<(), Unheard> {
        let kind = cell.as_ref().map(|cell| cell.technology);
        let full = self.reading.signal.as_ref().is_some_and(|now| {
            now.cells.iter().any(|other| Some(other.technology) == kind) || (kind.is_none() && now.cells.is_empty())
        });
        if full {
            self.flush().await?;
        }
        let now = self.reading.signal.get_or_insert_with(|| Signal { cells: Vec::new(), rrc: None, raw: None });
        now.cells.extend(cell);
        now.rrc = now.rrc.or(rrc);
        join(&mut now.raw, raw);
        self.reading.until.get_or_insert_with(|| Instant::now() + TOGETHER);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Unheard> {
        let Reading { signal, neighbours, .. } = std::mem::take(&mut self.reading);
        if let Some(signal) = signal {
            self.say(Event::Signal(signal)).await?;
        }
        if let Some((cells, raw)) = neighbours {
            self.say(Event::Neighbours { cells, raw }).await?;
        }
        Ok(())
    }

    async fn appeared(&mut self) -> Result<(), Unheard> {
        self.present = true;
        self.gone = None;
        self.say(Event::Present(self.identity.clone())).await
    }

    /// Said once for each going.
    async fn vanished(&mut self, why: String) -> Result<(), Unheard> {
        self.present = false;
        if self.gone.is_some() {
            return Ok(());
        }
        self.gone = Some(why.clone());
        self.say(Event::Vanished { why }).await
    }

    async fn wait(&mut self, until: Instant) -> Result<(), Unheard> {
        loop {
            tokio::select! {
                () = sleep_until(until) => return if self.out.is_closed() { Err(Unheard) } else { Ok(()) },
                Some(ask) = self.asks.recv() => {
                    if self.answer(ask).await? {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether the program is to be started now.
    async fn answer(&mut self, ask: Ask) -> Result<bool, Unheard> {
        match ask {
            Ask::Refresh(modem) => Ok(modem.0 == self.config.name && self.present),
            Ask::Pace { modem, signal_ms } => {
                let mine = modem.0 == self.config.name;
                if mine {
                    self.signal_ms = signal_ms.max(PACE_LEAST_MS);
                }
                Ok(mine && self.present)
            }
            Ask::Scan(modem) if modem.0 == self.config.name => {
                let why = "a program cannot be asked for a scan".into();
                self.say(Event::ScanFailed { why, elapsed_ms: 0 }).await.map(|()| false)
            }
            Ask::Scan(_) => Ok(false),
        }
    }

    async fn say(&self, what: Event) -> Result<(), Unheard> {
        let said = Said { modem: ModemKey(self.config.name.clone()), at_mono_ms: mono_ms(), what };
        self.out.send(said).await.map_err(|_| Unheard)
    }
}

/// Further raw lines, as far as a sample carries them.
fn join(kept: &mut Option<String>, more: Option<String>) {
    let Some(more) = more else { return };
    match kept {
        None => *kept = Some(more),
        Some(kept) if kept.len() + more.len() < limits::RAW_BYTES => {
            kept.push('\n');
            kept.push_str(&more);
        }
        Some(_) => {}
    }
}
