//! What the rules of the house say and a program can see. Each test lists everything that breaks its rule.

use phusong_tests::harness::repository;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::{Path, PathBuf};

const PACKAGES: [&str; 6] = ["protocol", "coverage", "agent", "collector", "dashboards", "tests"];
const FILE_LINES: usize = 500;
const FUNCTION_LINES: usize = 70;

struct Source {
    /// From the repository's root.
    path: String,
    text: String,
}

impl Source {
    /// What stands before the file's own tests.
    fn outside_tests(&self) -> &str {
        self.text.split("#[cfg(test)]").next().unwrap_or(&self.text)
    }

    /// Without comments of whole lines.
    fn code(&self) -> String {
        let lines = self.text.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn in_package(&self, package: &str) -> bool {
        self.path.starts_with(&format!("{package}/src/"))
    }

    /// Whether all of it is only for tests.
    fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.starts_with("tests/") || self.path.ends_with("/tests.rs")
    }
}

fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())) {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        if path.is_dir() && !["target", "node_modules", ".git"].contains(&name.as_str()) {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    walk(repository(), &mut found);
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(repository()).expect("it lies inside").display().to_string()
}

fn sources() -> Vec<Source> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let read = |path: PathBuf| Source { path: relative(&path), text: std::fs::read_to_string(&path).expect("UTF-8") };
    let all: Vec<Source> = rust.map(read).collect();
    let known = |source: &Source| PACKAGES.iter().any(|package| source.path.starts_with(&format!("{package}/")));
    all.iter().for_each(|source| assert!(known(source), "{} belongs to no package", source.path));
    all
}

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn none<T: Display>(rule: &str, broken: impl IntoIterator<Item = T>) {
    let lines: Vec<String> = broken.into_iter().map(|one| format!("  {one}")).collect();
    assert!(lines.is_empty(), "{rule}\n{}", lines.join("\n"));
}

/// Every place in `text` where `needle` stands as a word of its own.
fn has_word(text: &str, needle: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(needle)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + needle.len()..].chars().next()))
}

#[test]
fn every_file_says_first_what_it_is() {
    let silent = sources().into_iter().filter(|source| !source.text.starts_with("//! "));
    none("a file begins with `//!`", silent.map(|source| source.path));
}

#[test]
fn no_file_is_longer_than_a_reader_can_hold() {
    let long = sources().into_iter().filter(|source| source.text.lines().count() > FILE_LINES);
    let said = long.map(|source| format!("{}: {}", source.path, source.text.lines().count()));
    none("at most 500 lines a file", said);
}

#[test]
fn no_function_is_longer_than_a_screen() {
    let mut long = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.text.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let word = line.trim_start();
            let indent = &line[..line.len() - word.len()];
            let starts = ["fn ", "pub fn ", "async fn ", "pub async fn ", "pub(crate) fn ", "pub(super) fn "];
            if !starts.iter().any(|start| word.starts_with(start)) || line.ends_with(';') {
                continue;
            }
            let end = format!("{indent}}}");
            let length = lines[number..].iter().position(|line| *line == end).map_or(0, |at| at + 1);
            if length > FUNCTION_LINES {
                long.push(format!("{}:{}: {length} lines", source.path, number + 1));
            }
        }
    }
    none("at most 70 lines a function", long);
}

#[test]
fn nothing_unwraps_outside_tests() {
    let unwraps = [concat!(".unwr", "ap()"), concat!("todo", "!("), concat!("unimplem", "ented!(")];
    let bad = sources().into_iter().filter(|source| !source.is_test());
    let bad = bad.filter(|source| unwraps.iter().any(|word| source.outside_tests().contains(word)));
    none("expect(\"why it holds\") instead of unwrap; nothing left to do later", bad.map(|source| source.path));
}

#[test]
fn no_test_sleeps_or_is_ignored() {
    let words = [concat!("thread::sl", "eep"), concat!("time::sl", "eep"), concat!("#[ign", "ore")];
    let asleep = |source: &Source| {
        let tests = if source.is_test() {
            Some(source.text.as_str())
        } else {
            source.text.split_once("#[cfg(test)]").map(|s| s.1)
        };
        tests.is_some_and(|text| words.iter().any(|word| text.contains(word)))
    };
    none(
        "a test waits for a condition with a deadline",
        sources().into_iter().filter(asleep).map(|source| source.path),
    );
}

#[test]
fn there_is_no_room_for_odds_and_ends() {
    let odd = ["utils", "util", "common", "helpers", "helper", "misc"];
    let named = |source: &Source| source.path.split(['/', '.']).any(|part| odd.contains(&part));
    none("a file is named after what it knows", sources().into_iter().filter(named).map(|source| source.path));
    let macros = sources().into_iter().filter(|source| source.text.contains(concat!("macro_ru", "les!")));
    none("no macros of our own", macros.map(|source| source.path));
}

#[test]
fn packages_import_only_what_the_house_allows() {
    let rules: [(&str, &[&str]); 5] = [
        ("protocol", &["phusong_coverage", "phusong_agent", "phusong_collector", "rusqlite", "rumqttc", "tokio"]),
        (
            "coverage",
            &["phusong_protocol", "phusong_agent", "phusong_collector", "rusqlite", "rumqttc", "tokio", "serde"],
        ),
        ("agent", &["phusong_coverage", "phusong_collector", "rusqlite"]),
        ("collector", &["phusong_agent"]),
        ("tests/simulator", &["phusong_coverage", "phusong_agent", "phusong_collector", "phusong_tests", "rusqlite"]),
    ];
    let mut broken = Vec::new();
    for source in sources() {
        for (package, forbidden) in rules {
            let used = forbidden.iter().filter(|name| source.in_package(package) && has_word(&source.code(), name));
            broken.extend(used.map(|name| format!("{}: {name}", source.path)));
        }
    }
    none("agent, simulator -> protocol; collector -> protocol, coverage; coverage -> nothing", broken);
}

#[test]
fn each_library_is_known_by_its_own_room_only() {
    let rooms: [(&str, &str, &[&str]); 7] = [
        ("rusqlite", "collector", &["store"]),
        ("refinery", "collector", &["store"]),
        ("rumqttc", "collector", &["mqtt"]),
        ("rumqttc", "agent", &["mqtt"]),
        ("axum", "collector", &["http", "collector"]),
        ("surge_ping", "agent", &["probe"]),
        ("clap", "agent", &["cli"]),
    ];
    let mut broken = Vec::new();
    for source in sources() {
        for (library, package, allowed) in rooms {
            let room =
                source.path.strip_prefix(&format!("{package}/src/")).and_then(|rest| rest.split(['/', '.']).next());
            let Some(room) = room else { continue };
            if has_word(&source.code(), library) && !allowed.contains(&room) {
                broken.push(format!("{}: {library} belongs to {allowed:?}", source.path));
            }
        }
    }
    none("one room a library", broken);
}

#[test]
fn the_collectors_outputs_and_inputs_meet_only_in_the_store() {
    let rooms = ["mqtt", "ingest", "http", "import"];
    // `import` is an input that goes the way of `ingest`; `ingest` takes messages from `mqtt`.
    let allowed = [("import", "ingest"), ("ingest", "mqtt"), ("mqtt", "ingest")];
    let mut broken = Vec::new();
    for source in sources() {
        let Some(rest) = source.path.strip_prefix("collector/src/") else { continue };
        let room = rest.split(['/', '.']).next().unwrap_or_default();
        let others = rooms.iter().chain([&"collector", &"cli"]).filter(|other| **other != room);
        let forbidden = others.filter(|other| match room {
            "store" => true,
            _ => rooms.contains(&room) && !allowed.contains(&(room, other)),
        });
        let used = forbidden.filter(|other| has_word(&source.code(), &format!("crate::{other}")));
        broken.extend(used.map(|other| format!("{}: crate::{other}", source.path)));
    }
    none("collector.rs -> {mqtt, ingest, http} -> store", broken);
}

#[test]
fn coverage_depends_on_almost_nothing() {
    let manifest = read("coverage/Cargo.toml");
    let section = manifest.split("[dependencies]").nth(1).expect("a section").split("\n[").next().expect("its lines");
    let names = section.lines().filter_map(|line| line.split(['.', ' ', '=']).next()).filter(|name| !name.is_empty());
    let strange: Vec<&str> = names.filter(|name| !["thiserror", "geo", "#"].contains(name)).collect();
    none("the domain stands on the standard library", strange);
}

#[test]
fn one_tls_library_and_one_provider() {
    let lock = read("Cargo.lock");
    let others = ["openssl-sys", "native-tls", "aws-lc-sys", "aws-lc-rs"];
    none("rustls with ring alone", others.iter().filter(|name| lock.contains(&format!("name = \"{name}\""))));
}

/// The names of all fields of the types that a configuration file is read into.
fn keys(files: &[&str]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for file in files {
        let text = read(file);
        for part in text.split("deny_unknown_fields").skip(1) {
            let body = part.split("\n}").next().expect("a struct ends");
            let mut renamed = None;
            for line in body.lines() {
                let renames = line.split("rename = \"").nth(1).and_then(|rest| rest.split('"').next());
                renamed = renames.map(str::to_owned).or(renamed);
                if let Some((name, _)) = line.trim().strip_prefix("pub ").and_then(|rest| rest.split_once(": ")) {
                    keys.insert(renamed.take().unwrap_or_else(|| name.to_owned()));
                }
            }
        }
    }
    assert!(keys.len() > 10, "{files:?}: {keys:?}");
    keys
}

#[test]
fn every_configuration_key_is_documented() {
    let collector = ["collector/src/config.rs"];
    let agent = [
        "agent/src/config.rs",
        "agent/src/config/position.rs",
        "agent/src/publish/config.rs",
        "agent/src/spool/config.rs",
        "agent/src/mqtt/config.rs",
    ];
    for (document, files) in [("docs/config-collector.md", &collector[..]), ("docs/config.md", &agent[..])] {
        let text = read(document);
        let told = |key: &String| {
            ["`", ".", "["]
                .iter()
                .any(|before| ["`", "]", " ", "."].iter().any(|after| text.contains(&format!("{before}{key}{after}"))))
        };
        none(&format!("{document} explains every key"), keys(files).iter().filter(|key| !told(key)));
    }
}

/// Names of metrics as they stand in a text.
fn metrics_in(text: &str) -> BTreeSet<String> {
    let starts = text.match_indices("phusong_").map(|(at, _)| &text[at..]);
    let name = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let crates = [
        "phusong_agent",
        "phusong_collector",
        "phusong_protocol",
        "phusong_coverage",
        "phusong_dashboards",
        "phusong_tests",
        "phusong_",
    ];
    starts.map(name).filter(|name| !crates.contains(&name.as_str())).collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_metric_exists() {
    let ours = sources().into_iter().filter(|source| source.in_package("collector"));
    let quoted = |source: Source| {
        let text = source.outside_tests().to_owned();
        text.split('"')
            .skip(1)
            .step_by(2)
            .filter(|word| word.starts_with("phusong_"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let base = |name: &str| {
        ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let names: BTreeSet<String> =
        ours.flat_map(quoted).flat_map(|text| metrics_in(&text)).map(|name| base(&name)).collect();
    assert!(!names.is_empty());
    let documented = metrics_in(&read("docs/metrics.md"));
    none("docs/metrics.md explains every metric", names.difference(&documented));
    let shown = files().into_iter().filter(|path| {
        let path = relative(path);
        path == "docs/metrics.md" || path.starts_with("dashboards/")
    });
    for path in shown {
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let unknown =
            metrics_in(&text).into_iter().filter(|name| !names.contains(name) && !names.contains(&base(name)));
        none(&format!("{} names only metrics that exist", relative(&path)), unknown);
    }
}

#[test]
fn every_file_that_the_documents_name_exists() {
    let ends = [".rs", ".toml", ".md", ".sh", ".conf", ".service", ".json", ".yml"];
    let all: Vec<String> = files().iter().map(|path| format!("/{}", relative(path))).collect();
    for document in ["ARCHITECTURE.md", "README.md", "CONTRIBUTING.md"] {
        let text = read(document);
        let quoted = text.split('`').skip(1).step_by(2);
        let paths = quoted.map(|word| word.split([':', ' ']).next().unwrap_or_default());
        let named = paths.filter(|path| {
            ends.iter().any(|end| path.ends_with(end)) && !path.contains(['*', '<', '{']) && !path.starts_with('/')
        });
        let absent = named.filter(|path| !all.iter().any(|file| file.ends_with(&format!("/{path}"))));
        none(&format!("{document} names files that exist"), absent.collect::<BTreeSet<_>>());
    }
}

#[test]
fn nothing_names_one_persons_machine() {
    let places = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/wo", "rk/")];
    let ends = ["rs", "md", "toml", "sh", "conf", "service", "json", "yml"];
    let ours = files()
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| ends.contains(&e.to_string_lossy().as_ref())));
    let names = |path: &PathBuf| {
        std::fs::read_to_string(path).is_ok_and(|text| places.iter().any(|place| text.contains(place)))
    };
    none("no path of a developer's own machine", ours.filter(names).map(|path| relative(&path)));
}
