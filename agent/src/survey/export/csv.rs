//! CSV (RFC 4180) in UTF-8: a head line, then points, then marks.
//!
//! In: a walk. Out: bytes. Refuses to know: files. Limits: no byte-order mark; spreadsheets are told the encoding when
//! they import. A text that a spreadsheet would take for a formula begins with an apostrophe.

use super::{NAMES, Value, Words, values, word};
use crate::device::clock::utc;
use crate::survey::journal::Walk;
use std::io::{self, Write};

pub fn write(walk: &Walk, reacquiring: &[bool], to: &mut dyn Write) -> io::Result<()> {
    write!(to, "kind,survey,time,lat,lon,mark,note,{}\r\n", NAMES.join(","))?;
    let name = quoted(&walk.name);
    for (point, flag) in walk.points.iter().zip(reacquiring) {
        write!(to, "point,{name},{},{:.7},{:.7},,", utc(point.at_ms), point.lat, point.lon)?;
        let words = Words::of(point);
        for value in values(point, *flag, &words) {
            match value {
                None => write!(to, ",")?,
                Some(Value::Text(text)) => write!(to, ",{}", quoted(text))?,
                Some(value) => write!(to, ",{}", value.plain())?,
            }
        }
        write!(to, "\r\n")?;
    }
    for mark in &walk.marks {
        let kind = word(&mark.mark).unwrap_or_default();
        let note = quoted(mark.note.as_deref().unwrap_or_default());
        let accuracy_m = mark.accuracy_m.map(|m| format!("{m:.1}")).unwrap_or_default();
        write!(to, "mark,{name},{},{:.7},{:.7},{kind},{note},{accuracy_m}", utc(mark.at_ms), mark.lat, mark.lon)?;
        write!(to, "{}\r\n", ",".repeat(NAMES.len() - 1))?;
    }
    Ok(())
}

pub(super) fn quoted(text: &str) -> String {
    let formula = if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
    if formula.is_empty() && !text.contains(['"', ',', '\r', '\n']) {
        return text.to_owned();
    }
    format!("\"{formula}{}\"", text.replace('"', "\"\""))
}
