//! Bytes of a port to lines.
//!
//! In: bytes in any pieces. Out: lines without their ends, trimmed, never empty. Control characters are dropped, what
//! is not UTF-8 is replaced. Refuses to know: commands, replies. Limits: [`LINE_BYTES`] a line; a longer one is dropped
//! whole and counted, the next one is heard again.

/// The longest scan of a modem has some 60 operators of 60 bytes.
pub const LINE_BYTES: usize = 4096;

#[derive(Debug, Default)]
pub struct Lines {
    half: Vec<u8>,
    /// Until the end of a line that is too long.
    skipping: bool,
    overlong: u64,
}

impl Lines {
    /// The lines that `bytes` finish.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut whole = Vec::new();
        for &byte in bytes {
            match byte {
                b'\r' | b'\n' => whole.extend(self.end()),
                _ if self.skipping => {}
                b'\t' => self.half.push(b' '),
                0..=0x1f | 0x7f => {}
                _ => self.half.push(byte),
            }
            if self.half.len() > LINE_BYTES {
                self.half.clear();
                self.skipping = true;
                self.overlong += 1;
            }
        }
        whole
    }

    fn end(&mut self) -> Option<String> {
        self.skipping = false;
        let line = String::from_utf8_lossy(&self.half).trim().to_owned();
        self.half.clear();
        (!line.is_empty()).then_some(line)
    }

    /// The rest of an answer that nobody waits for any more.
    pub fn forget(&mut self) {
        self.half.clear();
        self.skipping = false;
    }

    /// Lines that were longer than [`LINE_BYTES`].
    pub fn overlong(&self) -> u64 {
        self.overlong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const REPLY: &str = "AT+CEREG?\r\r\n+CEREG: 3,1,\"1F00\",\"79D903\",7\r\n\r\nOK\r\n";
    const LINES: [&str; 3] = ["AT+CEREG?", "+CEREG: 3,1,\"1F00\",\"79D903\",7", "OK"];

    #[test]
    fn every_kind_of_line_end_ends_a_line_once() {
        for end in ["\r\n", "\n", "\r", "\r\r\n", "\n\r", "\r\n\r\n"] {
            let text = LINES.map(|line| format!("{line}{end}")).concat();
            assert_eq!(Lines::default().push(text.as_bytes()), LINES, "{end:?}");
        }
    }

    #[test]
    fn half_a_line_waits_for_its_other_half() {
        let mut lines = Lines::default();
        let found: Vec<String> = REPLY.bytes().flat_map(|byte| lines.push(&[byte])).collect();
        assert_eq!(found, LINES);
    }

    #[test]
    fn a_line_without_end_is_dropped_and_the_next_one_heard() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            assert!(lines.push(&[b'x'; 100]).is_empty());
        }
        assert_eq!(lines.push(b"y\r\nOK\r\n"), ["OK"]);
        assert_eq!(lines.overlong(), 1);
        assert!(lines.half.capacity() <= 4 * LINE_BYTES);
    }

    #[test]
    fn noise_of_a_port_that_starts_is_not_part_of_a_line() {
        let noisy = b"\0\0\x7f\x1bRD\0Y\r\n\xff\xfe+CPIN: READY\r\n";
        assert_eq!(Lines::default().push(noisy), ["RDY", "\u{fffd}\u{fffd}+CPIN: READY"]);
    }

    proptest! {
        #[test]
        fn any_bytes_in_any_pieces_give_the_same_lines(bytes in prop::collection::vec(any::<u8>(), 0..3_000),
                                                       cuts in prop::collection::vec(1_usize..50, 1..100)) {
            let whole = Lines::default().push(&bytes);
            let (mut lines, mut rest, mut found) = (Lines::default(), &bytes[..], Vec::new());
            for cut in cuts.iter().cycle() {
                let (piece, behind) = rest.split_at((*cut).min(rest.len()));
                found.extend(lines.push(piece));
                rest = behind;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert!(found.iter().all(|line| !line.is_empty() && line.trim() == line && !line.contains(['\r', '\n'])));
            prop_assert_eq!(found, whole);
        }
    }
}
