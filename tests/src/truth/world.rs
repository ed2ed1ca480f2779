//! One simulated world, received and derived as a collector would.
//!
//! In: a world and a directory. Out: the interruptions that the collector holds in the end. Derives once a simulated day,
//! so that late arrivals change what was derived before.

use anyhow::{Context, Result};
use phusong_collector::areas;
use phusong_collector::derive::{Derive, Options};
use phusong_collector::ingest::{Counters, Decoded, Engine, Incoming};
use phusong_collector::store::derived::{cause_word, confidence_word};
use phusong_collector::store::{Move, NewProbe, Readers, Registrar, Standing, Store, StoreOptions};
use phusong_coverage::Place;
use phusong_coverage::interruption::Kind;
use phusong_simulator::{DAY_MS, World};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Messages of one transaction.
const GROUP: usize = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FoundKind {
    Gap,
    Blind,
    Remote,
}

/// An interruption as the collector says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: FoundKind,
    pub probe: String,
    pub from_ms: i64,
    pub to_ms: Option<i64>,
    pub cause: &'static str,
    pub confidence: &'static str,
    pub evidence: usize,
}

/// What came of a world.
#[derive(Debug, Default)]
pub struct Outcome {
    pub found: Vec<Found>,
    pub samples: u64,
    pub windows: usize,
    pub ingest: Duration,
    pub derive: Duration,
    pub missing: u64,
}

/// Receives everything, derives, and reads what was found. `progress` is told each simulated day.
pub fn live(world: &World, dir: &Path, mut progress: impl FnMut(i64)) -> Result<Outcome> {
    let plan = world.plan();
    let store = Store::open(dir, StoreOptions::default(), plan.start_ms)?;
    register(world, dir)?;
    let counters = Arc::new(Counters::default());
    let mut engine = Engine::new(store, Arc::clone(&counters));
    let mut derive = Derive::open(dir, Options::default(), plan.start_ms)?;
    let mut outcome = Outcome::default();
    let mut next_ms = plan.start_ms + DAY_MS;
    let mut group = Vec::with_capacity(GROUP);
    let mut take = |group: &mut Vec<Decoded>, outcome: &mut Outcome| {
        let started = Instant::now();
        let now_ms = group.last().map_or(plan.start_ms, |message| message.received_ms);
        engine.group(group, now_ms, &mut |_| {});
        group.clear();
        while engine.has_backlog() {
            engine.idle(now_ms);
        }
        outcome.ingest += started.elapsed();
    };
    for delivery in world.deliveries() {
        if delivery.received_ms >= next_ms {
            take(&mut group, &mut outcome);
            settle(&mut derive, next_ms, &mut outcome)?;
            progress((next_ms - plan.start_ms) / DAY_MS);
            next_ms += DAY_MS;
        }
        group.push(Decoded::of(Incoming {
            topic: delivery.topic,
            payload: delivery.payload,
            received_ms: delivery.received_ms,
            token: 0,
        }));
        if group.len() >= GROUP {
            take(&mut group, &mut outcome);
        }
    }
    take(&mut group, &mut outcome);
    settle(&mut derive, plan.end_ms(), &mut outcome)?;
    outcome.found = found(&mut derive, dir)?;
    let reader = Readers::of(dir).connect()?;
    outcome.missing = reader.probes()?.iter().map(|row| row.missing).sum();
    Ok(outcome)
}

fn settle(derive: &mut Derive, as_of_ms: i64, outcome: &mut Outcome) -> Result<()> {
    let started = Instant::now();
    let progress = derive.settle(as_of_ms)?;
    outcome.samples += progress.arrived as u64;
    outcome.windows += progress.windows;
    outcome.derive += started.elapsed();
    Ok(())
}

fn register(world: &World, dir: &Path) -> Result<()> {
    let file = dir.join("areas.geojson");
    std::fs::write(&file, world.areas())?;
    let mut registrar = Registrar::open(dir)?;
    registrar.import_areas(&areas::read(&file, &areas::Defaults::default())?, false)?;
    for one in world.registrations() {
        let at = Place::new(one.lat, one.lon)?;
        let place = Standing { at, hamlet: Some(one.hamlet.clone()), supply: Some(one.supply.clone()) };
        let new = NewProbe { probe: one.probe.clone(), site: one.site.clone(), label: None, place: Some(place) };
        registrar.add(&new, one.from_ms)?;
    }
    for one in world.moves() {
        let to = Move { at: Some(Place::new(one.lat, one.lon)?), hamlet: Some(one.hamlet.clone()), ..Move::default() };
        registrar.relocate(&one.probe, &to, one.at_ms)?;
    }
    Ok(())
}

fn found(derive: &mut Derive, dir: &Path) -> Result<Vec<Found>> {
    let places = Readers::of(dir).connect()?.places()?;
    let mut all = Vec::new();
    for place in places {
        for filed in derive.shelf().interruptions(place.id).context("reading what was derived")? {
            let one = filed.interruption;
            let kind = match one.subject.kind {
                Kind::Gap => FoundKind::Gap,
                Kind::Blind => FoundKind::Blind,
                Kind::Remote => FoundKind::Remote,
            };
            all.push(Found {
                kind,
                probe: place.probe.clone(),
                from_ms: one.from_ms,
                to_ms: one.to_ms,
                cause: cause_word(one.cause.kind),
                confidence: confidence_word(one.cause.confidence),
                evidence: one.cause.evidence.len(),
            });
        }
    }
    Ok(all)
}
