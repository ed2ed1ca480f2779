//! What a person said on the way: when a survey went on, and when it was indoors.
//!
//! In: the `position` samples of one probe. Out: [`Marks`]. Refuses to know: what was measured meanwhile. Limits: two words
//! about one survey that lie further apart than [`APART_MS`] are not taken for one walk; a mark holds [`MARK_MS`].

use super::ground::Ground;
use crate::store::error::StoreError;
use phusong_protocol::{Mark, Outcome, Reading, ReadingKind};
use rusqlite::params;

/// A mark "indoors" holds so long without another.
const MARK_MS: i64 = 15 * 60_000;
/// A survey whose beginning, marks and end are further apart may have been left lying [J].
pub const APART_MS: i64 = 6 * 3_600_000;

/// Ascending.
#[derive(Debug, Default)]
pub struct Marks {
    /// When a survey of this name began, was marked or ended.
    surveys: Vec<(i64, String)>,
    /// Whether one went indoors then.
    indoors: Vec<(i64, bool)>,
}

impl Marks {
    /// By the last mark; every other word of a survey ends what it said.
    pub fn is_indoors(&self, at_ms: i64) -> bool {
        let last = self.indoors.iter().rev().find(|mark| mark.0 <= at_ms);
        last.is_some_and(|mark| mark.1 && at_ms - mark.0 <= MARK_MS)
    }

    /// Between two words about the same survey.
    pub fn is_survey(&self, at_ms: i64) -> bool {
        let next = self.surveys.partition_point(|word| word.0 < at_ms);
        let on = self.surveys.get(next).is_some_and(|word| word.0 == at_ms);
        on || self.walks().any(|(from_ms, to_ms)| (from_ms..=to_ms).contains(&at_ms))
    }

    fn walks(&self) -> impl Iterator<Item = (i64, i64)> + '_ {
        let pairs = self.surveys.windows(2).filter(|pair| pair[0].1 == pair[1].1);
        pairs.map(|pair| (pair[0].0, pair[1].0)).filter(|(from_ms, to_ms)| to_ms - from_ms <= APART_MS)
    }
}

impl Ground {
    /// What may matter to observations between two times.
    pub(super) fn marks(&self, probe: i64, (from_ms, to_ms): (i64, i64)) -> Result<Marks, StoreError> {
        // Only agents survey: logs of a million lines are not searched for it.
        let apart_ms = if self.has_agent(probe)? { APART_MS } else { 0 };
        let (from_ms, to_ms) = (from_ms - apart_ms.max(MARK_MS), to_ms.saturating_add(apart_ms));
        let sql = "SELECT o.at_ms, o.body FROM observation o JOIN epoch e ON e.id = o.epoch_ref
                    WHERE o.probe_ref = ?1 AND o.at_ms >= ?2 AND o.at_ms <= ?3 AND o.kind = ?4 AND o.at_state > 0
                    ORDER BY o.at_ms, e.epoch, o.seq";
        let kind = ReadingKind::Position.code();
        let mut statement = self.db.prepare_cached(sql)?;
        let mut rows = statement.query(params![probe, from_ms, to_ms, kind])?;
        let mut marks = Marks::default();
        while let Some(row) = rows.next()? {
            let at_ms = row.get(0)?;
            let body = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
            let Ok(Outcome::Reading(Reading::Position(position))) = Outcome::from_cbor(kind, body) else { continue };
            // The word that ends an indoor stretch names no mark, as those at the ends of a survey, which are outdoors.
            if position.mark.is_some() || position.survey.is_some() {
                marks.indoors.push((at_ms, position.mark == Some(Mark::Indoor)));
            }
            marks.surveys.extend(position.survey.map(|name| (at_ms, name)));
        }
        Ok(marks)
    }

    /// From where to where the words about surveys in a stretch say what the observations around them are.
    pub fn survey_reach(&self, probe: i64, (first_ms, last_ms): (i64, i64)) -> Result<(i64, i64), StoreError> {
        let marks = self.marks(probe, (first_ms, last_ms))?;
        let touched = marks.walks().filter(|(from_ms, to_ms)| *from_ms <= last_ms && *to_ms >= first_ms);
        Ok(touched.fold((first_ms, last_ms), |reach, walk| (reach.0.min(walk.0), reach.1.max(walk.1))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_survey_goes_on_between_two_words_about_it_that_are_not_too_far_apart() {
        let word = |at_ms, name: &str| (at_ms, name.to_owned());
        let surveys = vec![word(10, "a"), word(20, "a"), word(30, "b"), word(40, "b"), word(41 + APART_MS, "b")];
        let marks = Marks { surveys, indoors: Vec::new() };
        for (at_ms, wanted) in [
            (9, false),
            (10, true),
            (15, true),
            (20, true),
            (21, false),
            (29, false),
            (35, true),
            (41, false),
            (41 + APART_MS, true),
            (42 + APART_MS, false),
        ] {
            assert_eq!(marks.is_survey(at_ms), wanted, "{at_ms}");
        }
    }

    #[test]
    fn one_is_indoors_from_the_mark_to_the_next_word_and_never_for_long() {
        let marks = Marks { surveys: Vec::new(), indoors: vec![(10, true), (20, false), (30, true)] };
        for (at_ms, wanted) in
            [(9, false), (10, true), (19, true), (20, false), (30, true), (30 + MARK_MS, true), (31 + MARK_MS, false)]
        {
            assert_eq!(marks.is_indoors(at_ms), wanted, "{at_ms}");
        }
    }
}
