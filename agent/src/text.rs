//! Everything the command line says to a person, in Vietnamese and English.
//!
//! In: a message of one of the closed sets. Out: a line of text. Refuses to know: where it is shown. Limits: each
//! message is one arm with both languages, so one without the other does not compile. Vietnamese is kept in NFC.
//! Logs and JSON are English and not here.

mod advice;
pub(crate) mod aim;
mod calibrate;
mod finding;
mod help;
mod join;
mod modem;
mod reach;
mod round;
mod setup;
mod spool;
mod survey;

pub use crate::config::Language;
pub use advice::Advice;
pub use aim::AimText;
pub use calibrate::CalibrateText;
pub use finding::Finding;
pub use help::Help;
pub use join::JoinText;
pub use modem::{ModemText, Weight};
pub use reach::Reach;
pub use round::Round;
pub use setup::SetupText;
pub use spool::SpoolText;
pub use survey::SurveyText;

/// A message that is said in either language.
pub trait Said {
    /// Vietnamese, then English.
    fn both(&self) -> (String, String);

    fn say(&self, language: Language) -> String {
        let (vi, en) = self.both();
        match language {
            Language::Vi => vi,
            Language::En => en,
        }
    }
}

/// `vi` or `en` as the environment asks for: `LC_ALL`, `LC_MESSAGES`, then `LANG`. English only where it is asked for.
pub fn language_of_environment() -> Language {
    let set = |name: &&str| std::env::var(name).ok().filter(|value| !value.is_empty());
    match ["LC_ALL", "LC_MESSAGES", "LANG"].iter().find_map(set) {
        Some(locale) if locale.starts_with("en") => Language::En,
        _ => Language::Vi,
    }
}

/// Microseconds as a person reads them.
pub fn millis(us: u32) -> String {
    format!("{}.{:03} ms", us / 1000, us % 1000)
}

/// Bytes as a person reads them.
pub fn bytes(n: u64) -> String {
    match n {
        0..10_240 => format!("{n} B"),
        10_240..10_485_760 => format!("{} KiB", n / 1024),
        _ => format!("{} MiB", n / (1024 * 1024)),
    }
}

/// Bits per second as a person reads them.
pub fn speed(bps: u64) -> String {
    let kbit = bps / 1_000;
    if kbit < 1_000 { format!("{kbit} kbit/s") } else { format!("{}.{} Mbit/s", kbit / 1_000, kbit % 1_000 / 100) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In NFC Vietnamese needs no combining mark: every letter has a code point of its own.
    fn marks(text: &str) -> Vec<(usize, char)> {
        text.char_indices().filter(|(_, c)| ('\u{300}'..='\u{36f}').contains(c)).collect()
    }

    #[test]
    fn all_vietnamese_text_of_the_agent_is_nfc() {
        for (file, text) in [
            ("advice", include_str!("text/advice.rs")),
            ("aim", include_str!("text/aim.rs")),
            ("calibrate", include_str!("text/calibrate.rs")),
            ("finding", include_str!("text/finding.rs")),
            ("help", include_str!("text/help.rs")),
            ("join", include_str!("text/join.rs")),
            ("modem", include_str!("text/modem.rs")),
            ("reach", include_str!("text/reach.rs")),
            ("round", include_str!("text/round.rs")),
            ("setup", include_str!("text/setup.rs")),
            ("spool", include_str!("text/spool.rs")),
            ("survey", include_str!("text/survey.rs")),
            ("problem", include_str!("config/problem.rs")),
        ] {
            assert_eq!(marks(text), [], "{file}: (byte, mark)");
            assert!(text.contains('ộ') && text.contains('ư'), "{file} holds Vietnamese");
        }
    }

    #[test]
    fn every_message_without_content_is_said_in_both_languages() {
        let check = |(vi, en): (String, String)| {
            assert!(!vi.is_empty() && !en.is_empty() && vi != en, "{vi} / {en}");
            assert!(!vi.is_ascii() && en.is_ascii(), "{vi} / {en}");
        };
        Help::ALL.iter().for_each(|help| check(help.both()));
        Advice::ALL.iter().for_each(|advice| check(advice.both()));
    }

    #[test]
    fn times_and_sizes_are_short() {
        assert_eq!(
            (millis(12_345), bytes(100), bytes(65 * 1024)),
            ("12.345 ms".into(), "100 B".into(), "65 KiB".into())
        );
        assert_eq!((speed(999_999), speed(12_345_678)), ("999 kbit/s".into(), "12.3 Mbit/s".into()));
    }
}
