//! What a running agent can be asked over the socket in its data directory, and what it answers.
//!
//! In: one question a connection, a line of JSON ([`Question`]), or one of the words `status` and `check`. Out: lines of
//! JSON; a refusal is `{"error": ".."}` and the last line. Refuses to know: who asks; the directory's mode decides.
//! Limits: [`ASKERS`] connections at once, a question of [`QUESTION_BYTES`], an answer line of [`ANSWER_BYTES`].
//!
//! What a question sets lasts as long as its connection: whoever walks away, or is killed, leaves nothing behind.

mod client;
mod serve;

pub use client::{Client, ControlError, Lines};
pub use serve::{Served, serve};

use crate::device::modem::{ModemKey, Picture};
use crate::device::position::Fix;
use crate::survey;
use phusong_protocol::{RadioCell, ScanEntry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A technician's page holds two; one more than that for everybody is left for `status`.
pub const ASKERS: usize = 8;
pub const QUESTION_BYTES: u64 = 4 * 1024;
/// A picture of eight modems with 64 neighbours each stays below it.
pub const ANSWER_BYTES: u64 = 1024 * 1024;

pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("status.sock")
}

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
pub enum Question {
    Status,
    Check,
    /// A [`Seen`] at every change and at least once a second, until the asker goes.
    Watch,
    /// The serving cell is read this often, and with `flow` a kilobyte a second flows both ways, until the asker goes.
    /// Answer: one [`Paced`].
    Pace {
        modem: ModemKey,
        signal_ms: u64,
        #[serde(default)]
        flow: bool,
    },
    /// The signal of now becomes a sample: somebody aimed an antenna and held still. Answer: one [`Aimed`].
    Aimed {
        modem: ModemKey,
    },
    /// A minute of echoes and one bandwidth test, the record of commissioning. Answer: [`AcceptStep`]s.
    Accept {
        modem: ModemKey,
    },
    /// Which operators are there. Answer: one [`Scanned`], after minutes.
    Scan {
        modem: ModemKey,
    },
    /// A technology check out of turn; its result is a sample. Answer: one line when it has begun.
    RadioCheck {
        modem: ModemKey,
    },
    /// Answer: one [`survey::Answer`].
    Survey(survey::Ask),
}

/// Everything that a person in the field looks at.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Of this line, on the boot's clock.
    pub now_mono_ms: u64,
    pub picture: Picture,
    pub fix: Option<Fix>,
    /// By interface of the uplink: the last echo or handshake beyond the gateway.
    pub ping: BTreeMap<String, Pinged>,
    /// Samples that wait in the spool for the collector.
    pub samples: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinged {
    pub at_mono_ms: u64,
    /// Absent: nothing came back.
    pub rtt_us: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paced {
    pub signal_ms: u64,
    /// What the kilobyte flows to; absent without `flow`.
    pub flow_to: Option<String>,
}

/// The stored sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Aimed {
    pub seq: u64,
    pub cells: Vec<RadioCell>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum AcceptStep {
    /// So far.
    Pinging {
        sent: u32,
        received: u32,
        of: u32,
    },
    Testing {
        target: String,
    },
    /// The last line.
    Done(Accepted),
}

/// The record of commissioning; every part of it is a sample, too.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Accepted {
    pub target: String,
    pub sent: u32,
    pub received: u32,
    pub min_us: Option<u32>,
    pub median_us: Option<u32>,
    pub p95_us: Option<u32>,
    pub max_us: Option<u32>,
    pub down_bps: Option<u64>,
    pub up_bps: Option<u64>,
    /// The test stopped at its bound: at least so fast.
    pub early: Option<bool>,
    /// Why there is no speed.
    pub no_speed: Option<String>,
    /// The serving cells at the end.
    pub cells: Vec<RadioCell>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scanned {
    pub entries: Vec<ScanEntry>,
    pub elapsed_ms: u32,
}

/// The last line where the question cannot be answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub error: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_a_line_that_a_person_can_type() {
        let modem = ModemKey("m1".into());
        for (line, question) in [
            (r#"{"ask":"watch"}"#, Question::Watch),
            (
                r#"{"ask":"pace","modem":"m1","signal_ms":1000,"flow":true}"#,
                Question::Pace { modem: modem.clone(), signal_ms: 1_000, flow: true },
            ),
            (r#"{"ask":"aimed","modem":"m1"}"#, Question::Aimed { modem: modem.clone() }),
            (r#"{"ask":"scan","modem":"m1"}"#, Question::Scan { modem }),
        ] {
            assert_eq!(serde_json::from_str::<Question>(line).ok(), Some(question.clone()));
            assert_eq!(serde_json::to_string(&question).expect("it has a JSON form"), line);
        }
        for line in ["", "watch", r#"{"ask":"wotch"}"#, r#"{"ask":"aimed"}"#, r#"{"ask":"scan","modem":"m","x":1}"#] {
            assert!(serde_json::from_str::<Question>(line).is_err(), "{line}");
        }
    }
}
