//! `areas import|list|show`: the administrative tree, from files that a technician has.
//!
//! In: GeoJSON and CSV files. Out: what they changed, or everything that is wrong with them; areas in words and as
//! JSON. Works beside a running collector.

use super::output::{print, table};
use super::probe::registrar;
use super::when;
use crate::areas::{self, Crs, Defaults, Shape, Validity, normal};
use crate::config::Config;
use crate::store::{AreaRow, Imported, PlaceRow, Readers};
use anyhow::bail;
use clap::Subcommand;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Takes the areas of a GeoJSON or CSV file: all of them, or none if one is wrong.
    Import(Import),
    /// Lists all areas, those that ended too.
    List {
        /// One JSON object per line, without polygons.
        #[arg(long)]
        json: bool,
    },
    /// Shows an area, what lies in it and who measures there.
    Show {
        code: String,
        /// One JSON object per line, with polygons.
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
pub struct Import {
    /// *.geojson, *.json or *.csv.
    file: PathBuf,
    /// The reference system of its coordinates: EPSG:4326 (the default), vn2000:105.5 (VN-2000, 3-degree zone, by its
    /// central meridian), vn2000-6:105 (6-degree zone), or another EPSG code of VN-2000.
    #[arg(long)]
    crs: Option<Crs>,
    /// What areas are called that do not say it: xóm, thôn, bản, xã ..
    #[arg(long)]
    label: Option<String>,
    /// The code of the area above those that do not name one.
    #[arg(long, value_name = "CODE")]
    parent: Option<String>,
    /// Says what would change, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

/// All areas and places, joined.
struct Known {
    areas: Vec<AreaRow>,
    places: Vec<PlaceRow>,
    by_id: HashMap<i64, usize>,
}

pub fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    let known = || {
        let reader = Readers::of(&config.data_dir).connect()?;
        let (areas, places) = (reader.areas()?, reader.places()?);
        let by_id = areas.iter().enumerate().map(|(n, row)| (row.id, n)).collect();
        anyhow::Ok(Known { areas, places, by_id })
    };
    match command {
        Command::Import(import) => take(config, import),
        Command::List { json } => list(&known()?, json),
        Command::Show { code, json } => show(&known()?, &normal(&code), json),
    }
}

fn take(config: &Config, import: Import) -> anyhow::Result<()> {
    let Import { file, crs, label, parent, dry_run, json } = import;
    let file = areas::read(&file, &Defaults { crs, label, parent })?;
    for warning in &file.warnings {
        eprintln!("warning: {}: {warning}", file.name);
    }
    let Imported { new, changed, same, places } = registrar(&config.data_dir)?.import_areas(&file, dry_run)?;
    if json {
        let answer = json!({"new": new, "changed": changed, "same": same, "places": places, "dry_run": dry_run});
        return print(&answer.to_string());
    }
    let would = if dry_run { ", if this were no dry run" } else { "" };
    print(&format!(
        "{}: {new} new areas, {changed} changed, {same} as before; {places} places in another hamlet than before{would}",
        file.name
    ))
}

fn validity(row: &AreaRow) -> Validity {
    Validity { from_ms: row.valid_from_ms, to_ms: row.valid_to_ms }
}

/// How it is found by position.
fn reach(row: &AreaRow) -> &'static str {
    match (&row.geometry, row.lat) {
        (Some(_), _) => "polygon",
        (None, Some(_)) => "circle",
        (None, None) => "",
    }
}

impl Known {
    fn above(&self, row: &AreaRow) -> Option<&AreaRow> {
        row.parent_ref.and_then(|id| self.by_id.get(&id)).map(|&n| &self.areas[n])
    }

    fn below(&self, row: &AreaRow) -> impl Iterator<Item = &AreaRow> {
        let id = row.id;
        self.areas.iter().filter(move |other| other.parent_ref == Some(id))
    }

    fn places(&self, row: &AreaRow) -> impl Iterator<Item = &PlaceRow> {
        let id = row.id;
        self.places.iter().filter(move |place| place.area_ref == Some(id))
    }

    fn to_json(&self, row: &AreaRow) -> Value {
        let day = |ms: Option<i64>| ms.map(areas::show_day);
        json!({
            "code": row.code,
            "label": row.label,
            "name": row.name,
            "parent": self.above(row).map(|above| &above.code),
            "valid_from": day(row.valid_from_ms),
            "valid_to": day(row.valid_to_ms),
            "lat": row.lat,
            "lon": row.lon,
            "radius_m": row.radius_m,
            "population": row.population,
            "polygon": row.geometry.is_some(),
            "places": self.places(row).count(),
            "source": row.source,
        })
    }
}

fn list(known: &Known, json: bool) -> anyhow::Result<()> {
    if json {
        return known.areas.iter().try_for_each(|row| print(&known.to_json(row).to_string()));
    }
    let cells = known.areas.iter().map(|row| {
        vec![
            row.code.clone(),
            row.label.clone(),
            row.name.clone(),
            known.above(row).map(|above| above.code.clone()).unwrap_or_default(),
            validity(row).to_string(),
            reach(row).into(),
            row.population.map(|people| people.to_string()).unwrap_or_default(),
            known.places(row).count().to_string(),
        ]
    });
    let cells: Vec<Vec<String>> = cells.collect();
    print(&table(&["code", "label", "name", "in", "valid", "found by", "people", "places"], &cells))
}

fn show(known: &Known, code: &str, json: bool) -> anyhow::Result<()> {
    let rows: Vec<&AreaRow> = known.areas.iter().filter(|row| row.code == code).collect();
    if rows.is_empty() {
        bail!("there is no area {code}; `areas list` shows those that are");
    }
    for row in rows {
        if json {
            let mut object = known.to_json(row);
            object["geometry"] = row.geometry.as_deref().map(serde_json::from_str).transpose()?.unwrap_or_default();
            print(&object.to_string())?;
        } else {
            print(&words(known, row)?)?;
        }
    }
    Ok(())
}

fn words(known: &Known, row: &AreaRow) -> anyhow::Result<String> {
    let titled = |row: &AreaRow| format!("{} {} {}", row.code, row.label, row.name);
    let mut lines = vec![titled(row)];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<9}{text}"));
    let mut above = known.above(row);
    while let Some(up) = above {
        line("in", titled(up));
        above = known.above(up);
    }
    line("valid", validity(row).to_string());
    let centre = row.lat.zip(row.lon).map(|(lat, lon)| format!("{lat:.5}, {lon:.5}"));
    let place = match (&row.geometry, centre) {
        (Some(text), centre) => {
            let shape = Shape::parse(text).map_err(|e| anyhow::anyhow!("its stored polygon: {e}"))?;
            format!("polygon of {} vertices, centre {}", shape.vertices(), centre.unwrap_or_default())
        }
        (None, Some(centre)) => format!("{} m around {centre}", row.radius_m.unwrap_or_default()),
        (None, None) => "nowhere: neither polygon nor position".into(),
    };
    line("found by", place);
    line("people", row.population.map_or("unknown".into(), |people| people.to_string()));
    line("source", row.source.clone().unwrap_or_default());
    for below in known.below(row) {
        line("holds", format!("{}, {}", titled(below), validity(below)));
    }
    for place in known.places(row) {
        let until = place.to_ms.map_or(String::new(), |to| format!(" until {} UTC", when::show(to)));
        let from = when::show(place.from_ms);
        let how = if place.area_fixed { "as somebody said" } else { "by position" };
        line("place", format!("probe {} from {from} UTC{until}, {how}", place.probe));
    }
    Ok(lines.join("\n"))
}
