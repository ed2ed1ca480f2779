//! A ride through a hole: real gpsd, a modem that loses its network for a while, a receiver that loses the sky.
//!
//! In: a lab with a collector, a number for its street. Out: [`Driven`]. Refuses to know: how votes are counted; it
//! compares them with the road.

use super::agent::{Device, Plan, Way};
use super::case::Turn;
use super::read::{list, rows};
use super::street::Road;

use crate::harness::virtual_modem::State;
use crate::harness::{Collector, Gpsd, Lab, wait};
use anyhow::{Context, Result};
use phusong_protocol::{Outcome, PlaceSource, Reading};
use std::time::{Duration, Instant};

/// 1.25 m/s, a walk: a position may be 5 s old, and each child of resolution 12 (20 m) sees more than one look.
const STEP_M: f64 = 1.25;
const METRES_A_DEGREE: f64 = 111_195.0;
const START: (f64, f64) = (21.860, 105.540);
/// Seconds of the ride: good, without network, good; in the last part the receiver has no fix for a while. Of a hole the
/// first 30 s and the last 30 s before the modem registers again vote for nothing.
const HOLE: std::ops::Range<u64> = 45..165;
const NO_SKY: std::ops::Range<usize> = 180..195;
const RIDE_S: usize = 210;

#[derive(Debug, Default)]
pub struct Driven {
    /// Radio and registration rows with a place, and those among them whose place is not on the road.
    pub placed: u64,
    pub off_the_road: u64,
    /// Rows of the time without a fix that name a place nevertheless.
    pub stale_places: u64,
    pub votes: u64,
    pub dead_in_hole: u64,
    pub alive_in_hole: u64,
    pub dead_outside: u64,
    pub alive_outside: u64,
}

fn at(second: usize) -> (f64, f64) {
    (START.0 + second as f64 * STEP_M / METRES_A_DEGREE, START.1)
}

pub fn ride(lab: &Lab, collector: &Collector, probe: &str, number: u8) -> Result<Driven> {
    let track: Vec<Option<(f64, f64)>> =
        (0..RIDE_S).map(|second| (!NO_SKY.contains(&second)).then(|| at(second))).collect();
    let dir = lab.path().join("drive");
    std::fs::create_dir_all(&dir)?;
    let gpsd = Gpsd::drive(&dir, &track, Duration::from_secs(1))?;
    let began = Instant::now();
    let extra = format!(
        "[position]\nsource = \"gpsd\"\ngpsd = {:?}\n[setup]\nenvironment = \"outdoor\"\nheight_m = 1.5\n\
         antenna = \"internal\"\ngain_dbi = 0.0\ncable_loss_db = 0.0\n",
        gpsd.address().to_string()
    );
    let plan = Plan { lab, probe, way: Way::Serial, number, state: State::good(), extra };
    let mut device = Device::start(plan)?;
    let until = |second: u64| wait::pass(Duration::from_secs(second).saturating_sub(began.elapsed()));
    eprintln!("drive: on the road");
    until(HOLE.start);
    device.turn(&Turn::Set(State::searching()), Road::Cut)?;
    until(HOLE.end);
    device.turn(&Turn::Set(State::good()), Road::Open)?;
    until(RIDE_S as u64 + 10);
    judge(collector, probe)
}

fn judge(collector: &Collector, probe: &str) -> Result<Driven> {
    let mut driven = Driven::default();
    let all = rows(collector, probe, 0)?;
    let radio = |outcome: &Outcome| matches!(outcome, Outcome::Reading(Reading::Radio(_) | Reading::Registration(_)));
    for heard in all.iter().filter(|heard| radio(&heard.outcome)) {
        let Some(place) = &heard.place else { continue };
        driven.placed += 1;
        let metres = (place.lat - START.0) * METRES_A_DEGREE;
        let beside = (place.lon - START.1).abs() * METRES_A_DEGREE;
        let right = place.source == PlaceSource::Gps && (-5.0..RIDE_S as f64 * STEP_M + 5.0).contains(&metres);
        driven.off_the_road += u64::from(!right || beside > 5.0);
        driven.stale_places += u64::from(place.fix_age_s.is_none_or(|age| age > 30.0));
    }
    let votes = wait::until("votes of the ride are there", wait::PATIENCE, || {
        let bounds = format!("{},{},{},{}", START.1 - 0.01, START.0 - 0.01, START.1 + 0.01, START.0 + 0.01);
        let mut all = list(collector, &format!("/api/v1/votes?bbox={bounds}&limit=1000")).ok()?;
        all.retain(|vote| vote["probe"].as_str() == Some(probe));
        (all.len() > 6).then_some(all)
    })?;
    for vote in votes {
        let lat = vote["lat"].as_f64().context("a vote has a place")?;
        let second = (lat - START.0) * METRES_A_DEGREE / STEP_M;
        // A search counts from its 30th second; a child of resolution 12 is 20 m across, 16 s of the ride.
        let inside = (HOLE.start as f64 + 40.0..HOLE.end as f64 - 10.0).contains(&second);
        let outside = second < HOLE.start as f64 - 10.0 || second > HOLE.end as f64 + 10.0;
        let alive = match vote["state"].as_str() {
            Some("alive") => true,
            Some("dead") => false,
            _ => continue,
        };
        driven.votes += 1;
        driven.dead_in_hole += u64::from(inside && !alive);
        driven.alive_in_hole += u64::from(inside && alive);
        driven.dead_outside += u64::from(outside && !alive);
        driven.alive_outside += u64::from(outside && alive);
    }
    Ok(driven)
}
