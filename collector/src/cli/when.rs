//! Times as people write and read them, in UTC.
//!
//! In: `15m`, `2h`, `3d`, `2026-11-22`, `2026-11-22T10:00:00Z`. Out: milliseconds since 1970, and back.

use std::time::SystemTime;

const DAY_MS: i64 = 86_400_000;

pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment in the past: so long ago, or a date.
pub fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no time: write 15m, 2h, 3d, 2026-11-22 or 2026-11-22T10:00:00Z");
    if let Some(ms) = ago(text) {
        return Ok(now_ms() - ms);
    }
    let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let date: Vec<i64> = numbers(date, '-').ok_or_else(wrong)?;
    let time: Vec<i64> = numbers(time.trim_end_matches('Z'), ':').ok_or_else(wrong)?;
    let (&[year, month, day], &[hour, minute, second]) = (&date[..], &time[..]) else { return Err(wrong()) };
    let possible = (1970..10_000).contains(&year) && (1..=12).contains(&month) && (1..=31).contains(&day);
    if !possible || hour > 23 || minute > 59 || second > 60 {
        return Err(wrong());
    }
    Ok(days(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000)
}

fn ago(text: &str) -> Option<i64> {
    let unit = match text.chars().last()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => DAY_MS,
        _ => return None,
    };
    text[..text.len() - 1].parse::<u32>().ok().map(|n| i64::from(n) * unit)
}

fn numbers(text: &str, between: char) -> Option<Vec<i64>> {
    text.split(between).map(|part| part.parse::<u32>().ok().map(i64::from)).collect()
}

/// As `2026-11-22 10:00:00.123`.
pub fn show(ms: i64) -> String {
    let (year, month, day) = civil(ms.div_euclid(DAY_MS));
    let rest = ms.rem_euclid(DAY_MS);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{:03}", rest % 1_000)
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin with March.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    // The year's first guess is at most one too high.
    let guess = (shifted * 400).div_euclid(146_097) + 1;
    let start = |year: i64| year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    let year = if start(guess) > shifted { guess - 1 } else { guess };
    let year = if start(year) > shifted { year - 1 } else { year };
    let of_year = shifted - start(year);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_six_centuries_is_read_back_as_it_was_shown() {
        for day in 0..230_000 {
            let ms = day * DAY_MS + 36_061_000;
            let shown = show(ms);
            assert_eq!(parse(shown.trim_end_matches(".000")), Ok(ms), "{shown}");
        }
        assert_eq!(show(0), "1970-01-01 00:00:00.000");
        assert_eq!(show(1_709_164_800_000), "2024-02-29 00:00:00.000");
        assert_eq!(show(-1), "1969-12-31 23:59:59.999");
    }

    #[test]
    fn what_is_no_time_is_answered_with_what_would_be_right() {
        for text in ["", "yesterday", "2026-13-01", "2026-11", "5w", "2026-11-22T25:00:00Z", "đ"] {
            assert!(parse(text).is_err_and(|why| why.contains("write 15m")), "{text}");
        }
        let before = now_ms();
        assert!(parse("2h").is_ok_and(|ms| (before - 7_200_000..=before).contains(&ms)));
    }
}
