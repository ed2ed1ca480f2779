//! The file of one survey, `surveys/<name>.jsonl` in the data directory.
//!
//! In: [`Line`]s. Out: a file that a power cut can only shorten, and what can be read of it. Refuses to know: samples;
//! those are in the spool. Limits: what was written in the last [`SYNC_MS`] may be lost; a line that was cut off is
//! left out and counted; [`FILE_BYTES`].

use super::point::{Line, Marked, Point};
use super::{NAME_BYTES, POINTS};
use crate::device::position::Fix;
use phusong_protocol::PlaceSource;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The longest that a line waits for its fdatasync.
pub const SYNC_MS: u64 = 5_000;
/// [`POINTS`] of the longest kind.
const FILE_BYTES: u64 = 256 * 1024 * 1024;

pub fn directory(data_dir: &Path) -> PathBuf {
    data_dir.join("surveys")
}

/// Whether it can be a survey's name: it becomes a file's.
pub fn is_name(name: &str) -> bool {
    let good = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-');
    (1..=NAME_BYTES).contains(&name.len()) && name.bytes().all(good)
}

pub fn path(data_dir: &Path, name: &str) -> PathBuf {
    directory(data_dir).join(format!("{name}.jsonl"))
}

/// The names of all surveys that are kept, in order.
pub fn names(data_dir: &Path) -> Vec<String> {
    let Ok(list) = std::fs::read_dir(directory(data_dir)) else { return Vec::new() };
    let name = |entry: io::Result<std::fs::DirEntry>| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_suffix(".jsonl").filter(|name| is_name(name)).map(str::to_owned)
    };
    let mut names: Vec<String> = list.filter_map(name).collect();
    names.sort();
    names
}

/// Appends to the file.
#[derive(Debug)]
pub struct Journal {
    file: File,
    /// When the oldest line was written that is not yet durable.
    unsynced_since: Option<u64>,
}

impl Journal {
    /// A new file; it is refused where one stands.
    pub fn create(data_dir: &Path, name: &str) -> io::Result<Journal> {
        std::fs::create_dir_all(directory(data_dir))?;
        let file = OpenOptions::new().append(true).create_new(true).open(path(data_dir, name))?;
        // The file's name is durable with its directory.
        File::open(directory(data_dir))?.sync_all()?;
        Ok(Journal { file, unsynced_since: None })
    }

    /// The file of a survey that goes on. A line that was cut off is ended, so that the next one stands alone.
    pub fn resume(data_dir: &Path, name: &str) -> io::Result<Journal> {
        let mut file = OpenOptions::new().read(true).append(true).open(path(data_dir, name))?;
        let length = file.seek(SeekFrom::End(0))?;
        if length > 0 {
            file.seek(SeekFrom::Start(length - 1))?;
            let mut last = [0];
            io::Read::read_exact(&mut file, &mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(Journal { file, unsynced_since: None })
    }

    pub fn append(&mut self, line: &Line, now_mono_ms: u64) -> io::Result<()> {
        self.file.write_all(line.to_json().as_bytes())?;
        self.unsynced_since.get_or_insert(now_mono_ms);
        self.sync_if(|since| now_mono_ms.saturating_sub(since) >= SYNC_MS)
    }

    /// Makes durable what waited long enough.
    pub fn look(&mut self, now_mono_ms: u64) -> io::Result<()> {
        self.sync_if(|since| now_mono_ms.saturating_sub(since) >= SYNC_MS)
    }

    pub fn sync(&mut self) -> io::Result<()> {
        self.sync_if(|_| true)
    }

    fn sync_if(&mut self, due: impl Fn(u64) -> bool) -> io::Result<()> {
        if self.unsynced_since.is_some_and(due) {
            self.file.sync_data()?;
            self.unsynced_since = None;
        }
        Ok(())
    }
}

/// What a survey's file holds, in the order in which it was written.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Walk {
    pub name: String,
    pub started_ms: i64,
    pub note: Option<String>,
    pub points: Vec<Point>,
    pub marks: Vec<Marked>,
    pub resumed: u32,
    pub stopped_ms: Option<i64>,
    /// Lines that were cut off or that this version does not know.
    pub unreadable: u64,
}

/// Reads a file, whole or torn.
pub fn read(file: &Path) -> io::Result<Walk> {
    let opened = File::open(file)?;
    if opened.metadata()?.len() > FILE_BYTES {
        return Err(io::Error::other(format!("is longer than {FILE_BYTES} bytes; a survey never is")));
    }
    let mut from = BufReader::with_capacity(64 * 1024, opened);
    let mut walk = Walk::default();
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line)? > 0 {
        if !line.trim_ascii().is_empty() {
            walk.take(Line::from_json(&line));
        }
        line.clear();
    }
    Ok(walk)
}

impl Walk {
    /// Of the last point or mark.
    pub fn last_place(&self) -> Option<Fix> {
        let point = self.points.last().map(|point| (point.at_ms, point.lat, point.lon));
        let mark = self.marks.last().map(|mark| (mark.at_ms, mark.lat, mark.lon));
        let (_, lat, lon) = point.into_iter().chain(mark).max_by_key(|(at_ms, ..)| *at_ms)?;
        Some(Fix {
            at_mono_ms: 0,
            lat,
            lon,
            accuracy_m: None,
            altitude_m: None,
            speed_mps: None,
            track_deg: None,
            source: PlaceSource::Gps,
            utc_ms: None,
        })
    }

    fn take(&mut self, line: Option<Line>) {
        match line {
            Some(Line::Began(began)) => {
                (self.name, self.started_ms, self.note) = (began.name, began.at_ms, began.note);
            }
            Some(Line::Point(point)) if (self.points.len() as u64) < POINTS => self.points.push(*point),
            Some(Line::Mark(mark)) if (self.marks.len() as u64) < POINTS => self.marks.push(mark),
            Some(Line::Resumed { .. }) => self.resumed += 1,
            Some(Line::Stopped { at_ms }) => self.stopped_ms = Some(at_ms),
            Some(Line::Point(_) | Line::Mark(_)) | None => self.unreadable += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey::point::{Began, VERSION};

    #[test]
    fn a_file_that_was_cut_in_the_middle_of_a_line_loses_that_line_alone() {
        let dir = std::env::temp_dir().join(format!("phusong-journal-{}", std::process::id()));
        let began = Line::Began(Began { v: VERSION, name: "a".into(), at_ms: 1, note: None });
        let point = |at_ms| Line::Point(Box::new(Point { at_ms, lat: 21.5, lon: 105.5, ..Point::default() }));
        let mut journal = Journal::create(&dir, "a").expect("temp is writable");
        journal.append(&began, 0).expect("temp is writable");
        (2..5).for_each(|at| journal.append(&point(at), at as u64).expect("temp is writable"));
        journal.sync().expect("temp is writable");
        assert!(Journal::create(&dir, "a").is_err(), "a name is given once");
        let file = path(&dir, "a");
        let whole = std::fs::read(&file).expect("readable");
        std::fs::write(&file, &whole[..whole.len() - 9]).expect("temp is writable");
        let mut again = Journal::resume(&dir, "a").expect("it is there");
        again.append(&Line::Resumed { at_ms: 5 }, 0).expect("temp is writable");
        again.append(&point(6), 0).expect("temp is writable");
        let walk = read(&file).expect("readable");
        let times: Vec<i64> = walk.points.iter().map(|point| point.at_ms).collect();
        assert_eq!((times, walk.unreadable, walk.resumed), (vec![2, 3, 6], 1, 1));
        assert_eq!((walk.name.as_str(), names(&dir)), ("a", vec!["a".to_owned()]));
        std::fs::remove_dir_all(&dir).expect("own directory");
    }

    #[test]
    fn a_name_becomes_a_file_and_nothing_else() {
        for (name, wanted) in
            [("ban-moi-1", true), ("", false), ("../x", false), ("Bản", false), (&"a".repeat(33), false)]
        {
            assert_eq!(is_name(name), wanted, "{name}");
        }
    }
}
