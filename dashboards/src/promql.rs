//! The expressions, by name.
//!
//! In: the variables `$province`, `$commune`, `$hamlet`. Out: PromQL that Prometheus 2.42 and VictoriaMetrics take.
//! Refuses to know: panels. Every expression aggregates `job` and `instance` away: any collector serves the same
//! series, and a second scrape must not double a count.

/// The commune that was chosen; communes of one name have their codes added, so no province is needed, and a house that
/// begins with the commune has none.
pub const COMMUNE: &str = r#"commune="$commune""#;
/// The hamlet that was chosen.
pub const HAMLET: &str = r#"commune="$commune", hamlet="$hamlet""#;

/// Rows of a state timeline: more cannot be read, and Grafana slows down.
const ROWS: u32 = 200;
/// How far apart two looks are when a change is sought: one window.
const WINDOW: &str = "5m";

/// The best cellular level of each hamlet.
pub fn level(of: &str) -> String {
    format!("max by (commune, hamlet) (phusong_hamlet_coverage_level{{{of}}})")
}

fn level_before(of: &str) -> String {
    format!("max by (commune, hamlet) (phusong_hamlet_coverage_level{{{of}}} offset {WINDOW})")
}

/// `expr`, a value a hamlet, with labels of its description.
fn described(expr: &str, of: &str, labels: &str) -> String {
    format!(
        "({expr}) * on (commune, hamlet) group_left ({labels}) \
         max by (commune, hamlet, {labels}) (phusong_hamlet_info{{{of}}})"
    )
}

/// The level of each hamlet, with its name.
pub fn named_level(of: &str) -> String {
    described(&level(of), of, "hamlet_name")
}

/// The level of each hamlet, with its name and where it is.
pub fn placed_level(of: &str) -> String {
    described(&level(of), of, "hamlet_name, latitude, longitude")
}

/// As many hamlets as can be read: what works least comes first. Chosen at the end of the range, so that rows do not
/// come and go within it.
pub fn timeline(of: &str) -> String {
    let last = format!("max by (commune, hamlet) (phusong_hamlet_coverage_level{{{of}}} @ end())");
    format!("{} and on (commune, hamlet) bottomk({ROWS}, {last})", named_level(of))
}

/// Hamlets that are not good.
pub fn not_good(of: &str) -> String {
    described(&format!("{} != 3", level(of)), of, "hamlet_name")
}

/// Dead 3, weak 2, good 1, unknown 0: the order of a list that asks where to go first.
pub fn urgency(of: &str) -> String {
    format!("(4 - ({} != 3)) % 4", level(of))
}

/// How many hamlets have this level: 0 where none has, not nothing.
pub fn count_of_level(of: &str, number: u8) -> String {
    let level = level(of);
    format!("count({level} == {number}) or 0 * count({level})")
}

/// When the level last changed, in milliseconds: to one window exactly, and 0 if it did not within the range.
pub fn changed_at(of: &str) -> String {
    let level = level(of);
    format!("1000 * max_over_time(timestamp({level} != {})[$__range:{WINDOW}]) or 0 * {level}", level_before(of))
}

/// The same, of hamlets that are not good.
pub fn not_good_since(of: &str) -> String {
    format!("({}) and on (commune, hamlet) ({} != 3)", changed_at(of), level(of))
}

/// Seconds of the range without signal, of hamlets that are not good.
pub fn dead_seconds(of: &str) -> String {
    format!(
        "sum by (commune, hamlet) \
         (increase(phusong_hamlet_state_seconds_total{{{of}, state=\"dead\"}}[$__range])) \
         and on (commune, hamlet) ({} != 3)",
        level(of)
    )
}

/// Seconds of each interval in each state.
pub fn seconds_by_state(of: &str) -> String {
    format!("sum by (state) (increase(phusong_hamlet_state_seconds_total{{{of}}}[$__interval]))")
}

/// Time without a result is in no state.
fn known_seconds(of: &str) -> String {
    format!("sum(increase(phusong_hamlet_state_seconds_total{{{of}}}[$__range]))")
}

/// Of the time that was measured, the share in which a network served.
pub fn served_share(of: &str) -> String {
    let served = format!("sum(increase(phusong_hamlet_state_seconds_total{{{of}, state=~\"good|weak\"}}[$__range]))");
    format!("({served} or 0 * {}) / {}", known_seconds(of), known_seconds(of))
}

/// Of the whole range, the share that was measured.
pub fn measured_share(of: &str) -> String {
    format!("clamp_max({} / $__range_s, 1)", known_seconds(of))
}

/// A metric of probes, a value a probe, of those that stand in the chosen area.
pub fn of_probes(metric: &str, of: &str) -> String {
    format!("max by (probe) ({metric}) and on (probe) phusong_probe_info{{{of}}}")
}

fn last_contact(of: &str) -> String {
    of_probes("phusong_probe_last_contact_timestamp_seconds", of)
}

/// Seconds since any probe was heard.
pub fn newest_contact_age(of: &str) -> String {
    format!("time() - max({})", last_contact(of))
}

/// Seconds since the longest silent probe was heard.
pub fn oldest_contact_age(of: &str) -> String {
    format!("time() - min({})", last_contact(of))
}

/// Probes that have been silent for 15 minutes: 0 where none is, not nothing.
pub fn silent_probes(of: &str) -> String {
    let contact = last_contact(of);
    format!("count(time() - ({contact}) > 900) or 0 * count({contact})")
}

/// Open gaps or blinds by cause.
pub fn open_by_cause(family: &str) -> String {
    format!("sum by (cause) (max by (commune, cause) ({family}{{commune=\"$commune\"}}))")
}

/// Gaps or blinds that ended in each interval.
pub fn ended(family: &str) -> String {
    format!("sum(max by (commune, cause) (increase({family}{{commune=\"$commune\"}}[$__interval])))")
}

/// The level of each cellular network of the hamlet.
pub fn network_levels() -> String {
    format!("max by (network, technology) (phusong_hamlet_network_level{{{HAMLET}}})")
}

/// The level of each fixed link of the hamlet.
pub fn link_levels() -> String {
    format!("max by (network) (phusong_hamlet_link_level{{{HAMLET}}})")
}

/// A gauge of the hamlet by labels.
pub fn by(labels: &str, metric: &str) -> String {
    format!("max by ({labels}) ({metric}{{{HAMLET}}})")
}

/// A quantile of the hamlet by network.
pub fn quantile(metric: &str, quantile: &str) -> String {
    format!("max by (network) ({metric}{{{HAMLET}, quantile=\"{quantile}\"}})")
}
