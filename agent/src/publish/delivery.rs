//! When to send which batch, and what an acknowledgement means: decisions only.
//!
//! In: the monotonic clock as an argument, and events. Out: actions for whoever has the spool and the connection.
//! Refuses to know: clocks, I/O, brokers, what is in a payload. Limits: [`IN_FLIGHT`] batches in flight, as many
//! waiting to be repeated.
//!
//! A batch that is not acknowledged is repeated after `retry_first_ms`, doubling to `retry_max_ms`, +-50 %. When the
//! first repetition brought nothing either and nothing at all was acknowledged since, everything in flight is forgotten (it
//! is on disk) and one batch of at most [`CANARY_BYTES`] goes alone until something is acknowledged: a broker that
//! forgets must not burn the SIM.

use super::PublishConfig;
use crate::spool::{BatchRequest, OutBatch, Pick, settled_by};
use phusong_protocol::{AckMessage, AckResult, Epoch, Ranges};
use std::collections::VecDeque;

pub const IN_FLIGHT: usize = 8;
pub const CANARY_BYTES: usize = 4 * 1024;
/// Of this many sends one is the newest data, the others are backlog.
const NEWEST_EVERY: u64 = 4;
/// From this repetition on, with nothing acknowledged, only the canary goes.
const CANARY_FROM: u32 = 2;
/// The broker takes a publish within this time (less where repetitions are quicker), or the connection is given up.
/// A PUBACK that never comes keeps its packet id for ever, and the client stops at the first id that it needs again.
const TAKEN_WITHIN_MS: u64 = 60_000;
/// Publishes remembered as not taken; the oldest decides.
const UNTAKEN: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A session is open; payloads beyond the given size are not taken by its broker.
    Connected {
        max_payload: usize,
    },
    Disconnected,
    /// Samples became durable.
    Durable {
        urgent: bool,
    },
    /// The answer to [`Action::Pick`].
    Picked(Option<OutBatch>),
    /// The broker took a batch.
    Taken {
        id: u64,
    },
    Acked(AckMessage),
    /// Time passed.
    Tick,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Ask the spool; one [`Event::Picked`] answers, unless the connection ends first.
    Pick(BatchRequest),
    Send {
        id: u64,
        payload: Vec<u8>,
        again: bool,
    },
    /// The collector has these: the spool may forget them.
    Settle(Epoch, Ranges),
    /// The collector rejected these twice.
    Quarantine(Epoch, Ranges),
    /// Nothing moves: drop the session and make another.
    Reconnect,
}

/// What is counted for the status.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    pub sent: u64,
    pub sent_bytes: u64,
    pub acks: u64,
    pub retries: u64,
    pub rejected: u64,
    pub refused: Option<String>,
}

struct Flight {
    id: u64,
    epoch: Epoch,
    /// What of it is not settled yet.
    seqs: Ranges,
    crc32: u32,
    /// 0 for the first sending.
    attempt: u32,
    sent_ms: u64,
    due_ms: u64,
    taken: bool,
    rejected: bool,
}

/// A batch that is to be read from disk and sent again.
struct Again {
    epoch: Epoch,
    seqs: Ranges,
    attempt: u32,
    rejected: bool,
}

/// What the outstanding [`Action::Pick`] is for.
enum Picking {
    Fresh,
    Again(Again),
}

/// The state of delivery.
pub struct Delivery {
    config: PublishConfig,
    random: fastrand::Rng,
    max_payload: Option<usize>,
    flights: Vec<Flight>,
    again: VecDeque<Again>,
    picking: Option<Picking>,
    /// Publishes of this session that the broker has not taken, with their time; also those given up since.
    untaken: VecDeque<(u64, u64)>,
    next_id: u64,
    /// Fresh batches sent, for the newest's turn.
    fresh: u64,
    /// When fresh samples may be looked for; `None` while there are none.
    fresh_from: Option<u64>,
    /// Repetitions in a row without any acknowledgement.
    silent: u32,
    /// No canary before this.
    canary_from: u64,
    last_ack_ms: Option<u64>,
    /// Connections in a row that ended with batches not taken and nothing acknowledged.
    barren: u32,
    pub tally: Tally,
}

impl Delivery {
    pub fn new(config: PublishConfig, seed: u64) -> Self {
        Delivery {
            config,
            random: fastrand::Rng::with_seed(seed),
            max_payload: None,
            flights: Vec::new(),
            again: VecDeque::new(),
            picking: None,
            untaken: VecDeque::new(),
            next_id: 0,
            fresh: 0,
            fresh_from: Some(0),
            silent: 0,
            canary_from: 0,
            last_ack_ms: None,
            barren: 0,
            tally: Tally::default(),
        }
    }

    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Whether only the canary goes.
    pub fn is_canary(&self) -> bool {
        self.silent >= CANARY_FROM
    }

    /// The one entrance. `now_ms` never goes back.
    pub fn handle(&mut self, now_ms: u64, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        match event {
            Event::Connected { max_payload } => {
                self.max_payload = Some(max_payload);
                self.untaken.clear();
                self.fresh_from = Some(now_ms);
            }
            Event::Disconnected => self.disconnected(now_ms),
            Event::Durable { urgent } => {
                let wait = if urgent { 0 } else { self.config.gather_ms };
                let from = now_ms + wait;
                self.fresh_from = Some(self.fresh_from.map_or(from, |before| before.min(from)));
            }
            Event::Picked(batch) => self.picked(now_ms, batch, &mut actions),
            Event::Taken { id } => {
                self.untaken.retain(|(untaken, _)| *untaken != id);
                self.flights.iter_mut().filter(|f| f.id == id).for_each(|f| f.taken = true);
            }
            Event::Acked(message) => self.acked(now_ms, &message, &mut actions),
            Event::Tick => {}
        }
        self.expire(now_ms, &mut actions);
        self.pump(now_ms, &mut actions);
        actions
    }

    /// When [`Event::Tick`] is due at the latest.
    pub fn wake_at(&self) -> Option<u64> {
        self.max_payload?;
        let dues = self.flights.iter().map(|f| f.due_ms).chain(self.stuck_at());
        let fresh = match self.picking {
            None if self.is_canary() && self.flights.is_empty() => Some(self.canary_from),
            None if !self.is_canary() && self.flights.len() < IN_FLIGHT => self.fresh_from,
            _ => None,
        };
        dues.chain(fresh).min()
    }

    /// When the connection is given up.
    fn stuck_at(&self) -> Option<u64> {
        let within = TAKEN_WITHIN_MS.min(self.config.retry_first_ms.saturating_mul(4));
        self.untaken.front().map(|(_, sent_ms)| sent_ms.saturating_add(within))
    }

    /// A delay for the given attempt, +-50 %.
    fn delay(&mut self, attempt: u32) -> u64 {
        let doubled = self.config.retry_first_ms.saturating_mul(1u64 << attempt.min(32));
        let delay = doubled.min(self.config.retry_max_ms);
        delay / 2 + self.random.u64(0..=delay)
    }

    fn disconnected(&mut self, now_ms: u64) {
        self.max_payload = None;
        // Whoever carries the actions out stopped at the first that failed.
        if let Some(Picking::Again(again)) = self.picking.take() {
            self.again.push_front(again);
        }
        let lost: Vec<Flight> = self.flights.extract_if(.., |f| !f.taken).collect();
        if lost.is_empty() {
            return;
        }
        let unheard = lost.iter().any(|f| self.last_ack_ms.is_none_or(|ack| ack < f.sent_ms));
        self.barren = if unheard { self.barren + 1 } else { 0 };
        if self.is_canary() {
            // It goes again when it is due, however often the connection breaks.
            self.canary_from = lost.iter().map(|f| f.due_ms).max().unwrap_or(now_ms);
        } else if self.barren >= CANARY_FROM {
            self.go_silent(CANARY_FROM, now_ms);
        } else {
            for flight in lost {
                self.repeat(flight);
            }
        }
    }

    /// Looks for batches whose time is up.
    fn expire(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        if self.max_payload.is_none() {
            return;
        }
        if self.stuck_at().is_some_and(|at| at <= now_ms) {
            self.untaken.clear();
            return actions.push(Action::Reconnect);
        }
        let late: Vec<Flight> = self.flights.extract_if(.., |f| f.due_ms <= now_ms).collect();
        for flight in &late {
            if self.last_ack_ms.is_none_or(|ack| ack < flight.sent_ms) {
                self.silent = self.silent.max(flight.attempt + 1);
            }
        }
        if late.is_empty() {
        } else if self.is_canary() {
            self.go_silent(self.silent, now_ms);
        } else {
            late.into_iter().for_each(|flight| self.repeat(flight));
        }
    }

    fn repeat(&mut self, flight: Flight) {
        let attempt = flight.attempt + 1;
        self.again.push_back(Again { epoch: flight.epoch, seqs: flight.seqs, attempt, rejected: flight.rejected });
    }

    /// Forgets what is in flight, which is all on disk, and sends a canary from `from_ms` on.
    fn go_silent(&mut self, silent: u32, from_ms: u64) {
        self.silent = silent;
        self.flights.clear();
        self.again.clear();
        self.canary_from = from_ms;
    }

    fn pump(&mut self, now_ms: u64, actions: &mut Vec<Action>) {
        let Some(max_payload) = self.max_payload.filter(|_| self.picking.is_none()) else { return };
        let skip = self.in_flight_ids();
        let max_bytes = max_payload.min(self.config.batch_bytes);
        if self.is_canary() {
            if self.flights.is_empty() && self.canary_from <= now_ms {
                self.picking = Some(Picking::Fresh);
                let max_bytes = max_bytes.min(CANARY_BYTES);
                actions.push(Action::Pick(BatchRequest { pick: Pick::Oldest, max_bytes, skip }));
            }
        } else if self.flights.len() >= IN_FLIGHT {
        } else if let Some(again) = self.again.pop_front() {
            let pick = Pick::Exact(again.epoch, again.seqs.clone());
            self.picking = Some(Picking::Again(again));
            actions.push(Action::Pick(BatchRequest { pick, max_bytes, skip }));
        } else if self.fresh_from.is_some_and(|from| from <= now_ms) {
            let newest = self.fresh % NEWEST_EVERY == NEWEST_EVERY - 1;
            let pick = if newest { Pick::Newest } else { Pick::Oldest };
            self.picking = Some(Picking::Fresh);
            actions.push(Action::Pick(BatchRequest { pick, max_bytes, skip }));
        }
    }

    /// What must not be picked again: in flight, or about to be repeated.
    fn in_flight_ids(&self) -> Vec<(Epoch, Ranges)> {
        let mut ids: Vec<(Epoch, Ranges)> = Vec::new();
        let flights = self.flights.iter().map(|f| (f.epoch, &f.seqs));
        for (epoch, seqs) in flights.chain(self.again.iter().skip(1).map(|a| (a.epoch, &a.seqs))) {
            match ids.iter_mut().find(|(e, _)| *e == epoch) {
                Some((_, all)) => all.union(seqs),
                None => ids.push((epoch, seqs.clone())),
            }
        }
        ids
    }

    fn picked(&mut self, now_ms: u64, batch: Option<OutBatch>, actions: &mut Vec<Action>) {
        let Some(picking) = self.picking.take() else { return };
        let Some(batch) = batch else {
            // Nothing left: of a repetition because it was settled or dropped meanwhile, else of all.
            if matches!(picking, Picking::Fresh) {
                self.fresh_from = None;
                self.canary_from = now_ms + self.config.retry_first_ms;
            }
            return;
        };
        let max_payload = self.max_payload.unwrap_or(usize::MAX);
        if batch.payload.len() > max_payload && batch.seqs.count() == 1 {
            // A single sample that this broker will never take: sending it would end the connection, for ever.
            return actions.push(Action::Quarantine(batch.epoch, batch.seqs));
        }
        let (mut attempt, mut rejected) = (if self.is_canary() { self.silent } else { 0 }, false);
        match picking {
            Picking::Again(mut again) => {
                (attempt, rejected) = (again.attempt, again.rejected);
                again.seqs.subtract(&batch.seqs);
                // What did not fit any more (the broker's bound shrank) is picked up as backlog.
                self.fresh_from = if again.seqs.is_empty() { self.fresh_from } else { Some(now_ms) };
            }
            Picking::Fresh => self.fresh += 1,
        }
        self.send(now_ms, batch, attempt, rejected, actions);
    }

    fn send(&mut self, now_ms: u64, batch: OutBatch, attempt: u32, rejected: bool, actions: &mut Vec<Action>) {
        let id = self.next_id;
        self.next_id += 1;
        self.tally.sent += 1;
        self.tally.sent_bytes += batch.payload.len() as u64;
        self.tally.retries += u64::from(attempt > 0);
        let due_ms = now_ms + self.delay(attempt);
        if self.untaken.len() < UNTAKEN {
            self.untaken.push_back((id, now_ms));
        }
        self.flights.push(Flight {
            id,
            epoch: batch.epoch,
            seqs: batch.seqs,
            crc32: batch.crc32,
            attempt,
            sent_ms: now_ms,
            due_ms,
            taken: false,
            rejected,
        });
        actions.push(Action::Send { id, payload: batch.payload, again: attempt > 0 });
    }

    fn acked(&mut self, now_ms: u64, message: &AckMessage, actions: &mut Vec<Action>) {
        for (epoch, ranges) in settled_by(message) {
            self.alive(now_ms);
            self.tally.acks += 1;
            self.tally.refused = None;
            self.flights.iter_mut().filter(|f| f.epoch == epoch).for_each(|f| f.seqs.subtract(ranges));
            self.again.iter_mut().filter(|a| a.epoch == epoch).for_each(|a| a.seqs.subtract(ranges));
            actions.push(Action::Settle(epoch, ranges.clone()));
        }
        self.flights.retain(|f| !f.seqs.is_empty());
        self.again.retain(|a| !a.seqs.is_empty());
        for ack in &message.acks {
            let crc = ack.payload_crc32.as_deref().and_then(|text| u32::from_str_radix(text, 16).ok());
            let Some(at) = crc.and_then(|crc| self.flights.iter().position(|f| f.crc32 == crc)) else { continue };
            match ack.result {
                AckResult::Rejected => self.rejected(now_ms, at, actions),
                // Kept, and repeated at the ordinary pace.
                AckResult::Refused => self.tally.refused = Some(ack.reason.clone().unwrap_or_default()),
                AckResult::Stored | AckResult::Duplicate | AckResult::DeadLetter => {}
            }
        }
    }

    fn rejected(&mut self, now_ms: u64, at: usize, actions: &mut Vec<Action>) {
        let flight = self.flights.remove(at);
        self.tally.rejected += 1;
        self.alive(now_ms);
        if flight.rejected {
            actions.push(Action::Quarantine(flight.epoch, flight.seqs));
        } else {
            let (epoch, seqs, attempt) = (flight.epoch, flight.seqs, flight.attempt);
            self.again.push_front(Again { epoch, seqs, attempt, rejected: true });
        }
    }

    /// The collector answered: whatever was held back may go.
    fn alive(&mut self, now_ms: u64) {
        self.last_ack_ms = Some(now_ms);
        if self.is_canary() {
            self.fresh_from = Some(now_ms);
        }
        self.silent = 0;
        self.barren = 0;
    }
}

#[cfg(test)]
mod tests;
