//! A dashboard against a real Prometheus, as Grafana would ask it.
//!
//! In: a dashboard, a Prometheus that holds the test data until `end_s`. Out: faults, and how many queries had an
//! answer. Refuses to know: what the data is. Limits: a range of 24 hours, the first value of each variable.

use super::file::{Board, Panel, Query, list, word};
use super::frame::{Frame, of_series, of_table};
use super::substitute::Values;
use super::{Families, Fault, Kind, Story, judge, transform};
use crate::harness::Prometheus;
use anyhow::Result;
use regex::Regex;
use serde_json::Value;

const RANGE_S: i64 = 24 * 3_600;

#[derive(Default)]
pub struct Outcome {
    pub faults: Vec<Fault>,
    pub panels: u64,
    pub queries: u64,
    pub with_data: u64,
}

/// What is asked: a Prometheus, whose days it holds, when they end, and what the documents say of its families.
pub struct Source<'a> {
    pub prometheus: &'a Prometheus,
    pub families: &'a Families,
    pub story: Story,
    pub end_s: i64,
}

struct Asker<'a> {
    source: &'a Source<'a>,
    values: Values,
    outcome: Outcome,
}

/// Everything that can be found about a dashboard.
pub fn examine(board: &Board, source: &Source<'_>) -> Result<Outcome> {
    let outcome = Outcome { faults: board.faults(), ..Outcome::default() };
    let mut asker = Asker { source, values: Values::default(), outcome };
    for variable in board.variables() {
        asker.variable(&board.path, variable)?;
    }
    for link in list(&board.json["links"]) {
        for name in asker.values.undefined(&word(&link["url"])) {
            asker.fault(Kind::File, &board.path, format!("a link names ${{{name}}}, which nobody defines"));
        }
    }
    for panel in board.panels() {
        asker.panel(&panel);
    }
    Ok(asker.outcome)
}

impl Asker<'_> {
    fn fault(&mut self, kind: Kind, place: &str, what: impl std::fmt::Display) {
        self.outcome.faults.push(Fault::new(kind, place, what));
    }

    /// Sets it to the first of its values.
    fn variable(&mut self, path: &str, variable: &Value) -> Result<()> {
        let name = word(&variable["name"]);
        let place = format!("{path} variable {name}");
        let first = match variable["type"].as_str() {
            Some("datasource") => Some("prometheus".to_owned()),
            Some("textbox") => Some(word(&variable["query"])),
            Some("query") => self.first(&place, variable)?,
            _ => {
                self.fault(Kind::File, &place, format!("the check does not know its type {}", variable["type"]));
                None
            }
        };
        if let Some(first) = first {
            self.values.set(&name, &first);
        }
        Ok(())
    }

    /// The first value of a query variable: what Grafana would choose.
    fn first(&mut self, place: &str, variable: &Value) -> Result<Option<String>> {
        let asked = self.filled(place, &word(&variable["query"]["query"]), 60);
        self.outcome.queries += 1;
        let inside = |name: &str| asked.strip_prefix(name).and_then(|rest| rest.strip_suffix(')')).map(str::to_owned);
        let mut found: Vec<String> = if let Some(inside) = inside("label_values(") {
            let (selector, label) = inside.rsplit_once(',').unwrap_or((inside.as_str(), ""));
            if let Err(e) = promql_parser::parser::parse(selector) {
                self.fault(Kind::Promql, place, e);
            }
            self.label_values(place, selector, label.trim())
        } else if let Some(expr) = inside("query_result(") {
            self.query_result(place, &expr, &word(&variable["regex"]))?
        } else {
            self.fault(Kind::File, place, format!("neither label_values nor query_result: {asked}"));
            Vec::new()
        };
        found.sort();
        // A house that begins with the commune has no province; Grafana then fills in nothing.
        if found.is_empty() && self.source.story == Story::Bare && variable["name"] == "province" {
            self.outcome.with_data += 1;
            return Ok(Some(String::new()));
        }
        if found.is_empty() {
            self.fault(Kind::NoData, place, format!("no value: {asked}"));
        } else {
            self.outcome.with_data += 1;
        }
        Ok(found.into_iter().next())
    }

    fn label_values(&mut self, place: &str, selector: &str, label: &str) -> Vec<String> {
        let (start, end) = ((self.source.end_s - RANGE_S).to_string(), self.source.end_s.to_string());
        let parameters = [("match[]", selector), ("start", start.as_str()), ("end", end.as_str())];
        match self.source.prometheus.ask(&format!("/api/v1/label/{label}/values"), &parameters) {
            Ok(values) => list(&values).map(word).collect(),
            Err(e) => {
                self.fault(Kind::Promql, place, e);
                Vec::new()
            }
        }
    }

    /// Each series as Grafana writes it, taken apart by the variable's expression; the values, in the texts' order.
    fn query_result(&mut self, place: &str, expr: &str, regex: &str) -> Result<Vec<String>> {
        let query = Query { ref_id: "A".into(), expr: expr.into(), legend: String::new(), table: true, instant: true };
        let result = self.run(place, &query, expr, 60);
        let regex = Regex::new(regex.trim_matches('/'))?;
        let mut values = Vec::new();
        for series in &result {
            let labels = series["metric"].as_object().into_iter().flatten().filter(|(key, _)| *key != "__name__");
            let labels: Vec<String> = labels.map(|(key, value)| format!("{key}=\"{}\"", word(value))).collect();
            let line = format!("{{{}}} 1 {}", labels.join(","), self.source.end_s * 1000);
            let parts = regex.captures(&line);
            match parts.and_then(|parts| {
                Some((parts.name("text")?.as_str().to_owned(), parts.name("value")?.as_str().to_owned()))
            }) {
                Some((_, value)) => values.push(value),
                None => self.fault(Kind::Label, place, format!("{regex} does not fit {line}")),
            }
        }
        Ok(values)
    }

    fn filled(&mut self, place: &str, text: &str, step_s: i64) -> String {
        let (filled, unknown) = self.values.timed(step_s, RANGE_S).fill(text);
        for name in unknown {
            self.fault(Kind::File, place, format!("nobody defines ${name}"));
        }
        for fault in self.source.families.faults(place, text) {
            self.outcome.faults.push(fault);
        }
        filled
    }

    /// The answer's series; a refusal is a fault.
    fn run(&mut self, place: &str, query: &Query, expr: &str, step_s: i64) -> Vec<Value> {
        if let Err(e) = promql_parser::parser::parse(expr) {
            self.fault(Kind::Promql, place, format!("{expr}: {e}"));
            return Vec::new();
        }
        let (end, start, step) =
            (self.source.end_s.to_string(), (self.source.end_s - RANGE_S).to_string(), step_s.to_string());
        let answer = if query.instant {
            self.source.prometheus.ask("/api/v1/query", &[("query", expr), ("time", &end)])
        } else {
            let parameters = [("query", expr), ("start", start.as_str()), ("end", &end), ("step", &step)];
            self.source.prometheus.ask("/api/v1/query_range", &parameters)
        };
        match answer {
            Ok(data) => list(&data["result"]).cloned().collect(),
            Err(e) => {
                self.fault(Kind::Promql, place, format!("{expr}: {e:#}"));
                Vec::new()
            }
        }
    }

    fn panel(&mut self, panel: &Panel<'_>) {
        self.outcome.panels += 1;
        let mut frames: Vec<Frame> = Vec::new();
        let tables = panel.queries.iter().filter(|query| query.table).count();
        for query in &panel.queries {
            let place = format!("{} query {}", panel.place, query.ref_id);
            let expr = self.filled(&place, &query.expr, panel.step_s);
            let result = self.run(&place, query, &expr, panel.step_s);
            self.outcome.queries += 1;
            if result.is_empty() {
                self.fault(Kind::NoData, &place, expr);
                continue;
            }
            self.outcome.with_data += 1;
            if query.table {
                frames.push(of_table(query, &result, tables == 1));
            } else {
                let (of_query, absent) = of_series(query, &result);
                frames.extend(of_query);
                let mut absent = absent;
                absent.sort();
                absent.dedup();
                for label in absent {
                    self.fault(
                        Kind::Label,
                        &place,
                        format!("the legend names {{{{{label}}}}}, which the answer has not"),
                    );
                }
            }
        }
        let (frames, missing) = transform::transformed(frames, &panel.json["transformations"]);
        for name in missing {
            self.fault(Kind::Label, &panel.place, name);
        }
        self.outcome.faults.extend(judge::judge(panel, &frames, &self.values));
    }
}
