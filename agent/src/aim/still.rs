//! Holding still: when a position of the antenna is worth a sample.
//!
//! In: the level of the serving cell, and whatever disturbs (a key, another cell). Out: how long it is held, and when a
//! sample is due. Refuses to know: who stores it. Limits: still is [`HOLD_MS`] within [`BAND_DB`] in all without a gap
//! of more than [`GAP_MS`]; after a sample the level must move by [`AGAIN_DB`], or somebody press a key, before the next.

use super::leg::Pin;
use super::window::median;
use std::collections::VecDeque;

pub const HOLD_MS: u64 = 10_000;
/// Within 1 dB either way.
pub const BAND_DB: f32 = 2.0;
pub const GAP_MS: u64 = 5_000;
pub const AGAIN_DB: f32 = 3.0;
/// Fewer readings say nothing of stillness, however long they last.
pub const READINGS: usize = 4;
/// Sixty-four readings are more than a minute of holding.
const KEPT: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Hold {
    /// Nothing to hold on to.
    #[default]
    Nothing,
    Moving,
    /// Still for so long.
    Holding {
        ms: u64,
    },
    /// A sample was asked for and is not yet there.
    Asked,
    Stored {
        at_ms: u64,
        dbm: f32,
    },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Still {
    pin: Option<Pin>,
    readings: VecDeque<(u64, f32)>,
    asked: Option<f32>,
    stored: Option<(u64, f32)>,
}

impl Still {
    pub fn hear(&mut self, at_ms: u64, pin: &Pin, level: Option<f32>) {
        let Some(dbm) = level else { return };
        if !self.pin.as_ref().is_some_and(|before| before.is_same(pin)) {
            self.disturb();
        }
        self.pin = Some(pin.clone());
        if self.readings.back().is_some_and(|(before, _)| at_ms.saturating_sub(*before) > GAP_MS) {
            self.readings.clear();
        }
        if self.stored.is_some_and(|(_, held)| (dbm - held).abs() > AGAIN_DB) {
            self.stored = None;
        }
        self.readings.push_back((at_ms, dbm));
        while self.readings.len() > KEPT || self.spread() > BAND_DB {
            self.readings.pop_front();
        }
    }

    /// What is heard is no signal: nothing is held by it, and what was stored stays.
    pub fn lose(&mut self) {
        self.readings.clear();
    }

    /// A key, another cell, another modem: what was held counts no more.
    pub fn disturb(&mut self) {
        self.readings.clear();
        self.asked = None;
        self.stored = None;
    }

    fn spread(&self) -> f32 {
        let values = || self.readings.iter().map(|(_, dbm)| *dbm);
        values().fold(f32::NEG_INFINITY, f32::max) - values().fold(f32::INFINITY, f32::min)
    }

    fn held_ms(&self, now_ms: u64) -> Option<u64> {
        let (first, _) = self.readings.front()?;
        let (last, _) = self.readings.back()?;
        (now_ms.saturating_sub(*last) <= GAP_MS).then(|| last.saturating_sub(*first))
    }

    /// True once for each position that was held long enough: a sample is to be stored.
    pub fn ask(&mut self, now_ms: u64) -> bool {
        let long_enough = self.held_ms(now_ms).is_some_and(|ms| ms >= HOLD_MS);
        if self.asked.is_some() || self.stored.is_some() || !long_enough || self.readings.len() < READINGS {
            return false;
        }
        self.asked = median(self.readings.iter().map(|(_, dbm)| *dbm).collect());
        self.asked.is_some()
    }

    /// What came of the asking; what failed is asked again after it was held again.
    pub fn answered(&mut self, now_ms: u64, stored: bool) {
        let Some(dbm) = self.asked.take() else { return };
        match stored {
            true => self.stored = Some((now_ms, dbm)),
            false => self.readings.clear(),
        }
    }

    pub fn hold(&self, now_ms: u64) -> Hold {
        if let Some((at_ms, dbm)) = self.stored {
            return Hold::Stored { at_ms, dbm };
        }
        if self.asked.is_some() {
            return Hold::Asked;
        }
        match self.held_ms(now_ms) {
            None => Hold::Nothing,
            Some(ms) if self.readings.len() < 2 => {
                debug_assert_eq!(ms, 0);
                Hold::Moving
            }
            Some(ms) => Hold::Holding { ms },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(pci: u16) -> Pin {
        Pin { pci: Some(pci), ..Pin::default() }
    }

    /// One reading a second from `from_s` on.
    fn feed(still: &mut Still, from_s: u64, levels: &[f32]) -> Vec<u64> {
        let mut asked = Vec::new();
        for (n, dbm) in levels.iter().enumerate() {
            let at_ms = (from_s + n as u64) * 1_000;
            still.hear(at_ms, &pin(1), Some(*dbm));
            if still.ask(at_ms) {
                asked.push(at_ms / 1_000);
            }
        }
        asked
    }

    #[test]
    fn ten_seconds_within_one_db_either_way_are_one_sample() {
        let mut still = Still::default();
        assert_eq!(still.hold(0), Hold::Nothing);
        let levels: Vec<f32> = (0..20).map(|n| if n % 2 == 0 { -100.0 } else { -102.0 }).collect();
        assert_eq!(feed(&mut still, 0, &levels[..11]), [10]);
        assert_eq!(still.hold(10_000), Hold::Asked);
        still.answered(10_100, true);
        assert_eq!(still.hold(10_200), Hold::Stored { at_ms: 10_100, dbm: -100.0 });
        assert_eq!(feed(&mut still, 11, &levels[11..]), [0; 0], "the same position is stored once");
    }

    #[test]
    fn a_movement_begins_the_ten_seconds_anew() {
        let mut still = Still::default();
        let mut levels = vec![-100.0; 8];
        levels.extend([-97.0; 11]);
        assert_eq!(feed(&mut still, 0, &levels), [18]);
        still.answered(18_000, true);
        assert_eq!(feed(&mut still, 19, &[-98.0; 12]), [0; 0], "that is the same position");
        assert_eq!(feed(&mut still, 31, &[-90.0; 11]), [41], "that is another");
    }

    #[test]
    fn a_gap_a_key_or_another_cell_is_no_stillness() {
        let mut still = Still::default();
        feed(&mut still, 0, &[-100.0; 8]);
        assert_eq!(feed(&mut still, 14, &[-100.0; 9]), [0; 0], "nothing was heard for six seconds");
        still.disturb();
        assert_eq!(still.hold(22_000), Hold::Nothing);
        assert_eq!(feed(&mut still, 23, &[-100.0; 11]), [33]);
        still.answered(33_000, true);
        still.hear(34_000, &pin(2), Some(-100.0));
        assert_eq!(still.hold(34_000), Hold::Moving);
        assert_eq!(still.hold(40_000), Hold::Nothing, "an old value holds nothing");
    }

    #[test]
    fn slow_readings_are_not_stillness_until_there_are_enough_and_a_failure_is_tried_again() {
        let mut still = Still::default();
        for at_s in [0, 5, 10] {
            still.hear(at_s * 1_000, &pin(1), Some(-100.0));
            assert!(!still.ask(at_s * 1_000), "{at_s}");
        }
        still.hear(15_000, &pin(1), Some(-100.0));
        assert!(still.ask(15_000));
        still.answered(15_000, false);
        assert_eq!(still.hold(15_000), Hold::Nothing);
        assert_eq!(feed(&mut still, 16, &[-100.0; 11]), [26]);
        still.hear(27_000, &pin(1), None);
    }
}
