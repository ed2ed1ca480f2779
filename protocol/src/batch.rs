//! The binary form of a batch: an uncompressed header, then columns as CBOR, compressed by zstd.
//!
//! Header, big-endian: version u8 = 1, codec u8 = 1, probe (u8 length, bytes), epoch u64, first_seq u64, count u16,
//! crc32 u32 (CRC-32/ISO-HDLC over everything before it and the compressed body). No binary version is 0x7B, which
//! opens the JSON form.

use crate::context::{Clock, Place, SetupRef, Target, Uplink};
use crate::id::{BootId, Epoch, ProbeId};
use crate::limits;
use crate::payload::{BadSample, Batch, DecodeError};
use crate::sample::{Outcome, Sample, Violation};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use std::sync::Arc;

pub(crate) const VERSION: u8 = 1;
const CODEC_ZSTD_CBOR: u8 = 1;
/// zstd's own default level.
const LEVEL: i32 = 3;

/// The samples of a batch, column by column. An index column holds 0 for "absent" and `i + 1` for entry `i`.
#[derive(Default, Clone, Encode, Decode)]
#[cbor(map)]
struct Columns {
    #[n(0)]
    boots: Vec<BootId>,
    #[cbor(n(1), with = "shared")]
    places: Vec<Arc<Place>>,
    #[cbor(n(2), with = "shared")]
    uplinks: Vec<Arc<Uplink>>,
    #[cbor(n(3), with = "shared")]
    targets: Vec<Arc<Target>>,
    #[cbor(n(4), with = "shared")]
    setups: Vec<Arc<SetupRef>>,
    /// Difference to the sample before; the first to `first_seq`.
    #[n(10)]
    seq: Vec<u64>,
    #[n(11)]
    boot: Vec<u16>,
    /// Difference to the sample before, 0 where there is no boot.
    #[n(12)]
    mono_ms: Vec<i64>,
    #[n(13)]
    wall_ms: Vec<i64>,
    #[n(14)]
    clock: Vec<Clock>,
    #[n(15)]
    place: Vec<u16>,
    #[n(16)]
    uplink: Vec<u16>,
    #[n(17)]
    target: Vec<u16>,
    #[n(18)]
    setup: Vec<u16>,
    #[n(19)]
    kind: Vec<u16>,
    #[n(20)]
    body: Vec<ByteVec>,
}

/// Tables whose entries many samples share.
mod shared {
    use minicbor::{Decode, Decoder, Encode, Encoder, decode as de, encode as en};
    use std::sync::Arc;

    pub fn encode<T: Encode<C>, C, W: en::Write>(
        table: &[Arc<T>],
        to: &mut Encoder<W>,
        context: &mut C,
    ) -> Result<(), en::Error<W::Error>> {
        to.array(table.len() as u64)?;
        table.iter().try_for_each(|entry| entry.as_ref().encode(to, context))
    }

    pub fn decode<'b, T: Decode<'b, C>, C>(from: &mut Decoder<'b>, context: &mut C) -> Result<Vec<Arc<T>>, de::Error> {
        from.array_iter_with(context)?.map(|entry| entry.map(Arc::new)).collect()
    }
}

/// Writes samples (ascending `seq`, at most 1,000) as one batch payload. The caller keeps it below
/// [`limits::BATCH_BYTES`] by taking fewer samples.
pub fn encode(probe: &ProbeId, epoch: Epoch, samples: &[Sample]) -> Vec<u8> {
    let first_seq = samples.first().map_or(0, |s| s.seq);
    let columns = to_columns(first_seq, samples);
    write(probe, epoch, first_seq, &columns)
}

fn to_columns(first_seq: u64, samples: &[Sample]) -> Columns {
    let mut columns = Columns::default();
    let (mut seq, mut mono, mut wall) = (first_seq, 0i64, 0i64);
    for sample in samples {
        columns.seq.push(sample.seq.wrapping_sub(seq));
        seq = sample.seq;
        columns.boot.push(sample.boot_id.map_or(0, |id| entry(&mut columns.boots, &id)));
        let at = sample.mono_ms.map_or(mono, |ms| ms as i64);
        columns.mono_ms.push(at.wrapping_sub(mono));
        mono = at;
        columns.wall_ms.push(sample.wall_ms.wrapping_sub(wall));
        wall = sample.wall_ms;
        columns.clock.push(sample.clock);
        columns.place.push(sample.place.as_ref().map_or(0, |place| latest(&mut columns.places, place)));
        columns.uplink.push(sample.uplink.as_ref().map_or(0, |uplink| entry(&mut columns.uplinks, uplink)));
        columns.target.push(sample.target.as_ref().map_or(0, |target| entry(&mut columns.targets, target)));
        columns.setup.push(sample.setup.as_ref().map_or(0, |setup| entry(&mut columns.setups, setup)));
        columns.kind.push(sample.outcome.code());
        columns.body.push(sample.outcome.to_cbor().into());
    }
    columns
}

/// The index of `value` in `table`, plus one; added where it is new.
fn entry<T: PartialEq + Clone>(table: &mut Vec<T>, value: &T) -> u16 {
    let at = table.iter().rposition(|known| known == value).unwrap_or_else(|| {
        table.push(value.clone());
        table.len() - 1
    });
    u16::try_from(at + 1).unwrap_or(0)
}

/// Like [`entry`], but looks at the newest entry only: positions of a walk hardly ever come back.
fn latest<T: PartialEq + Clone>(table: &mut Vec<T>, value: &T) -> u16 {
    if table.last() != Some(value) {
        table.push(value.clone());
    }
    u16::try_from(table.len()).unwrap_or(0)
}

fn write(probe: &ProbeId, epoch: Epoch, first_seq: u64, columns: &Columns) -> Vec<u8> {
    let body = minicbor::to_vec(columns).expect("writing CBOR to memory cannot fail");
    let body = zstd::bulk::compress(&body, LEVEL).expect("compressing in memory fails only without memory");
    let mut out = Vec::with_capacity(body.len() + 64);
    out.extend([VERSION, CODEC_ZSTD_CBOR, probe.as_str().len() as u8]);
    out.extend(probe.as_str().as_bytes());
    out.extend(epoch.0.to_be_bytes());
    out.extend(first_seq.to_be_bytes());
    out.extend((columns.seq.len() as u16).to_be_bytes());
    let mut crc = crc32fast::Hasher::new();
    crc.update(&out);
    crc.update(&body);
    out.extend(crc.finalize().to_be_bytes());
    out.extend(body);
    out
}

/// Takes fields off the front of a payload.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.0.split_at_checked(n).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(head)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
}

pub(crate) fn decode(payload: &[u8]) -> Result<Batch, DecodeError> {
    let mut reader = Reader(payload);
    let [version, codec, probe_len] = reader.array()?;
    if version != VERSION {
        return Err(DecodeError::Version { version });
    }
    if codec != CODEC_ZSTD_CBOR {
        return Err(DecodeError::Codec { codec });
    }
    let probe = reader.take(usize::from(probe_len))?;
    let epoch = Epoch(u64::from_be_bytes(reader.array()?));
    let first_seq = u64::from_be_bytes(reader.array()?);
    let count = usize::from(u16::from_be_bytes(reader.array()?));
    let header_len = payload.len() - reader.0.len();
    let crc = u32::from_be_bytes(reader.array()?);
    let body = reader.0;

    let mut actual = crc32fast::Hasher::new();
    actual.update(&payload[..header_len]);
    actual.update(body);
    if actual.finalize() != crc {
        return Err(DecodeError::Crc);
    }
    let probe: ProbeId = std::str::from_utf8(probe).ok().and_then(|p| p.parse().ok()).ok_or(DecodeError::Probe)?;
    if epoch.is_foreign() {
        return Err(DecodeError::Header { rule: "epoch 0 is for records without an id of ours" });
    }
    if !(1..=limits::BATCH_SAMPLES).contains(&count) {
        return Err(DecodeError::Header { rule: "a batch holds 1 to 1,000 samples" });
    }
    let body = zstd::bulk::decompress(body, limits::BODY_BYTES).map_err(|_| DecodeError::Body)?;
    let columns: Columns = minicbor::decode(&body).map_err(|e| DecodeError::Columns { detail: e.to_string() })?;
    from_columns(probe, epoch, first_seq, count, columns)
}

fn from_columns(
    probe: ProbeId,
    epoch: Epoch,
    first_seq: u64,
    count: usize,
    columns: Columns,
) -> Result<Batch, DecodeError> {
    let lengths = [
        columns.seq.len(),
        columns.boot.len(),
        columns.mono_ms.len(),
        columns.wall_ms.len(),
        columns.clock.len(),
        columns.place.len(),
        columns.uplink.len(),
        columns.target.len(),
        columns.setup.len(),
        columns.kind.len(),
        columns.body.len(),
    ];
    if lengths.iter().any(|len| *len != count) {
        return Err(DecodeError::Columns { detail: format!("columns of {lengths:?} rows for {count} samples") });
    }
    let mut batch = Batch { probe: Some(probe), epoch, samples: Vec::with_capacity(count), bad: Vec::new() };
    let (mut seq, mut mono, mut wall) = (first_seq, 0i64, 0i64);
    for row in 0..count {
        let step = columns.seq[row];
        if (row > 0 && step == 0) || seq.checked_add(step).is_none() {
            return Err(DecodeError::Columns { detail: format!("sample {row} does not come after the one before") });
        }
        seq += step;
        mono = mono.wrapping_add(columns.mono_ms[row]);
        wall = wall.wrapping_add(columns.wall_ms[row]);
        match sample(&columns, row, seq, mono, wall) {
            Ok(sample) => batch.samples.push(sample),
            Err(why) => {
                let raw = single_row(batch.probe.as_ref(), epoch, &columns, row, (seq, mono, wall));
                batch.bad.push(BadSample { seq, raw, why });
            }
        }
    }
    Ok(batch)
}

fn sample(columns: &Columns, row: usize, seq: u64, mono: i64, wall: i64) -> Result<Sample, Violation> {
    let boot_id = find(&columns.boots, columns.boot[row], "boot")?;
    let mono_ms = match boot_id {
        Some(_) => {
            let rule = "is negative";
            Some(u64::try_from(mono).map_err(|_| Violation::Rule { field: "mono_ms", rule })?)
        }
        None => None,
    };
    let sample = Sample {
        seq,
        boot_id,
        mono_ms,
        wall_ms: wall,
        clock: columns.clock[row],
        place: find(&columns.places, columns.place[row], "place")?,
        setup: find(&columns.setups, columns.setup[row], "setup")?,
        uplink: find(&columns.uplinks, columns.uplink[row], "uplink")?,
        target: find(&columns.targets, columns.target[row], "target")?,
        outcome: Outcome::from_cbor(columns.kind[row], &columns.body[row])?,
    };
    sample.check()?;
    Ok(sample)
}

fn find<T: Clone>(table: &[T], index: u16, field: &'static str) -> Result<Option<T>, Violation> {
    match index.checked_sub(1) {
        None => Ok(None),
        Some(at) => {
            let rule = "refers to an entry that the batch does not hold";
            table.get(usize::from(at)).cloned().map(Some).ok_or(Violation::Rule { field, rule })
        }
    }
}

/// One row as a batch of its own, byte for byte what it said, so that a later version can take it.
fn single_row(
    probe: Option<&ProbeId>,
    epoch: Epoch,
    columns: &Columns,
    row: usize,
    (seq, mono, wall): (u64, i64, i64),
) -> Vec<u8> {
    let Some(probe) = probe else { return Vec::new() };
    let one = Columns {
        boots: columns.boots.clone(),
        places: columns.places.clone(),
        uplinks: columns.uplinks.clone(),
        targets: columns.targets.clone(),
        setups: columns.setups.clone(),
        seq: vec![0],
        boot: vec![columns.boot[row]],
        mono_ms: vec![mono],
        wall_ms: vec![wall],
        clock: vec![columns.clock[row]],
        place: vec![columns.place[row]],
        uplink: vec![columns.uplink[row]],
        target: vec![columns.target[row]],
        setup: vec![columns.setup[row]],
        kind: vec![columns.kind[row]],
        body: vec![columns.body[row].clone()],
    };
    write(probe, epoch, seq, &one)
}
