//! Every state for more than three windows at once, each on a device of its own: does it come to the right gap or
//! blind, with the right cause, or to none?
//!
//! In: a lab with a collector, first number of its streets. Out: a [`Held`] for each case. Windows are five minutes of
//! real life: this takes 25 of them.

use super::agent::{Device, Plan, Way};
use super::case::{Case, End, Turn, script};
use super::read::list;
use super::street::Road;
use crate::harness::virtual_modem::State;
use crate::harness::{Collector, Lab, wait};
use anyhow::{Context, Result};
use serde_json::Value;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const WINDOW: Duration = Duration::from_secs(300);
/// A window before, so that there is something to lose; then three whole ones and the one that it begins in.
const GOOD: Duration = Duration::from_secs(60);
const HELD_WINDOWS: u32 = 4;

pub struct Held {
    pub case: String,
    pub wanted: End,
    /// `gap no_coverage`, `blind sim`; empty where nothing came of it.
    pub found: Vec<String>,
}

impl Held {
    pub fn right(&self) -> bool {
        match self.wanted {
            End::Nothing => self.found.is_empty(),
            End::Gap(cause) => self.found == [format!("gap {cause}")],
            End::Blind(cause) => self.found == [format!("blind {cause}")],
        }
    }
}

/// The probes that a lab needs for it.
pub fn probes() -> Vec<String> {
    cases().map(|(way, case)| name(way, &case)).collect()
}

fn cases() -> impl Iterator<Item = (Way, Case)> {
    let both = [Way::Manager, Way::Serial];
    both.into_iter().flat_map(|way| {
        let fits = move |case: &Case| case.only.is_none_or(|only| only == way);
        script().into_iter().filter(fits).map(move |case| (way, case))
    })
}

fn name(way: Way, case: &Case) -> String {
    format!("{}-{}", way.word(), case.name.replace(' ', "-"))
}

pub fn hold(lab: &Lab, collector: &Collector, first_number: u8) -> Result<Vec<Held>> {
    let mut devices = Vec::new();
    for (number, (way, case)) in (first_number..).zip(cases()) {
        let probe = name(way, &case);
        let plan = Plan { lab, probe: &probe, way, number, state: State::good(), extra: String::new() };
        devices.push((Device::start(plan)?, case));
    }
    eprintln!("{} devices run; all is well for {} s and until a window begins", devices.len(), GOOD.as_secs());
    wait::pass(GOOD);
    wait::pass(until_next_window()?);
    for (device, case) in &mut devices {
        device.turn(&case.turn, case.road)?;
    }
    let began = Instant::now();
    let span = WINDOW * HELD_WINDOWS;
    while began.elapsed() < span {
        eprintln!("held for {} of {} s", began.elapsed().as_secs(), span.as_secs());
        // A modem without bearer is dialled again and again, as a router does.
        devices.iter().filter(|(_, case)| case.name == "bearer refused").for_each(|(device, _)| device.dial());
        wait::pass(Duration::from_secs(60).min(span.saturating_sub(began.elapsed())));
    }
    for (device, _) in &mut devices {
        device.turn(&Turn::Set(State::good()), Road::Open)?;
    }
    // The last window is judged when the first sample after it is there.
    wait::pass(Duration::from_secs(90));
    devices.iter().map(|(device, case)| judged(collector, device, case)).collect()
}

fn until_next_window() -> Result<Duration> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is set")?;
    Ok(Duration::from_secs(WINDOW.as_secs() - now.as_secs() % WINDOW.as_secs()))
}

fn judged(collector: &Collector, device: &Device, case: &Case) -> Result<Held> {
    let mut found = Vec::new();
    for (path, word) in [("/api/v1/gaps?limit=1000", "gap"), ("/api/v1/blinds?limit=1000", "blind")] {
        let ours = |row: &&Value| row["probe"].as_str() == Some(&device.probe);
        let all = list(collector, path)?;
        found.extend(all.iter().filter(ours).map(|row| format!("{word} {}", row["cause"].as_str().unwrap_or("?"))));
    }
    let held = Held { case: device.probe.clone(), wanted: case.end_over(device.way), found };
    let verdict = if held.right() { "right" } else { "WRONG" };
    eprintln!("{verdict}: {} wanted {:?}, found {:?}", held.case, held.wanted, held.found);
    Ok(held)
}
