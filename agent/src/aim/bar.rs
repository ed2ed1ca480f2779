//! A value as a length: where it stands between useless and excellent.
//!
//! In: a value and what it is a value of. Out: a bar of characters. Refuses to know: screens. Limits: beyond the ends
//! of its scale a value is drawn at the end.

use super::leg::{LevelKind, QualityKind};

/// From where to where a bar reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    pub from: f32,
    pub to: f32,
}

const FULL: char = '▄';
const HALF: char = '▖';
const EMPTY: char = '·';
const BEST: char = '◆';

impl LevelKind {
    pub const fn scale(self) -> Scale {
        match self {
            LevelKind::Rsrp | LevelKind::SsRsrp => Scale { from: -130.0, to: -60.0 },
            LevelKind::Rscp => Scale { from: -120.0, to: -40.0 },
            LevelKind::Rssi => Scale { from: -113.0, to: -51.0 },
        }
    }
}

impl QualityKind {
    pub const fn scale(self) -> Scale {
        match self {
            QualityKind::Sinr | QualityKind::SsSinr => Scale { from: -10.0, to: 30.0 },
            QualityKind::EcIo => Scale { from: -24.0, to: 0.0 },
        }
    }
}

impl Scale {
    /// 0 to 1.
    fn share(self, value: f32) -> f32 {
        ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0)
    }

    /// `width` characters: full ones up to the value, a mark where the best was.
    pub fn bar(self, value: Option<f32>, best: Option<f32>, width: usize) -> String {
        let halves = value.map_or(0, |value| (self.share(value) * width as f32 * 2.0).round() as usize);
        let best = best.map(|best| ((self.share(best) * width as f32) as usize).min(width.saturating_sub(1)));
        let part = |at: usize| {
            if halves >= 2 * at + 2 {
                FULL
            } else if Some(at) == best {
                BEST
            } else if halves == 2 * at + 1 {
                HALF
            } else {
                EMPTY
            }
        };
        (0..width).map(part).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_value_and_marks_the_best() {
        let scale = LevelKind::Rsrp.scale();
        let check = |value, best, wanted: &str| assert_eq!(scale.bar(value, best, 14), wanted, "{value:?} {best:?}");
        check(None, None, "··············");
        check(Some(-130.0), Some(-130.0), "◆·············");
        check(Some(-105.0), Some(-80.0), "▄▄▄▄▄·····◆···");
        check(Some(-102.5), Some(-102.5), "▄▄▄▄▄◆········");
        check(Some(-102.5), None, "▄▄▄▄▄▖········");
        check(Some(-60.0), Some(-60.0), "▄▄▄▄▄▄▄▄▄▄▄▄▄▄");
        check(Some(-20.0), Some(-20.0), "▄▄▄▄▄▄▄▄▄▄▄▄▄▄");
        check(Some(-200.0), None, "··············");
        check(None, Some(-60.0), "·············◆");
    }

    #[test]
    fn every_kind_has_a_scale_that_rises() {
        for kind in [LevelKind::Rsrp, LevelKind::SsRsrp, LevelKind::Rscp, LevelKind::Rssi] {
            assert!(kind.scale().from < kind.scale().to, "{kind:?}");
        }
        for kind in [QualityKind::Sinr, QualityKind::SsSinr, QualityKind::EcIo] {
            assert!(kind.scale().from < kind.scale().to, "{kind:?}");
        }
    }
}
