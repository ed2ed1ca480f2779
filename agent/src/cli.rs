//! The command line: what can be asked, in which language it is answered, and with which exit code.
//!
//! In: arguments. Out: text on stdout, problems on stderr, 0 for good, 1 for a fault, 2 for arguments that make no
//! sense. Refuses to know: how anything is done. Limits: one command a run.

mod aim;
mod calibrate;
mod check;
mod config;
mod join;
mod measure;
mod modem;
mod spool;
#[cfg(feature = "full")]
mod survey;

use crate::config::{Config, DEFAULT_FILE, Language, Problems};
use crate::text::{Finding, Help, Said, SetupText, language_of_environment};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use join::give_to_service;
use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

// The descriptions are put in by `command`, in the language of the person.
#[derive(Debug, Parser)]
#[command(name = "phusong-agent", version)]
struct Arguments {
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[arg(long, global = true, value_name = "vi|en", value_parser = language)]
    lang: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Join(join::Join),
    Run {
        /// Ends with the process that started it.
        #[arg(long, hide = true, value_name = "PID")]
        with_parent: Option<i32>,
    },
    Measure {
        #[arg(long)]
        json: bool,
    },
    Check,
    Aim(aim::Aim),
    Calibrate(calibrate::Calibrate),
    #[cfg(feature = "full")]
    #[command(subcommand)]
    Survey(survey::SurveyCommand),
    #[command(subcommand)]
    Spool(SpoolCommand),
    #[command(subcommand)]
    Modem(modem::ModemCommand),
    #[command(subcommand)]
    Config(ConfigCommand),
}

#[derive(Debug, Subcommand)]
enum SpoolCommand {
    Status {
        #[arg(long)]
        json: bool,
    },
    Export {
        file: PathBuf,
        #[arg(long)]
        raw: bool,
    },
    Ack {
        file: PathBuf,
    },
    Verify,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum ConfigCommand {
    Show,
    Check,
}

fn language(text: &str) -> Result<Language, String> {
    match text {
        "vi" => Ok(Language::Vi),
        "en" => Ok(Language::En),
        _ => Err("vi | en".into()),
    }
}

/// Does what the arguments say.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Help is wanted in the right language before the arguments are understood.
    let asked = arguments.windows(2).find(|w| w[0] == "--lang").and_then(|w| language(w[1].to_str()?).ok());
    let in_one = arguments.iter().find_map(|a| language(a.to_str()?.strip_prefix("--lang=")?).ok());
    let first_language = asked.or(in_one).unwrap_or_else(language_of_environment);
    let parsed = command(first_language).try_get_matches_from(&arguments);
    let arguments = match parsed.and_then(|matches| Arguments::from_arg_matches(&matches)) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Nothing is left to be said when even this cannot be written.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let file = arguments.config.clone().unwrap_or_else(|| PathBuf::from(DEFAULT_FILE));
    // What the file says about the language counts where neither the arguments nor the file's reader object.
    let of_file = || Config::load(&file).ok().map(|config| config.language);
    let language = arguments.lang.or_else(of_file).unwrap_or(first_language);
    let said = Speaker { language, file, named: arguments.config.is_some() };
    match arguments.command {
        Command::Join(join) => join::command(&said, join),
        Command::Run { with_parent } => said.run(with_parent),
        Command::Measure { json } => measure::command(&said, json),
        Command::Check => check::command(&said),
        #[cfg(feature = "full")]
        Command::Survey(command) => survey::command(&said, command),
        Command::Aim(aim) => aim::command(&said, aim),
        Command::Calibrate(calibrate) => calibrate::command(&said, calibrate),
        Command::Spool(SpoolCommand::Status { json }) => spool::status(&said, json),
        Command::Spool(SpoolCommand::Export { file, raw }) => spool::export(&said, &file, raw),
        Command::Spool(SpoolCommand::Ack { file }) => spool::ack(&said, &file),
        Command::Spool(SpoolCommand::Verify) => spool::verify(&said),
        Command::Modem(command) => modem::command(&said, command),
        Command::Config(ConfigCommand::Show) => config::show(&said),
        Command::Config(ConfigCommand::Check) => config::check(&said),
    }
}

fn command(language: Language) -> clap::Command {
    let say = |help: Help| help.say(language);
    let command = Arguments::command()
        .about(say(Help::Program))
        .disable_help_subcommand(true)
        .mut_arg("config", |a| a.help(format!("{} [{DEFAULT_FILE}]", say(Help::File))))
        .mut_arg("lang", |a| a.help(say(Help::Lang)))
        .mut_subcommand("join", |c| {
            c.about(say(Help::Join))
                .mut_arg("code", |a| a.help(say(Help::JoinCode)))
                .mut_arg("data_dir", |a| a.help(say(Help::JoinDataDir)))
                .mut_arg("provider", |a| a.help(say(Help::JoinProvider)))
                .mut_arg("setup", |a| a.help(SetupText::About.say(language)))
                .mut_arg("replace", |a| a.help(say(Help::JoinReplace)))
        })
        .mut_subcommand("run", |c| c.about(say(Help::Run)))
        .mut_subcommand("measure", |c| c.about(say(Help::Measure)).mut_arg("json", |a| a.help(say(Help::Json))))
        .mut_subcommand("check", |c| c.about(say(Help::Check)))
        .mut_subcommand("aim", |c| aim::described(c, language))
        .mut_subcommand("calibrate", |c| calibrate::described(c, language))
        .mut_subcommand("spool", |c| {
            c.about(say(Help::Spool))
                .disable_help_subcommand(true)
                .mut_subcommand("status", |c| {
                    c.about(say(Help::SpoolStatus)).mut_arg("json", |a| a.help(say(Help::Json)))
                })
                .mut_subcommand("export", |c| {
                    c.about(say(Help::SpoolExport))
                        .mut_arg("file", |a| a.help(say(Help::ExportFile)))
                        .mut_arg("raw", |a| a.help(say(Help::ExportRaw)))
                })
                .mut_subcommand("ack", |c| c.about(say(Help::SpoolAck)).mut_arg("file", |a| a.help(say(Help::AckFile))))
                .mut_subcommand("verify", |c| c.about(say(Help::SpoolVerify)))
        })
        .mut_subcommand("modem", |c| {
            c.about(say(Help::Modem)).disable_help_subcommand(true).mut_subcommand("decode", |c| {
                c.about(say(Help::ModemDecode)).mut_arg("model", |a| a.help(say(Help::DecodeModel)))
            })
        })
        .mut_subcommand("config", |c| {
            c.about(say(Help::Config))
                .disable_help_subcommand(true)
                .mut_subcommand("show", |c| c.about(say(Help::ConfigShow)))
                .mut_subcommand("check", |c| c.about(say(Help::ConfigCheck)))
        });
    #[cfg(feature = "full")]
    let command = command.mut_subcommand("survey", |c| survey::described(c, language));
    command
}

/// Who answers: in which language, and about which file.
pub(crate) struct Speaker {
    language: Language,
    file: PathBuf,
    /// Whether the person named the file, so that its absence is a fault even where no file is needed.
    named: bool,
}

impl Speaker {
    fn say(&self, message: &dyn Said) -> String {
        message.say(self.language)
    }

    fn fault(&self, message: &dyn Said) -> ExitCode {
        eprintln!("{}", self.say(message));
        ExitCode::FAILURE
    }

    /// The checked configuration, or the exit after its problems were shown.
    fn load(&self) -> Result<Config, ExitCode> {
        Config::load(&self.file).map_err(|problems| self.show(&problems))
    }

    fn show(&self, problems: &Problems) -> ExitCode {
        if !Path::new(&self.file).exists() {
            eprintln!("{}", self.say(&Finding::ConfigNeeded { file: self.file.display().to_string() }));
            eprintln!("  {}", self.say(&crate::text::Advice::WriteConfig));
            return ExitCode::FAILURE;
        }
        eprintln!("{}", self.say(&Finding::ConfigBad { problems: problems.0.len() }));
        eprintln!("{}", problems.say(self.language));
        ExitCode::FAILURE
    }

    fn run(&self, with_parent: Option<i32>) -> ExitCode {
        crate::logging::init();
        if let Some(Err(error)) = with_parent.map(end_with_parent) {
            return self.fault(&Finding::StartFailed { why: error.to_string() });
        }
        let config = match self.load() {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        match on_one_thread(crate::agent::run(self.file.clone(), config)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => self.fault(&Finding::StartFailed { why: error.to_string() }),
        }
    }
}

/// SIGTERM once the process that started this one is gone, however it went.
fn end_with_parent(parent: i32) -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    // It may have gone before it was asked for.
    let there = rustix::process::getppid().is_some_and(|pid| pid.as_raw_pid() == parent);
    if there { Ok(()) } else { Err(std::io::Error::other("whoever started this is gone")) }
}

/// Runs a future to its end. One thread, and few for the system's resolver, which blocks.
fn on_one_thread<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(4).build();
    let runtime = runtime.expect("the kernel gives a process its event queue");
    let result = runtime.block_on(work);
    // A name look-up that hangs must not hold the end up.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent_and_every_command_is_described_in_both_languages() {
        fn described(command: &clap::Command) {
            assert!(command.get_about().is_some(), "{} has no description", command.get_name());
            for argument in command.get_arguments().filter(|a| !["help", "version"].contains(&a.get_id().as_str())) {
                assert!(argument.get_help().is_some(), "{} of {}", argument.get_id(), command.get_name());
            }
            command.get_subcommands().for_each(described);
        }
        for language in [Language::Vi, Language::En] {
            command(language).debug_assert();
            described(&command(language));
        }
    }
}
