//! What `join` asks about how readings are taken.
//!
//! In: a [`SetupText`]. Out: both languages. Refuses to know: what an answer becomes. Limits: the set.

use super::Said;
use super::aim::plain;

#[derive(Debug, Clone, PartialEq)]
pub enum SetupText {
    About,
    Intro,
    Environment,
    Height,
    Antenna,
    Gain,
    CableLoss,
    DeviceModel,
    Bands,
    /// What somebody typed is no answer; what would be.
    NoAnswer {
        key: &'static str,
        value: String,
    },
    UnknownKey {
        word: String,
    },
}

impl Said for SetupText {
    fn both(&self) -> (String, String) {
        match self {
            SetupText::About => plain(
                "Cách đo, như environment=outdoor,height_m=4,antenna=external,gain_dbi=9,cable_loss_db=2; \
                 để \"unknown\" thì không hỏi",
                "How readings are taken, as environment=outdoor,height_m=4,antenna=external,gain_dbi=9,cable_loss_db=2; \
                 \"unknown\": nothing is asked",
            ),
            SetupText::Intro => plain(
                "Cách đặt thiết bị. Không biết thì cứ nhấn Enter.",
                "How the device is set up. What you do not know, answer with Enter.",
            ),
            SetupText::Environment => plain(
                "Đặt ở đâu? 1 ngoài trời, 2 trong nhà, 3 trên xe:",
                "Where does it stand? 1 outdoor, 2 indoor, 3 in a vehicle:",
            ),
            SetupText::Height => {
                plain("Ăng-ten cách mặt đất bao nhiêu mét:", "Height of the antenna above the ground, metres:")
            }
            SetupText::Antenna => plain("Ăng-ten? 1 liền trong máy, 2 gắn ngoài:", "Antenna? 1 internal, 2 external:"),
            SetupText::Gain => plain("Độ lợi của ăng-ten ngoài, dBi:", "Gain of the external antenna, dBi:"),
            SetupText::CableLoss => plain("Suy hao của cáp ăng-ten, dB:", "Loss of its cable, dB:"),
            SetupText::DeviceModel => {
                plain("Kiểu thiết bị, như \"Raspberry Pi 4 + RM520N\":", "Model, as \"Raspberry Pi 4 + RM520N\":")
            }
            SetupText::Bands => plain(
                "Băng tần mà thiết bị dùng được, như \"B3 B8 n78\" (có băng n thì mới kiểm tra được 5G):",
                "Bands that the device can use, as \"B3 B8 n78\" (5G is checked only with an n band):",
            ),
            SetupText::NoAnswer { key, value } => {
                let (vi, en) = right(key);
                (format!("{key}: {value:?} không dùng được; {vi}"), format!("{key}: {value:?} cannot be; {en}"))
            }
            SetupText::UnknownKey { word } => {
                let keys = "environment, height_m, antenna, gain_dbi, cable_loss_db, device_model, bands";
                (
                    format!("--setup: không hiểu {word:?}; các khóa: {keys}"),
                    format!("--setup: {word:?}? The keys: {keys}"),
                )
            }
        }
    }
}

/// What an answer can be.
fn right(key: &str) -> (&'static str, &'static str) {
    match key {
        "environment" => {
            ("outdoor, indoor, vehicle (1, 2, 3) hoặc Enter", "outdoor, indoor, vehicle (1, 2, 3) or Enter")
        }
        "antenna" => ("internal, external (1, 2) hoặc Enter", "internal, external (1, 2) or Enter"),
        "height_m" => ("số mét từ -100 đến 10000, hoặc Enter", "metres from -100 to 10000, or Enter"),
        "bands" => ("như B3 B8 n78, hoặc Enter", "as B3 B8 n78, or Enter"),
        "device_model" => ("dài nhất 128 byte", "at most 128 bytes"),
        _ => ("số từ -60 đến 60, hoặc Enter", "a number from -60 to 60, or Enter"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_question_is_asked_in_both_languages() {
        use SetupText::{About, Antenna, Bands, CableLoss, DeviceModel, Environment, Gain, Height, Intro};
        for text in [About, Intro, Environment, Height, Antenna, Gain, CableLoss, DeviceModel, Bands] {
            let (vi, en) = text.both();
            assert!(!vi.is_ascii() && en.is_ascii(), "{vi} / {en}");
        }
        let wrong = SetupText::NoAnswer { key: "height_m", value: "x".into() }.both();
        assert!(wrong.0.contains("10000, hoặc Enter") && wrong.1.ends_with("10000, or Enter"), "{wrong:?}");
    }
}
