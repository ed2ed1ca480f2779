//! `measure`: one round of every target, shown at once.
//!
//! In: the configuration, or the default targets where there is none. Out: a table or JSON. Refuses to know: the
//! spool, brokers. Limits: as many rounds at once as the schedule allows; 1 when nothing answered.

use super::{Speaker, on_one_thread};
use crate::attempt::{Attempted, Means, attempt};
use crate::config::Config;
use crate::plan::{Lane, Plan};
use crate::text::{Round, bytes, millis, speed};
use phusong_protocol::{Outcome, Reading};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use tokio::task::JoinSet;

pub(super) fn command(said: &Speaker, json: bool) -> ExitCode {
    let plan = match Config::load(&said.file) {
        Ok(config) => Plan::of(&config),
        Err(_) if !said.named && !said.file.exists() => Plan::without_file(),
        Err(problems) => return said.show(&problems),
    };
    let results = on_one_thread(round(&plan));
    if json {
        let wall_ms = crate::device::clock::wall_ms();
        let results: Vec<Value> = results.iter().map(|(lane, attempted)| as_json(lane, attempted)).collect();
        println!("{}", json!({"v": 1, "wall_ms": wall_ms, "results": results}));
    } else {
        print_table(said, &results);
    }
    let answered = results.iter().any(|(_, a)| matches!(a.outcome, Some(Outcome::Reading(_))));
    if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One attempt of every lane, in the order of the plan.
pub(super) async fn round(plan: &Plan) -> Vec<(Arc<Lane>, Attempted)> {
    let means = Arc::new(Means::default());
    let all = || plan.lanes.iter().enumerate();
    let mut lanes = all().filter(|(_, lane)| !lane.is_test());
    let mut running = JoinSet::new();
    let mut results = Vec::with_capacity(plan.lanes.len());
    loop {
        while running.len() < plan.schedule.concurrency {
            let Some((index, lane)) = lanes.next() else { break };
            let (lane, means) = (lane.clone(), means.clone());
            running.spawn(async move {
                let attempted = attempt(&lane, &means, None).await;
                (index, lane, attempted)
            });
        }
        match running.join_next().await {
            Some(done) => results.extend(done.ok()),
            None => break,
        }
    }
    // Bandwidth tests come last and alone: they would disturb the others, and each other.
    for (index, lane) in all().filter(|(_, lane)| lane.is_test()) {
        results.push((index, lane.clone(), attempt(lane, &means, None).await));
    }
    results.sort_by_key(|(index, ..)| *index);
    results.into_iter().map(|(_, lane, attempted)| (lane, attempted)).collect()
}

/// What a person is told about an attempt.
pub(super) fn told(attempted: &Attempted) -> Round {
    match &attempted.outcome {
        None => Round::Nothing,
        Some(Outcome::Failure(f)) => Round::Failed { kind: f.kind, detail: f.detail.clone() },
        Some(Outcome::Reading(Reading::Latency(r))) => {
            let mut sorted = r.rtt_us.clone();
            sorted.sort_unstable();
            let at = |index: usize| sorted.get(index).copied().map(millis).unwrap_or_default();
            let last = sorted.len().saturating_sub(1);
            let (min, median, max) = (at(0), at(last / 2), at(last));
            Round::Echoes { received: sorted.len(), sent: r.sent, min, median, max }
        }
        Some(Outcome::Reading(Reading::Tcp(r))) => Round::Connected { time: millis(r.connect_us) },
        Some(Outcome::Reading(Reading::Dns(r))) => {
            let truncated = r.truncated == Some(true);
            Round::Answered { time: millis(r.query_us), rcode: r.rcode, answers: r.answers, truncated }
        }
        Some(Outcome::Reading(Reading::Http(r))) => {
            let phase = |us: Option<u32>| us.map_or_else(|| "-".to_owned(), millis);
            let phases = [r.dns_us, r.connect_us, r.tls_us, r.first_byte_us].map(phase);
            Round::Fetched {
                status: r.status,
                time: millis(r.total_us),
                phases,
                bytes: bytes(r.body_bytes.unwrap_or(0)),
            }
        }
        Some(Outcome::Reading(Reading::Throughput(r))) => Round::Transferred {
            down: r.down_bps.map(speed),
            up: r.up_bps.map(speed),
            bytes: bytes(r.bytes),
            seconds: format!("{}.{}", r.elapsed_ms / 1_000, r.elapsed_ms % 1_000 / 100),
            verdict: r.early,
        },
        // The probe kinds give no other reading.
        Some(Outcome::Reading(_)) => Round::Nothing,
    }
}

fn as_json(lane: &Lane, attempted: &Attempted) -> Value {
    let (reading, failure) = match &attempted.outcome {
        None => (None, None),
        Some(Outcome::Reading(reading)) => (Some(reading), None),
        Some(Outcome::Failure(failure)) => (None, Some(failure)),
    };
    json!({
        "target": lane.wire_target(attempted.address),
        "uplink": lane.uplink.as_deref(),
        "ok": reading.is_some(),
        "reading": reading,
        "failure": failure,
    })
}

fn print_table(said: &Speaker, results: &[(Arc<Lane>, Attempted)]) {
    let head = [Round::HeadTarget, Round::HeadUplink, Round::HeadAddress, Round::HeadResult];
    let mut rows = vec![head.map(|h| said.say(&h))];
    for (lane, attempted) in results {
        let uplink = lane.interface().map_or_else(|| said.say(&Round::DefaultRoute), str::to_owned);
        let address = attempted.address.map_or_else(|| "-".to_owned(), |a| a.to_string());
        rows.push([lane.target.name.clone(), uplink, address, said.say(&told(attempted))]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let (first, second, third) = (width(0), width(1), width(2));
    for [target, uplink, address, result] in &rows {
        println!("{target:<first$}  {uplink:<second$}  {address:<third$}  {result}");
    }
}
