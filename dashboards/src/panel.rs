//! The kinds of panels we use, each with the options that Grafana wants.
//!
//! In: a panel with its queries, how its fields are shown. Out: the panel, complete. Refuses to know: metrics, words.

mod bars;
mod map;
mod number;
mod series;
mod table;
mod timeline;

pub use bars::bars;
pub use map::map;
pub use number::{Look, number};
pub use series::{Stack, series};
pub use table::{Column, Show, table};
pub use timeline::timeline;

use crate::edition::Edition;
use crate::model::{Panel, Target};
use crate::text::Text;
use serde_json::{Value, json};

/// What a panel is called, and what one has to know to read it.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    pub title: Text,
    pub description: Text,
}

impl Said {
    fn panel(self, edition: &Edition, kind: &'static str, targets: Vec<Target>) -> Panel {
        Panel::new(kind, edition.say(self.title), edition.say(self.description), targets)
    }
}

/// The last value that is there.
fn last() -> Value {
    json!({"calcs": ["lastNotNull"], "fields": "", "values": false})
}
