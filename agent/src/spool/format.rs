//! The bytes of a segment: names, header, records.
//!
//! A segment is `{ordinal:016x}-{class}.seg` (or `.quarantine`): header `PSG1`, version 1, class, two zero bytes, epoch
//! u64; then records of body length u32, crc32 u32 over seq and body, seq u64, body. All numbers big-endian.

use phusong_protocol::{DropClass, Epoch, limits};
use std::fmt;

pub(super) const HEADER_LEN: u64 = 16;
pub(super) const RECORD_HEAD: usize = 16;
/// A length beyond it is not believed: a torn or damaged record.
pub(super) const BODY_MAX: usize = limits::SAMPLE_BYTES;
const MAGIC: &[u8; 4] = b"PSG1";
const VERSION: u8 = 1;

/// The name of a segment file. Ordinals grow over all starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SegmentName {
    pub ordinal: u64,
    pub class: DropClass,
    pub quarantined: bool,
}

pub(super) fn class_name(class: DropClass) -> &'static str {
    match class {
        DropClass::Raw => "raw",
        DropClass::Bandwidth => "bandwidth",
        DropClass::Radio => "radio",
        DropClass::Summary => "summary",
        DropClass::Evidence => "evidence",
    }
}

impl fmt::Display for SegmentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.quarantined { "quarantine" } else { "seg" };
        write!(f, "{:016x}-{}.{kind}", self.ordinal, class_name(self.class))
    }
}

impl SegmentName {
    /// `None` for a file that is not ours.
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, kind) = name.split_once('.')?;
        let quarantined = match kind {
            "seg" => false,
            "quarantine" => true,
            _ => return None,
        };
        let (ordinal, class) = stem.split_once('-')?;
        let class = DropClass::ALL.into_iter().find(|c| class_name(*c) == class)?;
        let good = ordinal.len() == 16 && ordinal.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !good {
            return None;
        }
        Some(SegmentName { ordinal: u64::from_str_radix(ordinal, 16).ok()?, class, quarantined })
    }
}

pub(super) fn header(class: DropClass, epoch: Epoch) -> [u8; HEADER_LEN as usize] {
    let mut out = [0; HEADER_LEN as usize];
    out[..4].copy_from_slice(MAGIC);
    out[4] = VERSION;
    out[5] = class as u8;
    out[8..].copy_from_slice(&epoch.0.to_be_bytes());
    out
}

/// The epoch of a segment whose header is whole and agrees with its name.
pub(super) fn read_header(bytes: &[u8], class: DropClass) -> Option<Epoch> {
    let bytes: &[u8; HEADER_LEN as usize] = bytes.try_into().ok()?;
    let good = &bytes[..4] == MAGIC && bytes[4..8] == [VERSION, class as u8, 0, 0];
    let epoch = Epoch(be64(&bytes[8..]));
    (good && !epoch.is_foreign()).then_some(epoch)
}

pub(super) fn record(seq: u64, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(RECORD_HEAD + body.len());
    out.extend((body.len() as u32).to_be_bytes());
    out.extend(checksum(seq, body).to_be_bytes());
    out.extend(seq.to_be_bytes());
    out.extend(body);
    out
}

/// Why the bytes at one place are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// The file ends inside it.
    Short,
    /// Its length is beyond every bound.
    Length,
    /// Its checksum does not match.
    Crc,
    /// It does not come after the record before it.
    Order,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordFault::Short => "the file ends inside a record",
            RecordFault::Length => "a record's length is beyond every bound",
            RecordFault::Crc => "a record's checksum does not match",
            RecordFault::Order => "a record does not come after the one before it",
        })
    }
}

/// The length of the record whose head stands at the front, head included.
pub(super) fn record_len(head: &[u8; RECORD_HEAD]) -> Result<usize, RecordFault> {
    let body = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if body <= BODY_MAX { Ok(RECORD_HEAD + body) } else { Err(RecordFault::Length) }
}

/// Seq and body of one whole record.
pub(super) fn read_record(bytes: &[u8]) -> Result<(u64, &[u8]), RecordFault> {
    let (head, body) = bytes.split_at_checked(RECORD_HEAD).ok_or(RecordFault::Short)?;
    let crc = u32::from_be_bytes([head[4], head[5], head[6], head[7]]);
    let seq = be64(&head[8..]);
    if checksum(seq, body) == crc { Ok((seq, body)) } else { Err(RecordFault::Crc) }
}

fn checksum(seq: u64, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&seq.to_be_bytes());
    crc.update(body);
    crc.finalize()
}

fn be64(bytes: &[u8]) -> u64 {
    let mut out = [0; 8];
    out.copy_from_slice(&bytes[..8]);
    u64::from_be_bytes(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_name_is_read_back_and_other_files_are_left_alone() {
        for class in DropClass::ALL {
            for quarantined in [false, true] {
                let name = SegmentName { ordinal: 0x1f, class, quarantined };
                assert_eq!(SegmentName::parse(&name.to_string()), Some(name));
            }
        }
        for other in ["cursor.0", "reserve", "1f-raw.seg", "000000000000001F-raw.seg", "000000000000001f-raw.tmp"] {
            assert_eq!(SegmentName::parse(other), None, "{other}");
        }
    }
}
