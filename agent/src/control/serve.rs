//! The running agent's half of the socket.
//!
//! In: connections, a question each. Out: answers; orders to the modems, asks to the survey. Refuses to know: how
//! anything is done. Limits: [`ASKERS`] at once, one more is refused with a line; [`LINE_WITHIN`] for the question.

use super::{ASKERS, Aimed, Pinged, QUESTION_BYTES, Question, Scanned, Seen, socket_path};
use crate::device::clock;
use crate::device::position::Fix;
use crate::modems::exchange::Tried;
use crate::modems::{Handle, Order};
use crate::status::Facts;
use crate::survey;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

const LINE_WITHIN: Duration = Duration::from_secs(2);
/// A look at least so often, and never more often than [`APART`].
const EVERY: Duration = Duration::from_secs(1);
const APART: Duration = Duration::from_millis(100);
/// A reader that takes nothing for so long is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(5);

/// Whom questions are put to.
#[derive(Clone)]
pub struct Served {
    pub facts: Facts,
    pub modems: Handle,
    pub fix: watch::Receiver<Option<Fix>>,
    /// Absent in a build without surveys.
    pub surveys: Option<mpsc::Sender<survey::Request>>,
}

/// Answers until dropped.
pub async fn serve(served: Served) {
    let path = socket_path(&served.facts.data_dir);
    // The spool's lock is ours: a socket that lies here is of an agent that is gone.
    let _stale = std::fs::remove_file(&path);
    let listener = match UnixListener::bind(&path) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "no command can ask this agent anything");
            return;
        }
    };
    let mut askers = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) if askers.len() < ASKERS => drop(askers.spawn(answer(stream, served.clone()))),
                Ok((mut stream, _)) => {
                    let full = json!({"error": format!("{ASKERS} commands ask this agent already; end one of them")});
                    let _ = stream.try_write(format!("{full}\n").as_bytes());
                    let _ = stream.shutdown().await;
                }
                // Out of descriptors: not again at once.
                Err(_) => tokio::time::sleep(APART).await,
            },
            Some(_) = askers.join_next() => {}
        }
    }
}

/// One connection. Its reading half tells when the asker goes.
struct Asker {
    from: BufReader<tokio::io::Take<OwnedReadHalf>>,
    to: OwnedWriteHalf,
}

async fn answer(stream: UnixStream, served: Served) {
    let (from, to) = stream.into_split();
    let mut asker = Asker { from: BufReader::new(from.take(QUESTION_BYTES)), to };
    let mut line = String::new();
    if !matches!(tokio::time::timeout(LINE_WITHIN, asker.from.read_line(&mut line)).await, Ok(Ok(_))) {
        return;
    }
    let question = match line.trim() {
        "status" => Ok(Question::Status),
        "check" => Ok(Question::Check),
        line => serde_json::from_str(line),
    };
    match question {
        Ok(question) => served.put(question, &mut asker).await,
        Err(error) => asker.refuse(&format!("not a question: {error}; ask for `status` or `check`")).await,
    }
}

impl Asker {
    /// False when nobody listens any more.
    async fn say(&mut self, line: &impl Serialize) -> bool {
        let mut text = serde_json::to_string(line).expect("an answer has a JSON form");
        text.push('\n');
        let writing = tokio::time::timeout(WRITE_WITHIN, self.to.write_all(text.as_bytes()));
        matches!(writing.await, Ok(Ok(())))
    }

    async fn refuse(&mut self, why: &str) {
        self.say(&json!({"error": why})).await;
    }

    async fn finish<T: Serialize>(&mut self, result: Result<T, String>) {
        match result {
            Ok(value) => drop(self.say(&value).await),
            Err(why) => self.refuse(&why).await,
        }
    }

    /// Returns when the asker closes its half or goes. What it says meanwhile is not listened to, up to a bound.
    async fn gone(&mut self) {
        let mut ignored = [0; 64];
        while matches!(self.from.read(&mut ignored).await, Ok(1..)) {}
    }
}

fn stopping() -> String {
    "the agent is stopping".to_owned()
}

impl Served {
    async fn put(&self, question: Question, asker: &mut Asker) {
        match question {
            Question::Status => {
                asker.say(&self.status().await).await;
            }
            Question::Check => {
                asker.say(&self.facts.check().await).await;
            }
            Question::Watch => self.watch(asker).await,
            Question::Pace { modem, signal_ms, flow } => {
                let (held_to, held) = oneshot::channel();
                let asked = self.order(|answer| Order::Pace { modem, signal_ms, flow, held, answer }).await;
                let good = asked.is_ok();
                asker.finish(asked).await;
                if good {
                    asker.gone().await;
                }
                drop(held_to);
            }
            Question::Aimed { modem } => {
                let asked = self.order(|answer| Order::Aimed { modem, answer }).await;
                asker.finish(asked.map(|(seq, cells)| Aimed { seq, cells })).await;
            }
            Question::Scan { modem } => {
                let asked = self.order(|answer| Order::Scan { modem, answer }).await;
                asker.finish(asked.map(|scan| Scanned { entries: scan.entries, elapsed_ms: scan.elapsed_ms })).await;
            }
            Question::RadioCheck { modem } => {
                let asked = self.order(|answer| Order::Check { modem, answer }).await;
                asker.finish(asked.map(|()| json!({"begun": true}))).await;
            }
            Question::Accept { modem } => self.accept(modem, asker).await,
            Question::Survey(ask) => asker.finish(self.survey(ask).await).await,
        }
    }

    async fn status(&self) -> Value {
        let mut status = self.facts.status().await;
        let picture = self.modems.picture.borrow().clone();
        status["modems"] = serde_json::to_value(&picture.modems).expect("a picture has a JSON form");
        status
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<Result<T, String>>) -> Order) -> Result<T, String> {
        let (to, answer) = oneshot::channel();
        self.modems.orders.send(order(to)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    async fn watch(&self, asker: &mut Asker) {
        let (mut picture, mut tries, mut fix) =
            (self.modems.picture.clone(), self.modems.tries.clone(), self.fix.clone());
        let (mut samples, mut counted) = (0, None::<tokio::time::Instant>);
        loop {
            if counted.is_none_or(|at| at.elapsed() >= EVERY) {
                let Some(status) = self.facts.spool.status().await else { return };
                (samples, counted) = (status.waiting(), Some(tokio::time::Instant::now()));
            }
            let uplinks = tries.borrow_and_update().uplinks.clone();
            let seen = Seen {
                now_mono_ms: clock::mono_ms(),
                picture: picture.borrow_and_update().as_ref().clone(),
                fix: *fix.borrow_and_update(),
                ping: uplinks.into_iter().filter_map(|(name, tried)| Some((name, pinged(&tried)?))).collect(),
                samples,
            };
            if !asker.say(&seen).await {
                return;
            }
            let changed = async {
                tokio::select! {
                    _ = picture.changed() => {}
                    _ = tries.changed() => {}
                    _ = fix.changed() => {}
                    () = tokio::time::sleep(EVERY) => {}
                }
                tokio::time::sleep(APART).await;
            };
            tokio::select! {
                () = changed => {}
                () = asker.gone() => return,
            }
        }
    }

    async fn accept(&self, modem: crate::device::modem::ModemKey, asker: &mut Asker) {
        let (to, mut steps) = mpsc::channel(1);
        if self.modems.orders.send(Order::Accept { modem, steps: to }).await.is_err() {
            return asker.refuse(&stopping()).await;
        }
        loop {
            let step = tokio::select! {
                step = steps.recv() => step,
                // What was begun for this asker ends with it.
                () = asker.gone() => return,
            };
            match step {
                None => return,
                Some(Ok(step)) if asker.say(&step).await => {}
                Some(Ok(_)) => return,
                Some(Err(why)) => return asker.refuse(&why).await,
            }
        }
    }

    async fn survey(&self, ask: survey::Ask) -> Result<survey::Answer, String> {
        let Some(surveys) = &self.surveys else {
            return Ok(survey::Answer { refused: vec![survey::Refusal::NotInThisBuild], survey: None });
        };
        let (answer, told) = oneshot::channel();
        surveys.send(survey::Request { ask, answer }).await.map_err(|_| stopping())?;
        told.await.map_err(|_| stopping())
    }
}

/// The last attempt, where there was one.
fn pinged(tried: &Tried) -> Option<Pinged> {
    let answered = tried.answered_mono_ms.map(|at_mono_ms| Pinged { at_mono_ms, rtt_us: tried.rtt_us });
    let failed = tried.failed_mono_ms.map(|at_mono_ms| Pinged { at_mono_ms, rtt_us: None });
    answered.into_iter().chain(failed).max_by_key(|pinged| pinged.at_mono_ms)
}
