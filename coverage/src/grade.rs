//! From a window's tally to its grade, with the reason.
//!
//! In: a window and those before it. Out: [`Graded`]. Refuses to know: the store. Unknown opens nothing and closes
//! nothing; an echo alone never proves a failure.

use crate::policy::Policy;
use crate::radio::Block;
use crate::rtt::Rtts;
use crate::signal::Radio;
use crate::window::{TargetTally, Window};
use std::collections::BTreeSet;

/// What a window, a place or a hamlet is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    Unknown,
    Dead,
    Weak,
    Good,
}

/// Why a window has its grade: "why is this red?".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing was observed.
    NotMeasured,
    /// Too few failures of too few targets, or echoes alone.
    TooLittle,
    /// Our own side: the first hop is silent or the link is down.
    OwnSide,
    /// Every page is one portal.
    Portal,
    /// Every attempt failed.
    NoAnswer,
    /// No signal for most of the observed time.
    NoSignal,
    Loss,
    Slow,
    Served,
    /// A signal and no verdict of transfers.
    Signal,
    /// Below the weak level for half of the observed time.
    WeakSignal,
    /// Below the dead level, and yet it served.
    Edge,
    /// The SIM is absent, locked, or refused for a reason of the subscription.
    Sim,
    /// The network refused us for another reason.
    Denied,
    /// Registered, and no data bearer was given.
    Bearer,
    /// The modem is not there.
    Modem,
}

impl Reason {
    pub const fn of(block: Block) -> Self {
        match block {
            Block::Sim => Reason::Sim,
            Block::Denied => Reason::Denied,
            Block::Bearer => Reason::Bearer,
            Block::Gone => Reason::Modem,
        }
    }

    /// It is our side that could not test.
    pub const fn is_ours(self) -> bool {
        matches!(self, Reason::OwnSide | Reason::Portal | Reason::Sim | Reason::Denied | Reason::Bearer | Reason::Modem)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Ok,
    Fail,
    Untested,
}

/// A judged window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Graded {
    pub no: i64,
    pub grade: Grade,
    pub reason: Reason,
    pub service: Service,
    pub policy: u32,
}

impl Graded {
    pub const fn is_known(&self) -> bool {
        !matches!(self.grade, Grade::Unknown)
    }
}

/// Judges `windows[at]`; `windows` ascend and hold at least [`Policy::look_back`] windows before it, where there are any.
pub fn judge(windows: &[Window], at: usize, policy: &Policy) -> Graded {
    let window = &windows[at];
    let (service, reason) = service(windows, at, policy);
    let by_service = match service {
        Service::Untested => (Grade::Unknown, reason),
        Service::Fail => (Grade::Dead, Reason::NoAnswer),
        Service::Ok => weak(windows, at, policy).map_or((Grade::Good, Reason::Served), |why| (Grade::Weak, why)),
    };
    let by_signal = window.radio.as_ref().and_then(|radio| signal(radio, window, service, policy));
    let (grade, reason) = match (by_signal, by_service) {
        (None, known) => known,
        // What kept us from testing keeps us from calling it covered.
        (Some((grade, _)), (Grade::Unknown, why)) if grade != Grade::Dead && why.is_ours() => by_service,
        (Some(signal), (Grade::Unknown, _)) => signal,
        // The worse one; of two dead ones the radio says more, of others the transfer.
        (Some(signal), known) if signal.0 < known.0 || signal.0 == Grade::Dead => signal,
        (Some(_), known) => known,
    };
    Graded { no: window.no, grade, reason, service, policy: policy.version }
}

/// A transfer beats registration, and registration beats level.
fn signal(radio: &Radio, window: &Window, service: Service, policy: &Policy) -> Option<(Grade, Reason)> {
    let all = radio.all();
    if all == 0 {
        return None;
    }
    // Where attempts were answered and none failed, the modem's word is not believed.
    let refuted = service == Service::Ok && window.unanswered() == 0 && window.link_down == 0;
    let dead = match service {
        Service::Ok if refuted => 0,
        Service::Ok => radio.dead,
        Service::Untested => radio.dead + radio.low,
        Service::Fail => radio.dead + radio.low + radio.marginal,
    };
    if f64::from(dead) >= policy.dead_share * f64::from(all) {
        return Some((Grade::Dead, Reason::NoSignal));
    }
    if 2 * u32::from(radio.weak) < u32::from(all) {
        return Some((Grade::Good, Reason::Signal));
    }
    let edge = service == Service::Ok && 2 * radio.low >= all;
    Some((Grade::Weak, if edge { Reason::Edge } else { Reason::WeakSignal }))
}

fn service(windows: &[Window], at: usize, policy: &Policy) -> (Service, Reason) {
    let window = &windows[at];
    if window.radio.is_some() && behind_portal(windows, at, policy) {
        return (Service::Untested, Reason::Portal);
    }
    if window.answered() > 0 {
        return (Service::Ok, Reason::Served);
    }
    if let Some(block) = window.block() {
        return (Service::Untested, Reason::of(block));
    }
    if window.tried.is_none() {
        return (Service::Untested, Reason::NotMeasured);
    }
    if window.own_side() || window.no_link() {
        return (Service::Untested, Reason::OwnSide);
    }
    if window.portal > 0 {
        return (Service::Untested, Reason::Portal);
    }
    if enough(&[window], policy) {
        return (Service::Fail, Reason::NoAnswer);
    }
    let before = at.checked_sub(1).map(|at| &windows[at]).filter(|before| {
        before.no + 1 == window.no
            && before.answered() == 0
            && before.portal == 0
            && !before.own_side()
            && before.block().is_none()
    });
    match before {
        Some(before) if !window.targets.is_empty() && enough(&[window, before], policy) => {
            (Service::Fail, Reason::NoAnswer)
        }
        _ => (Service::Untested, Reason::TooLittle),
    }
}

/// The last word of HTTP was a portal: a spent plan answers everything else as it likes.
fn behind_portal(windows: &[Window], at: usize, policy: &Policy) -> bool {
    let said = back(windows, at, policy).find(|window| window.portal > 0 || window.pages > 0);
    said.is_some_and(|window| window.portal > 0 && window.pages == 0)
}

/// Whether the failures of these windows prove one: several targets and attempts, one of them a transfer.
fn enough(windows: &[&Window], policy: &Policy) -> bool {
    let tallies = || windows.iter().flat_map(|window| window.targets.iter());
    let attempts: u32 = tallies().map(|tally: &TargetTally| tally.unanswered).sum();
    let transfer = tallies().any(|tally| tally.transfers_unanswered > 0);
    if attempts < policy.fail_attempts || !transfer {
        return false;
    }
    let targets = match windows {
        [one] => one.targets.iter().filter(|tally| tally.unanswered > 0).count(),
        _ => tallies().filter(|t| t.unanswered > 0).map(|t| t.target).collect::<BTreeSet<_>>().len(),
    };
    targets >= policy.fail_targets
}

/// Which target is missed firmly, if one is.
fn weak(windows: &[Window], at: usize, policy: &Policy) -> Option<Reason> {
    if missed_loss(windows, at, policy) {
        return Some(Reason::Loss);
    }
    missed_rtt(windows, at, policy).then_some(Reason::Slow)
}

/// The window and those before it, newest first, as far as a grade looks back.
fn back<'a>(windows: &'a [Window], at: usize, policy: &Policy) -> impl Iterator<Item = &'a Window> {
    let oldest = windows[at].no - policy.look_back;
    windows[..=at].iter().rev().take_while(move |window| window.no >= oldest)
}

fn missed_loss(windows: &[Window], at: usize, policy: &Policy) -> bool {
    let (mut sent, mut received) = (0u32, 0u32);
    for window in back(windows, at, policy) {
        sent = sent.saturating_add(window.sent);
        received = received.saturating_add(window.received);
        if sent >= policy.loss_echoes_min {
            return wilson_low(sent.saturating_sub(received), sent) > policy.loss_target;
        }
    }
    false
}

fn missed_rtt(windows: &[Window], at: usize, policy: &Policy) -> bool {
    let enough = u64::from(policy.rtt_values_min);
    let slow = |rtts: &Rtts, share| rtts.quantile(share).is_some_and(|rtt| rtt > policy.rtt_target);
    let own = &windows[at].rtts;
    if own.count() >= enough {
        return slow(own, 0.95);
    }
    let mut rtts = Rtts::default();
    for window in back(windows, at, policy) {
        rtts.merge(&window.rtts);
        if rtts.count() >= enough {
            return slow(&rtts, 0.95);
        }
    }
    slow(&rtts, 0.5)
}

/// Lower bound of Wilson's interval at 95 % (Wilson 1927).
pub fn wilson_low(hits: u32, n: u32) -> f64 {
    if n == 0 {
        return 0.0;
    }
    let (z, n) = (1.959_964, f64::from(n));
    let p = f64::from(hits) / n;
    let middle = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((middle - half) / (1.0 + z * z / n)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observation::TargetId;
    use crate::units::Micros;

    fn tally(target: i64, answered: u32, unanswered: u32, transfers_unanswered: u32) -> TargetTally {
        TargetTally { target: TargetId(target), answered, unanswered, transfers_unanswered }
    }

    fn tried(no: i64, targets: Vec<TargetTally>) -> Window {
        Window { targets, tried: Some((0, 1)), ..Window::new(crate::window::WindowNo(no)) }
    }

    #[test]
    fn a_failure_needs_two_targets_three_attempts_and_a_transfer() {
        let dead = (Grade::Dead, Reason::NoAnswer);
        let little = (Grade::Unknown, Reason::TooLittle);
        for (name, windows, wanted) in [
            ("enough", vec![tried(1, vec![tally(1, 0, 2, 1), tally(2, 0, 1, 0)])], dead),
            ("one target", vec![tried(1, vec![tally(1, 0, 9, 9)])], little),
            ("echoes alone", vec![tried(1, vec![tally(1, 0, 5, 0), tally(2, 0, 5, 0)])], little),
            ("two attempts", vec![tried(1, vec![tally(1, 0, 1, 1), tally(2, 0, 1, 1)])], little),
            (
                "with the window before",
                vec![tried(0, vec![tally(1, 0, 1, 1), tally(2, 0, 1, 0)]), tried(1, vec![tally(1, 0, 1, 0)])],
                dead,
            ),
            (
                "the window before is not the one before",
                vec![tried(-1, vec![tally(1, 0, 2, 1), tally(2, 0, 1, 0)]), tried(1, vec![tally(1, 0, 1, 0)])],
                little,
            ),
            (
                "the window before answered",
                vec![tried(0, vec![tally(1, 1, 9, 9), tally(2, 0, 1, 0)]), tried(1, vec![tally(1, 0, 1, 0)])],
                little,
            ),
            ("one answer", vec![tried(1, vec![tally(1, 0, 9, 9), tally(2, 1, 9, 9)])], (Grade::Good, Reason::Served)),
            ("nothing", vec![Window::new(crate::window::WindowNo(1))], (Grade::Unknown, Reason::NotMeasured)),
            (
                "a silent gateway",
                vec![Window { gateway_unanswered: 1, ..tried(1, vec![tally(1, 0, 9, 9), tally(2, 0, 9, 9)]) }],
                (Grade::Unknown, Reason::OwnSide),
            ),
            (
                "a portal",
                vec![Window { portal: 1, ..tried(1, vec![tally(1, 0, 9, 9), tally(2, 0, 9, 9)]) }],
                (Grade::Unknown, Reason::Portal),
            ),
        ] {
            let graded = judge(&windows, windows.len() - 1, &Policy::default());
            assert_eq!((graded.grade, graded.reason), wanted, "{name}");
        }
    }

    #[test]
    fn a_transfer_beats_registration_and_registration_beats_level() {
        let radio = |radio: Radio| Window { radio: Some(Box::new(radio)), ..Window::new(crate::window::WindowNo(1)) };
        let with = |of: Radio, targets: Vec<TargetTally>| Window { targets, tried: Some((0, 1)), ..radio(of) };
        let answered = || vec![tally(1, 5, 0, 0), tally(2, 5, 0, 0)];
        let mixed = || vec![tally(1, 1, 4, 2), tally(2, 0, 5, 5)];
        let failed = || vec![tally(1, 0, 5, 2), tally(2, 0, 5, 5)];
        let alive = || Radio { alive: 1000, ..Radio::default() };
        let dead = || Radio { dead: 700, alive: 300, ..Radio::default() };
        let low = || Radio { low: 1000, weak: 1000, ..Radio::default() };
        let marginal = || Radio { marginal: 1000, weak: 1000, ..Radio::default() };
        let blocked = |block| Radio { block: Some((block, 900)), ..Radio::default() };
        for (name, window, wanted) in [
            ("signal alone", radio(alive()), (Grade::Good, Reason::Signal)),
            ("no signal", radio(dead()), (Grade::Dead, Reason::NoSignal)),
            (
                "for less than the share",
                radio(Radio { dead: 590, alive: 410, ..Radio::default() }),
                (Grade::Good, Reason::Signal),
            ),
            ("no signal and failures", with(dead(), failed()), (Grade::Dead, Reason::NoSignal)),
            ("no signal for most of the time", with(dead(), mixed()), (Grade::Dead, Reason::NoSignal)),
            ("a word that every transfer refutes", with(dead(), answered()), (Grade::Good, Reason::Served)),
            ("low", radio(low()), (Grade::Dead, Reason::NoSignal)),
            ("low and served", with(low(), answered()), (Grade::Weak, Reason::Edge)),
            ("marginal", radio(marginal()), (Grade::Weak, Reason::WeakSignal)),
            ("marginal and served", with(marginal(), answered()), (Grade::Weak, Reason::WeakSignal)),
            ("marginal and failed", with(marginal(), failed()), (Grade::Dead, Reason::NoSignal)),
            ("a signal and no answer", with(alive(), failed()), (Grade::Dead, Reason::NoAnswer)),
            ("weak and served", with(Radio { weak: 600, ..alive() }, answered()), (Grade::Weak, Reason::WeakSignal)),
            ("no SIM", with(blocked(Block::Sim), failed()), (Grade::Unknown, Reason::Sim)),
            (
                "no bearer, with a signal",
                with(Radio { block: Some((Block::Bearer, 900)), ..alive() }, failed()),
                (Grade::Unknown, Reason::Bearer),
            ),
            ("no modem, and no attempt", radio(blocked(Block::Gone)), (Grade::Unknown, Reason::Modem)),
            ("blocked, and yet it served", with(blocked(Block::Sim), answered()), (Grade::Good, Reason::Served)),
            (
                "no link under a signal",
                Window { link_down: 3, ..with(alive(), vec![]) },
                (Grade::Unknown, Reason::OwnSide),
            ),
            ("no link without one", Window { link_down: 3, ..with(dead(), vec![]) }, (Grade::Dead, Reason::NoSignal)),
            (
                "a portal that answers echoes",
                Window { portal: 1, ..with(alive(), answered()) },
                (Grade::Unknown, Reason::Portal),
            ),
        ] {
            let graded = judge(&[window], 0, &Policy::default());
            assert_eq!((graded.grade, graded.reason), wanted, "{name}");
        }
        let portal = Window { portal: 1, ..with(alive(), vec![]) };
        let after = Window { no: 9, ..with(alive(), failed()) };
        let late = Window { no: 14, ..with(alive(), failed()) };
        let page = Window { no: 3, pages: 1, ..with(alive(), answered()) };
        let judged = |windows: &[Window]| judge(windows, windows.len() - 1, &Policy::default()).reason;
        assert_eq!(judged(&[portal.clone(), after.clone()]), Reason::Portal);
        assert_eq!(judged(&[portal.clone(), page, after]), Reason::NoAnswer);
        assert_eq!(judged(&[portal, late]), Reason::NoAnswer);
    }

    #[test]
    fn weak_needs_a_target_that_is_missed_firmly() {
        let served = |no, sent, received, rtt_us, n| {
            let mut window = tried(no, vec![tally(1, 1, 0, 0)]);
            (window.sent, window.received) = (sent, received);
            window.rtts.add(Micros::new(rtt_us), n);
            window
        };
        let judged = |windows: &[Window]| judge(windows, windows.len() - 1, &Policy::default()).reason;
        // 4 of 50 is 8 %, but its lower bound lies below 5 %.
        assert_eq!(judged(&[served(1, 50, 46, 20_000, 46)]), Reason::Served);
        assert_eq!(judged(&[served(1, 100, 85, 20_000, 85)]), Reason::Loss);
        // Too few echoes for a verdict of its own; the windows before make it.
        assert_eq!(judged(&[served(1, 10, 5, 20_000, 5)]), Reason::Served);
        let many: Vec<Window> = (0..6).map(|no| served(no, 10, 5, 20_000, 5)).collect();
        assert_eq!(judged(&many), Reason::Loss);
        // What lies further back than an hour does not count.
        assert_eq!(judged(&[served(0, 90, 10, 20_000, 10), served(13, 10, 10, 20_000, 10)]), Reason::Served);
        assert_eq!(judged(&[served(1, 30, 30, 200_000, 30)]), Reason::Slow);
        assert_eq!(judged(&[served(1, 3, 3, 200_000, 3)]), Reason::Slow);
    }

    #[test]
    fn the_lower_wilson_bound_is_that_of_the_tables() {
        // Newcombe 1998, table I: 81 of 263 gives 0.2553 to 0.3662; 0 of 20 gives 0.
        assert!((wilson_low(81, 263) - 0.2553).abs() < 5e-4);
        assert_eq!((wilson_low(0, 20), wilson_low(0, 0)), (0.0, 0.0));
    }
}
