//! How readings are taken, asked while the one who knows it stands there.
//!
//! In: `--setup`, or a person at a terminal. Out: a [`SetupConfig`] with what is known and nothing else. Refuses to know:
//! the rest of the file. Limits: a wrong answer is asked again, [`TRIES`] times in all; then it is unknown. Unknown stays
//! absent: a gain of 0 dBi is a gain.

use crate::cli::Speaker;
use crate::config::{SETUP_DB, SETUP_HEIGHT_M, SetupConfig};
use crate::text::SetupText;
use phusong_protocol::{Antenna, Environment, limits};
use std::io::{BufRead, IsTerminal, Write};
use std::ops::RangeInclusive;

const TRIES: usize = 5;
/// TS 36.101 5.5, TS 38.101 5.2.
const BANDS: RangeInclusive<u16> = 1..=512;
/// In place of all keys: nothing is known, nothing is to be asked.
const UNKNOWN: &str = "unknown";

/// What `--setup` says, else what a person answers, else nothing.
pub fn learned(said: &Speaker, given: Option<&str>) -> Result<SetupConfig, SetupText> {
    if let Some(text) = given {
        return of_words(text);
    }
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Ok(SetupConfig::default());
    }
    println!("{}", said.say(&SetupText::Intro));
    Ok(asked(&mut std::io::stdin().lock(), |text| {
        print!("{} ", said.say(text));
        // An unseen question is asked again.
        let _ = std::io::stdout().flush();
    }))
}

/// The table of the file; nothing where nothing is known.
pub fn table(setup: &SetupConfig) -> String {
    if *setup == SetupConfig::default() {
        return String::new();
    }
    format!("\n[setup]\n{}", toml::to_string(setup).expect("its fields have TOML forms"))
}

/// `key=value,key=value`.
fn of_words(text: &str) -> Result<SetupConfig, SetupText> {
    let mut setup = SetupConfig::default();
    if text.trim() == UNKNOWN {
        return Ok(setup);
    }
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        let unknown = || SetupText::UnknownKey { word: word.to_owned() };
        let (key, value) = word.split_once('=').ok_or_else(unknown)?;
        let keys = ["environment", "height_m", "antenna", "gain_dbi", "cable_loss_db", "device_model", "bands"];
        let key = keys.into_iter().find(|known| *known == key.trim()).ok_or_else(unknown)?;
        set(&mut setup, key, value)?;
    }
    Ok(setup)
}

fn asked(from: &mut impl BufRead, mut say: impl FnMut(&SetupText)) -> SetupConfig {
    let mut setup = SetupConfig::default();
    let mut ask = |setup: &mut SetupConfig, question: &SetupText, key: &'static str| {
        for _ in 0..TRIES {
            say(question);
            let mut line = String::new();
            if from.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            match set(setup, key, &line) {
                Ok(()) => return,
                Err(wrong) => say(&wrong),
            }
        }
    };
    ask(&mut setup, &SetupText::Environment, "environment");
    ask(&mut setup, &SetupText::Height, "height_m");
    ask(&mut setup, &SetupText::Antenna, "antenna");
    if setup.antenna == Some(Antenna::External) {
        ask(&mut setup, &SetupText::Gain, "gain_dbi");
        ask(&mut setup, &SetupText::CableLoss, "cable_loss_db");
    }
    ask(&mut setup, &SetupText::DeviceModel, "device_model");
    ask(&mut setup, &SetupText::Bands, "bands");
    setup
}

/// An empty answer leaves the field unknown.
fn set(setup: &mut SetupConfig, key: &'static str, value: &str) -> Result<(), SetupText> {
    let value = value.trim();
    if value.is_empty() {
        return Ok(());
    }
    let wrong = || SetupText::NoAnswer { key, value: value.to_owned() };
    let number = |within: RangeInclusive<f32>| {
        // A decimal comma, as it is written in Vietnamese.
        let read = value.replace(',', ".").parse::<f32>().ok();
        read.filter(|number| within.contains(number)).ok_or_else(wrong)
    };
    match key {
        "environment" => setup.environment = environment(value).ok_or_else(wrong)?,
        "antenna" => setup.antenna = Some(antenna(value).ok_or_else(wrong)?),
        "height_m" => setup.height_m = Some(number(SETUP_HEIGHT_M)?),
        "gain_dbi" => setup.gain_dbi = Some(number(SETUP_DB)?),
        "cable_loss_db" => setup.cable_loss_db = Some(number(SETUP_DB)?),
        "bands" => setup.bands = Some(bands(value).ok_or_else(wrong)?),
        _ if value.len() > limits::STRING_BYTES || value.contains(char::is_control) => return Err(wrong()),
        _ => setup.device_model = Some(value.to_owned()),
    }
    Ok(())
}

fn environment(value: &str) -> Option<Environment> {
    match value.to_lowercase().as_str() {
        "1" | "outdoor" | "ngoài trời" => Some(Environment::Outdoor),
        "2" | "indoor" | "trong nhà" => Some(Environment::Indoor),
        "3" | "vehicle" | "trên xe" => Some(Environment::Vehicle),
        UNKNOWN => Some(Environment::Unknown),
        _ => None,
    }
}

/// "B3 B8 n78": of LTE and of 5G. Each once, in the order in which they were said.
fn bands(value: &str) -> Option<Vec<String>> {
    let mut all: Vec<String> = Vec::new();
    for word in value.split([' ', ',', ';']).filter(|word| !word.is_empty()) {
        let (kind, number) = word.split_at_checked(1)?;
        let kind = if kind.eq_ignore_ascii_case("b") { "B" } else { kind.eq_ignore_ascii_case("n").then_some("n")? };
        let digits = number.bytes().all(|byte| byte.is_ascii_digit());
        let number: u16 = number.parse().ok().filter(|number| digits && BANDS.contains(number))?;
        let band = format!("{kind}{number}");
        if !all.contains(&band) {
            all.push(band);
        }
    }
    (1..=limits::CELLS).contains(&all.len()).then_some(all)
}

fn antenna(value: &str) -> Option<Antenna> {
    match value.to_lowercase().as_str() {
        "1" | "internal" | "liền" => Some(Antenna::Internal),
        "2" | "external" | "ngoài" => Some(Antenna::External),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn full() -> SetupConfig {
        SetupConfig {
            environment: Environment::Outdoor,
            height_m: Some(4.5),
            antenna: Some(Antenna::External),
            gain_dbi: Some(9.0),
            cable_loss_db: Some(2.3),
            device_model: Some("Pi \"4\"".into()),
            bands: Some(vec!["B3".into(), "B8".into(), "n78".into()]),
            ..SetupConfig::default()
        }
    }

    fn answers(lines: &str) -> (SetupConfig, Vec<SetupText>) {
        let mut told = Vec::new();
        let setup = asked(&mut lines.as_bytes(), |text| told.push(text.clone()));
        (setup, told)
    }

    #[test]
    fn enter_is_unknown_and_unknown_is_absent() {
        let (setup, told) = answers("\n\n\n\n\n");
        assert_eq!(setup, SetupConfig::default());
        assert_eq!(told.len(), 5, "without an external antenna nobody is asked for its gain");
        assert_eq!(table(&setup), "");
        let (setup, _) = answers("");
        assert_eq!(setup, SetupConfig::default());
    }

    #[test]
    fn what_is_answered_stands_in_the_file_and_is_read_back() {
        let (setup, told) = answers("1\n4,5\n2\n9\n2.3\nPi \"4\"\nb3, B8  N78 B3\n");
        assert_eq!((setup.clone(), told.len()), (full(), 7));
        let file = format!("site = \"s\"\nprobe = \"p\"\n[[broker]]\nurl = \"mqtt://h\"\n{}", table(&setup));
        let config = Config::parse("agent.toml", &file).expect("it is right");
        assert_eq!(config.setup, Some(full()));
    }

    #[test]
    fn a_wrong_answer_is_asked_again_and_at_last_unknown() {
        let (setup, told) = answers("7\nindoor\n99999\n3\n1\nMiFi\n");
        let wanted = SetupConfig {
            environment: Environment::Indoor,
            height_m: Some(3.0),
            antenna: Some(Antenna::Internal),
            device_model: Some("MiFi".into()),
            ..SetupConfig::default()
        };
        assert_eq!(setup, wanted);
        let wrong = told.iter().filter(|text| matches!(text, SetupText::NoAnswer { .. })).count();
        assert_eq!((wrong, told.len()), (2, 9));
        let (setup, _) = answers("a\nb\nc\nd\ne\n2\n\n\n");
        assert_eq!((setup.environment, setup.height_m), (Environment::Unknown, Some(2.0)));
    }

    #[test]
    fn scripts_give_keys_and_a_wrong_one_is_named() {
        let words = "environment=outdoor, height_m=4.5,antenna=external,gain_dbi=9,cable_loss_db=2.3,device_model=Pi \"4\",bands=B3 B8 n78";
        assert_eq!(of_words(words), Ok(full()));
        assert_eq!(of_words("unknown"), Ok(SetupConfig::default()));
        assert_eq!(of_words(""), Ok(SetupConfig::default()));
        let gain = SetupConfig { gain_dbi: Some(0.0), ..SetupConfig::default() };
        assert_eq!(of_words("gain_dbi=0"), Ok(gain), "none is a gain, too");
        assert_eq!(of_words("colour=red"), Err(SetupText::UnknownKey { word: "colour=red".into() }));
        assert_eq!(of_words("height_m"), Err(SetupText::UnknownKey { word: "height_m".into() }));
        for bad in ["78", "n", "x3", "B0", "n9999", "B+3"] {
            let wrong = SetupText::NoAnswer { key: "bands", value: bad.into() };
            assert_eq!(of_words(&format!("bands={bad}")), Err(wrong));
        }
        let wrong = SetupText::NoAnswer { key: "antenna", value: "big".into() };
        assert_eq!(of_words("antenna=big"), Err(wrong));
    }
}
