//! The account of a round: every sample that became durable, and where it is now.
//!
//! In: what the witness saw ([`Created`]) and what the store holds ([`Held`]). Out: [`Account`], in which each created
//! sample stands in exactly one column: `created = stored + replaced + dropped_by_policy + dead_lettered + lost`.
//! Refuses to know: processes, files, SQL, time. Limits: ids of one probe; callers keep probes apart.

use phusong_protocol::{DropClass, Epoch, Outcome, Ranges, Reading, Sample};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

/// One probe's sample: epoch and seq.
pub type Id = (Epoch, u64);

/// What the witness recorded of one durable sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Witnessed {
    pub class: DropClass,
    /// The body of the spool record, byte for byte.
    pub record: Vec<u8>,
}

/// Everything that became durable.
pub type Created = BTreeMap<Id, Witnessed>;

/// What a stored sample says.
#[derive(Debug, Clone, PartialEq)]
pub struct Content {
    pub kind: u16,
    /// CBOR of the outcome.
    pub body: Vec<u8>,
    pub wall_ms: i64,
    pub mono_ms: Option<u64>,
}

/// What the collector holds of one probe.
#[derive(Debug, Default)]
pub struct Held {
    pub samples: BTreeMap<Id, Content>,
    pub dead_letters: BTreeSet<Id>,
}

/// Where everything is. Only the counts are kept of what is well.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub created: u64,
    pub stored: u64,
    pub replaced: u64,
    pub dropped_by_policy: u64,
    pub dead_lettered: u64,
    pub lost: u64,
    /// Stored with another content than the witness saw.
    pub altered: u64,
    /// Raw rounds that two stored summaries claim: they would count twice.
    pub replaced_twice: u64,
    /// Stored although no fdatasync was seen for it: published before it was durable.
    pub unwitnessed: u64,
    /// The first few of what is not well, for a person.
    pub examples: Vec<String>,
}

const EXAMPLES: usize = 12;

impl Held {
    /// What the stored summaries stand for, and ids that two of them claim.
    fn replaced(&self) -> (BTreeMap<Epoch, Ranges>, u64) {
        let mut replaced: BTreeMap<Epoch, Ranges> = BTreeMap::new();
        let mut claimed = 0;
        for reading in self.readings() {
            if let Reading::Summary(summary) = reading {
                claimed += summary.replaces.ranges.count();
                replaced.entry(summary.replaces.epoch).or_default().union(&summary.replaces.ranges);
            }
        }
        let distinct: u64 = replaced.values().map(Ranges::count).sum();
        (replaced, claimed - distinct)
    }

    /// What the stored `drop` samples confess.
    fn dropped(&self) -> BTreeMap<Epoch, Ranges> {
        let mut dropped: BTreeMap<Epoch, Ranges> = BTreeMap::new();
        for reading in self.readings() {
            if let Reading::Drop(drop) = reading {
                dropped.entry(drop.epoch).or_default().union(&drop.ranges);
            }
        }
        dropped
    }

    fn readings(&self) -> impl Iterator<Item = Reading> + '_ {
        self.samples.values().filter_map(|content| match Outcome::from_cbor(content.kind, &content.body) {
            Ok(Outcome::Reading(reading)) => Some(reading),
            Ok(Outcome::Failure(_)) | Err(_) => None,
        })
    }
}

impl Account {
    /// Puts each created sample into its column.
    pub fn of(created: &Created, held: &Held) -> Self {
        let (replaced, replaced_twice) = held.replaced();
        let dropped = held.dropped();
        let within = |set: &BTreeMap<Epoch, Ranges>, (epoch, seq): Id| set.get(&epoch).is_some_and(|r| r.contains(seq));
        let mut account = Account { created: created.len() as u64, replaced_twice, ..Account::default() };
        for (id, witnessed) in created {
            if let Some(content) = held.samples.get(id) {
                account.stored += 1;
                if !same_content(witnessed, content) {
                    account.altered += 1;
                    account.example("altered", *id, witnessed);
                }
            } else if held.dead_letters.contains(id) {
                account.dead_lettered += 1;
            } else if witnessed.class == DropClass::Raw && within(&replaced, *id) {
                account.replaced += 1;
            } else if within(&dropped, *id) {
                account.dropped_by_policy += 1;
            } else {
                account.lost += 1;
                account.example("lost", *id, witnessed);
            }
        }
        for id in held.samples.keys().filter(|id| !created.contains_key(id)) {
            account.unwitnessed += 1;
            account.note(format!("unwitnessed {}/{}", id.0, id.1));
        }
        account
    }

    /// Whether every column is as the contract says; `drops` tells whether the round filled the spool.
    pub fn is_sound(&self, drops: bool) -> bool {
        self.lost == 0 && self.altered == 0 && self.replaced_twice == 0 && (drops || self.dropped_by_policy == 0)
    }

    fn example(&mut self, what: &str, (epoch, seq): Id, witnessed: &Witnessed) {
        let of = match Sample::from_record(&witnessed.record).map(|sample| sample.outcome) {
            Ok(Outcome::Reading(reading)) => reading.kind().name().to_owned(),
            Ok(Outcome::Failure(failure)) => format!("failure of {:?}", failure.of),
            Err(e) => format!("a record that does not decode ({e})"),
        };
        self.note(format!("{what} {epoch}/{seq} class {:?}, {of}", witnessed.class));
    }

    fn note(&mut self, text: String) {
        if self.examples.len() < EXAMPLES {
            self.examples.push(text);
        }
    }
}

impl Content {
    pub fn of(sample: &Sample) -> Self {
        let (kind, body) = (sample.outcome.kind_code(), sample.outcome.to_cbor());
        Content { kind, body, wall_ms: sample.wall_ms, mono_ms: sample.mono_ms }
    }
}

fn same_content(witnessed: &Witnessed, content: &Content) -> bool {
    Sample::from_record(&witnessed.record).is_ok_and(|sample| Content::of(&sample) == *content)
}

impl AddAssign<&Account> for Account {
    fn add_assign(&mut self, other: &Account) {
        self.created += other.created;
        self.stored += other.stored;
        self.replaced += other.replaced;
        self.dropped_by_policy += other.dropped_by_policy;
        self.dead_lettered += other.dead_lettered;
        self.lost += other.lost;
        self.altered += other.altered;
        self.replaced_twice += other.replaced_twice;
        self.unwitnessed += other.unwitnessed;
        self.examples.extend(other.examples.iter().cloned());
        self.examples.truncate(EXAMPLES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use phusong_protocol::{
        Attempt, Clock, DropReading, HealthReading, LatencyReading, Replaced, Sketch, SummaryReading,
    };

    const EPOCH: Epoch = Epoch(7);

    fn sample(seq: u64, reading: Reading) -> Sample {
        let clock = Clock { synced: false, age_s: None };
        let outcome = Outcome::Reading(reading);
        Sample {
            seq,
            boot_id: None,
            mono_ms: None,
            wall_ms: 1,
            clock,
            place: None,
            setup: None,
            uplink: None,
            target: None,
            outcome,
        }
    }

    fn round() -> Reading {
        Reading::Latency(LatencyReading { sent: 1, rtt_us: vec![900], lost: Vec::new() })
    }

    fn summary(ranges: Ranges) -> Reading {
        Reading::Summary(SummaryReading {
            of: Attempt::Latency,
            rounds: 1,
            first_mono_ms: 0,
            last_mono_ms: 0,
            sent: 1,
            received: 1,
            min_us: None,
            p10_us: None,
            p50_us: None,
            p90_us: None,
            p95_us: None,
            p99_us: None,
            max_us: None,
            mean_us: None,
            sd_us: None,
            jitter_us: None,
            loss_bursts: 0,
            longest_burst: 0,
            sketch: Sketch::default(),
            replaces: Replaced { epoch: EPOCH, ranges },
        })
    }

    fn witness(created: &mut Created, sample: &Sample) {
        let witnessed = Witnessed { class: sample.drop_class(), record: sample.to_record() };
        created.insert((EPOCH, sample.seq), witnessed);
    }

    fn store(held: &mut Held, sample: &Sample) {
        held.samples.insert((EPOCH, sample.seq), Content::of(sample));
    }

    #[test]
    fn each_sample_stands_in_one_column_and_the_columns_add_up() {
        let (mut created, mut held) = (Created::new(), Held::default());
        let dropped = DropReading { class: DropClass::Summary, epoch: EPOCH, ranges: Ranges::of(5, 6) };
        let stored = [sample(1, summary(Ranges::of(2, 3))), sample(7, Reading::Drop(dropped)), sample(10, round())];
        for sample in &stored {
            witness(&mut created, sample);
            store(&mut held, sample);
        }
        for seq in [2, 3, 4] {
            witness(&mut created, &sample(seq, round()));
        }
        for seq in [5, 6, 8, 9] {
            witness(&mut created, &sample(seq, Reading::Health(HealthReading::default())));
        }
        held.dead_letters.insert((EPOCH, 8));
        let account = Account::of(&created, &held);
        let columns =
            (account.stored, account.replaced, account.dropped_by_policy, account.dead_lettered, account.lost);
        assert_eq!(columns, (3, 2, 2, 1, 2), "{:?}", account.examples);
        assert_eq!(account.created, 10);
        assert!(!account.is_sound(true));
    }

    #[test]
    fn another_content_a_double_claim_and_a_sample_nobody_saw_synced_are_noticed() {
        let (mut created, mut held) = (Created::new(), Held::default());
        witness(&mut created, &sample(1, round()));
        store(&mut held, &sample(1, Reading::Health(HealthReading::default())));
        store(&mut held, &sample(2, summary(Ranges::of(4, 6))));
        store(&mut held, &sample(3, summary(Ranges::of(6, 7))));
        let account = Account::of(&created, &held);
        assert_eq!((account.altered, account.replaced_twice, account.unwitnessed), (1, 1, 2));
    }
}
