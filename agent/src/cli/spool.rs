//! `spool status`, `export`, `ack` and `verify`.
//!
//! In: the configuration, files. Out: text or JSON. Refuses to know: segments and cursors; the spool's own functions
//! do the work. Limits: only `ack` needs the agent to be stopped.

use super::{Speaker, on_one_thread};
use crate::config::Config;
use crate::device::clock;
use crate::device::modem::ModemState;
use crate::disk::{DiskError, RealDisk};
use crate::spool::{self, ExportError, OpenError, Spool, SpoolStatus};
use crate::status;
use crate::text::{ModemText, SpoolText, bytes};
use phusong_protocol::DropClass;
use serde_json::Value;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn directory(config: &Config) -> PathBuf {
    config.data_dir.join("spool")
}

fn failed(said: &Speaker, why: impl ToString) -> ExitCode {
    said.fault(&SpoolText::Failed { why: why.to_string() })
}

/// The spool for looking.
fn open(said: &Speaker) -> Result<(Config, RealDisk), ExitCode> {
    let config = said.load()?;
    let disk = RealDisk::read_only(&directory(&config)).map_err(|e| failed(said, e))?;
    Ok((config, disk))
}

pub(super) fn status(said: &Speaker, json: bool) -> ExitCode {
    let (config, disk) = match open(said) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let status = match spool::look(&disk, &config.spool) {
        Ok(status) => status,
        Err(error) => return failed(said, error),
    };
    // A running agent knows more than its files.
    let agent = on_one_thread(status::ask(&config.data_dir, "status")).ok();
    if json {
        let agent = agent.unwrap_or(Value::Null);
        println!("{}", serde_json::json!({"v": 1, "spool": status, "agent": agent}));
    } else {
        print(said, &status, agent.as_ref());
    }
    ExitCode::SUCCESS
}

fn print(said: &Speaker, status: &SpoolStatus, agent: Option<&Value>) {
    let (used, bound) = (bytes(status.bytes), bytes(status.max_bytes));
    println!("{}", said.say(&SpoolText::Head { start: status.start, used, bound, segments: status.segments }));
    for class in &status.classes {
        let (waiting, held, used) = (class.waiting, class.held, bytes(class.bytes));
        println!("{}", said.say(&SpoolText::Class { class: name(class.class), waiting, held, used }));
    }
    if let Some(wall_ms) = status.oldest_wall_ms {
        println!("{}", said.say(&SpoolText::Oldest { time: utc(wall_ms) }));
    }
    let of_agent = |key: &str, from_disk: u64| agent.and_then(|a| a["spool"][key].as_u64()).unwrap_or(from_disk);
    let counts = SpoolText::Counts {
        refused: of_agent("refused", status.refused),
        sync_failures: of_agent("sync_failures", status.sync_failures),
        dropped: of_agent("dropped", status.dropped),
        quarantined: status.quarantined,
        torn: of_agent("torn_bytes", status.torn_bytes),
    };
    println!("{}", said.say(&counts));
    let modems = agent.and_then(|agent| serde_json::from_value(agent["modems"].clone()).ok());
    let modems: std::collections::BTreeMap<String, ModemState> = modems.unwrap_or_default();
    for (_, line) in modems.iter().flat_map(|(name, state)| ModemText::of(name, state)) {
        println!("{}", said.say(&line));
    }
    if let Some(publish) = agent.map(|a| &a["publish"]) {
        let text = |key: &str| publish[key].as_str().unwrap_or("-").to_owned();
        let number = |key: &str| publish[key].as_u64().unwrap_or(0);
        let (broker, last_error) = (text("broker"), text("last_error"));
        let (acks, in_flight) = (number("acks"), number("in_flight"));
        println!("{}", said.say(&SpoolText::Publishing { broker, acks, in_flight, last_error }));
    }
}

fn name(class: DropClass) -> &'static str {
    match class {
        DropClass::Raw => "raw",
        DropClass::Bandwidth => "bandwidth",
        DropClass::Radio => "radio",
        DropClass::Summary => "summary",
        DropClass::Evidence => "evidence",
    }
}

/// RFC 3339 in UTC, to the second.
fn utc(wall_ms: i64) -> String {
    let text = clock::utc(wall_ms);
    text.split_once('.').map_or(text.clone(), |(second, _)| format!("{second}Z"))
}

pub(super) fn export(said: &Speaker, file: &Path, raw: bool) -> ExitCode {
    let (config, disk) = match open(said) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    let write = || -> Result<_, ExportError> {
        let mut to = BufWriter::new(File::create(file)?);
        let exported = spool::export(&disk, &config.site, &config.probe, raw, &mut to)?;
        to.flush()?;
        // A file that was promised must survive the stick being pulled out.
        to.get_ref().sync_all()?;
        Ok(exported)
    };
    match write() {
        Ok(exported) => {
            let (batches, samples, used) = (exported.batches, exported.samples, bytes(exported.bytes));
            let file = file.display().to_string();
            println!("{}", said.say(&SpoolText::Exported { file, batches, samples, used }));
            if exported.unreadable > 0 {
                eprintln!("{}", said.say(&SpoolText::Unreadable { samples: exported.unreadable }));
            }
            ExitCode::SUCCESS
        }
        Err(error) => failed(said, format!("{}: {error}", file.display())),
    }
}

pub(super) fn ack(said: &Speaker, file: &Path) -> ExitCode {
    let config = match said.load() {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let disk = match RealDisk::exclusive(&directory(&config)) {
        Ok(disk) => disk,
        Err(DiskError::Locked { .. }) => return said.fault(&SpoolText::Locked),
        Err(error) => return failed(said, error),
    };
    let applied = File::open(file).map_err(|e| e.to_string()).and_then(|from| {
        let opened = Spool::open_for_acks(Box::new(disk), config.spool.clone(), config.probe.clone());
        let mut spool = opened.map_err(|e: OpenError| e.to_string())?;
        spool.apply_ack_file(BufReader::new(from)).map_err(|e| e.to_string())
    });
    match applied {
        Ok(applied) => {
            let (settled, refused) = (applied.settled, applied.refused);
            println!("{}", said.say(&SpoolText::Acked { settled, refused }));
            ExitCode::SUCCESS
        }
        Err(error) => failed(said, format!("{}: {error}", file.display())),
    }
}

pub(super) fn verify(said: &Speaker) -> ExitCode {
    let (_, disk) = match open(said) {
        Ok(opened) => opened,
        Err(exit) => return exit,
    };
    match spool::verify(&disk) {
        Ok(v) if v.fault_count == 0 => {
            let (files, records, used) = (v.files, v.records, bytes(v.bytes));
            println!("{}", said.say(&SpoolText::Whole { files, records, used }));
            ExitCode::SUCCESS
        }
        Ok(v) => {
            println!("{}", said.say(&SpoolText::Faults { faults: v.fault_count, records: v.records }));
            for fault in &v.faults {
                println!("  {fault}");
            }
            ExitCode::FAILURE
        }
        Err(error) => failed(said, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_utc() {
        let cases = [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400_000, "2000-02-29T00:00:00Z"),
            (1_700_000_000_999, "2023-11-14T22:13:20Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ];
        for (wall_ms, expected) in cases {
            assert_eq!(utc(wall_ms), expected);
        }
    }
}
