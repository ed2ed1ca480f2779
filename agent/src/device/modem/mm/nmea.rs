//! A position out of what a modem's receiver says: RMC, which alone has date, validity and speed in one sentence.
//!
//! In: sentences of NMEA 0183. Out: what a valid RMC says. Refuses to know: satellites. Limits: a sentence whose
//! checksum is wrong, or that the receiver itself calls void, is none.

/// Metres per second of a knot.
const KNOT: f64 = 1_852.0 / 3_600.0;

#[derive(Debug, Clone, PartialEq)]
pub struct Rmc {
    pub utc_ms: i64,
    pub lat: f64,
    pub lon: f64,
    pub speed_mps: Option<f32>,
    pub track_deg: Option<f32>,
}

/// The last valid RMC of a text, whatever the constellation.
pub fn rmc(text: &str) -> Option<Rmc> {
    text.lines().rev().find_map(|line| sentence(line.trim()))
}

fn sentence(line: &str) -> Option<Rmc> {
    let (body, sum) = line.strip_prefix('$')?.rsplit_once('*')?;
    let sum = u8::from_str_radix(sum, 16).ok()?;
    if body.bytes().fold(0, |all, byte| all ^ byte) != sum {
        return None;
    }
    let fields: Vec<&str> = body.split(',').collect();
    if fields.len() < 10 || fields[0].get(2..) != Some("RMC") || fields[2] != "A" {
        return None;
    }
    let number = |text: &str| text.parse::<f32>().ok().filter(|value| value.is_finite());
    Some(Rmc {
        utc_ms: utc_ms(fields[9], fields[1])?,
        lat: angle(fields[3], 2, fields[4], ["N", "S"], 90.0)?,
        lon: angle(fields[5], 3, fields[6], ["E", "W"], 180.0)?,
        speed_mps: number(fields[7]).map(|knots| knots * KNOT as f32),
        track_deg: number(fields[8]),
    })
}

/// Degrees and minutes, `2101.5000`.
fn angle(text: &str, digits: usize, side: &str, sides: [&str; 2], most: f64) -> Option<f64> {
    let degrees: f64 = text.get(..digits)?.parse().ok()?;
    let minutes: f64 = text.get(digits..)?.parse().ok()?;
    let value = degrees + minutes / 60.0;
    let sign = if side == sides[0] { 1.0 } else { -1.0 };
    (sides.contains(&side) && (0.0..60.0).contains(&minutes) && value <= most).then_some(sign * value)
}

/// `ddmmyy` of 2000 to 2099, and `hhmmss[.sss]`.
fn utc_ms(date: &str, clock: &str) -> Option<i64> {
    let part = |text: &str, at: usize| text.get(at..at + 2).and_then(|text| text.parse::<i64>().ok());
    let (day, month, year) = (part(date, 0)?, part(date, 2)?, 2_000 + part(date, 4)?);
    let (hours, minutes) = (part(clock, 0)?, part(clock, 2)?);
    let seconds: f64 = clock.get(4..)?.parse().ok()?;
    let good = (1..=31).contains(&day) && (1..=12).contains(&month) && hours < 24 && minutes < 60;
    if !good || !(0.0..61.0).contains(&seconds) {
        return None;
    }
    // Days since 1970 of a date in the Gregorian calendar, years beginning in March.
    let (shifted, march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400 + (153 * march + 2) / 5 + day - 1 - 719_468;
    Some(((days * 24 + hours) * 60 + minutes) * 60_000 + (seconds * 1_000.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summed(body: &str) -> String {
        format!("${body}*{:02X}", body.bytes().fold(0, |all, byte| all ^ byte))
    }

    #[test]
    fn a_valid_rmc_is_a_place_and_anything_else_is_none() {
        let good = summed("GNRMC,235959.50,A,2101.50000,N,10551.25000,E,10.0,45.0,280224,,,A");
        let cases = [
            (good.clone(), true),
            (format!("$GPGGA,x*00\r\n{good}\r\n"), true),
            (good.replace("2101", "2102"), false),
            (summed("GNRMC,235959.50,V,,,,,,,280224,,,N"), false),
            (summed("GNRMC,235959.50,A,2161.50000,N,10551.25000,E,10.0,45.0,280224"), false),
            (summed("GNRMC,235959.50,A,2101.50000,X,10551.25000,E,10.0,45.0,280224"), false),
            (summed("GNRMC,,A,2101.50000,N,10551.25000,E,10.0,45.0,280224"), false),
            (String::new(), false),
        ];
        for (text, valid) in cases {
            assert_eq!(rmc(&text).is_some(), valid, "{text}");
        }
        let place = rmc(&good).expect("valid");
        assert!((place.lat - 21.025).abs() < 1e-9 && (place.lon - 105.854_166_7).abs() < 1e-6);
        assert_eq!(place.utc_ms, 1_709_164_799_500);
        assert!((place.speed_mps.expect("a speed") - 5.144).abs() < 0.001);
    }
}
