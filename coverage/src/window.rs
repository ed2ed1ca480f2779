//! Five minutes of event time at one place on one network: a mergeable tally, before any judgement.
//!
//! In: attempts in any order, with duplicates. Out: [`Window`]s ascending by start. Refuses to know: thresholds, other
//! places. Limits: [`TARGETS`] targets in a window, which is what a configuration can hold, and [`EVIDENCE`] named samples.

use crate::observation::{Attempt, Ended, Layer, Role, SampleId, TargetId};
use crate::radio::Block;
use crate::rtt::Rtts;
use crate::signal::Radio;
use std::collections::{BTreeMap, BTreeSet};

pub const WINDOW_MS: i64 = 300_000;
/// A probe has 64 targets at most.
pub const TARGETS: usize = 64;
/// Samples that are named as proof of one window.
pub const EVIDENCE: usize = 4;
/// Thousandths of a window that make it blocked [J].
pub const BLOCKED: u16 = 500;

/// The number of a window: its start in units of five minutes since 1970 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WindowNo(pub i64);

impl WindowNo {
    pub const fn of(ms: i64) -> Self {
        WindowNo(ms.div_euclid(WINDOW_MS))
    }

    pub const fn start_ms(self) -> i64 {
        self.0 * WINDOW_MS
    }

    pub const fn end_ms(self) -> i64 {
        (self.0 + 1) * WINDOW_MS
    }

    pub const fn plus(self, windows: i64) -> Self {
        WindowNo(self.0 + windows)
    }
}

/// What became of one target in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetTally {
    pub target: TargetId,
    pub answered: u32,
    pub unanswered: u32,
    /// Of the unanswered ones, TCP and HTTP.
    pub transfers_unanswered: u32,
}

/// One window. Rounds of [`Role::Service`] targets stand in `targets`; the first hop and our own link stand apart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Window {
    pub no: i64,
    /// Ascending by target.
    pub targets: Vec<TargetTally>,
    pub gateway_answered: u32,
    pub gateway_unanswered: u32,
    pub link_down: u32,
    pub portal: u32,
    /// Echoes to service targets.
    pub sent: u32,
    pub received: u32,
    pub rtts: Rtts,
    /// First and last moment at which the probe proved that it could test, and at which it tried at all.
    pub able: Option<(i64, i64)>,
    pub tried: Option<(i64, i64)>,
    /// The first unanswered samples, else none: what a gap is proved with.
    pub evidence: Vec<SampleId>,
    /// HTTP to service targets that was answered: not by a portal.
    pub pages: u32,
    /// What the radio said, where there is one (`signal.rs`).
    pub radio: Option<Box<Radio>>,
    /// Observations whose time is only bounded fell here: nothing may be concluded from silence.
    pub undated: bool,
}

impl Window {
    pub fn new(no: WindowNo) -> Self {
        Window { no: no.0, ..Window::default() }
    }

    pub const fn number(&self) -> WindowNo {
        WindowNo(self.no)
    }

    pub fn answered(&self) -> u32 {
        self.targets.iter().map(|tally| tally.answered).sum()
    }

    /// Everything was tried and our own side is to blame: the first hop is silent, or the link is down and no radio
    /// says why.
    pub fn own_side(&self) -> bool {
        let gateway_silent = self.gateway_unanswered > 0 && self.gateway_answered == 0;
        let link_down = self.link_down > 0 && self.gateway_answered == 0 && self.radio.is_none();
        self.answered() == 0 && self.tried.is_some() && (gateway_silent || link_down)
    }

    pub fn unanswered(&self) -> u32 {
        self.targets.iter().map(|tally| tally.unanswered).sum()
    }

    /// A radio was there, and nothing could be tried for want of a link.
    pub fn no_link(&self) -> bool {
        self.radio.is_some() && self.link_down > 0 && self.targets.is_empty() && self.gateway_answered == 0
    }

    /// What kept it from testing for half of the time or more, and nothing came through.
    pub fn block(&self) -> Option<Block> {
        let (block, share) = self.radio.as_ref()?.block?;
        (share >= BLOCKED && self.answered() == 0).then_some(block)
    }

    /// `looked`: when the modem was looked at: a device that does that can test.
    pub fn take_radio(&mut self, radio: Radio, looked: Option<(i64, i64)>) {
        self.radio = Some(Box::new(radio));
        if !self.own_side() {
            for span in [self.tried, looked].into_iter().flatten() {
                self.able = wider(self.able, span);
            }
        }
    }

    fn add(&mut self, attempt: &Attempt) {
        let rounds = attempt.rounds.max(1);
        let span = (attempt.first_ms, attempt.last_ms);
        match attempt.ended {
            Ended::NotTried => return,
            Ended::LinkDown => self.link_down = self.link_down.saturating_add(rounds),
            Ended::Portal => {
                self.portal = self.portal.saturating_add(rounds);
                self.prove(attempt.id);
            }
            Ended::Answered | Ended::Unanswered => {}
        }
        self.tried = wider(self.tried, span);
        let answered = attempt.ended == Ended::Answered;
        if answered {
            self.able = wider(self.able, span);
        }
        match (attempt.role, attempt.ended) {
            (Role::Gateway, Ended::Answered) => self.gateway_answered = self.gateway_answered.saturating_add(rounds),
            (Role::Gateway, Ended::Unanswered) => {
                self.gateway_unanswered = self.gateway_unanswered.saturating_add(rounds);
            }
            (Role::Service, Ended::Answered | Ended::Unanswered) => self.service(attempt, rounds, answered),
            _ => {}
        }
    }

    fn service(&mut self, attempt: &Attempt, rounds: u32, answered: bool) {
        if answered && attempt.layer == Layer::Http {
            self.pages = self.pages.saturating_add(rounds);
        }
        let at = self.targets.binary_search_by_key(&attempt.target, |tally| tally.target);
        let at = match at {
            Ok(at) => at,
            Err(_) if self.targets.len() >= TARGETS => return,
            Err(at) => {
                let empty = TargetTally { target: attempt.target, answered: 0, unanswered: 0, transfers_unanswered: 0 };
                self.targets.insert(at, empty);
                at
            }
        };
        let tally = &mut self.targets[at];
        if answered {
            tally.answered = tally.answered.saturating_add(rounds);
        } else {
            tally.unanswered = tally.unanswered.saturating_add(rounds);
            if attempt.layer.is_transfer() {
                tally.transfers_unanswered = tally.transfers_unanswered.saturating_add(rounds);
            }
            self.prove(attempt.id);
        }
        if answered && attempt.layer == Layer::Icmp {
            self.sent = self.sent.saturating_add(attempt.sent);
            self.received = self.received.saturating_add(attempt.received);
            self.rtts.extend(&attempt.rtts);
        }
    }

    fn prove(&mut self, id: SampleId) {
        if self.evidence.len() < EVIDENCE {
            self.evidence.push(id);
        }
    }
}

fn wider(known: Option<(i64, i64)>, more: (i64, i64)) -> Option<(i64, i64)> {
    Some(known.map_or(more, |known| (known.0.min(more.0), known.1.max(more.1))))
}

/// Attempts of one place and network as windows; the order of `attempts` and copies among them do not matter.
/// `undated` names windows into which observations of uncertain time fell.
pub fn windows<'a>(
    attempts: impl IntoIterator<Item = &'a Attempt>,
    undated: &BTreeSet<WindowNo>,
) -> BTreeMap<WindowNo, Window> {
    let mut sorted: Vec<&Attempt> = attempts.into_iter().collect();
    sorted.sort_unstable_by_key(|attempt| (attempt.first_ms, attempt.last_ms, attempt.id));
    sorted.dedup_by_key(|attempt| attempt.id);
    let mut all: BTreeMap<WindowNo, Window> = BTreeMap::new();
    for attempt in sorted {
        let no = WindowNo::of(attempt.mid_ms());
        all.entry(no).or_insert_with(|| Window::new(no)).add(attempt);
    }
    for no in undated {
        all.entry(*no).or_insert_with(|| Window::new(*no)).undated = true;
    }
    for window in all.values_mut() {
        // Where our own side works, trying is being able, whatever came of it.
        if !window.own_side()
            && let Some(tried) = window.tried
        {
            window.able = wider(window.able, tried);
        }
    }
    all
}
