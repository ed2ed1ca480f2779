//! When a sample happened: anchors, bounds, and times that become better later.

mod ingest_world;

use ingest_world::{NOW, World, batch, boot, clock, json, record, summary, tcp};
use phusong_collector::ingest::Fate;
use phusong_collector::store::StoreOptions;
use phusong_protocol::{Epoch, Ranges, Sample, limits};

const PROBE: &str = "na-chen-1";
const A: Epoch = Epoch(0xa);
const B: Epoch = Epoch(0xb);
const DAY: i64 = 86_400_000;

#[test]
fn an_anchor_times_what_came_before_and_what_comes_after_it() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, batch(PROBE, A, &[tcp(1, 1, 1_000)]));
    assert_eq!(world.at(A, 1), (NOW, "uncertain"));
    assert_eq!(world.count(Fate::Uncertain), 1);
    world.send(PROBE, batch(PROBE, A, &[clock(2, 1, 61_000, NOW - DAY, 10)]));
    assert_eq!(world.at(A, 1), (NOW - DAY - 60_000, "anchored"), "in the same transaction");
    world.send(PROBE, batch(PROBE, A, &[tcp(3, 1, 62_000)]));
    assert_eq!(world.at(A, 3), (NOW - DAY + 1_000, "anchored"));
}

#[test]
fn a_better_anchor_re_times_its_boot_and_a_worse_one_nothing() {
    let mut world = World::new(&[PROBE]);
    world.send(PROBE, batch(PROBE, A, &[clock(0, 1, 0, NOW - DAY, 500), tcp(1, 1, 1_000), tcp(2, 2, 1_000)]));
    world.send(PROBE, batch(PROBE, A, &[clock(3, 1, 0, NOW - DAY + 7, 600)]));
    assert_eq!(world.at(A, 1).0, NOW - DAY + 1_000);
    world.send(PROBE, batch(PROBE, A, &[clock(4, 1, 0, NOW - DAY + 9, 20)]));
    assert_eq!(world.at(A, 1), (NOW - DAY + 1_009, "anchored"));
    assert_eq!(world.at(A, 2).1, "uncertain", "another boot has another clock");
}

#[test]
fn re_timing_in_small_steps_reaches_every_row_also_after_a_restart() {
    let options = StoreOptions { retime_rows: 10, ..StoreOptions::default() };
    let mut world = World::with(&[PROBE], options);
    let samples: Vec<_> = (0..200).map(|seq| tcp(seq, 1, seq * 10)).collect();
    world.send(PROBE, batch(PROBE, A, &samples));
    world.send(PROBE, batch(PROBE, A, &[clock(200, 1, 0, NOW - DAY, 5)]));
    assert!(world.engine.has_backlog(), "ten rows are not all");
    let mut world = world.restart(options);
    world.settle();
    for row in world.rows() {
        assert_eq!(
            (row.at_ms, row.at_state.name()),
            (NOW - DAY + row.mono_ms.expect("it has a boot") as i64, "anchored")
        );
    }
}

#[test]
fn without_an_anchor_the_neighbours_bound_the_time() {
    let mut world = World::new(&[PROBE]);
    // Boot 2 never learned the time, and its clock starts at 1970. The epoch before it ended two days ago.
    world.send(PROBE, batch(PROBE, B, &[boot(0, 2, 5, Some((A, 1))), tcp(1, 2, 1_000)]));
    assert_eq!(world.at(B, 1), (NOW, "uncertain"), "only its arrival bounds it");
    world.send(PROBE, batch(PROBE, A, &[clock(0, 1, 0, NOW - 2 * DAY, 5), tcp(1, 1, 3_000)]));
    world.settle();
    assert_eq!(world.at(B, 1), (NOW - 2 * DAY + 3_000, "uncertain"), "not before the epoch it follows");
}

#[test]
fn nothing_is_dated_ahead() {
    let mut world = World::new(&[PROBE]);
    let ahead = NOW + limits::FUTURE_SKEW_MS + 1_000;
    let stamped = |seq, wall_ms| {
        let mut sample = Sample { wall_ms, ..tcp(seq, 3, 5) };
        sample.clock.synced = true;
        sample
    };
    let samples = [clock(0, 1, 0, ahead, 1), tcp(1, 1, 10), stamped(2, ahead), stamped(3, NOW + 1_000)];
    world.send(PROBE, batch(PROBE, A, &samples));
    assert_eq!(world.at(A, 1), (NOW, "uncertain"), "an anchor that lies ahead is none");
    assert_eq!(world.at(A, 2), (NOW, "uncertain"));
    assert_eq!(world.at(A, 3), (NOW + 1_000, "stamped"), "within the skew it is believed");
    assert_eq!(world.count(Fate::Uncertain), 3);
    // A true anchor a little behind, whose boot's later samples lie ahead.
    world.send(PROBE, batch(PROBE, B, &[clock(0, 9, 0, NOW, 1), tcp(1, 9, 3_600_000)]));
    assert_eq!(world.at(B, 1), (NOW, "uncertain"));
}

#[test]
fn a_scripts_stamp_counts_only_when_its_clock_was_synced() {
    let mut world = World::new(&[PROBE]);
    let records = [record(NOW - 9_000, true, 1), record(NOW - 9_000, false, 2), record(NOW + DAY, true, 3)];
    world.send(PROBE, json(PROBE, &records));
    let mut times: Vec<_> = world.rows().iter().map(|row| (row.at_ms, row.at_state.name())).collect();
    times.sort();
    assert_eq!(times, [(NOW - 9_000, "stamped"), (NOW, "uncertain"), (NOW, "uncertain")]);
}

#[test]
fn a_summary_of_an_earlier_epoch_does_not_stretch_its_own() {
    let mut world = World::new(&[PROBE]);
    let start = NOW - DAY;
    world.send(PROBE, batch(PROBE, A, &[boot(0, 1, 0, None), clock(1, 1, 0, start, 5), tcp(2, 1, 600_000)]));
    let late = summary(2, 1, 300_000, A, Ranges::of(3, 9));
    world.send(PROBE, batch(PROBE, B, &[boot(0, 1, 700_000, Some((A, 9))), tcp(1, 1, 700_100), late]));
    world.settle();
    assert_eq!(world.probe_row(PROBE).clone_suspected_ms, None);
    assert_eq!(world.probe_row(PROBE).missing, 0);
}

#[test]
fn a_floor_that_moves_is_carried_through_the_whole_chain_whichever_end_moved_first() {
    let start = NOW - 5 * DAY;
    // Three starts in a row; only the first ever learns the time, and learns it better later.
    let first = batch(PROBE, A, &[clock(0, 1, 0, start, 50), tcp(1, 1, 4_000)]);
    let better = batch(PROBE, A, &[clock(2, 1, 0, start + 28, 5)]);
    let second = batch(PROBE, B, &[boot(0, 2, 5, Some((A, 2))), tcp(1, 2, 9)]);
    let third = batch(PROBE, Epoch(0xc), &[boot(0, 3, 5, Some((B, 1))), tcp(1, 3, 9)]);
    let topic = format!("phusong/v1/{}/{PROBE}/batch", ingest_world::SITE);
    let orders =
        [[&first, &second, &third, &better], [&third, &second, &better, &first], [&better, &third, &first, &second]];
    for order in orders {
        for together in [1, 2, 4] {
            let mut world = World::new(&[PROBE]);
            for group in order.chunks(together) {
                world.group(group.iter().map(|payload| (topic.clone(), payload.to_vec())).collect());
            }
            world.settle();
            assert_eq!(world.at(Epoch(0xc), 1), (start + 28 + 4_000, "uncertain"));
        }
    }
}
