//! Moments as the API writes and reads them: RFC 3339 in UTC, to the millisecond.

use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Date, OffsetDateTime};

/// As `2026-11-22T10:00:00.123Z`; the fraction is left out where it is zero.
pub fn utc(ms: i64) -> String {
    let nanos = i128::from(ms) * 1_000_000;
    let text = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().and_then(|at| at.format(&Rfc3339).ok());
    // Beyond the year 9999 there is no such text; nothing that is stored lies there.
    text.unwrap_or_else(|| if ms < 0 { "0000-01-01T00:00:00Z".into() } else { "9999-12-31T23:59:59.999Z".into() })
}

pub fn utc_of(ms: Option<i64>) -> Option<String> {
    ms.map(utc)
}

/// A moment or the beginning of a day; `None`: it is neither.
pub fn parse(text: &str) -> Option<i64> {
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok().or_else(|| {
        let date = Date::parse(text, format_description!("[year]-[month]-[day]")).ok()?;
        Some(date.midnight().assume_utc())
    })?;
    i64::try_from(moment.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_back_as_it_was_written() {
        for (text, ms) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2026-11-22T10:00:00.123Z", 1_795_341_600_123),
            ("1969-12-31T23:59:59.999Z", -1),
        ] {
            assert_eq!((utc(ms).as_str(), parse(text)), (text, Some(ms)));
        }
        assert_eq!(parse("2026-11-22T17:00:00.123+07:00"), Some(1_795_341_600_123));
        assert_eq!(parse("1970-01-02"), Some(86_400_000));
        assert_eq!([parse(""), parse("yesterday"), parse("2026-13-01"), parse("5")], [None; 4]);
        assert_eq!(utc(i64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
