//! A code as a QR symbol: for a terminal, in half blocks, and as SVG for a sheet of paper.
//!
//! In: a line of ASCII. Out: text. Refuses to know: what it says. Limits: what a symbol of version 40 takes (2,953
//! bytes).
//!
//! Cameras want dark modules on a light ground with a quiet zone of four modules (ISO/IEC 18004, 6.3.8). Where colours
//! may be used, both are said outright; without them the terminal is taken to be dark, and its blocks are the light.

use anyhow::Context;
use qrcode::{Color, EcLevel, QrCode};

const QUIET: usize = 4;
/// Black on bright white, in the 256 colours that every terminal has.
const PAPER: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";

pub struct Symbol {
    dark: Vec<bool>,
    width: usize,
}

impl Symbol {
    /// With low error correction: a screen is not scratched, and fewer modules are easier to see.
    pub fn of(text: &str) -> anyhow::Result<Self> {
        let symbol =
            QrCode::with_error_correction_level(text, EcLevel::L).context("the code is too long for a QR symbol")?;
        let width = symbol.width();
        Ok(Symbol { dark: symbol.into_colors().into_iter().map(|color| color == Color::Dark).collect(), width })
    }

    /// Modules with the quiet zone.
    fn side(&self) -> usize {
        self.width + 2 * QUIET
    }

    /// In coordinates that begin in the quiet zone; beyond it all is light.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |at: usize| at.checked_sub(QUIET).filter(|at| *at < self.width);
        inside(x).zip(inside(y)).is_some_and(|(x, y)| self.dark[y * self.width + x])
    }

    /// Two modules a character, one above the other.
    pub fn to_text(&self, colours: bool) -> String {
        let mut text = String::new();
        for y in (0..self.side()).step_by(2) {
            let block = |x: usize| {
                let (upper, lower) = (self.is_dark(x, y), self.is_dark(x, y + 1));
                match (upper == colours, lower == colours) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                }
            };
            let line: String = (0..self.side()).map(block).collect();
            text += &if colours { format!("{PAPER}{line}{RESET}\n") } else { format!("{line}\n") };
        }
        text
    }

    /// One path of unit squares, scaled by whoever shows it.
    pub fn to_svg(&self, title: &str) -> String {
        let side = self.side();
        let places = (0..side).flat_map(|y| (0..side).map(move |x| (x, y)));
        let path: String =
            places.filter(|(x, y)| self.is_dark(*x, *y)).map(|(x, y)| format!("M{x} {y}h1v1h-1z")).collect();
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{size}\" height=\"{size}\" viewBox=\"0 0 {side} {side}\" \
             shape-rendering=\"crispEdges\"><title>{title}</title>\
             <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path d=\"{path}\" fill=\"#000\"/></svg>\n",
            size = side * 8,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_and_without_colours_shows_the_same_modules() {
        let symbol = Symbol::of("phusong1:AAAA").expect("short");
        let (coloured, plain) = (symbol.to_text(true), symbol.to_text(false));
        let bare = coloured.replace(PAPER, "").replace(RESET, "");
        let inverted: String = bare
            .chars()
            .map(|c| match c {
                '█' => ' ',
                ' ' => '█',
                '▀' => '▄',
                '▄' => '▀',
                other => other,
            })
            .collect();
        assert_eq!(inverted, plain);
        assert!(coloured.lines().all(|line| line.starts_with(PAPER) && line.ends_with(RESET)));
        assert_eq!(plain.lines().next().map(|line| line.chars().all(|c| c == '█')), Some(true), "the quiet zone");
    }

    #[test]
    fn a_code_that_no_symbol_holds_is_refused() {
        assert!(Symbol::of(&"A".repeat(5_000)).is_err());
    }
}
