//! A phone with the app Network Survey, as far as others see it: its messages, its logs, the code that sets it up.
//!
//! In: what a record says. Out: the message, the line of the CSV log and the row of the GeoPackage log that the app
//! would write of it. Refuses to know: samples.

mod code;
mod record;
pub mod walk;

pub use code::{drawn, read_back, svg_as_png};
pub use record::{CsvLog, GeoLog, Record, stamp};
