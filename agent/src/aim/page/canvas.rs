//! Two inks on a terminal's buffer.
//!
//! In: text and where it stands. Out: cells. Refuses to know: what is written. Limits: what does not fit is cut.

use ratatui::buffer::Buffer;
use ratatui::style::{Color, Modifier, Style};

/// Of the 256 colours and not of the first 16: those a terminal may turn grey when they are bold.
const BLACK: Color = Color::Indexed(16);
const WHITE: Color = Color::Indexed(231);

pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    plain: Style,
    reversed: Style,
}

impl<'a> Canvas<'a> {
    /// A clean sheet.
    pub fn new(buffer: &'a mut Buffer, inverse: bool) -> Self {
        let (ink, paper) = if inverse { (WHITE, BLACK) } else { (BLACK, WHITE) };
        let style = |ink, paper| Style::default().fg(ink).bg(paper).add_modifier(Modifier::BOLD);
        let (plain, reversed) = (style(ink, paper), style(paper, ink));
        let area = buffer.area;
        buffer.set_style(area, plain);
        Canvas { buffer, plain, reversed }
    }

    pub fn width(&self) -> u16 {
        self.buffer.area.width
    }

    pub fn height(&self) -> u16 {
        self.buffer.area.height
    }

    pub fn put(&mut self, x: u16, y: u16, width: u16, text: &str) {
        self.write(x, y, width, text, self.plain);
    }

    /// Of another time: never to be taken for a value of now.
    pub fn struck(&mut self, x: u16, y: u16, width: u16, text: &str) {
        self.write(x, y, width, text, self.plain.add_modifier(Modifier::CROSSED_OUT));
    }

    /// A whole field in the other colours.
    pub fn reversed(&mut self, x: u16, y: u16, width: u16, text: &str) {
        let blank = " ".repeat(usize::from(width));
        self.write(x, y, width, &blank, self.reversed);
        self.write(x, y, width, text, self.reversed);
    }

    fn write(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let area = self.buffer.area;
        if x < area.width && y < area.height {
            self.buffer.set_stringn(x, y, text, usize::from(width.min(area.width - x)), style);
        }
    }
}
