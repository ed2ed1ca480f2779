//! One device lives through the script; each state must show its values in the store.
//!
//! In: a lab with a collector, a way. Out: which cases were right, how soon a first signal was stored, how soon lost
//! coverage was durable. Refuses to know: gaps and blinds; `holds.rs` does.

use super::agent::{Device, Plan, Way, witness_log};
use super::case::{Case, Turn, script};
use super::read::{Heard, newest, rows};
use super::street::Road;
use crate::harness::virtual_modem::State;
use crate::harness::{Collector, Lab, wait};
use anyhow::{Context, Result};
use phusong_protocol::{Outcome, Reading, RegistrationStat, Sample};
use std::path::Path;
use std::time::{Duration, Instant};

/// For a row to be in the store; the figures below have bounds of their own.
const PATIENCE: Duration = Duration::from_secs(60);

/// A router asks for its bearer again and again; a modem that was just plugged in is not registered yet.
const REDIAL: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub struct Lived {
    pub first_signal_s: f64,
    pub durable_s: f64,
    pub right: Vec<&'static str>,
    /// What was not, and why.
    pub wrong: Vec<String>,
}

pub fn live(lab: &Lab, collector: &Collector, probe: &str, way: Way, number: u8) -> Result<Lived> {
    let began = Instant::now();
    let plan = Plan { lab, probe, way, number, state: State::good(), extra: String::new() };
    let mut device = Device::start(plan)?;
    let mut lived = Lived::default();
    let first = wait::until("the first signal is stored", PATIENCE, || {
        let found = rows(collector, probe, 0).ok()?;
        found.into_iter().find(|heard| matches!(&heard.outcome, Outcome::Reading(Reading::Radio(_))))
    });
    if let Err(error) = first {
        let log = device.agent.service.log_text();
        return Err(error).with_context(|| format!("agent:\n{log}\nmodem:\n{}", device.modem.log().join("\n")));
    }
    lived.first_signal_s = began.elapsed().as_secs_f64();
    for case in script() {
        if case.only.is_some_and(|only| only != way) {
            continue;
        }
        eprintln!("{}: {}", way.word(), case.name);
        match one(&mut device, collector, &case, &mut lived) {
            Ok(()) => lived.right.push(case.name),
            Err(error) => lived.wrong.push(format!("{}: {error:#}", case.name)),
        }
    }
    Ok(lived)
}

fn one(device: &mut Device, collector: &Collector, case: &Case, lived: &mut Lived) -> Result<()> {
    let lost = case.name == "searching";
    if lost {
        // From a good network, so that coverage is what is lost.
        device.turn(&Turn::Set(State::good()), Road::Open)?;
        let home = |heard: &Heard| registered(heard, RegistrationStat::Home);
        seen(device, collector, "registered again", home)?;
    }
    let (after, began) = (newest(collector)?, Instant::now());
    device.turn(&case.turn, case.road)?;
    if lost {
        lived.durable_s = durable(&device.agent.config.data_dir, began)?;
    }
    let way = device.way;
    let mut dialled = began;
    let found = wait::until(case.name, PATIENCE, || {
        if case.name == "bearer refused" && dialled.elapsed() > REDIAL {
            device.dial();
            dialled = Instant::now();
        }
        let found = rows(collector, &device.probe, after).ok()?;
        found.into_iter().find(|heard| (case.proof)(heard, way))
    });
    found.map(drop).with_context(|| {
        let all = rows(collector, &device.probe, after).unwrap_or_default();
        let told: Vec<String> = all.iter().rev().take(6).map(|heard| format!("{heard:?}")).collect();
        format!("stored instead:\n{}", told.join("\n"))
    })
}

fn registered(heard: &Heard, stat: RegistrationStat) -> bool {
    matches!(&heard.outcome, Outcome::Reading(Reading::Registration(said)) if said.stat == stat)
}

fn seen(device: &Device, collector: &Collector, what: &str, is: impl Fn(&Heard) -> bool) -> Result<()> {
    let after = newest(collector)?;
    wait::until(what, PATIENCE, || rows(collector, &device.probe, after).ok()?.into_iter().find(&is)).map(drop)
}

/// How long until the spool's own files hold that the coverage is lost.
fn durable(data_dir: &Path, began: Instant) -> Result<f64> {
    let log = witness_log(data_dir);
    wait::until("lost coverage is durable", PATIENCE, || {
        let text = std::fs::read_to_string(&log).ok()?;
        text.lines().rev().take(50).find(|line| tells_of_loss(line))?;
        Some(began.elapsed().as_secs_f64())
    })
}

/// A line of the witness: epoch, seq, class, checksum, record.
fn tells_of_loss(line: &str) -> bool {
    let Some(hex) = line.split(' ').nth(4) else { return false };
    let digits = hex.as_bytes().chunks_exact(2);
    let bytes: Option<Vec<u8>> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    let sample = bytes.and_then(|bytes| Sample::from_record(&bytes).ok());
    let lost = |stat| matches!(stat, RegistrationStat::Searching | RegistrationStat::Idle);
    sample.is_some_and(
        |sample| matches!(sample.outcome, Outcome::Reading(Reading::Registration(said)) if lost(said.stat)),
    )
}
