//! What `make check-dashboards` knows: reading a dashboard as Grafana does, asking a real Prometheus, finding faults.
//!
//! In: the committed JSON, `docs/metrics.md`, a Prometheus with two days of data. Out: faults, counted by kind. Refuses
//! to know: the generator (it is asked only whether the files are its own), pixels. Limits: of Grafana's many
//! transformations and matchers it knows those that our dashboards use; another one is a fault.

mod ask;
mod broken;
mod families;
mod file;
mod frame;
mod judge;
mod substitute;
mod transform;
mod world;

pub mod roundtrip;

pub use ask::{Outcome, Source, examine};
pub use broken::{Broken, all as broken};
pub use families::Families;
pub use file::Board;
pub use world::{Story, series};

use std::fmt;

/// What can be wrong; each is a figure of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The file is not what it has to be: version, an unknown key, an undefined variable.
    File,
    /// Panels over each other, or beyond the grid.
    Overlap,
    /// PromQL that does not parse, or that Prometheus refuses.
    Promql,
    /// A metric that `docs/metrics.md` does not know, or with other labels.
    Metric,
    /// A query without an answer.
    NoData,
    /// A name in a legend, transformation, matcher, link or layer that no answer has.
    Label,
    /// A value or name that is shown raw where others have a word.
    Mapping,
}

/// One fault, with where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub place: String,
    pub what: String,
}

impl Fault {
    fn new(kind: Kind, place: impl fmt::Display, what: impl fmt::Display) -> Self {
        Fault { kind, place: place.to_string(), what: what.to_string() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}: {}", self.kind, self.place, self.what)
    }
}
