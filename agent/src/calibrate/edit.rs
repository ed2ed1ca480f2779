//! Keys of one table of a configuration file set anew, every other line as somebody wrote it.
//!
//! In: the text of a file, a table, keys with their values as TOML. Out: the text with them. Refuses to know: what they
//! mean. Limits: it sees tables written as `[name]`; whoever uses it reads the result back and finds out whether it was
//! so.

/// The table is made where there is none.
pub fn with_keys(text: &str, table: &str, keys: &[(&str, String)]) -> String {
    let is_header = |line: &str| line.trim_start().starts_with('[');
    let ours = format!("[{table}]");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let written = |key: &str, value: &str| format!("{key} = {value}");
    let is_ours = |line: &String| line.split('#').next().unwrap_or_default().trim() == ours;
    let Some(header) = lines.iter().position(is_ours) else {
        if lines.last().is_some_and(|line| !line.is_empty()) {
            lines.push(String::new());
        }
        lines.push(ours);
        lines.extend(keys.iter().map(|(key, value)| written(key, value)));
        return lines.join("\n") + "\n";
    };
    for (key, value) in keys {
        let end = lines[header + 1..].iter().position(|line| is_header(line)).map_or(lines.len(), |at| header + 1 + at);
        let of_key = |line: &String| line.split_once('=').is_some_and(|(name, _)| name.trim() == *key);
        let line = written(key, value);
        match lines[header + 1..end].iter().position(of_key) {
            Some(at) => lines[header + 1 + at] = line,
            None => lines.insert(header + 1, line),
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(before: &str, after: &str) {
        let keys = [("offset_db", "-1.5".to_owned()), ("calibrated_at_ms", "7".to_owned())];
        assert_eq!(with_keys(before, "setup", &keys), after, "{before}");
    }

    #[test]
    fn only_the_keys_change() {
        check(
            "# mine\na = 1\n\n[setup] # how\nheight_m = 4 # m\noffset_db = 9.0\n\n[[target]]\noffset_db = 3\n",
            "# mine\na = 1\n\n[setup] # how\ncalibrated_at_ms = 7\nheight_m = 4 # m\noffset_db = -1.5\n\n[[target]]\n\
             offset_db = 3\n",
        );
        check("[setup]", "[setup]\ncalibrated_at_ms = 7\noffset_db = -1.5\n");
        check("a = 1", "a = 1\n\n[setup]\noffset_db = -1.5\ncalibrated_at_ms = 7\n");
        check("", "[setup]\noffset_db = -1.5\ncalibrated_at_ms = 7\n");
        check("[setup.x]\n", "[setup.x]\n\n[setup]\noffset_db = -1.5\ncalibrated_at_ms = 7\n");
    }
}
