//! What is wrong with a file of areas, told so that a technician finds the place and knows what would be right.

use super::{FILE_BYTES, VERTICES};
use std::fmt;

/// Problems of one file that are told; how many more there are is told, too.
pub const PROBLEMS_SHOWN: usize = 20;

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// The n-th feature of a GeoJSON file, from 1.
    Feature(usize),
    /// The line of a CSV file, from 1.
    Line(u64),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub at: At,
    /// Which area, if that much is known.
    pub code: Option<String>,
    /// Which property or column.
    pub field: &'static str,
    pub reason: String,
}

/// Why nothing of a file can be used.
#[derive(Debug, thiserror::Error)]
pub enum AreaError {
    // Not a `source`: the chain of causes would say it twice.
    #[error("{file}: {error}")]
    Io { file: String, error: std::io::Error },
    #[error("{file}: longer than {} MiB: split it, one commune a file", FILE_BYTES / 1024 / 1024)]
    TooLong { file: String },
    #[error("{file}: its name must end in .geojson, .json or .csv, that says how it is read")]
    Format { file: String },
    /// Not even the frame of the file is right.
    #[error("{file}: {reason}")]
    Frame { file: String, reason: String },
    #[error("{}", told(.file, .problems, *.more))]
    Problems { file: String, problems: Vec<Problem>, more: usize },
}

/// Gathers what is wrong, bounded.
#[derive(Debug, Default)]
pub(super) struct Problems {
    first: Vec<Problem>,
    more: usize,
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            At::Feature(number) => write!(f, "feature {number}"),
            At::Line(line) => write!(f, "line {line}"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { at, code, field, reason } = self;
        match code {
            Some(code) => write!(f, "{at} ({code}): {field}: {reason}"),
            None => write!(f, "{at}: {field}: {reason}"),
        }
    }
}

impl Problems {
    pub fn add(&mut self, at: At, code: Option<&str>, field: &'static str, reason: impl Into<String>) {
        if self.first.len() < PROBLEMS_SHOWN {
            let code = code.filter(|code| !code.is_empty()).map(str::to_owned);
            self.first.push(Problem { at, code, field, reason: reason.into() });
        } else {
            self.more += 1;
        }
    }

    pub fn count(&self) -> usize {
        self.first.len() + self.more
    }

    /// Nothing, or the error that tells them.
    pub fn finish(self, file: &str) -> Result<(), AreaError> {
        if self.first.is_empty() {
            return Ok(());
        }
        Err(AreaError::Problems { file: file.to_owned(), problems: self.first, more: self.more })
    }
}

fn told(file: &str, problems: &[Problem], more: usize) -> String {
    let mut lines: Vec<String> = problems.iter().map(|problem| format!("{file}: {problem}")).collect();
    if more > 0 {
        lines.push(format!("{file}: and {more} more"));
    }
    lines.push("nothing of the file was imported".into());
    lines.join("\n")
}

/// For a number of vertices that is too high.
pub(super) fn too_many_vertices() -> String {
    format!("more than {VERTICES} vertices: simplify it, 10 m are fine enough")
}
