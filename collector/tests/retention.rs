//! Pruning of the ground state: what goes, what stays, and that nothing else notices.

mod ingest_world;

use ingest_world::{NOW, World, batch, boot, clock, json, probe, record, tcp, told};
use phusong_collector::ingest::Fate;
use phusong_collector::store::StoreOptions;
use phusong_protocol::{AckResult, Epoch};
use rusqlite::Connection;

const NAME: &str = "na-chen-1";
const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;
/// Steps that are more than enough for a pass over anything here.
const STEPS: usize = 200;

/// Idles until a pass must be over; time stands still meanwhile but for the minute after a start.
fn prune(world: &mut World) {
    world.engine.idle(world.now_ms);
    world.now_ms += 2 * 60 * MINUTE;
    (0..STEPS).for_each(|_| world.engine.idle(world.now_ms));
}

/// Lets days pass; something recent arrives, by a clock that is right.
fn later(world: &mut World, days: i64) {
    world.now_ms += days * DAY;
    let acks = world.send(NAME, json(NAME, &[record(world.now_ms - MINUTE, true, 77)]));
    assert!(acks.is_empty(), "a script is told nothing");
}

fn database(world: &World) -> Connection {
    Connection::open(world.dir.path().join("phusong.db")).expect("the database is there")
}

fn number(world: &World, sql: &str) -> i64 {
    database(world).query_row(sql, [], |row| row.get(0)).expect("a number")
}

/// The event ages in days of what is left, with the certainty.
fn ages(world: &World) -> Vec<(i64, &'static str)> {
    let mut ages: Vec<_> =
        world.rows().iter().map(|row| ((world.now_ms - row.at_ms) / DAY, row.at_state.name())).collect();
    ages.sort_unstable();
    ages
}

#[test]
fn what_happened_before_the_retention_goes_and_uncertain_times_count_from_their_arrival() {
    let mut world = World::new(&[NAME]);
    for days in [0, 80, 90, 92, 300] {
        world.send(NAME, json(NAME, &[record(NOW - days * DAY, true, days as u32)]));
        world.send(NAME, batch(NAME, Epoch(1 + days as u64), &[uncertain(0, NOW - days * DAY)]));
    }
    let before = ages(&world);
    assert_eq!(before.len(), 10);
    prune(&mut world);
    let expected = [0, 0, 80, 80, 90, 90, 92, 300];
    assert_eq!(ages(&world).iter().map(|age| age.0).collect::<Vec<_>>(), expected);
    assert!(ages(&world).contains(&(300, "uncertain")), "it came only now");

    later(&mut world, 92);
    prune(&mut world);
    assert_eq!(ages(&world), [(0, "stamped")], "all of them came 92 days ago");
}

/// A handshake whose device says `wall_ms` and does not call it synced.
fn uncertain(seq: u64, wall_ms: i64) -> phusong_protocol::Sample {
    phusong_protocol::Sample { wall_ms, ..tcp(seq, 9, 5_000) }
}

/// An epoch that began 100 days ago and is complete.
fn old_epoch(world: &mut World) -> (Epoch, Vec<phusong_protocol::Sample>) {
    let samples =
        vec![boot(0, 1, 1_000, None), clock(1, 1, 2_000, NOW - 100 * DAY, 10), tcp(2, 1, 3_000), tcp(3, 1, 4_000)];
    let acks = world.send(NAME, batch(NAME, Epoch(7), &samples));
    assert_eq!(told(&acks, AckResult::Stored), [0, 1, 2, 3]);
    (Epoch(7), samples)
}

#[test]
fn a_late_copy_of_what_was_pruned_is_a_duplicate_and_the_account_stays() {
    let mut world = World::new(&[NAME]);
    let (epoch, samples) = old_epoch(&mut world);
    later(&mut world, 0);
    let (account, span) = (world.account(NAME), "SELECT last_ms FROM epoch WHERE epoch = 7");
    let last_ms = number(&world, span);
    prune(&mut world);
    assert_eq!(world.rows().len(), 1, "only what came last");
    assert_eq!((world.account(NAME), number(&world, span)), (account, last_ms));

    let acks = world.send(NAME, batch(NAME, epoch, &samples));
    assert_eq!(told(&acks, AckResult::Duplicate), [0, 1, 2, 3]);
    let mut world = world.restart(StoreOptions::default());
    let acks = world.send(NAME, batch(NAME, epoch, &samples));
    assert_eq!(told(&acks, AckResult::Duplicate), [0, 1, 2, 3]);
    assert_eq!(world.rows().len(), 1);
}

#[test]
fn what_is_too_old_to_be_taken_is_refused_before_and_after_pruning() {
    let mut world = World::new(&[NAME]);
    let old = |us| json(NAME, &[record(NOW - 401 * DAY, true, us)]);
    world.send(NAME, old(1));
    later(&mut world, 0);
    prune(&mut world);
    world.send(NAME, old(2));
    assert_eq!((world.count(Fate::TooOld), world.rows().len()), (2, 1));
    assert_eq!(world.reasons(), ["too_old", "too_old"]);
}

#[test]
fn ids_go_on_growing_when_the_newest_row_is_old() {
    let mut world = World::new(&[NAME]);
    later(&mut world, 0);
    old_epoch(&mut world);
    let newest = world.reader().newest_id().expect("readable");
    prune(&mut world);
    assert_eq!(world.reader().newest_id().expect("readable"), newest, "what readers tail from stays");
    assert_eq!(world.rows().len(), 2);
    let mut world = world.restart(StoreOptions::default());
    later(&mut world, 0);
    assert_eq!(world.reader().newest_id().expect("readable"), newest + 1);
}

#[test]
fn a_clock_that_leaps_ahead_removes_nothing() {
    let mut world = World::new(&[NAME]);
    later(&mut world, 0);
    let before = world.rows().len();
    world.now_ms += 3_650 * DAY;
    prune(&mut world);
    assert_eq!(world.rows().len(), before);
}

#[test]
fn a_step_is_small_and_comes_seldom_while_messages_come() {
    let mut world = World::new(&[NAME]);
    for number in 0..60 {
        let samples: Vec<_> = (0..100).map(|us| record(NOW - 100 * DAY, true, number * 100 + us)).collect();
        world.send(NAME, json(NAME, &samples));
    }
    later(&mut world, 0);
    let total = world.rows().len();
    assert_eq!(total, 6_001);
    world.engine.idle(world.now_ms);
    assert_eq!(world.rows().len(), total, "a start is not burdened");
    world.now_ms += 2 * MINUTE;
    world.engine.idle(world.now_ms);
    let after_one = world.rows().len();
    assert!((total - 2_000..total).contains(&after_one), "{after_one} left");
    for _ in 0..10 {
        world.engine.prune(world.now_ms + 999, true);
    }
    assert_eq!(world.rows().len(), after_one, "while messages come, a second lies between two steps");
    world.engine.prune(world.now_ms + 1_000, true);
    let after_two = world.rows().len();
    assert!(after_two < after_one);
    (0..STEPS).for_each(|_| world.engine.idle(world.now_ms + 1_000));
    assert_eq!(world.rows().len(), 1);
}

#[test]
fn letters_go_after_their_replay_and_retimed_stretches_with_the_observations() {
    let mut world = World::new(&[NAME]);
    for us in [1, 2] {
        let payload = json(NAME, &[record(NOW, true, us)]);
        world.send_on(&format!("phusong/v1/elsewhere/{NAME}/batch"), payload);
    }
    let letters = world.letters();
    assert_eq!(letters.len(), 2);
    let reader = world.reader();
    world.engine.replay(&reader, letters[0].id, world.now_ms).expect("it can be taken");
    let stretches = "INSERT INTO retimed (probe_ref, first_ms, last_ms) SELECT id, ?1, ?2 FROM probe";
    for (first, last) in [(NOW - 200 * DAY, NOW - 100 * DAY), (NOW - 200 * DAY, NOW)] {
        database(&world).execute(stretches, [first, last]).expect("own table");
    }
    let left = |world: &World| {
        (number(world, "SELECT count(*) FROM dead_letter"), number(world, "SELECT count(*) FROM retimed"))
    };
    prune(&mut world);
    assert_eq!(left(&world), (2, 1));
    later(&mut world, 89);
    prune(&mut world);
    assert_eq!(left(&world), (2, 1));
    later(&mut world, 3);
    prune(&mut world);
    assert_eq!(left(&world), (1, 0), "the one that waits for its replay stays");
    assert_eq!(world.letters()[0].id, letters[1].id);
}

#[test]
fn another_connection_that_writes_does_not_disturb_it() {
    let mut world = World::new(&[NAME]);
    old_epoch(&mut world);
    later(&mut world, 0);
    world.engine.idle(world.now_ms);
    world.now_ms += 2 * MINUTE;
    for _ in 0..STEPS {
        world.registrar().clear_clone_suspicion(&probe(NAME)).expect("a change of the registry");
        world.engine.idle(world.now_ms);
    }
    assert_eq!(world.rows().len(), 1);
    later(&mut world, 0);
    assert_eq!(world.rows().len(), 2);
}
