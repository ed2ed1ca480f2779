//! The two-slot state beside the segments: what was acknowledged, the last durable id, starts.
//!
//! A slot is `PSC1`, generation u64, body length u32, crc32 u32 over generation and body, body (CBOR). The slot with the
//! higher generation that is whole counts; the other one is written next. Losing acknowledgements only means resending.

use crate::disk::Disk;
use minicbor::{Decode, Encode};
use phusong_protocol::{BootId, Epoch, Previous, Ranges};
use std::io;

pub(super) const SLOTS: [&str; 2] = ["cursor.0", "cursor.1"];
/// Preallocated, so that a full disk still takes a cursor.
const SLOT_BYTES: u64 = 16 * 1024;
/// A larger body leaves ranges out.
const BODY_BYTES: usize = 64 * 1024;
const HEAD: usize = 20;
const MAGIC: &[u8; 4] = b"PSC1";

#[derive(Debug, Clone, Default, PartialEq, Encode, Decode)]
#[cbor(map)]
pub(super) struct CursorState {
    #[n(0)]
    pub start: u32,
    /// The last start was ended in order.
    #[n(1)]
    pub clean: bool,
    #[n(2)]
    pub boot_id: Option<BootId>,
    /// The last durable id when this was written.
    #[n(3)]
    pub last: Option<Previous>,
    /// Segments from this ordinal on are younger than this cursor.
    #[n(4)]
    pub next_ordinal: u64,
    /// For each epoch that still matters: what needs no sending any more.
    #[n(5)]
    pub settled: Vec<Settled>,
    /// Ranges were left out for want of room.
    #[n(6)]
    pub partial: bool,
}

#[derive(Debug, Clone, PartialEq, Encode, Decode)]
pub(super) struct Settled {
    #[n(0)]
    pub epoch: Epoch,
    #[n(1)]
    pub ranges: Ranges,
}

/// The newest whole slot and its generation.
pub(super) fn read(disk: &dyn Disk, names: &[String]) -> io::Result<Option<(u64, CursorState)>> {
    let mut best: Option<(u64, CursorState)> = None;
    for slot in SLOTS.iter().filter(|slot| names.iter().any(|name| name == *slot)) {
        if let Some(found) = read_slot(disk, slot)?
            && best.as_ref().is_none_or(|b| b.0 < found.0)
        {
            best = Some(found);
        }
    }
    Ok(best)
}

/// How many of the slots that exist are whole, and how many exist.
pub(super) fn whole_slots(disk: &dyn Disk, names: &[String]) -> io::Result<(usize, usize)> {
    let mut counts = (0, 0);
    for slot in SLOTS.iter().filter(|slot| names.iter().any(|name| name == *slot)) {
        counts.0 += usize::from(read_slot(disk, slot)?.is_some());
        counts.1 += 1;
    }
    Ok(counts)
}

fn read_slot(disk: &dyn Disk, slot: &str) -> io::Result<Option<(u64, CursorState)>> {
    let mut bytes = vec![0; HEAD + BODY_BYTES];
    let filled = disk.read(slot, 0, &mut bytes)?;
    Ok(parse(&bytes[..filled]))
}

fn parse(bytes: &[u8]) -> Option<(u64, CursorState)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    if &head[..4] != MAGIC {
        return None;
    }
    let generation = u64::from_be_bytes(head[4..12].try_into().ok()?);
    let len = u32::from_be_bytes(head[12..16].try_into().ok()?) as usize;
    let crc = u32::from_be_bytes(head[16..20].try_into().ok()?);
    let body = rest.get(..len)?;
    if checksum(generation, body) != crc {
        return None;
    }
    Some((generation, minicbor::decode(body).ok()?))
}

fn checksum(generation: u64, body: &[u8]) -> u32 {
    let mut crc = crc32fast::Hasher::new();
    crc.update(&generation.to_be_bytes());
    crc.update(body);
    crc.finalize()
}

/// Makes both slots exist with room of their own.
pub(super) fn prepare(disk: &mut dyn Disk) -> io::Result<()> {
    SLOTS.iter().try_for_each(|slot| disk.preallocate(slot, SLOT_BYTES))
}

/// Writes the slot that this generation belongs to and makes it durable.
pub(super) fn write(disk: &mut dyn Disk, generation: u64, state: &CursorState) -> io::Result<()> {
    let body = bounded(state);
    let mut bytes = Vec::with_capacity(HEAD + body.len());
    bytes.extend(MAGIC);
    bytes.extend(generation.to_be_bytes());
    bytes.extend((body.len() as u32).to_be_bytes());
    bytes.extend(checksum(generation, &body).to_be_bytes());
    bytes.extend(body);
    let slot = SLOTS[(generation % 2) as usize];
    disk.write_slot(slot, &bytes)?;
    disk.sync(slot)
}

/// The body, with the newest ranges left out where there are too many: those samples are sent again.
fn bounded(state: &CursorState) -> Vec<u8> {
    let mut body = minicbor::to_vec(state).expect("writing CBOR to memory cannot fail");
    let mut parts = 2_048;
    while body.len() > BODY_BYTES {
        let mut less = CursorState { partial: true, ..state.clone() };
        for settled in &mut less.settled {
            let kept = settled.ranges.chunks(parts).next();
            settled.ranges = kept.unwrap_or_default();
        }
        let epochs = less.settled.len();
        less.settled.drain(..epochs.saturating_sub(parts.max(1)));
        body = minicbor::to_vec(&less).expect("writing CBOR to memory cannot fail");
        parts /= 2;
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_too_large_for_its_slot_leaves_ranges_out() {
        let settled = |n: u64| Settled { epoch: Epoch(n), ranges: (0..40_000u64).map(|s| s * 3 + n).collect() };
        let state = CursorState { start: 7, settled: (1..5).map(settled).collect(), ..CursorState::default() };
        let body = bounded(&state);
        assert!(body.len() <= BODY_BYTES);
        let read: CursorState = minicbor::decode(&body).expect("what was written");
        assert_eq!((read.start, read.settled.len()), (7, 4));
        assert!(read.settled.iter().zip(&state.settled).all(|(r, s)| s.ranges.contains_all(&r.ranges)));
    }
}
