//! Finds the line of a field in the text of a TOML file, and the field at a position.
//!
//! In: the text, and a path such as `target[1].port` or a byte span. Out: a line number, a path. Refuses to know:
//! what fields mean. Limits: the text was bounded by the reader.

use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// One step of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// A file's name and text.
pub struct Source<'a> {
    pub name: &'a str,
    text: &'a str,
}

impl<'a> Source<'a> {
    pub fn new(name: &'a str, text: &'a str) -> Self {
        Source { name, text }
    }

    pub fn is_toml(&self) -> bool {
        DeTable::parse(self.text).is_ok()
    }

    /// The line of the field, or of the innermost table that would hold it; `None` when that is the whole file.
    pub fn line_of(&self, path: &[Step<'_>]) -> Option<usize> {
        let root = DeTable::parse(self.text).ok()?;
        let mut at = None;
        let mut value: Option<&DeValue<'_>> = None;
        for step in path {
            let next = match step {
                Step::Key(key) => {
                    let table = match value {
                        None => root.get_ref(),
                        Some(value) => value.as_table()?,
                    };
                    table.iter().find(|(k, _)| k.get_ref() == key).map(|(k, v)| (k.span(), v))
                }
                Step::Item(index) => value?.as_array()?.get(*index).map(|v| (v.span(), v)),
            };
            let Some((span, inner)) = next else { break };
            at = Some(span.start);
            value = Some(inner.get_ref());
        }
        at.map(|offset| self.line_at(offset))
    }

    /// The line, from 1, that holds the byte.
    pub fn line_at(&self, offset: usize) -> usize {
        let end = offset.min(self.text.len());
        self.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count() + 1
    }

    /// The path of the key or value that lies at the span.
    pub fn path_at(&self, span: &Range<usize>) -> String {
        let mut path = String::new();
        if let Ok(root) = DeTable::parse(self.text) {
            descend(root.get_ref(), span, &mut path);
        }
        path
    }
}

fn descend(table: &DeTable<'_>, span: &Range<usize>, path: &mut String) -> bool {
    for (key, value) in table {
        let before = path.len();
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key.get_ref());
        if key.span() == *span || inside(value.get_ref(), &value.span(), span, path) {
            return true;
        }
        path.truncate(before);
    }
    false
}

/// Whether the span lies in the value; then the path leads to its innermost part.
fn inside(value: &DeValue<'_>, at: &Range<usize>, span: &Range<usize>, path: &mut String) -> bool {
    match value {
        // The span of a table is that of its header, so its content is looked through first.
        DeValue::Table(table) if descend(table, span, path) => return true,
        DeValue::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                let before = path.len();
                path.push_str(&format!("[{i}]"));
                if inside(item.get_ref(), &item.span(), span, path) {
                    return true;
                }
                path.truncate(before);
            }
        }
        _ => {}
    }
    at.start <= span.start && span.end <= at.end && !span.is_empty()
}

/// A path as a person reads it: `target[1].port`.
pub fn shown(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        match step {
            Step::Key(key) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
            }
            Step::Item(index) => text.push_str(&format!("[{index}]")),
        }
    }
    text
}
