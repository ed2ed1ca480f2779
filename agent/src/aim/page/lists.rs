//! The lists: cells that have served, and neighbours.
//!
//! In: rows of the track, cells. Out: lines of at most forty columns. Refuses to know: large digits. Limits: as many as
//! there is room for, the newest or the strongest first; neighbours of long ago are struck out.

use super::Page;
use super::canvas::Canvas;
use crate::aim::leg::Pin;
use crate::aim::screen::NEIGHBOURS_OLD_MS;
use crate::aim::track::Row;
use crate::text::aim::{self, AimText};
use phusong_protocol::RadioCell;

/// Newest first under a heading: which cell, since when, its best.
pub fn rows(page: &Page<'_>, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, height: u16) {
    canvas.put(x, y, width, &page.say(&AimText::Rows));
    let slot = page.screen.shown_slot(page.now_ms);
    let rows = page.screen.track(slot).into_iter().flat_map(|track| track.rows());
    for (y, row) in (y + 1..y + height).zip(rows) {
        canvas.put(x, y, width, &line(page, row));
    }
}

/// The visits before this one, without a heading.
pub fn earlier(page: &Page<'_>, canvas: &mut Canvas<'_>, y: u16, height: u16) {
    let slot = page.screen.shown_slot(page.now_ms);
    let rows = page.screen.track(slot).into_iter().flat_map(|track| track.rows()).skip(1);
    for (y, row) in (y..y + height).zip(rows) {
        canvas.put(0, y, canvas.width(), &line(page, row));
    }
}

fn line(page: &Page<'_>, row: &Row) -> String {
    let since = aim::span(page.now_ms.saturating_sub(row.since_ms));
    let level = aim::dbm(row.best_level.map(|best| best.value));
    let quality = aim::db(row.best_quality.map(|best| best.value));
    format!("{:<14}{since:>7} {level:>8} {quality:>7}", name(page, &row.pin))
}

/// "B3 123/1650".
fn name(page: &Page<'_>, pin: &Pin) -> String {
    match (&pin.band, pin.pci, pin.arfcn, pin.cell_id) {
        (None, None, None, Some(id)) => page.say(&AimText::CellId { id }),
        (None, None, None, None) => "—".to_owned(),
        (band, pci, arfcn, _) => {
            let number = |n: Option<u32>| n.map_or_else(|| "—".to_owned(), |n| n.to_string());
            let band = band.as_ref().map(|band| format!("{band} ")).unwrap_or_default();
            format!("{band}{}/{}", number(pci.map(u32::from)), number(arfcn))
        }
    }
}

/// Strongest first under a heading that says how old they are.
pub fn neighbours(page: &Page<'_>, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16, height: u16) {
    if height == 0 {
        return;
    }
    let Some((age_ms, cells)) = page.screen.neighbours(page.now_ms) else {
        return canvas.put(x, y, width, &page.say(&AimText::Neighbours { age: None, old: false }));
    };
    let old = age_ms > NEIGHBOURS_OLD_MS;
    canvas.put(x, y, width, &page.say(&AimText::Neighbours { age: Some(aim::span(age_ms)), old }));
    for (y, cell) in (y + 1..y + height).zip(cells) {
        let text = neighbour(page, cell);
        if old { canvas.struck(x, y, width, &text) } else { canvas.put(x, y, width, &text) }
    }
}

fn neighbour(page: &Page<'_>, cell: &RadioCell) -> String {
    let pin = Pin {
        technology: cell.technology,
        pci: cell.pci,
        arfcn: cell.arfcn,
        band: cell.band.clone(),
        cell_id: cell.cell_id,
    };
    let level = aim::dbm(cell.rsrp_dbm.or(cell.rscp_dbm).or(cell.rssi_dbm));
    let quality = aim::db(cell.rsrq_db.or(cell.ecio_db));
    format!("{:<14}{level:>9} {quality:>8}", name(page, &pin))
}
