//! Reference systems that a file's coordinates may be in.
//!
//! In: what a person or a GeoJSON file calls one. Out: a [`Crs`], which makes WGS 84 of two numbers, or says why they
//! are no coordinates of it. Knows WGS 84, VN-2000 in degrees and in every zone, and UTM 48N and 49N; nothing else.

use super::vn2000::{Zone, from_plane, to_wgs84};
use phusong_coverage::Place;

/// The scale of a zone of 3 degrees, and of one of 6.
const SCALE_3: f64 = 0.9999;
const SCALE_6: f64 = 0.9996;

/// A reference system.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crs {
    /// Degrees of WGS 84.
    Wgs84,
    /// Degrees of VN-2000.
    Vn2000,
    /// Metres in a zone of VN-2000.
    Vn2000Zone(Zone),
    /// Metres in a zone of UTM on WGS 84.
    Utm(Zone),
}

/// Zones in the EPSG registry: code and meridian.
const EPSG_ZONES: [(u32, f64); 18] = [
    (5896, 102.0),
    (5897, 105.0),
    (5898, 108.0),
    (5899, 107.75),
    (9205, 103.0),
    (9206, 104.0),
    (9207, 104.5),
    (9208, 104.75),
    (9209, 105.5),
    (9210, 105.75),
    (9211, 106.0),
    (9212, 106.25),
    (9213, 106.5),
    (9214, 107.0),
    (9215, 107.25),
    (9216, 107.5),
    (9217, 108.25),
    (9218, 108.5),
];

impl std::str::FromStr for Crs {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.trim().to_ascii_lowercase();
        let unknown = || {
            format!(
                "{text:?} is no reference system that is known here: write EPSG:4326 for degrees of WGS 84, \
                 vn2000:105.5 for a 3-degree zone of VN-2000 by its central meridian, vn2000-6:105 for a 6-degree one"
            )
        };
        if let Some(meridian) = lower.strip_prefix("vn2000:") {
            return zone(meridian, SCALE_3).map(Crs::Vn2000Zone);
        }
        if let Some(meridian) = lower.strip_prefix("vn2000-6:") {
            return zone(meridian, SCALE_6).map(Crs::Vn2000Zone);
        }
        let code = lower.strip_prefix("epsg:").and_then(|code| code.parse().ok()).ok_or_else(unknown)?;
        epsg(code).ok_or_else(unknown)
    }
}

fn epsg(code: u32) -> Option<Crs> {
    let six = |meridian| Zone { meridian, scale: SCALE_6 };
    match code {
        4326 => Some(Crs::Wgs84),
        4756 => Some(Crs::Vn2000),
        3405 => Some(Crs::Vn2000Zone(six(105.0))),
        3406 => Some(Crs::Vn2000Zone(six(111.0))),
        32648 => Some(Crs::Utm(six(105.0))),
        32649 => Some(Crs::Utm(six(111.0))),
        _ => {
            let known = EPSG_ZONES.iter().find(|(of, _)| *of == code);
            known.map(|&(_, meridian)| Crs::Vn2000Zone(Zone { meridian, scale: SCALE_3 }))
        }
    }
}

/// A central meridian in degrees. Those of 3-degree zones are chosen by province, in quarters of a degree.
fn zone(text: &str, scale: f64) -> Result<Zone, String> {
    let meridian: f64 = text.parse().map_err(|_| {
        format!("{text:?} is no central meridian: write degrees with a point, 105.5 for 105°30', 105.75 for 105°45'")
    })?;
    let (known, right) = if scale == SCALE_6 {
        ([105.0, 111.0, 117.0].contains(&meridian), "6-degree zone here: those are 105, 111 and 117")
    } else {
        (
            (102.0..=117.0).contains(&meridian) && meridian % 0.25 == 0.0,
            "3-degree zone: those are quarters of a degree from 102 to 117; 105°30' is 105.5, and 105°45' is 105.75",
        )
    };
    if known { Ok(Zone { meridian, scale }) } else { Err(format!("{text:?} is no central meridian of a {right}")) }
}

impl Crs {
    /// What the `crs` member of older GeoJSON files says, as QGIS writes it.
    pub fn from_urn(name: &str) -> Result<Self, String> {
        if name.ends_with(":CRS84") {
            return Ok(Crs::Wgs84);
        }
        let code = name.to_ascii_uppercase();
        let code = code.rsplit(':').next().filter(|_| code.contains("EPSG")).and_then(|code| code.parse().ok());
        code.and_then(epsg).ok_or_else(|| format!("{name:?} is no reference system that is known here"))
    }

    /// The place of two numbers as they stand in a file: x (longitude, easting) and y (latitude, northing).
    pub fn place(self, x: f64, y: f64) -> Result<Place, String> {
        if !x.is_finite() || !y.is_finite() {
            return Err(format!("({x}, {y}) are no numbers"));
        }
        let (lat, lon) = match self {
            Crs::Wgs84 => return degrees(x, y),
            Crs::Vn2000 => degrees(x, y).map(|place| to_wgs84(place.lat(), place.lon()))?,
            Crs::Vn2000Zone(zone) => {
                metres(x, y)?;
                let (lat, lon) = from_plane(zone, x, y);
                to_wgs84(lat, lon)
            }
            Crs::Utm(zone) => {
                metres(x, y)?;
                from_plane(zone, x, y)
            }
        };
        Place::new(lat, lon).map_err(|e| e.to_string())
    }
}

fn degrees(x: f64, y: f64) -> Result<Place, String> {
    Place::new(y, x).map_err(|_| format!("({x}, {y}) are no degrees"))
}

/// Vietnam with its islands, in any zone. Vietnamese surveyors call the northing X.
fn metres(easting: f64, northing: f64) -> Result<(), String> {
    let inside = |e: f64, n: f64| (50_000.0..=950_000.0).contains(&e) && (500_000.0..=2_700_000.0).contains(&n);
    if inside(easting, northing) {
        return Ok(());
    }
    let why = if inside(northing, easting) { "northing and easting are exchanged" } else { "far outside Vietnam" };
    Err(format!("easting {easting}, northing {northing}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_systems_are_known_by_the_names_people_and_programs_give_them() {
        let quarter = Crs::Vn2000Zone(Zone { meridian: 105.75, scale: 0.9999 });
        let six = Crs::Vn2000Zone(Zone { meridian: 105.0, scale: 0.9996 });
        for (text, crs) in [
            ("EPSG:4326", Crs::Wgs84),
            ("epsg:4756", Crs::Vn2000),
            ("vn2000:105.75", quarter),
            ("VN2000:105.750", quarter),
            ("EPSG:9210", quarter),
            ("vn2000-6:105", six),
            ("EPSG:3405", six),
            ("EPSG:32648", Crs::Utm(Zone { meridian: 105.0, scale: 0.9996 })),
        ] {
            assert_eq!(text.parse(), Ok(crs), "{text}");
        }
        assert_eq!(Crs::from_urn("urn:ogc:def:crs:OGC:1.3:CRS84"), Ok(Crs::Wgs84));
        assert_eq!(Crs::from_urn("urn:ogc:def:crs:EPSG::9210"), Ok(quarter));
        assert_eq!(Crs::from_urn("EPSG:4326"), Ok(Crs::Wgs84));
    }

    #[test]
    fn a_wrong_reference_system_is_answered_with_how_to_write_it() {
        for (text, part) in [
            ("EPSG:3857", "write EPSG:4326 for degrees of WGS 84"),
            ("hn72", "vn2000:105.5 for a 3-degree zone"),
            ("vn2000:105.30", "105°30' is 105.5"),
            ("vn2000:105-30", "degrees with a point"),
            ("vn2000-6:106", "105, 111 and 117"),
        ] {
            let said = text.parse::<Crs>().expect_err(text);
            assert!(said.contains(part), "{said}");
        }
        assert!(Crs::from_urn("urn:ogc:def:crs:EPSG::3857").is_err());
    }

    #[test]
    fn numbers_that_cannot_be_coordinates_are_refused() {
        let zone: Crs = "vn2000:106.5".parse().expect("known");
        assert!(zone.place(430_000.0, 2_385_000.0).is_ok());
        for (crs, x, y, part) in [
            (zone, 2_385_000.0, 430_000.0, "northing and easting are exchanged"),
            (zone, 105.5, 21.8, "far outside Vietnam"),
            (Crs::Wgs84, 430_000.0, 2_385_000.0, "are no degrees"),
            (Crs::Wgs84, f64::NAN, 21.0, "are no numbers"),
            (zone, 430_000.0, f64::INFINITY, "are no numbers"),
        ] {
            let said = crs.place(x, y).expect_err(part);
            assert!(said.contains(part), "{said}");
        }
    }
}
