//! Whatever the order, the copies and the lateness of observations: the same windows, interruptions and keys.
//!
//! Each case draws a day at one place with two networks, hands its observations over in random pieces, and recomputes
//! after each piece with ranges as narrow as a store would read them. The result must equal one fold over everything.

use phusong_coverage::grade::Graded;
use phusong_coverage::interruption::{Interruption, Kind};
use phusong_coverage::observation::{Attempt, Ended, Fact, FactKind, Layer, NetworkId, Role, SampleId, TargetId};
use phusong_coverage::recompute::{Due, Range, recompute};
use phusong_coverage::window::{WINDOW_MS, Window, WindowNo, windows};
use phusong_coverage::{Micros, PlaceId, Policies};
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
}

/// A stretch of a few windows each: everything answers, nothing does, one target is silent, our side is, or silence.
fn day(random: &mut Random, length: i64) -> Observed {
    let mut all = Observed::default();
    let mut seq = 0;
    let mut no = 0;
    while no < length {
        let mood = random.below(6);
        let until = (no + 1 + random.below(12)).min(length);
        while no < until {
            for network in 1..3 {
                if mood != 5 {
                    window(random, &mut all, &mut seq, no, network, mood);
                }
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

/// What a store would hold.
#[derive(Default, PartialEq, Debug)]
struct Shelf {
    windows: BTreeMap<NetworkId, BTreeMap<WindowNo, Window>>,
    graded: BTreeMap<(NetworkId, i64), Graded>,
    interruptions: BTreeMap<u64, Interruption>,
}

impl Shelf {
    fn take(&mut self, known: &Observed, touched: (i64, i64), end: i64, narrow: i64) {
        let undated: BTreeSet<WindowNo> = known.undated.iter().map(|no| WindowNo(*no)).collect();
        for network in 1..3 {
            let of = known.attempts.iter().filter(|attempt| attempt.network == NetworkId(network));
            let fresh = windows(of, if network == 1 { &undated } else { const { &BTreeSet::new() } });
            if !fresh.is_empty() {
                self.windows.insert(NetworkId(network), fresh);
            }
        }
        let mut facts = known.facts.clone();
        facts.sort();
        facts.dedup();
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
            let span = match old.subject.kind {
                Kind::Blind => outcome.blinds,
                _ => outcome.gaps[&old.subject.network.expect("a gap has a network")],
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
    let windows = piece.attempts.iter().map(|a| WindowNo::of(a.mid_ms()).0);
    let facts = piece.facts.iter().flat_map(|fact| {
        let no = WindowNo::of(fact.at_ms).0;
        [no - 1, if matches!(fact.what, FactKind::Link { .. }) { end } else { no + 12 }]
    });
    let all: Vec<i64> = windows.chain(facts).chain(piece.undated.iter().copied()).collect();
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
