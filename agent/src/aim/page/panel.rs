//! One value: large digits, its name and number, median, best, age, and a bar under them.
//!
//! In: what is shown of a quality or a level. Out: six rows of at least forty columns. Refuses to know: which modem.
//! Limits: a value that is old, or that the modem repeats while nothing answers, has no large digits and is struck out.

use super::canvas::Canvas;
use super::{PANEL, Page};
use crate::aim::bar::Scale;
use crate::aim::digits::large;
use crate::aim::leg::{Leg, LevelKind, QualityKind, technology_name};
use crate::aim::told;
use crate::aim::track::Shown;
use crate::text::aim::{self, AimText};

/// Columns of the digits: "-12.5" and "-101" fit.
const DIGITS: u16 = 22;

struct Panel<'a> {
    name: &'static str,
    unit: &'static str,
    digits: String,
    shown: Shown,
    scale: Scale,
    /// In place of a number that the modem gives on a scale of its own.
    instead: Option<&'a str>,
}

/// SINR and its sisters.
pub fn quality(page: &Page<'_>, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16) {
    let slot = page.screen.shown_slot(page.now_ms);
    let latest = page.screen.track(slot).and_then(|track| track.latest()).map(|(_, leg)| leg);
    let kind = latest
        .map_or(QualityKind::Sinr, |leg| leg.quality.map_or(QualityKind::of(leg.pin.technology), |(kind, _)| kind));
    let shown = page.screen.quality(slot, page.now_ms);
    let raw = latest.filter(|leg| leg.quality.is_none()).and_then(|leg| leg.quality_raw);
    let raw = raw.map(|raw| page.say(&AimText::Raw { value: aim::number(raw) }));
    let digits = shown.fresh().map_or_else(|| "—".to_owned(), aim::number);
    let panel = Panel { name: kind.name(), unit: "dB", digits, shown, scale: kind.scale(), instead: raw.as_deref() };
    draw(page, canvas, &panel, (x, y, width));
}

/// RSRP and its sisters.
pub fn level(page: &Page<'_>, canvas: &mut Canvas<'_>, x: u16, y: u16, width: u16) {
    let slot = page.screen.shown_slot(page.now_ms);
    let row = page.screen.track(slot).and_then(|track| track.rows().next());
    let kind = row.map_or(LevelKind::Rsrp, |row| row.level_kind);
    let shown = page.screen.level(slot, page.now_ms);
    // Tenths of a level are noise; the number beside it has them.
    let digits = shown.fresh().map_or_else(|| "—".to_owned(), |dbm| format!("{:.0}", dbm.round()));
    let panel = Panel { name: kind.name(), unit: "dBm", digits, shown, scale: kind.scale(), instead: None };
    draw(page, canvas, &panel, (x, y, width));
}

fn draw(page: &Page<'_>, canvas: &mut Canvas<'_>, panel: &Panel<'_>, (x, y, width): (u16, u16, u16)) {
    let (shown, unit) = (&panel.shown, panel.unit);
    for (row, line) in (y..).zip(large(&panel.digits)) {
        canvas.put(x, row, DIGITS, &line);
    }
    let with_unit = |value: Option<f32>| value.map_or_else(|| "—".to_owned(), |v| format!("{} {unit}", aim::number(v)));
    let (side, columns) = (x + DIGITS, width.saturating_sub(DIGITS));
    let value = format!("{} {}", panel.name, with_unit(shown.value));
    match shown.value {
        Some(_) if shown.is_out() => canvas.struck(side, y, columns, &value),
        _ => canvas.put(side, y, columns, &value),
    }
    let second = match panel.instead {
        Some(instead) => instead.to_owned(),
        None => page.say(&AimText::Median { value: with_unit(shown.median) }),
    };
    canvas.put(side, y + 1, columns, &second);
    let best = with_unit(shown.best.map(|best| best.value));
    canvas.put(side, y + 2, columns, &page.say(&AimText::Best { value: best }));
    if let Some(best) = shown.best {
        let span = aim::span(page.now_ms.saturating_sub(best.at_ms));
        canvas.put(side, y + 3, columns, &page.say(&AimText::Ago { span }));
    }
    if shown.value.is_some() || shown.stale {
        let span = aim::span(shown.age_ms);
        let age = page.say(&told::age(shown, span));
        match shown.is_out() {
            true => canvas.reversed(side, y + 4, columns, &age),
            false => canvas.put(side, y + 4, columns, &age),
        }
    }
    let best = shown.best.map(|best| best.value);
    canvas.put(x, y + PANEL - 1, width, &panel.scale.bar(shown.fresh(), best, usize::from(width)));
}

/// A leg in one line.
pub fn leg(leg: &Leg) -> String {
    let mut words = vec![technology_name(leg.pin.technology).to_owned()];
    words.extend(leg.pin.band.clone());
    words.extend(leg.pin.pci.map(|pci| pci.to_string()));
    let level = leg.level.map(|(kind, dbm)| format!("{} {}", kind.name(), aim::dbm(Some(dbm))));
    words.extend(level);
    words.extend(leg.quality.map(|(_, quality)| aim::db(Some(quality))));
    words.join(" ")
}
