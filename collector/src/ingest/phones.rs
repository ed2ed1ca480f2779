//! Messages of phones: the same store, the same letters, and nobody to tell.
//!
//! In: messages that [`Decoded::of`] knew for a phone's. Out: rows, or a letter that holds the message itself, so that
//! a replay gives it the identity that its line in a log has. Refuses to know: topics, fields of records. Limits:
//! [`PHONES`] whose SIMs are remembered; then all are forgotten and read back from their latest rows.

use super::accept::From;
use super::counters::Fate;
use super::decode::{Bad, Content, Decoded, observation};
use super::engine::{Engine, Group};
use crate::phones::{self, Data, NoMessage, Sims};
use crate::store::{ProbeRef, Reason, Refusal, StoreError};
use phusong_protocol::{Channel, DecodeError, Epoch, ProbeId, Topic};
use std::collections::HashMap;

/// Phones of one installation that are remembered at once.
const PHONES: usize = 10_000;
/// Rows of a phone that are read back after a start: of every slot one is among them.
const ROWS: u32 = 1_000;

/// Which SIM is in which phone.
#[derive(Default)]
pub struct Phones(HashMap<ProbeRef, Sims>);

/// What a message came to: one observation, or one that is bad.
pub fn content(probe: &ProbeId, payload: &[u8]) -> Result<Content, DecodeError> {
    let mut content = Content { probe: None, epoch: Epoch::FOREIGN, observations: Vec::new(), bad: Vec::new() };
    let bad = |reason, detail| Bad { seq: None, raw: payload.to_vec(), reason, detail };
    match phones::decode(payload) {
        Err(NoMessage::Oversize { bytes }) => return Err(DecodeError::Oversize { bytes }),
        Err(error @ NoMessage::Json { .. }) => return Err(DecodeError::Json { detail: error.to_string() }),
        Err(error) => content.bad.push(bad(Reason::UnknownReading, error.to_string())),
        Ok((kind, fields)) => match phones::sample(kind, &Data { kind, fields: &fields }, probe) {
            Err(error) => content.bad.push(bad(Reason::Violation, error.to_string())),
            Ok(sample) => match sample.check() {
                Err(error) => content.bad.push(bad(Reason::Violation, error.to_string())),
                Ok(()) => content.observations.push(observation(sample, Epoch::FOREIGN)),
            },
        },
    }
    Ok(content)
}

impl Engine {
    pub(super) fn phone(&mut self, message: &Decoded, probe: &ProbeId, group: &mut Group) -> Result<(), StoreError> {
        group.book.token(None, message.token);
        let known = self.store().writer().registry()?.get(probe).filter(|known| !known.retired).cloned();
        let Some(known) = known else {
            group.count(Fate::Unauthorised, 1);
            return Ok(());
        };
        let topic = Topic::new(&known.site, probe, Channel::Batch);
        let from = From { topic: &topic, probe: known.probe };
        match &message.content {
            Err(error) => self.bury(group, from, message, Reason::Rejected, &error.to_string()),
            Ok(content) => {
                for bad in &content.bad {
                    self.bury(group, from, message, bad.reason, &bad.detail)?;
                }
                self.keep(group, from, message, content)
            }
        }
    }

    fn keep(
        &mut self,
        group: &mut Group,
        from: From<'_>,
        message: &Decoded,
        content: &Content,
    ) -> Result<(), StoreError> {
        if content.observations.is_empty() {
            return Ok(());
        }
        let mut observations = content.observations.clone();
        let sims = self.sims(from.probe)?;
        for observation in &mut observations {
            let settled =
                observation.uplink.take().map(|uplink| sims.settle(observation.kind, observation.wall_ms, uplink));
            observation.uplink = settled;
        }
        let received_ms = message.received_ms;
        let applied = self.store().writer().store(from.probe, content.epoch, received_ms, &observations)?;
        for (_, refusal) in &applied.refused {
            let (reason, detail) = refusal.explained();
            self.bury(group, from, message, reason, detail)?;
        }
        group.applied(applied);
        Ok(())
    }

    /// What is known of a phone's SIMs; after a start, what its latest rows say.
    fn sims(&mut self, probe: ProbeRef) -> Result<&mut Sims, StoreError> {
        if !self.phones().0.contains_key(&probe) {
            let mut sims = Sims::default();
            for (at_ms, uplink) in self.store().writer().latest_uplinks(probe, ROWS)? {
                sims.learn(&uplink.interface, at_ms, uplink.sim_plmn.as_deref());
            }
            let Phones(all) = self.phones();
            if all.len() >= PHONES {
                all.clear();
            }
            all.insert(probe, sims);
        }
        Ok(self.phones().0.get_mut(&probe).expect("it was put there above"))
    }

    fn bury(
        &mut self,
        group: &mut Group,
        from: From<'_>,
        message: &Decoded,
        reason: Reason,
        detail: &str,
    ) -> Result<(), StoreError> {
        let kept = self.letter(group, from, message.received_ms, reason, detail, &message.payload)?;
        group.count(if kept { reason.into() } else { Fate::DeadLettersFull }, 1);
        Ok(())
    }
}

impl Refusal {
    /// The reason of its letter, and what is said to a person.
    pub fn explained(self) -> (Reason, &'static str) {
        match self {
            Refusal::Conflict => (Reason::Conflict, "its id is committed with other content"),
            Refusal::TooOld => (Reason::TooOld, "its event time is more than 400 days before it arrived"),
            Refusal::TooManyContexts => (Reason::TooManyContexts, "no room for another target, uplink or set-up"),
        }
    }
}
