//! Logs of phones and of other tools: stored for a probe, or looked at first.
//!
//! In: files of known formats, a probe, a map. Out: what was stored, known and refused; with `--preview` the first rows
//! as they would be stored. Refuses to know: how rows are read. Files of one call belong together: states of the phone
//! are taken first, because they name the SIM of the other records.

use super::progress::{Bar, grouped};
use super::{Import, beside};
use crate::cli::output::{cut, print};
use crate::cli::{describe, when};
use crate::config::Config;
use crate::import::{self, At, Format, Home, Loaded, Map, Refused, Rows};
use crate::phones::{self, Sims};
use crate::store::{Observation, ProbeRef, Store};
use anyhow::{Context, bail};
use phusong_protocol::{Outcome, Place, ProbeId};
use serde_json::{Value, json};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Rows that a preview shows of each file.
const FIRST: usize = 5;

/// What is the same for every file of a call.
struct Call<'a> {
    args: &'a Import,
    map: Option<Map>,
    sim_plmn: Option<String>,
    now_ms: i64,
}

pub fn run(config: &Config, args: &Import, mut files: Vec<(PathBuf, Format)>) -> anyhow::Result<()> {
    files.sort_by_key(|(_, format)| format.turn());
    let map = args.map.as_deref().map(read_map).transpose()?;
    let sim_plmn = match &args.sim_plmn {
        Some(text) => {
            let plmn = phones::plmn(text);
            Some(plmn.with_context(|| format!("--sim-plmn {text} is no network: write MCC and MNC, as 452-04"))?)
        }
        None => None,
    };
    let call = Call { args, map, sim_plmn, now_ms: when::now_ms() };
    let mut refused = refused(args.refused.as_deref())?;
    let done =
        if args.preview { preview(&call, &files, &mut refused) } else { store(config, &call, &files, &mut refused) };
    // Also after an error: what was refused before it is worth reading.
    refused.close().with_context(|| "the list of what was refused is not whole")?;
    done
}

fn read_map(file: &Path) -> anyhow::Result<Map> {
    let text = std::fs::read_to_string(file).with_context(|| format!("{}", file.display()))?;
    Map::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", file.display()))
}

fn refused(file: Option<&Path>) -> anyhow::Result<Refused> {
    let Some(file) = file else { return Ok(Refused::new(None)) };
    let out = File::create(file).with_context(|| format!("{} cannot be written", file.display()))?;
    Ok(Refused::new(Some(Box::new(BufWriter::new(out)) as Box<dyn Write + Send>)))
}

fn store(config: &Config, call: &Call<'_>, files: &[(PathBuf, Format)], refused: &mut Refused) -> anyhow::Result<()> {
    let Some(name) = &call.args.probe else {
        bail!("say whose records these are: --probe NAME; `phusong-collector phone add NAME` registers a phone")
    };
    let (mut store, beside) = beside(config)?;
    let home = Home { probe: registered(&mut store, name)?, now_ms: call.now_ms, beside };
    let mut sims = import::sims(&mut store, home.probe, call.sim_plmn.clone())?;
    let (mut all, mut told) = (Loaded::default(), Vec::new());
    for (file, format) in files {
        let shown = file.display().to_string();
        let rows = Rows::open(file, *format, call.map.as_ref(), name).with_context(|| shown.clone())?;
        let before = refused.count();
        let mut bar = Bar::new();
        let loaded =
            import::store(&mut store, rows, &mut sims, home, &shown, refused, &mut |progress| bar.show(progress));
        bar.end();
        let loaded = loaded.with_context(|| shown.clone())?;
        let bad = refused.count() - before;
        told.push(json!({
            "file": file, "format": format.in_words(), "rows": loaded.rows, "stored": loaded.stored,
            "duplicate": loaded.duplicate, "refused": bad,
        }));
        if !call.args.json {
            print(&format!("{shown}: {}", format.in_words()))?;
            print(&format!(
                "  {} rows: {} stored, {} known already, {} refused",
                grouped(loaded.rows),
                grouped(loaded.stored),
                grouped(loaded.duplicate),
                grouped(bad)
            ))?;
        }
        all.rows += loaded.rows;
        all.stored += loaded.stored;
        all.duplicate += loaded.duplicate;
    }
    if call.args.json {
        let sum = json!({ "rows": all.rows, "stored": all.stored, "duplicate": all.duplicate,
                          "refused": refused.count(), "refused_first": refused.shown(), "files": told });
        print(&sum.to_string())?;
    } else {
        say_refused(call, refused)?;
    }
    if all.rows > 0 && all.stored + all.duplicate == 0 {
        bail!("nothing was taken: every row was refused");
    }
    Ok(())
}

fn registered(store: &mut Store, name: &ProbeId) -> anyhow::Result<ProbeRef> {
    match store.writer().registry()?.get(name) {
        None => bail!("probe {name} is not registered: `phusong-collector phone add {name}` registers a phone"),
        Some(known) if known.retired => bail!("probe {name} was retired: records are no longer taken for it"),
        Some(known) => Ok(known.probe),
    }
}

fn say_refused(call: &Call<'_>, refused: &Refused) -> anyhow::Result<()> {
    if refused.count() == 0 {
        return Ok(());
    }
    let mut text = "refused:\n".to_owned();
    refused.shown().iter().for_each(|line| text += &format!("  {line}\n"));
    let more = refused.count() - refused.shown().len() as u64;
    text += &match (&call.args.refused, more) {
        (Some(file), _) => format!("  all of it: {}", file.display()),
        (None, 0) => String::new(),
        (None, more) => format!("  and {} more; --refused FILE writes all of it", grouped(more)),
    };
    print(&text)
}

fn preview(call: &Call<'_>, files: &[(PathBuf, Format)], refused: &mut Refused) -> anyhow::Result<()> {
    // The name goes into the ids alone, and they are not shown.
    let probe = call.args.probe.clone().map_or_else(|| "preview".parse(), Ok)?;
    let mut sims = Sims::said(call.sim_plmn.clone());
    let mut told = Vec::new();
    for (file, format) in files {
        let shown = file.display().to_string();
        let rows = Rows::open(file, *format, call.map.as_ref(), &probe).with_context(|| shown.clone())?;
        let recognised = rows.recognised().to_vec();
        let before = refused.count();
        let mut bar = Bar::new();
        let mut progress = |progress| bar.show(progress);
        let looked = import::preview(rows, &mut sims, call.now_ms, (&shown, FIRST), refused, &mut progress);
        bar.end();
        let (count, first) = looked.with_context(|| shown.clone())?;
        let bad = refused.count() - before;
        if call.args.json {
            told.push(json!({
                "file": file, "format": format.in_words(), "recognised": recognised, "rows": count, "refused": bad,
                "first": first.iter().map(|(at, one)| as_json(*at, one)).collect::<Vec<_>>(),
            }));
            continue;
        }
        let mut text = format!("{shown}: {}\n", format.in_words());
        recognised.iter().for_each(|line| text += &format!("  {line}\n"));
        first.iter().for_each(|(at, one)| text += &format!("  {at}: {}\n", in_words(one)));
        text += &format!("  {} rows, {} of them would be refused", grouped(count), grouped(bad));
        print(&text)?;
    }
    if call.args.json {
        let sum = json!({ "refused": refused.count(), "refused_first": refused.shown(), "files": told });
        return print(&sum.to_string());
    }
    say_refused(call, refused)?;
    print("Nothing was stored.")
}

fn outcome(one: &Observation) -> Option<Outcome> {
    Outcome::from_cbor(one.kind, &one.body).ok()
}

fn place(one: &Observation) -> Option<Place> {
    minicbor::decode(one.place.as_deref()?).ok()
}

fn in_words(one: &Observation) -> String {
    let said = outcome(one);
    let kind = said.as_ref().map_or("", describe::kind);
    let result = said.as_ref().map(describe::result).unwrap_or_default();
    let at = place(one).map_or_else(
        || "no position".to_owned(),
        |place| {
            let radius = place.accuracy_m.map(|metres| format!(" ±{metres:.0} m")).unwrap_or_default();
            format!("{:.5}, {:.5}{radius}", place.lat, place.lon)
        },
    );
    let link = one.uplink.as_ref().map_or_else(String::new, |uplink| {
        let plmn = |name: &str, plmn: &Option<String>| plmn.as_ref().map(|plmn| format!(" {name} {plmn}"));
        let said = [plmn("SIM", &uplink.sim_plmn), plmn("on", &uplink.serving_plmn)];
        uplink.interface.clone() + &said.into_iter().flatten().collect::<String>()
    });
    format!("{} UTC  {kind}  {}  {at}  {}", when::show(one.wall_ms), cut(&link), cut(&result))
}

fn as_json(at: At, one: &Observation) -> Value {
    let mut object = json!({ "at": at.to_string(), "wall_ms": one.wall_ms });
    let fields = object.as_object_mut().expect("written as an object above");
    if let Some(place) = place(one) {
        fields.insert("place".into(), json!(place));
    }
    if let Some(uplink) = &one.uplink {
        fields.insert("uplink".into(), json!(uplink));
    }
    if let Some(Outcome::Reading(reading)) = outcome(one) {
        fields.insert("reading".into(), json!(reading));
    }
    object
}
