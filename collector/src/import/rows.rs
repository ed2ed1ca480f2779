//! Rows of a file, one after another, each as a sample or with the reason why not.
//!
//! In: a file of a known format, the probe that its records are of. Out: [`Item`]s in the order of the file. Refuses to
//! know: the store's own tables, SIMs. Limits: one record of [`RECORD_BYTES`], one page of a GeoPackage.

use super::format::Format;
use super::map::Map;
use super::mapped::Mapped;
use crate::phones::{self, Field, Kind, Row, Value};
use crate::store::{Cell, GeoPackage, GeoRow, StoreError};
use csv::{Reader, ReaderBuilder, StringRecord};
use phusong_protocol::{ProbeId, Sample};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A quote that is never closed would take the rest of the file for one record.
const RECORD_BYTES: u64 = 1024 * 1024;
const PAGE: u32 = 4_096;

#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    #[error("the file cannot be read to its end")]
    Read(#[from] std::io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}")]
    Heading(String),
    #[error("this is {0}; say what its columns mean with --map FILE (docs/import.md)")]
    NoMap(String),
    #[error("the file holds none of Network Survey's tables (LTE_MESSAGE and so on)")]
    NoTable,
}

/// One row.
pub struct Item {
    /// A line, or a table and its row.
    pub place: At,
    pub outcome: Result<Sample, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Line(u64),
    Row(&'static str, i64),
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            At::Line(line) => write!(f, "{line}"),
            At::Row(table, row) => write!(f, "{table} row {row}"),
        }
    }
}

/// What is being read.
pub enum Rows {
    Csv(Box<Lines>),
    Geo(Box<Tables>),
}

/// How far a reading is, in bytes or rows; a share of the whole.
#[derive(Debug, Clone, Default)]
pub struct Position(Arc<AtomicU64>);

impl Position {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Rows {
    pub fn open(file: &Path, format: Format, map: Option<&Map>, probe: &ProbeId) -> Result<Self, RowsError> {
        match (format, map) {
            (Format::GeoPackage, _) => Ok(Rows::Geo(Box::new(Tables::open(file, probe)?))),
            (Format::PhoneCsv(kind), None) => Ok(Rows::Csv(Box::new(Lines::phone(file, kind, probe)?))),
            // A map says more than what the columns look like.
            (Format::PhoneCsv(_) | Format::Csv, Some(map)) => Ok(Rows::Csv(Box::new(Lines::mapped(file, map, probe)?))),
            (format @ (Format::Csv | Format::Spool), _) => Err(RowsError::NoMap(format.in_words())),
        }
    }

    pub fn position(&self) -> Position {
        match self {
            Rows::Csv(lines) => lines.position.clone(),
            Rows::Geo(tables) => tables.position.clone(),
        }
    }

    /// What [`Position`] comes to at the end.
    pub fn total(&self) -> u64 {
        match self {
            Rows::Csv(lines) => lines.total,
            Rows::Geo(tables) => tables.total,
        }
    }

    /// What was found of columns or tables, for people.
    pub fn recognised(&self) -> &[String] {
        match self {
            Rows::Csv(lines) => &lines.recognised,
            Rows::Geo(tables) => &tables.recognised,
        }
    }

    /// `None` at the end.
    pub fn read(&mut self) -> Result<Option<Item>, RowsError> {
        match self {
            Rows::Csv(lines) => lines.read(),
            Rows::Geo(tables) => tables.read(),
        }
    }
}

/// A CSV file.
pub struct Lines {
    reader: Reader<Counted>,
    record: StringRecord,
    columns: usize,
    meaning: Meaning,
    probe: ProbeId,
    position: Position,
    begun: Arc<AtomicU64>,
    /// Lines that the library does not count.
    skipped: u64,
    total: u64,
    recognised: Vec<String>,
}

enum Meaning {
    Phone(Kind, Box<[Option<usize>; Field::ALL.len()]>),
    Mapped(Box<Mapped>),
}

/// Counts what is read, and refuses a record without end.
struct Counted {
    from: BufReader<File>,
    read: Position,
    /// Where the record that is being read began.
    begun: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let before = self.read.get();
        if before.saturating_sub(self.begun.load(Ordering::Relaxed)) > RECORD_BYTES {
            return Err(std::io::Error::other("a record has more than 1 MiB: is a quote not closed?"));
        }
        let count = self.from.read(to)?;
        self.read.0.store(before + count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

fn left_aside(names: &str) -> String {
    format!("left aside: {}", if names.is_empty() { "nothing" } else { names })
}

impl Lines {
    fn phone(file: &Path, kind: Kind, probe: &ProbeId) -> Result<Self, RowsError> {
        let (mut lines, heading) = Self::start(file, b',', Some(b'#'), 0, probe)?;
        let find = |name: &str| heading.iter().position(|column| column == name);
        let columns = Field::ALL.map(|field| field.name(kind).and_then(find));
        let named = |used: bool| {
            let names = heading.iter().enumerate();
            let names = names.filter(|(at, _)| columns.contains(&Some(*at)) == used);
            names.map(|(_, name)| name).collect::<Vec<_>>().join(", ")
        };
        lines.recognised = vec![format!("read: {}", named(true)), left_aside(&named(false))];
        lines.meaning = Meaning::Phone(kind, Box::new(columns));
        Ok(lines)
    }

    fn mapped(file: &Path, map: &Map, probe: &ProbeId) -> Result<Self, RowsError> {
        let (mut lines, heading) = Self::start(file, map.delimiter, map.comment, map.skip_lines, probe)?;
        let mapped = Mapped::new(map.clone(), &heading).map_err(RowsError::Heading)?;
        lines.recognised = vec![left_aside(&mapped.unused(&heading).join(", "))];
        lines.meaning = Meaning::Mapped(Box::new(mapped));
        Ok(lines)
    }

    fn start(
        file: &Path,
        delimiter: u8,
        comment: Option<u8>,
        skip: u32,
        probe: &ProbeId,
    ) -> Result<(Self, StringRecord), RowsError> {
        let from = File::open(file)?;
        let total = from.metadata()?.len();
        let mut from = BufReader::with_capacity(64 * 1024, from);
        let mut skipped_bytes = 0;
        for _ in 0..skip {
            skipped_bytes += from.by_ref().take(RECORD_BYTES).read_until(b'\n', &mut Vec::new())? as u64;
        }
        // The library ends a record at the `\r` and counts the `\n` to the next.
        let head = from.fill_buf()?;
        let ends = head.iter().position(|byte| *byte == b'\n');
        let returns = ends.is_some_and(|at| at > 0 && head[at - 1] == b'\r');
        let position = Position(Arc::new(AtomicU64::new(skipped_bytes)));
        let begun = Arc::new(AtomicU64::new(skipped_bytes));
        let counted = Counted { from, read: position.clone(), begun: Arc::clone(&begun) };
        let mut builder = ReaderBuilder::new();
        let mut reader =
            builder.delimiter(delimiter).comment(comment).flexible(true).has_headers(true).from_reader(counted);
        let heading = reader.headers().map_err(heading_error)?.clone();
        if heading.is_empty() {
            return Err(RowsError::Heading("the file has no heading".into()));
        }
        let lines = Lines {
            reader,
            record: StringRecord::new(),
            columns: heading.len(),
            meaning: Meaning::Phone(Kind::Lte, Box::new([None; Field::ALL.len()])),
            probe: probe.clone(),
            position,
            begun,
            skipped: u64::from(skip) + u64::from(returns),
            total,
            recognised: Vec::new(),
        };
        Ok((lines, heading))
    }

    fn read(&mut self) -> Result<Option<Item>, RowsError> {
        self.begun.store(self.position.get(), Ordering::Relaxed);
        let read = self.reader.read_record(&mut self.record);
        let line = |record: &StringRecord| record.position().map_or(0, csv::Position::line) + self.skipped;
        match read {
            Ok(false) => Ok(None),
            Ok(true) => {
                let place = At::Line(line(&self.record));
                Ok(Some(Item { place, outcome: self.outcome() }))
            }
            Err(error) => match error.kind() {
                csv::ErrorKind::Utf8 { pos, .. } => {
                    let line = pos.as_ref().map_or(0, csv::Position::line) + self.skipped;
                    Ok(Some(Item { place: At::Line(line), outcome: Err("the line is not UTF-8".into()) }))
                }
                _ => Err(heading_error(error)),
            },
        }
    }

    fn outcome(&self) -> Result<Sample, String> {
        let record = &self.record;
        if record.len() != self.columns {
            return Err(format!("the line has {} of {} columns: is it cut off?", record.len(), self.columns));
        }
        match &self.meaning {
            Meaning::Mapped(mapped) => mapped.sample(record, &self.probe),
            Meaning::Phone(kind, columns) => phone(*kind, &CsvRow { record, columns }, &self.probe),
        }
    }
}

fn heading_error(error: csv::Error) -> RowsError {
    match error.into_kind() {
        csv::ErrorKind::Io(e) => RowsError::Read(e),
        other => RowsError::Heading(format!("{other:?}")),
    }
}

fn phone(kind: Kind, row: &impl Row, probe: &ProbeId) -> Result<Sample, String> {
    let sample = phones::sample(kind, row, probe).map_err(|bad| bad.to_string())?;
    sample.check().map_err(|violation| violation.to_string())?;
    Ok(sample)
}

struct CsvRow<'a> {
    record: &'a StringRecord,
    columns: &'a [Option<usize>; Field::ALL.len()],
}

impl Row for CsvRow<'_> {
    fn get(&self, field: Field) -> Option<Value<'_>> {
        self.record.get(self.columns[field as usize]?).map(Value::Text)
    }
}

/// The tables of a GeoPackage log, one after another.
pub struct Tables {
    file: GeoPackage,
    probe: ProbeId,
    left: Vec<Table>,
    page: std::vec::IntoIter<GeoRow>,
    after: i64,
    position: Position,
    total: u64,
    recognised: Vec<String>,
}

struct Table {
    kind: Kind,
    name: &'static str,
    columns: Vec<String>,
    /// Where among the columns a field stands.
    fields: [Option<usize>; Field::ALL.len()],
}

impl Tables {
    fn open(path: &Path, probe: &ProbeId) -> Result<Self, RowsError> {
        let file = GeoPackage::open(path)?;
        let (mut left, mut total, mut recognised) = (Vec::new(), 0, Vec::new());
        for kind in Kind::ALL {
            let Some(name) = kind.table() else { continue };
            let all = file.columns(name)?;
            if all.is_empty() {
                continue;
            }
            let count = file.count(name)?;
            total += count;
            recognised.push(format!("{name}: {count} rows"));
            let mut columns = Vec::new();
            let fields = Field::ALL.map(|field| {
                let wanted = field.column(kind)?;
                columns.push(all.iter().find(|column| column.eq_ignore_ascii_case(wanted))?.clone());
                Some(columns.len() - 1)
            });
            left.push(Table { kind, name, columns, fields });
        }
        // States of the phone first: they name the SIM of the other records. Taken from the end.
        left.sort_by_key(|table| table.kind == Kind::PhoneState);
        if left.is_empty() {
            return Err(RowsError::NoTable);
        }
        let page = Vec::new().into_iter();
        let position = Position::default();
        Ok(Tables { file, probe: probe.clone(), left, page, after: i64::MIN, position, total, recognised })
    }

    fn read(&mut self) -> Result<Option<Item>, RowsError> {
        loop {
            let Some(table) = self.left.last() else { return Ok(None) };
            if let Some(row) = self.page.next() {
                self.position.0.fetch_add(1, Ordering::Relaxed);
                let outcome = phone(table.kind, &TableRow { table, row: &row }, &self.probe);
                return Ok(Some(Item { place: At::Row(table.name, row.id), outcome }));
            }
            let page = self.file.page(table.name, &table.columns, self.after, PAGE)?;
            match page.last() {
                Some(last) => self.after = last.id,
                None => {
                    self.left.pop();
                    self.after = i64::MIN;
                }
            }
            self.page = page.into_iter();
        }
    }
}

struct TableRow<'a> {
    table: &'a Table,
    row: &'a GeoRow,
}

impl Row for TableRow<'_> {
    fn get(&self, field: Field) -> Option<Value<'_>> {
        match (field, self.row.point) {
            (Field::Latitude, point) => return point.map(|(_, lat)| Value::Real(lat)),
            (Field::Longitude, point) => return point.map(|(lon, _)| Value::Real(lon)),
            _ => {}
        }
        Some(match &self.row.cells[self.table.fields[field as usize]?] {
            Cell::Null => return None,
            Cell::Int(value) => Value::Int(*value),
            Cell::Real(value) => Value::Real(*value),
            Cell::Text(text) => Value::Text(text),
        })
    }
}
