//! Variables in expressions, as Grafana fills them in.
//!
//! In: a text with `$name`, `${name}` or `${name:format}`. Out: the text with values, the names that nobody defined.
//! Refuses to know: where values come from. Limits: single values; a format is taken off, as none is needed in PromQL.

use std::collections::BTreeMap;

/// What Grafana itself defines.
const BUILT_IN: [&str; 3] = ["__url_time_range", "__from", "__to"];

#[derive(Debug, Clone, Default)]
pub struct Values {
    values: BTreeMap<String, String>,
}

impl Values {
    pub fn set(&mut self, name: &str, value: &str) {
        self.values.insert(name.into(), value.into());
    }

    /// With the intervals of a panel of this step, over a range of this length.
    pub fn timed(&self, step_s: i64, range_s: i64) -> Self {
        let mut timed = self.clone();
        timed.set("__interval", &format!("{step_s}s"));
        timed.set("__rate_interval", &format!("{}s", step_s.max(240)));
        timed.set("__range", &format!("{range_s}s"));
        timed.set("__range_s", &range_s.to_string());
        timed
    }

    pub fn knows(&self, name: &str) -> bool {
        let root = name.split(['.', '[']).next().unwrap_or(name);
        self.values.contains_key(root) || BUILT_IN.contains(&root) || ["__data", "__field", "__value"].contains(&root)
    }

    /// For PromQL: values stand within quotes.
    pub fn fill(&self, text: &str) -> (String, Vec<String>) {
        let mut out = String::new();
        let mut unknown = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let (name, after) = name(&rest[at + 1..]);
            match self.values.get(name) {
                Some(value) => out.push_str(&value.replace('\\', "\\\\").replace('"', "\\\"")),
                None => unknown.push(name.to_owned()),
            }
            rest = after;
        }
        out.push_str(rest);
        (out, unknown)
    }

    /// Names in a text that nobody defines.
    pub fn undefined(&self, text: &str) -> Vec<String> {
        names(text).into_iter().filter(|name| !self.knows(name)).collect()
    }
}

/// Every variable that a text names, without its format.
pub fn names(text: &str) -> Vec<String> {
    text.match_indices('$').map(|(at, _)| name(&text[at + 1..]).0.to_owned()).collect()
}

/// What follows a `$`: the name, and the text after it.
fn name(rest: &str) -> (&str, &str) {
    if let Some((inside, after)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) {
        return (inside.split(':').next().unwrap_or(inside), after);
    }
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    rest.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::Values;

    #[test]
    fn variables_are_filled_in_whatever_their_spelling() {
        let mut values = Values::default();
        values.set("hamlet", "Bản \"A\"");
        let values = values.timed(60, 86_400);
        for (text, filled, unknown) in [
            ("m{h=\"$hamlet\"}", "m{h=\"Bản \\\"A\\\"\"}", vec![]),
            ("m{h=\"${hamlet:percentencode}\"}[$__range:5m]", "m{h=\"Bản \\\"A\\\"\"}[86400s:5m]", vec![]),
            ("rate(m[$__interval]) $gone", "rate(m[60s]) ", vec!["gone".to_owned()]),
        ] {
            assert_eq!(values.fill(text), (filled.to_owned(), unknown), "{text}");
        }
    }
}
