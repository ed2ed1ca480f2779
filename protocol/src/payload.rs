//! What arrives on a `batch` topic: either form, decoded under every bound.

use crate::id::{Epoch, ProbeId};
use crate::limits;
use crate::sample::{Sample, Violation};

/// A decoded batch. `samples` passed every check; `bad` did not, each alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The probe that the payload names; JSON may leave it to the topic.
    pub probe: Option<ProbeId>,
    /// [`Epoch::FOREIGN`] for JSON records without an id of ours; their `seq` is then still 0.
    pub epoch: Epoch,
    pub samples: Vec<Sample>,
    pub bad: Vec<BadSample>,
}

/// A sample that the rest of its batch must not suffer for.
#[derive(Debug, Clone, PartialEq)]
pub struct BadSample {
    /// 0 where a JSON record has none.
    pub seq: u64,
    /// A payload of this one sample alone, byte for byte what it said: kept as a dead letter, replayed later.
    pub raw: Vec<u8>,
    pub why: Violation,
}

/// Why a whole payload cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{bytes} bytes; a batch has at most {} (limits: batch)", limits::BATCH_BYTES)]
    Oversize { bytes: usize },
    #[error("the payload is empty")]
    Empty,
    #[error("the payload ends inside its header")]
    Truncated,
    #[error("batch version {version} is not known; this version reads 1, and JSON")]
    Version { version: u8 },
    #[error("codec {codec} is not known; this version reads 1 (CBOR columns, zstd)")]
    Codec { codec: u8 },
    #[error("the CRC-32 does not match: the payload was damaged on its way")]
    Crc,
    #[error("the header's probe is no identifier of 1 to 32 of a-z, 0-9 and '-'")]
    Probe,
    #[error("header: {rule}")]
    Header { rule: &'static str },
    #[error("the body does not decompress to at most {} bytes", limits::BODY_BYTES)]
    Body,
    #[error("columns: {detail}")]
    Columns { detail: String },
    #[error("JSON: {detail}")]
    Json { detail: String },
}

impl DecodeError {
    /// A closed set of words for metrics and acknowledgements.
    pub fn reason(&self) -> &'static str {
        match self {
            DecodeError::Oversize { .. } => "oversize",
            DecodeError::Empty | DecodeError::Truncated => "truncated",
            DecodeError::Version { .. } => "version",
            DecodeError::Codec { .. } => "codec",
            DecodeError::Crc => "crc",
            DecodeError::Probe | DecodeError::Header { .. } => "header",
            DecodeError::Body => "bomb",
            DecodeError::Columns { .. } => "columns",
            DecodeError::Json { .. } => "json",
        }
    }
}

/// Reads a batch payload of either form.
pub fn decode(payload: &[u8]) -> Result<Batch, DecodeError> {
    if payload.len() > limits::BATCH_BYTES {
        return Err(DecodeError::Oversize { bytes: payload.len() });
    }
    match payload.first() {
        None => Err(DecodeError::Empty),
        Some(b'{') => crate::json::decode(payload),
        Some(_) => crate::batch::decode(payload),
    }
}
