//! One line of a survey's file: what was seen where, what was marked, what happened to the survey.
//!
//! In: what the walk measured. Out: a [`Line`] and its JSON form. Refuses to know: files, export formats. Limits:
//! [`LINE_BYTES`]; a longer line is not ours.

use phusong_protocol::{FailureKind, Mark, RadioCell, ServiceState, Technology};
use serde::{Deserialize, Serialize};

/// The longest has a note of 400 bytes and every field of a cell: about 1,500.
pub const LINE_BYTES: usize = 4 * 1024;
/// Of the file's form.
pub const VERSION: u32 = 1;

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The first one.
    Began(Began),
    Point(Box<Point>),
    Mark(Marked),
    /// The agent was started again in the middle.
    Resumed {
        at_ms: i64,
    },
    Stopped {
        at_ms: i64,
    },
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Began {
    pub v: u32,
    pub name: String,
    pub at_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What one modem, or one uplink without a modem, saw at one point. Absent is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Point {
    /// Milliseconds since 1970, by a clock in sync or by the receiver.
    pub at_ms: i64,
    /// Degrees, WGS 84.
    pub lat: f64,
    pub lon: f64,
    /// Radius that holds the truth in 95 % of cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub altitude_m: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speed_mps: Option<f32>,
    #[serde(skip_serializing_if = "is_false")]
    pub indoor: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub modem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sim_plmn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub serving_plmn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceState>,
    /// Whether the network served: absent where nobody knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub served: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub technology: Option<Technology>,
    /// The serving cell; of an NSA attachment the LTE leg.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<RadioCell>,
    /// The NR leg of an NSA attachment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nr_cell: Option<RadioCell>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
    /// Why nothing came back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<FailureKind>,
}

/// What a person marked. Without a `mark` the end of what was marked as indoor.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Marked {
    pub at_ms: i64,
    pub lat: f64,
    pub lon: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accuracy_m: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<Mark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl Line {
    /// One line with its end.
    pub fn to_json(&self) -> String {
        let mut line = serde_json::to_string(self).expect("every field has a JSON form");
        line.push('\n');
        line
    }

    /// `None` for a line that was cut off or is of a later version.
    pub fn from_json(line: &[u8]) -> Option<Line> {
        if line.len() > LINE_BYTES {
            return None;
        }
        serde_json::from_slice(line).ok()
    }
}
