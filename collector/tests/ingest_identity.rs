//! Who is missing, and who is there twice: the chain of epochs, explained ids, cloned identities.

mod ingest_world;

use ingest_world::{NOW, World, batch, boot, clock, dropped, probe, summary, tcp, told};
use phusong_protocol::{AckResult, Epoch, Ranges};
use std::sync::atomic::Ordering;

const PROBE: &str = "na-chen-1";
const A: Epoch = Epoch(0xa);
const B: Epoch = Epoch(0xb);
const C: Epoch = Epoch(0xc);

fn missing(world: &World) -> Vec<(Epoch, Vec<u64>)> {
    let accounts = world.account(PROBE).into_iter();
    let holes: Vec<_> = accounts.map(|a| (a.epoch, a.missing.numbers().collect::<Vec<_>>())).collect();
    let total: usize = holes.iter().map(|(_, ids)| ids.len()).sum();
    assert_eq!(world.probe_row(PROBE).missing, total as u64, "list and account agree");
    holes.into_iter().filter(|(_, ids)| !ids.is_empty()).collect()
}

#[test]
fn holes_that_nothing_explains_are_missing_until_they_come() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, batch(PROBE, A, &[boot(0, 1, 0, None), tcp(1, 1, 1), tcp(4, 1, 4), tcp(6, 1, 6)]));
    assert_eq!(missing(&world), [(A, vec![2, 3, 5])]);
    world.send(PROBE, batch(PROBE, A, &[summary(7, 1, 7, A, Ranges::of(2, 3))]));
    assert_eq!(missing(&world), [(A, vec![5])]);
    world.send(PROBE, batch(PROBE, A, &[dropped(8, 1, 8, A, Ranges::of(5, 5))]));
    assert!(missing(&world).is_empty());
    // The original may come all the same, and is stored beside its summary.
    assert_eq!(told(&world.send(PROBE, batch(PROBE, A, &[tcp(2, 1, 2)])), AckResult::Stored), [2]);
    let account = &world.account(PROBE)[0];
    assert_eq!((account.replaced.clone(), account.dropped.clone()), (Ranges::of(2, 3), Ranges::of(5, 5)));
    assert!(missing(&world).is_empty());
}

#[test]
fn a_later_epoch_shows_the_missing_tail_of_the_one_before() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, batch(PROBE, A, &[boot(0, 1, 0, None), tcp(1, 1, 1)]));
    assert!(missing(&world).is_empty());
    world.send(PROBE, batch(PROBE, B, &[boot(0, 1, 9, Some((A, 4)))]));
    assert_eq!(missing(&world), [(A, vec![2, 3, 4])]);
    // A whole epoch that never came is named by the next.
    world.send(PROBE, batch(PROBE, Epoch(0xd), &[boot(0, 1, 20, Some((C, 1)))]));
    assert_eq!(missing(&world), [(A, vec![2, 3, 4]), (C, vec![0, 1])]);
    world.send(PROBE, batch(PROBE, A, &[tcp(2, 1, 2), tcp(3, 1, 3), tcp(4, 1, 4)]));
    assert_eq!(missing(&world), [(C, vec![0, 1])]);
}

#[test]
fn two_epochs_with_the_same_predecessor_are_a_cloned_identity() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, batch(PROBE, B, &[boot(0, 1, 0, Some((A, 7)))]));
    assert_eq!(world.probe_row(PROBE).clone_suspected_ms, None);
    let acks = world.send(PROBE, batch(PROBE, C, &[boot(0, 2, 0, Some((A, 7))), tcp(1, 2, 5)]));
    assert_eq!(told(&acks, AckResult::Stored), [0, 1], "nothing is lost for it");
    assert_eq!(world.probe_row(PROBE).clone_suspected_ms, Some(NOW));
    world.send(PROBE, batch(PROBE, Epoch(0xd), &[boot(0, 3, 0, Some((A, 7)))]));
    assert_eq!(world.counters.clones_suspected.load(Ordering::Relaxed), 1, "said once");
    world.registrar().clear_clone_suspicion(&probe(PROBE)).expect("a known probe");
    assert_eq!(world.probe_row(PROBE).clone_suspected_ms, None);
}

#[test]
fn epochs_that_overlap_by_more_than_a_minute_are_a_cloned_identity_and_by_less_are_not() {
    for (overlap_ms, suspected) in [(59_000, false), (61_000, true)] {
        let mut world = World::new(&[PROBE]);
        let day = NOW - 86_400_000;
        world.send(PROBE, batch(PROBE, A, &[clock(0, 1, 0, day, 5), tcp(1, 1, 500_000)]));
        let start = day + 500_000 - overlap_ms;
        world.send(PROBE, batch(PROBE, B, &[clock(0, 2, 0, start, 5), tcp(1, 2, 900_000)]));
        assert_eq!(world.probe_row(PROBE).clone_suspected_ms.is_some(), suspected, "{overlap_ms} ms");
    }
}

#[test]
fn a_chain_that_bites_its_tail_does_no_harm() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, batch(PROBE, A, &[boot(0, 1, 0, Some((B, 0))), clock(1, 1, 0, NOW - 5_000, 5)]));
    world.send(PROBE, batch(PROBE, B, &[boot(0, 2, 0, Some((A, 1))), tcp(1, 2, 7)]));
    world.send(PROBE, batch(PROBE, C, &[boot(0, 3, 0, Some((C, 9)))]));
    world.settle();
    assert_eq!(world.rows().len(), 5);
}

#[test]
fn an_epoch_may_begin_its_numbers_anywhere() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, batch(PROBE, A, &[boot(1_000, 1, 0, None), tcp(1_001, 1, 1), tcp(1_003, 1, 3)]));
    assert_eq!(missing(&world), [(A, vec![1_002])]);
}

#[test]
fn the_ledger_refuses_a_second_copy_after_a_restart() {
    let mut world = World::new(&[PROBE]);
    let payload = batch(PROBE, A, &[boot(0, 1, 0, None), tcp(1, 1, 1), tcp(5, 1, 5)]);
    world.send(PROBE, payload.clone());
    let mut world = world.restart(Default::default());
    assert_eq!(told(&world.send(PROBE, payload), AckResult::Duplicate), [0, 1, 5]);
    assert_eq!(world.rows().len(), 3);
}
