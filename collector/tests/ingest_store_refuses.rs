//! A store that takes nothing, and queues that are full: nothing is acknowledged, and all goes on without a restart.

mod ingest_world;

use ingest_world::{Dir, NOW, SITE, World, batch, boot, probe, site, tcp, told};
use phusong_collector::ingest::{Counters, Done, Fate, Full, Incoming, Ingest, IngestOptions};
use phusong_collector::store::{NewProbe, ObservationQuery, Readers, Registrar, Store, StoreOptions};
use phusong_protocol::{AckResult, Epoch};
use std::sync::{Arc, mpsc};
use std::time::Duration;

const PROBE: &str = "na-chen-1";
const A: Epoch = Epoch(0xa);
/// Long for a loaded machine, and only reached by a failing test.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_full_disk_stops_the_acks_and_room_brings_them_back() {
    let mut world = World::new(&[PROBE]);
    let first = batch(PROBE, A, &[boot(0, 1, 0, None), tcp(1, 1, 1)]);
    assert_eq!(told(&world.send(PROBE, first.clone()), AckResult::Stored), [0, 1]);
    world.engine.store().writer().limit_pages(Some(1)).expect("a bound");
    let mut refused = Vec::new();
    for n in 0..200u64 {
        let samples: Vec<_> = (2 + n * 100..102 + n * 100).map(|seq| tcp(seq, 1, seq)).collect();
        let payload = batch(PROBE, A, &samples);
        if world.send(PROBE, payload.clone()).is_empty() {
            refused.push(payload);
        }
        if refused.len() == 3 {
            break;
        }
    }
    assert_eq!(refused.len(), 3, "the bound is reached");
    assert!(world.counters.degraded().is_some_and(|why| why.contains("full")), "{:?}", world.counters.degraded());
    assert_eq!(world.count(Fate::NotCommitted), 300);
    let before = world.rows().len();
    let committed = world.account(PROBE)[0].committed.count();
    assert_eq!(committed, before as u64, "ledger and rows agree");

    world.engine.store().writer().limit_pages(None).expect("room");
    for payload in refused {
        let acks = world.send(PROBE, payload);
        assert_eq!(told(&acks, AckResult::Stored).len(), 100, "{acks:?}");
    }
    assert_eq!(world.counters.degraded(), None);
    assert_eq!(world.rows().len(), before + 300);
    assert_eq!(told(&world.send(PROBE, first), AckResult::Duplicate), [0, 1]);
    assert_eq!(world.probe_row(PROBE).missing, 0);
}

struct Running {
    dir: Dir,
    ingest: Ingest,
    counters: Arc<Counters>,
}

/// The threads, over a store with one probe.
fn start(options: IngestOptions, done: impl FnMut(Done) + Send + 'static) -> Running {
    let dir = Dir::new();
    let store = Store::open(dir.path(), StoreOptions::default(), NOW).expect("a new store");
    let new = NewProbe { probe: probe(PROBE), site: site(SITE), label: None, place: None };
    Registrar::open(dir.path()).expect("it is there").add(&new, NOW).expect("a new probe");
    let counters = Arc::new(Counters::default());
    let ingest = Ingest::start(store, options, Arc::clone(&counters), done).expect("two threads");
    Running { dir, ingest, counters }
}

fn message(seq: u64) -> Incoming {
    let payload = batch(PROBE, A, &[tcp(seq, 1, seq)]);
    Incoming { topic: format!("phusong/v1/{SITE}/{PROBE}/batch"), payload, received_ms: NOW, token: seq }
}

#[test]
fn a_full_queue_refuses_and_what_it_took_is_dealt_with() {
    let (open, gate) = mpsc::channel::<()>();
    let (told, results) = mpsc::channel();
    let options = IngestOptions { queue_messages: 2, group_rows: 1, ..IngestOptions::default() };
    let running = start(options, move |done| {
        // Waits until the test lets go of its end.
        let _ = gate.recv();
        told.send(done.tokens).expect("the test listens");
    });
    let intake = running.ingest.intake();
    let taken = (0..100).take_while(|seq| intake.submit(message(*seq)) != Err(Full)).count();
    assert!((2..100).contains(&taken), "{taken}");
    assert_eq!(running.counters.get(Fate::QueueFull), 1);
    drop(open);
    let mut tokens = Vec::new();
    while tokens.len() < taken {
        tokens.extend(results.recv_timeout(PATIENCE).expect("each is dealt with"));
    }
    running.ingest.stop();
    assert_eq!(tokens, (0..taken as u64).collect::<Vec<_>>());
    assert_eq!(running.counters.get(Fate::Uncertain), taken as u64);
}

#[test]
fn stopping_commits_and_acknowledges_what_was_taken() {
    let (told_to, results) = mpsc::channel();
    let running = start(IngestOptions::default(), move |done: Done| told_to.send(done).expect("the test listens"));
    let intake = running.ingest.intake();
    (0..500).for_each(|seq| intake.submit(message(seq)).expect("there is room"));
    running.ingest.stop();
    let acks: Vec<_> = results.iter().flat_map(|done| done.acks).collect();
    assert_eq!(told(&acks, AckResult::Stored), (0..500).collect::<Vec<_>>());
    assert_eq!(intake.submit(message(500)), Err(Full), "it takes nothing more");
    let reader = Readers::of(running.dir.path()).connect().expect("it is there");
    let query = ObservationQuery { limit: 1_000, ..ObservationQuery::default() };
    assert_eq!(reader.observations(&query).expect("readable").len(), 500);
    Store::open(running.dir.path(), StoreOptions::default(), NOW).expect("the data directory is free again");
}
