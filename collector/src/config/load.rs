//! Reading the file: TOML to types, secrets from their files, and errors that say where and what would be right.
//!
//! In: a path. Out: a [`Config`], or one [`ConfigError`] for the first mistake. Limits: a file of 1 MiB.

use super::{Config, Secret, rules};
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// A configuration is a page; anything longer is the wrong file.
const FILE_BYTES: u64 = 1024 * 1024;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    #[error("{}: cannot be read: {why}; give the right file with --config", file.display())]
    Unreadable { file: PathBuf, why: String },
    #[error("{}:{line}: {field}{}{rule}", file.display(), if field.is_empty() { "" } else { ": " })]
    Wrong { file: PathBuf, line: usize, field: String, rule: String },
}

/// One broken rule, before its place in the file is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub field: &'static str,
    pub rule: String,
}

/// Reads the file and the secrets that it names.
pub fn load(file: &Path) -> Result<Config, ConfigError> {
    let unreadable = |why: String| ConfigError::Unreadable { file: file.to_owned(), why };
    let size = std::fs::metadata(file).map_err(|e| unreadable(e.to_string()))?.len();
    if size > FILE_BYTES {
        return Err(unreadable(format!("it has {size} bytes, at most {FILE_BYTES} are read")));
    }
    let text = std::fs::read_to_string(file).map_err(|e| unreadable(e.to_string()))?;
    let mut config = parse(file, &text)?;
    let wrong = |field: &str, rule: String| wrong(file, &text, field, rule);
    if let Some(path) = &config.mqtt.password_file {
        config.mqtt.password = Some(secret(path).map_err(|why| wrong("mqtt.password_file", why))?);
    }
    if let Some(path) = &config.http.token_file {
        let token = secret(path).map_err(|why| wrong("http.token_file", why))?;
        rules::token(&token).map_err(|rule| wrong("http.token_file", rule))?;
        config.http.token = Some(token);
    }
    Ok(config)
}

/// Reads the text alone; `file` is named in errors.
pub fn parse(file: &Path, text: &str) -> Result<Config, ConfigError> {
    let config: Config = toml::from_str(text).map_err(|e| from_toml(file, text, &e))?;
    match rules::check(&config) {
        Ok(()) => Ok(config),
        Err(broken) => Err(wrong(file, text, broken.field, broken.rule)),
    }
}

/// A secret stands alone on the first line of its file.
fn secret(path: &Path) -> Result<Secret, String> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => Ok(Secret(line.to_owned())),
        _ => Err(format!("{} is empty: write the secret on its first line", path.display())),
    }
}

fn wrong(file: &Path, text: &str, field: &str, rule: String) -> ConfigError {
    let line = line_of_field(text, field);
    ConfigError::Wrong { file: file.to_owned(), line, field: field.to_owned(), rule }
}

fn from_toml(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let at = error.span().map_or(0, |span| span.start);
    let field = field_at(text, at).unwrap_or_default();
    // The parser may explain over several lines; an error is one line here.
    let rule = error.message().replace('\n', "; ");
    ConfigError::Wrong { file: file.to_owned(), line: line_at(text, at), field, rule }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

/// The line of a key, else of its table, else 1: a rule may be broken by what is not there.
fn line_of_field(text: &str, field: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let mut line = 1;
    let mut table = root.get_ref();
    for part in field.split('.') {
        let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == part) else { return line };
        line = line_at(text, key.span().start);
        let DeValue::Table(inner) = value.get_ref() else { return line };
        table = inner;
    }
    line
}

/// The dotted name of the key at an offset of the text.
fn field_at(text: &str, offset: usize) -> Option<String> {
    fn search(table: &DeTable<'_>, offset: usize, prefix: &str) -> Option<String> {
        let covers = |span: Range<usize>| span.contains(&offset);
        table.iter().find_map(|(key, value)| {
            let name = format!("{prefix}{}", key.get_ref());
            if let DeValue::Table(inner) = value.get_ref()
                && let Some(found) = search(inner, offset, &format!("{name}."))
            {
                return Some(found);
            }
            (covers(key.span()) || covers(value.span())).then_some(name)
        })
    }
    search(DeTable::parse(text).ok()?.get_ref(), offset, "")
}
