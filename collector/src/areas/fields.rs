//! The rules for one area, whatever file it stands in.
//!
//! In: what a feature or a record says. Out: a [`NewArea`], or problems, each with its field. Texts become NFC.
//! Limits: below.

use super::date::day_of;
use super::problem::{At, Problems};
use super::shape::Shape;
use super::{Defaults, NewArea, RADIUS_M, Validity, normal};
use phusong_coverage::Place;

const CODE_BYTES: usize = 32;
const NAME_BYTES: usize = 128;
const LABEL_BYTES: usize = 64;
/// More people than any nation's largest area will have.
const POPULATION_MAX: f64 = 200_000_000.0;
/// A hamlet does not reach farther [J].
const RADIUS_MAX_M: f64 = 50_000.0;
/// What an area is called if nobody says it.
const LABEL: &str = "địa bàn";

/// What both formats know.
pub const KNOWN: [&str; 8] = ["code", "name", "label", "parent", "valid_from", "valid_to", "population", "radius_m"];

/// One area as it stands in a file, its position already in WGS 84.
#[derive(Debug, Default)]
pub struct Raw {
    pub code: Option<String>,
    pub name: Option<String>,
    pub label: Option<String>,
    pub parent: Option<String>,
    pub valid_from: Option<String>,
    pub valid_to: Option<String>,
    pub population: Option<f64>,
    pub radius_m: Option<f64>,
    pub centre: Option<Place>,
    pub shape: Option<Shape>,
}

/// Everything that is wrong is noted; an area comes out only if nothing is.
pub fn check(at: At, raw: Raw, defaults: &Defaults, problems: &mut Problems) -> Option<NewArea> {
    let before = problems.count();
    let code = normal(raw.code.as_deref().unwrap_or_default());
    let said = |text: Option<String>| text.map(|text| normal(&text)).filter(|text| !text.is_empty());
    let mut wrong = |field, reason: String| problems.add(at, Some(&code), field, reason);
    if code.is_empty() {
        wrong("code", "it is missing: every area needs one, as \"05587\"".into());
    }
    let name = said(raw.name).unwrap_or_default();
    if name.is_empty() {
        wrong("name", "it is empty: write what people call the area, as \"Bản Piềng\"".into());
    }
    let label = said(raw.label).or_else(|| defaults.label.as_deref().map(normal)).unwrap_or_else(|| LABEL.into());
    let fallback = defaults.parent.as_deref().map(normal).filter(|parent| *parent != code);
    let parent = said(raw.parent).or(fallback);
    if parent.as_ref() == Some(&code) {
        wrong("parent", "an area cannot lie in itself: write the code of the next larger one, or nothing".into());
    }
    let texts = [("code", &code, CODE_BYTES), ("name", &name, NAME_BYTES), ("label", &label, LABEL_BYTES)];
    for (field, text, most) in texts {
        if text.len() > most {
            wrong(field, format!("it has {} bytes; at most {most} are allowed", text.len()));
        } else if text.chars().any(char::is_control) {
            wrong(field, format!("{text:?} has a control character: write it in one line"));
        }
    }
    let mut day = |field, text: Option<String>| {
        let day = said(text).map(|text| day_of(&text)).transpose();
        day.unwrap_or_else(|reason| {
            wrong(field, reason);
            None
        })
    };
    let validity = Validity { from_ms: day("valid_from", raw.valid_from), to_ms: day("valid_to", raw.valid_to) };
    if validity.from_ms.zip(validity.to_ms).is_some_and(|(from, to)| to <= from) {
        wrong("valid_to", format!("{validity}: it is the first day that no longer counts, and must be later"));
    }
    if let Some(people) = raw.population.filter(|n| !(0.0..=POPULATION_MAX).contains(n) || n.fract() != 0.0) {
        wrong("population", format!("{people} cannot be: write whole people, 0 to {POPULATION_MAX}"));
    }
    if let Some(metres) = raw.radius_m.filter(|m| !(*m > 0.0 && *m <= RADIUS_MAX_M)) {
        wrong("radius_m", format!("{metres} cannot be: write metres, above 0 and up to {RADIUS_MAX_M}"));
    }
    let centre = raw.shape.as_ref().and_then(Shape::centre).or(raw.centre);
    // A polygon says itself how far it reaches; without a centre there is nothing to reach from.
    let radius_m = centre.filter(|_| raw.shape.is_none()).map(|_| raw.radius_m.unwrap_or(RADIUS_M));
    let population = raw.population.map(|people| people as i64);
    let area = NewArea { at, code, parent, name, label, validity, centre, radius_m, shape: raw.shape, population };
    (problems.count() == before).then_some(area)
}
