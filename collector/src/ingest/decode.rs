//! The border: payload bytes become observations, or the reason why not.
//!
//! In: [`Incoming`]. Out: [`Decoded`], where every sample is an [`Observation`] or a [`Bad`] one. Wire types end here,
//! but for the ids and the contexts that the store keeps as they are. Refuses to know: the registry, the store.

use super::Incoming;
use super::phones;
use crate::store::{Explained, Fact, Observation, Reason};
use phusong_protocol::{
    BadSample, Batch, Channel, Clock, DecodeError, Epoch, Outcome, ProbeId, Reading, Sample, Topic, Violation,
    encode_batch, encode_json,
};
use std::sync::Arc;

/// One message after decoding.
#[derive(Debug)]
pub struct Decoded {
    /// `None` for a topic that is not a batch topic of ours.
    pub topic: Option<Topic>,
    /// The probe of a phone's message; its site is not in the topic.
    pub phone: Option<ProbeId>,
    pub payload: Vec<u8>,
    pub received_ms: i64,
    pub token: u64,
    pub content: Result<Content, DecodeError>,
}

/// What a readable payload holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    /// The probe that the payload names.
    pub probe: Option<ProbeId>,
    pub epoch: Epoch,
    /// Ascending by seq, but for foreign records.
    pub observations: Vec<Observation>,
    pub bad: Vec<Bad>,
}

/// A sample that cannot be an observation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// `None` where its id is not known.
    pub seq: Option<u64>,
    /// A payload of this sample alone.
    pub raw: Vec<u8>,
    pub reason: Reason,
    pub detail: String,
}

impl Decoded {
    pub fn of(incoming: Incoming) -> Self {
        let Incoming { topic, payload, received_ms, token } = incoming;
        let mut phone = crate::phones::probe_of(&topic);
        let topic = Topic::parse(&topic).filter(|topic| topic.channel == Channel::Batch);
        let content = match (&phone, &topic) {
            (Some(probe), _) => phones::content(probe, &payload),
            (None, Some(topic)) => match phusong_protocol::decode(&payload) {
                // A phone's letter is replayed as a batch is.
                Err(_) if crate::phones::is_one(&payload) => {
                    phones::content(phone.insert(topic.probe.clone()), &payload)
                }
                decoded => decoded.map(|batch| content(&topic.probe, batch)),
            },
            // Nobody will look at it.
            (None, None) => Err(DecodeError::Empty),
        };
        Decoded { topic, phone, payload, received_ms, token, content }
    }

    /// Samples in it; one for a payload that cannot be read.
    pub fn rows(&self) -> usize {
        self.content.as_ref().map_or(1, |content| content.observations.len() + content.bad.len()).max(1)
    }
}

/// The observations of a decoded batch; for the bare loop that ingest is compared with.
pub fn observations(probe: &ProbeId, batch: Batch) -> Vec<Observation> {
    content(probe, batch).observations
}

fn content(probe: &ProbeId, batch: Batch) -> Content {
    let epoch = batch.epoch;
    let mut out = Content {
        probe: batch.probe,
        epoch,
        observations: Vec::with_capacity(batch.samples.len()),
        bad: batch.bad.into_iter().map(|bad| Bad::of(bad, epoch)).collect(),
    };
    for sample in batch.samples {
        let sample = if epoch.is_foreign() { sample.with_foreign_id(probe) } else { sample };
        if !epoch.is_foreign() && i64::try_from(sample.seq).is_err() {
            let why = Violation::Rule { field: "seq", rule: "must be below 2^63" };
            let raw = encode_batch(probe, epoch, std::slice::from_ref(&sample));
            out.bad.push(Bad::of(BadSample { seq: sample.seq, raw, why }, epoch));
        } else {
            out.observations.push(observation(sample, epoch));
        }
    }
    out
}

impl Bad {
    fn of(bad: BadSample, epoch: Epoch) -> Self {
        let reason = match bad.why {
            Violation::UnknownKind { .. } => Reason::UnknownReading,
            _ => Reason::Violation,
        };
        let has_id = !epoch.is_foreign() && (bad.seq != 0 || says_its_seq(&bad.raw));
        Bad { seq: has_id.then_some(bad.seq), raw: bad.raw, reason, detail: bad.why.to_string() }
    }
}

/// In JSON a missing `seq` reads as 0, which may be another sample's id.
fn says_its_seq(raw: &[u8]) -> bool {
    if raw.first() != Some(&b'{') {
        return true;
    }
    let value: serde_json::Value = serde_json::from_slice(raw).unwrap_or_default();
    value["samples"][0]["seq"].is_string()
}

/// One sample as the store takes it, under the id that it has.
pub fn observation(sample: Sample, epoch: Epoch) -> Observation {
    let fact = if epoch.is_foreign() { Fact::Nothing } else { fact(&sample.outcome) };
    let place = sample.place.map(|place| minicbor::to_vec(&*place).expect("writing CBOR to memory cannot fail"));
    Observation {
        seq: sample.seq,
        // `Sample::check` bounds `mono_ms` far below 2^63.
        boot: sample.boot_id.zip(sample.mono_ms.and_then(|ms| i64::try_from(ms).ok())),
        wall_ms: sample.wall_ms,
        synced: sample.clock.synced,
        sync_age_s: sample.clock.age_s,
        kind: sample.outcome.kind_code(),
        place,
        target: sample.target,
        uplink: sample.uplink,
        setup: sample.setup,
        body: sample.outcome.to_cbor(),
        fact,
    }
}

fn fact(outcome: &Outcome) -> Fact {
    let Outcome::Reading(reading) = outcome else { return Fact::Nothing };
    match reading {
        Reading::Boot(boot) => Fact::Boot { prev: boot.prev, start: boot.start },
        Reading::Clock(clock) => Fact::Clock { true_ms: clock.true_unix_ms, err_ms: clock.err_ms },
        Reading::Summary(summary) => Fact::Explains {
            why: Explained::Replaced,
            epoch: summary.replaces.epoch,
            ranges: summary.replaces.ranges.clone(),
        },
        Reading::Drop(drop) => {
            Fact::Explains { why: Explained::Dropped, epoch: drop.epoch, ranges: drop.ranges.clone() }
        }
        _ => Fact::Nothing,
    }
}

/// A payload of one observation alone, so that a dead letter can be replayed.
pub fn payload_of(probe: &ProbeId, epoch: Epoch, observation: &Observation) -> Vec<u8> {
    let sample = sample(observation);
    if epoch.is_foreign() { encode_json(probe, epoch, &[sample]) } else { encode_batch(probe, epoch, &[sample]) }
}

fn sample(observation: &Observation) -> Sample {
    let own = "it was encoded from a sample of this form";
    Sample {
        seq: observation.seq,
        boot_id: observation.boot.map(|boot| boot.0),
        mono_ms: observation.boot.map(|boot| boot.1.unsigned_abs()),
        wall_ms: observation.wall_ms,
        clock: Clock { synced: observation.synced, age_s: observation.sync_age_s },
        place: observation.place.as_ref().map(|place| Arc::new(minicbor::decode(place).expect(own))),
        setup: observation.setup.clone(),
        uplink: observation.uplink.clone(),
        target: observation.target.clone(),
        outcome: Outcome::from_cbor(observation.kind, &observation.body).expect(own),
    }
}
