//! `survey start`, `mark`, `stop`, `status` and `export`.
//!
//! In: arguments, the running agent's answers over its socket, the survey's file. Out: text, a bell, files. Refuses to
//! know: how anything is measured. Limits: `export` needs no agent; everything else does.

use super::{Speaker, on_one_thread};
use crate::config::{Config, Language};
use crate::control::Client;
use crate::survey::{self, Answer, Ask, Format, Status};
use crate::text::{Said, SurveyText};
use phusong_protocol::Mark;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Between two looks of `status --follow`.
const LOOK: Duration = Duration::from_secs(1);

#[derive(Debug, clap::Subcommand)]
pub(super) enum SurveyCommand {
    Start {
        name: String,
        #[arg(long)]
        note: Option<String>,
    },
    Mark {
        #[arg(value_name = "centre|cultural-house|school|household|indoor", value_parser = mark)]
        kind: Mark,
        #[arg(long)]
        note: Option<String>,
    },
    Stop,
    Status {
        #[arg(long)]
        follow: bool,
        #[arg(long)]
        json: bool,
    },
    Export {
        file: PathBuf,
        #[arg(long, value_name = "NAME")]
        survey: Option<String>,
    },
}

/// As it stands on the wire.
fn mark(text: &str) -> Result<Mark, String> {
    serde_json::from_value(text.into()).map_err(|_| "centre | cultural-house | school | household | indoor".into())
}

fn name_of(mark: Mark) -> String {
    serde_json::to_value(mark).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The descriptions of the command and its arguments.
pub(super) fn described(command: clap::Command, language: Language) -> clap::Command {
    let say = |text: SurveyText| text.say(language);
    let json = crate::text::Help::Json.say(language);
    command
        .about(say(SurveyText::About))
        .disable_help_subcommand(true)
        .mut_subcommand("start", |c| {
            c.about(say(SurveyText::AboutStart))
                .mut_arg("name", |a| a.help(say(SurveyText::AboutName)))
                .mut_arg("note", |a| a.help(say(SurveyText::AboutNote)))
        })
        .mut_subcommand("mark", |c| {
            c.about(say(SurveyText::AboutMark))
                .mut_arg("kind", |a| a.help(say(SurveyText::AboutKind)))
                .mut_arg("note", |a| a.help(say(SurveyText::AboutNote)))
        })
        .mut_subcommand("stop", |c| c.about(say(SurveyText::AboutStop)))
        .mut_subcommand("status", |c| {
            c.about(say(SurveyText::AboutStatus))
                .mut_arg("follow", |a| a.help(say(SurveyText::AboutFollow)))
                .mut_arg("json", |a| a.help(json))
        })
        .mut_subcommand("export", |c| {
            c.about(say(SurveyText::AboutExport))
                .mut_arg("file", |a| a.help(say(SurveyText::AboutFile)))
                .mut_arg("survey", |a| a.help(say(SurveyText::AboutWhich)))
        })
}

pub(super) fn command(said: &Speaker, command: SurveyCommand) -> ExitCode {
    let config = match said.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    match command {
        SurveyCommand::Start { name, note } => {
            ask(said, &config, Ask::Start { name: name.clone(), note }, |_| SurveyText::Started { name: name.clone() })
        }
        SurveyCommand::Mark { kind, note } => ask(said, &config, Ask::Mark { mark: kind, note }, |status| {
            SurveyText::Marked { mark: name_of(kind), indoor: status.indoor }
        }),
        SurveyCommand::Stop => ask(said, &config, Ask::Stop, |status| SurveyText::Stopped(status.clone())),
        SurveyCommand::Status { follow: true, .. } => on_one_thread(follow(said, &config)),
        SurveyCommand::Status { json: true, .. } => match answered(said, &config, Ask::Status) {
            Ok(answer) => {
                println!("{}", serde_json::json!(answer));
                ExitCode::SUCCESS
            }
            Err(exit) => exit,
        },
        SurveyCommand::Status { .. } => ask(said, &config, Ask::Status, |status| SurveyText::Running(status.clone())),
        SurveyCommand::Export { file, survey } => export(said, &config, &file, survey.as_deref()),
    }
}

async fn asked(config: &Config, ask: Ask) -> Result<Answer, SurveyText> {
    let answer = Client::of(&config.data_dir).survey(ask).await;
    answer.map_err(|error| SurveyText::NoAgent { why: error.to_string() })
}

fn answered(said: &Speaker, config: &Config, ask: Ask) -> Result<Answer, ExitCode> {
    on_one_thread(asked(config, ask)).map_err(|problem| said.fault(&problem))
}

/// Asks, and says what it came to, or every reason why not.
fn ask(said: &Speaker, config: &Config, ask: Ask, good: impl Fn(&Status) -> SurveyText) -> ExitCode {
    let answer = match answered(said, config, ask) {
        Ok(answer) => answer,
        Err(exit) => return exit,
    };
    for refusal in &answer.refused {
        eprintln!("{}", said.say(&SurveyText::Refused(refusal.clone())));
    }
    if !answer.refused.is_empty() {
        return ExitCode::FAILURE;
    }
    println!("{}", said.say(&answer.survey.as_ref().map_or(SurveyText::NotRunning, good)));
    ExitCode::SUCCESS
}

/// Says how it goes, once a second where anything is new, and rings at the edges of holes, until the survey ends.
async fn follow(said: &Speaker, config: &Config) -> ExitCode {
    let mut before: Option<Status> = None;
    loop {
        let status = match asked(config, Ask::Status).await {
            Ok(Answer { survey: Some(status), .. }) => status,
            Ok(_) => {
                println!("{}", said.say(&SurveyText::NotRunning));
                return ExitCode::SUCCESS;
            }
            Err(problem) => return said.fault(&problem),
        };
        let was_inside = before.as_ref().is_some_and(|before| before.in_hole);
        let entered =
            before.as_ref().is_some_and(|before| status.holes > before.holes) || (before.is_none() && status.in_hole);
        if entered {
            println!("\u{7}{}", said.say(&SurveyText::EnteredHole));
        } else if was_inside && !status.in_hole {
            println!("\u{7}{}", said.say(&SurveyText::LeftHole));
        }
        if before.as_ref() != Some(&status) {
            println!("{}", said.say(&SurveyText::Running(status.clone())));
        }
        // A bell that waits in a buffer rings too late; a terminal that is gone hears none.
        let _ = std::io::stdout().flush();
        before = Some(status);
        tokio::time::sleep(LOOK).await;
    }
}

fn export(said: &Speaker, config: &Config, file: &Path, name: Option<&str>) -> ExitCode {
    let shown = || file.display().to_string();
    let Some(format) = Format::of(file) else { return said.fault(&SurveyText::UnknownForm { file: shown() }) };
    let known = survey::names(&config.data_dir);
    let name = match name {
        Some(name) if known.iter().any(|one| one == name) => name.to_owned(),
        Some(name) => {
            return said.fault(&SurveyText::NoSuchSurvey { name: name.to_owned(), known: known.join(", ") });
        }
        None => match newest(config, &known) {
            Some(name) => name,
            None => return said.fault(&SurveyText::NoSurveys),
        },
    };
    let write = || -> Result<survey::Exported, survey::ExportError> {
        let mut to = BufWriter::with_capacity(256 * 1024, File::create(file)?);
        let exported = survey::export(&survey::path(&config.data_dir, &name), format, &mut to)?;
        to.flush()?;
        // A file that was promised must survive the stick being pulled out.
        to.get_ref().sync_all()?;
        Ok(exported)
    };
    match write() {
        Ok(exported) => {
            let (points, marks) = (exported.points, exported.marks);
            println!("{}", said.say(&SurveyText::Exported { file: shown(), points, marks }));
            if exported.unreadable > 0 {
                eprintln!("{}", said.say(&SurveyText::Unreadable { lines: exported.unreadable }));
            }
            ExitCode::SUCCESS
        }
        Err(error) => said.fault(&SurveyText::NotExported { file: shown(), why: error.to_string() }),
    }
}

/// The survey that was written to last.
fn newest(config: &Config, names: &[String]) -> Option<String> {
    let written =
        |name: &&String| std::fs::metadata(survey::path(&config.data_dir, name)).and_then(|m| m.modified()).ok();
    names.iter().max_by_key(written).cloned()
}
