//! The code of a phone as a camera sees it: the picture of a terminal, the picture of a sheet of paper.
//!
//! In: half blocks, an SVG file. Out: what `zbarimg` reads. Refuses to know: what the code says.

use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

const PIXELS: usize = 8;

/// A dark terminal's picture (PGM) of the half blocks in `text`: where there is a block, there is light.
pub fn drawn(text: &str) -> Vec<u8> {
    let lines: Vec<&str> = text.lines().filter(|line| line.contains(['█', '▀', '▄'])).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let mut picture = format!("P5 {} {} 255\n", width * PIXELS, lines.len() * 2 * PIXELS).into_bytes();
    for line in lines {
        for lit in [['█', '▀'], ['█', '▄']] {
            let modules =
                line.chars().flat_map(|c| std::iter::repeat_n(if lit.contains(&c) { 255 } else { 0 }, PIXELS));
            let row: Vec<u8> = modules.collect();
            (0..PIXELS).for_each(|_| picture.extend(&row));
        }
    }
    picture
}

pub fn svg_as_png(svg: &Path, png: &Path) -> Result<()> {
    let made = Command::new("rsvg-convert").arg("-o").args([png, svg]).status();
    ensure!(made.context("rsvg-convert is not installed; `make setup` installs it")?.success(), "{}", svg.display());
    Ok(())
}

/// What a camera reads of a picture.
pub fn read_back(picture: &Path) -> Result<String> {
    let read = Command::new("zbarimg").args(["--raw", "-q"]).arg(picture).output();
    let read = read.context("zbarimg is not installed; `make setup` installs it")?;
    ensure!(read.status.success(), "no code is seen in {}", picture.display());
    Ok(String::from_utf8(read.stdout)?.trim_end_matches('\n').to_owned())
}
