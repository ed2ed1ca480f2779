//! A sample: when, where, by which link, against what, and what came out. Immutable once it is durable in a spool.

use crate::context::{Clock, Place, PlaceSource, SetupRef, Target, Uplink};
use crate::failure::Failure;
use crate::id::{BootId, ProbeId, foreign_seq};
use crate::kind::{FAILURE_CODE, Reading, ReadingKind};
use crate::limits;
use crate::reading::DropClass;
use minicbor::{Decode, Encode};
use std::sync::Arc;

/// What a measurement came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    Reading(Reading),
    Failure(Failure),
}

/// One sample; with probe and epoch its `seq` is its id.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub seq: u64,
    /// The boot whose clock `mono_ms` is on. Absent in records that are not an agent's.
    pub boot_id: Option<BootId>,
    /// Milliseconds since that boot, suspended time included.
    pub mono_ms: Option<u64>,
    /// The wall clock as it stood, right or wrong. Milliseconds since 1970 UTC.
    pub wall_ms: i64,
    pub clock: Clock,
    pub place: Option<Arc<Place>>,
    pub setup: Option<Arc<SetupRef>>,
    pub uplink: Option<Arc<Uplink>>,
    pub target: Option<Arc<Target>>,
    pub outcome: Outcome,
}

/// A bound or rule of the wire that a sample breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("{field} has {bytes} bytes; at most {bound} are allowed")]
    TooLong { field: &'static str, bytes: usize, bound: usize },
    #[error("{field} has {items} entries; at most {bound} are allowed")]
    TooMany { field: &'static str, items: usize, bound: usize },
    #[error("{field}: {rule}")]
    Rule { field: &'static str, rule: &'static str },
    #[error("reading kind {code} is not known to this version")]
    UnknownKind { code: u16 },
    #[error("the reading does not decode: {detail}")]
    Malformed { detail: String },
}

/// The CBOR form of one sample alone, as a spool keeps it.
#[derive(Encode, Decode)]
#[cbor(map)]
struct Record {
    #[n(0)]
    seq: u64,
    #[n(1)]
    boot_id: Option<BootId>,
    #[n(2)]
    mono_ms: Option<u64>,
    #[n(3)]
    wall_ms: i64,
    #[n(4)]
    clock: Clock,
    #[n(5)]
    place: Option<Place>,
    #[n(6)]
    setup: Option<SetupRef>,
    #[n(7)]
    uplink: Option<Uplink>,
    #[n(8)]
    target: Option<Target>,
    #[n(9)]
    kind: u16,
    #[cbor(n(10), with = "minicbor::bytes")]
    body: Vec<u8>,
}

impl Outcome {
    pub(crate) fn code(&self) -> u16 {
        match self {
            Outcome::Reading(reading) => reading.kind().code(),
            Outcome::Failure(_) => FAILURE_CODE,
        }
    }

    /// The CBOR of the reading or failure alone: what a store keeps as the body.
    pub fn to_cbor(&self) -> Vec<u8> {
        match self {
            Outcome::Reading(reading) => reading.to_cbor(),
            Outcome::Failure(failure) => minicbor::to_vec(failure).expect("writing CBOR to memory cannot fail"),
        }
    }

    /// The kind's number on the wire: a [`ReadingKind`]'s code, or 64 for a failure.
    pub fn kind_code(&self) -> u16 {
        self.code()
    }

    pub fn from_cbor(code: u16, body: &[u8]) -> Result<Self, Violation> {
        let malformed = |e: minicbor::decode::Error| Violation::Malformed { detail: e.to_string() };
        if code == FAILURE_CODE {
            return minicbor::decode(body).map(Outcome::Failure).map_err(malformed);
        }
        let kind = ReadingKind::from_code(code).ok_or(Violation::UnknownKind { code })?;
        Reading::from_cbor(kind, body).map(Outcome::Reading).map_err(malformed)
    }

    /// What a full spool does with it where it stays in one place.
    pub fn drop_class(&self) -> DropClass {
        match self {
            Outcome::Reading(reading) => reading.kind().drop_class(),
            Outcome::Failure(_) => DropClass::Evidence,
        }
    }
}

impl Sample {
    /// What a full spool does with it. Rounds that were taken on the move have no summary: no two are of one place.
    pub fn drop_class(&self) -> DropClass {
        let moves = self.place.as_ref().is_some_and(|place| place.source != PlaceSource::Fixed);
        match self.outcome.drop_class() {
            DropClass::Raw if moves => DropClass::Radio,
            class => class,
        }
    }

    /// The sample alone as CBOR: what a spool record holds.
    pub fn to_record(&self) -> Vec<u8> {
        let record = Record {
            seq: self.seq,
            boot_id: self.boot_id,
            mono_ms: self.mono_ms,
            wall_ms: self.wall_ms,
            clock: self.clock,
            place: self.place.as_deref().cloned(),
            setup: self.setup.as_deref().cloned(),
            uplink: self.uplink.as_deref().cloned(),
            target: self.target.as_deref().cloned(),
            kind: self.outcome.code(),
            body: self.outcome.to_cbor(),
        };
        minicbor::to_vec(record).expect("writing CBOR to memory cannot fail")
    }

    pub fn from_record(bytes: &[u8]) -> Result<Self, Violation> {
        let record: Record = minicbor::decode(bytes).map_err(|e| Violation::Malformed { detail: e.to_string() })?;
        Ok(Sample {
            seq: record.seq,
            boot_id: record.boot_id,
            mono_ms: record.mono_ms,
            wall_ms: record.wall_ms,
            clock: record.clock,
            place: record.place.map(Arc::new),
            setup: record.setup.map(Arc::new),
            uplink: record.uplink.map(Arc::new),
            target: record.target.map(Arc::new),
            outcome: Outcome::from_cbor(record.kind, &record.body)?,
        })
    }

    /// The same record with an id made of its content, for records that carry none of ours.
    pub fn with_foreign_id(mut self, probe: &ProbeId) -> Self {
        self.seq = 0;
        self.seq = foreign_seq(probe, &self.to_record());
        self
    }

    /// Every bound of [`limits`] and every rule between fields.
    pub fn check(&self) -> Result<(), Violation> {
        if self.boot_id.is_some() != self.mono_ms.is_some() {
            let rule = "boot_id and mono_ms stand together or not at all";
            return Err(Violation::Rule { field: "mono_ms", rule });
        }
        if self.mono_ms.is_some_and(|ms| ms > i64::MAX as u64 / 4) {
            return Err(Violation::Rule { field: "mono_ms", rule: "is longer than any device can run" });
        }
        if let Some(place) = &self.place {
            check_position(place.lat, place.lon)?;
        }
        if let Some(Some(setup)) = self.setup.as_ref().map(|s| &s.full) {
            text("setup.device_model", setup.device_model.as_deref())?;
            let bands = setup.bands.as_deref().unwrap_or(&[]);
            items("setup.bands", bands.len(), limits::CELLS)?;
            bands.iter().try_for_each(|band| text("setup.bands", Some(band)))?;
        }
        if let Some(uplink) = &self.uplink {
            text("uplink.interface", Some(&uplink.interface))?;
            text("uplink.provider", uplink.provider.as_deref())?;
            text("uplink.sim_plmn", uplink.sim_plmn.as_deref())?;
            text("uplink.serving_plmn", uplink.serving_plmn.as_deref())?;
        }
        if let Some(target) = &self.target {
            text("target.name", Some(&target.name))?;
            text("target.host", Some(&target.host))?;
            items("target.tags", target.tags.len(), limits::TAGS)?;
        }
        match &self.outcome {
            Outcome::Failure(failure) => text("failure.detail", failure.detail.as_deref()),
            Outcome::Reading(reading) => check_reading(reading),
        }
    }
}

fn text(field: &'static str, value: Option<&str>) -> Result<(), Violation> {
    bytes(field, value, limits::STRING_BYTES)
}

fn bytes(field: &'static str, value: Option<&str>, bound: usize) -> Result<(), Violation> {
    match value {
        Some(v) if v.len() > bound => Err(Violation::TooLong { field, bytes: v.len(), bound }),
        _ => Ok(()),
    }
}

fn items(field: &'static str, items: usize, bound: usize) -> Result<(), Violation> {
    if items > bound { Err(Violation::TooMany { field, items, bound }) } else { Ok(()) }
}

fn check_position(lat: f64, lon: f64) -> Result<(), Violation> {
    let good = (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon);
    let rule = "lies outside latitude -90 to 90 and longitude -180 to 180";
    if good { Ok(()) } else { Err(Violation::Rule { field: "place", rule }) }
}

fn check_echoes(sent: u16, rtts: usize, lost: usize) -> Result<(), Violation> {
    items("latency.rtt_us", rtts, limits::ECHOES)?;
    items("latency.lost", lost, limits::ECHOES)?;
    if rtts + lost > usize::from(sent) {
        return Err(Violation::Rule { field: "latency.rtt_us", rule: "has more echoes than were sent" });
    }
    Ok(())
}

fn check_cell(cell: &crate::radio::RadioCell) -> Result<(), Violation> {
    text("radio.mcc", cell.mcc.as_deref())?;
    text("radio.mnc", cell.mnc.as_deref())?;
    text("radio.band", cell.band.as_deref())?;
    items("radio.doubtful", cell.doubtful.len(), limits::CELLS)?;
    cell.doubtful.iter().try_for_each(|name| text("radio.doubtful", Some(name)))
}

fn check_reading(reading: &Reading) -> Result<(), Violation> {
    match reading {
        Reading::Latency(r) => check_echoes(r.sent, r.rtt_us.len(), r.lost.len()),
        Reading::LoadedLatency(r) => check_echoes(r.loaded.sent, r.loaded.rtt_us.len(), r.loaded.lost.len()),
        Reading::Throughput(r) => text("throughput.method", Some(&r.method)),
        Reading::Link(r) => text("link.interface", Some(&r.interface)),
        Reading::Boot(r) => text("boot.version", Some(&r.version)),
        Reading::Clock(r) => text("clock.source", Some(&r.source)),
        Reading::Position(r) => {
            text("position.survey", r.survey.as_deref())?;
            check_position(r.lat, r.lon)
        }
        Reading::Radio(r) => {
            items("radio.cells", r.cells.len(), limits::CELLS)?;
            bytes("radio.raw", r.raw.as_deref(), limits::RAW_BYTES)?;
            if let Some(check) = &r.check {
                items("radio.check.able", check.able.len(), limits::CELLS)?;
                items("radio.check.seen", check.seen.len(), limits::CELLS)?;
            }
            r.cells.iter().try_for_each(check_cell)
        }
        Reading::Neighbours(r) => {
            items("neighbours.cells", r.cells.len(), limits::CELLS)?;
            bytes("neighbours.raw", r.raw.as_deref(), limits::RAW_BYTES)?;
            r.cells.iter().try_for_each(check_cell)
        }
        Reading::Registration(r) => {
            bytes("registration.raw", r.raw.as_deref(), limits::RAW_BYTES)?;
            text("registration.modem", r.modem.as_deref())?;
            r.cell.iter().map(AsRef::as_ref).try_for_each(check_cell)
        }
        Reading::Scan(r) => {
            items("scan.entries", r.entries.len(), limits::CELLS)?;
            bytes("scan.raw", r.raw.as_deref(), limits::RAW_BYTES)?;
            r.entries.iter().try_for_each(|entry| {
                text("scan.plmn", Some(&entry.plmn)).and_then(|()| text("scan.name", entry.name.as_deref()))
            })
        }
        Reading::Summary(r) => {
            items("summary.sketch", r.sketch.counts.len(), limits::SKETCH_BUCKETS)?;
            check_ranges("summary.replaces", &r.replaces.ranges)
        }
        Reading::Drop(r) => check_ranges("drop.ranges", &r.ranges),
        Reading::Tcp(_) | Reading::Dns(_) | Reading::Http(_) | Reading::Power(_) | Reading::Health(_) => Ok(()),
    }
}

fn check_ranges(field: &'static str, ranges: &crate::range::Ranges) -> Result<(), Violation> {
    items(field, ranges.parts(), limits::RANGES)?;
    if ranges.is_normal() { Ok(()) } else { Err(Violation::Rule { field, rule: "ranges must be sorted and disjoint" }) }
}
