//! The JSON form of a batch, so that a shell script with `mosquitto_pub` can be a probe.
//!
//! `{"v":1,"samples":[{..},..]}`, with `epoch` and a `seq` per sample where the sender numbers its samples itself.

use crate::context::{Clock, Place, SetupRef, Target, Uplink};
use crate::failure::Failure;
use crate::id::{BootId, Epoch, ProbeId, hex16};
use crate::kind::Reading;
use crate::limits;
use crate::payload::{BadSample, Batch, DecodeError};
use crate::sample::{Outcome, Sample, Violation};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Incoming<'a> {
    v: u8,
    probe: Option<ProbeId>,
    epoch: Option<Epoch>,
    #[serde(borrow)]
    samples: Vec<&'a RawValue>,
}

/// The same, read in one go.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direct {
    v: u8,
    probe: Option<ProbeId>,
    epoch: Option<Epoch>,
    samples: Vec<JsonSample>,
}

#[derive(Serialize)]
struct Outgoing<'a> {
    v: u8,
    probe: &'a ProbeId,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<Epoch>,
    samples: Vec<JsonSample>,
}

/// One sample as JSON. Exactly one of `reading` and `failure` is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Sample"))]
#[serde(deny_unknown_fields)]
pub(crate) struct JsonSample {
    /// 16 hexadecimal digits; stands only beside an epoch.
    #[serde(default, with = "optional_hex16", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    seq: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    boot_id: Option<BootId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mono_ms: Option<u64>,
    /// Milliseconds since 1970 UTC as the sender's clock stood.
    wall_ms: i64,
    #[serde(default)]
    clock: Clock,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<Arc<Place>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    setup: Option<Arc<SetupRef>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uplink: Option<Arc<Uplink>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<Arc<Target>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reading: Option<Reading>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    failure: Option<Failure>,
}

mod optional_hex16 {
    use super::hex16;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(value: &Option<u64>, to: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => hex16::serialize(value, to),
            None => to.serialize_none(),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u64>, D::Error> {
        #[derive(Deserialize)]
        struct Hex(#[serde(with = "hex16")] u64);
        Ok(Option::<Hex>::deserialize(from)?.map(|hex| hex.0))
    }
}

/// Writes samples as JSON; without an epoch the receiver makes their ids from their content.
pub fn encode(probe: &ProbeId, epoch: Epoch, samples: &[Sample]) -> Vec<u8> {
    let numbered = !epoch.is_foreign();
    let samples = samples.iter().map(|sample| JsonSample::of(sample, numbered)).collect();
    let message = Outgoing { v: 1, probe, epoch: numbered.then_some(epoch), samples };
    serde_json::to_vec(&message).expect("writing JSON to memory cannot fail")
}

pub(crate) fn decode(payload: &[u8]) -> Result<Batch, DecodeError> {
    match faultless(payload) {
        Some(batch) => Ok(batch),
        None => sample_by_sample(payload),
    }
}

/// The batch when nothing at all is wrong with it, as is usual; then its text is looked at once.
fn faultless(payload: &[u8]) -> Option<Batch> {
    let Direct { v, probe, epoch, samples } = serde_json::from_slice(payload).ok()?;
    if v != 1 || !(1..=limits::BATCH_SAMPLES).contains(&samples.len()) || epoch.is_some_and(Epoch::is_foreign) {
        return None;
    }
    let sample = |parsed: JsonSample| parsed.into_sample(epoch).ok().filter(|sample| sample.check().is_ok());
    let samples: Vec<Sample> = samples.into_iter().map(sample).collect::<Option<_>>()?;
    let ascending = samples.windows(2).all(|pair| pair[0].seq < pair[1].seq);
    (epoch.is_none() || ascending).then(|| Batch {
        probe,
        epoch: epoch.unwrap_or(Epoch::FOREIGN),
        samples,
        bad: Vec::new(),
    })
}

/// Finds what is wrong, sample by sample, so that the good ones are taken.
fn sample_by_sample(payload: &[u8]) -> Result<Batch, DecodeError> {
    let failed = |e: serde_json::Error| DecodeError::Json { detail: e.to_string() };
    let incoming: Incoming<'_> = serde_json::from_slice(payload).map_err(failed)?;
    if incoming.v != 1 {
        return Err(DecodeError::Version { version: incoming.v });
    }
    if !(1..=limits::BATCH_SAMPLES).contains(&incoming.samples.len()) {
        return Err(DecodeError::Header { rule: "a batch holds 1 to 1,000 samples" });
    }
    if incoming.epoch.is_some_and(Epoch::is_foreign) {
        return Err(DecodeError::Header { rule: "epoch 0 is for records without an id of ours: leave it out" });
    }
    let mut batch = Batch {
        probe: incoming.probe,
        epoch: incoming.epoch.unwrap_or(Epoch::FOREIGN),
        samples: Vec::with_capacity(incoming.samples.len()),
        bad: Vec::new(),
    };
    for raw in incoming.samples {
        let (seq, result) = one(raw.get(), incoming.epoch);
        match result {
            Ok(sample) => batch.samples.push(sample),
            Err(why) => batch.bad.push(BadSample { seq, raw: alone(&batch, raw.get()), why }),
        }
    }
    if !batch.epoch.is_foreign() {
        batch.samples.sort_by_key(|sample| sample.seq);
        if batch.samples.windows(2).any(|pair| pair[0].seq == pair[1].seq) {
            return Err(DecodeError::Header { rule: "two samples of one batch have the same seq" });
        }
    }
    Ok(batch)
}

fn one(text: &str, epoch: Option<Epoch>) -> (u64, Result<Sample, Violation>) {
    let parsed: JsonSample = match serde_json::from_str(text) {
        Ok(parsed) => parsed,
        Err(e) => return (seq_alone(text), Err(json_violation(text, &e))),
    };
    let seq = parsed.seq;
    let result = parsed.into_sample(epoch).and_then(|sample| sample.check().map(|()| sample));
    (seq.unwrap_or(0), result)
}

/// The `seq` of a sample that does not parse as a whole, so that its id can still be accounted for.
fn seq_alone(text: &str) -> u64 {
    #[derive(Deserialize)]
    struct SeqOnly {
        #[serde(with = "hex16")]
        seq: u64,
    }
    serde_json::from_str::<SeqOnly>(text).map_or(0, |only| only.seq)
}

fn json_violation(text: &str, error: &serde_json::Error) -> Violation {
    #[derive(Deserialize)]
    struct KindOnly<'a> {
        #[serde(borrow)]
        reading: Option<Kind<'a>>,
    }
    #[derive(Deserialize)]
    struct Kind<'a> {
        #[serde(borrow)]
        kind: std::borrow::Cow<'a, str>,
    }
    let kind = serde_json::from_str::<KindOnly<'_>>(text).ok().and_then(|only| only.reading).map(|r| r.kind);
    let known = |name: &str| crate::kind::ReadingKind::ALL.iter().any(|kind| kind.name() == name);
    match kind {
        Some(name) if !known(&name) => Violation::UnknownKind { code: 0 },
        _ => Violation::Malformed { detail: error.to_string() },
    }
}

/// A payload of this one record, as it stood.
fn alone(batch: &Batch, raw: &str) -> Vec<u8> {
    let mut out = String::from("{\"v\":1,");
    if let Some(probe) = &batch.probe {
        out += &format!("\"probe\":\"{probe}\",");
    }
    if !batch.epoch.is_foreign() {
        out += &format!("\"epoch\":\"{}\",", batch.epoch);
    }
    out += "\"samples\":[";
    out += raw;
    out += "]}";
    out.into_bytes()
}

impl JsonSample {
    fn of(sample: &Sample, numbered: bool) -> Self {
        let (reading, failure) = match &sample.outcome {
            Outcome::Reading(reading) => (Some(reading.clone()), None),
            Outcome::Failure(failure) => (None, Some(failure.clone())),
        };
        JsonSample {
            seq: numbered.then_some(sample.seq),
            boot_id: sample.boot_id,
            mono_ms: sample.mono_ms,
            wall_ms: sample.wall_ms,
            clock: sample.clock,
            place: sample.place.clone(),
            setup: sample.setup.clone(),
            uplink: sample.uplink.clone(),
            target: sample.target.clone(),
            reading,
            failure,
        }
    }

    fn into_sample(self, epoch: Option<Epoch>) -> Result<Sample, Violation> {
        let outcome = match (self.reading, self.failure) {
            (Some(reading), None) => Outcome::Reading(reading),
            (None, Some(failure)) => Outcome::Failure(failure),
            _ => return Err(Violation::Rule { field: "reading", rule: "give either a reading or a failure" }),
        };
        let seq = match (epoch, self.seq) {
            (Some(_), Some(seq)) => seq,
            (None, None) => 0,
            (Some(_), None) => {
                return Err(Violation::Rule { field: "seq", rule: "is missing; with an epoch each sample has one" });
            }
            (None, Some(_)) => {
                return Err(Violation::Rule { field: "seq", rule: "stands only beside an epoch" });
            }
        };
        Ok(Sample {
            seq,
            boot_id: self.boot_id,
            mono_ms: self.mono_ms,
            wall_ms: self.wall_ms,
            clock: self.clock,
            place: self.place,
            setup: self.setup,
            uplink: self.uplink,
            target: self.target,
            outcome,
        })
    }
}
