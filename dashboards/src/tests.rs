//! What the generated files must be, without Prometheus or Grafana.

use super::{Language, Places, SCHEMA_VERSION, generate};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn grafana() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/grafana"))
}

fn all() -> Vec<(String, Value)> {
    let generated = generate(&Places::default()).expect("it is all JSON");
    let read = |one: super::Generated| {
        (one.path.display().to_string(), serde_json::from_str(&one.text).expect("what was written can be read"))
    };
    generated.into_iter().map(read).collect()
}

#[test]
fn the_committed_files_are_what_the_generator_makes() {
    let mut expected = BTreeSet::new();
    for one in generate(&Places::default()).expect("it is all JSON") {
        let path = grafana().join(&one.path);
        let committed = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(committed == one.text, "{}: run `make dashboards` and commit what it writes", path.display());
        expected.insert(path);
    }
    for language in Language::ALL {
        for entry in std::fs::read_dir(grafana().join(language.code())).expect("a directory a language") {
            let path = entry.expect("an entry").path();
            assert!(expected.contains(&path), "{}: nobody generates it", path.display());
        }
    }
}

#[test]
fn each_dashboard_has_its_version_its_uid_and_cannot_be_edited() {
    let all = all();
    let uids: BTreeSet<&str> = all.iter().filter_map(|(_, one)| one["uid"].as_str()).collect();
    assert_eq!(uids.len(), all.len(), "{uids:?}");
    for (path, one) in &all {
        assert_eq!(one["schemaVersion"], SCHEMA_VERSION, "{path}");
        assert_eq!(one["editable"], false, "{path}");
        assert!(one.get("id").is_none(), "{path}: Grafana gives the number");
    }
}

#[test]
fn each_panel_has_a_title_a_description_and_the_chosen_datasource() {
    for (path, one) in all() {
        for panel in one["panels"].as_array().expect("panels") {
            let said = |key: &str| panel[key].as_str().is_some_and(|text| !text.is_empty());
            assert!(said("title") && said("description"), "{path}: panel {}", panel["id"]);
            let sources = std::iter::once(&panel["datasource"])
                .chain(panel["targets"].as_array().into_iter().flatten().map(|target| &target["datasource"]));
            sources.for_each(|source| assert_eq!(source["uid"], "${datasource}", "{path}: panel {}", panel["id"]));
        }
    }
}

/// Everything that is not said to a person.
fn mute(value: &Value) -> Value {
    let said =
        ["title", "description", "label", "text", "displayName", "noValue", "tooltip", "legendFormat", "uid", "tags"];
    match value {
        Value::Array(items) => items.iter().map(mute).collect(),
        Value::Object(map) if map.get("id").is_some_and(|id| id == "displayName") => Value::Null,
        Value::Object(map) if map.get("id").is_some_and(|id| id == "byName") => Value::Null,
        Value::Object(map) => {
            let keep =
                map.iter().filter(|(key, _)| !said.contains(&key.as_str()) && *key != "renameByName" && *key != "url");
            keep.map(|(key, value)| (key.clone(), mute(value))).collect()
        }
        other => other.clone(),
    }
}

#[test]
fn both_languages_ask_the_same_and_differ_only_in_words() {
    let all = all();
    let of =
        |language: Language| all.iter().filter(move |(path, _)| path.starts_with(language.code())).map(|(_, one)| one);
    for (vi, en) in of(Language::Vi).zip(of(Language::En)) {
        assert_eq!(mute(vi), mute(en), "{} and {}", vi["uid"], en["uid"]);
        assert_ne!(vi["title"], en["title"]);
    }
}

#[test]
fn no_link_or_map_leads_to_the_internet() {
    for (path, one) in all() {
        let text = one.to_string();
        let addresses = text.match_indices("://").map(|(at, _)| &text[at + 3..]);
        let strange: Vec<&str> =
            addresses.filter(|rest| !rest.starts_with("localhost:")).map(|rest| &rest[..rest.len().min(30)]).collect();
        assert!(strange.is_empty(), "{path}: {strange:?}");
    }
}
