//! `recompute`: what is not sealed is judged once more, by the policies that hold or by one of them.
//!
//! In: how much, and by what. Out: what changes, as tables and as JSON; with `--dry-run` nothing but that. No alerts
//! come of it. How far it is stands on stderr. Works beside a running collector and without one.

use super::output::{print, table};
use super::when;
use crate::areas::day_of;
use crate::collector::retention;
use crate::config::Config;
use crate::derive::{Again, Counted, Derive, Difference, Options, Stand, Windows};
use crate::store::Readers;
use anyhow::bail;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Where nobody watches a terminal, how far it is is said so often.
const SAID: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub struct Recompute {
    /// By this version alone, instead of each window by that of its day.
    #[arg(long, value_name = "VERSION")]
    policy: Option<u32>,
    /// Says what would change, and changes nothing.
    #[arg(long)]
    dry_run: bool,
    /// The first day (Asia/Ho_Chi_Minh).
    #[arg(long, value_name = "DAY", value_parser = day_of)]
    since: Option<i64>,
    /// The first day that is left alone.
    #[arg(long, value_name = "DAY", value_parser = day_of)]
    until: Option<i64>,
    /// Only where this probe measures or measured.
    #[arg(long, value_name = "ID")]
    probe: Option<String>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Config, args: &Recompute) -> anyhow::Result<()> {
    if let (Some(since), Some(until)) = (args.since, args.until)
        && since >= until
    {
        bail!("--until must be a later day than --since: it is the first day that is left alone");
    }
    let places = args.probe.as_deref().map(|probe| places(config, probe)).transpose()?;
    let again = Again { policy: args.policy, since_ms: args.since, until_ms: args.until, places };
    let options = Options { retention: retention(config), ..Options::default() };
    let mut said = Said::new();
    let mut told = |stand: &Stand| said.tell(stand);
    let difference = if args.dry_run {
        Derive::rehearse(&config.data_dir, options, &again, &when::now_ms, &mut told)?
    } else {
        Derive::open(&config.data_dir, options, when::now_ms())?.recompute(&again, &when::now_ms, &mut told)?
    };
    said.end();
    if args.json {
        return print(&object(&difference, args)?.to_string());
    }
    print(&words(&difference, args.dry_run))
}

fn places(config: &Config, probe: &str) -> anyhow::Result<BTreeSet<i64>> {
    let all = Readers::of(&config.data_dir).connect()?.places()?;
    let places: BTreeSet<i64> = all.into_iter().filter(|place| place.probe == probe).map(|place| place.id).collect();
    if places.is_empty() {
        bail!("probe {probe} has no place where anything could be judged; `probe list` shows probes and positions");
    }
    Ok(places)
}

fn object(difference: &Difference, args: &Recompute) -> anyhow::Result<Value> {
    let mut object = serde_json::to_value(difference)?;
    object["dry_run"] = json!(args.dry_run);
    object["policy"] = json!(args.policy);
    Ok(object)
}

fn words(difference: &Difference, dry_run: bool) -> String {
    let windows = difference.networks.iter().map(|(name, of)| {
        let moved = |of_grade: fn(&Windows) -> u64| {
            let (before, after) = (of_grade(&of.before), of_grade(&of.after));
            if before == after { before.to_string() } else { format!("{before} -> {after}") }
        };
        let grades = [moved(|w| w.good), moved(|w| w.weak), moved(|w| w.dead), moved(|w| w.unknown)];
        [vec![name.clone()], grades.to_vec(), vec![of.changed.to_string()]].concat()
    });
    let row = |kind: &str, name: &str, counted: &Counted| {
        let Counted { opened, gone, other_cause, changed } = counted;
        let counts = [opened, gone, other_cause, changed].map(u64::to_string);
        [vec![kind.to_owned(), name.to_owned()], counts.to_vec()].concat()
    };
    let of_networks = difference.networks.iter();
    let mut interruptions: Vec<Vec<String>> =
        of_networks.flat_map(|(name, of)| [row("gaps", name, &of.gaps), row("remote", name, &of.remotes)]).collect();
    interruptions.push(row("blinds", "", &difference.blinds));
    let Difference { places, windows: all, sealed, .. } = difference;
    let done = if dry_run { "would be judged again; nothing was changed" } else { "were judged again" };
    format!(
        "{all} windows of {places} places {done}\n{sealed} windows are sealed and left alone\n\n{}\n\n{}",
        table(&["windows", "good", "weak", "dead", "unknown", "other grade"], &windows.collect::<Vec<_>>()),
        table(&["", "network", "opened", "gone", "other cause", "otherwise changed"], &interruptions)
    )
}

/// How far it is, on stderr.
struct Said {
    live: bool,
    next: Instant,
    last: Stand,
}

impl Said {
    fn new() -> Self {
        Said { live: std::io::stderr().is_terminal(), next: Instant::now(), last: Stand::default() }
    }

    fn tell(&mut self, stand: &Stand) {
        self.last = *stand;
        if Instant::now() < self.next {
            return;
        }
        let Stand { places, done, windows, .. } = stand;
        let line = format!("{done} of {places} places, {windows} windows");
        if self.live {
            eprint!("\r{line}");
            self.next = Instant::now() + Duration::from_millis(100);
        } else {
            eprintln!("{line}");
            self.next = Instant::now() + SAID;
        }
    }

    fn end(&self) {
        let Stand { places, done, windows, longest } = self.last;
        let start = if self.live { "\r" } else { "" };
        eprintln!("{start}{done} of {places} places, {windows} windows; longest step {} ms", longest.as_millis());
    }
}
