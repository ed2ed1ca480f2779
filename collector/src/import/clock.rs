//! How a foreign log writes its time.
//!
//! In: a format and, where the format has none, a zone. Out: milliseconds since 1970 UTC. Refuses zones by name but
//! Vietnam's and UTC: no table of the world's zones is carried along; an offset is always right.

use crate::phones::stamp::{day_number, digits, fraction, offset_ms, rfc3339_ms};
use serde::Deserialize;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// `[time]` of a map.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub column: Option<String>,
    /// Several are joined by a space.
    pub columns: Option<Vec<String>>,
    pub format: String,
    pub zone: Option<String>,
}

/// A format that is ready to read by.
#[derive(Debug, Clone, PartialEq)]
pub enum Clock {
    Rfc3339,
    UnixS,
    UnixMs,
    Pattern { parts: Vec<Part>, zone_ms: i64 },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Literal(u8),
    Year,
    ShortYear,
    Month,
    MonthName,
    Day,
    Hour,
    Hour12,
    Minute,
    Second,
    Fraction,
    HalfDay,
    Zone,
}

impl Clock {
    pub fn of(settings: &Settings) -> Result<Self, String> {
        let zone = settings.zone.as_deref().map(zone_ms).transpose()?;
        let whole = match settings.format.as_str() {
            "rfc3339" => Some(Clock::Rfc3339),
            "unix_s" => Some(Clock::UnixS),
            "unix_ms" => Some(Clock::UnixMs),
            _ => None,
        };
        if let Some(clock) = whole {
            return match zone {
                None => Ok(clock),
                Some(_) => Err(format!("time.zone: `{}` has its zone in itself: leave time.zone out", settings.format)),
            };
        }
        let parts = parts(&settings.format)?;
        let has_zone = parts.contains(&Part::Zone);
        match zone {
            Some(_) if has_zone => Err("time.zone: the format reads a zone (%z): leave time.zone out".into()),
            None if !has_zone => {
                Err("time.zone is missing: the format reads none, so say +07:00, UTC or another".into())
            }
            zone => Ok(Clock::Pattern { parts, zone_ms: zone.unwrap_or(0) }),
        }
    }

    pub fn read(&self, text: &str) -> Option<i64> {
        match self {
            Clock::Rfc3339 => rfc3339_ms(text),
            Clock::UnixMs => digits(text.as_bytes()),
            Clock::UnixS => {
                let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
                let below =
                    if rest.is_empty() { 0 } else { fraction(&rest.as_bytes()[1..]).filter(|f| f.1.is_empty())?.0 };
                digits(whole.as_bytes())?.checked_mul(1_000)?.checked_add(below)
            }
            Clock::Pattern { parts, zone_ms } => pattern(parts, *zone_ms, text.as_bytes()),
        }
    }
}

fn zone_ms(zone: &str) -> Result<i64, String> {
    match zone {
        "UTC" => Ok(0),
        "Asia/Ho_Chi_Minh" | "Asia/Saigon" => Ok(7 * 3_600_000),
        _ => offset_ms(zone.as_bytes()).ok_or_else(|| {
            format!("time.zone: `{zone}` is not known: write an offset as +07:00, or UTC, or Asia/Ho_Chi_Minh")
        }),
    }
}

fn parts(format: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut bytes = format.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            parts.push(Part::Literal(byte));
            continue;
        }
        parts.push(match bytes.next() {
            Some(b'Y') => Part::Year,
            Some(b'y') => Part::ShortYear,
            Some(b'm') => Part::Month,
            Some(b'b') => Part::MonthName,
            Some(b'd') => Part::Day,
            Some(b'H') => Part::Hour,
            Some(b'I') => Part::Hour12,
            Some(b'M') => Part::Minute,
            Some(b'S') => Part::Second,
            Some(b'f') => Part::Fraction,
            Some(b'p') => Part::HalfDay,
            Some(b'z') => Part::Zone,
            Some(b'%') => Part::Literal(b'%'),
            other => {
                let other = other.map_or(String::new(), |byte| char::from(byte).to_string());
                return Err(format!(
                    "time.format: %{other} is not known; %Y %y %m %b %d %H %I %p %M %S %f %z are, or write rfc3339, unix_s, \
                     unix_ms"
                ));
            }
        });
    }
    let has = |wanted: &[Part]| wanted.iter().any(|part| parts.contains(part));
    let whole = has(&[Part::Year, Part::ShortYear])
        && has(&[Part::Month, Part::MonthName])
        && has(&[Part::Day])
        && has(&[Part::Hour, Part::Hour12])
        && has(&[Part::Minute]);
    if whole { Ok(parts) } else { Err("time.format says no year, month, day, hour or minute".into()) }
}

fn pattern(parts: &[Part], zone_ms: i64, text: &[u8]) -> Option<i64> {
    let mut rest = text;
    let (mut year, mut month, mut day, mut hour, mut minute) = (0, 0, 0, 0, 0);
    let (mut second, mut below_ms, mut afternoon, mut zone) = (0, 0, None, zone_ms);
    for part in parts {
        match part {
            Part::Literal(wanted) => rest = rest.strip_prefix(std::slice::from_ref(wanted))?,
            Part::Year => year = number(&mut rest, 4, 4)?,
            Part::ShortYear => year = 2_000 + number(&mut rest, 2, 2)?,
            Part::Month => month = number(&mut rest, 1, 2)?,
            Part::MonthName => month = name(&mut rest)?,
            Part::Day => day = number(&mut rest, 1, 2)?,
            Part::Hour | Part::Hour12 => hour = number(&mut rest, 1, 2)?,
            Part::Minute => minute = number(&mut rest, 2, 2)?,
            Part::Second => second = number(&mut rest, 2, 2)?,
            Part::Fraction => (below_ms, rest) = fraction(rest)?,
            Part::HalfDay => {
                let word = rest.get(..2)?;
                afternoon = Some(word.eq_ignore_ascii_case(b"PM"));
                if afternoon == Some(false) && !word.eq_ignore_ascii_case(b"AM") {
                    return None;
                }
                rest = &rest[2..];
            }
            Part::Zone => {
                let end = rest.iter().position(|byte| *byte == b' ').unwrap_or(rest.len());
                zone = offset_ms(&rest[..end])?;
                rest = &rest[end..];
            }
        }
    }
    if parts.contains(&Part::Hour12) {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if afternoon? { 12 } else { 0 };
    }
    if !rest.is_empty() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let day = day_number(year, month, day)?;
    Some(day * 86_400_000 + ((hour * 60 + minute) * 60 + second) * 1_000 + below_ms - zone)
}

fn number(rest: &mut &[u8], least: usize, most: usize) -> Option<i64> {
    let count = rest.iter().take(most).take_while(|byte| byte.is_ascii_digit()).count();
    if count < least {
        return None;
    }
    let value = digits(&rest[..count])?;
    *rest = &rest[count..];
    Some(value)
}

fn name(rest: &mut &[u8]) -> Option<i64> {
    let word = rest.get(..3)?;
    let month = MONTHS.iter().position(|month| word.eq_ignore_ascii_case(month.as_bytes()))?;
    *rest = &rest[3..];
    i64::try_from(month + 1).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(format: &str, zone: Option<&str>) -> Result<Clock, String> {
        let zone = zone.map(str::to_owned);
        Clock::of(&Settings { column: None, columns: None, format: format.into(), zone })
    }

    #[test]
    fn formats_read_the_moment_that_they_say() {
        let moment = 1_795_316_400_000;
        for (format, zone, text, wanted) in [
            ("rfc3339", None, "2026-11-22T10:00:00+07:00", Some(moment)),
            ("unix_s", None, "1795316400", Some(moment)),
            ("unix_s", None, "1795316400.25", Some(moment + 250)),
            ("unix_ms", None, "1795316400000", Some(moment)),
            ("%d/%m/%Y %H:%M:%S", Some("+07:00"), "22/11/2026 10:00:00", Some(moment)),
            ("%d/%m/%Y %H:%M:%S", Some("Asia/Ho_Chi_Minh"), "22/11/2026 10:00:00", Some(moment)),
            ("%d/%m/%Y %H:%M:%S", Some("UTC"), "22/11/2026 03:00:00", Some(moment)),
            ("%Y-%m-%d %H:%M:%S.%f", Some("+07:00"), "2026-11-22 10:00:00.500", Some(moment + 500)),
            ("%m/%d/%y %I:%M %p", Some("UTC"), "11/22/26 3:00 am", Some(moment)),
            ("%d %b %Y, %H:%M %z", None, "22 Nov 2026, 10:00 +0700", Some(moment)),
            ("%d/%m/%Y %H:%M:%S", Some("UTC"), "2026-11-22 03:00:00", None),
            ("%d/%m/%Y %H:%M:%S", Some("UTC"), "22/11/2026 03:00:00 and more", None),
            ("%m/%d/%y %I:%M %p", Some("UTC"), "11/22/26 13:00 PM", None),
            ("unix_s", None, "yesterday", None),
        ] {
            assert_eq!(clock(format, zone).expect(format).read(text), wanted, "{format}: {text}");
        }
    }

    #[test]
    fn a_format_without_a_zone_or_with_two_is_refused() {
        for (format, zone, says) in [
            ("%d/%m/%Y %H:%M", None, "time.zone is missing"),
            ("rfc3339", Some("UTC"), "leave time.zone out"),
            ("%Y-%m-%d %H:%M %z", Some("UTC"), "leave time.zone out"),
            ("%d/%m/%Y %H:%M", Some("Europe/Paris"), "write an offset as +07:00"),
            ("%d/%m/%Y", Some("UTC"), "no year, month, day, hour or minute"),
            ("%d/%m/%Y %T", Some("UTC"), "%T is not known"),
        ] {
            let error = clock(format, zone).expect_err(format);
            assert!(error.contains(says), "{error}");
        }
    }
}
