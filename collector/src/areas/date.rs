//! Days as administrations write them: `2025-07-01`, which begins at midnight in Asia/Ho_Chi_Minh (UTC+7).
//!
//! In: text. Out: milliseconds since 1970 UTC, and back. The offset has been +7 since 1975; days before are taken with
//! it, too.

const DAY_MS: i64 = 86_400_000;
const OFFSET_MS: i64 = 7 * 3_600_000;

/// The moment when a day begins.
pub fn day_of(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no date: write it as 2025-07-01");
    let parts: Vec<&str> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return Err(wrong()) };
    let shaped = year.len() == 4 && month.len() == 2 && day.len() == 2;
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    if !shaped || !digits {
        return Err(wrong());
    }
    let number = |part: &str| part.parse::<i64>().map_err(|_| wrong());
    let (year, month, day) = (number(year)?, number(month)?, number(day)?);
    if !(1900..2200).contains(&year) {
        return Err(format!("{text:?}: the year must lie between 1900 and 2199"));
    }
    let days = days_before(year, month, day);
    if !(1..=12).contains(&month) || day < 1 || civil(days) != (year, month, day) {
        return Err(format!("{text:?}: there is no such day"));
    }
    Ok(days * DAY_MS - OFFSET_MS)
}

/// The day that holds a moment, there.
pub fn show_day(ms: i64) -> String {
    let (year, month, day) = civil((ms + OFFSET_MS).div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

/// Days from 1970-01-01 on, in years that begin with March, so that the leap day is the last.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + of_year - 719_468
}

fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let of_era_year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_year + of_era_year / 4 - of_era_year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let year = of_era_year + era * 400;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_in_vietnam_and_every_day_is_shown_as_it_was_read() {
        assert_eq!(day_of("2025-07-01"), Ok(1_751_302_800_000), "2025-06-30T17:00:00Z");
        assert_eq!(show_day(1_751_302_799_999), "2025-06-30");
        let first = day_of("1900-01-01").expect("a day");
        for day in 0..109_573 {
            let ms = first + day * DAY_MS;
            assert_eq!(day_of(&show_day(ms)), Ok(ms));
        }
        assert_eq!(show_day(first + 109_573 * DAY_MS), "2200-01-01");
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["2025-7-1", "01/07/2025", "2025-07-01T00:00:00Z", "", "2025-07", "+025-07-01", "２０２５-07-01"]
        {
            assert_eq!(day_of(text), Err(format!("{text:?} is no date: write it as 2025-07-01")));
        }
        for text in ["2025-02-29", "2025-04-31", "2025-00-10", "2025-13-01", "2025-01-00", "2025-01-32"] {
            assert_eq!(day_of(text), Err(format!("{text:?}: there is no such day")));
        }
        assert!(day_of("1899-12-31").is_err() && day_of("2200-01-01").is_err());
    }
}
