//! The page of `aim`: black on white or white on black, bold, no grey, because it is read in the sun.
//!
//! In: a [`Screen`], the time, a language. Out: characters in a terminal's buffer. Refuses to know: where they go, keys,
//! what anything means. Limits: from 40x20, with room for everything at 80x24; on less it says so. What is old is struck
//! out and its large digits are gone; warnings are reversed.

mod canvas;
mod lists;
mod panel;

use super::screen::Screen;
use super::still::{HOLD_MS, Hold};
use super::told;
use super::track::OLD_MS;
use crate::text::aim::{self, AimText};
use crate::text::{Language, Said};
use canvas::Canvas;
use ratatui::Frame;

pub const LEAST_WIDTH: u16 = 40;
pub const LEAST_HEIGHT: u16 = 20;
/// From here on the two panels stand side by side.
const WIDE: u16 = 80;
/// Rows of one panel: large digits, and the bar under them.
const PANEL: u16 = 6;
/// The rows above the panels.
const HEAD: u16 = 3;

pub struct Page<'a> {
    pub screen: &'a Screen,
    pub now_ms: u64,
    pub language: Language,
}

impl Page<'_> {
    pub fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let mut canvas = Canvas::new(frame.buffer_mut(), self.screen.inverse);
        if area.width < LEAST_WIDTH || area.height < LEAST_HEIGHT {
            canvas.put(0, 0, area.width, &self.say(&AimText::TooSmall));
            return;
        }
        self.title(&mut canvas);
        if self.screen.help {
            return self.help(&mut canvas);
        }
        self.head(&mut canvas);
        if area.width >= WIDE {
            self.wide(&mut canvas)
        } else {
            self.narrow(&mut canvas)
        }
        let keys = if area.width >= WIDE { AimText::Keys } else { AimText::KeysShort };
        canvas.reversed(0, area.height - 1, area.width, &self.say(&keys));
    }

    fn say(&self, said: &dyn Said) -> String {
        said.say(self.language)
    }

    fn title(&self, canvas: &mut Canvas<'_>) {
        let identity = &self.screen.state().identity;
        let name = self.screen.modem().map(|name| name.0.clone());
        let parts = [Some(self.say(&AimText::Title)), name, identity.model.clone()];
        let left = parts.into_iter().flatten().collect::<Vec<_>>().join("  ");
        let width = canvas.width();
        canvas.reversed(0, 0, width, &left);
        let right = if width >= WIDE { self.position() } else { None };
        if let Some(right) = right {
            let columns = right.chars().count() as u16;
            canvas.reversed(width.saturating_sub(columns), 0, columns, &right);
        }
    }

    /// "GPS ±4 m 2 s", where there is one of now.
    fn position(&self) -> Option<String> {
        let fix = self.screen.fix()?;
        let radius = fix.accuracy_m.map_or_else(|| "—".to_owned(), |metres| format!("{metres:.0} m"));
        Some(format!(" GPS ±{radius}, {}", aim::span(self.now_ms.saturating_sub(fix.at_mono_ms))))
    }

    /// Which cell, and how the modem stands with its network.
    fn head(&self, canvas: &mut Canvas<'_>) {
        let width = canvas.width();
        canvas.put(0, 1, width, &told::identity(self.screen, self.now_ms, self.language));
        let (standing, is_trouble) = told::standing(self.screen, self.language);
        if is_trouble {
            return canvas.reversed(0, 2, width, &standing);
        }
        canvas.put(0, 2, width, &standing);
        let no_flow = || self.screen.no_flow.is_some().then(|| format!(" {} ", self.say(&AimText::NoFlow)));
        if let Some(ping) = self.ping() {
            let columns = ping.chars().count() as u16;
            canvas.put(width.saturating_sub(columns), 2, columns, &ping);
        } else if let Some(trouble) = no_flow() {
            let columns = trouble.chars().count() as u16;
            canvas.reversed(width.saturating_sub(columns), 2, columns, &trouble);
        }
    }

    fn ping(&self) -> Option<String> {
        let ping = self.screen.ping()?;
        let age_ms = self.now_ms.saturating_sub(ping.at_mono_ms);
        let value = aim::millis(ping.rtt_us);
        let value = if age_ms > OLD_MS { format!("{value} ({})", aim::span(age_ms)) } else { value };
        Some(format!(" {}", self.say(&AimText::Ping { value })))
    }

    fn wide(&self, canvas: &mut Canvas<'_>) {
        let (width, height) = (canvas.width(), canvas.height());
        let half = width / 2;
        panel::quality(self, canvas, 0, HEAD, half - 1);
        panel::level(self, canvas, half, HEAD, half);
        let below = HEAD + PANEL;
        self.legs(canvas, below);
        let list = height - below - 4;
        lists::rows(self, canvas, 0, below + 1, half - 1, list);
        lists::neighbours(self, canvas, half, below + 1, half, list);
        self.hold(canvas, height - 3);
        let [first, second] = self.acceptance();
        // Side by side with what is held; the bar below.
        if !first.is_empty() {
            canvas.put(half, height - 3, half, &first);
            canvas.put(half, height - 2, half, &second);
        }
    }

    fn narrow(&self, canvas: &mut Canvas<'_>) {
        let (width, height) = (canvas.width(), canvas.height());
        let foot = height - 5;
        if self.screen.lists {
            let half = (foot - HEAD) / 2;
            lists::rows(self, canvas, 0, HEAD, width, half);
            lists::neighbours(self, canvas, 0, HEAD + half, width, foot - HEAD - half);
        } else {
            panel::quality(self, canvas, 0, HEAD, width);
            panel::level(self, canvas, 0, HEAD + PANEL, width);
            let rest = foot.saturating_sub(HEAD + 2 * PANEL);
            lists::neighbours(self, canvas, 0, HEAD + 2 * PANEL, width, rest);
        }
        self.legs(canvas, foot);
        let [first, second] = self.acceptance();
        if first.is_empty() {
            lists::earlier(self, canvas, foot + 1, 2);
        } else {
            canvas.put(0, foot + 1, width, &first);
            canvas.put(0, foot + 2, width, &second);
        }
        self.hold(canvas, height - 2);
    }

    /// The other leg, or the branches where one of them is suspect.
    fn legs(&self, canvas: &mut Canvas<'_>, y: u16) {
        let width = canvas.width();
        let branches = self.screen.branches_dbm();
        if let Some(suspect) = super::branches::suspect(branches) {
            let text = AimText::CheckCable { branch: suspect.branch, below_db: suspect.below_db };
            canvas.reversed(0, y, width, &self.say(&text));
            if width >= WIDE {
                let text = format!(" {}", self.branches());
                let columns = text.chars().count() as u16;
                canvas.reversed(width - columns.min(width), y, columns, &text);
            }
            return;
        }
        if let Some(other) = self.screen.other_leg(self.now_ms).and_then(|track| track.latest()) {
            return canvas.put(0, y, width, &panel::leg(&other.1));
        }
        if !branches.is_empty() {
            canvas.put(0, y, width, &self.branches());
        }
    }

    fn branches(&self) -> String {
        let number = |dbm: &Option<f32>| dbm.map_or_else(|| "—".to_owned(), aim::number);
        let values = self.screen.branches_dbm().iter().map(number).collect::<Vec<_>>().join(" · ");
        self.say(&AimText::Branches { values })
    }

    fn hold(&self, canvas: &mut Canvas<'_>, y: u16) {
        let width = canvas.width().min(WIDE / 2);
        let text = self.say(&told::hold(self.screen, self.now_ms));
        match self.screen.hold(self.now_ms) {
            Hold::Stored { .. } => canvas.reversed(0, y, width, &text),
            Hold::Holding { ms } => {
                let columns = text.chars().count() as u16 + 1;
                canvas.put(0, y, width, &text);
                canvas.put(columns, y, width.saturating_sub(columns), &filled(ms as f64 / HOLD_MS as f64, 10));
            }
            _ => canvas.put(0, y, width, &text),
        }
    }

    /// Two lines; empty where nobody asked for it.
    fn acceptance(&self) -> [String; 2] {
        let acceptance = self.screen.acceptance();
        let [first, second] = told::acceptance(acceptance);
        let bar = || if acceptance.runs() { filled(acceptance.share(), 30) } else { String::new() };
        let say = |text: AimText| self.say(&text);
        [first.map(say).unwrap_or_default(), second.map_or_else(bar, say)]
    }

    fn help(&self, canvas: &mut Canvas<'_>) {
        let lines = aim::HELP.iter().map(|(vi, en)| if self.language == Language::Vi { vi } else { en });
        for (y, line) in (2..canvas.height()).zip(lines) {
            canvas.put(0, y, canvas.width(), line);
        }
        let Some(why) = &self.screen.no_flow else { return };
        let why = format!("{}: {why}", self.say(&AimText::NoFlow)).chars().collect::<Vec<_>>();
        let rows = why.chunks(usize::from(canvas.width())).map(String::from_iter);
        for (y, row) in (3 + aim::HELP.len() as u16..canvas.height()).zip(rows) {
            canvas.put(0, y, canvas.width(), &row);
        }
    }
}

/// A bar of what is done.
fn filled(share: f64, columns: usize) -> String {
    let full = ((share.clamp(0.0, 1.0) * columns as f64) as usize).min(columns);
    "█".repeat(full) + &"·".repeat(columns - full)
}

#[cfg(test)]
mod tests;
