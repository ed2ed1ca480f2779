//! What gpsd says, line by line: positions, their loss, the dilution that they suffer.
//!
//! In: lines of gpsd's JSON stream (gpsd_json(5), protocol 3). Out: [`Report`]s, folded into [`Heard`]s. Refuses to know:
//! sockets (`link` has them), what a position is for. Limits: a line of [`LINE_BYTES`]; what is longer, or no report, is
//! passed over.
//!
//! **The 95 % radius.** gpsd's manual says of `eph`, `epx` and `epy`: the confidence is unknown, and may be 50 %, one
//! sigma, two sigma or 95 %. One case can be told apart: where the receiver gives no error of its own, gpsd takes the
//! dilution times a constant that stands for 95 % (19 m, or 4.75 m with corrections). Such an estimate is kept; every
//! other one is taken for the least that the manual allows, 50 %, and widened to 95 % of a circular error.

mod link;
mod time;

pub use link::follow;
pub use time::utc_ms;

use crate::device::position::Fix;
use phusong_protocol::PlaceSource;
use serde::Deserialize;

/// gpsd's own bound is 10,240 bytes.
pub const LINE_BYTES: usize = 16 * 1024;
/// Of a device's path.
const DEVICE_BYTES: usize = 128;
/// sqrt(ln 20 / ln 2): from the radius that holds half of a circular normal error to the one that holds 95 %.
const FROM_HALF: f64 = 2.078_9;
/// gpsd's error model: dilution times these is 95 %; the second with differential corrections.
const MODELLED_M: [f64; 2] = [19.0, 4.75];
/// A larger error says nothing about a place; a real receiver gives up long before.
const ERROR_M_MAX: f64 = 100_000.0;
/// And a smaller one is none.
const ERROR_M_MIN: f64 = 0.001;

/// What one line says.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// TPV with a solution.
    Position(Solution),
    /// TPV without one: mode 0 or 1, or no coordinates.
    NoFix { device: String },
    /// SKY: the horizontal dilution.
    Sky { device: String, hdop: f64 },
    /// DEVICE: the receiver was unplugged or closed.
    Closed { device: String },
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Solution {
    pub device: String,
    pub utc_ms: Option<i64>,
    pub lat: f64,
    pub lon: f64,
    pub altitude_m: Option<f64>,
    pub eph_m: Option<f64>,
    pub epx_m: Option<f64>,
    pub epy_m: Option<f64>,
    pub speed_mps: Option<f64>,
    pub track_deg: Option<f64>,
}

/// The fields that we read; all others are passed over.
#[derive(Deserialize)]
struct Line {
    class: String,
    #[serde(default)]
    device: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default)]
    activated: Option<serde_json::Value>,
    #[serde(default)]
    mode: Option<u8>,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    lat: Option<f64>,
    #[serde(default)]
    lon: Option<f64>,
    #[serde(default, rename = "altMSL")]
    alt_msl: Option<f64>,
    /// Before protocol 3.14.
    #[serde(default)]
    alt: Option<f64>,
    #[serde(default)]
    eph: Option<f64>,
    #[serde(default)]
    epx: Option<f64>,
    #[serde(default)]
    epy: Option<f64>,
    #[serde(default)]
    speed: Option<f64>,
    #[serde(default)]
    track: Option<f64>,
    #[serde(default)]
    hdop: Option<f64>,
}

/// One line of gpsd; `None` for everything that is not about positions.
pub fn parse(line: &str) -> Option<Report> {
    if line.len() > LINE_BYTES {
        return None;
    }
    let line: Line = serde_json::from_str(line.trim()).ok()?;
    let device: String = line.device.or(line.path).unwrap_or_default().chars().take(DEVICE_BYTES).collect();
    match line.class.as_str() {
        "TPV" => {
            let on_earth = |lat: &f64, lon: &f64| (-90.0..=90.0).contains(lat) && (-180.0..=180.0).contains(lon);
            let place = line.lat.zip(line.lon).filter(|(lat, lon)| line.mode >= Some(2) && on_earth(lat, lon));
            let Some((lat, lon)) = place else { return Some(Report::NoFix { device }) };
            Some(Report::Position(Solution {
                device,
                utc_ms: line.time.as_deref().and_then(utc_ms),
                lat,
                lon,
                altitude_m: line.alt_msl.or(line.alt).filter(|m| (-1_000.0..=20_000.0).contains(m)),
                eph_m: line.eph.filter(is_error),
                epx_m: line.epx.filter(is_error),
                epy_m: line.epy.filter(is_error),
                speed_mps: line.speed.filter(|v| (0.0..=1_000.0).contains(v)),
                track_deg: line.track.filter(|d| (0.0..=360.0).contains(d)),
            }))
        }
        "SKY" => line.hdop.filter(|h| (0.1..=99.0).contains(h)).map(|hdop| Report::Sky { device, hdop }),
        // Activated is a time, or the number 0 once the device is closed.
        "DEVICE" => (line.activated? == 0).then_some(Report::Closed { device }),
        _ => None,
    }
}

fn is_error(m: &f64) -> bool {
    (ERROR_M_MIN..=ERROR_M_MAX).contains(m)
}

/// The radius that holds the truth in 95 % of cases, as the head of this file says.
pub fn radius_95_m(solution: &Solution, hdop: Option<f64>) -> Option<f32> {
    // Without a horizontal error the one of both axes together.
    let axes = solution.epx_m.zip(solution.epy_m).map(|(x, y)| x.hypot(y));
    let estimate = solution.eph_m.or(axes)?;
    let is_modelled = solution.eph_m.is_some()
        && hdop.is_some_and(|hdop| MODELLED_M.iter().any(|m| (estimate / (hdop * m) - 1.0).abs() < 0.01));
    Some(if is_modelled { estimate } else { estimate * FROM_HALF } as f32)
}

/// What became of the position.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    Fix(Fix),
    /// The receiver has none any more, or is gone.
    Lost,
}

/// Folds reports; several receivers may speak, and one without a solution does not take another's away.
#[derive(Debug, Clone, Default)]
pub struct Ear {
    hdop: Option<(String, f64)>,
    /// Whose position it is, when the receiver says that it was true, and when that was first heard.
    last: Option<(String, Option<i64>, u64)>,
}

impl Ear {
    pub fn hear(&mut self, report: Report, now_mono_ms: u64) -> Option<Heard> {
        match report {
            Report::Sky { device, hdop } => {
                self.hdop = Some((device, hdop));
                None
            }
            Report::NoFix { device } | Report::Closed { device } => {
                let was = self.last.take_if(|(of, ..)| *of == device);
                was.map(|_| Heard::Lost)
            }
            Report::Position(solution) => {
                // A receiver that repeats an old solution makes it no younger.
                let repeated = self
                    .last
                    .as_ref()
                    .filter(|(of, utc_ms, _)| *of == solution.device && utc_ms.is_some() && *utc_ms == solution.utc_ms);
                let at_mono_ms = repeated.map_or(now_mono_ms, |(_, _, at)| *at);
                self.last = Some((solution.device.clone(), solution.utc_ms, at_mono_ms));
                let hdop = self.hdop.as_ref().filter(|(of, _)| *of == solution.device).map(|(_, hdop)| *hdop);
                Some(Heard::Fix(fix(&solution, hdop, at_mono_ms)))
            }
        }
    }
}

fn fix(solution: &Solution, hdop: Option<f64>, at_mono_ms: u64) -> Fix {
    Fix {
        at_mono_ms,
        lat: solution.lat,
        lon: solution.lon,
        accuracy_m: radius_95_m(solution, hdop),
        altitude_m: solution.altitude_m.map(|m| m as f32),
        speed_mps: solution.speed_mps.map(|v| v as f32),
        track_deg: solution.track_deg.map(|d| d as f32),
        source: PlaceSource::Gps,
        utc_ms: solution.utc_ms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TPV: &str = r#"{"class":"TPV","device":"/dev/ttyUSB0","mode":3,"time":"2026-11-23T01:30:05.000Z","lat":21.6,
        "lon":105.8,"altMSL":61.5,"eph":26.6,"epx":11.2,"epy":14.1,"speed":1.4,"track":271.0,"x":{"y":[1]}}"#;

    fn solution(line: &str) -> Solution {
        match parse(line) {
            Some(Report::Position(solution)) => solution,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn a_solution_is_read_and_what_is_none_is_told_apart() {
        let read = solution(TPV);
        assert_eq!((read.lat, read.lon, read.speed_mps), (21.6, 105.8, Some(1.4)));
        assert_eq!((read.altitude_m, read.utc_ms), (Some(61.5), Some(1_795_397_405_000)));
        let none = Some(Report::NoFix { device: "d".into() });
        for (line, wanted) in [
            (r#"{"class":"TPV","device":"d","mode":1}"#, none.clone()),
            (r#"{"class":"TPV","device":"d","mode":0,"lat":21.0,"lon":105.0}"#, none.clone()),
            (r#"{"class":"TPV","device":"d","mode":2,"lat":21.0}"#, none.clone()),
            (r#"{"class":"TPV","device":"d","mode":3,"lat":91.0,"lon":105.0}"#, none.clone()),
            (r#"{"class":"TPV","device":"d"}"#, none),
            (r#"{"class":"SKY","device":"d","hdop":1.4}"#, Some(Report::Sky { device: "d".into(), hdop: 1.4 })),
            (r#"{"class":"SKY","device":"d","hdop":0}"#, None),
            (r#"{"class":"SKY","device":"d"}"#, None),
            (r#"{"class":"DEVICE","path":"d","activated":0}"#, Some(Report::Closed { device: "d".into() })),
            (r#"{"class":"DEVICE","path":"d","activated":"2026-11-23T01:30:05.000Z"}"#, None),
            (r#"{"class":"VERSION","release":"3.22"}"#, None),
            (r#"{"class":"TPV","mode":"3"}"#, None),
            ("{\"class\":\"TPV\"", None),
            ("", None),
        ] {
            assert_eq!(parse(line), wanted, "{line}");
        }
        assert_eq!(parse(&format!("{TPV}{}", " ".repeat(LINE_BYTES))), None);
    }

    #[test]
    fn an_error_of_unknown_confidence_is_widened_and_gpsds_own_model_is_not() {
        let check = |eph: Option<f64>, axes: Option<(f64, f64)>, hdop: Option<f64>, wanted: Option<f32>| {
            let (epx_m, epy_m) = axes.unzip();
            let solution = Solution { eph_m: eph, epx_m, epy_m, ..Solution::default() };
            let got = radius_95_m(&solution, hdop);
            let near = |a: f32, b: f32| (a - b).abs() < 0.05;
            assert!(got.zip(wanted).map_or(got == wanted, |(a, b)| near(a, b)), "{got:?} {wanted:?}");
        };
        // 1.4 x 19 m is the model; the receiver's own figure is not.
        check(Some(26.6), None, Some(1.4), Some(26.6));
        check(Some(6.65), Some((3.0, 4.0)), Some(1.4), Some(6.65));
        check(Some(3.0), None, Some(1.4), Some(6.24));
        check(Some(26.6), None, None, Some(55.3));
        check(None, Some((3.0, 4.0)), Some(1.4), Some(10.4));
        check(None, None, Some(1.4), None);
    }

    #[test]
    fn a_lost_position_is_lost_at_once_and_a_repeated_one_grows_old() {
        let mut ear = Ear::default();
        let at = |heard: Option<Heard>| match heard {
            Some(Heard::Fix(fix)) => fix.at_mono_ms,
            other => panic!("{other:?}"),
        };
        let report = |line: &str| parse(line).expect("a report");
        assert_eq!(ear.hear(report(r#"{"class":"SKY","device":"/dev/ttyUSB0","hdop":1.4}"#), 900), None);
        assert_eq!(at(ear.hear(report(TPV), 1_000)), 1_000);
        assert_eq!(at(ear.hear(report(TPV), 9_000)), 1_000, "the same second again");
        let later = TPV.replace("01:30:05", "01:30:06");
        assert_eq!(at(ear.hear(report(&later), 9_500)), 9_500);
        assert_eq!(ear.hear(report(r#"{"class":"TPV","device":"/dev/other","mode":1}"#), 9_600), None);
        assert_eq!(ear.hear(report(r#"{"class":"TPV","device":"/dev/ttyUSB0","mode":1}"#), 9_700), Some(Heard::Lost));
        assert_eq!(ear.hear(report(r#"{"class":"TPV","device":"/dev/ttyUSB0","mode":1}"#), 9_800), None);
    }
}
