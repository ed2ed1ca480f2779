//! One language's edition of the dashboards: what all of its pages share.
//!
//! In: a language and where the web map and the runbook are. Out: texts, uids, links. Refuses to know: panels.

use crate::text::{self, Language, Text};
use serde_json::{Value, json};

/// Where the links lead when nobody says otherwise; both can be changed above each dashboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The collector's page.
    pub web: String,
    /// What to do when something is red. Grafana serves a copy beside its own files: see `docs/dashboards.md`.
    pub runbook: String,
}

impl Default for Places {
    fn default() -> Self {
        Places { web: "http://localhost:8480".into(), runbook: "/public/phusong/runbook.txt".into() }
    }
}

/// A language and its links.
#[derive(Debug, Clone)]
pub struct Edition {
    language: Language,
    places: Places,
}

impl Edition {
    pub fn new(language: Language, places: Places) -> Self {
        Edition { language, places }
    }

    pub fn say(&self, text: Text) -> String {
        text.say(self.language).into()
    }

    pub fn places(&self) -> &Places {
        &self.places
    }

    /// Fixed for ever: bookmarks and links hold it.
    pub fn uid(&self, name: &str) -> String {
        format!("phusong-{name}-{}", self.language.code())
    }

    pub fn tags(&self) -> Vec<String> {
        vec!["phusong".into(), format!("phusong-{}", self.language.code())]
    }

    /// Above each dashboard: its siblings, the map at `place`, the runbook.
    pub fn links(&self, place: &str) -> Vec<Value> {
        let link = |title: Text, kind: &str, icon: &str, url: &str, tags: &[String]| {
            json!({
                "title": self.say(title), "type": kind, "icon": icon, "tooltip": self.say(title), "url": url,
                "tags": tags, "asDropdown": false, "targetBlank": kind == "link", "includeVars": kind != "link",
                "keepTime": kind != "link",
            })
        };
        vec![
            link(text::SIBLINGS, "dashboards", "external link", "", &self.tags()[1..]),
            link(text::WEB_MAP, "link", "external link", &format!("${{web}}/{place}"), &[]),
            link(text::RUNBOOK, "link", "doc", "${runbook}", &[]),
        ]
    }

    /// For the corner of a panel: what to do about what it shows.
    pub fn runbook_link(&self) -> Value {
        json!({"title": self.say(text::RUNBOOK), "url": "${runbook}", "targetBlank": true})
    }

    /// From a row or marker of a hamlet to the hamlet's own dashboard, at the same time range.
    pub fn hamlet_link(&self) -> Value {
        let url = format!(
            "/d/{}?var-datasource=${{datasource}}&var-province=${{province:percentencode}}\
             &var-commune=${{commune:percentencode}}&var-hamlet=${{__data.fields.hamlet:percentencode}}\
             &${{__url_time_range}}",
            self.uid("hamlet")
        );
        json!({"title": self.say(text::OPEN_HAMLET), "url": url, "targetBlank": false})
    }

    /// From a row or marker of a hamlet to the same on the web map, which knows why.
    pub fn map_link(&self) -> Value {
        let url = "${web}/#hamlet=${__data.fields.hamlet:percentencode}";
        json!({"title": self.say(text::OPEN_MAP), "url": url, "targetBlank": true})
    }
}
