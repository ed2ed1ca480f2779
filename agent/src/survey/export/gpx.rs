//! GPX 1.1: a waypoint for each point and mark; what was measured stands in its extensions.
//!
//! In: a walk. Out: bytes. Refuses to know: files. Limits: characters that XML 1.0 does not know are left out.

use super::{NAMES, Words, values, word};
use crate::device::clock::utc;
use crate::survey::journal::Walk;
use std::io::{self, Write};

const HEAD: &str = concat!(
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n",
    "<gpx version=\"1.1\" creator=\"phusong-agent\" xmlns=\"http://www.topografix.com/GPX/1/1\" ",
    "xmlns:ps=\"urn:phusong:survey:1\">\n"
);

pub fn write(walk: &Walk, reacquiring: &[bool], to: &mut dyn Write) -> io::Result<()> {
    to.write_all(HEAD.as_bytes())?;
    write!(to, "<metadata><name>{}</name>", escaped(&walk.name))?;
    if let Some(note) = &walk.note {
        write!(to, "<desc>{}</desc>", escaped(note))?;
    }
    writeln!(to, "<time>{}</time></metadata>", utc(walk.started_ms))?;
    for (point, flag) in walk.points.iter().zip(reacquiring) {
        write!(to, "<wpt lat=\"{:.7}\" lon=\"{:.7}\">", point.lat, point.lon)?;
        if let Some(altitude_m) = point.altitude_m {
            write!(to, "<ele>{altitude_m:.1}</ele>")?;
        }
        write!(to, "<time>{}</time><type>point</type><extensions>", utc(point.at_ms))?;
        let words = Words::of(point);
        for (name, value) in NAMES.iter().zip(values(point, *flag, &words)) {
            if let Some(value) = value {
                write!(to, "<ps:{name}>{}</ps:{name}>", escaped(&value.plain()))?;
            }
        }
        writeln!(to, "</extensions></wpt>")?;
    }
    for mark in &walk.marks {
        write!(to, "<wpt lat=\"{:.7}\" lon=\"{:.7}\"><time>{}</time>", mark.lat, mark.lon, utc(mark.at_ms))?;
        write!(to, "<name>{}</name>", word(&mark.mark).unwrap_or_else(|| "outdoor".into()))?;
        if let Some(note) = &mark.note {
            write!(to, "<desc>{}</desc>", escaped(note))?;
        }
        write!(to, "<type>mark</type>")?;
        if let Some(accuracy_m) = mark.accuracy_m {
            write!(to, "<extensions><ps:accuracy_m>{accuracy_m:.1}</ps:accuracy_m></extensions>")?;
        }
        writeln!(to, "</wpt>")?;
    }
    writeln!(to, "</gpx>")
}

/// Text for between two tags.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            // XML 1.0, 2.2: no control characters but these, no half pairs, no U+FFFE and U+FFFF.
            '\t' | '\n' | '\r' => safe.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c < ' ' => {}
            c => safe.push(c),
        }
    }
    safe
}
