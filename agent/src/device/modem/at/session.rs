//! One opening of the port: wake the modem, introduce, then attend to it until something ends it.
//!
//! In: lines of the modem, [`Ask`]s, the time. Out: [`Event`]s as they happen. Refuses to know: how a port is found
//! again, what a reading means. Limits: one command at a time; what the modem says meanwhile is heard at once.

use super::PACE_LEAST_MS;
use super::mind::Mind;
use super::model::Family;
use super::reply::{self, Heard, Refusal};
use super::silence::{Duty, Silence};
use super::talk::{Gone, Talk};
use crate::config::ModemConfig;
use crate::device::clock::mono_ms;
use crate::device::modem::decode::{Decoded, decode};
use crate::device::modem::{Ask, Event, Identity, ModemKey, Said};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

const ANSWER: Duration = Duration::from_secs(5);
const KNOCK: Duration = Duration::from_secs(1);
const BETWEEN_KNOCKS: Duration = Duration::from_secs(2);
/// Of one answer.
const PARTS: usize = 256;
/// Refusals after which a command is left out.
const REFUSALS: u8 = 2;
/// Asked for ever: one that never hears of a SIM says so by an error alone.
const NEVER_LEFT_OUT: [&str; 2] = ["AT", "AT+CPIN?"];
const SOFT_RESET: &str = "AT+CFUN=1,1";

/// Why a session ends.
#[derive(Debug)]
pub enum Over {
    /// Unplugged.
    Gone(String),
    /// The port is to be opened anew.
    Reopen,
    /// The agent ends.
    Unheard,
}

/// A session that is over.
pub struct Ended {
    pub over: Over,
    /// The pace that was asked for last.
    pub signal_ms: u64,
    /// Whether the modem ever answered.
    pub answered: bool,
}

/// What interrupts the work.
pub enum Stop {
    Over(Over),
    /// It does not answer any more, or it started anew.
    Lost,
}

impl From<Gone> for Stop {
    fn from(gone: Gone) -> Self {
        Stop::Over(Over::Gone(gone.0))
    }
}

pub enum Answer {
    Parts(Vec<String>),
    Refused(Refusal),
    /// It was not asked, or did not say.
    Nothing,
}

impl Answer {
    pub fn parts(self) -> Vec<String> {
        match self {
            Answer::Parts(parts) => parts,
            Answer::Refused(_) | Answer::Nothing => Vec::new(),
        }
    }
}

/// When things were done last; `None`: they are due.
#[derive(Debug, Default)]
pub struct Done {
    pub registration: Option<u64>,
    pub serving: Option<u64>,
    pub neighbours: Option<u64>,
    pub sim: Option<u64>,
    pub bearer: Option<u64>,
    /// The SIM was busy; until then it is not called absent.
    pub busy_since: Option<u64>,
    /// A detail of the identity that came late.
    pub settings: bool,
}

pub struct Session<'a> {
    pub(super) config: &'a ModemConfig,
    pub(super) talk: Talk,
    out: &'a mpsc::Sender<Said>,
    asks: &'a mut mpsc::Receiver<Ask>,
    silence: &'a mut Silence,
    pub(super) mind: Mind,
    pub(super) identity: Identity,
    pub(super) family: Family,
    pub(super) signal_ms: u64,
    pub(super) done: Done,
    /// Whether the modem tells changes of registration by itself.
    pub(super) reports: bool,
    /// Commands that it refused, and how often.
    refused: BTreeMap<String, u8>,
    /// `+CEER` when it was asked first, or while a bearer stood: no cause of what comes.
    pub(super) old_failure: Option<Option<String>>,
}

impl<'a> Session<'a> {
    pub fn new(
        config: &'a ModemConfig,
        talk: Talk,
        out: &'a mpsc::Sender<Said>,
        asks: &'a mut mpsc::Receiver<Ask>,
        silence: &'a mut Silence,
        signal_ms: u64,
    ) -> Self {
        Session {
            config,
            talk,
            out,
            asks,
            silence,
            mind: Mind::default(),
            identity: Identity::default(),
            family: Family::Other,
            signal_ms,
            done: Done::default(),
            reports: false,
            refused: BTreeMap::new(),
            old_failure: None,
        }
    }

    /// Until it is over.
    pub async fn run(mut self) -> Ended {
        let mut answered = false;
        loop {
            let stop = match self.wake().await {
                Ok(()) => {
                    answered = true;
                    self.attend().await
                }
                Err(stop) => stop,
            };
            if let Stop::Over(over) = stop {
                if self.talk.overlong() > 0 {
                    let (modem, lines) = (&self.config.name, self.talk.overlong());
                    tracing::debug!(modem, lines, "lines that were too long for a modem's were left out");
                }
                return Ended { over, signal_ms: self.signal_ms, answered };
            }
        }
    }

    /// Knocks until it answers.
    async fn wake(&mut self) -> Result<(), Stop> {
        loop {
            // What is still under way belongs to questions before.
            self.late().await?;
            if matches!(self.exchange("AT", Instant::now() + KNOCK).await?, Some(Answer::Parts(_))) {
                return self.late().await;
            }
            self.duty().await?;
            let pause = Instant::now() + BETWEEN_KNOCKS;
            loop {
                let line = tokio::select! {
                    line = self.talk.line(pause) => line?,
                    Some(ask) = self.asks.recv() => {
                        self.answer_for_it(ask).await?;
                        continue;
                    }
                };
                match line {
                    Some(line) => self.news(&line).await?,
                    None => break,
                }
            }
        }
    }

    /// What silence asks for.
    async fn duty(&mut self) -> Result<(), Stop> {
        match self.silence.duty(mono_ms()) {
            Duty::Wait => Ok(()),
            Duty::Tell { for_ms } => self.say(Event::Silent { for_ms }).await,
            Duty::Reopen => {
                self.say(Event::Reset { why: "silent for 5 minutes: the port was opened anew".into() }).await?;
                Err(Stop::Over(Over::Reopen))
            }
            Duty::SoftReset => {
                self.talk.write(SOFT_RESET, Instant::now() + KNOCK).await?;
                self.say(Event::Reset { why: format!("silent, also after the port was opened anew: {SOFT_RESET}") })
                    .await
            }
        }
    }

    async fn attend(&mut self) -> Stop {
        self.refused.clear();
        self.done = Done::default();
        self.mind = Mind::default();
        self.old_failure = None;
        if let Err(stop) = self.introduce().await {
            return stop;
        }
        loop {
            if let Err(stop) = self.step().await {
                return stop;
            }
        }
    }

    /// Does what is due, else waits for what comes first.
    async fn step(&mut self) -> Result<(), Stop> {
        let wait_ms = self.work().await?;
        let until = Instant::now() + Duration::from_millis(wait_ms);
        tokio::select! {
            line = self.talk.line(until) => {
                if let Some(line) = line? {
                    self.news(&line).await?;
                }
            }
            Some(ask) = self.asks.recv() => self.answer(ask).await?,
        }
        Ok(())
    }

    async fn answer(&mut self, ask: Ask) -> Result<(), Stop> {
        let mine = |modem: &ModemKey| modem.0 == self.config.name;
        match ask {
            Ask::Refresh(modem) if mine(&modem) => {
                self.refused.clear();
                self.done = Done { busy_since: self.done.busy_since, ..Done::default() };
                self.mind.forget_told(mono_ms());
                self.say(Event::Present(self.identity.clone())).await
            }
            Ask::Pace { modem, signal_ms } if mine(&modem) => {
                self.signal_ms = signal_ms.max(PACE_LEAST_MS);
                Ok(())
            }
            Ask::Scan(modem) if mine(&modem) => self.scan().await,
            Ask::Refresh(_) | Ask::Pace { .. } | Ask::Scan(_) => Ok(()),
        }
    }

    /// While the modem itself does not answer.
    async fn answer_for_it(&mut self, ask: Ask) -> Result<(), Stop> {
        match ask {
            Ask::Scan(modem) if modem.0 == self.config.name => {
                let why = "the modem does not answer".into();
                self.say(Event::ScanFailed { why, elapsed_ms: 0 }).await
            }
            Ask::Pace { .. } => self.answer(ask).await,
            Ask::Scan(_) | Ask::Refresh(_) => Ok(()),
        }
    }

    pub(super) async fn say(&self, what: Event) -> Result<(), Stop> {
        let said = Said { modem: ModemKey(self.config.name.clone()), at_mono_ms: mono_ms(), what };
        self.out.send(said).await.map_err(|_| Stop::Over(Over::Unheard))
    }

    /// The model that the decoder is told.
    pub(super) fn model(&self) -> Option<&str> {
        self.config.model.as_deref().or(self.identity.model.as_deref())
    }

    pub(super) fn decode(&self, text: &str) -> Vec<Decoded> {
        let mut all = decode(text, self.model());
        all.retain(|one| one.error.is_none());
        all
    }

    pub(super) async fn ask(&mut self, command: &str) -> Result<Answer, Stop> {
        self.ask_within(command, ANSWER).await
    }

    /// One command; one that the modem refused for good, or never answers, is not asked again.
    pub(super) async fn ask_within(&mut self, command: &str, patience: Duration) -> Result<Answer, Stop> {
        if self.refused.get(command).is_some_and(|times| *times >= REFUSALS) {
            return Ok(Answer::Nothing);
        }
        let answer = self.exchange(command, Instant::now() + patience).await?;
        let Some(answer) = answer else {
            // A scan that took too long may find something the next time.
            if patience <= ANSWER {
                *self.refused.entry(command.to_owned()).or_default() += 1;
            }
            self.resume().await?;
            return Ok(Answer::Nothing);
        };
        match &answer {
            Answer::Refused(refusal) if refusal.is_for_good() && !NEVER_LEFT_OUT.contains(&command) => {
                *self.refused.entry(command.to_owned()).or_default() += 1;
            }
            Answer::Parts(_) => {
                self.refused.remove(command);
            }
            Answer::Refused(_) | Answer::Nothing => {}
        }
        Ok(answer)
    }

    /// The SIM came or went: what was refused for want of it may be answered now.
    pub(super) fn forgive(&mut self) {
        self.refused.clear();
    }

    /// Time passed in which it could not answer.
    pub(super) fn patient(&mut self) {
        self.silence.appeared(mono_ms());
    }

    /// After an answer that did not come: what is late is not taken for the next one.
    async fn resume(&mut self) -> Result<(), Stop> {
        self.late().await?;
        let answer = self.exchange("AT", Instant::now() + KNOCK).await?;
        self.late().await?;
        if answer.is_some() { Ok(()) } else { Err(Stop::Lost) }
    }

    async fn late(&mut self) -> Result<(), Stop> {
        for line in self.talk.late().await? {
            self.news(&line).await?;
        }
        Ok(())
    }

    /// `None`: no end of an answer came in time.
    async fn exchange(&mut self, command: &str, until: Instant) -> Result<Option<Answer>, Stop> {
        if !self.talk.write(command, until).await? {
            return Ok(None);
        }
        let mut parts = Vec::new();
        loop {
            let Some(line) = self.talk.line(until.min(self.settles())).await? else {
                if Instant::now() >= until {
                    return Ok(None);
                }
                self.settle(false).await?;
                continue;
            };
            match reply::sort(&line, Some(command)) {
                Heard::Echo => {}
                Heard::Part => {
                    // An answer and an unasked line look alike here and mean the same.
                    self.registration(&line).await?;
                    if parts.len() < PARTS {
                        parts.push(line);
                    }
                }
                Heard::Done => {
                    self.silence.answered(mono_ms());
                    return Ok(Some(Answer::Parts(parts)));
                }
                Heard::Refused(refusal) => {
                    self.silence.answered(mono_ms());
                    return Ok(Some(Answer::Refused(refusal)));
                }
                Heard::News => self.news(&line).await?,
            }
        }
    }

    /// When a change of registration is told even though the modem was not asked about all of it.
    fn settles(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3_600);
        let left = |since: u64| (since + super::mind::SETTLE_MS).saturating_sub(mono_ms());
        self.mind.unsettled_since().map_or(far, |since| Instant::now() + Duration::from_millis(left(since)))
    }

    pub(super) async fn settle(&mut self, complete: bool) -> Result<(), Stop> {
        match self.mind.settle(mono_ms(), complete) {
            Some(now) => self.say(Event::Registration(now)).await,
            None => Ok(()),
        }
    }
}
