//! Policies as operators write them: a file of what differs from the product's, checked, and the versions that hold.
//!
//! In: TOML from an operator, JSON from a row. Out: a [`Version`], all [`Versions`], or the first rule that is broken
//! with its line. Refuses to know: SQL, what the thresholds decide. Limits: those of [`FIELDS`]; files of
//! `CONTENT_BYTES`. `docs/policies.md` is this for operators.

use crate::areas::day_of;
use crate::store::StoreError;
use crate::store::derived::{CONTENT_BYTES, PolicyRow, Shelf};
use phusong_coverage::{Db, Dbm, Micros, Policies, Policy};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// What a remark may have.
const TEXT_BYTES: usize = 1_000;

/// One threshold: its key, what it may be, and where it stands in a [`Policy`].
pub struct Field {
    pub key: &'static str,
    low: f64,
    high: f64,
    /// Only whole numbers.
    whole: bool,
    get: fn(&Policy) -> f64,
    set: fn(&mut Policy, f64),
}

const fn whole(key: &'static str, low: f64, high: f64, get: fn(&Policy) -> f64, set: fn(&mut Policy, f64)) -> Field {
    Field { key, low, high, whole: true, get, set }
}

const fn part(key: &'static str, low: f64, high: f64, get: fn(&Policy) -> f64, set: fn(&mut Policy, f64)) -> Field {
    Field { key, low, high, whole: false, get, set }
}

/// A level or a ratio, which is kept with fewer digits than it is written with.
fn shown(value: f32) -> f64 {
    (f64::from(value) * 1_000.0).round() / 1_000.0
}

/// In the order in which they are shown. A day has 288 windows.
pub const FIELDS: [Field; 38] = [
    Field {
        key: "loss_target",
        low: 0.001,
        high: 0.9,
        whole: false,
        get: |p| p.loss_target,
        set: |p, n| p.loss_target = n,
    },
    whole("loss_echoes_min", 10.0, 100_000.0, |p| p.loss_echoes_min.into(), |p, n| p.loss_echoes_min = n as u32),
    whole(
        "rtt_target_ms",
        1.0,
        60_000.0,
        |p| p.rtt_target.get() as f64 / 1_000.0,
        |p, n| p.rtt_target = Micros::new(n as u64 * 1_000),
    ),
    whole("rtt_values_min", 1.0, 10_000.0, |p| p.rtt_values_min.into(), |p, n| p.rtt_values_min = n as u32),
    whole("look_back_windows", 0.0, 288.0, |p| p.look_back as f64, |p, n| p.look_back = n as i64),
    Field {
        key: "dead_share",
        low: 0.05,
        high: 1.0,
        whole: false,
        get: |p| p.dead_share,
        set: |p, n| p.dead_share = n,
    },
    whole("fail_targets", 1.0, 64.0, |p| p.fail_targets as f64, |p, n| p.fail_targets = n as usize),
    whole("fail_attempts", 1.0, 1_000.0, |p| p.fail_attempts.into(), |p, n| p.fail_attempts = n as u32),
    whole("open_dead_windows", 1.0, 64.0, |p| p.open_dead as f64, |p, n| p.open_dead = n as usize),
    whole("close_alive_windows", 1.0, 64.0, |p| p.close_alive as f64, |p, n| p.close_alive = n as usize),
    whole("of_windows", 1.0, 64.0, |p| p.of as f64, |p, n| p.of = n as usize),
    whole("unknown_run_windows", 1.0, 288.0, |p| p.unknown_run as f64, |p, n| p.unknown_run = n as i64),
    whole("blind_windows", 1.0, 288.0, |p| p.blind_windows as f64, |p, n| p.blind_windows = n as i64),
    whole("remote_windows", 1.0, 288.0, |p| p.remote_windows as f64, |p, n| p.remote_windows = n as usize),
    whole("together_ms", 0.0, 3_600_000.0, |p| p.together_ms as f64, |p, n| p.together_ms = n as i64),
    whole("stale_ms", 300_000.0, 604_800_000.0, |p| p.stale_ms as f64, |p, n| p.stale_ms = n as i64),
    part("dead_lte_dbm", -160.0, -80.0, |p| shown(p.dead_lte.get()), |p, n| p.dead_lte = Dbm::new(n as f32)),
    part("dead_nr_dbm", -160.0, -80.0, |p| shown(p.dead_nr.get()), |p, n| p.dead_nr = Dbm::new(n as f32)),
    part("dead_umts_dbm", -130.0, -70.0, |p| shown(p.dead_umts.get()), |p, n| p.dead_umts = Dbm::new(n as f32)),
    part("dead_gsm_dbm", -120.0, -70.0, |p| shown(p.dead_gsm.get()), |p, n| p.dead_gsm = Dbm::new(n as f32)),
    part("weak_lte_dbm", -160.0, -60.0, |p| shown(p.weak_lte.get()), |p, n| p.weak_lte = Dbm::new(n as f32)),
    part("weak_nr_dbm", -160.0, -60.0, |p| shown(p.weak_nr.get()), |p, n| p.weak_nr = Dbm::new(n as f32)),
    part("weak_umts_dbm", -130.0, -50.0, |p| shown(p.weak_umts.get()), |p, n| p.weak_umts = Dbm::new(n as f32)),
    part("weak_gsm_dbm", -120.0, -50.0, |p| shown(p.weak_gsm.get()), |p, n| p.weak_gsm = Dbm::new(n as f32)),
    part("marginal_db", 0.0, 20.0, |p| shown(p.marginal.get()), |p, n| p.marginal = Db::new(n as f32)),
    whole("no_service_ms", 0.0, 300_000.0, |p| p.no_service_ms as f64, |p, n| p.no_service_ms = n as i64),
    whole("reset_ms", 0.0, 480_000.0, |p| p.reset_ms as f64, |p, n| p.reset_ms = n as i64),
    whole("check_bps", 1.0, 1e12, |p| p.check_bps as f64, |p, n| p.check_bps = n as u64),
    whole("check_ms", 1_000.0, 600_000.0, |p| p.check_ms.into(), |p, n| p.check_ms = n as u32),
    whole("site_windows", 1.0, 288.0, |p| p.site_windows as f64, |p, n| p.site_windows = n as usize),
    part("vehicle_db", 0.0, 30.0, |p| shown(p.vehicle.get()), |p, n| p.vehicle = Db::new(n as f32)),
    part("position_radius_m", 1.0, 1_000.0, |p| p.position_radius_m, |p, n| p.position_radius_m = n),
    whole("position_age_ms", 0.0, 60_000.0, |p| p.position_age_ms as f64, |p, n| p.position_age_ms = n as i64),
    whole("moving_age_ms", 0.0, 60_000.0, |p| p.moving_age_ms as f64, |p, n| p.moving_age_ms = n as i64),
    part("moving_kmh", 0.0, 200.0, |p| p.moving_kmh, |p, n| p.moving_kmh = n),
    part("survey_kmh", 0.0, 200.0, |p| p.survey_kmh, |p, n| p.survey_kmh = n),
    whole("survey_days", 1.0, 3_650.0, |p| p.survey_days as f64, |p, n| p.survey_days = n as i64),
    whole("probe_days", 1.0, 3_650.0, |p| p.probe_days as f64, |p, n| p.probe_days = n as i64),
];

const DAY: &str = "effective_from";
/// Words for people.
const TEXTS: [&str; 2] = ["note", "source"];

#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    #[error("{}: cannot be read: {why}", file.display())]
    Unreadable { file: PathBuf, why: String },
    #[error("{}:{line}: {field}{}{rule}", file.display(), if field.is_empty() { "" } else { ": " })]
    Wrong { file: PathBuf, line: usize, field: String, rule: String },
}

/// A field, and what would be right.
type Broken = (String, String);

/// A policy with what people said about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub policy: Policy,
    pub note: Option<String>,
    pub source: Option<String>,
}

impl Version {
    /// The product's own.
    pub fn product() -> Self {
        let note = "the product's defaults: [J] judgements and targets, no law".to_owned();
        Version { policy: Policy::default(), note: Some(note), source: None }
    }

    /// Its version is still to be given.
    pub fn read(file: &Path) -> Result<Self, PolicyError> {
        let unreadable = |why: String| PolicyError::Unreadable { file: file.to_owned(), why };
        let size = std::fs::metadata(file).map_err(|e| unreadable(e.to_string()))?.len();
        if size > CONTENT_BYTES as u64 {
            return Err(unreadable(format!("it has {size} bytes, at most {CONTENT_BYTES} are read")));
        }
        let text = std::fs::read_to_string(file).map_err(|e| unreadable(e.to_string()))?;
        let wrong = |line, (field, rule)| PolicyError::Wrong { file: file.to_owned(), line, field, rule };
        let mut given: Map<String, Value> = toml::from_str(&text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start);
            let line = text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
            wrong(line, (String::new(), e.message().replace('\n', "; ")))
        })?;
        let line_of = |field: &str| {
            let here = |line: &str| line.split('=').next().is_some_and(|key| key.trim() == field);
            text.lines().position(here).map_or(1, |at| at + 1)
        };
        let day = given.remove(DAY);
        let broken = |broken: Broken| wrong(line_of(&broken.0), broken);
        let mut version = Version::of(&given).map_err(broken)?;
        version.policy.effective_from_ms = effective(day.as_ref()).map_err(broken)?;
        Ok(version)
    }

    fn stored(row: &PolicyRow) -> Result<Self, StoreError> {
        let bad = |detail| StoreError::Content { table: "policy", row: row.version.into(), detail };
        let given: Map<String, Value> = serde_json::from_str(&row.content).map_err(|e| bad(e.to_string()))?;
        let mut version = Version::of(&given).map_err(|(field, rule)| bad(format!("{field}: {rule}")))?;
        (version.policy.version, version.policy.effective_from_ms) = (row.version, row.effective_from_ms);
        Ok(version)
    }

    fn of(given: &Map<String, Value>) -> Result<Self, Broken> {
        let mut version = Version { policy: Policy::default(), note: None, source: None };
        for (key, value) in given {
            let broken = |rule: String| (key.clone(), rule);
            if let Some(field) = FIELDS.iter().find(|field| field.key == key) {
                (field.set)(&mut version.policy, number(field, value).map_err(broken)?);
                continue;
            }
            let said = match key.as_str() {
                "note" => &mut version.note,
                "source" => &mut version.source,
                _ => return Err(broken(unknown())),
            };
            *said = Some(remark(value).map_err(broken)?);
        }
        together(&version.policy)?;
        Ok(version)
    }

    /// What differs from the product's, by key.
    pub fn differs(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        let product = Policy::default();
        let found = FIELDS.iter().map(move |field| (field, (field.get)(&product)));
        found.filter_map(|(field, product)| {
            let value = (field.get)(&self.policy);
            (value != product).then_some((field.key, value))
        })
    }

    /// All thresholds, by key.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, f64)> + '_ {
        FIELDS.iter().map(|field| (field.key, (field.get)(&self.policy)))
    }

    /// As a row holds it.
    pub fn content(&self) -> String {
        let mut content: Map<String, Value> =
            self.differs().map(|(key, value)| (key.to_owned(), json(value))).collect();
        for (key, text) in TEXTS.iter().zip([&self.note, &self.source]) {
            content.extend(text.as_ref().map(|text| ((*key).to_owned(), Value::from(text.as_str()))));
        }
        Value::Object(content).to_string()
    }
}

/// A threshold as JSON: whole numbers without a point.
pub fn json(value: f64) -> Value {
    if value.fract() == 0.0 { Value::from(value as i64) } else { Value::from(value) }
}

fn unknown() -> String {
    let keys: Vec<&str> = FIELDS.iter().map(|field| field.key).chain([DAY]).chain(TEXTS).collect();
    format!("there is no such key; there are {}", keys.join(", "))
}

fn number(field: &Field, value: &Value) -> Result<f64, String> {
    let Field { low, high, whole, .. } = field;
    let kind = if *whole { "a whole number" } else { "a number" };
    let rule = || format!("must be {kind} from {low} to {high}, and is {value}");
    let found = value.as_f64().ok_or_else(rule)?;
    let right = (*low..=*high).contains(&found) && (!whole || found.fract() == 0.0);
    if right { Ok(found) } else { Err(rule()) }
}

fn remark(value: &Value) -> Result<String, String> {
    let text = value.as_str().map(str::trim).filter(|text| !text.is_empty() && text.len() <= TEXT_BYTES);
    text.map(str::to_owned).ok_or_else(|| format!("must be a text in quotes of 1 to {TEXT_BYTES} bytes"))
}

fn effective(day: Option<&Value>) -> Result<i64, Broken> {
    let broken = |rule: String| (DAY.to_owned(), rule);
    let right = "write the day from which it holds in quotes, as \"2026-12-01\"";
    let Some(day) = day else { return Err(broken(format!("is missing: {right}"))) };
    day_of(day.as_str().ok_or_else(|| broken(right.to_owned()))?).map_err(broken)
}

/// Rules over several thresholds.
fn together(policy: &Policy) -> Result<(), Broken> {
    let Policy { open_dead, close_alive, of, .. } = *policy;
    for (key, value) in [("open_dead_windows", open_dead), ("close_alive_windows", close_alive)] {
        if value > of {
            return Err((key.into(), format!("must be at most of_windows, which is {of}, and is {value}")));
        }
    }
    if open_dead + close_alive <= of {
        let rule = format!(
            "must be less than open_dead_windows + close_alive_windows, which are {open_dead} + {close_alive}, and is \
             {of}: the same windows would open and close a gap"
        );
        return Err(("of_windows".into(), rule));
    }
    Ok(())
}

/// Every version that there is, the product's first.
#[derive(Debug, Clone, PartialEq)]
pub struct Versions {
    pub all: Vec<Version>,
    mark: (i64, i64),
}

impl Versions {
    pub fn load(shelf: &Shelf) -> Result<Self, StoreError> {
        let mark = shelf.policies_mark()?;
        let stored = shelf.policies()?;
        let all = std::iter::once(Ok(Version::product())).chain(stored.iter().map(Version::stored));
        Ok(Versions { all: all.collect::<Result<_, _>>()?, mark })
    }

    /// Whether these are those of the table still.
    pub fn fresh(&self, shelf: &Shelf) -> Result<bool, StoreError> {
        Ok(shelf.policies_mark()? == self.mark)
    }

    pub fn find(&self, version: u32) -> Option<&Version> {
        self.all.iter().find(|one| one.policy.version == version)
    }

    /// Each from its day on, as of now.
    pub fn policies(&self, now_ms: i64) -> Policies {
        self.bounded(self.all.iter().map(|one| one.policy.clone()).collect(), now_ms)
    }

    /// `pinned` alone from `since_ms` until `until_ms`; before and after that, each from its day on.
    pub fn pinned(&self, pinned: &Policy, (since_ms, until_ms): (i64, i64), now_ms: i64) -> Policies {
        let stored = Policies::new(self.all.iter().map(|one| one.policy.clone()).collect());
        let outside = |policy: &&Policy| policy.effective_from_ms < since_ms || policy.effective_from_ms > until_ms;
        let mut list: Vec<Policy> = self.all.iter().map(|one| &one.policy).filter(outside).cloned().collect();
        list.push(Policy { effective_from_ms: since_ms, ..pinned.clone() });
        if until_ms < i64::MAX {
            list.push(Policy { effective_from_ms: until_ms, ..stored.at(until_ms).clone() });
        }
        self.bounded(list, now_ms)
    }

    /// With one at the end of time that reaches as far as any of them: folds ask the newest how far they have to read,
    /// and must not read less than an older one needs.
    fn bounded(&self, mut list: Vec<Policy>, now_ms: i64) -> Policies {
        let mut widest = Policies::new(list.clone()).at(now_ms).clone();
        for one in &list {
            widest.look_back = widest.look_back.max(one.look_back);
            widest.of = widest.of.max(one.of);
            widest.unknown_run = widest.unknown_run.max(one.unknown_run);
            widest.together_ms = widest.together_ms.max(one.together_ms);
        }
        widest.effective_from_ms = i64::MAX;
        widest.version = u32::MAX;
        list.push(widest);
        Policies::new(list)
    }
}
