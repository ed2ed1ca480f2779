//! Walk surveys: a hamlet is found by walking it, and the record of the walk is kept inside the hole.
//!
//! In: asks of the command line ([`Request`]), the fix, the picture of the modems, echoes of its own. Out: samples like
//! all others, and a file per survey that is exported. Refuses to know: what a sample means for coverage; modems and
//! receivers (their tasks read them). Limits: one survey at a time, [`QUEUE`] asks wait, [`POINTS`] points a survey.
//!
//! A survey goes on after a restart of the agent; only `stop` ends it.

#[cfg(feature = "full")]
mod echo;
#[cfg(feature = "full")]
mod export;
#[cfg(feature = "full")]
mod journal;
#[cfg(feature = "full")]
mod kept;
#[cfg(feature = "full")]
mod pace;
#[cfg(feature = "full")]
mod point;
#[cfg(feature = "full")]
mod refusal;
#[cfg(feature = "full")]
mod round;
#[cfg(feature = "full")]
mod seen;
#[cfg(feature = "full")]
mod walk;

#[cfg(feature = "full")]
pub use export::{ExportError, Exported, Format, export};
#[cfg(feature = "full")]
pub use journal::{Journal, is_name, names, path};
#[cfg(feature = "full")]
pub use point::{Began, Line, Marked, Point, VERSION};
#[cfg(feature = "full")]
pub use refusal::{Facts, refusals};

use crate::attempt::Means;
use crate::config::Config;
use crate::device::position::Fix;
use crate::modems;
use crate::record::Stamper;
use crate::spooler::SpoolHandle;
use phusong_protocol::{Mark, SetupRef};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// Asks that wait for the survey's task.
pub const QUEUE: usize = 8;
/// More than a week of walking, about 50 MB.
pub const POINTS: u64 = 100_000;
/// Of a name: it becomes a file's.
pub const NAME_BYTES: usize = 32;
/// Of a note.
pub const NOTE_BYTES: usize = 400;

/// What the survey's task is asked over the agent's socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ask {
    Start {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    Mark {
        mark: Mark,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    Stop,
    Status,
}

/// An ask with the way back.
#[derive(Debug)]
pub struct Request {
    pub ask: Ask,
    pub answer: oneshot::Sender<Answer>,
}

/// What the survey's task works with.
pub struct Inputs {
    /// What is in force: targets may come from afar.
    pub config: watch::Receiver<Arc<Config>>,
    pub stamper: Stamper,
    pub spool: SpoolHandle,
    pub means: Arc<Means>,
    pub fix: watch::Receiver<Option<Fix>>,
    pub modems: modems::Handle,
    /// The set-up that samples refer to: indoors it is another one.
    pub setup: watch::Sender<Option<Arc<SetupRef>>>,
}

impl Inputs {
    /// Beside the task of the modems, whose inputs these are.
    pub fn beside(
        of: &modems::Inputs,
        fix: watch::Receiver<Option<Fix>>,
        modems: modems::Handle,
        setup: watch::Sender<Option<Arc<SetupRef>>>,
    ) -> Self {
        let (stamper, spool) = (of.stamper.clone(), of.spool.clone());
        Inputs { config: of.config.clone(), stamper, spool, means: of.means.clone(), fix, modems, setup }
    }
}

/// Starts the task, which ends with the last of those who can ask. `None` in a build without surveys.
pub fn start(inputs: Inputs) -> Option<mpsc::Sender<Request>> {
    #[cfg(feature = "full")]
    {
        let (asks, requests) = mpsc::channel(QUEUE);
        tokio::spawn(walk::run(inputs, requests));
        Some(asks)
    }
    #[cfg(not(feature = "full"))]
    {
        drop(inputs);
        None
    }
}

/// What it came to; nothing was done where anything was refused.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
    /// Absent: no survey runs. After `stop` what it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub survey: Option<Status>,
}

/// A survey under way.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub name: String,
    pub started_wall_ms: i64,
    pub points: u64,
    pub marks: u64,
    /// Times that a sample was due and no fresh position was there.
    pub without_fix: u64,
    /// Restarts of the agent that it survived.
    pub resumed: u32,
    /// Readings are taken indoors since the last mark.
    pub indoor: bool,
    pub has_fix: bool,
    pub in_hole: bool,
    /// Holes entered so far: what makes a follower's bell ring.
    pub holes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Glance>,
}

/// The last point in a few words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Glance {
    pub at_wall_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rsrp_dbm: Option<f32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtt_us: Option<u32>,
}

/// Why a survey does not start, or an ask makes no sense now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum Refusal {
    /// `[position]` names no receiver.
    NoReceiver,
    NoFix,
    OldFix {
        age_s: u64,
    },
    /// Neither the kernel's clock is in sync nor does the receiver give the time.
    NoTime,
    /// `[setup]` is not in the configuration.
    NoSetup,
    /// Less is free than a week of walking needs.
    NoRoom {
        free_bytes: u64,
        needed_bytes: u64,
    },
    /// What is free cannot be asked.
    RoomUnknown,
    /// No modem and no uplink: there is nothing to survey.
    NothingToMeasure,
    /// A modem searches for operators: it has no network of its own until it is done.
    Scanning,
    BadName,
    NameTaken {
        name: String,
    },
    LongNote,
    /// Another one runs.
    Running {
        name: String,
    },
    NotRunning,
    /// The file of the survey cannot be written.
    Disk {
        error: String,
    },
    /// This build has no surveys (OpenWrt).
    NotInThisBuild,
}
