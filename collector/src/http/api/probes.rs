//! `probes`: the registry, with what a person asks first when a device falls silent.

use super::observations::{Observation, observation};
use super::page::Page;
use super::question::{Asked, Given, Named, Nothing, Question};
use super::state::Throughput;
use super::when::{utc, utc_of};
use super::words::{HamletRef, hamlet, nfc};
use super::{Answer, Api};
use crate::http::problem::{Problem, Problems};
use crate::store::ProbeRow;
use crate::store::views::{Stay, Views};
use axum::extract::State;
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

const LIST: &str = "probes";
const DAY_MS: i64 = 86_400_000;
/// Observations among which the newest of each kind is looked for.
const DEPTH: usize = 2_000;

#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProbeQuestion {
    /// Only those of this site.
    site: Option<String>,
    /// Only those that are retired, or only those that are not.
    retired: Option<bool>,
    /// 1 to 1000, 100 by default.
    #[param(value_type = Option<usize>)]
    limit: usize,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Question for ProbeQuestion {
    fn read(given: &Given) -> Result<Self, Problem> {
        Ok(ProbeQuestion {
            site: given.text("site"),
            retired: given.flag("retired")?,
            limit: given.limit()?,
            cursor: given.cursor(LIST)?,
        })
    }
}

/// A registered device.
#[derive(Debug, Serialize, ToSchema)]
pub struct Probe {
    pub id: String,
    pub site: String,
    pub label: Option<String>,
    #[schema(format = DateTime)]
    pub created: String,
    pub created_ms: i64,
    #[schema(format = DateTime)]
    pub retired: Option<String>,
    pub retired_ms: Option<i64>,
    /// When a batch of it last arrived.
    #[schema(format = DateTime)]
    pub last_contact: Option<String>,
    pub last_contact_ms: Option<i64>,
    /// Samples that neither came nor were explained.
    pub missing: u64,
    /// Since when two devices are suspected behind this identity.
    #[schema(format = DateTime)]
    pub clone_suspected: Option<String>,
    pub clone_suspected_ms: Option<i64>,
    /// Where it stands, or stood last.
    pub lat: Option<f64>,
    pub lon: Option<f64>,
    pub hamlet: Option<HamletRef>,
    /// Which power supply it hangs on, if known.
    pub supply: Option<String>,
    pub dead_letters: u64,
    pub dead_letter_bytes: u64,
}

/// Where it stood, from when to when.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProbePlace {
    pub id: i64,
    pub label: Option<String>,
    pub lat: f64,
    pub lon: f64,
    #[schema(format = DateTime)]
    pub from: String,
    pub from_ms: i64,
    /// Null: it stands there still.
    #[schema(format = DateTime)]
    pub to: Option<String>,
    pub to_ms: Option<i64>,
    pub hamlet: Option<HamletRef>,
    pub supply: Option<String>,
}

/// Its clock, as its newest observation tells.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClockState {
    /// Its wall clock was set from a time source in this boot.
    pub synced: bool,
    /// `anchored`, `stamped` or `uncertain`.
    pub at_state: String,
    /// Its wall clock ahead of event time.
    pub wall_ahead_ms: i64,
    /// Bound of the error of its newest boot's anchor; null: it has none.
    pub anchor_err_ms: Option<i64>,
}

/// What its bandwidth tests found on one network, where it stands now.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProbeThroughput {
    pub network: String,
    pub throughput: Throughput,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ProbeDetail {
    pub probe: Probe,
    /// Newest first; at most 100.
    pub places: Vec<ProbePlace>,
    /// Null: nothing came yet.
    pub clock: Option<ClockState>,
    /// Longest time from event to arrival, of what was measured in the last 24 hours at a certain time.
    pub delivery_delay_max_ms: Option<i64>,
    /// By network, of the last 24 hours.
    pub throughput: Vec<ProbeThroughput>,
    /// The newest of each kind, among its newest 2000.
    pub newest: Vec<Observation>,
}

/// Probes
///
/// By id; retired ones too.
#[utoipa::path(get, path = "/api/v1/probes", tag = "probes", params(ProbeQuestion),
    responses((status = 200, body = Page<Probe>), Problems))]
pub async fn probes(
    State(api): State<Api>,
    Asked(asked): Asked<ProbeQuestion>,
) -> Result<Answer<Page<Probe>>, Problem> {
    api.read(move |views, _| {
        let mut rows = views.reader().probes()?;
        rows.retain(|row| {
            asked.cursor.as_ref().is_none_or(|cursor| row.probe > *cursor)
                && asked.site.as_ref().is_none_or(|site| row.site == *site)
                && asked.retired.is_none_or(|retired| row.retired_ms.is_some() == retired)
        });
        Ok(Page::of(LIST, rows, asked.limit, |row| row.probe.clone(), item))
    })
    .await
}

/// One probe
///
/// Its registry, its places, its clock, how late its samples come, its newest samples.
#[utoipa::path(get, path = "/api/v1/probes/{id}", tag = "probes",
    params(("id" = String, Path, description = "The probe's id")),
    responses((status = 200, body = ProbeDetail), Problems))]
pub async fn probe(
    State(api): State<Api>,
    Named(name): Named,
    Asked(_): Asked<Nothing>,
) -> Result<Answer<ProbeDetail>, Problem> {
    api.read(move |views, now_ms| detail(views, now_ms, &name)).await
}

fn detail(views: &Views, now_ms: i64, name: &str) -> Result<ProbeDetail, Problem> {
    let absent = || Problem::no_such("probe", name, "/api/v1/probes");
    let row = views.probe_ref(name)?.ok_or_else(absent)?;
    let registered = views.reader().probes()?.into_iter().find(|row| row.probe == name).ok_or_else(absent)?;
    let contact = views.contact(row, now_ms - DAY_MS)?;
    let newest = views.newest_of_each_kind(row, DEPTH)?;
    let clock = newest.first().map(|newest| ClockState {
        synced: newest.clock.synced,
        at_state: newest.at_state.name().to_owned(),
        wall_ahead_ms: newest.wall_ms.saturating_sub(newest.at_ms),
        anchor_err_ms: contact.anchor_err_ms,
    });
    Ok(ProbeDetail {
        probe: item(registered),
        places: views.places_of(row)?.into_iter().map(place).collect(),
        clock,
        delivery_delay_max_ms: contact.delay_max_ms,
        throughput: views
            .probe_speeds(row, now_ms)?
            .into_iter()
            .map(|found| ProbeThroughput { network: found.network, throughput: found.throughput.into() })
            .collect(),
        newest: newest.into_iter().map(observation).collect(),
    })
}

fn item(row: ProbeRow) -> Probe {
    Probe {
        id: row.probe,
        site: row.site,
        label: row.label.map(nfc),
        created: utc(row.created_ms),
        created_ms: row.created_ms,
        retired: utc_of(row.retired_ms),
        retired_ms: row.retired_ms,
        last_contact: utc_of(row.last_contact_ms),
        last_contact_ms: row.last_contact_ms,
        missing: row.missing,
        clone_suspected: utc_of(row.clone_suspected_ms),
        clone_suspected_ms: row.clone_suspected_ms,
        lat: row.place.map(|place| place.lat()),
        lon: row.place.map(|place| place.lon()),
        hamlet: row.hamlet.and_then(|found| hamlet(Some(found.code), Some(found.name))),
        supply: row.supply.map(nfc),
        dead_letters: row.dead_letters,
        dead_letter_bytes: row.dead_letter_bytes,
    }
}

fn place(stay: Stay) -> ProbePlace {
    ProbePlace {
        id: stay.id,
        label: stay.label.map(nfc),
        lat: stay.lat,
        lon: stay.lon,
        from: utc(stay.from_ms),
        from_ms: stay.from_ms,
        to: utc_of(stay.to_ms),
        to_ms: stay.to_ms,
        hamlet: hamlet(stay.hamlet_code, stay.hamlet_name),
        supply: stay.supply.map(nfc),
    }
}
