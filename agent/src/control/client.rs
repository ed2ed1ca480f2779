//! The command line's half of the socket.
//!
//! In: a data directory, questions. Out: answers, as they come. Refuses to know: what they are for. Limits: a question
//! is answered or refused within [`FIRST_WITHIN`], unless it is one that takes its time; a line has a bound.

use super::{ANSWER_BYTES, AcceptStep, Aimed, Paced, Question, Refusal, Scanned, Seen, socket_path};
use crate::device::modem::ModemKey;
use crate::survey;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Take};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};

/// For an answer that needs no modem's patience.
pub const FIRST_WITHIN: Duration = Duration::from_secs(10);
/// A scan takes minutes (at most 300 s), a commissioning record two.
pub const SLOW_WITHIN: Duration = Duration::from_secs(330);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// No agent runs over this directory, or it is another user's.
    #[error("{socket}: {source}", socket = .socket.display())]
    NoAgent { socket: PathBuf, source: std::io::Error },
    /// The agent said why not.
    #[error("{0}")]
    Refused(String),
    #[error("the agent does not answer")]
    Silent,
    #[error("the agent went away")]
    Gone,
    #[error("the agent answered something else: {0}")]
    Odd(#[from] serde_json::Error),
}

/// Asks the agent that runs over one data directory.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

/// The lines of one answer. Dropping it ends what the question set.
#[derive(Debug)]
pub struct Lines<T> {
    from: BufReader<Take<OwnedReadHalf>>,
    within: Duration,
    /// What has come of the next line.
    line: Vec<u8>,
    /// Held open: its end is how the agent learns that nobody listens any more.
    _to: OwnedWriteHalf,
    of: PhantomData<T>,
}

impl Client {
    pub fn of(data_dir: &Path) -> Self {
        Client { socket: socket_path(data_dir) }
    }

    /// Looks on for as long as the lines are read.
    pub async fn watch(&self) -> Result<Lines<Seen>, ControlError> {
        self.ask(&Question::Watch, FIRST_WITHIN).await
    }

    /// The pace lasts until what this returns is dropped.
    pub async fn pace(
        &self,
        modem: &ModemKey,
        signal_ms: u64,
        flow: bool,
    ) -> Result<(Paced, Lines<Paced>), ControlError> {
        let question = Question::Pace { modem: modem.clone(), signal_ms, flow };
        let mut lines = self.ask(&question, FIRST_WITHIN).await?;
        let paced = lines.next().await?.ok_or(ControlError::Gone)?;
        Ok((paced, lines))
    }

    pub async fn aimed(&self, modem: &ModemKey) -> Result<Aimed, ControlError> {
        self.one(&Question::Aimed { modem: modem.clone() }, FIRST_WITHIN).await
    }

    pub async fn accept(&self, modem: &ModemKey) -> Result<Lines<AcceptStep>, ControlError> {
        self.ask(&Question::Accept { modem: modem.clone() }, SLOW_WITHIN).await
    }

    pub async fn scan(&self, modem: &ModemKey) -> Result<Scanned, ControlError> {
        self.one(&Question::Scan { modem: modem.clone() }, SLOW_WITHIN).await
    }

    /// Begins a technology check; its result is a sample.
    pub async fn radio_check(&self, modem: &ModemKey) -> Result<(), ControlError> {
        let begun: serde_json::Value = self.one(&Question::RadioCheck { modem: modem.clone() }, FIRST_WITHIN).await?;
        drop(begun);
        Ok(())
    }

    pub async fn survey(&self, ask: survey::Ask) -> Result<survey::Answer, ControlError> {
        self.one(&Question::Survey(ask), FIRST_WITHIN).await
    }

    /// A question with one line as its answer.
    pub async fn one<T: DeserializeOwned>(&self, question: &Question, within: Duration) -> Result<T, ControlError> {
        self.ask(question, within).await?.next().await?.ok_or(ControlError::Gone)
    }

    /// A question with any number of lines, each within this time of the one before.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        question: &Question,
        within: Duration,
    ) -> Result<Lines<T>, ControlError> {
        let no_agent = |source| ControlError::NoAgent { socket: self.socket.clone(), source };
        let stream = UnixStream::connect(&self.socket).await.map_err(no_agent)?;
        let (from, mut to) = stream.into_split();
        let mut line = serde_json::to_string(question)?;
        line.push('\n');
        to.write_all(line.as_bytes()).await.map_err(no_agent)?;
        Ok(Lines { from: BufReader::new(from.take(ANSWER_BYTES)), within, line: Vec::new(), _to: to, of: PhantomData })
    }
}

impl<T: DeserializeOwned> Lines<T> {
    /// The next line; `None` after the last. Nothing is lost when the future is dropped and asked for again.
    pub async fn next(&mut self) -> Result<Option<T>, ControlError> {
        if self.line.is_empty() {
            self.from.get_mut().set_limit(ANSWER_BYTES);
        }
        match tokio::time::timeout(self.within, self.from.read_until(b'\n', &mut self.line)).await {
            Err(_) => return Err(ControlError::Silent),
            Ok(Err(_)) => return Err(ControlError::Gone),
            Ok(Ok(0)) if self.line.is_empty() => return Ok(None),
            Ok(Ok(_)) => {}
        }
        let line = std::mem::take(&mut self.line);
        match serde_json::from_slice::<Refusal>(&line) {
            Ok(refusal) => Err(ControlError::Refused(refusal.error)),
            Err(_) => Ok(Some(serde_json::from_slice(&line)?)),
        }
    }
}
