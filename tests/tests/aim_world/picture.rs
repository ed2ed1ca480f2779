//! A terminal's screen as a picture.
//!
//! In: lines with the escape sequences that tmux gives of a pane. Out: SVG. Refuses to know: what is shown. Limits: the
//! 256 colours, bold, reversed, struck out; any other attribute is drawn plain.

use std::fmt::Write;

const CELL: (f64, f64) = (9.0, 18.0);
const INK: u8 = 231;
const PAPER: u8 = 16;

#[derive(Debug, Clone, Copy, PartialEq)]
struct Style {
    ink: u8,
    paper: u8,
    bold: bool,
    reversed: bool,
    struck: bool,
}

const PLAIN: Style = Style { ink: INK, paper: PAPER, bold: false, reversed: false, struck: false };

pub fn svg(pane: &str) -> String {
    let mut style = PLAIN;
    let rows: Vec<Vec<(char, Style)>> = pane.lines().map(|line| cells(line, &mut style)).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let (width, height) = (columns as f64 * CELL.0, rows.len() as f64 * CELL.1);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         font-family=\"DejaVu Sans Mono, monospace\" font-size=\"15\">\n"
    );
    let paper = rgb(PLAIN.paper);
    writeln!(out, "<rect width=\"{width}\" height=\"{height}\" fill=\"{paper}\"/>").expect("memory takes it");
    for (y, row) in rows.iter().enumerate() {
        for (x, (c, style)) in row.iter().enumerate() {
            cell(&mut out, (x as f64 * CELL.0, y as f64 * CELL.1), *c, *style);
        }
    }
    out + "</svg>\n"
}

fn cell(out: &mut String, (x, y): (f64, f64), c: char, style: Style) {
    let (ink, paper) = if style.reversed { (style.paper, style.ink) } else { (style.ink, style.paper) };
    let mut rect = |x: f64, width: f64, y: f64, height: f64, colour: u8| {
        let fill = rgb(colour);
        let crisp = "shape-rendering=\"crispEdges\"";
        writeln!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" fill=\"{fill}\" {crisp}/>")
            .expect("memory takes it");
    };
    rect(x, CELL.0, y, CELL.1, paper);
    match c {
        '█' => rect(x, CELL.0, y, CELL.1, ink),
        '▄' => rect(x, CELL.0, y + CELL.1 / 2.0, CELL.1 / 2.0, ink),
        '▖' => rect(x, CELL.0 / 2.0, y + CELL.1 / 2.0, CELL.1 / 2.0, ink),
        _ => {}
    }
    if style.struck {
        rect(x, CELL.0, y + CELL.1 * 0.55, 1.5, ink);
    }
    if !matches!(c, ' ' | '█' | '▄' | '▖') {
        let text = match c {
            '<' => "&lt;".to_owned(),
            '&' => "&amp;".to_owned(),
            c => c.to_string(),
        };
        let weight = if style.bold { " font-weight=\"bold\"" } else { "" };
        let (base, fill) = (y + CELL.1 * 0.77, rgb(ink));
        writeln!(out, "<text x=\"{x}\" y=\"{base}\" fill=\"{fill}\"{weight}>{text}</text>").expect("memory takes it");
    }
}

/// The characters of a line; attributes go on from line to line.
fn cells(line: &str, style: &mut Style) -> Vec<(char, Style)> {
    let mut found = Vec::new();
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        if c != '\u{1b}' {
            found.push((c, *style));
            continue;
        }
        let sequence: String = rest.by_ref().take_while(|c| !c.is_ascii_alphabetic()).collect();
        attributes(sequence.trim_start_matches('['), style);
    }
    found
}

fn attributes(sequence: &str, style: &mut Style) {
    let mut numbers = sequence.split([';', ':']).map(|word| word.parse::<u8>().unwrap_or(0));
    while let Some(number) = numbers.next() {
        match number {
            0 => *style = PLAIN,
            1 => style.bold = true,
            7 => style.reversed = true,
            9 => style.struck = true,
            22 => style.bold = false,
            27 => style.reversed = false,
            29 => style.struck = false,
            39 => style.ink = INK,
            49 => style.paper = PAPER,
            // `38;5;n` and `48;5;n`.
            38 | 48 => {
                let colour = numbers.nth(1).unwrap_or(0);
                *(if number == 38 { &mut style.ink } else { &mut style.paper }) = colour;
            }
            _ => {}
        }
    }
}

/// Of the 256 colours the cube and the greys; the first sixteen as black or white.
fn rgb(colour: u8) -> String {
    let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * u32::from(n) };
    let [r, g, b] = match colour {
        0..7 => [0; 3],
        7..16 => [255; 3],
        16..232 => [(colour - 16) / 36, (colour - 16) / 6 % 6, (colour - 16) % 6].map(level),
        grey => [8 + 10 * u32::from(grey - 232); 3],
    };
    format!("#{r:02x}{g:02x}{b:02x}")
}
