//! A line of a reply: its name and its fields.
//!
//! In: text as it came over the wire. Out: `+NAME` and the fields behind the colon, split at commas outside quotes and
//! outside parentheses, trimmed, without their quotes. Refuses to know: what a field means. Limits: 4 KiB a line.

use super::MAX_LINE;

/// CR LF, also where a log wrote it as a sign.
const LINE_ENDS: [char; 3] = ['\r', '\n', '\u{23ce}'];

pub(super) struct Line<'a> {
    /// The whole line, trimmed.
    pub raw: &'a str,
    /// `+CESQ`; empty where the line has no colon.
    pub name: &'a str,
    pub fields: Vec<Field<'a>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub text: &'a str,
    pub quoted: bool,
}

/// The lines that say something: not empty, not `OK`, not the echo of a command.
pub(super) fn lines(reply: &str) -> impl Iterator<Item = &str> {
    reply
        .split(LINE_ENDS)
        .map(trim)
        .filter(|line| !line.is_empty() && !line.eq_ignore_ascii_case("OK") && !is_echo(line))
}

fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\0' || c == '\u{feff}')
}

fn is_echo(line: &str) -> bool {
    let bytes = line.as_bytes();
    let at = bytes.len() >= 2 && bytes[..2].eq_ignore_ascii_case(b"AT");
    at && bytes.get(2).is_none_or(|next| !next.is_ascii_lowercase() || bytes[0] == b'a')
}

impl<'a> Line<'a> {
    pub(super) fn of(raw: &'a str) -> Result<Self, &'static str> {
        if raw.len() > MAX_LINE {
            return Err("longer than 4096 bytes");
        }
        if raw.eq_ignore_ascii_case("ERROR") {
            return Ok(Line { raw, name: raw, fields: Vec::new() });
        }
        let named = raw.starts_with(['+', '^']);
        let (name, rest) = match raw.split_once(':').filter(|_| named) {
            Some((name, rest)) => (name.trim_end(), rest),
            None => ("", raw),
        };
        Ok(Line { raw, name, fields: split(rest) })
    }

    /// For the object that says why a line was refused.
    pub(super) fn refused(raw: &'a str) -> Self {
        Line { raw, name: "", fields: Vec::new() }
    }

    /// The text of a field; empty where there is none.
    pub(super) fn text(&self, at: usize) -> &'a str {
        text(&self.fields, at)
    }

    pub(super) fn is(&self, at: usize, word: &str) -> bool {
        self.text(at).eq_ignore_ascii_case(word)
    }
}

pub(super) fn text<'a>(fields: &[Field<'a>], at: usize) -> &'a str {
    fields.get(at).map_or("", |field| field.text)
}

/// Splits at commas that stand neither in quotes nor in parentheses.
pub(super) fn split(rest: &str) -> Vec<Field<'_>> {
    let mut fields = Vec::new();
    let (mut start, mut in_quotes, mut depth) = (0, false, 0_u32);
    for (at, byte) in rest.bytes().enumerate() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            b'(' if !in_quotes => depth += 1,
            b')' if !in_quotes => depth = depth.saturating_sub(1),
            b',' if !in_quotes && depth == 0 => {
                fields.push(field(&rest[start..at]));
                start = at + 1;
            }
            _ => {}
        }
    }
    fields.push(field(&rest[start..]));
    fields
}

fn field(text: &str) -> Field<'_> {
    let text = trim(text);
    match text.strip_prefix('"') {
        Some(inner) => Field { text: trim(inner.strip_suffix('"').unwrap_or(inner)), quoted: true },
        None => Field { text, quoted: false },
    }
}
