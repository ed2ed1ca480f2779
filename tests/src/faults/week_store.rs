//! The simulated week's end: a real ingest takes everything the spool still holds, and the account is made.
//!
//! In: a probe whose spool waits. Out: the account against the store's rows, and the round for the report. Refuses to
//! know: how the week went; MQTT (the batches go into the collector's ingest as they would leave for the broker).

use super::account::{Account, Held};
use super::rounds::Round;
use super::sim_probe::SimProbe;
use super::week::{self, Plan};
use crate::harness::{Bound, TempDir};
use crate::sim_disk::SyncMode;
use anyhow::{Context, Result, bail, ensure};
use phusong_agent::spool::OutBatch;
use phusong_collector::ingest::{Counters, Decoded, Engine, Incoming};
use phusong_collector::store::{NewProbe, Registrar, Store, StoreOptions};
use phusong_protocol::{AckMessage, Channel, Topic};
use rusqlite::{Connection, OpenFlags};
use std::sync::Arc;

/// A site of its own.
const SITE: &str = "offline";

/// Lives through the week and accounts for it.
pub fn round(days: i64, cuts: usize, seed: u64, now_unix_ms: i64) -> Result<Round> {
    let mut week = week::live(Plan { days, cuts, seed, sync: SyncMode::Honest }, now_unix_ms)?;
    let chain = week.probe.chain_faults();
    ensure!(chain.is_empty(), "the chain of epochs is wrong (seed {seed}): {chain:#?}");
    let account = deliver(&mut week.probe, now_unix_ms)?;
    Ok(Round::new("week_offline", account)
        .with("cuts", week.cuts as f64, Bound::Exactly(cuts as f64))
        .with("cuts_in_a_write", week.cuts_in_a_write as f64, Bound::AtLeast(1.0))
        .with("rounds", week.rounds as f64, Bound::AtLeast(1.0))
        .with("failures", week.failures as f64, Bound::AtLeast(1.0))
        .with("starts", week.probe.starts.len() as f64, Bound::Free))
}

/// Hands over what the spool holds; every batch twice now and then, as a lost ack would.
pub fn deliver(probe: &mut SimProbe, now_unix_ms: i64) -> Result<Account> {
    let dir = TempDir::new("week")?;
    let store = Store::open(dir.path(), StoreOptions::default(), now_unix_ms)?;
    let id = probe.id.clone();
    let new = NewProbe { probe: id.clone(), site: SITE.parse()?, label: None, place: None };
    Registrar::open(dir.path())?.add(&new, now_unix_ms)?;
    let topic = Topic::new(&new.site, &id, Channel::Batch).to_string();
    let mut engine = Engine::new(store, Arc::new(Counters::default()));
    let mut sent = 0;
    probe.deliver(|batch| {
        sent += 1;
        let first = ingest(&mut engine, &topic, batch, now_unix_ms)?;
        if sent % 7 == 0 { ingest(&mut engine, &topic, batch, now_unix_ms) } else { Ok(first) }
    })?;
    drop(engine);
    let file = dir.path().join("phusong.db");
    let store = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY).context("the store")?;
    Ok(Account::of(&probe.created(), &Held::read(&store, id.as_str())?))
}

fn ingest(engine: &mut Engine, topic: &str, batch: &OutBatch, now_unix_ms: i64) -> Result<AckMessage> {
    let incoming = Incoming { topic: topic.into(), payload: batch.payload.clone(), received_ms: now_unix_ms, token: 0 };
    let mut acks = Vec::new();
    engine.group(&[Decoded::of(incoming)], now_unix_ms, &mut |done| acks.extend(done.acks));
    if acks.is_empty() {
        bail!("the ingest answered nothing to a batch of {:?}", batch.seqs);
    }
    Ok(AckMessage::new(acks))
}
