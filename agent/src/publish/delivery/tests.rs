//! Delivery as a script: a small world of a spool that always has more, and a clock that is turned by hand.

use super::*;
use phusong_protocol::Ack;

/// A spool with `left` one-sample batches, and what the delivery did with it.
struct World {
    delivery: Delivery,
    now: u64,
    left: u64,
    next_seq: u64,
    picks: Vec<BatchRequest>,
    sent: Vec<(u64, Vec<u64>)>,
    settled: Vec<Ranges>,
    quarantined: Vec<Ranges>,
    reconnects: u64,
    last_ids: Vec<u64>,
}

fn config() -> PublishConfig {
    PublishConfig { retry_first_ms: 30_000, retry_max_ms: 1_800_000, gather_ms: 15_000, ..PublishConfig::default() }
}

fn world(left: u64) -> World {
    World {
        delivery: Delivery::new(config(), 42),
        now: 1_000,
        left,
        next_seq: 0,
        picks: Vec::new(),
        sent: Vec::new(),
        settled: Vec::new(),
        quarantined: Vec::new(),
        reconnects: 0,
        last_ids: Vec::new(),
    }
}

const E: Epoch = Epoch(9);

fn payload_of(seqs: &[u64]) -> Vec<u8> {
    seqs.iter().flat_map(|seq| seq.to_be_bytes()).collect()
}

impl World {
    fn connected(mut self) -> Self {
        self.event(Event::Connected { max_payload: usize::MAX });
        self
    }

    fn event(&mut self, event: Event) {
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.delivery.handle(self.now, event) {
                match action {
                    Action::Pick(request) => {
                        let batch = self.pick(&request);
                        self.picks.push(request);
                        events.push(Event::Picked(batch));
                    }
                    Action::Send { id, payload, .. } => {
                        let seqs =
                            payload.chunks(8).map(|c| u64::from_be_bytes(c.try_into().expect("eight"))).collect();
                        self.sent.push((self.now, seqs));
                        self.last_ids.push(id);
                    }
                    Action::Settle(_, ranges) => self.settled.push(ranges),
                    Action::Quarantine(_, ranges) => self.quarantined.push(ranges),
                    Action::Reconnect => self.reconnects += 1,
                }
            }
        }
    }

    fn pick(&mut self, request: &BatchRequest) -> Option<OutBatch> {
        let seqs: Vec<u64> = match &request.pick {
            Pick::Exact(_, ranges) => ranges.numbers().collect(),
            Pick::Oldest | Pick::Newest if self.left == 0 => return None,
            // What silence made the delivery forget is still the oldest.
            Pick::Oldest if self.delivery.is_canary() => vec![0],
            Pick::Oldest | Pick::Newest => {
                self.left -= 1;
                self.next_seq += 1;
                vec![self.next_seq - 1]
            }
        };
        let payload = payload_of(&seqs);
        let crc32 = crc32fast::hash(&payload);
        Some(OutBatch { epoch: E, seqs: seqs.into_iter().collect(), payload, crc32 })
    }

    /// The broker takes everything at once.
    fn taken(&mut self) {
        for id in std::mem::take(&mut self.last_ids) {
            self.event(Event::Taken { id });
        }
    }

    fn ack(&mut self, first: u64, last: u64) {
        let ack = Ack::ranges(AckResult::Stored, E, Ranges::of(first, last));
        self.event(Event::Acked(AckMessage::new(vec![ack])));
    }

    fn answer(&mut self, result: AckResult, seqs: &[u64]) {
        let ack = Ack::payload(result, &payload_of(seqs), "crc");
        self.event(Event::Acked(AckMessage::new(vec![ack])));
    }

    /// Turns the clock from one wake-up to the next until `until`.
    fn run_until(&mut self, until: u64) {
        while let Some(at) = self.delivery.wake_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.event(Event::Tick);
            self.taken();
        }
        self.now = until;
    }
}

#[test]
fn nothing_is_picked_before_a_connection_and_at_most_eight_batches_are_in_flight() {
    let mut world = world(100);
    world.event(Event::Durable { urgent: true });
    assert_eq!((world.picks.len(), world.delivery.wake_at()), (0, None));
    let mut world = world.connected();
    assert_eq!((world.sent.len(), world.delivery.in_flight()), (IN_FLIGHT, IN_FLIGHT));
    world.ack(0, 2);
    assert_eq!((world.sent.len(), world.delivery.in_flight()), (IN_FLIGHT + 3, IN_FLIGHT), "acks make room");
    assert_eq!(world.settled, [Ranges::of(0, 2)]);
}

#[test]
fn of_four_sends_one_is_the_newest_data_and_three_are_backlog() {
    let world = world(100).connected();
    let newest: Vec<bool> = world.picks.iter().map(|request| request.pick == Pick::Newest).collect();
    assert_eq!(newest, [false, false, false, true, false, false, false, true]);
    assert_eq!(world.picks[3].skip, [(E, Ranges::of(0, 2))], "what is in flight is not picked again");
}

#[test]
fn without_an_ack_the_first_repetition_repeats_and_the_second_is_a_canary_that_doubles_to_half_an_hour() {
    let mut world = world(3).connected();
    world.taken();
    world.run_until(1_000 + 24 * 3_600_000);
    let first: Vec<_> = world.sent[..3].iter().map(|(_, seqs)| seqs[0]).collect();
    let mut repeated: Vec<_> = world.sent[3..6].iter().map(|(_, seqs)| seqs[0]).collect();
    repeated.sort_unstable();
    assert_eq!((first, repeated), (vec![0, 1, 2], vec![0, 1, 2]));
    for (at, _) in &world.sent[3..6] {
        assert!((16_000..=46_000).contains(at), "first repetition after 30 s +-50 %: {at}");
    }
    world.left = 1;
    assert!(world.delivery.is_canary());
    let mut canaries = self::world(3).connected();
    canaries.taken();
    canaries.left = 1_000;
    canaries.run_until(1_000 + 24 * 3_600_000);
    let times: Vec<u64> = canaries.sent[11..].iter().map(|(at, _)| *at).collect();
    let gaps: Vec<u64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(gaps.iter().all(|gap| (60_000..=2_700_000).contains(gap)), "{gaps:?}");
    assert!(gaps.iter().rev().take(5).all(|gap| *gap >= 900_000), "half an hour +-50 % at the end: {gaps:?}");
    assert!(times.len() < 80, "a day of silence costs {} canaries", times.len());
    assert_eq!(canaries.delivery.in_flight(), 1);
    let last = canaries.picks.last().expect("canaries were picked");
    assert_eq!((last.pick.clone(), last.max_bytes), (Pick::Oldest, CANARY_BYTES));

    canaries.ack(0, 0);
    assert!(!canaries.delivery.is_canary());
    assert_eq!(canaries.delivery.in_flight(), IN_FLIGHT, "one ack opens everything again");
    assert!(canaries.picks.last().is_some_and(|request| request.max_bytes > CANARY_BYTES));
}

#[test]
fn while_others_are_acknowledged_a_lost_batch_is_repeated_without_a_canary() {
    let mut world = world(50).connected();
    world.taken();
    for round in 0..40u64 {
        let in_flight: Vec<u64> =
            world.sent.iter().flat_map(|(_, seqs)| seqs.clone()).filter(|seq| *seq != 0).collect();
        for seq in in_flight {
            world.ack(seq, seq);
        }
        world.run_until(1_000 + (round + 1) * 10_000);
        assert!(!world.delivery.is_canary());
        world.left += 1;
        world.event(Event::Durable { urgent: true });
        world.taken();
    }
    let repeats: Vec<u64> = world.sent.iter().filter(|(_, seqs)| seqs == &[0]).map(|(at, _)| *at).collect();
    assert!(repeats.len() >= 3, "{repeats:?}");
    assert!(repeats.windows(2).all(|pair| pair[1] - pair[0] >= 15_000), "{repeats:?}");
}

#[test]
fn a_rejected_batch_is_read_again_and_sent_once_more_and_then_quarantined_alone() {
    let mut world = world(2).connected();
    world.answer(AckResult::Rejected, &[1]);
    assert!(world.picks.iter().any(|r| r.pick == Pick::Exact(E, Ranges::of(1, 1))));
    assert_eq!(world.sent.iter().filter(|(_, seqs)| seqs == &[1]).count(), 2);
    assert!(world.quarantined.is_empty());
    world.answer(AckResult::Rejected, &[1]);
    assert_eq!(world.quarantined, [Ranges::of(1, 1)]);
    assert_eq!((world.delivery.in_flight(), world.delivery.tally.rejected), (1, 2), "batch 0 is untouched");
    world.answer(AckResult::Rejected, &[77]);
    assert_eq!(world.delivery.tally.rejected, 2, "a checksum that is not in flight means nothing");
}

#[test]
fn a_refused_batch_is_kept_and_the_reason_shown_until_something_is_stored() {
    let mut world = world(1).connected();
    world.taken();
    world.answer(AckResult::Refused, &[0]);
    assert_eq!(world.delivery.tally.refused.as_deref(), Some("crc"));
    assert_eq!((world.delivery.in_flight(), world.sent.len()), (1, 1));
    world.run_until(60_000);
    assert_eq!(world.sent.len(), 2, "repeated at the ordinary pace");
    world.ack(0, 0);
    assert_eq!((world.delivery.tally.refused.clone(), world.delivery.in_flight()), (None, 0));
}

#[test]
fn a_broken_connection_repeats_what_the_broker_did_not_take_and_a_second_one_only_the_canary() {
    let mut world = world(3).connected();
    world.event(Event::Disconnected);
    assert_eq!((world.delivery.in_flight(), world.delivery.wake_at()), (0, None));
    world.event(Event::Connected { max_payload: usize::MAX });
    assert_eq!(world.sent.len(), 6, "all three again");
    world.event(Event::Disconnected);
    world.left = 5;
    world.event(Event::Connected { max_payload: usize::MAX });
    assert!(world.delivery.is_canary());
    assert_eq!(world.delivery.in_flight(), 1);
    let sent = world.sent.len();
    for _ in 0..20 {
        world.event(Event::Disconnected);
        world.now += 5_000;
        world.event(Event::Connected { max_payload: usize::MAX });
    }
    assert!(world.sent.len() <= sent + 2, "a flapping connection does not hurry the canary");
}

#[test]
fn batches_that_the_broker_took_wait_for_their_ack_across_a_reconnection() {
    let mut world = world(3).connected();
    world.taken();
    world.event(Event::Disconnected);
    world.event(Event::Connected { max_payload: usize::MAX });
    assert_eq!((world.sent.len(), world.delivery.in_flight()), (3, 3));
    world.ack(0, 2);
    assert_eq!(world.delivery.in_flight(), 0);
}

#[test]
fn a_connection_that_takes_nothing_is_given_up() {
    let mut world = world(1).connected();
    world.now += TAKEN_WITHIN_MS;
    world.event(Event::Tick);
    assert_eq!((world.reconnects, world.sent.len()), (1, 1));
}

#[test]
fn a_publish_that_is_never_taken_ends_the_connection_although_it_is_repeated() {
    let mut world = world(1).connected();
    while world.reconnects == 0 {
        world.now = world.delivery.wake_at().expect("something is due").max(world.now);
        world.event(Event::Tick);
    }
    assert_eq!(world.now, 1_000 + TAKEN_WITHIN_MS);
    assert!(world.sent.len() > 1, "it was repeated meanwhile");
}

#[test]
fn fresh_samples_wait_for_company_unless_they_are_urgent() {
    let mut world = world(0).connected();
    world.now = 10_000;
    world.left = 1;
    world.event(Event::Durable { urgent: false });
    assert_eq!((world.sent.len(), world.delivery.wake_at()), (0, Some(25_000)));
    world.now = 12_000;
    world.event(Event::Durable { urgent: false });
    assert_eq!(world.delivery.wake_at(), Some(25_000), "later company does not put it off");
    world.event(Event::Durable { urgent: true });
    assert_eq!(world.sent.len(), 1);
}

#[test]
fn a_single_sample_beyond_the_brokers_bound_is_set_aside_instead_of_ending_every_connection() {
    let mut world = world(1);
    world.event(Event::Connected { max_payload: 4 });
    assert_eq!((world.quarantined.len(), world.sent.len()), (1, 0));
    assert!(world.picks.iter().all(|request| request.max_bytes == 4));
}

#[test]
fn a_pick_that_the_end_of_the_connection_left_unanswered_is_made_again() {
    let mut delivery = Delivery::new(config(), 1);
    let first = delivery.handle(0, Event::Connected { max_payload: usize::MAX });
    assert!(matches!(first[..], [Action::Pick(_)]));
    assert!(delivery.handle(1, Event::Disconnected).is_empty());
    let again = delivery.handle(2, Event::Connected { max_payload: usize::MAX });
    assert!(matches!(again[..], [Action::Pick(_)]));
}
