//! `calibrate`: beside a reference device, five minutes at each of three places, then the offset stands in the file.
//!
//! In: the running agent over its socket (one of our own where none runs), the reference as another modem of it, as
//! numbers, or typed. Out: a report; `offset_db` and `calibrated_at_ms` in `[setup]`, every other line untouched. Refuses
//! to know: what makes a place count (`crate::calibrate`). Limits: at a terminal a place that does not count is measured
//! again, in a script it ends the run; fewer seconds than five minutes a place never touch the configuration.

mod place;

use super::aim::{Ends, OwnAgent};
use super::join::replace;
use super::{Speaker, on_one_thread};
use crate::calibrate::{PLACE_MS, PLACES, Place, edit, judge, typed};
use crate::config::{Config, Language};
use crate::device::clock;
use crate::text::aim::span;
use crate::text::{CalibrateText, Said};
use place::{Bench, Beside};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// The configuration has a password in it.
const FILE_MODE: u32 = 0o640;

#[derive(Debug, clap::Args)]
pub(super) struct Calibrate {
    #[arg(long, value_name = "NAME", conflicts_with = "reference_dbm")]
    reference: Option<String>,
    #[arg(long, value_name = "A,B,C", allow_hyphen_values = true)]
    reference_dbm: Option<String>,
    #[arg(long, value_name = "NAME")]
    modem: Option<String>,
    #[arg(long, value_name = "N", hide = true)]
    seconds_a_place: Option<u64>,
}

/// The descriptions of the command and its arguments.
pub(super) fn described(command: clap::Command, language: Language) -> clap::Command {
    let say = |text: CalibrateText| text.say(language);
    command
        .about(say(CalibrateText::About))
        .mut_arg("reference", |a| a.help(say(CalibrateText::AboutReference)))
        .mut_arg("reference_dbm", |a| a.help(say(CalibrateText::AboutReferenceDbm)))
        .mut_arg("modem", |a| a.help(say(CalibrateText::AboutModem)))
        .mut_arg("seconds_a_place", |a| a.help(say(CalibrateText::AboutSeconds)))
}

pub(super) fn command(said: &Speaker, calibrate: Calibrate) -> ExitCode {
    let config = match said.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let beside = match beside(&calibrate) {
        Ok(beside) => beside,
        Err(problem) => return said.fault(&problem),
    };
    match on_one_thread(run(said, &config, &calibrate, beside)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => said.fault(&problem),
    }
}

/// Where the reference's levels come from.
fn beside(calibrate: &Calibrate) -> Result<Beside, CalibrateText> {
    if let Some(name) = &calibrate.reference {
        if calibrate.modem.as_ref() == Some(name) {
            return Err(CalibrateText::SameModem);
        }
        return Ok(Beside::Modem(name.clone()));
    }
    if let Some(text) = &calibrate.reference_dbm {
        let levels: Option<Vec<f32>> = text.split(',').map(typed).collect();
        return levels.filter(|all| all.len() == PLACES).map(Beside::Levels).ok_or(CalibrateText::ThreeLevels);
    }
    if std::io::stdin().is_terminal() { Ok(Beside::Asked) } else { Err(CalibrateText::NoAnswer) }
}

async fn run(said: &Speaker, config: &Config, calibrate: &Calibrate, beside: Beside) -> Result<(), CalibrateText> {
    let lost = |why: String| CalibrateText::Lost { why };
    let mut ends = Ends::listen().map_err(|error| lost(error.to_string()))?;
    let own = OwnAgent::where_none_runs(said, config).await.map_err(lost)?;
    let measured = tokio::select! {
        () = ends.come() => Err(lost("SIGINT".into())),
        measured = measure(said, config, calibrate, beside) => measured,
    };
    if let Some(own) = own {
        own.end().await;
    }
    report(said, config, calibrate, &measured?)
}

async fn measure(
    said: &Speaker,
    config: &Config,
    calibrate: &Calibrate,
    beside: Beside,
) -> Result<Vec<Place>, CalibrateText> {
    let place_ms = calibrate.seconds_a_place.map_or(PLACE_MS, |s| s.saturating_mul(1_000).clamp(1_000, PLACE_MS));
    let bench = Bench::set_up(said, config, calibrate.modem.as_deref(), beside, place_ms).await?;
    let begin = CalibrateText::Begin { modem: bench.modem().to_owned(), place: span(place_ms) };
    println!("{}", said.say(&begin));
    if place_ms < PLACE_MS {
        println!("{}", said.say(&CalibrateText::Shortened { s: place_ms / 1_000 }));
    }
    let mut places = Vec::with_capacity(PLACES);
    while places.len() < PLACES {
        places.push(bench.place(places.len()).await?);
    }
    Ok(places)
}

fn report(said: &Speaker, config: &Config, calibrate: &Calibrate, places: &[Place]) -> Result<(), CalibrateText> {
    for (n, place) in places.iter().enumerate() {
        let text = CalibrateText::Place {
            place: n + 1,
            own: place.own_bare_dbm,
            readings: place.own.readings,
            cell: place::cell(&place.own.pin),
            reference: place.reference_dbm,
            offset: place.offset_db,
        };
        println!("{}", said.say(&text));
    }
    let setup = config.setup.clone().unwrap_or_default();
    if setup.gain_dbi.is_some() || setup.cable_loss_db.is_some() {
        println!("{}", said.say(&CalibrateText::Bare { gain: setup.gain_dbi, loss: setup.cable_loss_db }));
    }
    let found = judge(places).map_err(|spread| CalibrateText::Refused { spread })?;
    println!("{}", said.say(&CalibrateText::Result { offset: found.offset_db, spread: found.spread_db }));
    let shortened = calibrate.seconds_a_place.filter(|s| s.saturating_mul(1_000) < PLACE_MS);
    let now = clock::now();
    let date = now.kernel.synced.then_some(now.wall_ms);
    if date.is_none() {
        println!("{}", said.say(&CalibrateText::NoDate));
    }
    let to = match shortened {
        Some(_) => said.file.with_extension("not-a-calibration"),
        None => said.file.clone(),
    };
    write(&said.file, &to, found.offset_db, date)?;
    match shortened {
        Some(s) => println!("{}", said.say(&CalibrateText::NotACalibration { s, file: to.display().to_string() })),
        None => {
            println!("{}", said.say(&CalibrateText::Written { file: to.display().to_string() }));
            println!("{}", said.say(&CalibrateText::Reload));
        }
    }
    Ok(())
}

/// The file with the two keys, read back before it takes the other's place.
fn write(from: &Path, to: &Path, offset_db: f32, date: Option<i64>) -> Result<(), CalibrateText> {
    let mut keys = vec![("offset_db", format!("{offset_db:?}"))];
    keys.extend(date.map(|ms| ("calibrated_at_ms", ms.to_string())));
    let failed = |why: String| CalibrateText::NotWritten {
        file: to.display().to_string(),
        why,
        lines: keys.iter().map(|(key, value)| format!("  {key} = {value}")).collect::<Vec<_>>().join("\n"),
    };
    let text = std::fs::read_to_string(from).map_err(|error| failed(error.to_string()))?;
    let text = edit::with_keys(&text, "setup", &keys);
    let read = Config::parse(&to.display().to_string(), &text).map_err(|problems| failed(problems.to_string()))?;
    let setup = read.setup.unwrap_or_default();
    if setup.offset_db != Some(offset_db) || date.is_some_and(|ms| setup.calibrated_at_ms != Some(ms)) {
        return Err(failed("[setup]?".into()));
    }
    replace(to, &text, FILE_MODE).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    const FILE: &str = "site = \"s\"\nprobe = \"p\"\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n";

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("phusong-calibrate-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("writable");
        dir
    }

    #[test]
    fn the_offset_is_written_and_everything_else_stays() {
        let dir = dir("writes");
        let file = dir.join("agent.toml");
        for before in [FILE.to_owned(), format!("{FILE}[setup]\nheight_m = 3.0 # on the roof\n")] {
            std::fs::write(&file, &before).expect("writable");
            write(&file, &file, -1.5, Some(1_795_000_000_000)).expect("it is written");
            let after = std::fs::read_to_string(&file).expect("it is there");
            let config = Config::parse("agent.toml", &after).expect("it is right");
            let setup = config.setup.expect("it has one");
            assert_eq!((setup.offset_db, setup.calibrated_at_ms), (Some(-1.5), Some(1_795_000_000_000)));
            assert!(before.lines().all(|line| after.lines().any(|other| other == line)), "{after}");
        }
        std::fs::remove_dir_all(dir).expect("own directory");
    }

    #[test]
    fn a_file_that_cannot_be_edited_is_left_alone_and_says_what_to_write() {
        let dir = dir("leaves");
        let file = dir.join("agent.toml");
        let inline = format!("setup = {{ height_m = 3.0 }}\n{FILE}");
        std::fs::write(&file, &inline).expect("writable");
        let refused = write(&file, &file, 2.0, None).expect_err("two tables of one name");
        assert!(matches!(&refused, CalibrateText::NotWritten { lines, .. } if lines == "  offset_db = 2.0"));
        assert_eq!(std::fs::read_to_string(&file).expect("it is there"), inline);
        let far = write(&file, &file, 99.0, None).expect_err("that is no offset");
        assert!(matches!(far, CalibrateText::NotWritten { .. }));
        std::fs::remove_dir_all(dir).expect("own directory");
    }
}
