//! Reads spool segments as the bytes on disk say, and writes the witness's lines.
//!
//! In: a segment's header and a run of records. Out: lines `epoch seq class crc record`, all hexadecimal but the
//! class's digit. Refuses to know: what is in a record's body. Limits: stops at the first record that is not whole
//! or whose CRC does not match: what follows is not durable content.

use std::io::Write;

pub const HEADER_BYTES: u64 = 16;
const RECORD_HEADER_BYTES: usize = 16;

/// What a segment says of itself: "PSG1", version, class, two zero bytes, epoch.
pub struct Header {
    class: u8,
    epoch: u64,
}

impl Header {
    pub fn parse(bytes: &[u8; HEADER_BYTES as usize]) -> Option<Self> {
        let [b'P', b'S', b'G', b'1', 1, class, _, _, epoch @ ..] = *bytes else { return None };
        Some(Header { class, epoch: u64::from_be_bytes(epoch) })
    }
}

/// The lines of the whole records at the front of `bytes`, and how many bytes those are.
pub fn lines(header: &Header, bytes: &[u8]) -> (Vec<u8>, u64) {
    let mut out = vec![b'\n'];
    let mut rest = bytes;
    while let Some((seq, crc, body, after)) = record(rest) {
        // Writing to memory cannot fail.
        let _ = write!(out, "{:016x} {seq:016x} {} {crc:08x} ", header.epoch, header.class);
        out.extend(body.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
        out.push(b'\n');
        rest = after;
    }
    (out, (bytes.len() - rest.len()) as u64)
}

fn digit(nibble: u8) -> u8 {
    b"0123456789abcdef"[usize::from(nibble & 15)]
}

fn record(bytes: &[u8]) -> Option<(u64, u32, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(RECORD_HEADER_BYTES)?;
    let (len, header) = header.split_first_chunk::<4>()?;
    let (crc, seq) = header.split_first_chunk::<4>()?;
    let (len, crc) = (u32::from_be_bytes(*len), u32::from_be_bytes(*crc));
    let (body, after) = rest.split_at_checked(len as usize)?;
    if len == 0 || crc32(&[seq, body]) != crc {
        return None;
    }
    Some((u64::from_be_bytes(seq.try_into().ok()?), crc, body, after))
}

/// CRC-32/ISO-HDLC bit by bit: slow, and a second pair of eyes on the agent's.
fn crc32(parts: &[&[u8]]) -> u32 {
    let mut crc = !0u32;
    for byte in parts.iter().copied().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment_record(seq: u64, body: &[u8]) -> Vec<u8> {
        let seq = seq.to_be_bytes();
        let len = (body.len() as u32).to_be_bytes();
        [&len[..], &crc32(&[&seq, body]).to_be_bytes(), &seq, body].concat()
    }

    #[test]
    fn the_crc_is_the_one_of_the_check_value() {
        assert_eq!(crc32(&[b"12345", b"6789"]), 0xcbf4_3926);
    }

    #[test]
    fn a_torn_or_damaged_record_ends_what_is_witnessed() {
        let header = Header { class: 4, epoch: 0xabc };
        let (first, second) = (segment_record(7, b"one"), segment_record(8, b"two"));
        let whole = [first.clone(), second].concat();
        for cut in 0..whole.len() {
            let (_, taken) = lines(&header, &whole[..cut]);
            assert_eq!(taken, if cut < first.len() { 0 } else { first.len() as u64 }, "cut at {cut}");
        }
        let (text, taken) = lines(&header, &whole);
        assert_eq!(taken, whole.len() as u64);
        let text = String::from_utf8(text).expect("the lines are ASCII");
        let line = text.lines().find(|line| line.contains("0000000000000008")).expect("the second record");
        assert!(line.starts_with("0000000000000abc 0000000000000008 4 ") && line.ends_with(" 74776f"), "{line}");
        let mut damaged = whole.clone();
        damaged[first.len() + 17] ^= 1;
        assert_eq!(lines(&header, &damaged).1, first.len() as u64);
        let zeros = [first.clone(), vec![0; 64]].concat();
        assert_eq!(lines(&header, &zeros).1, first.len() as u64);
    }
}
