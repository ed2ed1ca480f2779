//! The one form in which gpsd writes a time: ISO 8601 in UTC.
//!
//! In: "2026-11-23T01:30:05.000Z". Out: milliseconds since 1970. Refuses to know: other zones, leap seconds (a 60 is the
//! next second). Limits: the years 1970 to 2199.

/// `None` for everything that is not such a time.
pub fn utc_ms(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let bytes = whole.as_bytes();
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if bytes.len() != 19 || marks.iter().any(|(at, mark)| bytes[*at] != *mark) || fraction.len() > 9 {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = &bytes[from..to];
        digits.iter().all(u8::is_ascii_digit).then(|| digits.iter().fold(0, |n, d| n * 10 + i64::from(d - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let longest = match month {
        2 => 28 + i64::from(is_leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let good = (1970..=2199).contains(&year) && (1..=12).contains(&month) && (1..=longest).contains(&day);
    if !good || hour > 23 || minute > 59 || second > 60 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let millis =
        fraction.bytes().take(3).fold((0, 100), |(sum, unit), d| (sum + i64::from(d - b'0') * unit, unit / 10)).0;
    Some((days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second) * 1_000 + millis)
}

/// Days since 1970, by a calendar whose years begin in March so that the leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_to_the_millisecond_and_others_are_refused() {
        for (text, wanted) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T00:00:00.5Z", Some(951_782_400_500)),
            ("2023-11-14T22:13:20.123456Z", Some(1_700_000_000_123)),
            ("2023-02-29T00:00:00Z", None),
            ("2023-13-01T00:00:00Z", None),
            ("2023-11-14T24:00:00Z", None),
            ("2023-11-14T22:13:20+07:00", None),
            ("2023-11-14 22:13:20Z", None),
            ("2023-11-14T22:13:2éZ", None),
            ("2023-11-14T22:13:20.1234567890Z", None),
            ("+023-11-14T22:13:20Z", None),
            ("", None),
        ] {
            assert_eq!(utc_ms(text), wanted, "{text}");
        }
    }
}
