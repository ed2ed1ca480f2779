//! Where panels stand: rows of a 24-column grid, from the top.
//!
//! In: rows of panels with their widths. Out: the panels with place and number. Refuses to know: what they show.
//! Limits: a row wider than 24 columns is a mistake of ours and ends the program.

use crate::model::{Grid, Panel};

pub const COLUMNS: u32 = 24;

#[derive(Debug, Default)]
pub struct Layout {
    panels: Vec<Panel>,
    y: u32,
}

impl Layout {
    /// A row of `height`; each panel with its width, from the left.
    pub fn row(mut self, height: u32, panels: impl IntoIterator<Item = (u32, Panel)>) -> Self {
        let mut x = 0;
        for (width, mut panel) in panels {
            assert!(x + width <= COLUMNS, "{}: the row is wider than {COLUMNS} columns", panel.title);
            panel.grid_pos = Grid { x, y: self.y, w: width, h: height };
            panel.id = u32::try_from(self.panels.len()).expect("a handful of panels") + 1;
            self.panels.push(panel);
            x += width;
        }
        self.y += height;
        self
    }

    pub fn panels(self) -> Vec<Panel> {
        self.panels
    }
}
