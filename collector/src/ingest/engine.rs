//! Messages into the store, a group to a transaction: the contract of `docs/wire.md` lives here.
//!
//! In: decoded messages. Out: [`Done`] after the commit, never before; when the store takes nothing, without a word to
//! the probes, so that everything comes again. Refuses to know: threads, MQTT, SQL.

use super::accept::{From, Verdict, accept};
use super::acks::{Book, Done};
use super::counters::{Counters, Fate};
use super::decode::{Content, Decoded, payload_of};
use super::phones::Phones;
use crate::store::{
    Applied, LedgerKind, LetterFate, NewLetter, ProbeRef, Pruner, Reader, Reason, Refusal, StepLimits, Store,
    StoreError,
};
use phusong_protocol::{Ack, AckResult, Channel, ProbeId, Ranges, Topic};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

pub struct Engine {
    store: Store,
    counters: Arc<Counters>,
    pruner: Pruner,
    phones: Phones,
    acks_before_commit: bool,
}

/// What became of a dead letter that was replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// Taken; so many samples were stored, so many were there already.
    Accepted {
        stored: u64,
        duplicate: u64,
    },
    /// Still not acceptable, for the same reason.
    StillDead,
    /// It was replayed before.
    Before,
    Unknown,
}

/// One transaction's notes.
#[derive(Default)]
pub(super) struct Group {
    pub(super) book: Book,
    fates: [u64; Fate::ALL.len()],
    letters: u64,
    certain_at_ms: Vec<i64>,
}

impl Group {
    pub(super) fn count(&mut self, fate: Fate, n: usize) {
        self.fates[fate as usize] += n as u64;
    }

    pub(super) fn applied(&mut self, applied: Applied) {
        self.fates[Fate::Stored as usize] += applied.stored_rows - applied.uncertain_rows;
        self.fates[Fate::Uncertain as usize] += applied.uncertain_rows;
        self.fates[Fate::Duplicate as usize] += applied.duplicate_rows;
        self.certain_at_ms.extend(applied.certain_at_ms);
    }
}

impl Engine {
    pub fn new(store: Store, counters: Arc<Counters>) -> Self {
        let pruner = Pruner::new(store.retention(), StepLimits::default());
        Engine { store, counters, pruner, phones: Phones::default(), acks_before_commit: sabotaged() }
    }

    pub fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    pub(super) fn phones(&mut self) -> &mut Phones {
        &mut self.phones
    }

    /// Deals with every message of a group and says so, whatever happens.
    pub fn group(&mut self, messages: &[Decoded], now_ms: i64, done: &mut impl FnMut(Done)) {
        match self.attempt(messages, now_ms, done) {
            Ok(()) => {}
            Err(error) if messages.len() > 1 && !error.refuses_writes() => {
                // One message is to blame: the others must not suffer for it.
                for message in messages {
                    let alone = std::slice::from_ref(message);
                    if let Err(error) = self.attempt(alone, now_ms, done) {
                        self.give_up(alone, &error, done);
                    }
                }
            }
            Err(error) => self.give_up(messages, &error, done),
        }
    }

    /// Whether [`Engine::idle`] has something to do.
    pub fn has_backlog(&self) -> bool {
        self.store.has_backlog()
    }

    /// Goes on with re-timing and pruning when nothing arrives.
    pub fn idle(&mut self, now_ms: i64) {
        if self.has_backlog()
            && let Err(error) = self.attempt(&[], now_ms, &mut |_| {})
        {
            self.give_up(&[], &error, &mut |_| {});
        }
        self.prune(now_ms, false);
    }

    /// One small step of pruning, if one is due; `busy`: messages wait. A step that fails changes nothing and comes
    /// again in a minute.
    pub fn prune(&mut self, now_ms: i64, busy: bool) {
        if !self.pruner.due(now_ms, busy) {
            return;
        }
        let mut pruner = self.pruner.clone();
        let writer = self.store.writer();
        let result = writer.begin(now_ms).and_then(|()| {
            writer.prune(&mut pruner, now_ms)?;
            writer.commit()
        });
        match result {
            Ok(committed) => {
                self.pruner = pruner;
                self.counters.retimed.fetch_add(committed.retimed, Ordering::Relaxed);
            }
            Err(error) => {
                writer.rollback();
                self.pruner.failed(now_ms);
                tracing::warn!("pruning what is too old failed and is tried again in a minute: {error}");
            }
        }
    }

    /// Takes one dead letter in again, under the rules and the registry of today.
    pub fn replay(&mut self, reader: &Reader, id: i64, now_ms: i64) -> Result<Replay, StoreError> {
        let Some(letter) = reader.letter(id)? else { return Ok(Replay::Unknown) };
        if letter.replayed_ms.is_some() {
            return Ok(Replay::Before);
        }
        self.store.writer().begin(now_ms)?;
        let result = self.replay_in(id, &letter.probe, letter.raw, letter.received_ms, now_ms);
        if result.is_err() {
            self.store.writer().rollback();
        }
        result
    }

    fn replay_in(
        &mut self,
        id: i64,
        probe: &str,
        raw: Vec<u8>,
        received_ms: i64,
        now_ms: i64,
    ) -> Result<Replay, StoreError> {
        let bad = |e| StoreError::Content { table: "dead_letter", row: id, detail: format!("{e}") };
        let probe: ProbeId = probe.parse().map_err(bad)?;
        let site = self.store.writer().registry()?.get(&probe).map(|known| known.site.clone());
        let Some(site) = site else {
            return Err(StoreError::Content {
                table: "dead_letter",
                row: id,
                detail: "its probe is not registered".into(),
            });
        };
        let topic = Topic::new(&site, &probe, Channel::Batch).to_string();
        let message = Decoded::of(super::Incoming { topic, payload: raw, received_ms, token: 0 });
        let before = self.store.writer().letter_copies(id)?;
        let mut group = Group::default();
        self.apply(&message, &mut group)?;
        let count = |fate: Fate| group.fates[fate as usize];
        let outcome = if self.store.writer().letter_copies(id)? != before || count(Fate::Unauthorised) > 0 {
            Replay::StillDead
        } else {
            self.store.writer().letter_replayed(id, now_ms)?;
            let stored = count(Fate::Stored) + count(Fate::Uncertain);
            Replay::Accepted { stored, duplicate: count(Fate::Duplicate) }
        };
        self.store.writer().commit()?;
        Ok(outcome)
    }

    fn attempt(&mut self, messages: &[Decoded], now_ms: i64, done: &mut impl FnMut(Done)) -> Result<(), StoreError> {
        let result = self.transact(messages, now_ms, done);
        if result.is_err() {
            self.store.writer().rollback();
        }
        result
    }

    fn transact(&mut self, messages: &[Decoded], now_ms: i64, done: &mut impl FnMut(Done)) -> Result<(), StoreError> {
        self.store.writer().begin(now_ms)?;
        let mut group = Group::default();
        for message in messages {
            self.apply(message, &mut group)?;
        }
        if self.acks_before_commit {
            std::mem::take(&mut group.book).close().for_each(&mut *done);
            // Wide enough for a kill to land in it.
            std::thread::sleep(std::time::Duration::from_millis(250));
        }
        let started = Instant::now();
        let committed = self.store.writer().commit()?;
        self.counters.commit_seconds.observe(started.elapsed().as_secs_f64());
        let wrote = [Fate::Stored, Fate::Uncertain, Fate::Duplicate].iter().any(|fate| group.fates[*fate as usize] > 0);
        // A transaction without a write proves nothing about the disk.
        if (wrote || group.letters + committed.retimed > 0) && self.counters.set_degraded(None) {
            tracing::info!("the store takes writes again");
        }
        let counters = &self.counters;
        counters.commits.fetch_add(1, Ordering::Relaxed);
        counters.messages.fetch_add(messages.len() as u64, Ordering::Relaxed);
        counters.dead_letters.fetch_add(group.letters, Ordering::Relaxed);
        counters.retimed.fetch_add(committed.retimed, Ordering::Relaxed);
        Fate::ALL.into_iter().zip(group.fates).filter(|(_, n)| *n > 0).for_each(|(fate, n)| counters.add(fate, n));
        for at_ms in group.certain_at_ms {
            counters.delay.observe(now_ms.saturating_sub(at_ms) as f64 / 1e3);
        }
        for probe in committed.clones {
            counters.clones_suspected.fetch_add(1, Ordering::Relaxed);
            let name = self.store.writer().registry()?.name(probe).map(ToString::to_string).unwrap_or_default();
            tracing::warn!(
                probe = name,
                "two devices seem to send as this probe (cloned identity): their starts name the same predecessor, or \
                 overlap in time; give one of them an id of its own"
            );
        }
        group.book.close().for_each(done);
        Ok(())
    }

    /// Nothing is acknowledged, so everything comes again.
    fn give_up(&mut self, messages: &[Decoded], error: &StoreError, done: &mut impl FnMut(Done)) {
        self.counters.store_failures.fetch_add(1, Ordering::Relaxed);
        if error.refuses_writes() {
            if self.counters.set_degraded(Some(error.to_string())) {
                tracing::error!("the store takes no writes: {error}; nothing is acknowledged until it does");
            }
        } else {
            tracing::error!("a message could not be stored and is left with its probe: {error}");
        }
        let mut book = Book::default();
        for message in messages {
            self.counters.add(Fate::NotCommitted, message.rows() as u64);
            book.token(message.topic.as_ref(), message.token);
        }
        book.close().for_each(done);
    }

    fn apply(&mut self, message: &Decoded, group: &mut Group) -> Result<(), StoreError> {
        if let Some(probe) = &message.phone {
            return self.phone(message, probe, group);
        }
        group.book.token(message.topic.as_ref(), message.token);
        match accept(message, self.store.writer().registry()?) {
            Verdict::Garbage => group.count(Fate::Garbage, 1),
            Verdict::Unauthorised { topic, why } => {
                group.count(Fate::Unauthorised, message.rows());
                group.book.payload(topic, Ack::payload(AckResult::Refused, &message.payload, why));
            }
            Verdict::Unreadable { from, error } => {
                if self.letter(
                    group,
                    from,
                    message.received_ms,
                    Reason::Rejected,
                    &error.to_string(),
                    &message.payload,
                )? {
                    group.count(Fate::Rejected, 1);
                    let ack = Ack::payload(AckResult::Rejected, &message.payload, error.reason());
                    group.book.payload(from.topic, ack);
                } else {
                    group.count(Fate::Garbage, 1);
                }
            }
            Verdict::WrongTopic { from, content } => {
                let named = content.probe.as_ref().map_or("", |probe| probe.as_str());
                let detail = format!("the payload names probe {named}");
                let kept =
                    self.letter(group, from, message.received_ms, Reason::WrongTopic, &detail, &message.payload)?;
                group.count(if kept { Fate::WrongTopic } else { Fate::DeadLettersFull }, message.rows());
            }
            Verdict::WrongSite { from, content, registered } => {
                let detail = format!("the probe is registered at site {registered}");
                let kept =
                    self.letter(group, from, message.received_ms, Reason::WrongSite, &detail, &message.payload)?;
                group.count(if kept { Fate::WrongSite } else { Fate::DeadLettersFull }, message.rows());
                if kept {
                    self.buried(group, from, content, &ids(content))?;
                }
            }
            Verdict::Good { from, content } => return self.take(group, from, content, message.received_ms),
        }
        Ok(())
    }

    /// A readable batch of a probe that may send it.
    fn take(
        &mut self,
        group: &mut Group,
        from: From<'_>,
        content: &Content,
        received_ms: i64,
    ) -> Result<(), StoreError> {
        let From { topic, probe } = from;
        let mut dead = Ranges::new();
        for bad in &content.bad {
            let kept = self.letter(group, from, received_ms, bad.reason, &bad.detail, &bad.raw)?;
            group.count(if kept { bad.reason.into() } else { Fate::DeadLettersFull }, 1);
            if let (true, Some(seq)) = (kept, bad.seq) {
                dead.insert(seq, seq);
            }
        }
        let applied = self.store.writer().store(probe, content.epoch, received_ms, &content.observations)?;
        let mut contradicted = Ranges::new();
        for &(at, refusal) in &applied.refused {
            let (reason, detail) = refusal.explained();
            let observation = &content.observations[at];
            let raw = payload_of(&topic.probe, content.epoch, observation);
            let kept = self.letter(group, from, received_ms, reason, detail, &raw)?;
            group.count(if kept { reason.into() } else { Fate::DeadLettersFull }, 1);
            // The id of a contradiction is accounted for already.
            let ids = if refusal == Refusal::Conflict { &mut contradicted } else { &mut dead };
            if kept {
                ids.insert(observation.seq, observation.seq);
            }
        }
        self.buried(group, from, content, &dead)?;
        group.book.ids(topic, AckResult::DeadLetter, content.epoch, &contradicted);
        group.book.ids(topic, AckResult::Stored, content.epoch, &applied.stored);
        group.book.ids(topic, AckResult::Duplicate, content.epoch, &applied.duplicate);
        group.applied(applied);
        Ok(())
    }

    /// Ids that are dead letters now: not missing, and their probe may forget them.
    fn buried(&mut self, group: &mut Group, from: From<'_>, content: &Content, ids: &Ranges) -> Result<(), StoreError> {
        self.store.writer().explain(from.probe, content.epoch, LedgerKind::DeadLetter, ids)?;
        group.book.ids(from.topic, AckResult::DeadLetter, content.epoch, ids);
        Ok(())
    }

    /// Whether the letter is kept, now or since before.
    pub(super) fn letter(
        &mut self,
        group: &mut Group,
        from: From<'_>,
        received_ms: i64,
        reason: Reason,
        detail: &str,
        raw: &[u8],
    ) -> Result<bool, StoreError> {
        let probe: ProbeRef = from.probe;
        let letter = NewLetter { probe, site: &from.topic.site, received_ms, reason, detail, raw };
        let writer = self.store.writer();
        writer.heard(probe, received_ms)?;
        let fate = writer.dead_letter(&letter)?;
        group.letters += u64::from(fate == LetterFate::New);
        Ok(fate != LetterFate::Full)
    }
}

fn ids(content: &Content) -> Ranges {
    let good = content.observations.iter().map(|observation| observation.seq);
    good.chain(content.bad.iter().filter_map(|bad| bad.seq)).collect()
}

/// For the self-test of the fault rounds: acknowledging before the commit must show as loss there.
#[cfg(debug_assertions)]
fn sabotaged() -> bool {
    std::env::var_os("PHUSONG_SABOTAGE").is_some_and(|what| what == "ack-before-commit")
}

#[cfg(not(debug_assertions))]
fn sabotaged() -> bool {
    false
}
