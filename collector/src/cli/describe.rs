//! One observation in words: a line for people, an object for programs.
//!
//! In: a row of the store. Out: text and JSON. Absent stays absent.

use super::output::Colour;
use super::when;
use crate::store::ObservationRow;
use phusong_protocol::{Attempt, Outcome, RadioCell, Reading, SummaryReading};
use serde_json::{Value, json};

/// The kind's name, as `--kind` takes it.
pub fn kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Reading(reading) => reading.kind().name(),
        Outcome::Failure(_) => "failure",
    }
}

pub fn colour(outcome: &Outcome) -> Colour {
    match outcome {
        Outcome::Failure(_) => Colour::Bad,
        Outcome::Reading(Reading::Latency(r)) if r.rtt_us.is_empty() => Colour::Bad,
        Outcome::Reading(Reading::Summary(r)) if r.sent > 0 && r.received == 0 => Colour::Bad,
        Outcome::Reading(Reading::Drop(_)) => Colour::Bad,
        Outcome::Reading(Reading::Boot(_) | Reading::Clock(_) | Reading::Health(_)) => Colour::Dim,
        Outcome::Reading(_) => Colour::Plain,
    }
}

/// What came out, in one line.
pub fn result(outcome: &Outcome) -> String {
    let reading = match outcome {
        Outcome::Reading(reading) => reading,
        Outcome::Failure(failure) => {
            let detail = failure.detail.as_ref().map(|detail| format!(": {detail}")).unwrap_or_default();
            return format!("{}: {}{detail}", word(&failure.of), word(&failure.kind));
        }
    };
    match reading {
        Reading::Latency(r) => latency(r.sent, &r.rtt_us),
        Reading::Tcp(r) => format!("connected in {}", ms(r.connect_us)),
        Reading::Dns(r) => format!("{} answers in {}, rcode {}", r.answers, ms(r.query_us), r.rcode),
        Reading::Http(r) => format!("status {} in {}", r.status, ms(r.total_us)),
        Reading::Throughput(r) => {
            let rate = |name: &str, bps: Option<u64>| bps.map(|bps| format!("{name} {:.1} Mbit/s", bps as f64 / 1e6));
            let rates = [rate("down", r.down_bps), rate("up", r.up_bps)];
            rates.into_iter().flatten().collect::<Vec<_>>().join(", ")
        }
        Reading::LoadedLatency(r) => {
            format!("idle {}, loaded {}", ms(r.idle_rtt_us), latency(r.loaded.sent, &r.loaded.rtt_us))
        }
        Reading::Radio(r) => cells(&r.cells),
        Reading::Neighbours(r) => format!("{} neighbours", r.cells.len()),
        Reading::Registration(r) => word(&r.stat),
        Reading::Scan(r) => format!("{} networks in {} ms", r.entries.len(), r.elapsed_ms),
        Reading::Position(r) => format!("{:.5}, {:.5}", r.lat, r.lon),
        Reading::Power(r) => power(r.mains, r.undervoltage, r.battery_ratio),
        Reading::Link(r) => format!("{} {}", r.interface, if r.up { "up" } else { "down" }),
        Reading::Boot(r) => format!("start {}, {}", r.start, if r.clean { "clean" } else { "after an unclean end" }),
        Reading::Clock(r) => format!("true time {} by {}, err {} ms", when::show(r.true_unix_ms), r.source, r.err_ms),
        Reading::Health(r) => format!("up {} s, {} samples in the spool", r.uptime_s, r.spool_samples),
        Reading::Summary(r) => summary(r),
        Reading::Drop(r) => format!("{} ids of class {} dropped", r.ranges.count(), word(&r.class)),
    }
}

fn summary(r: &SummaryReading) -> String {
    let median = r.p50_us.map(|us| format!(", median {}", ms(us))).unwrap_or_default();
    let attempts = if r.of == Attempt::Latency { "echoes" } else { "attempts" };
    format!("{} rounds of {}: {} of {} {attempts} answered{median}", r.rounds, word(&r.of), r.received, r.sent)
}

fn latency(sent: u16, rtt_us: &[u32]) -> String {
    let mut sorted = rtt_us.to_vec();
    sorted.sort_unstable();
    match sorted.get(sorted.len() / 2) {
        Some(median) => format!("{} of {sent} answered, median {}", sorted.len(), ms(*median)),
        None => format!("0 of {sent} answered"),
    }
}

fn cells(cells: &[RadioCell]) -> String {
    let one = |cell: &RadioCell| {
        let technology = cell.technology.as_ref().map(word).unwrap_or_else(|| "radio".into());
        let level = cell.rsrp_dbm.or(cell.rscp_dbm).or(cell.rssi_dbm);
        technology + &level.map(|dbm| format!(" {dbm:.0} dBm")).unwrap_or_default()
    };
    cells.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn power(mains: Option<bool>, undervoltage: Option<bool>, battery: Option<f32>) -> String {
    let mains = mains.map(|on| if on { "mains".to_owned() } else { "no mains".to_owned() });
    let undervoltage = undervoltage.filter(|low| *low).map(|_| "undervoltage".to_owned());
    let battery = battery.map(|ratio| format!("battery {:.0} %", ratio * 100.0));
    [mains, undervoltage, battery].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn ms(us: u32) -> String {
    format!("{:.1} ms", f64::from(us) / 1_000.0)
}

/// A value of a closed set, by its name on the wire.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        _ => String::new(),
    }
}

/// The observation as one JSON object; ids are hexadecimal as everywhere on the wire.
pub fn to_json(row: &ObservationRow) -> Value {
    let mut object = json!({
        "id": row.id,
        "site": row.site,
        "probe": row.probe,
        "epoch": row.epoch,
        "seq": format!("{:016x}", row.seq),
        "kind": kind(&row.outcome),
        "at_ms": row.at_ms,
        "at_state": row.at_state.name(),
        "received_ms": row.received_ms,
        "wall_ms": row.wall_ms,
        "clock": row.clock,
    });
    let fields = object.as_object_mut().expect("written as an object above");
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            fields.insert(name.to_owned(), value);
        }
    };
    put("boot_id", row.boot_id.map(|id| json!(id)));
    put("mono_ms", row.mono_ms.map(|ms| json!(ms)));
    put("place", row.place.as_ref().map(|place| json!(place)));
    put("target", row.target.as_ref().map(|target| json!(target)));
    put("uplink", row.uplink.as_ref().map(|uplink| json!(uplink)));
    put("setup", row.setup.map(|number| json!(number)));
    match &row.outcome {
        Outcome::Reading(reading) => put("reading", Some(json!(reading))),
        Outcome::Failure(failure) => put("failure", Some(json!(failure))),
    }
    object
}
