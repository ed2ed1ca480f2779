//! Parts of the fault rounds that are quick enough for every run of the tests; `faults --short` has the others.

use phusong_tests::faults::rounds::{self, Round, Victim};
use phusong_tests::faults::{self_tests, week_store};

const NOW_MS: i64 = 1_795_000_000_000;

fn seed() -> u64 {
    let seed = fastrand::u64(..1 << 53);
    eprintln!("seed {seed}");
    seed
}

fn check(round: &Round) {
    assert!(round.account.is_sound(round.drops), "{:#?}", round.account);
    assert_eq!(round.account.unwitnessed, 0, "published before it was durable: {:#?}", round.account);
    assert!(round.account.replaced > 0 && round.account.stored > 0, "{:#?}", round.account);
}

#[test]
fn a_day_offline_with_five_power_cuts_loses_nothing() {
    check(&week_store::round(1, 5, seed(), NOW_MS).expect("the day ends"));
}

#[test]
fn the_account_finds_what_an_fdatasync_that_does_nothing_loses() {
    assert!(self_tests::without_fdatasync(seed(), NOW_MS).expect("the day ends") > 0);
}

#[test]
fn an_agent_killed_with_batches_in_flight_loses_nothing() {
    check(&rounds::kills(Victim::Agent, 1, seed()).expect("the round ends"));
}

#[test]
fn a_collector_killed_with_batches_in_flight_loses_nothing() {
    check(&rounds::kills(Victim::Collector, 1, seed()).expect("the round ends"));
}
