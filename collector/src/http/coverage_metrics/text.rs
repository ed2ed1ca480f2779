//! Prometheus' text format, written into chunks that leave as soon as they are full.
//!
//! In: families, pieces of label text that were made before, values. Out: chunks. Refuses to know: what is measured, where
//! the chunks go. Limits: one chunk of [`CHUNK`] bytes at a time.

use super::families::Family;
use axum::body::Bytes;
use std::io::Write;

/// Bytes of one chunk.
pub const CHUNK: usize = 64 * 1_024;
/// A chunk leaves while there is still room for a line of this length; a longer one makes its chunk longer.
const LINE: usize = 4_096;

/// Nobody takes the chunks any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reader is gone, or too slow")]
pub struct Gone;

pub struct Text<S> {
    chunk: Vec<u8>,
    send: S,
    lines: u64,
}

impl<S: FnMut(Bytes) -> Result<(), Gone>> Text<S> {
    pub fn new(send: S) -> Self {
        Text { chunk: Vec::with_capacity(CHUNK), send, lines: 0 }
    }

    pub fn family(&mut self, family: Family) -> Result<(), Gone> {
        let Family { name, kind, help } = family;
        for part in ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", kind, "\n"] {
            self.chunk.extend_from_slice(part.as_bytes());
        }
        self.leave()
    }

    /// One line. `labels` are pieces of a text like `a="b",c="d"`, put together as they are.
    pub fn line(&mut self, name: &str, labels: &[&str], value: f64) -> Result<(), Gone> {
        self.suffixed(name, "", labels, value)
    }

    /// The same with an ending of the name, as `_bucket`.
    pub fn suffixed(&mut self, name: &str, suffix: &str, labels: &[&str], value: f64) -> Result<(), Gone> {
        self.chunk.extend_from_slice(name.as_bytes());
        self.chunk.extend_from_slice(suffix.as_bytes());
        if !labels.is_empty() {
            self.chunk.push(b'{');
            labels.iter().for_each(|piece| self.chunk.extend_from_slice(piece.as_bytes()));
            self.chunk.push(b'}');
        }
        self.chunk.push(b' ');
        number(&mut self.chunk, value);
        self.chunk.push(b'\n');
        self.lines += 1;
        self.leave()
    }

    fn leave(&mut self) -> Result<(), Gone> {
        if self.chunk.len() + LINE <= CHUNK {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        (self.send)(full.into())
    }

    /// The last chunk; says how many lines there were.
    pub fn finish(mut self) -> Result<u64, Gone> {
        if !self.chunk.is_empty() {
            (self.send)(std::mem::take(&mut self.chunk).into())?;
        }
        Ok(self.lines)
    }
}

fn number(to: &mut Vec<u8>, value: f64) {
    // Most values are small whole numbers.
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        let (mut rest, mut digits, mut at) = (value as u64, [0u8; 16], 16);
        loop {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        to.extend_from_slice(&digits[at..]);
    } else {
        write!(to, "{value}").expect("a Vec takes everything");
    }
}

/// A label's value between quotes: backslash, quote and end of line are escaped.
pub fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAMILY: Family = Family { name: "a_b", kind: "gauge", help: "Of b." };

    #[test]
    fn lines_are_written_as_the_format_wants_them() {
        let mut all = Vec::new();
        let mut text = Text::new(|bytes: Bytes| {
            all.extend_from_slice(&bytes);
            Ok(())
        });
        text.family(FAMILY).expect("it is taken");
        let quoted = format!("x=\"{}\"", escaped("Nà \"Chèn\"\\\n"));
        text.line("a_b", &[&quoted, ",y=\"1\""], 3.0).expect("it is taken");
        for value in [0.0, 10.0, -1.5, 0.000_25, 1e15, 999_999_999_999_999.0] {
            text.line("a_b", &[], value).expect("it is taken");
        }
        text.suffixed("a_b", "_sum", &[], 1.0).expect("it is taken");
        assert_eq!(text.finish(), Ok(8));
        let wanted = "# HELP a_b Of b.\n# TYPE a_b gauge\na_b{x=\"Nà \\\"Chèn\\\"\\\\\\n\",y=\"1\"} 3\na_b 0\na_b 10\n\
                      a_b -1.5\na_b 0.00025\na_b 1000000000000000\na_b 999999999999999\na_b_sum 1\n";
        assert_eq!(String::from_utf8(all).expect("UTF-8"), wanted);
    }

    #[test]
    fn chunks_leave_before_they_grow_and_a_reader_that_is_gone_ends_it() {
        let mut sizes = Vec::new();
        let mut text = Text::new(|bytes: Bytes| {
            sizes.push(bytes.len());
            if sizes.len() < 3 { Ok(()) } else { Err(Gone) }
        });
        let ended = (0..100_000).try_for_each(|_| text.line("a_name_of_a_family", &["label=\"value\""], 1.0));
        drop(text);
        assert_eq!((ended, sizes.len()), (Err(Gone), 3));
        assert!(sizes.iter().all(|size| *size <= CHUNK), "{sizes:?}");
    }
}
