//! The families that dashboards may ask for, with the labels that they carry.
//!
//! In: `docs/metrics.md`. Out: faults where a dashboard names another metric, or where the documents give one of ours
//! other labels than the test data has. Refuses to know: values. Limits: rows of tables of the form
//! `| names | type | labels | meaning |`.

use super::{Fault, Kind};
use std::collections::{BTreeMap, BTreeSet};

const HAMLET: [&str; 3] = ["province", "commune", "hamlet"];

/// Everything that the test data holds: the family, whether its labels begin with those of a hamlet, the others.
pub const FAMILIES: [(&str, bool, &[&str]); 19] = [
    ("phusong_hamlet_info", true, &["hamlet_name", "latitude", "longitude"]),
    ("phusong_hamlet_coverage_level", true, &[]),
    ("phusong_hamlet_link_level", true, &["network"]),
    ("phusong_hamlet_network_level", true, &["network", "technology"]),
    ("phusong_hamlet_state_seconds_total", true, &["state"]),
    ("phusong_hamlet_rtt_seconds", true, &["network", "quantile"]),
    ("phusong_hamlet_packet_loss_ratio", true, &["network"]),
    ("phusong_hamlet_throughput_bits_per_second", true, &["network", "direction"]),
    ("phusong_gaps_open", false, &["commune", "cause"]),
    ("phusong_gaps_total", false, &["commune", "cause"]),
    ("phusong_blinds_open", false, &["commune", "cause"]),
    ("phusong_blinds_total", false, &["commune", "cause"]),
    ("phusong_probe_info", true, &["site", "probe"]),
    ("phusong_probe_last_contact_timestamp_seconds", false, &["site", "probe"]),
    ("phusong_probe_spool_samples", false, &["probe"]),
    ("phusong_probe_clock_offset_seconds", false, &["probe"]),
    ("phusong_missing_samples_total", false, &["site", "probe"]),
    ("phusong_probe_battery_ratio", false, &["probe"]),
    ("phusong_probe_data_used_bytes", false, &["probe"]),
];

/// Names of labels that a family carries in the test data.
pub fn labels(family: &str) -> Option<BTreeSet<&'static str>> {
    let (_, of_hamlet, others) = FAMILIES.iter().find(|(name, ..)| *name == family)?;
    let area: &[&str] = if *of_hamlet { &HAMLET } else { &[] };
    Some(area.iter().chain(others.iter()).copied().collect())
}

/// What `docs/metrics.md` says: each family with its labels.
pub struct Families {
    documented: BTreeMap<String, BTreeSet<String>>,
}

impl Families {
    pub fn read(document: &str) -> Self {
        let mut documented = BTreeMap::new();
        for line in document.lines().filter(|line| line.starts_with("| `phusong_")) {
            let columns: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, names, _, labels, ..] = columns.as_slice() else { continue };
            for name in quoted(names) {
                documented.entry(name).or_insert_with(BTreeSet::new).extend(quoted(labels));
            }
        }
        Families { documented }
    }

    /// Of every metric that an expression names.
    pub fn faults(&self, place: &str, expr: &str) -> Vec<Fault> {
        let mut faults = Vec::new();
        for name in names(expr) {
            let mut wrong = |what: String| faults.push(Fault::new(Kind::Metric, place, what));
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(&name);
            let documented = self.documented.get(&name).or_else(|| self.documented.get(base));
            match (documented, labels(&name)) {
                (None, _) => wrong(format!("docs/metrics.md does not know {name}")),
                (Some(_), None) => wrong(format!("the test data does not hold {name}")),
                (Some(documented), Some(ours)) => {
                    let documented: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
                    if documented != ours {
                        wrong(format!(
                            "docs/metrics.md gives {name} the labels {documented:?}, the test data {ours:?}"
                        ));
                    }
                }
            }
        }
        faults
    }
}

/// Words within backticks.
fn quoted(text: &str) -> impl Iterator<Item = String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// Metrics that an expression names, each once.
pub fn names(expr: &str) -> BTreeSet<String> {
    let word = |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    expr.match_indices("phusong_").map(|(at, _)| word(&expr[at..])).collect()
}

#[cfg(test)]
mod tests {
    use super::Families;

    #[test]
    fn a_metric_must_be_documented_with_the_labels_of_the_data() {
        let document = "| `phusong_gaps_open` | gauge | `commune`, `cause` | open |\n| `phusong_gaps_total` | counter | `cause` | |";
        let families = Families::read(document);
        for (expr, faults) in [
            ("sum(phusong_gaps_open)", 0),
            ("sum(phusong_gaps_open) + phusong_gaps_total", 1),
            ("phusong_blinds_open", 1),
            ("phusong_gaps_open_bucket", 1),
        ] {
            assert_eq!(families.faults("here", expr).len(), faults, "{expr}");
        }
    }
}
