//! Pruning of `derived.db`: what goes, what stays, in steps that end.

use phusong_collector::store::{Pruned, Retention, prune_derived};
use rusqlite::{Connection, params};

const SCHEMA: &str = include_str!("../src/store/derived/migrations/V1__derived.sql");
const DAY: i64 = 86_400_000;
const WINDOW: i64 = 300_000;
const NOW: i64 = 1_800_000_000_000;
const RETENTION: Retention =
    Retention { raw_days: 90, derived_days: 1_095, changes_days: 400, replayed_letters_days: 90 };

/// Places with two networks, a window, a fact, an interruption and a change on each of these days before now,
/// the earliest first.
fn database(places: i64, days: &[i64]) -> Connection {
    let db = Connection::open_in_memory().expect("memory");
    db.execute_batch(SCHEMA).expect("the shipped schema");
    let mut keys = 0..;
    for (ago, place) in days.iter().flat_map(|ago| (1..=places).map(move |place| (*ago, place))) {
        let at_ms = NOW - ago * DAY;
        for network in [0, 3] {
            db.execute(
                "INSERT INTO window VALUES (?1, ?2, ?3, 3, 0, 1, 1, x'01')",
                params![place, network, at_ms / WINDOW],
            )
            .expect("a window");
        }
        db.execute("INSERT INTO fact VALUES (?1, ?2, 7, 1, 1, 0, NULL)", params![place, at_ms]).expect("a fact");
        let key: i64 = keys.next().expect("endless");
        db.execute(
            "INSERT INTO interruption VALUES (?1, 1, ?2, 3, NULL, ?3, ?4, ?5, 0, 0, 'power', 'proven', '', x'', x'', 1, 1)",
            params![key, place, at_ms / WINDOW, at_ms, at_ms + WINDOW],
        )
        .expect("an interruption");
        db.execute(
            "INSERT INTO changes (made_ms, what, key, case_ref, place_ref, from_ms, cause, confidence)
             VALUES (?1, 'gap_opened', ?2, 1, ?3, ?1, 'power', 'proven')",
            params![at_ms, key, place],
        )
        .expect("a change");
    }
    db
}

fn count(db: &Connection, table: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("a table of ours")
}

/// Steps until the round is complete; the sum and the number of steps.
fn round(db: &Connection, now_ms: i64, step_rows: usize) -> (Pruned, usize) {
    let mut sum = Pruned::default();
    for step in 1..10_000 {
        let pruned = prune_derived(db, now_ms, &RETENTION, step_rows).expect("it can be written");
        let rows = pruned.windows + pruned.facts + pruned.interruptions + pruned.changes;
        assert!(rows <= step_rows as u64, "{pruned:?}");
        sum.windows += pruned.windows;
        sum.facts += pruned.facts;
        sum.interruptions += pruned.interruptions;
        sum.changes += pruned.changes;
        if pruned.complete {
            return (sum, step);
        }
    }
    panic!("the round does not come to an end");
}

#[test]
fn each_kind_of_row_goes_when_its_days_are_over_whatever_the_step() {
    for step_rows in [1, 2, 7, 100, 100_000] {
        let db = database(5, &[3_000, 1_096, 1_094, 401, 399, 0]);
        let (sum, steps) = round(&db, NOW, step_rows);
        assert_eq!(
            (sum.windows, sum.facts, sum.interruptions, sum.changes),
            (2 * 2 * 5, 2 * 5, 2 * 5, 4 * 5),
            "with {step_rows} rows a step"
        );
        assert!(steps <= 1 + 60 / step_rows + 60, "{steps} steps of {step_rows}");
        let left = ["window", "fact", "interruption", "changes"].map(|table| count(&db, table));
        assert_eq!(left, [4 * 2 * 5, 4 * 5, 4 * 5, 2 * 5]);
        assert_eq!(count(&db, "mark"), 0, "the next round begins anew");
        assert_eq!(round(&db, NOW, step_rows).0, Pruned::default(), "nothing is left to remove");
    }
}

#[test]
fn many_places_take_several_steps_and_none_is_left_out() {
    let db = database(1_000, &[1_100, 1]);
    let (sum, steps) = round(&db, NOW, 100_000);
    assert_eq!((sum.windows, sum.facts), (2_000, 1_000));
    assert!(steps > 1, "a step looks at a bounded number of places");
}

#[test]
fn an_open_interruption_stays_however_old() {
    let db = database(1, &[2_000]);
    db.execute("UPDATE interruption SET to_ms = NULL", []).expect("own table");
    assert_eq!(round(&db, NOW, 10).0.interruptions, 0);
    assert_eq!(count(&db, "interruption"), 1);
}

#[test]
fn a_clock_that_leaps_ahead_removes_nothing() {
    let db = database(1, &[0]);
    db.execute("INSERT INTO place_state (place_ref, last_no) VALUES (1, ?1)", [NOW / WINDOW]).expect("own table");
    assert_eq!(round(&db, NOW + 5_000 * DAY, 10).0, Pruned::default());
}

#[test]
fn it_works_inside_a_transaction_and_goes_with_it() {
    let db = database(1, &[2_000]);
    db.execute_batch("BEGIN IMMEDIATE").expect("no transaction before");
    assert_eq!(round(&db, NOW, 100).0.windows, 2);
    db.execute_batch("ROLLBACK").expect("the transaction is open still");
    assert_eq!(count(&db, "window"), 2);
}
