//! One leg over time: what it is now, its median, and a row for every serving cell that it had.
//!
//! In: a [`Leg`] with the time of its reading. Out: the values of the cell that serves now, and [`Row`]s, newest first.
//! Refuses to know: which modem, which screen. Limits: [`ROWS`] rows; a reading that was heard already changes nothing.

use super::leg::{Leg, LevelKind, Pin, QualityKind};
use super::window::Window;
use std::collections::VecDeque;

/// More changes of cell than anybody looks back at on a hill.
pub const ROWS: usize = 32;
/// An older value is no value of now.
pub const OLD_MS: u64 = 5_000;

/// The best value and when it was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Best {
    pub value: f32,
    pub at_ms: u64,
}

/// One visit to a cell.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub pin: Pin,
    pub level_kind: LevelKind,
    pub quality_kind: QualityKind,
    pub since_ms: u64,
    pub last_ms: u64,
    pub best_level: Option<Best>,
    pub best_quality: Option<Best>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Track {
    rows: VecDeque<Row>,
    latest: Option<(u64, Leg)>,
    level: Window,
    quality: Window,
}

/// One value as it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Shown {
    /// The latest, whatever its age; absent where the modem gives none.
    pub value: Option<f32>,
    pub age_ms: u64,
    pub median: Option<f32>,
    /// Of all visits to the cell that serves now.
    pub best: Option<Best>,
    /// The modem repeats it while nothing answers: it is no value.
    pub stale: bool,
}

impl Shown {
    /// The latest, if it is of now.
    pub fn fresh(&self) -> Option<f32> {
        self.value.filter(|_| !self.is_out())
    }

    pub fn is_old(&self) -> bool {
        self.age_ms > OLD_MS
    }

    /// Nothing to go by: struck out wherever it stands.
    pub fn is_out(&self) -> bool {
        self.stale || self.is_old()
    }
}

impl Best {
    fn better(before: Option<Best>, value: f32, at_ms: u64) -> Option<Best> {
        match before {
            Some(best) if best.value >= value => Some(best),
            _ => Some(Best { value, at_ms }),
        }
    }
}

impl Track {
    /// Takes a reading; true where another cell serves than before.
    pub fn hear(&mut self, at_ms: u64, leg: &Leg) -> bool {
        if self.latest.as_ref().is_some_and(|(before, _)| *before >= at_ms) {
            return false;
        }
        let changed = !self.rows.front().is_some_and(|row| row.is_of(leg));
        if changed {
            self.begin(at_ms, leg);
        }
        let row = self.rows.front_mut().expect("a row was begun if there was none");
        row.pin.learn(&leg.pin);
        row.last_ms = at_ms;
        if let Some((_, dbm)) = leg.level {
            self.level.push(at_ms, dbm);
            row.best_level = Best::better(row.best_level, dbm, at_ms);
        }
        if let Some((_, db)) = leg.quality {
            self.quality.push(at_ms, db);
            row.best_quality = Best::better(row.best_quality, db, at_ms);
        }
        self.latest = Some((at_ms, leg.clone()));
        changed
    }

    fn begin(&mut self, at_ms: u64, leg: &Leg) {
        self.level.clear();
        self.quality.clear();
        self.rows.truncate(ROWS - 1);
        self.rows.push_front(Row {
            pin: leg.pin.clone(),
            level_kind: leg.level.map_or(LevelKind::of(leg.pin.technology), |(kind, _)| kind),
            quality_kind: leg.quality.map_or(QualityKind::of(leg.pin.technology), |(kind, _)| kind),
            since_ms: at_ms,
            last_ms: at_ms,
            best_level: None,
            best_quality: None,
        });
    }

    /// Newest first; the first is the cell that serves now.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.rows.iter()
    }

    pub fn latest(&self) -> Option<&(u64, Leg)> {
        self.latest.as_ref()
    }

    pub fn level(&self, now_ms: u64) -> Shown {
        let value = self.latest.as_ref().and_then(|(_, leg)| leg.level).map(|(_, dbm)| dbm);
        self.shown(now_ms, value, &self.level, |row| row.best_level)
    }

    pub fn quality(&self, now_ms: u64) -> Shown {
        let value = self.latest.as_ref().and_then(|(_, leg)| leg.quality).map(|(_, db)| db);
        self.shown(now_ms, value, &self.quality, |row| row.best_quality)
    }

    fn shown(&self, now_ms: u64, value: Option<f32>, window: &Window, best: fn(&Row) -> Option<Best>) -> Shown {
        let Some((at_ms, _)) = self.latest else { return Shown::default() };
        let current = self.rows.front();
        let visits = self.rows.iter().filter(|row| current.is_some_and(|now| row.is_visit_of(now)));
        let best = visits.filter_map(best).max_by(|a, b| a.value.total_cmp(&b.value));
        let age_ms = now_ms.saturating_sub(at_ms);
        Shown { value, age_ms, median: window.median(now_ms), best, stale: false }
    }
}

impl Row {
    fn is_of(&self, leg: &Leg) -> bool {
        self.pin.is_same(&leg.pin) && leg.level.is_none_or(|(kind, _)| kind == self.level_kind)
    }

    fn is_visit_of(&self, other: &Row) -> bool {
        self.pin.is_same(&other.pin) && self.level_kind == other.level_kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(pci: u16, dbm: f32, db: f32) -> Leg {
        Leg {
            pin: Pin { pci: Some(pci), arfcn: Some(1650), band: Some("B3".into()), ..Pin::default() },
            level: Some((LevelKind::Rsrp, dbm)),
            quality: Some((QualityKind::Sinr, db)),
            quality_raw: None,
            plmn: None,
        }
    }

    #[test]
    fn another_cell_begins_a_row_and_its_values_begin_anew() {
        let mut track = Track::default();
        assert!(track.hear(1_000, &leg(1, -100.0, 5.0)));
        assert!(!track.hear(2_000, &leg(1, -90.0, 9.0)));
        assert!(!track.hear(3_000, &leg(1, -95.0, 7.0)));
        assert_eq!(track.level(3_000).median, Some(-95.0));
        assert!(track.hear(4_000, &leg(2, -110.0, 1.0)));
        let now = track.level(4_500);
        assert_eq!((now.value, now.age_ms, now.median), (Some(-110.0), 500, Some(-110.0)));
        assert_eq!(now.best, Some(Best { value: -110.0, at_ms: 4_000 }), "the other cell's best is not this one's");
        let rows: Vec<_> = track.rows().map(|row| (row.pin.pci, row.since_ms, row.last_ms, row.best_level)).collect();
        let before = (Some(1), 1_000, 3_000, Some(Best { value: -90.0, at_ms: 2_000 }));
        assert_eq!(rows, [(Some(2), 4_000, 4_000, Some(Best { value: -110.0, at_ms: 4_000 })), before]);
    }

    #[test]
    fn whoever_comes_back_to_a_cell_finds_the_best_of_all_visits() {
        let mut track = Track::default();
        track.hear(1_000, &leg(1, -80.0, 20.0));
        track.hear(2_000, &leg(2, -110.0, 1.0));
        track.hear(3_000, &leg(1, -90.0, 10.0));
        assert_eq!(track.rows().count(), 3);
        assert_eq!(track.level(3_000).best.map(|best| best.value), Some(-80.0));
        assert_eq!(track.quality(3_000).best.map(|best| best.value), Some(20.0));
        assert_eq!(track.rows().next().and_then(|row| row.best_level).map(|best| best.value), Some(-90.0));
    }

    #[test]
    fn a_reading_heard_twice_is_one_and_an_old_one_is_not_of_now() {
        let mut track = Track::default();
        track.hear(1_000, &leg(1, -80.0, 20.0));
        track.hear(1_000, &leg(1, -70.0, 20.0));
        let at = |now_ms| track.level(now_ms);
        assert_eq!(at(6_000).fresh(), Some(-80.0));
        assert_eq!((at(6_001).fresh(), at(6_001).value), (None, Some(-80.0)));
        assert_eq!(Track::default().level(9).value, None);
    }

    #[test]
    fn a_level_of_another_kind_is_another_row_and_rows_are_bounded() {
        let mut track = Track::default();
        track.hear(1, &leg(1, -100.0, 5.0));
        assert!(track.hear(2, &Leg { level: Some((LevelKind::Rssi, -70.0)), ..leg(1, 0.0, 5.0) }));
        assert_eq!(track.level(2).best.map(|best| best.value), Some(-70.0));
        assert!(!track.hear(3, &Leg { level: None, ..leg(1, 0.0, 5.0) }), "no level says nothing");
        (0..100).for_each(|n| assert!(track.hear(10 + n, &leg(10 + n as u16, -100.0, 5.0))));
        assert_eq!(track.rows().count(), ROWS);
    }
}
