//! Policies and what a recompute makes of them, on observations that went through the real engine.

mod ingest_world;

use ingest_world::{Dir, SITE, World, boot, probe, site, tcp};
use phusong_collector::areas::{day_of, show_day};
use phusong_collector::derive::policies::Version;
use phusong_collector::derive::{Again, Counted, Derive, Difference, Options, Running, Windows};
use phusong_collector::store::derived::{Shelf, database};
use phusong_collector::store::{NewProbe, Standing};
use phusong_coverage::Place;
use phusong_protocol::{
    Attempt, Clock, Epoch, Failure, FailureKind, LatencyReading, Outcome, Reading, Sample, Target, Uplink,
};
use rusqlite::Connection;
use rusqlite::types::Value;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{SystemTime, UNIX_EPOCH};

const WINDOW_MS: i64 = 300_000;
const DAY_MS: i64 = 86_400_000;
/// Windows of each probe; the last one ends now.
const WINDOWS: i64 = 4 * 288;
/// Nobody answers in these, counted from the beginning.
const DEAD: std::ops::Range<i64> = 100..106;
/// The probes are silent in these.
const SILENT: std::ops::Range<i64> = 150..155;
const PROBES: [&str; 2] = ["na-chen-1", "na-chen-2"];
const DERIVED: [&str; 8] =
    ["network", "window", "fact", "interruption", "case_file", "changes", "place_state", "last_known"];

/// Two probes of one hamlet on two supplies, four days, ending now.
struct Hamlet {
    world: World,
    now_ms: i64,
}

impl Hamlet {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        let now_ms = i64::try_from(since.as_millis()).expect("this century") / WINDOW_MS * WINDOW_MS;
        let mut world = World::new(&[]);
        world.now_ms = now_ms;
        let area = "INSERT INTO area (id, code, name, label, lat, lon, radius_m) VALUES (1, 'nc', 'Nà Chèn', 'xóm', 22.28, 106.45, 500.0)";
        let db = Connection::open(world.dir.path().join("phusong.db")).expect("it is there");
        db.execute(area, []).expect("the schema has these columns");
        let mut hamlet = Hamlet { world, now_ms };
        for (name, supply) in PROBES.iter().zip(["tba-1", "tba-2"]) {
            let at = Place::new(22.28, 106.45).expect("it lies in Vietnam");
            let place = Some(Standing { at, hamlet: Some("nc".into()), supply: Some(supply.into()) });
            let new = NewProbe { probe: probe(name), site: site(SITE), label: None, place };
            hamlet.world.registrar().add(&new, now_ms - 30 * DAY_MS).expect("a new probe");
        }
        for (n, name) in PROBES.iter().enumerate() {
            let samples: Vec<Sample> = (0..WINDOWS).flat_map(|no| hamlet.measured(no)).collect();
            let epoch = Epoch(n as u64 + 7);
            let first = boot(0, n as u8 + 1, 1_000, None);
            hamlet.send(name, epoch, n as u8 + 1, std::iter::once(first).chain(samples).collect());
        }
        hamlet.world.settle();
        hamlet
    }

    fn dir(&self) -> &Path {
        self.world.dir.path()
    }

    /// One window's samples.
    fn measured(&self, no: i64) -> Vec<Sample> {
        if SILENT.contains(&no) {
            return Vec::new();
        }
        let outcome = |of| match (DEAD.contains(&no), of) {
            (true, of) => {
                Outcome::Failure(Failure { of, kind: FailureKind::Timeout, detail: None, sent: None, elapsed_us: None })
            }
            _ => Outcome::Reading(Reading::Latency(LatencyReading {
                sent: 2,
                rtt_us: vec![20_000, 21_000],
                lost: Vec::new(),
            })),
        };
        let wall_ms = self.now_ms - (WINDOWS - no) * WINDOW_MS + 60_000;
        [("vnnic", Attempt::Tcp), ("viettel", Attempt::Tcp), ("vnnic", Attempt::Latency), ("vnpt", Attempt::Tcp)]
            .into_iter()
            .enumerate()
            .map(|(n, (target, of))| Sample {
                wall_ms: wall_ms + n as i64 * 1_000,
                target: Some(
                    Target { name: target.into(), host: target.into(), address: None, tags: Vec::new() }.into(),
                ),
                outcome: outcome(of),
                ..tcp(0, 0, 0)
            })
            .collect()
    }

    /// Numbers them, dates them by a synced clock and sends them.
    fn send(&mut self, name: &str, epoch: Epoch, boot: u8, mut samples: Vec<Sample>) {
        let begin_ms = self.now_ms - WINDOWS * WINDOW_MS;
        for (seq, one) in samples.iter_mut().enumerate() {
            one.seq = seq as u64;
            if one.wall_ms < begin_ms {
                one.wall_ms = begin_ms;
            }
            one.boot_id = Some(phusong_protocol::BootId([boot; 16]));
            one.mono_ms = Some((one.wall_ms - begin_ms) as u64 + 1_000);
            one.clock = Clock { synced: true, age_s: Some(1) };
            one.uplink = Some(uplink().into());
        }
        for chunk in samples.chunks(200) {
            self.world.send(name, ingest_world::batch(name, epoch, chunk));
        }
    }

    fn derive(&self) -> Derive {
        Derive::open(self.dir(), Options::default(), self.now_ms).expect("the database is there")
    }

    fn derived(self) -> Self {
        self.derive().settle(self.now_ms).expect("it can be derived");
        self
    }

    fn add_policy(&self, content: &str) -> u32 {
        let file = self.dir().join("policy.toml");
        std::fs::write(&file, content).expect("own directory");
        let version = Version::read(&file).unwrap_or_else(|e| panic!("{e}"));
        let shelf = Shelf::open(self.dir(), self.now_ms).expect("it is there");
        shelf.add_policy(version.policy.effective_from_ms, &version.content()).expect("a new row")
    }

    fn recompute(&self, again: &Again) -> Difference {
        self.derive().recompute(again, &|| self.now_ms, &mut |_| {}).expect("it can be recomputed")
    }

    fn rehearse(&self, again: &Again) -> Difference {
        let now = || self.now_ms;
        Derive::rehearse(self.dir(), Options::default(), again, &now, &mut |_| {}).expect("it can be rehearsed")
    }

    /// Every row of every derived table.
    fn rows(&self) -> Vec<Vec<Value>> {
        DERIVED.iter().flat_map(|table| self.ask(&format!("SELECT * FROM {table}"))).collect()
    }

    fn ask(&self, sql: &str) -> Vec<Vec<Value>> {
        let db = Connection::open(database(self.dir())).expect("it is there");
        let mut statement = db.prepare(sql).expect("good SQL");
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
        rows.expect("it can be read").collect::<Result<_, _>>().expect("plain values")
    }

    fn number(&self, sql: &str) -> i64 {
        match self.ask(sql)[0][0] {
            Value::Integer(number) => number,
            ref other => panic!("{sql}: {other:?}"),
        }
    }

    fn changes(&self) -> i64 {
        self.number("SELECT count(*) FROM changes")
    }

    /// The day that begins two or three days ago.
    fn day(&self) -> String {
        show_day(self.now_ms - 2 * DAY_MS)
    }

    fn says(&self, args: &[&str]) -> Output {
        let file = self.dir().join("collector.toml");
        std::fs::write(&file, format!("data_dir = {:?}\n", self.dir())).expect("own directory");
        let mut command = Command::new(env!("CARGO_BIN_EXE_phusong-collector"));
        command.arg("--config").arg(file).args(args).output().expect("it runs")
    }

    fn json(&self, args: &[&str]) -> serde_json::Value {
        let output = self.says(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("one object")
    }
}

fn uplink() -> Uplink {
    Uplink {
        interface: "wwan0".into(),
        provider: None,
        sim_plmn: Some("452-04".into()),
        serving_plmn: None,
        roaming: None,
        service_state: None,
        technology: None,
        rrc: None,
        self_load: None,
    }
}

/// Of both probes.
fn of_both(windows: Windows) -> Windows {
    let Windows { unknown, dead, weak, good } = windows;
    Windows { unknown: 2 * unknown, dead: 2 * dead, weak: 2 * weak, good: 2 * good }
}

fn served() -> u64 {
    (WINDOWS - (DEAD.end - DEAD.start) - (SILENT.end - SILENT.start)).cast_unsigned()
}

#[test]
fn a_policy_judges_from_its_day_on_and_what_was_judged_before_only_by_a_recompute() {
    let hamlet = Hamlet::new().derived();
    let (rows, changes) = (hamlet.rows(), hamlet.changes());
    assert_eq!(hamlet.number("SELECT count(*) FROM window WHERE grade = 3 AND policy = 1"), 2 * served() as i64);
    let day = hamlet.day();
    assert_eq!(hamlet.add_policy(&format!("effective_from = \"{day}\"\nrtt_target_ms = 10\n")), 2);
    hamlet.derive().settle(hamlet.now_ms).expect("it can be derived");
    assert_eq!(hamlet.rows(), rows, "a policy by itself changes nothing");

    let rehearsed = hamlet.rehearse(&Again::default());
    assert_eq!(hamlet.rows(), rows, "a rehearsal changes nothing");
    let from = day_of(&day).expect("a day") / WINDOW_MS;
    let after = (hamlet.now_ms / WINDOW_MS - from).cast_unsigned();
    assert!(after < (WINDOWS - SILENT.end).cast_unsigned(), "the day begins after everything that happened");
    let of = rehearsed.networks["viettel"];
    assert_eq!(of.before, of_both(Windows { dead: 6, good: served(), ..Windows::default() }));
    assert_eq!(of.after, of_both(Windows { dead: 6, good: served() - after, weak: after, ..Windows::default() }));
    assert_eq!((of.changed, of.gaps, rehearsed.blinds), (2 * after, Counted::default(), Counted::default()));
    assert_eq!((rehearsed.places, rehearsed.windows), (2, 2 * (served() + 6)));

    assert_eq!(hamlet.recompute(&Again::default()), rehearsed, "it does what was rehearsed");
    let count = |what: String| hamlet.number(&format!("SELECT count(*) FROM window WHERE {what}"));
    assert_eq!(count(format!("no < {from} AND (grade = 2 OR policy <> 1)")), 0);
    assert_eq!(count(format!("no >= {from} AND (grade <> 2 OR policy <> 2)")), 0);
    assert_eq!(hamlet.changes(), changes, "a recompute announces nothing");
    let rows = hamlet.rows();
    let again = hamlet.recompute(&Again::default());
    assert_eq!((again.networks["viettel"].changed, hamlet.rows()), (0, rows), "a second one changes nothing");
}

#[test]
fn gaps_and_blinds_go_and_come_with_their_cases_and_without_a_word() {
    let hamlet = Hamlet::new().derived();
    let kinds = "SELECT group_concat(kind || ' ' || cause || ' ' || proof, ', ') FROM
                 (SELECT * FROM interruption ORDER BY kind, place_ref)";
    let first = hamlet.ask(kinds);
    assert_eq!(hamlet.number("SELECT count(*) FROM interruption WHERE kind = 1"), 2, "{first:?}");
    assert_eq!(hamlet.number("SELECT count(*) FROM interruption WHERE kind = 2"), 2, "{first:?}");
    let (rows, changes) = (hamlet.rows(), hamlet.changes());
    let strict = "open_dead_windows = 10\nclose_alive_windows = 10\nof_windows = 12\nblind_windows = 20\n";
    let two = hamlet.add_policy(&format!("effective_from = \"2100-01-01\"\n{strict}"));
    let by_two = Again { policy: Some(two), ..Again::default() };
    let rehearsed = hamlet.rehearse(&by_two);
    let gone = Counted { gone: 2, ..Counted::default() };
    assert_eq!((rehearsed.networks["viettel"].gaps, rehearsed.blinds), (gone, gone));
    assert_eq!(hamlet.rows(), rows);
    assert_eq!(hamlet.recompute(&by_two), rehearsed);
    assert_eq!(hamlet.number("SELECT count(*) FROM interruption"), 0);
    assert_eq!(hamlet.number("SELECT count(*) FROM case_file WHERE withdrawn_ms IS NULL"), 0);

    let rehearsed = hamlet.rehearse(&Again::default());
    let opened = Counted { opened: 2, ..Counted::default() };
    assert_eq!((rehearsed.networks["viettel"].gaps, rehearsed.blinds), (opened, opened));
    assert_eq!(hamlet.recompute(&Again::default()), rehearsed);
    assert_eq!(hamlet.ask(kinds), first, "what a neighbour explains is explained again");
    assert_eq!(hamlet.number("SELECT count(*) FROM case_file"), 8, "cases are never used twice");
    assert_eq!(hamlet.changes(), changes);
}

#[test]
fn a_silence_over_the_first_moment_of_a_policy_keeps_its_case() {
    let from = |hamlet: &Hamlet| (hamlet.now_ms / WINDOW_MS - WINDOWS + SILENT.start + 2) * WINDOW_MS;
    for [before, after] in [[3, 20], [20, 3]] {
        let hamlet = Hamlet::new();
        let shelf = Shelf::open(hamlet.dir(), hamlet.now_ms).expect("a new file");
        for (ms, windows) in [(from(&hamlet) - DAY_MS, before), (from(&hamlet), after)] {
            shelf.add_policy(ms, &format!("{{\"blind_windows\": {windows}}}")).expect("a new row");
        }
        let hamlet = hamlet.derived();
        let blinds = if before == 3 { 2 } else { 0 };
        assert_eq!(hamlet.number("SELECT count(*) FROM interruption WHERE kind = 2"), blinds);
        let rows = hamlet.rows();
        hamlet.recompute(&Again::default());
        assert_eq!(hamlet.rows(), rows, "judged by the policy under which it began");
    }
}

#[test]
fn only_what_was_asked_for_is_judged_again() {
    let hamlet = Hamlet::new().derived();
    let two = hamlet.add_policy("effective_from = \"2100-01-01\"\nrtt_target_ms = 10\n");
    let ms = |days: i64| day_of(&show_day(hamlet.now_ms - days * DAY_MS)).expect("a day");
    let place = hamlet.number("SELECT min(place_ref) FROM window");
    let again = Again { policy: Some(two), since_ms: Some(ms(2)), until_ms: Some(ms(1)), places: Some([place].into()) };
    let rehearsed = hamlet.rehearse(&again);
    assert_eq!(hamlet.recompute(&again), rehearsed);
    assert_eq!((rehearsed.places, rehearsed.windows, rehearsed.networks["viettel"].changed), (1, 288, 288));
    let weak = format!(
        "SELECT count(*) FROM window WHERE grade = 2 AND policy = 2 AND place_ref = {place} AND no >= {} AND no < {}",
        ms(2) / WINDOW_MS,
        ms(1) / WINDOW_MS
    );
    assert_eq!(hamlet.number(&weak), 288);
    assert_eq!(hamlet.number("SELECT count(*) FROM window WHERE policy = 2"), 288);
    let none = Again { policy: Some(9), ..Again::default() };
    let refused = hamlet.derive().recompute(&none, &|| hamlet.now_ms, &mut |_| {}).expect_err("there is none");
    assert_eq!(refused.to_string(), "there is no policy 9; `policy list` shows those that are");
}

#[test]
fn what_is_sealed_is_counted_and_left_alone() {
    let hamlet = Hamlet::new().derived();
    let two = hamlet.add_policy("effective_from = \"2100-01-01\"\nrtt_target_ms = 10\n");
    // The clock goes on: of four days, the observations of the oldest two may be gone.
    let now_ms = hamlet.now_ms + 88 * DAY_MS;
    hamlet.derive().settle(now_ms).expect("it can be derived");
    let by_two = Again { policy: Some(two), ..Again::default() };
    let clock = || now_ms;
    let rehearsed = Derive::rehearse(hamlet.dir(), Options::default(), &by_two, &clock, &mut |_| {});
    let done = hamlet.derive().recompute(&by_two, &clock, &mut |_| {}).expect("it can be recomputed");
    assert_eq!(done, rehearsed.expect("it can be rehearsed"));
    let line = (now_ms - 90 * DAY_MS) / WINDOW_MS;
    let sealed = hamlet.number(&format!("SELECT count(*) FROM window WHERE no <= {line}"));
    assert_eq!((done.sealed, done.windows), (sealed as u64, (2 * (served() + 6)) - sealed as u64));
    assert_eq!(hamlet.number(&format!("SELECT count(*) FROM window WHERE no <= {line} AND policy <> 1")), 0);
    assert_eq!(hamlet.number(&format!("SELECT count(*) FROM window WHERE no > {line} AND policy <> 2")), 0);
}

#[test]
fn beside_a_running_collector_it_comes_to_what_deriving_from_the_beginning_comes_to() {
    let mut hamlet = Hamlet::new();
    let running = Running::start(hamlet.dir().to_path_buf(), Options::default()).expect("a thread");
    Shelf::open(hamlet.dir(), hamlet.now_ms).expect("made, or there already");
    let policy = format!("effective_from = \"{}\"\nrtt_target_ms = 10\n", hamlet.day());
    hamlet.add_policy(&policy);
    let real = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis());
    let clock = || real().expect("this century");
    for round in 0..3u8 {
        // More comes while it works: the same four days of a probe that starts once more.
        let samples: Vec<Sample> = (0..WINDOWS).step_by(7).flat_map(|no| hamlet.measured(no)).collect();
        hamlet.send(PROBES[0], Epoch(u64::from(round) + 90), round + 90, samples);
        let mut derive = Derive::open(hamlet.dir(), Options::default(), clock()).expect("the database is there");
        derive.recompute(&Again::default(), &clock, &mut |_| {}).expect("beside the thread");
    }
    hamlet.world.settle();
    running.stop();
    let last_ms = clock();
    hamlet.derive().settle(last_ms).expect("it can be derived");
    let found = [
        "SELECT w.*, n.name FROM window w JOIN network n ON n.id = w.network_ref ORDER BY 1, 2, 3",
        "SELECT key, kind, place_ref, first_no, from_ms, to_ms, cause, confidence, proof, evidence FROM interruption
          ORDER BY key",
    ];
    let here = found.map(|sql| hamlet.ask(sql));
    let unsaid = "SELECT count(*) FROM interruption WHERE case_ref NOT IN (SELECT case_ref FROM changes)";
    assert_eq!(hamlet.number(unsaid), 0, "what is new is announced whoever comes first");
    for file in ["derived.db", "derived.db-wal", "derived.db-shm"] {
        // Those beside it are gone already.
        let _ = std::fs::remove_file(hamlet.dir().join(file));
    }
    hamlet.add_policy(&policy);
    hamlet.derive().settle(last_ms).expect("it can be derived");
    assert_eq!(found.map(|sql| hamlet.ask(sql)), here);
}

#[test]
fn the_commands_say_what_they_do() {
    let hamlet = Hamlet::new().derived();
    let day = hamlet.day();
    let file = hamlet.dir().join("two.toml");
    let text =
        format!("effective_from = \"{day}\"\nrtt_target_ms = 10\nnote = \"stricter\"\nsource = \"a contract\"\n");
    std::fs::write(&file, text).expect("own directory");
    let added = hamlet.says(&["policy", "add", file.to_str().expect("text")]);
    let said = String::from_utf8(added.stdout).expect("text");
    assert!(said.starts_with(&format!("policy 2 holds from {day} on; what was judged already stays")), "{said}");
    let shown = hamlet.json(&["policy", "show", "2", "--json"]);
    assert_eq!((&shown["effective_from"], &shown["differs"]["rtt_target_ms"]), (&day.as_str().into(), &10.into()));
    assert_eq!((&shown["thresholds"]["loss_target"], &shown["source"]), (&0.05.into(), &"a contract".into()));
    let listed = String::from_utf8(hamlet.says(&["policy", "list"]).stdout).expect("text");
    assert!(listed.contains("rtt_target_ms = 10") && listed.contains("stricter"), "{listed}");
    assert!(!hamlet.says(&["policy", "show", "7"]).status.success());

    let rows = hamlet.rows();
    let mut rehearsed = hamlet.json(&["recompute", "--dry-run", "--json"]);
    assert_eq!(hamlet.rows(), rows);
    assert!(rehearsed["networks"]["viettel"]["changed"].as_u64() > Some(500), "{rehearsed}");
    let table = hamlet.says(&["recompute", "--dry-run"]);
    let said = String::from_utf8(table.stdout).expect("text");
    assert!(said.contains("would be judged again; nothing was changed") && said.contains("viettel"), "{said}");
    assert!(String::from_utf8_lossy(&table.stderr).contains("2 of 2 places"), "how far it is");
    let done = hamlet.json(&["recompute", "--json"]);
    rehearsed["dry_run"] = false.into();
    assert_eq!(done, rehearsed);
    for (args, wanted) in [
        (vec!["recompute", "--probe", "nobody"], "probe nobody has no place"),
        (vec!["recompute", "--policy", "8"], "there is no policy 8"),
        (vec!["recompute", "--since", "2026-13-01"], "there is no such day"),
        (vec!["recompute", "--since", "2026-11-02", "--until", "2026-11-02"], "a later day"),
    ] {
        let output = hamlet.says(&args);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains(wanted), "{args:?}: {error}");
    }
}

#[test]
fn a_bad_file_is_answered_with_its_line_and_what_would_be_right() {
    let dir = Dir::new();
    let file = dir.path().join("bad.toml");
    let from = "effective_from = \"2026-12-01\"\n";
    for (text, wanted) in [
        (format!("{from}rtt_target = 10"), "2: rtt_target: there is no such key; there are loss_target, "),
        (format!("{from}rtt_target_ms = 0"), "2: rtt_target_ms: must be a whole number from 1 to 60000, and is 0"),
        (format!("{from}rtt_target_ms = 1.5"), "2: rtt_target_ms: must be a whole number from 1 to 60000, and is 1.5"),
        (format!("{from}loss_target = \"5 %\""), "2: loss_target: must be a number from 0.001 to 0.9, and is \"5 %\""),
        (format!("{from}dead_share = nan"), "2: dead_share: must be a number from 0.05 to 1, and is "),
        (
            format!("{from}\nopen_dead_windows = 6"),
            "3: open_dead_windows: must be at most of_windows, which is 5, and is 6",
        ),
        (format!("{from}of_windows = 6"), "2: of_windows: must be less than open_dead_windows + close_alive_windows"),
        (format!("{from}note = 5"), "2: note: must be a text in quotes of 1 to 1000 bytes"),
        ("rtt_target_ms = 10".into(), "1: effective_from: is missing: write the day"),
        (
            "effective_from = \"1/12/2026\"".into(),
            "1: effective_from: \"1/12/2026\" is no date: write it as 2025-07-01",
        ),
        ("effective_from = 2026-12-01".into(), "1: effective_from: write the day from which it holds in quotes"),
        (format!("{from}{from}"), "2: duplicate key"),
        (format!("{from}rtt_target_ms = \n"), "2: "),
        (format!("{from}note = \"{}\"", "x".repeat(20_000)), " cannot be read: it has "),
    ] {
        std::fs::write(&file, &text).expect("own directory");
        let error = Version::read(&file).expect_err(&text).to_string();
        let said = error.strip_prefix(&format!("{}:", file.display())).unwrap_or_else(|| panic!("{error}"));
        assert!(said.starts_with(wanted), "{text}: {said}");
    }
}
