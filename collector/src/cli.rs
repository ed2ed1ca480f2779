//! The command line: what can be asked of a collector, and how answers and errors are shown.
//!
//! In: arguments. Out: text for people on stdout, JSON with `--json`; errors on stderr with what to do, exit code 1
//! (2 for a wrong call). Refuses to know: how things are done. Every command but `run` works beside a running
//! collector and, where it only needs the database, without one.

mod areas;
mod dead_letters;
mod describe;
mod import;
mod observations;
mod output;
mod phone;
mod policy;
mod probe;
mod recompute;
mod storage;
mod when;

use crate::collector;
use crate::config::{self, Config};
use crate::logging;
use anyhow::Context;
use clap::{Parser, Subcommand};
use output::print;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Where the packages put it.
const CONFIG_FILE: &str = "/etc/phusong/collector.toml";

#[derive(Debug, Parser)]
#[command(name = "phusong-collector", version, about = "Takes what probes measure into the store, each sample once")]
struct Args {
    /// The configuration file.
    #[arg(long, global = true, default_value = CONFIG_FILE, value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the collector until SIGTERM or Ctrl-C.
    Run,
    /// Registers, lists, moves and retires probes.
    #[command(subcommand)]
    Probe(probe::Command),
    /// Registers phones: probes by the app Network Survey.
    #[command(subcommand)]
    Phone(phone::Command),
    /// Imports and shows areas: provinces, communes, hamlets.
    #[command(subcommand)]
    Areas(areas::Command),
    /// Shows what has been measured.
    #[command(subcommand)]
    Observations(observations::Command),
    /// Takes files: a spool of `phusong-agent spool export`, logs of phones, CSV of other tools.
    Import(Box<import::Import>),
    /// Shows and replays what could not be accepted.
    #[command(subcommand)]
    DeadLetters(dead_letters::Command),
    /// Adds and shows versions of the thresholds by which coverage is judged.
    #[command(subcommand)]
    Policy(policy::Command),
    /// Judges again what is not sealed, by the policies that hold or by one of them. Sends no alerts.
    Recompute(recompute::Recompute),
    /// Says how large the store will become.
    #[command(subcommand)]
    Storage(storage::Command),
    /// Shows or checks the configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Prints the JSON Schema of everything on the wire.
    Schema,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Prints what holds, secrets masked.
    Show,
    /// Says whether the file is right.
    Check,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match dispatch(args) {
        Ok(()) => ExitCode::SUCCESS,
        // `observations list | head` is no error.
        Err(error) if output::is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(args: Args) -> anyhow::Result<()> {
    let config = || load(&args.config);
    match args.command {
        Command::Run => {
            let config = config()?;
            let level = logging::start(config.log.level);
            collector::run(&args.config, config, level)
        }
        Command::Probe(command) => probe::run(&config()?, command),
        Command::Phone(command) => phone::run(&config()?, command),
        Command::Areas(command) => areas::run(&config()?, command),
        Command::Observations(command) => observations::run(&config()?, command),
        Command::Import(import) => import::run(&config()?, &import),
        Command::DeadLetters(command) => dead_letters::run(&config()?, command),
        Command::Policy(command) => policy::run(&config()?, command),
        Command::Recompute(args) => recompute::run(&config()?, &args),
        Command::Storage(command) => storage::run(&config()?, command),
        Command::Config(ConfigCommand::Show) => print(&config()?.to_toml()),
        Command::Config(ConfigCommand::Check) => {
            config()?;
            print(&format!("{}: right", args.config.display()))
        }
        Command::Schema => {
            let schema = serde_json::to_string_pretty(&phusong_protocol::schema::document())?;
            print(&schema)
        }
    }
}

fn load(file: &Path) -> anyhow::Result<Config> {
    Ok(config::load(file)?)
}

/// A runtime for the commands that wait for Ctrl-C.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")
}
