//! A window's tally as the bytes of its row: small numbers in few bytes (LEB128), about a hundred for a village probe.
//!
//! In: a [`Window`]. Out: bytes, and back. The first byte is the version. Refuses to know: rows.

use phusong_coverage::observation::{SampleId, TargetId};
use phusong_coverage::radio::{Block, CellKey, Technologies};
use phusong_coverage::rtt::Rtts;
use phusong_coverage::signal::{CELLS, Radio};
use phusong_coverage::window::{TARGETS, TargetTally, Window, WindowNo};

/// Version 1 knew of no radio and counted no pages.
const VERSION: u8 = 2;
const UNDATED: u8 = 1;
const ABLE: u8 = 2;
const TRIED: u8 = 4;
const RADIO: u8 = 16;
/// No block is 0; they never change their numbers.
const BLOCKS: [Block; 4] = [Block::Sim, Block::Denied, Block::Bearer, Block::Gone];

pub fn encode(window: &Window) -> Vec<u8> {
    let mut to = Vec::with_capacity(128);
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    let flags = flag(window.undated, UNDATED)
        | flag(window.able.is_some(), ABLE)
        | flag(window.tried.is_some(), TRIED)
        | flag(window.radio.is_some(), RADIO);
    to.extend([VERSION, flags]);
    let start_ms = window.number().start_ms();
    for (first, last) in [window.able, window.tried].into_iter().flatten() {
        signed(&mut to, first - start_ms);
        signed(&mut to, last - first);
    }
    number(&mut to, window.targets.len() as u64);
    for tally in &window.targets {
        signed(&mut to, tally.target.0);
        for count in [tally.answered, tally.unanswered, tally.transfers_unanswered] {
            number(&mut to, count.into());
        }
    }
    let Window { gateway_answered, gateway_unanswered, link_down, portal, sent, received, .. } = window;
    for count in [gateway_answered, gateway_unanswered, link_down, portal, sent, received] {
        number(&mut to, u64::from(*count));
    }
    number(&mut to, window.rtts.buckets().len() as u64);
    let mut before = 0;
    for (bucket, times) in window.rtts.buckets() {
        number(&mut to, u64::from(bucket - before));
        number(&mut to, u64::from(*times));
        before = *bucket;
    }
    ids(&mut to, &window.evidence);
    number(&mut to, window.pages.into());
    if let Some(radio) = &window.radio {
        encode_radio(&mut to, radio);
    }
    to
}

fn encode_radio(to: &mut Vec<u8>, radio: &Radio) {
    let Radio { alive, dead, low, marginal, weak, counted, yes, no, .. } = radio;
    for value in [*alive, *dead, *low, *marginal, *weak, *counted, yes.0, no.0] {
        number(to, value.into());
    }
    let block = radio.block.map_or((0, 0), |(block, share)| {
        (BLOCKS.iter().position(|of| *of == block).map_or(0, |at| at as u64 + 1), u64::from(share))
    });
    number(to, block.0);
    number(to, block.1);
    to.extend([u8::from(radio.bearer), radio.modems]);
    for level in [radio.level, radio.reference] {
        optional(to, level.map(i64::from));
    }
    optional(to, radio.setup);
    optional(to, radio.serving.map(|cell| cell.0.cast_signed()));
    number(to, radio.cells.len() as u64);
    radio.cells.iter().for_each(|cell| number(to, cell.0));
    ids(to, &radio.evidence);
}

fn ids(to: &mut Vec<u8>, ids: &[SampleId]) {
    number(to, ids.len() as u64);
    for id in ids {
        to.extend(id.epoch.to_be_bytes());
        number(to, id.seq);
    }
}

fn optional(to: &mut Vec<u8>, value: Option<i64>) {
    to.push(u8::from(value.is_some()));
    value.into_iter().for_each(|value| signed(to, value));
}

/// `None` when the bytes are no window of this version.
pub fn decode(no: i64, bytes: &[u8]) -> Option<Window> {
    let (head, mut rest) = bytes.split_at_checked(2)?;
    if head[0] == 0 || head[0] > VERSION {
        return None;
    }
    let (flags, from) = (head[1], &mut rest);
    let start_ms = WindowNo(no).start_ms();
    let mut span = |bit: u8| -> Option<Option<(i64, i64)>> {
        if flags & bit == 0 {
            return Some(None);
        }
        let first = start_ms + take_signed(from)?;
        Some(Some((first, first + take_signed(from)?)))
    };
    let (able, tried) = (span(ABLE)?, span(TRIED)?);
    if head[0] == 1 && flags & 8 != 0 {
        // Shares of a radio that nobody ever wrote.
        take(from)?;
        take(from)?;
    }
    let mut targets = Vec::new();
    for _ in 0..take(from)?.min(TARGETS as u64) {
        targets.push(TargetTally {
            target: TargetId(take_signed(from)?),
            answered: take(from)? as u32,
            unanswered: take(from)? as u32,
            transfers_unanswered: take(from)? as u32,
        });
    }
    let mut counts = [0u32; 6];
    for count in &mut counts {
        *count = take(from)? as u32;
    }
    let [gateway_answered, gateway_unanswered, link_down, portal, sent, received] = counts;
    let mut buckets = Vec::new();
    let mut before = 0u16;
    for _ in 0..take(from)? {
        before = before.checked_add(take(from)? as u16)?;
        buckets.push((before, take(from)? as u32));
    }
    let evidence = take_ids(from)?;
    let pages = if head[0] > 1 { take(from)? as u32 } else { 0 };
    let radio = if flags & RADIO == 0 { None } else { Some(Box::new(decode_radio(from)?)) };
    Some(Window {
        no,
        targets,
        gateway_answered,
        gateway_unanswered,
        link_down,
        portal,
        sent,
        received,
        rtts: Rtts::from_buckets(buckets),
        able,
        tried,
        evidence,
        pages,
        radio,
        undated: flags & UNDATED != 0,
    })
}

fn decode_radio(from: &mut &[u8]) -> Option<Radio> {
    let mut small = [0u16; 8];
    for value in &mut small {
        *value = take(from)? as u16;
    }
    let [alive, dead, low, marginal, weak, counted, yes, no] = small;
    let block = match (take(from)?, take(from)? as u16) {
        (0, _) => None,
        (at, share) => Some((*BLOCKS.get(at as usize - 1)?, share)),
    };
    let (bytes, rest) = from.split_at_checked(2)?;
    let (bearer, modems) = (bytes[0] != 0, bytes[1]);
    *from = rest;
    let (level, reference) = (take_optional(from)?, take_optional(from)?);
    let (setup, serving) = (take_optional(from)?, take_optional(from)?);
    let count = take(from)?.min(CELLS as u64);
    let cells = (0..count).map(|_| take(from).map(CellKey)).collect::<Option<Vec<_>>>()?;
    Some(Radio {
        alive,
        dead,
        low,
        marginal,
        weak,
        counted,
        block,
        bearer,
        level: level.map(|level| level as i16),
        reference: reference.map(|level| level as i16),
        serving: serving.map(|cell| CellKey(cell.cast_unsigned())),
        cells,
        modems,
        yes: Technologies(yes),
        no: Technologies(no),
        setup,
        evidence: take_ids(from)?,
    })
}

fn take_ids(from: &mut &[u8]) -> Option<Vec<SampleId>> {
    let mut found = Vec::new();
    for _ in 0..take(from)? {
        let (epoch, after) = from.split_at_checked(8)?;
        *from = after;
        found.push(SampleId { epoch: u64::from_be_bytes(epoch.try_into().ok()?), seq: take(from)? });
    }
    Some(found)
}

fn take_optional(from: &mut &[u8]) -> Option<Option<i64>> {
    let (is, rest) = from.split_first()?;
    *from = rest;
    if *is == 0 { Some(None) } else { Some(Some(take_signed(from)?)) }
}

fn number(to: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn signed(to: &mut Vec<u8>, value: i64) {
    number(to, ((value << 1) ^ (value >> 63)) as u64);
}

fn take(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn take_signed(from: &mut &[u8]) -> Option<i64> {
    let value = take(from)?;
    Some((value >> 1) as i64 ^ -((value & 1) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_coverage::Micros;
    use proptest::prelude::*;

    fn window(no: i64, small: Vec<u32>, span: Option<(i64, i64)>, undated: bool) -> Window {
        let mut rtts = Rtts::default();
        small.iter().for_each(|n| rtts.add(Micros::new(u64::from(*n)), 1 + n % 7));
        let tally = |(i, n): (usize, &u32)| TargetTally {
            target: TargetId(i as i64),
            answered: *n,
            unanswered: n / 2,
            transfers_unanswered: n / 3,
        };
        let evidence = small.iter().take(4).map(|n| SampleId { epoch: u64::MAX - u64::from(*n), seq: u64::from(*n) });
        Window {
            no,
            targets: small.iter().take(TARGETS).enumerate().map(tally).collect(),
            gateway_answered: small.len() as u32,
            sent: u32::MAX,
            able: span,
            tried: span.map(|(a, b)| (a - 5, b + 7)),
            evidence: evidence.collect(),
            pages: small.len() as u32 * 3,
            radio: undated.then(|| Box::new(radio(no, &small))),
            undated,
            rtts,
            ..Window::default()
        }
    }

    fn radio(no: i64, small: &[u32]) -> Radio {
        let n = small.len() as u16;
        Radio {
            dead: 300,
            alive: 700,
            weak: n,
            block: (n > 3).then_some((BLOCKS[usize::from(n % 4)], 900)),
            bearer: n.is_multiple_of(2),
            modems: 2,
            level: (n > 1).then_some(-1_405),
            setup: (n > 2).then_some(no),
            serving: (n > 5).then_some(CellKey(u64::MAX - u64::from(n))),
            cells: small.iter().take(CELLS).map(|n| CellKey(u64::from(*n) << 31)).collect(),
            yes: Technologies(n % 32),
            evidence: small.iter().take(4).map(|n| SampleId { epoch: 7, seq: u64::from(*n) }).collect(),
            ..Radio::default()
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_and_a_cut_is_noticed(
            no in 0..10_000_000i64,
            small in proptest::collection::vec(any::<u32>(), 0..80),
            offset in -400_000..400_000i64,
            spanned: bool,
            undated: bool,
            cut in any::<prop::sample::Index>(),
        ) {
            let span = spanned.then_some((no * 300_000 + offset, no * 300_000 + offset + 1_000));
            let window = window(no, small, span, undated);
            let bytes = encode(&window);
            prop_assert_eq!(decode(no, &bytes), Some(window));
            prop_assert_eq!(decode(no, &bytes[..cut.index(bytes.len())]), None);
        }
    }
}
