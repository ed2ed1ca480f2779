//! A real gpsd that drives along a track: gpsfake feeds it what a receiver would say.
//!
//! The receiver's time is the machine's. A hole in the track is a receiver that says it has no fix. At the end of the
//! track it stands still.

use super::process::Service;
use super::report::skip_test;
use super::wait;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds that it stands still at the end of its track.
const STANDS_S: u64 = 600;
/// Sentences of one position.
const SENTENCES: f64 = 4.0;
/// Between the file's first second and the first sentence: what gpsfake and gpsd need to start.
const START_S: u64 = 1;

pub struct Gpsd {
    address: SocketAddr,
    service: Service,
}

impl Gpsd {
    /// Whether this machine can run one; where it cannot, says so for the report of `make test`.
    pub fn here(test: &str) -> bool {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = |name: &str| {
            let dirs = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
            dirs.into_iter().any(|dir| dir.join(name).is_file())
        };
        let missing = ["gpsd", "gpsfake"].into_iter().find(|name| !found(name));
        if let Some(name) = missing {
            skip_test(&format!("{test}: {name} is not installed; `make setup` installs it"));
        }
        missing.is_none()
    }

    /// Starts one under `dir`, on a free port, and drives: a place (degrees of WGS 84) each `interval`, `None` is a
    /// moment without a fix. The interval is a whole number of seconds or a part of one.
    pub fn drive(dir: &Path, track: &[Option<(f64, f64)>], interval: Duration) -> Result<Self> {
        let log = dir.join("track.nmea");
        std::fs::write(&log, sentences(track, interval)?)?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new("gpsfake");
        let cycle = interval.as_secs_f64() / SENTENCES;
        command.args(["-1", "-q", "-n", "-c", &cycle.to_string(), "-P", &port.to_string()]).arg(&log);
        // Its gpsd ends with it: both are one group.
        command.process_group(0).current_dir(dir);
        command.env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()));
        let service = Service::spawn("gpsfake", command, &dir.join("gpsd.log"))?;
        let mut gpsd = Gpsd { address: (Ipv4Addr::LOCALHOST, port).into(), service };
        let address = gpsd.address;
        gpsd.service.wait_for("gpsd greets", wait::PATIENCE, |_| greets(address))?;
        Ok(gpsd)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn log_text(&self) -> String {
        self.service.log_text()
    }

    /// Ends gpsfake and its gpsd.
    pub fn stop(&mut self) -> Result<()> {
        if self.service.runs() {
            let group = Pid::from_raw(i32::try_from(self.service.pid())?).context("a child has a pid")?;
            kill_process_group(group, Signal::TERM)?;
            self.service.wait_exit(wait::PATIENCE)?;
            // What gpsfake leaves behind; nothing is left in the usual case.
            let _ = kill_process_group(group, Signal::KILL);
        }
        Ok(())
    }
}

impl Drop for Gpsd {
    fn drop(&mut self) {
        if let Err(e) = self.stop() {
            eprintln!("gpsd: {e:#}");
        }
    }
}

fn greets(address: SocketAddr) -> bool {
    let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    let mut line = String::new();
    stream.set_read_timeout(Some(Duration::from_secs(1))).is_ok()
        && BufReader::new(stream).read_line(&mut line).is_ok()
        && line.contains("VERSION")
}

fn sentences(track: &[Option<(f64, f64)>], interval: Duration) -> Result<String> {
    let start =
        SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is set")? + Duration::from_secs(START_S);
    let end = track.last().copied().context("a track has a place")?;
    let still = (Duration::from_secs(STANDS_S).as_secs_f64() / interval.as_secs_f64()) as usize;
    let all = track.iter().copied().chain(std::iter::repeat_n(end, still));
    let line = |(step, place): (usize, Option<(f64, f64)>)| position(start + interval.mul_f64(step as f64), place);
    Ok(all.enumerate().map(line).collect())
}

/// RMC, GGA, GSA and GST of one moment; GST says 2.5 m north and east.
fn position(at: Duration, place: Option<(f64, f64)>) -> String {
    let seconds = at.as_secs() % 86_400;
    let centis = at.subsec_millis() / 10;
    let clock = format!("{:02}{:02}{:02}.{centis:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let (year, month, day) = date(at.as_secs() / 86_400);
    let date = format!("{day:02}{month:02}{:02}", year % 100);
    let all = match place {
        None => [
            format!("GPRMC,{clock},V,,,,,,,{date},,,N"),
            format!("GPGGA,{clock},,,,,0,00,,,M,,M,,"),
            "GPGSA,A,1,,,,,,,,,,,,,99.9,99.9,99.9".into(),
            format!("GPGST,{clock},,,,,,,"),
        ],
        Some((lat, lon)) => {
            let where_ = format!("{},{}", angle(lat, 2, ['N', 'S']), angle(lon, 3, ['E', 'W']));
            [
                format!("GPRMC,{clock},A,{where_},2.0,45.0,{date},,,A"),
                format!("GPGGA,{clock},{where_},1,08,1.0,500.0,M,-28.0,M,,"),
                "GPGSA,A,3,04,05,09,12,17,23,25,31,,,,,1.8,1.0,1.5".into(),
                format!("GPGST,{clock},3.0,2.5,2.5,45.0,2.5,2.5,5.0"),
            ]
        }
    };
    all.iter().map(|body| format!("${body}*{:02X}\r\n", body.bytes().fold(0, |sum, byte| sum ^ byte))).collect()
}

/// Degrees and minutes with 5 decimals: 2 cm.
fn angle(degrees: f64, digits: usize, [plus, minus]: [char; 2]) -> String {
    // Rounded once, so that 59.999999 minutes become a degree.
    let units = (degrees.abs() * 6_000_000.0).round() as u64;
    let (whole, minutes) = (units / 6_000_000, (units % 6_000_000) as f64 / 100_000.0);
    format!("{whole:0digits$}{minutes:08.5},{}", if degrees < 0.0 { minus } else { plus })
}

/// The civil date of a day since 1970 (days from civil, inverted).
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_becomes_the_sentences_of_a_receiver() {
        let at = Duration::from_millis(1_709_164_799_500);
        let said = position(at, Some((-21.5, 104.999_999_99)));
        assert!(said.starts_with("$GPRMC,235959.50,A,2130.00000,S,10500.00000,E,2.0,45.0,280224,,,A*"), "{said}");
        assert_eq!(position(at + Duration::from_secs(1), None).lines().count(), 4);
        assert_eq!((date(19_782), date(0)), ((2024, 2, 29), (1970, 1, 1)));
    }

    #[test]
    fn gpsd_drives_the_track_and_loses_the_fix_in_its_hole() {
        if !Gpsd::here("gpsd") {
            return;
        }
        let dir = super::super::TempDir::new("gpsd").expect("a directory");
        let place = |step: i32| (!(12..16).contains(&step)).then_some((21.0 + f64::from(step) * 1e-4, 104.0));
        let track: Vec<_> = (0..30).map(place).collect();
        let mut gpsd = Gpsd::drive(dir.path(), &track, Duration::from_millis(250)).expect("gpsd starts");
        let mut stream = TcpStream::connect(gpsd.address()).expect("it listens");
        stream.set_read_timeout(Some(wait::PATIENCE)).expect("a timeout");
        std::io::Write::write_all(&mut stream, b"?WATCH={\"enable\":true,\"json\":true};\n").expect("it reads");
        let reports = BufReader::new(stream).lines().map(|line| {
            let report: serde_json::Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
            report
        });
        let mut fixes = reports.filter(|report| report["class"] == "TPV").map(|report| {
            let fix = report["mode"].as_u64().expect("a mode") >= 2;
            (fix, report["lat"].as_f64())
        });
        let hole = fixes.find(|(fix, _)| !fix).expect("it comes to the hole");
        assert_eq!(hole.1, None, "no fix, no place");
        let after = fixes.find(|(fix, _)| *fix).and_then(|(_, lat)| lat).expect("it comes out of the hole");
        assert!((21.0016..21.0020).contains(&after), "{after}");
        gpsd.stop().expect("it ends");
        assert!(TcpStream::connect(gpsd.address()).is_err(), "gpsd ended with gpsfake");
    }
}
