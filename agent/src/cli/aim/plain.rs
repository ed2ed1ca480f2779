//! Lines instead of a page: for slim builds, scripts, and whoever reads on with a screen reader.
//!
//! In: a [`Session`]. Out: one line a second, or the steps and the result of an acceptance. Refuses to know: terminals.
//! Limits: an acceptance waits [`MODEM_WITHIN`] for its modem.

use super::super::Speaker;
use super::Ends;
use super::session::Session;
use crate::aim::{Acceptance, Key, told};
use crate::control::AcceptStep;
use crate::device::clock;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;
use tokio::time::{Instant, interval, sleep_until};

/// A modem that was just plugged in needs some ten seconds.
const MODEM_WITHIN: Duration = Duration::from_secs(30);
/// Echoes between two lines.
const ECHOES: u32 = 10;

pub(super) async fn lines(said: &Speaker, mut session: Session, ends: &mut Ends) -> ExitCode {
    let mut second = interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = ends.come() => return ExitCode::SUCCESS,
            () = session.turn() => {}
            _ = second.tick() => {
                let line = told::line(&session.screen, clock::mono_ms(), said.language);
                // Whoever read it is gone.
                if writeln!(std::io::stdout(), "{line}").is_err() {
                    return ExitCode::SUCCESS;
                }
            }
        }
    }
}

pub(super) async fn accept(said: &Speaker, mut session: Session, ends: &mut Ends) -> ExitCode {
    let deadline = Instant::now() + MODEM_WITHIN;
    while session.screen.modem().is_none() {
        tokio::select! {
            () = ends.come() => return ExitCode::FAILURE,
            () = sleep_until(deadline) => {
                eprintln!("{}", told::standing(&session.screen, said.language).0);
                return ExitCode::FAILURE;
            }
            () = session.turn() => {}
        }
    }
    let _ = writeln!(std::io::stdout(), "{}", told::identity(&session.screen, clock::mono_ms(), said.language));
    session.press(Key::Accept);
    let mut before = Acceptance::No;
    while session.screen.acceptance().runs() {
        tokio::select! {
            () = ends.come() => return ExitCode::FAILURE,
            () = session.turn() => {}
        }
        let now = session.screen.acceptance();
        let between = matches!(now, Acceptance::Running(Some(AcceptStep::Pinging { sent, .. })) if sent % ECHOES != 0);
        if *now != before && !between {
            before = now.clone();
            for text in told::acceptance(now).into_iter().flatten() {
                // The record is stored, whether anybody reads of it or not.
                let _ = writeln!(std::io::stdout(), "{}", said.say(&text));
            }
        }
    }
    let is_done = matches!(session.screen.acceptance(), Acceptance::Done(_));
    if is_done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
