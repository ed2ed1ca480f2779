//! `join CODE`: from a pasted code to the first acknowledged sample, without an editor.
//!
//! In: a code, as arguments or on stdin. Out: the configuration, ca.pem, the findings of `check`, "Đã nhận". Refuses to
//! know: how a secret is exchanged (`exchange`), what the configuration says (`file`).
//!
//! The lasting credentials are durable before they are used; until they were used the same code works again, and after
//! that the configuration is there. So whatever cuts a join off, the same command goes on from there.
//! Limits: 20 s to reach the broker, 20 s for the exchange, a minute at worst for the checks.

mod exchange;
mod file;
mod setup;

use super::{Speaker, check, on_one_thread};
use crate::config::Config;
use crate::device::clock::{self, Floor};
use crate::disk::{DiskError, RealDisk};
use crate::text::JoinText;
use exchange::{Failure, Joined, exchange, lets_in};
use file::Draft;
pub(super) use file::{give_to_service, replace};
use phusong_protocol::JoinCode;
use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::process::ExitCode;

/// How long a one-time secret is good: so long before its end it was made, and it is never earlier than that now.
const OFFER_MS: i64 = 24 * 3_600_000;

#[derive(Debug, clap::Args)]
pub(super) struct Join {
    /// Several words where a messenger has wrapped the line.
    #[arg(value_name = "CODE")]
    code: Vec<String>,
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    #[arg(long)]
    provider: Option<String>,
    #[arg(long, value_name = "KEY=VALUE,..")]
    setup: Option<String>,
    #[arg(long)]
    replace: bool,
}

pub(super) fn command(said: &Speaker, join: Join) -> ExitCode {
    match run(said, join) {
        Ok(exit) => exit,
        Err(problem) => said.fault(&problem),
    }
}

fn run(said: &Speaker, join: Join) -> Result<ExitCode, JoinText> {
    let code = read(said, &join.code)?;
    let data_dir = join.data_dir.map(|dir| std::path::absolute(&dir).unwrap_or(dir));
    let draft = Draft::new(said, &code, data_dir, join.provider);
    let before = draft.found();
    if before.is_other() && !join.replace {
        return Err(JoinText::ConfigThere { file: said.file.display().to_string() });
    }
    let known = before.of_this_code();
    let data_dir = match &known {
        Some(config) => config.data_dir.clone(),
        None => draft.data_dir(),
    };
    let draft = match &known {
        Some(_) => draft,
        None => {
            nobody_runs(&data_dir)?;
            draft.with_setup(setup::learned(said, join.setup.as_deref()).map_err(JoinText::BadSetup)?)
        }
    };
    println!("{}", said.say(&JoinText::Joining { probe: code.probe.to_string(), site: code.site.to_string() }));
    let floor_unix_ms = floor(&code, &data_dir)?;
    let config = match known {
        Some(config) => on_one_thread(lets_in(config, floor_unix_ms)),
        None => None,
    };
    let config = match config {
        Some(config) => {
            println!("{}", said.say(&JoinText::Again));
            config
        }
        None => {
            let joined = on_one_thread(exchange(&code, floor_unix_ms)).map_err(|failure| explain(failure, &code))?;
            write(said, &draft, &joined)?
        }
    };
    keep_floor(&data_dir, floor_unix_ms);
    Ok(finish(said, config))
}

/// From the arguments, else from whoever types or pastes.
fn read(said: &Speaker, words: &[String]) -> Result<JoinCode, JoinText> {
    if !words.is_empty() {
        return words.concat().parse().map_err(JoinText::BadCode);
    }
    if std::io::stdin().is_terminal() {
        println!("{}", said.say(&JoinText::Paste));
    }
    let mut text = String::new();
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        // A wrapped code comes in several lines; an empty one ends it.
        let ended = line.trim().is_empty() && !text.is_empty();
        text += &line;
        if ended || text.len() > 8 * phusong_protocol::limits::STRING_BYTES * 8 {
            break;
        }
        if let Ok(code) = text.parse() {
            return Ok(code);
        }
    }
    text.parse().map_err(JoinText::BadCode)
}

/// An agent over the same spool would go on with the old configuration.
fn nobody_runs(data_dir: &std::path::Path) -> Result<(), JoinText> {
    let spool = data_dir.join("spool");
    if !spool.exists() {
        return Ok(());
    }
    match RealDisk::exclusive(&spool) {
        Err(DiskError::Locked { .. }) => Err(JoinText::AgentRuns { data_dir: data_dir.display().to_string() }),
        _ => Ok(()),
    }
}

/// The least that the time can be: what was known before, and when the code was made. Says when the code is too old.
fn floor(code: &JoinCode, data_dir: &std::path::Path) -> Result<i64, JoinText> {
    let now = clock::now();
    let known = Floor::load(data_dir, now.mono_ms).at(now.mono_ms);
    let Some(until_ms) = code.expires_ms else { return Ok(known) };
    let least = known.max(until_ms.saturating_sub(OFFER_MS));
    // A clock that nobody set may be wrong in either direction: then the collector decides.
    let sure = if now.kernel.synced { now.wall_ms } else { known };
    if sure >= until_ms { Err(JoinText::Expired) } else { Ok(least) }
}

fn keep_floor(data_dir: &std::path::Path, floor_unix_ms: i64) {
    let mut floor = Floor::load(data_dir, clock::mono_ms());
    floor.at_least(floor_unix_ms, clock::mono_ms());
    // Lost, it is found again at the next synced clock.
    let _ = std::fs::create_dir_all(data_dir).and_then(|()| floor.store());
}

fn explain(failure: Failure, code: &JoinCode) -> JoinText {
    match failure {
        Failure::Refused { host } => JoinText::Refused { host, one_time: code.one_time },
        Failure::Fingerprint { host } => JoinText::Fingerprint { host },
        Failure::Clock { host } => JoinText::Clock { host },
        Failure::Silent { host } => JoinText::Silent { host },
        Failure::NoWay { hosts } => JoinText::NoWay { hosts },
    }
}

/// The configuration as it now stands on the disk, with the broker that answered alone.
fn write(said: &Speaker, draft: &Draft<'_>, joined: &Joined) -> Result<Config, JoinText> {
    let failed = |error: anyhow::Error| JoinText::NotWritten { why: format!("{error:#}") };
    draft.write(joined).map_err(failed)?;
    println!("{}", said.say(&JoinText::Written { file: said.file.display().to_string() }));
    let mut config = Config::load(&said.file).map_err(|problems| failed(anyhow::anyhow!("{problems}")))?;
    config.brokers.truncate(1);
    Ok(config)
}

fn finish(said: &Speaker, config: Config) -> ExitCode {
    let data_dir = config.data_dir.clone();
    let (_, acked) = check::examine(said, config);
    if let Err(error) = give_to_service(&data_dir) {
        println!(
            "{}",
            said.say(&JoinText::NotGiven { data_dir: data_dir.display().to_string(), why: error.to_string() })
        );
    }
    if !acked {
        println!("{}", said.say(&JoinText::NotReceived));
        return ExitCode::FAILURE;
    }
    println!("{}", said.say(&JoinText::Received));
    let file = said.file.display().to_string();
    let as_service = file == crate::config::DEFAULT_FILE && std::path::Path::new("/run/systemd/system").exists();
    println!("{}", said.say(&if as_service { JoinText::StartService } else { JoinText::StartByHand { file } }));
    ExitCode::SUCCESS
}
