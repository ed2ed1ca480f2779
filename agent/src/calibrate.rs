//! Calibration beside a reference: how far this device's level is from the truth, and whether that is one number at all.
//!
//! In: the serving cell's readings at three places, and the reference's there. Out: an offset, or why there is none.
//! Refuses to know: sockets, people, files. Limits: [`PLACES`] places of [`PLACE_MS`]; a place needs a reading each five
//! seconds and one cell for four fifths of them; offsets that differ by more than [`SPREAD_DB`] are no calibration.

pub mod edit;

use crate::aim::leg::{Leg, LevelKind, Pin};
use crate::aim::window::median;
use crate::config::SetupConfig;

pub const PLACES: usize = 3;
pub const PLACE_MS: u64 = 300_000;
/// Differences between places beyond this are reflections, another antenna or a broken device, and no offset.
pub const SPREAD_DB: f32 = 6.0;
/// A place needs a reading in each of its spans of this length, on average.
pub const READING_EACH_MS: u64 = 5_000;
/// Of the readings of a place, in per cent, that are of one cell: two cells are two levels.
pub const SAME_CELL_PERCENT: usize = 80;
/// What a person can type for a level.
pub const TYPED_DBM: std::ops::RangeInclusive<f32> = -160.0..=-30.0;
/// Cells at one place; more than that serve nobody who stands still.
const CELLS: usize = 16;

/// One receiver at one place.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Readings {
    cells: Vec<(Pin, LevelKind, Vec<f32>)>,
    last_ms: Option<u64>,
    all: usize,
}

/// What one receiver's readings come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Level {
    pub pin: Pin,
    pub kind: LevelKind,
    pub median_dbm: f32,
    pub readings: usize,
}

/// What the reference says at one place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reference<'a> {
    Typed(f32),
    Modem(&'a Readings),
}

/// One place, measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    pub own: Level,
    /// The own level as it would be at 0 dBi without a cable.
    pub own_bare_dbm: f32,
    pub reference_dbm: f32,
    pub offset_db: f32,
}

/// Why a place does not count.
#[derive(Debug, Clone, PartialEq)]
pub enum PlaceError {
    TooFew {
        readings: usize,
        least: usize,
    },
    /// The serving cell changed too often.
    ManyCells {
        percent: usize,
    },
    /// The modem gives no RSRP.
    NoRsrp {
        kind: LevelKind,
    },
    ReferenceTooFew {
        readings: usize,
        least: usize,
    },
    ReferenceManyCells {
        percent: usize,
    },
    /// The reference is on another cell.
    OtherCell,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    pub offset_db: f32,
    pub spread_db: f32,
}

impl Readings {
    /// A reading that was heard already counts once.
    pub fn hear(&mut self, at_ms: u64, leg: &Leg) {
        let Some((kind, dbm)) = leg.level.filter(|_| self.last_ms.is_none_or(|before| at_ms > before)) else { return };
        self.last_ms = Some(at_ms);
        self.all += 1;
        let is_full = self.cells.len() == CELLS;
        let known = self.cells.iter_mut().find(|(pin, of, _)| pin.is_same(&leg.pin) && *of == kind);
        match known {
            Some((pin, _, levels)) => {
                pin.learn(&leg.pin);
                levels.push(dbm);
            }
            None if !is_full => self.cells.push((leg.pin.clone(), kind, vec![dbm])),
            // It still counts against the share of the one that serves most.
            None => {}
        }
    }

    pub fn count(&self) -> usize {
        self.all
    }

    /// Of the cell that served most: its share in per cent, and its level.
    fn main(&self) -> Option<(usize, Level)> {
        let (pin, kind, levels) = self.cells.iter().max_by_key(|(_, _, levels)| levels.len())?;
        let median_dbm = median(levels.clone())?;
        let level = Level { pin: pin.clone(), kind: *kind, median_dbm, readings: levels.len() };
        Some((100 * levels.len() / self.all, level))
    }
}

/// Judges one place that was measured for `place_ms`.
pub fn place(
    own: &Readings,
    reference: Reference<'_>,
    setup: &SetupConfig,
    place_ms: u64,
) -> Result<Place, PlaceError> {
    let least = usize::try_from(place_ms / READING_EACH_MS).unwrap_or(usize::MAX).max(1);
    let (percent, level) =
        own.main().filter(|_| own.count() >= least).ok_or(PlaceError::TooFew { readings: own.count(), least })?;
    if percent < SAME_CELL_PERCENT {
        return Err(PlaceError::ManyCells { percent });
    }
    if !matches!(level.kind, LevelKind::Rsrp | LevelKind::SsRsrp) {
        return Err(PlaceError::NoRsrp { kind: level.kind });
    }
    let reference_dbm = match reference {
        Reference::Typed(dbm) => dbm,
        Reference::Modem(readings) => of_reference(readings, &level, least)?,
    };
    // Gain and cable are taken off elsewhere already; the offset is what is left.
    let own_bare_dbm = level.median_dbm - setup.gain_dbi.unwrap_or(0.0) + setup.cable_loss_db.unwrap_or(0.0);
    let offset_db = reference_dbm - own_bare_dbm;
    Ok(Place { own: level, own_bare_dbm, reference_dbm, offset_db })
}

fn of_reference(readings: &Readings, own: &Level, least: usize) -> Result<f32, PlaceError> {
    let count = readings.count();
    let (percent, level) =
        readings.main().filter(|_| count >= least).ok_or(PlaceError::ReferenceTooFew { readings: count, least })?;
    if percent < SAME_CELL_PERCENT {
        return Err(PlaceError::ReferenceManyCells { percent });
    }
    let same = level.kind == own.kind && level.pin.is_same(&own.pin);
    if same { Ok(level.median_dbm) } else { Err(PlaceError::OtherCell) }
}

/// The median of the offsets, or the spread that makes them no calibration.
pub fn judge(places: &[Place]) -> Result<Calibration, f32> {
    let offsets: Vec<f32> = places.iter().map(|place| place.offset_db).collect();
    let highest = offsets.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let lowest = offsets.iter().copied().fold(f32::INFINITY, f32::min);
    let spread_db = highest - lowest;
    match median(offsets) {
        Some(offset) if spread_db <= SPREAD_DB => {
            Ok(Calibration { offset_db: (offset * 10.0).round() / 10.0, spread_db })
        }
        _ => Err(spread_db),
    }
}

/// What somebody typed: one level or several, of which the median counts.
pub fn typed(text: &str) -> Option<f32> {
    let words = text.split([' ', ',', ';', '\t']).map(str::trim).filter(|word| !word.is_empty());
    // A minus sign that a telephone's keyboard made longer.
    let read = |word: &str| word.replace('−', "-").parse::<f32>().ok().filter(|dbm| TYPED_DBM.contains(dbm));
    median(words.map(read).collect::<Option<Vec<f32>>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(pci: u16, dbm: f32) -> Leg {
        let pin = Pin { pci: Some(pci), arfcn: Some(1650), ..Pin::default() };
        Leg { pin, level: Some((LevelKind::Rsrp, dbm)), quality: None, quality_raw: None, plmn: None }
    }

    fn readings(pci: u16, levels: &[f32]) -> Readings {
        let mut readings = Readings::default();
        levels.iter().enumerate().for_each(|(n, dbm)| readings.hear(n as u64 * 1_000 + 1, &leg(pci, *dbm)));
        readings
    }

    fn judged(own: &Readings, reference: Reference<'_>) -> Result<Place, PlaceError> {
        place(own, reference, &SetupConfig::default(), 50_000)
    }

    #[test]
    fn the_offset_is_what_the_reference_has_more_than_the_median_of_the_device() {
        let mut levels = vec![-100.0; 6];
        levels.extend([-60.0, -98.0, -99.0, -102.0]);
        let found = judged(&readings(1, &levels), Reference::Typed(-96.5)).expect("it counts");
        assert_eq!((found.own.median_dbm, found.offset_db, found.own.readings), (-100.0, 3.5, 10));
        let beside = readings(1, &[-95.0; 10]);
        let found = judged(&readings(1, &levels), Reference::Modem(&beside)).expect("it counts");
        assert_eq!(found.offset_db, 5.0);
    }

    #[test]
    fn known_gain_and_cable_are_not_counted_twice() {
        let setup = SetupConfig { gain_dbi: Some(9.0), cable_loss_db: Some(2.0), ..SetupConfig::default() };
        let found = place(&readings(1, &[-93.0; 10]), Reference::Typed(-101.0), &setup, 50_000).expect("it counts");
        assert_eq!((found.own_bare_dbm, found.offset_db), (-100.0, -1.0));
    }

    #[test]
    fn a_place_without_enough_readings_of_one_cell_does_not_count() {
        let refused = |own: &Readings, reference| judged(own, reference).expect_err("it does not count");
        let typed = Reference::Typed(-100.0);
        assert_eq!(refused(&Readings::default(), typed), PlaceError::TooFew { readings: 0, least: 10 });
        assert_eq!(refused(&readings(1, &[-100.0; 9]), typed), PlaceError::TooFew { readings: 9, least: 10 });
        let mut two = readings(1, &[-100.0; 7]);
        (10..13).for_each(|n| two.hear(n * 1_000, &leg(2, -90.0)));
        assert_eq!(refused(&two, typed), PlaceError::ManyCells { percent: 70 });
        let own = readings(1, &[-100.0; 10]);
        let few = readings(1, &[-100.0; 3]);
        assert_eq!(refused(&own, Reference::Modem(&few)), PlaceError::ReferenceTooFew { readings: 3, least: 10 });
        assert_eq!(refused(&own, Reference::Modem(&two)), PlaceError::ReferenceManyCells { percent: 70 });
        let elsewhere = readings(2, &[-100.0; 10]);
        assert_eq!(refused(&own, Reference::Modem(&elsewhere)), PlaceError::OtherCell);
        let mut rssi = Readings::default();
        (0..10).for_each(|n| rssi.hear(n + 1, &Leg { level: Some((LevelKind::Rssi, -70.0)), ..leg(1, 0.0) }));
        assert_eq!(refused(&rssi, typed), PlaceError::NoRsrp { kind: LevelKind::Rssi });
        let mut twice = readings(1, &[-100.0; 10]);
        twice.hear(9_001, &leg(1, -50.0));
        assert_eq!(twice.count(), 10, "a reading heard twice is one");
    }

    #[test]
    fn more_than_six_db_between_places_is_no_calibration() {
        let at = |offset: f32| judged(&readings(1, &[-100.0; 10]), Reference::Typed(-100.0 + offset)).expect("good");
        let three = |offsets: [f32; PLACES]| judge(&offsets.map(at));
        assert_eq!(three([1.0, 2.26, 7.0]), Ok(Calibration { offset_db: 2.3, spread_db: 6.0 }));
        assert_eq!(three([-3.0, 2.0, 3.5]), Err(6.5));
        assert_eq!(three([-1.0, -1.0, -1.0]), Ok(Calibration { offset_db: -1.0, spread_db: 0.0 }));
    }

    #[test]
    fn what_is_typed_is_a_level_or_is_asked_again() {
        assert_eq!(typed("-101"), Some(-101.0));
        assert_eq!(typed(" −101.5 "), Some(-101.5));
        assert_eq!(typed("-100 -102, -101"), Some(-101.0));
        for wrong in ["", "101", "-101,5", "-20", "-170", "x", "-100 x", "NaN"] {
            assert_eq!(typed(wrong), None, "{wrong}");
        }
    }
}
