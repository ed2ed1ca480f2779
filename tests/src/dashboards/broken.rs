//! Dashboards that are broken on purpose: a check that does not find them is no check.
//!
//! In: a good dashboard of a commune. Out: copies, each with one fault of a known kind. Refuses to know: how it is found.

use super::Kind;
use super::file::Board;
use serde_json::{Value, json};

pub struct Broken {
    pub name: &'static str,
    pub kind: Kind,
    pub board: Board,
}

type Breaking = fn(&mut Value);

/// What is broken, what must be found.
const BREAKINGS: [(&str, Kind, Breaking); 15] = [
    ("a legend with a label that the answer has not", Kind::Label, |json| {
        panel(json, "state-timeline")["targets"][0]["legendFormat"] = json!("{{operator}}");
    }),
    ("two panels over each other", Kind::Overlap, |json| json["panels"][1]["gridPos"]["x"] = json!(3)),
    ("a panel beyond the grid", Kind::Overlap, |json| json["panels"][0]["gridPos"]["w"] = json!(25)),
    ("a query without data", Kind::NoData, |json| {
        panel(json, "bargauge")["targets"][0]["expr"] =
            json!("sum by (cause) (phusong_gaps_open{commune=\"nowhere\"})");
    }),
    ("a level without a word", Kind::Mapping, |json| {
        let options = &mut panel(json, "state-timeline")["fieldConfig"]["defaults"]["mappings"][0]["options"];
        options.as_object_mut().expect("value mappings").remove("1");
    }),
    ("a cause without a word", Kind::Mapping, |json| {
        remove_first(&mut panel(json, "bargauge")["fieldConfig"]["overrides"])
    }),
    ("an exception for a field that is not there", Kind::Label, |json| {
        panel(json, "bargauge")["fieldConfig"]["overrides"][0]["matcher"]["options"] = json!("sunspots");
    }),
    ("a map without its longitude", Kind::Label, |json| {
        panel(json, "geomap")["options"]["layers"][0]["location"]["longitude"] = json!("lon");
    }),
    ("coordinates that stay texts", Kind::Label, |json| remove_first(&mut panel(json, "geomap")["transformations"])),
    ("a transformation of a column that is not there", Kind::Label, |json| {
        panel(json, "table")["transformations"][1]["options"]["sort"][0]["field"] = json!("Value #Z");
    }),
    ("a base map from the internet", Kind::File, |json| {
        panel(json, "geomap")["options"]["basemap"] = json!({"type": "default", "config": {}});
    }),
    ("a link to a column that is not there", Kind::Label, |json| {
        let text = panel(json, "table").to_string().replace("__data.fields.hamlet:", "__data.fields.village:");
        *panel(json, "table") = serde_json::from_str(&text).expect("still JSON");
    }),
    ("PromQL that does not parse", Kind::Promql, |json| {
        panel(json, "stat")["targets"][0]["expr"] = json!("sum by (phusong_gaps_open");
    }),
    ("a metric that nobody has", Kind::Metric, |json| {
        panel(json, "stat")["targets"][0]["expr"] = json!("sum(phusong_gaps_open) + 0 * sum(phusong_rainfall_ratio)");
    }),
    ("a variable that nobody defines", Kind::File, |json| {
        panel(json, "stat")["targets"][0]["expr"] = json!("sum(phusong_gaps_open{commune=\"$district\"})");
    }),
];

/// The first panel of a type.
fn panel<'a>(json: &'a mut Value, kind: &str) -> &'a mut Value {
    let panels = json["panels"].as_array_mut().expect("panels");
    panels.iter_mut().find(|panel| panel["type"] == kind).expect("the commune has one of each")
}

fn remove_first(list: &mut Value) {
    list.as_array_mut().expect("a list").remove(0);
}

/// One copy of `good` for each fault.
pub fn all(good: &Board) -> Vec<Broken> {
    let one = |(name, kind, breaking): &(&'static str, Kind, Breaking)| {
        let mut json = good.json.clone();
        breaking(&mut json);
        Broken { name, kind: *kind, board: Board { path: format!("{} ({name})", good.path), json } }
    };
    BREAKINGS.iter().map(one).collect()
}
