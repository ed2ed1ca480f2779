//! What a world must keep: its truth is consistent, its wire is an agent's wire, and both agree.

use phusong_protocol::{
    Attempt, Channel, Epoch, FailureKind, Outcome, ProbeId, Ranges, Reading, Sample, Tag, Topic, decode,
};
use phusong_simulator::{Cause, DAY_MS, Delivery, Evidence, Plan, Rates, TruthEvent, TruthKind, World};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

const START_MS: i64 = 1_767_225_600_000;
const MINUTE_MS: i64 = 60_000;

fn world(plan: Plan) -> World {
    World::new(plan).expect("a good plan")
}

/// Everything of a world, decoded.
#[derive(Default)]
struct Heard {
    /// By probe, epoch and `seq`.
    samples: BTreeMap<(ProbeId, Epoch, u64), Sample>,
    deliveries: usize,
    twice: usize,
}

fn hear(world: &World) -> Heard {
    let mut heard = Heard::default();
    let mut before_ms = i64::MIN;
    for delivery in world.deliveries() {
        assert!(delivery.received_ms >= before_ms, "deliveries come in order");
        before_ms = delivery.received_ms;
        heard.deliveries += 1;
        let topic = Topic::parse(&delivery.topic).expect("a topic of ours");
        assert_eq!((&topic.probe, topic.channel), (&delivery.probe, Channel::Batch));
        let batch = decode(&delivery.payload).expect("a batch of ours");
        assert_eq!((batch.probe.as_ref(), batch.bad.len()), (Some(&delivery.probe), 0));
        for sample in batch.samples {
            assert_eq!(sample.check(), Ok(()));
            let id = (delivery.probe.clone(), batch.epoch, sample.seq);
            match heard.samples.get(&id) {
                Some(before) => {
                    assert_eq!(*before, sample, "the same id, the same sample");
                    heard.twice += 1;
                }
                None => drop(heard.samples.insert(id, sample)),
            }
        }
    }
    heard
}

fn eventful(seed: u64, days: u32) -> Plan {
    let usual = Rates::default();
    // A short world with much in it: everything six times as often as usual.
    let rates = Rates {
        power_per_hamlet: usual.power_per_hamlet * 6.0,
        backhaul_per_hamlet: usual.backhaul_per_hamlet * 6.0,
        gateway_per_hamlet: usual.gateway_per_hamlet * 6.0,
        crash_per_probe: usual.crash_per_probe * 6.0,
        restart_per_probe: usual.restart_per_probe * 6.0,
        delay_per_hamlet: usual.delay_per_hamlet * 6.0,
        moves: 30.0,
        ..usual
    };
    Plan { rates, hamlets: 9, ..Plan::new(seed, START_MS, days) }
}

fn true_ms(sample: &Sample, offsets: &BTreeMap<String, i64>) -> Option<i64> {
    let boot = sample.boot_id?.to_string();
    Some(offsets.get(&boot)? + sample.mono_ms? as i64)
}

/// Of each boot, where its clock stood at zero, by its anchors.
fn offsets(heard: &Heard) -> BTreeMap<String, i64> {
    let mut offsets = BTreeMap::new();
    for sample in heard.samples.values() {
        if let Outcome::Reading(Reading::Clock(anchor)) = &sample.outcome {
            let (boot, mono) = (sample.boot_id.expect("a boot"), sample.mono_ms.expect("its clock"));
            let offset = anchor.true_unix_ms - mono as i64;
            assert_eq!(*offsets.entry(boot.to_string()).or_insert(offset), offset, "anchors of a boot agree");
        }
    }
    offsets
}

#[test]
fn truth_never_overlaps_within_a_probe_and_every_kind_is_common() {
    let mut long: BTreeMap<(TruthKind, Cause), usize> = BTreeMap::new();
    for seed in 1..=10 {
        let world = world(Plan::new(seed, START_MS, 30));
        let mut last: HashMap<&ProbeId, &TruthEvent> = HashMap::new();
        for event in world.truth() {
            assert!(event.from_ms < event.to_ms && event.to_ms < world.plan().end_ms(), "{event:?}");
            if let Some(before) = last.insert(&event.probe, event) {
                assert!(before.to_ms + 15 * MINUTE_MS < event.from_ms, "{before:?} {event:?}");
            }
            assert!(!event.evidence.is_empty());
            let lasting = event.to_ms - event.from_ms >= 45 * MINUTE_MS;
            *long.entry((event.kind, event.cause)).or_default() += usize::from(lasting);
        }
        assert!(world.moves().len() <= 4 && world.registrations().len() == 36);
    }
    use {Cause as C, TruthKind as K};
    for of in [(K::Gap, C::Backhaul), (K::Blind, C::Power), (K::Blind, C::Device), (K::Delay, C::Delivery)] {
        assert!(long[&of] > 200, "{long:?}");
    }
    assert!(long[&(K::Remote, C::Remote)] > 36 * 100, "{long:?}");
}

#[test]
fn the_same_plan_makes_the_same_bytes_and_another_seed_others() {
    let hash = |seed: u64| {
        let mut hasher = DefaultHasher::new();
        let world = world(Plan { hamlets: 6, ..Plan::new(seed, START_MS, 3) });
        for Delivery { received_ms, topic, payload, .. } in world.deliveries() {
            (received_ms, topic, payload).hash(&mut hasher);
        }
        world.areas().hash(&mut hasher);
        (hasher.finish(), format!("{:?} {:?} {:?}", world.truth(), world.moves(), world.registrations()))
    };
    assert_eq!(hash(5), hash(5));
    assert_ne!(hash(5).0, hash(6).0);
}

#[test]
fn every_sample_is_sound_and_no_id_is_missing() {
    let world = world(eventful(11, 5));
    let heard = hear(&world);
    assert!(heard.twice > 0 && heard.deliveries > 10_000, "{} twice of {}", heard.twice, heard.deliveries);
    let mut sent: BTreeMap<(&ProbeId, Epoch), Ranges> = BTreeMap::new();
    let mut replaced: BTreeMap<(&ProbeId, Epoch), Ranges> = BTreeMap::new();
    for ((probe, epoch, seq), sample) in &heard.samples {
        sent.entry((probe, *epoch)).or_default().insert(*seq, *seq);
        let Outcome::Reading(Reading::Summary(summary)) = &sample.outcome else { continue };
        let rounds = replaced.entry((probe, summary.replaces.epoch)).or_default();
        assert_eq!(summary.replaces.ranges.count(), u64::from(summary.rounds));
        for seq in summary.replaces.ranges.numbers() {
            assert!(!rounds.contains(seq), "{probe} {epoch} {seq} is in two summaries");
            rounds.insert(seq, seq);
        }
    }
    for (id, rounds) in &replaced {
        let both = rounds.numbers().find(|seq| sent.get(id).is_some_and(|sent| sent.contains(*seq)));
        assert_eq!(both, None, "{id:?}: a raw round was sent");
    }
    let mut ends = 0;
    for ((probe, _, seq), sample) in &heard.samples {
        let Outcome::Reading(Reading::Boot(boot)) = &sample.outcome else { continue };
        assert_eq!((*seq, boot.period_ms, boot.prev.is_none()), (0, Some(60_000), boot.start == 1));
        let Some(prev) = boot.prev else { continue };
        let mut all = sent.get(&(probe, prev.epoch)).cloned().unwrap_or_default();
        all.union(replaced.get(&(probe, prev.epoch)).unwrap_or(&Ranges::new()));
        assert_eq!(all, Ranges::of(0, prev.last_seq), "{probe} {:?}", prev.epoch);
        ends += 1;
    }
    assert!(ends > 30, "{ends} epochs ended");
}

#[test]
fn failures_stand_exactly_where_the_truth_says_so() {
    let plan = eventful(12, 5);
    let plan = Plan { rates: Rates { stray_failures: 0.0, ..plan.rates }, ..plan };
    let world = world(plan);
    let heard = hear(&world);
    let offsets = offsets(&heard);
    let during = |probe: &ProbeId, at_ms: i64| {
        world.truth().iter().find(|e| e.probe == *probe && (e.from_ms..e.to_ms).contains(&at_ms))
    };
    let (mut failed, mut strays, mut seen) = (0, 0, BTreeMap::new());
    for ((probe, _, _), sample) in &heard.samples {
        let Some(at_ms) = true_ms(sample, &offsets) else { continue };
        let event = during(probe, at_ms);
        match &sample.outcome {
            Outcome::Failure(failure) => {
                let target = sample.target.as_deref().expect("a target");
                let gateway = target.tags.contains(&Tag::Gateway);
                let cause = event.map(|event| event.cause);
                match cause {
                    Some(Cause::Backhaul) => assert!(!gateway, "{sample:?}"),
                    Some(Cause::Remote) => {
                        let host = event.and_then(|event| event.host.as_deref()).expect("a host");
                        assert!(target.host.contains(host), "{host}: {sample:?}");
                    }
                    Some(Cause::Device) => {}
                    // Two lost SYNs or ten lost echoes.
                    None | Some(Cause::Delivery) => strays += 1,
                    Some(cause) => panic!("{cause:?}: {sample:?}"),
                }
                assert!(failure.of != Attempt::Dns && failure.kind != FailureKind::Busy);
                failed += 1;
                if let Some(event) = event {
                    *seen.entry((&event.probe, event.from_ms)).or_insert(0) += 1;
                }
            }
            Outcome::Reading(Reading::Summary(summary)) => {
                // All rounds of a summary succeeded: it never reaches into an event that kills its lane.
                assert!((1..=6).contains(&summary.rounds) && summary.first_mono_ms <= summary.last_mono_ms);
                let gateway = sample.target.as_deref().is_some_and(|target| target.tags.contains(&Tag::Gateway));
                let killed = event.is_some_and(|event| match event.cause {
                    Cause::Backhaul => !gateway,
                    Cause::Remote | Cause::Delivery | Cause::Congestion => false,
                    Cause::Device | Cause::Power | Cause::Moved => true,
                });
                assert!(!killed, "{event:?}: {sample:?}");
            }
            _ => {}
        }
    }
    assert!(failed > 1_000 && strays < 20, "{failed} failures, {strays} strays");
    let fails = |e: &&TruthEvent| {
        matches!(e.cause, Cause::Backhaul | Cause::Remote) || e.evidence.contains(&Evidence::GatewaySilent)
    };
    for event in world.truth().iter().filter(fails).filter(|e| !e.clock_uncertain) {
        let minutes = (event.to_ms - event.from_ms) as f64 / MINUTE_MS as f64;
        let lanes = match (event.cause, event.host.as_deref()) {
            (Cause::Backhaul, _) => 5.2,
            (Cause::Device, _) => 6.2,
            (_, Some("dichvu.vn.example")) => 0.2,
            (_, Some("abroad.example")) => 1.0,
            _ => 2.0,
        };
        let count = f64::from(seen.get(&(&event.probe, event.from_ms)).copied().unwrap_or(0));
        assert!((count - minutes * lanes).abs() <= 8.0, "{count} failures in {minutes} min: {event:?}");
    }
}

#[test]
fn starts_say_what_the_truth_says_and_clocks_are_uncertain_where_it_says_so() {
    let world = world(Plan { rates: Rates { timeless_probes: 2, ..eventful(13, 8).rates }, ..eventful(13, 8) });
    let heard = hear(&world);
    let offsets = offsets(&heard);
    let starts = |probe: &ProbeId, at_ms: i64| {
        heard.samples.iter().any(|((p, _, _), sample)| {
            let boot = match &sample.outcome {
                Outcome::Reading(Reading::Boot(boot)) if p == probe => boot,
                _ => return false,
            };
            boot.start > 1 && true_ms(sample, &offsets) == Some(at_ms)
        })
    };
    let mut unsure = 0;
    for event in world.truth().iter().filter(|e| e.kind == TruthKind::Blind) {
        if event.clock_uncertain {
            unsure += 1;
        } else if !event.evidence.contains(&Evidence::GatewaySilent) {
            assert!(starts(&event.probe, event.to_ms), "{event:?}");
        }
    }
    let unset: BTreeSet<&ProbeId> =
        heard.samples.iter().filter(|(_, s)| true_ms(s, &offsets).is_none()).map(|(id, _)| &id.0).collect();
    assert!((1..=2).contains(&unset.len()), "{unset:?}");
    assert!(unsure > 0);
    let behind =
        heard.samples.values().filter(|s| !s.clock.synced).filter_map(|s| Some(true_ms(s, &offsets)? - s.wall_ms));
    let (least, most) = behind.fold((i64::MAX, 0), |(least, most), ms| (least.min(ms), most.max(ms)));
    assert!(least > 0 && most < DAY_MS, "unset clocks lie {least} to {most} ms behind");
}

#[test]
fn nothing_arrives_while_the_way_is_cut_and_everything_afterwards() {
    let world = world(eventful(14, 4));
    let cut = |e: &&TruthEvent| {
        matches!(e.cause, Cause::Backhaul | Cause::Delivery) || e.evidence.contains(&Evidence::GatewaySilent)
    };
    let cuts: Vec<&TruthEvent> = world.truth().iter().filter(cut).collect();
    assert!(cuts.len() > 20);
    for delivery in world.deliveries() {
        let inside =
            cuts.iter().find(|e| e.probe == delivery.probe && (e.from_ms..e.to_ms).contains(&delivery.received_ms));
        assert_eq!(inside, None, "{}", delivery.received_ms);
    }
}

#[test]
fn a_stripped_world_has_nothing_to_tell_a_cause_by() {
    let world = world(Plan { strip_evidence: true, ..eventful(15, 4) });
    assert!(world.truth().iter().all(|event| event.evidence.is_empty()));
    for sample in hear(&world).samples.values() {
        assert!(!sample.target.as_deref().is_some_and(|target| target.tags.contains(&Tag::Gateway)));
        match &sample.outcome {
            Outcome::Reading(Reading::Boot(boot)) => {
                assert!(boot.same_boot.is_none() && boot.clean == (boot.start == 1))
            }
            Outcome::Reading(Reading::Power(_) | Reading::Link(_)) => panic!("{sample:?}"),
            Outcome::Failure(failure) => assert_ne!(failure.kind, FailureKind::LinkDown),
            _ => {}
        }
    }
}

#[test]
fn a_quiet_world_is_whole() {
    let world = world(Plan { rates: Rates::quiet(), hamlets: 1, ..Plan::new(16, START_MS, 1) });
    assert_eq!((world.truth().len(), world.moves().len()), (0, 0));
    let heard = hear(&world);
    let count = |wanted: fn(&Outcome) -> bool| heard.samples.values().filter(|s| wanted(&s.outcome)).count();
    let summaries = count(|outcome| matches!(outcome, Outcome::Reading(Reading::Summary(_))));
    assert!((2 * 7 * 286..=2 * 7 * 289).contains(&summaries), "{summaries} summaries of 288 windows");
    assert_eq!(count(|outcome| matches!(outcome, Outcome::Reading(Reading::Boot(_)))), 2);
    assert_eq!(count(|outcome| matches!(outcome, Outcome::Reading(Reading::Health(_)))), 2 * 288);
}
