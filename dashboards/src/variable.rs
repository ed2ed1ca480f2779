//! What the reader chooses above a dashboard.
//!
//! In: an edition. Out: Grafana's template variables. Refuses to know: what is asked with them.

use crate::edition::Edition;
use crate::model::datasource;
use crate::text::{self, Text};
use serde_json::{Value, json};

/// Which Prometheus is asked.
pub fn source(edition: &Edition) -> Value {
    json!({
        "type": "datasource", "name": "datasource", "label": edition.say(text::DATASOURCE), "query": "prometheus",
        "regex": "", "current": {}, "options": [], "hide": 0, "includeAll": false, "multi": false, "refresh": 1,
        "skipUrlSync": false,
    })
}

pub fn province(edition: &Edition) -> Value {
    query(edition, "province", text::PROVINCE, 1, "label_values(phusong_hamlet_info, province)", "")
}

pub fn commune(edition: &Edition) -> Value {
    let asked = r#"label_values(phusong_hamlet_info{province="$province"}, commune)"#;
    query(edition, "commune", text::COMMUNE, 1, asked, "")
}

/// Shown by name, asked by id.
pub fn hamlet(edition: &Edition) -> Value {
    let asked = r#"query_result(max by (hamlet, hamlet_name) (phusong_hamlet_info{commune="$commune"}))"#;
    let parts = r#"/hamlet="(?<value>[^"]+)",hamlet_name="(?<text>[^"]+)"/"#;
    query(edition, "hamlet", text::HAMLET, 3, asked, parts)
}

/// The addresses of the map and the runbook: they differ from house to house.
pub fn places(edition: &Edition) -> [Value; 2] {
    let box_of = |name: &str, label: Text, address: &str| {
        json!({
            "type": "textbox", "name": name, "label": edition.say(label), "query": address, "hide": 2,
            "current": {"selected": true, "text": address, "value": address},
            "options": [{"selected": true, "text": address, "value": address}], "skipUrlSync": false,
        })
    };
    let places = edition.places();
    [box_of("web", text::WEB_MAP, &places.web), box_of("runbook", text::RUNBOOK, &places.runbook)]
}

/// `kind` is the query editor's: 1 label values, 3 results of a query.
fn query(edition: &Edition, name: &str, label: Text, kind: u32, asked: &str, regex: &str) -> Value {
    json!({
        "type": "query", "name": name, "label": edition.say(label), "datasource": datasource(),
        "query": {"query": asked, "qryType": kind, "refId": "PrometheusVariableQueryEditor-VariableQuery"},
        "regex": regex, "current": {}, "options": [], "hide": 0, "includeAll": false, "multi": false,
        // Anew with each time range: hamlets come and go.
        "refresh": 2,
        // By name, ascending.
        "sort": 1, "skipUrlSync": false,
    })
}
