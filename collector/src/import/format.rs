//! What a file is, by what stands in it; its name says nothing.
//!
//! In: a file. Out: a [`Format`], or what would be right. Refuses to know: what the rows say. Limits: the first
//! [`HEAD`] bytes are looked at.

use crate::phones::Kind;
use std::fs::File;
use std::io::Read;
use std::path::Path;

const HEAD: u64 = 64 * 1024;
const SQLITE: &[u8] = b"SQLite format 3\0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Of `phusong-agent spool export`.
    Spool,
    /// A log of the app Network Survey, a table for each kind of record.
    GeoPackage,
    /// A CSV log of the same app, of one kind.
    PhoneCsv(Kind),
    /// Any other CSV: it takes a map of its columns.
    Csv,
}

#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("this is UTF-16 text: save it as CSV in UTF-8")]
    Utf16,
    #[error(
        "this is no spool of `phusong-agent spool export` (it would begin with PSX1), no GeoPackage log (SQLite) and no \
         CSV in UTF-8"
    )]
    Unknown,
}

impl Format {
    /// Of files that belong together: states of the phone name the SIM of the other records.
    pub fn turn(self) -> u8 {
        match self {
            Format::PhoneCsv(Kind::PhoneState) => 0,
            _ => 1,
        }
    }

    pub fn in_words(self) -> String {
        match self {
            Format::Spool => "a spool of phusong-agent".into(),
            Format::GeoPackage => "a GeoPackage log of Network Survey".into(),
            Format::PhoneCsv(kind) => format!("a CSV log of Network Survey, {}", kind.message_type()),
            Format::Csv => "CSV".into(),
        }
    }
}

pub fn recognise(file: &Path) -> Result<Format, FormatError> {
    let mut head = Vec::new();
    File::open(file)?.take(HEAD).read_to_end(&mut head)?;
    of_head(&head)
}

fn of_head(head: &[u8]) -> Result<Format, FormatError> {
    if head.is_empty() {
        return Err(FormatError::Empty);
    }
    if head.starts_with(b"PSX1") {
        return Ok(Format::Spool);
    }
    if head.starts_with(SQLITE) {
        return Ok(Format::GeoPackage);
    }
    if head.starts_with(&[0xFF, 0xFE]) || head.starts_with(&[0xFE, 0xFF]) {
        return Err(FormatError::Utf16);
    }
    // The last character may be cut.
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(e) if e.valid_up_to() + 4 > head.len() && head.len() as u64 == HEAD => {
            std::str::from_utf8(&head[..e.valid_up_to()]).expect("it is valid up to there")
        }
        Err(_) => return Err(FormatError::Unknown),
    };
    if text.contains('\0') {
        return Err(FormatError::Unknown);
    }
    let lines = text.trim_start_matches('\u{feff}').lines();
    let heading = lines.map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#')).unwrap_or_default();
    let columns = heading.split(',').map(|name| name.trim_matches('"'));
    Ok(Kind::of_columns(columns).map_or(Format::Csv, Format::PhoneCsv))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_content() {
        let lte =
            "# Created by Network Survey version=1.33\r\n# CSV Version=0.3.0\r\ndeviceTime,latitude,earfcn,rsrp\r\n";
        for (head, wanted) in [
            (&b"PSX1\x03lab"[..], Some(Format::Spool)),
            (b"SQLite format 3\0\x10", Some(Format::GeoPackage)),
            (lte.as_bytes(), Some(Format::PhoneCsv(Kind::Lte))),
            (b"\xEF\xBB\xBFdeviceTime,simState,slot\n", Some(Format::PhoneCsv(Kind::PhoneState))),
            (b"Time;Lat;Lon;RSRP\n", Some(Format::Csv)),
            (b"\xFF\xFET\0i\0", None),
            (b"PK\x03\x04\0\0\xff", None),
            (b"", None),
        ] {
            assert_eq!(of_head(head).ok(), wanted, "{}", String::from_utf8_lossy(head));
        }
    }
}
