//! Who may log in: lasting passwords, one-time secrets and their exchange, between processes that share two files.

mod broker;

use broker::Broker;
use phusong_collector::credentials::{Credentials, OFFER_MS, Verdict};
use phusong_collector::store::{NewProbe, Registrar, Store, StoreOptions};
use phusong_protocol::ProbeId;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const NOW: i64 = 1_795_000_000_000;
const NAME: &str = "na-chen-1";

fn probe(name: &str) -> ProbeId {
    name.parse().expect("a good name")
}

fn judge(of: &Credentials, password: &str, now_ms: i64) -> Verdict {
    of.verify(NAME, password.as_bytes(), now_ms)
}

/// A data directory with one offer in it.
fn offered(name: &str) -> (PathBuf, Credentials, String) {
    let dir = broker::scratch(name);
    let credentials = Credentials::open(&dir).expect("a writable directory");
    let secret = credentials.offer(&probe(NAME), NOW).expect("a writable directory");
    (dir, credentials, secret)
}

fn gone(dir: &Path) {
    std::fs::remove_dir_all(dir).expect("own directory");
}

#[test]
fn a_one_time_secret_is_good_until_the_password_that_was_handed_over_is_used() {
    let (dir, credentials, secret) = offered("exchange");
    assert_eq!(judge(&credentials, &secret, NOW), Verdict::OneTime);
    assert_eq!(judge(&credentials, "another", NOW), Verdict::Refused);
    assert_eq!(credentials.verify("na-chen-2", secret.as_bytes(), NOW), Verdict::Refused);

    // The first hand-over was lost on its way; the second makes it void.
    let lost = credentials.hand_over(&probe(NAME), NOW + 1).expect("the secret holds");
    assert_eq!(judge(&credentials, &secret, NOW + 2), Verdict::OneTime);
    let password = credentials.hand_over(&probe(NAME), NOW + 3).expect("the secret holds");
    assert_eq!(judge(&credentials, &lost, NOW + 4), Verdict::Refused);
    assert_eq!(judge(&credentials, &secret, NOW + 4), Verdict::OneTime);

    assert_eq!(judge(&credentials, &password, NOW + 5), Verdict::Lasting);
    assert_eq!(judge(&credentials, &secret, NOW + 6), Verdict::Refused, "it has done its work");
    assert!(credentials.hand_over(&probe(NAME), NOW + 6).is_err());
    assert_eq!(judge(&credentials, &password, NOW + 100 * OFFER_MS), Verdict::Lasting);
    gone(&dir);
}

#[test]
fn a_one_time_secret_ends_after_a_day_and_a_newer_one_replaces_it() {
    let (dir, credentials, first) = offered("day");
    assert_eq!(judge(&credentials, &first, NOW + OFFER_MS - 1), Verdict::OneTime);
    assert_eq!(judge(&credentials, &first, NOW + OFFER_MS), Verdict::Refused);
    let error = credentials.hand_over(&probe(NAME), NOW + OFFER_MS).expect_err("it ended").to_string();
    assert!(error.contains("`probe join na-chen-1` makes one"), "{error}");
    let second = credentials.offer(&probe(NAME), NOW + 1).expect("writable");
    assert_eq!(judge(&credentials, &first, NOW + 2), Verdict::Refused);
    assert_eq!(judge(&credentials, &second, NOW + 2), Verdict::OneTime);
    gone(&dir);
}

#[test]
fn a_device_works_on_until_the_one_that_replaces_it_was_let_in() {
    let (dir, credentials, secret) = offered("replaced");
    let old = credentials.hand_over(&probe(NAME), NOW).expect("the secret holds");
    assert_eq!(judge(&credentials, &old, NOW), Verdict::Lasting);
    assert_eq!(judge(&credentials, &secret, NOW), Verdict::Refused);
    let secret = credentials.offer(&probe(NAME), NOW).expect("writable");
    assert_eq!(judge(&credentials, &old, NOW), Verdict::Lasting, "the new device is not there yet");
    assert_eq!(judge(&credentials, &secret, NOW), Verdict::OneTime, "the old device's login did not end it");
    let new = credentials.hand_over(&probe(NAME), NOW).expect("the secret holds");
    assert_eq!((judge(&credentials, &old, NOW), judge(&credentials, &new, NOW)), (Verdict::Refused, Verdict::Lasting));
    gone(&dir);
}

#[test]
fn what_another_process_changes_is_known_at_once_and_no_secret_stands_in_a_file() {
    let (dir, ours, secret) = offered("shared");
    let theirs = Credentials::open(&dir).expect("a writable directory");
    assert_eq!(judge(&theirs, &secret, NOW), Verdict::OneTime);
    let password = theirs.hand_over(&probe(NAME), NOW).expect("the secret holds");
    for name in ["passwd", "joins"] {
        let file = dir.join("broker").join(name);
        let text = std::fs::read_to_string(&file).expect("it is there");
        assert!(text.starts_with("na-chen-1:$7$101$"), "{text}");
        assert!(!text.contains(&secret) && !text.contains(&password), "{text}");
        assert_eq!(std::fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    }
    assert_eq!(judge(&ours, &password, NOW), Verdict::Lasting);
    assert_eq!(judge(&theirs, &secret, NOW), Verdict::Refused);
    ours.remove(&probe(NAME), NOW).expect("writable");
    assert_eq!(judge(&theirs, &password, NOW), Verdict::Refused);
    gone(&dir);
}

#[test]
fn a_line_that_cannot_be_read_costs_nobody_else_the_login_and_stays_where_it_is() {
    let (dir, credentials, _) = offered("broken");
    let file = dir.join("broker/passwd");
    std::fs::write(&file, "operator:$6$old$scheme\n\nnonsense\n").expect("own file");
    let passwords = credentials.lasting_all(&[probe(NAME), probe("na-chen-2")]).expect("writable");
    assert_eq!(judge(&credentials, &passwords[0], NOW), Verdict::Lasting);
    assert_eq!(credentials.verify("na-chen-2", passwords[1].as_bytes(), NOW), Verdict::Lasting);
    let text = std::fs::read_to_string(&file).expect("it is there");
    assert!(text.starts_with("operator:$6$old$scheme\nnonsense\nna-chen-1:$7$"), "{text}");
    let long = "x".repeat(1_000_000);
    assert_eq!(judge(&credentials, &long, NOW), Verdict::Refused);
    gone(&dir);
}

#[test]
fn a_retired_probe_is_refused_though_its_password_stands_in_the_file() {
    let (dir, credentials, secret) = offered("retired");
    let other = probe("na-chen-2");
    let passwords = credentials.lasting_all(&[probe(NAME), other.clone()]).expect("writable");
    drop(Store::open(&dir, StoreOptions::default(), NOW).expect("a new store"));
    let mut registrar = Registrar::open(&dir).expect("it is there");
    for name in [probe(NAME), other] {
        let site = "thanh-dinh".parse().expect("a good name");
        registrar.add(&NewProbe { probe: name, site, label: None, place: None }, NOW).expect("new");
    }
    assert_eq!(judge(&credentials, &passwords[0], NOW), Verdict::Lasting);
    registrar.retire(&probe(NAME), NOW + 1).expect("known");
    assert_eq!(judge(&credentials, &passwords[0], NOW), Verdict::Refused);
    assert_eq!(judge(&credentials, &secret, NOW), Verdict::Refused);
    assert_eq!(credentials.verify("na-chen-2", passwords[1].as_bytes(), NOW), Verdict::Lasting);
    gone(&dir);
}

#[test]
fn an_installation_can_move_to_mosquitto_with_its_password_file() {
    let (dir, credentials, _) = offered("move");
    let passwords = credentials.lasting_all(&[probe(NAME)]).expect("writable");
    let file = dir.join("broker/passwd");
    let mosquitto = Broker::start("moved", &format!("allow_anonymous false\npassword_file {}", file.display()));
    assert!(mosquitto.lets_in(NAME, &passwords[0]));
    assert!(!mosquitto.lets_in(NAME, "another"));
    gone(&dir);
}
