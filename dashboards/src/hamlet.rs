//! The dashboard of a hamlet: which networks work here, how well, and can the data be trusted?
//!
//! In: an edition. Out: the dashboard. Refuses to know: other hamlets; the commune's dashboard does.

use crate::edition::Edition;
use crate::field::{Fields, by_name, fixed_colour, property};
use crate::layout::Layout;
use crate::level::{self, BLIND, Level, Of};
use crate::model::{Content, Dashboard, Panel, Target};
use crate::panel::{Column, Look, Said, Show, Stack, number, series, table, timeline};
use crate::promql::{self, HAMLET};
use crate::text::hamlet as say;
use crate::variable;
use serde_json::json;

/// What a ratio must reach to be called firm.
const FIRM: f64 = 0.95;

pub fn dashboard(edition: &Edition) -> Dashboard {
    let mut variables = vec![
        variable::source(edition),
        variable::province(edition),
        variable::commune(edition),
        variable::hamlet(edition),
    ];
    variables.extend(variable::places(edition));
    let panels = Layout::default()
        .row(
            4,
            [(6, now(edition)), (5, since(edition)), (4, served(edition)), (4, measured(edition)), (5, age(edition))],
        )
        .row(8, [(14, networks(edition)), (10, links(edition))])
        .row(8, [(12, rtt(edition)), (12, loss(edition))])
        .row(8, [(12, throughput(edition)), (12, states(edition))])
        .row(8, [(24, probes(edition))])
        .panels();
    Dashboard::new(
        edition,
        Content {
            name: "hamlet",
            title: edition.say(say::TITLE),
            description: edition.say(say::DESCRIPTION),
            place: "#hamlet=${hamlet:percentencode}",
            variables,
            panels,
        },
    )
}

fn now(edition: &Edition) -> Panel {
    let fields = Fields::new("none").levels(level::mappings(edition, Of::Cellular));
    let said = Said { title: say::LEVEL, description: say::LEVEL_MEANS };
    let mut panel = number(edition, said, Look::Filled, vec![Target::now(promql::level(HAMLET), "")], fields);
    panel.links = vec![edition.runbook_link()];
    panel
}

fn since(edition: &Edition) -> Panel {
    let fields = Fields::new("dateTimeFromNow").with("mappings", level::moments(edition));
    let said = Said { title: say::SINCE, description: say::SINCE_MEANS };
    number(edition, said, Look::Plain, vec![Target::now(promql::changed_at(HAMLET), "")], fields)
}

fn share() -> Fields {
    Fields::new("percentunit").with("min", json!(0)).with("max", json!(1)).with("decimals", json!(1))
}

fn served(edition: &Edition) -> Panel {
    let colours = [(0.0, Level::Dead.colour()), (0.9, Level::Weak.colour()), (FIRM, Level::Good.colour())];
    let said = Said { title: say::SERVED, description: say::SERVED_MEANS };
    let target = Target::now(promql::served_share(HAMLET), "");
    number(
        edition,
        said,
        Look::Plain,
        vec![target],
        share().with("mappings", level::unmeasured(edition)).thresholds(level::steps(&colours)),
    )
}

fn measured(edition: &Edition) -> Panel {
    let colours = [(0.0, BLIND), (FIRM, Level::Good.colour())];
    let said = Said { title: say::MEASURED, description: say::MEASURED_MEANS };
    let target = Target::now(promql::measured_share(HAMLET), "");
    number(edition, said, Look::Plain, vec![target], share().thresholds(level::steps(&colours)))
}

fn age(edition: &Edition) -> Panel {
    let fields = Fields::new("s").with("decimals", json!(0)).thresholds(level::ages());
    let said = Said { title: say::AGE, description: say::AGE_MEANS };
    number(edition, said, Look::Plain, vec![Target::now(promql::newest_contact_age(HAMLET), "")], fields)
}

fn networks(edition: &Edition) -> Panel {
    let fields = Fields::new("none").levels(level::mappings(edition, Of::Cellular));
    let target = Target::over_time(promql::network_levels(), "{{network}} {{technology}}");
    timeline(edition, Said { title: say::NETWORKS, description: say::NETWORKS_MEANS }, vec![target], fields)
}

fn links(edition: &Edition) -> Panel {
    let fields = Fields::new("none").levels(level::mappings(edition, Of::FixedLink));
    let target = Target::over_time(promql::link_levels(), "{{network}}");
    timeline(edition, Said { title: say::LINKS, description: say::LINKS_MEANS }, vec![target], fields)
}

fn rtt(edition: &Edition) -> Panel {
    let of = |quantile: &str, name: &str| {
        let selector = promql::quantile("phusong_hamlet_rtt_seconds", quantile);
        Target::over_time(selector, format!("{{{{network}}}} {name}"))
    };
    let said = Said { title: say::RTT, description: say::RTT_MEANS };
    series(edition, said, Stack::No, vec![of("0.5", "p50"), of("0.95", "p95")], Fields::new("s"))
}

fn loss(edition: &Edition) -> Panel {
    let target = Target::over_time(promql::by("network", "phusong_hamlet_packet_loss_ratio"), "{{network}}");
    let said = Said { title: say::LOSS, description: say::LOSS_MEANS };
    series(edition, said, Stack::No, vec![target], Fields::new("percentunit"))
}

fn throughput(edition: &Edition) -> Panel {
    let expr = promql::by("network, direction", "phusong_hamlet_throughput_bits_per_second");
    let target = Target::over_time(expr, "{{network}} {{direction}}");
    let said = Said { title: say::THROUGHPUT, description: say::THROUGHPUT_MEANS };
    series(edition, said, Stack::No, vec![target], Fields::new("bps"))
}

fn states(edition: &Edition) -> Panel {
    let named = |level: Level| {
        let name = property("displayName", json!(edition.say(level.word())));
        level.state().map(|state| by_name(state, [name, fixed_colour(level.colour())]))
    };
    let target = Target::over_time(promql::seconds_by_state(HAMLET), "{{state}}");
    let said = Said { title: say::STATES, description: say::STATES_MEANS };
    // Up to the whole hour: what is left was not measured.
    let fields = Fields::new("s").with("max", json!(3_600));
    let fields = fields.overrides(Level::ALL.into_iter().filter_map(named));
    let mut panel = series(edition, said, Stack::Sum, vec![target], fields);
    panel.interval = "1h";
    panel
}

fn probes(edition: &Edition) -> Panel {
    let of = |metric: &str| promql::of_probes(metric, HAMLET);
    let targets = vec![
        Target::table(format!("1000 * ({})", of("phusong_probe_last_contact_timestamp_seconds"))),
        Target::table(of("phusong_probe_spool_samples")),
        Target::table(of("phusong_probe_clock_offset_seconds")),
        Target::table(of("phusong_missing_samples_total")),
    ];
    // A second of error moves a sample by a bin's tenth; five minutes move it into another window.
    let offset = [
        (f64::NEG_INFINITY, Level::Dead.colour()),
        (-300.0, Level::Weak.colour()),
        (-2.0, Level::Good.colour()),
        (2.0, Level::Weak.colour()),
        (300.0, Level::Dead.colour()),
    ];
    let any = [(0.0, Level::Good.colour()), (1.0, Level::Dead.colour())];
    let columns = vec![
        Column::new("probe", Show::As(say::PROBE)),
        Column::new("Value #A", Show::As(say::CONTACT)).unit("dateTimeFromNow"),
        Column::new("Value #B", Show::As(say::SPOOL)).unit("short"),
        Column::new("Value #C", Show::As(say::CLOCK))
            .unit("s")
            .with("decimals", json!(1))
            .with("thresholds", level::steps(&offset))
            .coloured(),
        Column::new("Value #D", Show::As(say::LOST)).unit("none").with("thresholds", level::steps(&any)).coloured(),
        Column::new("Time", Show::Dropped),
    ];
    table(edition, Said { title: say::PROBES, description: say::PROBES_MEANS }, targets, None, columns)
}
