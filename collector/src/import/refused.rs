//! What was refused, and why: counted whole, the first of it shown, all of it written where somebody wants it.
//!
//! In: the place of a row and a reason. Out: lines for people, a CSV file. Refuses to know: rows. Limits: [`SHOWN`] in
//! memory.

use std::io::Write;

/// As many as a person reads.
const SHOWN: usize = 20;

/// The whole list goes to `out`.
pub struct Refused {
    count: u64,
    shown: Vec<String>,
    out: Option<Box<dyn Write + Send>>,
    failed: Option<std::io::Error>,
}

impl Refused {
    pub fn new(out: Option<Box<dyn Write + Send>>) -> Self {
        let mut refused = Refused { count: 0, shown: Vec::new(), out, failed: None };
        refused.write("file,place,why\n");
        refused
    }

    /// `place` is a line, or a table and its row.
    pub fn note(&mut self, file: &str, place: &str, why: &str) {
        self.count += 1;
        if self.shown.len() < SHOWN {
            self.shown.push(format!("{file}:{place}: {why}"));
        }
        if self.out.is_some() {
            self.write(&format!("{},{},{}\n", quoted(file), quoted(place), quoted(why)));
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn shown(&self) -> &[String] {
        &self.shown
    }

    /// The list is whole, or why it is not.
    pub fn close(&mut self) -> std::io::Result<()> {
        if let Some(out) = &mut self.out {
            out.flush()?;
        }
        self.failed.take().map_or(Ok(()), Err)
    }

    /// The import goes on when its list cannot be written; that is said at the end.
    fn write(&mut self, line: &str) {
        if let (Some(out), None) = (&mut self.out, &self.failed)
            && let Err(e) = out.write_all(line.as_bytes())
        {
            self.failed = Some(e);
        }
    }
}

fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("one thread").write(bytes)
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_counted_and_written_and_the_first_is_shown() {
        let kept = Kept::default();
        let mut refused = Refused::new(Some(Box::new(kept.clone())));
        (2..1_002).for_each(|line: u32| refused.note("a.csv", &line.to_string(), "rsrp is `x`, write a number"));
        refused.close().expect("memory takes everything");
        assert_eq!((refused.count(), refused.shown().len()), (1_000, SHOWN));
        assert_eq!(refused.shown()[0], "a.csv:2: rsrp is `x`, write a number");
        let text = String::from_utf8(kept.0.lock().expect("one thread").clone()).expect("text");
        assert_eq!(text.lines().count(), 1_001);
        assert_eq!(text.lines().nth(1), Some("a.csv,2,\"rsrp is `x`, write a number\""));
    }
}
