//! Gaps, blinds and remote events with their surroundings, newest first.
//!
//! In: an [`InterruptionQuery`]. Out: rows. Limits: the query's own; with places named only their rows are looked at.

use super::{SPOT, SPOT_JOINS, Spot, Views, set, words};
use crate::store::error::StoreError;
use phusong_coverage::interruption::Kind;
use phusong_coverage::observation::SampleId;
use rusqlite::{ToSql, named_params};

/// Which interruptions. Everything that is `None` does not restrict.
#[derive(Debug, Clone, Default)]
pub struct InterruptionQuery {
    /// Empty: of every kind.
    pub kinds: Vec<Kind>,
    pub places: Option<Vec<i64>>,
    pub network: Option<String>,
    pub cause: Option<String>,
    pub open: Option<bool>,
    /// Those that overlap the time from here to there.
    pub from_ms: Option<i64>,
    pub to_ms: Option<i64>,
    /// After the one with this beginning and key in the order of the list.
    pub after: Option<(i64, u64)>,
    pub limit: usize,
}

/// A target as people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetName {
    pub name: String,
    pub host: String,
}

/// One interruption.
#[derive(Debug, Clone, PartialEq)]
pub struct InterruptionRow {
    pub key: u64,
    pub kind: &'static str,
    pub case: i64,
    pub spot: Spot,
    /// `None`: of the whole place. Empty: of samples without a network.
    pub network: Option<String>,
    pub target: Option<TargetName>,
    pub from_ms: i64,
    pub to_ms: Option<i64>,
    pub end_unobserved: bool,
    pub observed_dead_s: i64,
    pub cause: String,
    pub confidence: String,
    pub proof: String,
    pub evidence: Vec<SampleId>,
    pub cause_evidence: Vec<SampleId>,
    pub policy: i64,
}

impl TargetName {
    pub(super) fn of(name: Option<String>, host: Option<String>) -> Option<Self> {
        name.zip(host).map(|(name, host)| TargetName { name, host })
    }
}

impl Views {
    pub fn interruptions(&self, query: &InterruptionQuery) -> Result<Vec<InterruptionRow>, StoreError> {
        if !self.derived {
            return Ok(Vec::new());
        }
        let network = match query.network.as_deref().map(|name| self.network_ref(name)).transpose()? {
            Some(None) => return Ok(Vec::new()),
            found => found.flatten(),
        };
        let places = query.places.as_deref().map(set);
        let (after_ms, after_key) = query.after.unwrap_or_default();
        let (after_key, limit) = (after_key.cast_signed(), query.limit as i64);
        let mut named: Vec<(&str, &dyn ToSql)> = Vec::new();
        named.extend(named_params! {":limit": limit});
        // Named, so that no planner without statistics takes the one that does not fit.
        let index = if places.is_some() { "interruption_place" } else { "interruption_from" };
        let mut sql = select(index);
        let kinds: Vec<String> = query.kinds.iter().map(|kind| words::kind(*kind).to_string()).collect();
        if !kinds.is_empty() {
            sql += &format!(" AND x.kind IN ({})", kinds.join(","));
        }
        if places.is_some() {
            sql += " AND x.place_ref IN (SELECT value FROM json_each(:places))";
            named.push((":places", &places));
        }
        if network.is_some() {
            sql += " AND x.network_ref = :network";
            named.push((":network", &network));
        }
        if query.cause.is_some() {
            sql += " AND x.cause = :cause";
            named.push((":cause", &query.cause));
        }
        if query.from_ms.is_some() {
            sql += " AND (x.to_ms IS NULL OR x.to_ms > :from)";
            named.push((":from", &query.from_ms));
        }
        if query.to_ms.is_some() {
            sql += " AND x.from_ms < :to";
            named.push((":to", &query.to_ms));
        }
        if query.after.is_some() {
            sql += " AND (x.from_ms, x.key) < (:after_ms, :after_key)";
            named.push((":after_ms", &after_ms));
            named.push((":after_key", &after_key));
        }
        sql += match query.open {
            Some(true) => " AND x.to_ms IS NULL",
            Some(false) => " AND x.to_ms IS NOT NULL",
            None => "",
        };
        sql += " ORDER BY x.from_ms DESC, x.key DESC LIMIT :limit";
        let mut statement = self.db().prepare(&sql)?;
        let rows = statement.query_map(named.as_slice(), read)?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

fn select(index: &str) -> String {
    format!(
        "SELECT x.key, x.kind, x.case_ref, x.place_ref, n.name, t.name, t.host, x.from_ms, x.to_ms, x.end_unobserved,
                x.observed_dead_s, x.cause, x.confidence, x.proof, x.evidence, x.cause_evidence, x.policy, {SPOT}
           FROM derived.interruption x INDEXED BY {index}
           LEFT JOIN derived.network n ON n.id = x.network_ref
           LEFT JOIN main.target t ON t.id = x.target_ref {SPOT_JOINS}
          WHERE TRUE"
    )
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<InterruptionRow> {
    let ids = |at| row.get::<_, Vec<u8>>(at).map(|bytes| words::ids_of(&bytes));
    Ok(InterruptionRow {
        key: row.get::<_, i64>(0)?.cast_unsigned(),
        kind: words::kind_of(row.get(1)?).map_or("", words::kind_name),
        case: row.get(2)?,
        spot: Spot::read(row, row.get(3)?, 17)?,
        network: row.get(4)?,
        target: TargetName::of(row.get(5)?, row.get(6)?),
        from_ms: row.get(7)?,
        to_ms: row.get(8)?,
        end_unobserved: row.get(9)?,
        observed_dead_s: row.get(10)?,
        cause: row.get(11)?,
        confidence: row.get(12)?,
        proof: row.get(13)?,
        evidence: ids(14)?,
        cause_evidence: ids(15)?,
        policy: row.get(16)?,
    })
}
