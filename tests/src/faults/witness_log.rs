//! Reads what the witness wrote.
//!
//! In: lines `epoch seq class crc record` of the witness's log. Out: [`Created`]. Refuses to know: who wrote them (the
//! preloaded library, or the simulated disk). Limits: a line that a kill tore is no witness and is skipped; its CRC
//! tells.

use super::account::{Created, Witnessed};
use phusong_protocol::{DropClass, Epoch};
use std::io::Read;
use std::path::Path;

/// Adds the lines of `text` to `created`; says how many lines were torn.
pub fn read(text: &[u8], created: &mut Created) -> usize {
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.filter(|line| read_line(line, created).is_none()).count()
}

fn read_line(line: &[u8], created: &mut Created) -> Option<()> {
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let epoch: Epoch = words.next()?.parse().ok()?;
    let seq = u64::from_str_radix(words.next()?, 16).ok()?;
    let class = *DropClass::ALL.get(words.next()?.parse::<usize>().ok()?)?;
    let crc = u32::from_str_radix(words.next()?, 16).ok()?;
    let record = bytes(words.next()?)?;
    let mut actual = crc32fast::Hasher::new();
    actual.update(&seq.to_be_bytes());
    actual.update(&record);
    if words.next().is_some() || actual.finalize() != crc {
        return None;
    }
    created.insert((epoch, seq), Witnessed { class, record });
    Some(())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let nibble = |digit: u8| char::from(digit).to_digit(16).map(|n| n as u8);
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| Some(nibble(*pair.first()?)? << 4 | nibble(*pair.get(1)?)?)).collect()
}

/// A log that grows while it is read.
#[derive(Default)]
pub struct WitnessLog {
    offset: u64,
    /// The end of what was read so far, without its newline.
    unfinished: Vec<u8>,
    pub created: Created,
    pub torn: usize,
}

impl WitnessLog {
    /// Reads what was added since the last call; a log that does not exist yet is empty.
    pub fn update(&mut self, path: &Path) -> std::io::Result<()> {
        let mut file = match std::fs::File::open(path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(self.offset))?;
        let mut text = std::mem::take(&mut self.unfinished);
        self.offset += file.read_to_end(&mut text)? as u64;
        let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.unfinished = text.split_off(whole);
        self.torn += read(&text, &mut self.created);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "0000000000000abc 0000000000000001 4 5616896a 6f6e65\n";

    #[test]
    fn a_torn_line_is_skipped_and_the_next_one_still_read() {
        let mut created = Created::new();
        for cut in 0..ONE.len() - 1 {
            let text = format!("{}\n", &ONE[..cut]);
            assert_eq!(read(text.as_bytes(), &mut created), usize::from(cut > 0), "{text:?}");
            assert!(created.is_empty(), "{text:?}");
        }
        assert_eq!(read(format!("0000000000000abc 00000\n{ONE}").as_bytes(), &mut created), 1);
        let expected = Witnessed { class: DropClass::Evidence, record: b"one".to_vec() };
        assert_eq!(created.get(&(Epoch(0xabc), 1)), Some(&expected));
    }
}
