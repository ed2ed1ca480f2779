//! Moments as phones and logs write them: RFC 3339, to the millisecond below.
//!
//! In: text. Out: milliseconds since 1970 UTC. Refuses what has no zone: a time without one says nothing. Years 1970 to
//! 9999. Written by hand because a log of a million lines is read by it.

const DAY_MS: i64 = 86_400_000;

/// `2026-11-22T10:00:00.123+07:00`; seconds may be left out, and `T` may be a space.
pub fn rfc3339_ms(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let date = bytes.get(..10)?;
    if date[4] != b'-' || date[7] != b'-' || !matches!(bytes.get(10)?, b'T' | b't' | b' ') {
        return None;
    }
    let day = day_number(digits(&date[..4])?, digits(&date[5..7])?, digits(&date[8..])?)?;
    let (clock_ms, rest) = clock(&bytes[11..])?;
    Some(day * DAY_MS + clock_ms - offset_ms(rest)?)
}

/// `10:00`, `10:00:00`, `10:00:00.123456`: milliseconds of the day, and what follows.
fn clock(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (hour, minute) = (digits(bytes.get(..2)?)?, digits(bytes.get(3..5)?)?);
    if bytes[2] != b':' || hour > 23 || minute > 59 {
        return None;
    }
    let mut ms = (hour * 60 + minute) * 60_000;
    let mut rest = &bytes[5..];
    if rest.first() == Some(&b':') {
        let second = digits(rest.get(1..3)?)?;
        if second > 60 {
            return None;
        }
        ms += second * 1_000;
        rest = &rest[3..];
        if matches!(rest.first(), Some(b'.' | b',')) {
            let (fraction_ms, after) = fraction(&rest[1..])?;
            ms += fraction_ms;
            rest = after;
        }
    }
    Some((ms, rest))
}

/// The digits after the point, as whole milliseconds.
pub fn fraction(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let count = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let shown = digits(&bytes[..count.min(3)])?;
    let scale = [100, 10, 1][count.min(3) - 1];
    Some((shown * scale, &bytes[count..]))
}

/// `Z`, `+07:00`, `+0700`, `+07`, `-08:30:00`.
pub fn offset_ms(bytes: &[u8]) -> Option<i64> {
    let sign = match bytes.first()? {
        b'Z' | b'z' if bytes.len() == 1 => return Some(0),
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let rest: Vec<u8> = bytes[1..].iter().copied().filter(|byte| *byte != b':').collect();
    let (hour, minute) = match rest.len() {
        2 => (digits(&rest)?, 0),
        4 => (digits(&rest[..2])?, digits(&rest[2..])?),
        6 => (digits(&rest[..2])?, digits(&rest[2..4])?),
        _ => return None,
    };
    if hour > 18 || minute > 59 {
        return None;
    }
    Some(sign * (hour * 60 + minute) * 60_000)
}

/// Days since 1970-01-01 in the Gregorian calendar; `None` for a day that there is not.
pub fn day_number(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1970..10_000).contains(&year) || !(1..=length).contains(&day) {
        return None;
    }
    // Years that begin with March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468)
}

/// A number of digits alone.
pub fn digits(bytes: &[u8]) -> Option<i64> {
    if bytes.is_empty() || bytes.len() > 18 {
        return None;
    }
    bytes.iter().try_fold(0, |sum: i64, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_to_the_millisecond_below_and_only_with_a_zone() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-22T10:00:00.123999+07:00", Some(1_795_316_400_123)),
            ("2026-11-22T10:00:00.1+07:00", Some(1_795_316_400_100)),
            ("2026-11-22T03:00Z", Some(1_795_316_400_000)),
            ("2026-11-22 03:00:00-0000", Some(1_795_316_400_000)),
            ("1996-12-19T16:39:57-08:00", Some(851_042_397_000)),
            ("2024-02-29T00:00:00+00", Some(1_709_164_800_000)),
            ("2026-11-22T10:00:00", None),
            ("2026-02-29T00:00:00Z", None),
            ("2026-11-22T24:00:00Z", None),
            ("2026-11-22T10:00:00.Z", None),
            ("22/11/2026 10:00:00", None),
            ("đ026-11-22T10:00:00Z", None),
            ("", None),
        ] {
            assert_eq!(rfc3339_ms(text), ms, "{text}");
        }
    }
}
