//! One input line of the board, as `/sys/class/gpio` shows it.
//!
//! In: its number, the level that means mains. Out: whether there is mains, or nothing while the line cannot be read.
//! Refuses to know: who drives it. Limits: where a kernel is built without this directory, a program (`gpioget`) does it.

use std::path::{Path, PathBuf};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    class: PathBuf,
    number: u32,
    active_low: bool,
}

impl Line {
    /// Asks the kernel to show the line, where it does not yet; what it says to that shows when the line is read.
    pub fn new(sys: &Path, number: u32, active_low: bool) -> Self {
        let line = Line { class: sys.join("class/gpio"), number, active_low };
        if !line.file("value").exists() {
            let shown = std::fs::write(line.class.join("export"), number.to_string());
            let shown = shown.and_then(|()| std::fs::write(line.file("direction"), "in"));
            if let Err(error) = shown {
                tracing::warn!(number, %error, "the GPIO line of [power] cannot be read; a program can, with `command`");
            }
        }
        line
    }

    fn file(&self, name: &str) -> PathBuf {
        self.class.join(format!("gpio{}", self.number)).join(name)
    }

    pub fn read(&self) -> Option<bool> {
        let high = match super::word(&self.file("value"))?.as_str() {
            "0" => false,
            "1" => true,
            _ => return None,
        };
        Some(high != self.active_low)
    }
}
