//! Whatever the order, the copies and the lateness of observations: the same windows, interruptions and keys.
//!
//! Each case draws a day at one place with two networks, one of them with a modem, hands its observations over in random
//! pieces, and recomputes after each piece with ranges as narrow as a store would read them. The result must equal one
//! fold over everything.

use phusong_coverage::grade::Graded;
use phusong_coverage::interruption::{Interruption, Kind};
use phusong_coverage::observation::{Attempt, Ended, Fact, FactKind, Layer, NetworkId, Role, SampleId, TargetId};
use phusong_coverage::radio::{Bearer, CellKey, Change, Generation, Level, Look, Registration, Said, Sim};
use phusong_coverage::recompute::{Due, Range, recompute};
use phusong_coverage::signal::{BEFORE_MS, overlay};
use phusong_coverage::window::{WINDOW_MS, Window, WindowNo, windows};
use phusong_coverage::{Dbm, Micros, PlaceId, Policies};
use std::collections::{BTreeMap, BTreeSet};

/// Small and repeatable (Vigna's splitmix64), so that a case is its seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: i64) -> i64 {
        (self.next() % n.unsigned_abs().max(1)) as i64
    }
}

#[derive(Clone, Default)]
struct Observed {
    attempts: Vec<Attempt>,
    facts: Vec<Fact>,
    undated: Vec<i64>,
    /// Of network 2.
    looks: Vec<Look>,
}

/// A stretch of a few windows each: everything answers, nothing does, one target is silent, our side is, or silence.
fn day(random: &mut Random, length: i64) -> Observed {
    let mut all = Observed::default();
    let mut seq = 0;
    let mut no = 0;
    while no < length {
        let mood = random.below(6);
        let until = (no + 1 + random.below(12)).min(length);
        let said = random.below(9);
        if random.below(3) > 0 {
            let at_ms = no * WINDOW_MS + random.below(WINDOW_MS);
            change(random, &mut all, &mut seq, at_ms, said);
        }
        while no < until {
            for network in 1..3 {
                if mood != 5 {
                    window(random, &mut all, &mut seq, no, network, mood);
                }
            }
            if mood != 5 {
                radio(random, &mut all, &mut seq, no, said);
            }
            if mood == 4 && random.below(8) == 0 {
                all.undated.push(no);
            }
            no += 1;
        }
        seq += 1;
        let id = SampleId { epoch: 1, seq };
        let what = match random.below(4) {
            0 => FactKind::Mains(random.below(2) == 0),
            1 => FactKind::Started { clean: false, same_boot: Some(random.below(2) == 0) },
            2 => FactKind::Link { network: None, up: random.below(2) == 0 },
            _ => FactKind::Undervoltage,
        };
        all.facts.push(Fact { at_ms: no * WINDOW_MS + random.below(600_000) - 300_000, id, what });
    }
    all
}

fn window(random: &mut Random, all: &mut Observed, seq: &mut u64, no: i64, network: i64, mood: i64) {
    let targets = [(1, Role::Gateway, Layer::Icmp), (2, Role::Service, Layer::Tcp), (3, Role::Service, Layer::Icmp)];
    for (target, role, layer) in targets {
        if random.below(10) == 0 {
            continue;
        }
        let answered = match mood {
            1 => role == Role::Gateway,
            2 => target != 3,
            3 => false,
            _ => random.below(12) > 0,
        };
        for _ in 0..=random.below(2) {
            *seq += 1;
            let first_ms = no * WINDOW_MS + random.below(WINDOW_MS - 60_000);
            let rtt = Micros::new(5_000 + random.next() % 400_000);
            all.attempts.push(Attempt {
                id: SampleId { epoch: 1, seq: *seq },
                first_ms,
                last_ms: first_ms + random.below(90_000),
                network: NetworkId(network),
                target: TargetId(target),
                role,
                layer,
                ended: if answered { Ended::Answered } else { Ended::Unanswered },
                rounds: 1,
                sent: 10,
                received: if answered { 10 - random.below(3) as u32 } else { 0 },
                rtts: if answered { vec![(rtt, 8)] } else { Vec::new() },
            });
        }
    }
}

/// Looks in one window: `said` is the mood of the modem.
fn radio(random: &mut Random, all: &mut Observed, seq: &mut u64, no: i64, said: i64) {
    let mut at_ms = no * WINDOW_MS + random.below(60_000);
    while at_ms < (no + 1) * WINDOW_MS {
        let dbm = [-90.0, -110.0, -118.0, -130.0][random.below(4) as usize];
        let level = Level { generation: Generation::Lte, dbm: Dbm::new(dbm), correction: None };
        let mut look = Said { level: Some(Some(level)), setup: Some(random.below(3)), ..Said::default() };
        look.serving = Some(CellKey(random.below(3) as u64));
        match said {
            1 => look = Said { beside: Some(Registration::NoService), level: Some(None), ..Said::default() },
            2 => look.beside = Some(Registration::Limited),
            3 => look = Said { level: Some(None), neighbours: vec![CellKey(9)], ..Said::default() },
            4 => look.void = random.below(4) > 0,
            5 if random.below(9) == 0 => look.scan_ms = Some(random.below(300_000)),
            6 if random.below(9) == 0 => look.reset = true,
            7 => {
                look = Said { gone: true, hearsay: random.below(2) == 0, ..Said::default() };
            }
            _ => look.beside = Some(Registration::Registered),
        }
        *seq += 1;
        all.looks.push(Look {
            at_ms,
            id: SampleId { epoch: 1, seq: *seq },
            device: random.below(2) as u32,
            said: look,
        });
        at_ms += [10_000, 60_000, 85_000, 120_000][random.below(4) as usize];
    }
}

/// A word that holds until the next.
fn change(random: &mut Random, all: &mut Observed, seq: &mut u64, at_ms: i64, said: i64) {
    let any = Change::default();
    let change = match said {
        1 | 2 => Change { registered: Some(Registration::NoService), ..any },
        3 => match random.below(3) {
            0 => Change { sim: Some(Sim::Bad), ..any },
            1 => Change { registered: Some(Registration::Denied), ..any },
            _ => Change { bearer: Some(Bearer::Refused), ..any },
        },
        8 => Change { bearer: Some(if random.below(2) == 0 { Bearer::Up } else { Bearer::Down }), ..any },
        _ => Change { registered: Some(Registration::Registered), sim: Some(Sim::Ready), bearer: Some(Bearer::Up) },
    };
    *seq += 1;
    let (id, device) = (SampleId { epoch: 1, seq: *seq }, random.below(2) as u32);
    all.facts.push(Fact { at_ms, id, what: FactKind::Modem { network: NetworkId(2), device, change } });
}

/// What modems reported when it changed, as looks: those of long ago a store carries.
fn changes(facts: &[Fact], before_ms: i64) -> Vec<Look> {
    let words = facts.iter().filter(|fact| fact.at_ms < before_ms);
    words
        .filter_map(|fact| match fact.what {
            FactKind::Modem { device, change, .. } => {
                let said = Said { change, ..Said::default() };
                Some(Look { at_ms: fact.at_ms, id: fact.id, device, said })
            }
            _ => None,
        })
        .collect()
}

/// What a store would hold.
#[derive(Default, PartialEq, Debug)]
struct Shelf {
    windows: BTreeMap<NetworkId, BTreeMap<WindowNo, Window>>,
    graded: BTreeMap<(NetworkId, i64), Graded>,
    interruptions: BTreeMap<u64, Interruption>,
}

impl Shelf {
    fn take(&mut self, known: &Observed, touched: (i64, i64), end: i64, narrow: i64) {
        let mut facts = known.facts.clone();
        facts.sort();
        facts.dedup();
        let undated: BTreeSet<WindowNo> = known.undated.iter().map(|no| WindowNo(*no)).collect();
        for network in 1..3 {
            let of = known.attempts.iter().filter(|attempt| attempt.network == NetworkId(network));
            let mut fresh = windows(of, if network == 1 { &undated } else { const { &BTreeSet::new() } });
            if network == 2 {
                let from_ms = WindowNo(touched.0).start_ms() - BEFORE_MS;
                let until_ms = WindowNo(touched.1).end_ms() + BEFORE_MS;
                let near = known.looks.iter().filter(|look| (from_ms..until_ms).contains(&look.at_ms)).cloned();
                let looks: Vec<Look> = changes(&facts, until_ms).into_iter().chain(near).collect();
                overlay(&mut fresh, &looks, touched, &Policies::default());
            }
            fresh.retain(|no, _| (touched.0..=touched.1).contains(&no.0));
            let shelf = self.windows.entry(NetworkId(network)).or_default();
            shelf.retain(|no, _| !(touched.0..=touched.1).contains(&no.0));
            shelf.extend(fresh);
            if shelf.is_empty() {
                self.windows.remove(&NetworkId(network));
            }
        }
        let (mut before, mut after) = (narrow, narrow);
        loop {
            let (from, to) = ((touched.0 - before).max(-30), (touched.1 + after).min(end));
            let slice = |all: &BTreeMap<WindowNo, Window>| -> Vec<Window> {
                all.range(WindowNo(from)..WindowNo(to)).map(|(_, window)| window.clone()).collect()
            };
            let inside: BTreeMap<NetworkId, Vec<Window>> =
                self.windows.iter().map(|(network, all)| (*network, slice(all))).collect();
            let range = Range {
                place: PlaceId::new(7),
                from,
                to,
                from_start: from <= -30,
                to_end: to >= end,
                windows: &inside,
                facts: &facts,
                stopped: &[5 * WINDOW_MS],
                due: Some(Due { until_ms: end * WINDOW_MS, ended: false }),
            };
            match recompute(&range, touched, end * WINDOW_MS, &Policies::default()) {
                Ok(outcome) => return self.save(outcome),
                Err(wider) => {
                    before *= if wider.before { 3 } else { 1 };
                    after *= if wider.after { 3 } else { 1 };
                }
            }
        }
    }

    fn save(&mut self, outcome: phusong_coverage::recompute::Outcome) {
        self.interruptions.retain(|_, old| {
            let span = match (old.subject.kind, old.subject.network) {
                (Kind::Blind, None) => outcome.blinds,
                (Kind::Blind, Some(network)) => outcome.network_blinds[&network],
                (_, network) => outcome.gaps[&network.expect("a gap has a network")],
            };
            !(span.0..span.1).contains(&old.first.0)
        });
        for one in outcome.interruptions {
            let clash = self.interruptions.insert(one.key.0, one);
            assert!(clash.is_none(), "two interruptions with one key: {clash:?}");
        }
        for (network, graded) in outcome.graded {
            self.graded.extend(graded.into_iter().map(|one| ((network, one.no), one)));
        }
    }
}

/// What a piece touches: a fact speaks of silences around it, a word about the link of every gap after it.
fn piece_of(known: &mut Observed, piece: &Observed, end: i64) -> Option<(i64, i64)> {
    known.attempts.extend(piece.attempts.iter().cloned());
    known.facts.extend(piece.facts.iter().copied());
    known.undated.extend(&piece.undated);
    known.looks.extend(piece.looks.iter().cloned());
    let windows = piece.attempts.iter().map(|a| WindowNo::of(a.mid_ms()).0);
    let facts = piece.facts.iter().flat_map(|fact| {
        let no = WindowNo::of(fact.at_ms).0;
        let lasting = matches!(fact.what, FactKind::Link { .. } | FactKind::Modem { .. });
        [no - 1, if lasting { end } else { no + 12 }]
    });
    // A scan reaches back, what holds reaches on.
    let looks = piece.looks.iter().flat_map(|look| {
        let no = WindowNo::of(look.at_ms).0;
        [no - 2, no + 2]
    });
    let all: Vec<i64> = windows.chain(facts).chain(looks).chain(piece.undated.iter().copied()).collect();
    Some((*all.iter().min()?, *all.iter().max()?))
}

/// Says how many interruptions the day had.
fn check(seed: u64) -> usize {
    let random = &mut Random(seed);
    let length = 20 + random.below(100);
    let all = day(random, length);
    let end = length + random.below(10);
    let mut whole = Shelf::default();
    whole.take(&all, (-2, end), end, 1_000);

    // Every observation in one of some pieces, some in two.
    let count = 1 + random.below(6) as usize;
    let mut pieces = vec![Observed::default(); count];
    let burst = random.below(2) == 0;
    let copies = |random: &mut Random| if random.below(10) == 0 { 2 } else { 1 };
    for attempt in &all.attempts {
        for _ in 0..copies(random) {
            let whole_stretch = (attempt.first_ms / (10 * WINDOW_MS)) as usize % count;
            let at = if burst { whole_stretch } else { random.below(count as i64) as usize };
            pieces[at].attempts.push(attempt.clone());
        }
    }
    for fact in &all.facts {
        for _ in 0..copies(random) {
            pieces[random.below(count as i64) as usize].facts.push(*fact);
        }
    }
    for look in &all.looks {
        for _ in 0..copies(random) {
            let whole_stretch = (look.at_ms.max(0) / (10 * WINDOW_MS)) as usize % count;
            let at = if burst { whole_stretch } else { random.below(count as i64) as usize };
            pieces[at].looks.push(look.clone());
        }
    }
    for no in &all.undated {
        pieces[random.below(count as i64) as usize].undated.push(*no);
    }
    for at in (1..count).rev() {
        pieces.swap(at, random.below(at as i64 + 1) as usize);
    }
    let (mut shelf, mut known) = (Shelf::default(), Observed::default());
    let narrow = 1 + random.below(40);
    for piece in &pieces {
        if let Some(touched) = piece_of(&mut known, piece, end) {
            shelf.take(&known, (touched.0 - 1, touched.1 + 1), end, narrow);
        }
    }
    for (network, all) in &whole.windows {
        for (no, window) in all {
            let ours = shelf.windows.get(network).and_then(|all| all.get(no));
            assert_eq!(ours, Some(window), "seed {seed}, network {network:?}");
        }
    }
    assert_eq!(shelf.windows, whole.windows, "seed {seed}");
    assert_eq!(shelf.graded, whole.graded, "seed {seed}");
    assert_eq!(shelf.interruptions, whole.interruptions, "seed {seed}");
    whole.interruptions.len()
}

#[test]
fn ten_thousand_days_in_any_order_give_the_same_windows_interruptions_and_keys() {
    let first = match std::env::var("PHUSONG_SEED") {
        Ok(seed) => seed.parse().expect("PHUSONG_SEED is a number"),
        Err(_) => std::process::id().into(),
    };
    println!("seeds {first} to {}", first + 9_999u64);
    let interruptions: usize = (first..first + 10_000).map(check).sum();
    println!("{interruptions} interruptions");
    assert!(interruptions > 30_000, "the days are too quiet to prove anything: {interruptions}");
}
