//! Writing to stdout: text, JSON lines, tables with colours on a terminal only.

use std::io::{IsTerminal, Write};

/// Columns wider than this are cut: one row stays one line on an ordinary terminal.
const CELL_CHARS: usize = 60;

/// A colour by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Plain,
    Bad,
    Dim,
}

/// One line, or several.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.trim_end_matches('\n').as_bytes())?;
    out.write_all(b"\n")?;
    Ok(out.flush()?)
}

/// Whether the reader of our output has gone, which is the reader's right.
pub fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Colours are for a terminal, and for those who want them (`NO_COLOR`).
pub fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

/// A text in a colour, if there are colours.
pub fn paint(text: &str, colour: Colour, colours: bool) -> String {
    let code = match colour {
        Colour::Bad => "31",
        Colour::Dim => "2",
        Colour::Plain => return text.to_owned(),
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

/// Rows under a heading, columns as wide as their widest cell.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| cut(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain([heading[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let heading: Vec<String> = heading.iter().map(|name| (*name).to_owned()).collect();
    let lines = std::iter::once(line(&heading)).chain(rows.iter().map(|row| line(row)));
    lines.collect::<Vec<_>>().join("\n")
}

/// What devices wrote may hold anything; a terminal gets no control characters from us.
pub fn cut(text: &str) -> String {
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut out: String = clean.clone().take(CELL_CHARS).collect();
    if clean.count() > CELL_CHARS {
        out.pop();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![vec!["na-chen-1".into(), "Nà Chèn".into()], vec!["a".into(), "b".into()]];
        assert_eq!(table(&["probe", "label"], &rows), "probe      label\nna-chen-1  Nà Chèn\na          b");
    }

    #[test]
    fn a_cell_is_cut_and_carries_no_control_characters() {
        assert_eq!(cut("a\x1b[31mb\n"), "a [31mb ");
        assert_eq!(cut(&"x".repeat(100)).chars().count(), CELL_CHARS);
    }
}
