//! `aim`: what somebody who turns an antenna has to see, each second, with or without a collector.
//!
//! In: the running agent over its socket; where none runs, one of our own for as long as this lasts. Out: the page, or a
//! line a second where there is no page; with `--accept` the record of commissioning. Refuses to know: modems, what the
//! values mean. Limits: one modem at a time; the agent is asked again every second while it is away.

mod own_agent;
mod plain;
mod session;
#[cfg(feature = "full")]
mod terminal;

use super::{Speaker, on_one_thread};
use crate::aim::Screen;
use crate::config::Config;
use crate::device::modem::ModemKey;
use crate::text::{AimText, Language, Said};
pub(super) use own_agent::OwnAgent;
use session::Session;
pub(super) use session::{Pace, paced};
use std::io::IsTerminal;
use std::process::ExitCode;
use tokio::signal::unix::{Signal, SignalKind, signal};

#[derive(Debug, clap::Args)]
pub(super) struct Aim {
    #[arg(long, value_name = "NAME")]
    modem: Option<String>,
    #[arg(long)]
    plain: bool,
    #[arg(long)]
    accept: bool,
}

/// The descriptions of the command and its arguments.
pub(super) fn described(command: clap::Command, language: Language) -> clap::Command {
    let say = |text: AimText| text.say(language);
    command
        .about(say(AimText::About))
        .mut_arg("modem", |a| a.help(say(AimText::AboutModem)))
        .mut_arg("plain", |a| a.help(say(AimText::AboutPlain)))
        .mut_arg("accept", |a| a.help(say(AimText::AboutAccept)))
}

pub(super) fn command(said: &Speaker, aim: Aim) -> ExitCode {
    match said.load() {
        Ok(config) => on_one_thread(run(said, &config, aim)),
        Err(exit) => exit,
    }
}

async fn run(said: &Speaker, config: &Config, aim: Aim) -> ExitCode {
    // Before an agent is started that has to be ended again.
    let mut ends = match Ends::listen() {
        Ok(ends) => ends,
        Err(error) => return said.fault(&AimText::StartFailed { why: error.to_string() }),
    };
    let own = match OwnAgent::where_none_runs(said, config).await {
        Ok(own) => own,
        Err(why) => return said.fault(&AimText::StartFailed { why }),
    };
    let session = Session::new(&config.data_dir, Screen::new(aim.modem.clone().map(ModemKey)));
    let exit = shown(said, session, &aim, &mut ends).await;
    if let Some(own) = own {
        own.end().await;
    }
    exit
}

#[cfg(feature = "full")]
async fn shown(said: &Speaker, session: Session, aim: &Aim, ends: &mut Ends) -> ExitCode {
    if aim.accept {
        return plain::accept(said, session, ends).await;
    }
    if aim.plain || !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return plain::lines(said, session, ends).await;
    }
    match terminal::page(said, session, ends).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => said.fault(&AimText::StartFailed { why: error.to_string() }),
    }
}

#[cfg(not(feature = "full"))]
async fn shown(said: &Speaker, session: Session, aim: &Aim, ends: &mut Ends) -> ExitCode {
    if aim.accept {
        return plain::accept(said, session, ends).await;
    }
    if !aim.plain && std::io::stdout().is_terminal() {
        println!("{}", said.say(&AimText::NoPage));
    }
    plain::lines(said, session, ends).await
}

/// The signals that end it: from the keyboard, from the system, from a terminal that is gone.
pub(super) struct Ends {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Ends {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Ends {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    pub(super) async fn come(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
