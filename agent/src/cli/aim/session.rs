//! The talk with the agent behind a screen: it looks on, keeps the pace, asks for what the screen wishes.
//!
//! In: a data directory, keys. Out: the [`Screen`] as it stands after each turn. Refuses to know: how it is drawn.
//! Limits: one connection to look on, one for the pace, one for an acceptance, one for a sample; an agent that goes away
//! is looked for every second.

use crate::aim::{Key, Screen, Wish};
use crate::control::{AcceptStep, Aimed, Client, ControlError, Lines, Paced, Seen};
use crate::device::clock;
use crate::device::modem::ModemKey;
use std::path::Path;
use std::time::Duration;
use tokio::task::JoinSet;

/// Serving cells are read at most once a second.
const SIGNAL_MS: u64 = 1_000;
const AGAIN: Duration = Duration::from_secs(1);

pub(super) struct Session {
    pub screen: Screen,
    client: Client,
    watch: Option<Lines<Seen>>,
    /// Held: the pace lasts as long as this.
    pace: Option<Lines<Paced>>,
    acceptance: Option<Lines<AcceptStep>>,
    asked: JoinSet<Answer>,
    quit: bool,
}

/// What came of a question that was asked beside the looking.
enum Answer {
    Paced(ModemKey, Result<Pace, ControlError>),
    Aimed(Result<Aimed, ControlError>),
    Accept(Result<Lines<AcceptStep>, ControlError>),
}

impl Session {
    pub fn new(data_dir: &Path, screen: Screen) -> Self {
        Session {
            screen,
            client: Client::of(data_dir),
            watch: None,
            pace: None,
            acceptance: None,
            asked: JoinSet::new(),
            quit: false,
        }
    }

    /// Waits for the next thing that is said, and takes it in. Nothing is lost when this is dropped and asked for again.
    pub async fn turn(&mut self) {
        if self.watch.is_none() {
            return self.look().await;
        }
        tokio::select! {
            line = next(&mut self.watch) => self.seen(line),
            step = next(&mut self.acceptance) => self.step(step),
            Some(answer) = self.asked.join_next() => if let Ok(answer) = answer { self.answered(answer) },
        }
    }

    async fn look(&mut self) {
        match self.client.watch().await {
            Ok(lines) => {
                self.watch = Some(lines);
                // The pace went with the agent.
                self.screen.modem().cloned().into_iter().for_each(|modem| self.wish(Wish::Pace(modem)));
            }
            Err(error) => {
                self.screen.lost = Some(briefly(&error));
                tokio::time::sleep(AGAIN).await;
            }
        }
    }

    fn seen(&mut self, line: Result<Option<Seen>, ControlError>) {
        match line {
            Ok(Some(seen)) => self.screen.hear(&seen).into_iter().for_each(|wish| self.wish(wish)),
            Ok(None) => self.lost(&ControlError::Gone),
            Err(error) => self.lost(&error),
        }
    }

    fn lost(&mut self, error: &ControlError) {
        self.screen.lost = Some(briefly(error));
        self.watch = None;
        self.pace = None;
    }

    fn step(&mut self, step: Result<Option<AcceptStep>, ControlError>) {
        match step {
            Ok(Some(step)) => {
                if matches!(step, AcceptStep::Done(_)) {
                    self.acceptance = None;
                }
                self.screen.accepting(step);
            }
            Ok(None) => self.not_accepted(&ControlError::Gone),
            Err(error) => self.not_accepted(&error),
        }
    }

    fn not_accepted(&mut self, error: &ControlError) {
        self.acceptance = None;
        self.screen.not_accepted(error.to_string());
    }

    fn answered(&mut self, answer: Answer) {
        match answer {
            // The page may have turned to another modem since.
            Answer::Paced(modem, _) if self.screen.modem() != Some(&modem) => {}
            Answer::Paced(_, Ok(pace)) => {
                self.pace = Some(pace.lines);
                self.screen.no_flow = pace.no_flow;
            }
            Answer::Paced(_, Err(error)) => self.screen.no_flow = Some(error.to_string()),
            Answer::Aimed(result) => {
                let result = result.map(|_| ()).map_err(|error| error.to_string());
                self.screen.stored(clock::mono_ms(), result);
            }
            Answer::Accept(Ok(lines)) => self.acceptance = Some(lines),
            Answer::Accept(Err(error)) => self.not_accepted(&error),
        }
    }

    pub fn press(&mut self, key: Key) {
        self.screen.press(key).into_iter().for_each(|wish| self.wish(wish));
    }

    #[cfg(feature = "full")]
    pub fn has_quit(&self) -> bool {
        self.quit
    }

    fn wish(&mut self, wish: Wish) {
        let client = self.client.clone();
        match wish {
            Wish::Quit => self.quit = true,
            Wish::Pace(modem) => {
                self.pace = None;
                self.asked.spawn(async move {
                    let paced = paced(&client, &modem).await;
                    Answer::Paced(modem, paced)
                });
            }
            Wish::Aimed(modem) => {
                self.asked.spawn(async move { Answer::Aimed(client.aimed(&modem).await) });
            }
            Wish::Accept(modem) => {
                self.asked.spawn(async move { Answer::Accept(client.accept(&modem).await) });
            }
        }
    }
}

/// A modem that is read each second as long as this lives.
pub(in crate::cli) struct Pace {
    lines: Lines<Paced>,
    /// Why no data flows.
    no_flow: Option<String>,
}

/// With data flowing, so that connected values show; a modem that carries no uplink of ours is read all the same.
pub(in crate::cli) async fn paced(client: &Client, modem: &ModemKey) -> Result<Pace, ControlError> {
    match client.pace(modem, SIGNAL_MS, true).await {
        Ok((_, lines)) => Ok(Pace { lines, no_flow: None }),
        Err(ControlError::Refused(why)) => {
            let (_, lines) = client.pace(modem, SIGNAL_MS, false).await?;
            Ok(Pace { lines, no_flow: Some(why) })
        }
        Err(error) => Err(error),
    }
}

/// Without the path of the socket: it is long, and the same each time.
fn briefly(error: &ControlError) -> String {
    match error {
        ControlError::NoAgent { source, .. } => source.to_string(),
        other => other.to_string(),
    }
}

/// Never, where nothing is asked.
async fn next<T: serde::de::DeserializeOwned>(lines: &mut Option<Lines<T>>) -> Result<Option<T>, ControlError> {
    match lines {
        Some(lines) => lines.next().await,
        None => std::future::pending().await,
    }
}
