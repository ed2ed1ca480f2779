//! Files of areas: the administrative tree as a technician has it, checked to the last vertex before any of it is used.
//!
//! In: a GeoJSON or CSV file in degrees or VN-2000 metres, and what is stored already. Out: [`AreaFile`], every area of
//! it right by itself; [`tree::check`], whether they are right together; [`Forest`], which hamlet a position lies in.
//! Refuses to know: SQL, the command line. Everything that is wrong with a file is told at once, up to
//! [`PROBLEMS_SHOWN`]. Limits: below. `docs/areas.md` is this for technicians.

mod crs;
mod vn2000;

mod date;
mod fields;
mod problem;
mod shape;

mod features;
mod records;

mod forest;
pub mod tree;

pub use crs::Crs;
pub use date::{day_of, show_day};
pub use forest::{Forest, Node};
pub use problem::{AreaError, At, PROBLEMS_SHOWN, Problem};
pub use records::line_of;
pub use shape::Shape;

use phusong_coverage::Place;
use std::io::Read;
use std::path::Path;
use unicode_normalization::UnicodeNormalization;

/// Of one file.
pub const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Features of a GeoJSON file, records of a CSV file.
pub const FEATURES: usize = 20_000;
/// Of one feature, over all its rings.
pub const VERTICES: usize = 200_000;
/// How far a hamlet without polygon reaches around its centre, if its file does not say [J].
pub const RADIUS_M: f64 = 500.0;

/// What is said where coordinates look strange and nobody named their reference system.
const NO_CRS: &str = "; if the file is not in WGS 84, say in what with --crs";

/// What holds for the areas of a file that do not say it themselves.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The reference system of its coordinates; none: WGS 84 unless the file says otherwise.
    pub crs: Option<Crs>,
    pub label: Option<String>,
    pub parent: Option<String>,
}

/// A file whose areas are right, each by itself.
#[derive(Debug, Clone, PartialEq)]
pub struct AreaFile {
    /// As it was called.
    pub name: String,
    pub areas: Vec<NewArea>,
    /// Whether somebody said in which reference system it is.
    pub crs_said: bool,
    /// What was passed over.
    pub warnings: Vec<String>,
}

/// One area of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct NewArea {
    /// Where in the file.
    pub at: At,
    pub code: String,
    pub parent: Option<String>,
    pub name: String,
    pub label: String,
    pub validity: Validity,
    pub centre: Option<Place>,
    pub radius_m: Option<f64>,
    pub shape: Option<Shape>,
    pub population: Option<i64>,
}

/// From when to when an area is one; the end is the first moment that no longer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Validity {
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
}

impl Validity {
    pub fn holds_at(self, ms: i64) -> bool {
        self.from_ms.is_none_or(|from| from <= ms) && self.to_ms.is_none_or(|to| to > ms)
    }

    pub fn overlaps(self, other: Validity) -> bool {
        let before = |a: Validity, b: Validity| a.to_ms.zip(b.from_ms).is_some_and(|(end, begin)| end <= begin);
        !before(self, other) && !before(other, self)
    }
}

/// Days, as a person writes them.
impl std::fmt::Display for Validity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.from_ms, self.to_ms) {
            (None, None) => write!(f, "always"),
            (Some(from), None) => write!(f, "from {}", show_day(from)),
            (None, Some(to)) => write!(f, "until {}", show_day(to)),
            (Some(from), Some(to)) => write!(f, "from {} until {}", show_day(from), show_day(to)),
        }
    }
}

/// Codes and names as they are stored and compared: NFC, without spaces around.
pub fn normal(text: &str) -> String {
    text.trim().nfc().collect()
}

/// Reads a file; its name's end says what it is.
pub fn read(path: &Path, defaults: &Defaults) -> Result<AreaFile, AreaError> {
    let shown = path.display().to_string();
    let io = |error| AreaError::Io { file: shown.clone(), error };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too long, also one that grows while it is read.
    file.take(FILE_BYTES + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > FILE_BYTES {
        return Err(AreaError::TooLong { file: shown });
    }
    let ends = |end: &str| shown.to_ascii_lowercase().ends_with(end);
    if ends(".csv") {
        records::read(shown, &bytes, defaults)
    } else if ends(".geojson") || ends(".json") {
        features::read(shown, &bytes, defaults)
    } else {
        Err(AreaError::Format { file: shown })
    }
}
