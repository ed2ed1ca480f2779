//! Words and texts that several answers share.

pub use crate::store::derived::is_cellular;
use crate::store::views::{Spot, TargetName};
use phusong_coverage::grade::Grade;
use phusong_coverage::observation::SampleId;
use phusong_protocol::Epoch;
use serde::Serialize;
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};
use utoipa::ToSchema;

pub const GRADES: [&str; 4] = ["unknown", "dead", "weak", "good"];

/// What a window, a network or a hamlet is worth. Unknown is never covered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GradeWord {
    Unknown,
    Dead,
    Weak,
    Good,
}

/// A hamlet, as people call it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HamletRef {
    pub code: String,
    pub name: String,
}

/// A measured target.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct TargetRef {
    pub name: String,
    pub host: String,
}

/// A fixed position of one probe.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlaceRef {
    pub id: i64,
    pub label: Option<String>,
    pub lat: Option<f64>,
    pub lon: Option<f64>,
}

/// The id of a sample: 16 hexadecimal digits each.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct SampleRef {
    pub epoch: String,
    pub seq: String,
}

impl From<Grade> for GradeWord {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Unknown => GradeWord::Unknown,
            Grade::Dead => GradeWord::Dead,
            Grade::Weak => GradeWord::Weak,
            Grade::Good => GradeWord::Good,
        }
    }
}

impl GradeWord {
    pub fn name(self) -> &'static str {
        GRADES[usize::from(self.level())]
    }

    /// 0 unknown, 1 dead, 2 weak, 3 good.
    pub fn level(self) -> u8 {
        self as u8
    }
}

impl From<SampleId> for SampleRef {
    fn from(id: SampleId) -> Self {
        SampleRef { epoch: Epoch(id.epoch).to_string(), seq: hex(id.seq) }
    }
}

impl From<TargetName> for TargetRef {
    fn from(target: TargetName) -> Self {
        TargetRef { name: nfc(target.name), host: target.host }
    }
}

pub fn place(spot: &Spot) -> PlaceRef {
    PlaceRef { id: spot.place, label: spot.place_label.clone().map(nfc), lat: spot.lat, lon: spot.lon }
}

pub fn hamlet(code: Option<String>, name: Option<String>) -> Option<HamletRef> {
    code.zip(name).map(|(code, name)| HamletRef { code, name: nfc(name) })
}

/// Keys and sequence numbers: JSON's numbers are too short for them.
pub fn hex(number: u64) -> String {
    format!("{number:016x}")
}

/// Names as people compare them: composed, whatever the file said that they came from.
pub fn nfc(text: String) -> String {
    if is_nfc_quick(text.chars()) == IsNormalized::Yes { text } else { text.nfc().collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_out_composed() {
        assert_eq!(nfc("Na\u{300} Che\u{300}n, x\u{f3}m \u{111}o\u{302}\u{323}ng".into()), "Nà Chèn, xóm động");
        assert_eq!(nfc("Nà Chèn".into()), "Nà Chèn");
    }
}
