//! Probes with a SIM, and the scene: what the truth says of them is on the wire, and nothing else changes.

use phusong_protocol::{FailureKind, Outcome, Reading, Sample, ServiceState, Tag, Technology, decode};
use phusong_simulator::{Cause, DAY_MS, Evidence, Plan, Rates, TruthEvent, TruthKind, World};
use std::collections::{BTreeMap, BTreeSet};

const START_MS: i64 = 1_767_225_600_000;
const MINUTE_MS: i64 = 60_000;
const OPERATORS: [(&str, &str); 3] = [("viettel", "452-04"), ("vinaphone", "452-02"), ("mobifone", "452-01")];

fn world(plan: Plan) -> World {
    World::new(plan).expect("a good plan")
}

/// A sample with the probe that took it and when it was received.
fn samples(world: &World) -> Vec<(String, i64, Sample)> {
    let decoded = |delivery: phusong_simulator::Delivery| {
        let batch = decode(&delivery.payload).expect("a batch of ours");
        let (probe, at_ms) = (delivery.probe.as_str().to_owned(), delivery.received_ms);
        batch.samples.into_iter().map(move |sample| (probe.clone(), at_ms, sample))
    };
    world.deliveries().flat_map(decoded).collect()
}

#[test]
fn second_probes_leave_by_the_sim_of_their_hamlets_operator() {
    let plan = Plan { hamlets: 6, cellular: true, ..Plan::new(21, START_MS, 3) };
    let world = world(plan);
    let hamlets: BTreeMap<String, String> =
        world.registrations().iter().map(|one| (one.probe.as_str().to_owned(), one.hamlet.clone())).collect();
    let operator = |probe: &str| {
        let number: usize = hamlets[probe][6..].parse().expect("05578-01 and so on");
        OPERATORS[(number - 1) % 3]
    };
    let mut seen = BTreeSet::new();
    for (probe, _, sample) in samples(&world) {
        let Some(uplink) = &sample.uplink else { continue };
        if probe.ends_with("-1") {
            assert_eq!((uplink.interface.as_str(), &uplink.sim_plmn), ("eth0", &None), "{probe}");
            continue;
        }
        let (name, plmn) = operator(&probe);
        seen.insert(name);
        assert_eq!((uplink.interface.as_str(), uplink.technology), ("wwan0", Some(Technology::Lte)), "{probe}");
        assert_eq!((uplink.sim_plmn.as_deref(), uplink.serving_plmn.as_deref()), (Some(plmn), Some(plmn)));
        assert_eq!((uplink.service_state, &uplink.provider), (Some(ServiceState::Home), &None));
        assert!(!sample.target.is_some_and(|target| target.tags.contains(&Tag::Gateway)), "a modem has no gateway");
        if let Outcome::Failure(failure) = &sample.outcome {
            assert!(
                failure.kind != FailureKind::LinkDown || failure.detail.as_ref().is_some_and(|d| d.contains("wwan0"))
            );
        }
    }
    assert_eq!(seen.len(), 3);
    let gaps =
        world.truth().iter().filter(|event| event.kind == TruthKind::Gap && event.probe.as_str().ends_with("-2"));
    for event in gaps {
        assert_eq!(event.network.as_deref(), Some(operator(event.probe.as_str()).0));
        assert_eq!(event.evidence, [Evidence::LinkUp, Evidence::LateArrival]);
    }
}

#[test]
fn probes_on_a_cable_say_the_same_beside_a_sim() {
    let plan = Plan { hamlets: 3, ..Plan::new(22, START_MS, 2) };
    let fixed = |world: &World| -> Vec<(i64, Vec<u8>)> {
        let first = |delivery: &phusong_simulator::Delivery| delivery.probe.as_str().ends_with("-1");
        world.deliveries().filter(first).map(|delivery| (delivery.received_ms, delivery.payload)).collect()
    };
    assert_eq!(fixed(&world(plan)), fixed(&world(Plan { cellular: true, ..plan })));
}

#[test]
fn the_scene_is_on_the_wire_as_the_truth_says() {
    let plan = Plan { rates: Rates::quiet(), cellular: true, hamlets: 7, ..Plan::new(23, START_MS, 1) };
    let now_ms = START_MS + DAY_MS / 2;
    let world = world(Plan { scene_ms: Some(now_ms), ..plan });
    let scene = world.scene().expect("it was asked for");
    let event = |hamlet: &str, kind: TruthKind, cause: Cause| -> &TruthEvent {
        let mut found = world.truth().iter().filter(|e| e.hamlet == hamlet && e.kind == kind && e.cause == cause);
        found.next().unwrap_or_else(|| panic!("{kind:?} {cause:?} in {hamlet}"))
    };
    let dead = event(&scene.dead.hamlet, TruthKind::Gap, Cause::Backhaul);
    let weak = event(&scene.weak.hamlet, TruthKind::Weak, Cause::Congestion);
    let blind = event(&scene.blind.hamlet, TruthKind::Blind, Cause::Power);
    let gap = event(&scene.gap.hamlet, TruthKind::Gap, Cause::Backhaul);
    assert_eq!(world.truth().len(), 5, "both probes of the blind hamlet, and one of each other");
    assert!(dead.to_ms > now_ms && weak.to_ms > now_ms && blind.to_ms > now_ms && gap.to_ms < now_ms);
    assert!(dead.from_ms == now_ms - 40 * MINUTE_MS && gap.to_ms - gap.from_ms == 55 * MINUTE_MS);
    assert!(world.registrations().iter().all(|one| one.hamlet != scene.unmeasured.hamlet));
    assert_eq!(world.registrations().len(), 2 * 6);

    let (mut failed_at_once, mut sent, mut received) = (0, 0, 0);
    for (probe, at_ms, sample) in samples(&world) {
        let of = |event: &TruthEvent| event.probe.as_str() == probe && (event.from_ms..event.to_ms).contains(&at_ms);
        let failed = matches!(&sample.outcome, Outcome::Failure(_));
        assert!(!of(blind), "{probe} has no power");
        assert!(!of(gap), "{probe} reaches nobody");
        if of(dead) && failed {
            failed_at_once += 1;
        }
        if of(weak)
            && let Outcome::Reading(Reading::Summary(summary)) = &sample.outcome
            && at_ms > weak.from_ms + 10 * MINUTE_MS
            && summary.sent > summary.rounds
        {
            sent += summary.sent;
            received += summary.received;
        }
    }
    assert!(failed_at_once > 6 * 30, "{failed_at_once} failures were told while the network was dead");
    let lost = f64::from(sent - received) / f64::from(sent.max(1));
    assert!((0.12..0.18).contains(&lost), "{lost} of {sent} echoes lost");
}

#[test]
fn nothing_drawn_happens_to_the_hamlets_of_a_scene() {
    for seed in 1..=20 {
        let now_ms = START_MS + 2 * DAY_MS;
        let plan = Plan { cellular: true, scene_ms: Some(now_ms), ..Plan::new(seed, START_MS, 8) };
        let world = world(plan);
        let scene = world.scene().expect("it was asked for");
        for (shown, wanted) in [(&scene.dead, 1), (&scene.weak, 1), (&scene.blind, 2), (&scene.unmeasured, 0)] {
            let near = |event: &&TruthEvent| event.from_ms < now_ms && event.to_ms > now_ms - 60 * MINUTE_MS;
            let here = world.truth().iter().filter(|event| event.hamlet == shown.hamlet).filter(near).count();
            assert_eq!(here, wanted, "seed {seed}, {}", shown.name);
        }
    }
}
