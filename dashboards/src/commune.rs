//! The dashboard of a commune: where does it not work now, and since when?
//!
//! In: an edition. Out: the dashboard. Refuses to know: single networks; the hamlet's dashboard does.

use crate::edition::Edition;
use crate::field::{Fields, by_name, fixed_colour, of_numbers, property};
use crate::layout::Layout;
use crate::level::{self, BLIND, Level, Of};
use crate::model::{Content, Dashboard, Panel, Target};
use crate::panel::{Column, Look, Said, Show, Stack, bars, map, number, series, table, timeline};
use crate::promql::{self, COMMUNE};
use crate::text::{self, commune as say};
use crate::{cause, variable};
use serde_json::json;

pub fn dashboard(edition: &Edition) -> Dashboard {
    let mut variables = vec![variable::source(edition), variable::province(edition), variable::commune(edition)];
    variables.extend(variable::places(edition));
    let panels = Layout::default()
        .row(4, [(15, counts(edition)), (9, age(edition))])
        .row(14, [(12, place(edition)), (12, list(edition))])
        .row(12, [(24, history(edition))])
        .row(8, [(7, open_gaps(edition)), (7, open_blinds(edition)), (10, ended(edition))])
        .panels();
    Dashboard::new(
        edition,
        Content {
            name: "commune",
            title: edition.say(say::TITLE),
            description: edition.say(say::DESCRIPTION),
            place: "",
            variables,
            panels,
        },
    )
}

fn counts(edition: &Edition) -> Panel {
    let order = [Level::Dead, Level::Weak, Level::Unknown, Level::Good];
    let count =
        |level: Level| Target::over_time(promql::count_of_level(COMMUNE, level.number()), edition.say(level.word()));
    let colour = |level: Level| by_name(&edition.say(level.word()), [fixed_colour(level.colour())]);
    let fields = Fields::new("none").overrides(order.map(colour));
    let said = Said { title: say::COUNTS, description: say::COUNTS_MEANS };
    number(edition, said, Look::Curve, order.map(count).into(), fields)
}

fn age(edition: &Edition) -> Panel {
    let silent = edition.say(say::AGE_SILENT);
    let targets = vec![
        Target::now(promql::newest_contact_age(COMMUNE), edition.say(say::AGE_NEWEST)),
        Target::now(promql::oldest_contact_age(COMMUNE), edition.say(say::AGE_OLDEST)),
        Target::now(promql::silent_probes(COMMUNE), silent.clone()),
    ];
    let count = by_name(&silent, [property("unit", json!("none")), property("thresholds", level::blinds())]);
    let fields = Fields::new("s").with("decimals", json!(0)).thresholds(level::ages()).overrides([count]);
    number(edition, Said { title: say::AGE, description: say::AGE_MEANS }, Look::Plain, targets, fields)
}

/// What the tooltip and the table need not say.
const KEYS: [&str; 2] = ["Time", "commune"];

fn place(edition: &Edition) -> Panel {
    let hidden = ["Time", "commune", "hamlet", "latitude", "longitude"];
    let hide = json!({"legend": true, "tooltip": true, "viz": false});
    let mut overrides: Vec<_> =
        hidden.iter().map(|name| by_name(name, [property("custom.hideFrom", hide.clone())])).collect();
    overrides.push(by_name("hamlet_name", [property("displayName", json!(edition.say(text::HAMLET)))]));
    let level = [
        property("displayName", json!(edition.say(say::LEVEL))),
        property("mappings", level::mappings(edition, Of::Cellular)),
        property("thresholds", level::thresholds()),
        property("color", json!({"mode": "thresholds"})),
        property("links", json!([edition.hamlet_link(), edition.map_link()])),
    ];
    overrides.push(by_name("Value", level));
    let fields = Fields::new("none").overrides(overrides);
    let said = Said { title: say::MAP, description: say::MAP_MEANS };
    map(edition, said, Target::table(promql::placed_level(COMMUNE)), "hamlet_name", fields)
}

fn list(edition: &Edition) -> Panel {
    let targets = vec![
        Target::table(promql::not_good(COMMUNE)),
        Target::table(promql::not_good_since(COMMUNE)),
        Target::table(promql::dead_seconds(COMMUNE)),
        Target::table(promql::urgency(COMMUNE)),
    ];
    let mut columns = vec![
        Column::new("hamlet_name", Show::As(text::HAMLET))
            .with("links", json!([edition.hamlet_link(), edition.map_link()])),
        Column::new("Value #A", Show::As(say::LEVEL))
            .with("mappings", level::mappings(edition, Of::Cellular))
            .with("thresholds", level::thresholds())
            .coloured(),
        Column::new("Value #B", Show::As(say::SINCE)).unit("dateTimeFromNow").with("mappings", level::moments(edition)),
        Column::new("Value #C", Show::As(say::DEAD_TIME)).unit("dtdurations").with("decimals", json!(0)),
        Column::new("hamlet", Show::Hidden),
        Column::new("Value #D", Show::Dropped),
    ];
    columns.extend(KEYS.map(|key| Column::new(key, Show::Dropped)));
    let said = Said { title: say::LIST, description: say::LIST_MEANS };
    let mut panel = table(edition, said, targets, Some("Value #D"), columns);
    panel.links = vec![edition.runbook_link()];
    panel
}

fn history(edition: &Edition) -> Panel {
    let fields = Fields::new("none").levels(level::mappings(edition, Of::Cellular));
    let said = Said { title: say::TIMELINE, description: say::TIMELINE_MEANS };
    timeline(edition, said, vec![Target::over_time(promql::timeline(COMMUNE), "{{hamlet_name}}")], fields)
}

fn open_gaps(edition: &Edition) -> Panel {
    let colours = level::steps(&[(0.0, Level::Good.colour()), (1.0, Level::Dead.colour())]);
    let fields = Fields::new("none").with("min", json!(0)).thresholds(colours).overrides(cause::of_gaps(edition));
    let target = Target::now(promql::open_by_cause("phusong_gaps_open"), "{{cause}}");
    let said = Said { title: say::GAPS_OPEN, description: say::GAPS_OPEN_MEANS };
    let mut panel = bars(edition, said, vec![target], fields);
    panel.links = vec![edition.runbook_link()];
    panel
}

fn open_blinds(edition: &Edition) -> Panel {
    let fields =
        Fields::new("none").with("min", json!(0)).thresholds(level::blinds()).overrides(cause::of_blinds(edition));
    let target = Target::now(promql::open_by_cause("phusong_blinds_open"), "{{cause}}");
    bars(edition, Said { title: say::BLINDS_OPEN, description: say::BLINDS_OPEN_MEANS }, vec![target], fields)
}

fn ended(edition: &Edition) -> Panel {
    let (gaps, blinds) = (edition.say(say::GAPS), edition.say(say::BLINDS));
    let colours = [by_name(&gaps, [fixed_colour(Level::Dead.colour())]), by_name(&blinds, [fixed_colour(BLIND)])];
    let targets = vec![
        Target::over_time(promql::ended("phusong_gaps_total"), gaps),
        Target::over_time(promql::ended("phusong_blinds_total"), blinds),
    ];
    let whole = of_numbers([property("decimals", json!(0))]);
    let fields = Fields::new("none").overrides([whole]).overrides(colours);
    let said = Said { title: say::ENDED, description: say::ENDED_MEANS };
    let mut panel = series(edition, said, Stack::Sum, targets, fields);
    panel.interval = "1h";
    panel
}
