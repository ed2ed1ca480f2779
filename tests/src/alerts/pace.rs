//! The same rules and configuration, only faster: every duration divided by one number.
//!
//! In: the text of a Prometheus rule file or of an Alertmanager configuration as it is shipped. Out: the text with its
//! durations divided, and how many were. Refuses to know YAML beyond these shapes: `key: 15m` for the keys in [`KEYS`];
//! and in an `expr`, `[15m]`, `[1h:5m]`, `offset 5m` and minutes written as seconds, `15 * 60` (divided by 60 alone).
//! Comments and annotations stay as they are.

use anyhow::{Context, Result, bail, ensure};

/// Keys whose values are durations.
const KEYS: [&str; 7] =
    ["for", "keep_firing_for", "interval", "group_wait", "group_interval", "repeat_interval", "resolve_timeout"];

/// Units of a Prometheus duration in milliseconds, longest name first.
const UNITS: [(&str, u64); 7] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 7 * 86_400_000),
    ("y", 365 * 86_400_000),
];

/// A Prometheus duration as "1h30m", in milliseconds.
pub fn parse(text: &str) -> Result<u64> {
    ensure!(!text.is_empty(), "an empty duration: write a number and a unit, as 15m");
    let (mut rest, mut total) = (text, 0);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number: u64 = rest[..digits].parse().with_context(|| format!("{text:?} is no duration"))?;
        let unit = UNITS.iter().find(|(name, _)| rest[digits..].starts_with(name));
        let Some((name, ms)) = unit else { bail!("{text:?} is no duration: after {number} comes no unit") };
        total += number * ms;
        rest = &rest[digits + name.len()..];
    }
    Ok(total)
}

/// `text` with its durations divided by `factor`, and how many that were.
pub fn sped_up(text: &str, factor: u64) -> Result<(String, usize)> {
    let (mut out, mut changed) = (String::new(), 0);
    // The indentation of the `expr:` whose block we are in.
    let mut block: Option<usize> = None;
    for (number, line) in text.lines().enumerate() {
        let body = line.trim_start();
        let indent = line.len() - body.len();
        if block.is_some_and(|of| !body.is_empty() && indent <= of) {
            block = None;
        }
        let place = || format!("line {}: {line:?}", number + 1);
        let key = body.trim_start_matches("- ").split_once(':').map(|(key, value)| (key, value.trim()));
        let faster = match key {
            _ if body.starts_with('#') || body.is_empty() => None,
            _ if block.is_some() => Some(expression(line, factor).with_context(place)?),
            Some(("expr", "|")) => {
                block = Some(indent);
                None
            }
            Some(("expr", _)) => Some(expression(line, factor).with_context(place)?),
            Some((key, value)) if KEYS.contains(&key) => {
                let at = line.rfind(value).context("the value stands in its line")?;
                Some((format!("{}{}", &line[..at], divided(value, factor).with_context(place)?), 1))
            }
            _ => None,
        };
        let (line, count) = faster.unwrap_or_else(|| (line.to_owned(), 0));
        out.push_str(&line);
        out.push('\n');
        changed += count;
    }
    Ok((out, changed))
}

fn divided(duration: &str, factor: u64) -> Result<String> {
    Ok(format!("{}ms", parse(duration)? / factor))
}

/// One line of PromQL.
fn expression(line: &str, factor: u64) -> Result<(String, usize)> {
    let (mut out, mut changed) = (String::new(), 0);
    let mut rest = line;
    while let Some(at) = rest.find(['[', 'o', '*']) {
        let (before, here) = rest.split_at(at);
        out.push_str(before);
        let taken = if here.starts_with('[') {
            let end = here.find(']').context("a bracket that does not close in its line")?;
            let parts = here[1..end].split(':').filter(|part| !part.is_empty());
            let parts: Vec<String> = parts.map(|part| divided(part, factor)).collect::<Result<_>>()?;
            changed += parts.len();
            out.push_str(&format!("[{}]", parts.join(":")));
            end + 1
        } else if let Some(tail) = here.strip_prefix("offset ") {
            let length = tail.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(tail.len());
            out.push_str(&format!("offset {}", divided(&tail[..length], factor)?));
            changed += 1;
            "offset ".len() + length
        } else if here.starts_with("* 60")
            && !here[4..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.')
            && before.trim_end().ends_with(|c: char| c.is_ascii_digit())
        {
            ensure!(factor == 60, "minutes written as `n * 60` can be divided by 60 only, not by {factor}");
            out.push_str("* 1");
            changed += 1;
            "* 60".len()
        } else {
            out.push_str(&here[..1]);
            1
        };
        rest = &here[taken..];
    }
    out.push_str(rest);
    Ok((out, changed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        for (text, ms) in [("15m", 900_000), ("1h30m", 5_400_000), ("0s", 0), ("250ms", 250), ("7d", 604_800_000)] {
            assert_eq!(parse(text).expect(text), ms, "{text}");
        }
        for text in ["", "15", "m", "15 m", "15q", "-5m"] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_are_divided_and_nothing_else_is_touched() {
        let check = |text: &str, wanted: &str, count: usize| {
            assert_eq!(sped_up(text, 60).expect(text), (format!("{wanted}\n"), count));
        };
        check("    for: 15m", "    for: 15000ms", 1);
        check("  - interval: 1m", "  - interval: 1000ms", 1);
        check("  group_wait: 0s", "  group_wait: 0ms", 1);
        check("# for: 15m", "# for: 15m", 0);
        check("  summary: not for: 15m [15m]", "  summary: not for: 15m [15m]", 0);
        check("  expr: a[15m] offset 5m", "  expr: a[15000ms] offset 5000ms", 2);
        check("  expr: max_over_time(a[1h:5m])", "  expr: max_over_time(a[60000ms:5000ms])", 2);
        check("  expr: time() - a > 15 * 60", "  expr: time() - a > 15 * 1", 1);
        check("  expr: 0 * 600 or x", "  expr: 0 * 600 or x", 0);
        check("expr: |\n  a[2m]\nfor: 1m", "expr: |\n  a[2000ms]\nfor: 1000ms", 2);
        assert!(sped_up("for: soon", 60).is_err());
    }
}
