//! Facts as rows of `derived.db`: starts, mains, link, modems.
//!
//! In: facts of one place. Out: the same. Refuses to know: what they explain. Limits: of what modems said before a
//! moment the last [`CARRIED`] words.

use super::shelf::Shelf;
use crate::store::error::StoreError;
use phusong_coverage::observation::{Fact, FactKind, NetworkId, SampleId};
use phusong_coverage::radio::{Bearer, Change, Registration, Sim};
use rusqlite::{OptionalExtension, Row, params};

const CARRIED: usize = 64;
/// Nothing said is 0; they never change their numbers.
const REGISTRATIONS: [Registration; 5] = [
    Registration::NoService,
    Registration::Limited,
    Registration::Registered,
    Registration::Denied,
    Registration::Unregistered,
];
const SIMS: [Sim; 2] = [Sim::Ready, Sim::Bad];
const BEARERS: [Bearer; 3] = [Bearer::Up, Bearer::Down, Bearer::Refused];

impl Shelf {
    /// Replaces the facts of a stretch of event time.
    pub fn replace_facts(&self, place: i64, (from_ms, to_ms): (i64, i64), facts: &[Fact]) -> Result<bool, StoreError> {
        let known = self.facts(place, from_ms, to_ms)?;
        let wanted: Vec<Fact> = facts.iter().filter(|fact| (from_ms..to_ms).contains(&fact.at_ms)).copied().collect();
        if known == wanted {
            return Ok(false);
        }
        let sql = "DELETE FROM fact WHERE place_ref = ?1 AND at_ms >= ?2 AND at_ms < ?3";
        self.db.prepare_cached(sql)?.execute([place, from_ms, to_ms])?;
        let mut insert = self.db.prepare_cached("INSERT INTO fact VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?;
        for fact in wanted {
            let (what, value, network) = fact_row(fact.what);
            let (epoch, seq) = (fact.id.epoch.cast_signed(), fact.id.seq.cast_signed());
            insert.execute(params![place, fact.at_ms, epoch, seq, what, value, network])?;
        }
        Ok(true)
    }

    pub fn facts(&self, place: i64, from_ms: i64, to_ms: i64) -> Result<Vec<Fact>, StoreError> {
        let sql = "SELECT at_ms, epoch, seq, what, value, network_ref FROM fact
                    WHERE place_ref = ?1 AND at_ms >= ?2 AND at_ms < ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map([place, from_ms, to_ms], fact)?;
        let mut facts = rows.filter_map(Result::transpose).collect::<Result<Vec<Fact>, _>>()?;
        facts.sort_unstable();
        Ok(facts)
    }

    /// The last word about the link before a moment.
    pub fn link_before(&self, place: i64, ms: i64) -> Result<Option<Fact>, StoreError> {
        let sql = "SELECT at_ms, epoch, seq, what, value, network_ref FROM fact
                    WHERE place_ref = ?1 AND at_ms < ?2 AND what = 4 ORDER BY at_ms DESC LIMIT 1";
        Ok(self.db.prepare_cached(sql)?.query_row([place, ms], fact).optional()?.flatten())
    }

    /// The last words of modems before a moment, ascending.
    pub fn changes_before(&self, place: i64, ms: i64) -> Result<Vec<Fact>, StoreError> {
        let sql = "SELECT at_ms, epoch, seq, what, value, network_ref FROM fact
                    WHERE place_ref = ?1 AND at_ms < ?2 AND what = 5 ORDER BY at_ms DESC, epoch DESC, seq DESC LIMIT ?3";
        let mut statement = self.db.prepare_cached(sql)?;
        let rows = statement.query_map(params![place, ms, CARRIED as i64], fact)?;
        let mut facts = rows.filter_map(Result::transpose).collect::<Result<Vec<Fact>, _>>()?;
        facts.sort_unstable();
        Ok(facts)
    }
}

fn change_bits(change: Change) -> i64 {
    let at = |at: Option<usize>| at.map_or(0, |at| at as i64 + 1);
    let registered = at(REGISTRATIONS.iter().position(|one| Some(*one) == change.registered));
    let sim = at(SIMS.iter().position(|one| Some(*one) == change.sim));
    let bearer = at(BEARERS.iter().position(|one| Some(*one) == change.bearer));
    registered | sim << 4 | bearer << 8
}

fn change_of(bits: i64) -> Change {
    let at = |shift: i64| ((bits >> shift & 15) as usize).checked_sub(1);
    Change {
        registered: at(0).and_then(|at| REGISTRATIONS.get(at).copied()),
        sim: at(4).and_then(|at| SIMS.get(at).copied()),
        bearer: at(8).and_then(|at| BEARERS.get(at).copied()),
    }
}

fn fact_row(what: FactKind) -> (i64, i64, Option<i64>) {
    match what {
        FactKind::Started { clean, same_boot } => {
            let same = same_boot.map_or(0, |same| if same { 4 } else { 2 });
            (1, i64::from(clean) | same, None)
        }
        FactKind::Mains(on) => (2, i64::from(on), None),
        FactKind::Undervoltage => (3, 1, None),
        FactKind::Link { network, up } => (4, i64::from(up), network.map(|network| network.0)),
        FactKind::Modem { network, device, change } => {
            (5, i64::from(device) << 16 | change_bits(change), Some(network.0))
        }
    }
}

fn fact(row: &Row<'_>) -> rusqlite::Result<Option<Fact>> {
    let value: i64 = row.get(4)?;
    let network: Option<i64> = row.get(5)?;
    let what = match row.get(3)? {
        1 => {
            let same_boot = match value & 6 {
                4 => Some(true),
                2 => Some(false),
                _ => None,
            };
            FactKind::Started { clean: value & 1 == 1, same_boot }
        }
        2 => FactKind::Mains(value == 1),
        3 => FactKind::Undervoltage,
        4 => FactKind::Link { network: network.map(NetworkId), up: value == 1 },
        5 => FactKind::Modem {
            network: NetworkId(network.unwrap_or(0)),
            device: (value >> 16) as u32,
            change: change_of(value),
        },
        _ => return Ok(None),
    };
    let id = SampleId { epoch: row.get::<_, i64>(1)?.cast_unsigned(), seq: row.get::<_, i64>(2)?.cast_unsigned() };
    Ok(Some(Fact { at_ms: row.get(0)?, id, what }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_as_they_were_written_and_modems_carry_their_last_words() {
        let shelf = Shelf::passing().expect("memory");
        let change = |registered, sim, bearer| Change { registered, sim, bearer };
        let said = [
            change(Some(Registration::Denied), Some(Sim::Bad), None),
            change(None, None, Some(Bearer::Refused)),
            change(Some(Registration::Registered), Some(Sim::Ready), Some(Bearer::Up)),
        ];
        let modem = |change| FactKind::Modem { network: NetworkId(3), device: u32::MAX, change };
        let all = said.map(modem).into_iter().chain([FactKind::Mains(true), FactKind::Undervoltage]);
        let fact =
            |(at, what)| Fact { at_ms: at as i64 * 1_000, id: SampleId { epoch: u64::MAX, seq: at as u64 }, what };
        let facts: Vec<Fact> = all.enumerate().map(fact).collect();
        shelf.replace_facts(1, (0, 10_000), &facts).expect("a healthy database");
        assert_eq!(shelf.facts(1, 0, 10_000).expect("a healthy database"), facts);
        assert_eq!(shelf.changes_before(1, 2_000).expect("a healthy database"), facts[..2]);
        assert_eq!(shelf.changes_before(2, 9_000).expect("a healthy database"), []);
    }
}
