//! The page in a real terminal: what is said and pressed is drawn at once.
//!
//! In: a [`Session`], the terminal. Out: the page until somebody quits. Refuses to know: what a key means to the agent.
//! Limits: drawn at most ten times a second, and once a second so that ages go on; the terminal is given back in any
//! case.

use super::super::Speaker;
use super::Ends;
use super::session::Session;
use crate::aim::Key;
use crate::aim::page::Page;
use crate::device::clock;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval};

/// Keys that wait to be taken in.
const KEYS: usize = 16;
/// How soon the reading of keys notices that nobody wants them any more.
const LOOK: Duration = Duration::from_millis(100);
const LEAST_BETWEEN: Duration = Duration::from_millis(100);
const MOST_BETWEEN: Duration = Duration::from_millis(500);

pub(super) async fn page(said: &Speaker, mut session: Session, ends: &mut Ends) -> std::io::Result<()> {
    let mut terminal = ratatui::try_init()?;
    let stop = Arc::new(AtomicBool::new(false));
    let (keys, mut pressed) = mpsc::channel(KEYS);
    let reader = std::thread::spawn({
        let stop = stop.clone();
        move || read(&keys, &stop)
    });
    let shown = run(said, &mut session, ends, &mut terminal, &mut pressed).await;
    stop.store(true, Ordering::Relaxed);
    // It looks ten times a second.
    let _ = reader.join();
    ratatui::restore();
    shown
}

async fn run(
    said: &Speaker,
    session: &mut Session,
    ends: &mut Ends,
    terminal: &mut DefaultTerminal,
    pressed: &mut mpsc::Receiver<Option<Key>>,
) -> std::io::Result<()> {
    let mut tick = interval(MOST_BETWEEN);
    let mut drawn: Option<Instant> = None;
    while !session.has_quit() {
        let mut at_once = false;
        tokio::select! {
            () = ends.come() => return Ok(()),
            () = session.turn() => {}
            _ = tick.tick() => at_once = true,
            key = pressed.recv() => match key {
                Some(Some(key)) => {
                    session.press(key);
                    at_once = true;
                }
                // Another size.
                Some(None) => at_once = true,
                // The terminal is gone.
                None => return Ok(()),
            },
        }
        if at_once || drawn.is_none_or(|at| at.elapsed() >= LEAST_BETWEEN) {
            let page = Page { screen: &session.screen, now_ms: clock::mono_ms(), language: said.language };
            terminal.draw(|frame| page.draw(frame))?;
            drawn = Some(Instant::now());
        }
    }
    Ok(())
}

/// Keys and changes of size, until told to stop or until the terminal is gone.
fn read(keys: &mpsc::Sender<Option<Key>>, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let event = match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let said = match event {
            Ok(Event::Key(key)) if key.kind == KeyEventKind::Press => Some(meaning(key.code, key.modifiers)),
            Ok(Event::Resize(..)) => None,
            Ok(_) => continue,
            Err(_) => return,
        };
        // A full queue means a key that is held down.
        let _ = keys.try_send(said);
    }
}

fn meaning(code: KeyCode, modifiers: KeyModifiers) -> Key {
    match code {
        KeyCode::Char('c' | 'd') if modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char('q' | 'Q') => Key::Quit,
        KeyCode::Char('a' | 'A') => Key::Accept,
        KeyCode::Char('m' | 'M') => Key::Modem,
        KeyCode::Char('l' | 'L') => Key::Lists,
        KeyCode::Char('i' | 'I') => Key::Inverse,
        KeyCode::Char('?' | 'h' | 'H') => Key::Help,
        KeyCode::Tab => Key::Leg,
        _ => Key::Other,
    }
}
