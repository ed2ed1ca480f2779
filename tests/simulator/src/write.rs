//! A world as files.
//!
//! In: a world, a directory. Out: `areas.geojson`, `registrations.json`, `deliveries.bin`, and apart from them `truth.json`;
//! or the first two alone; or the truth of a running world with its scene.
//! Refuses to know: who reads them. Limits: one delivery at a time is in memory beside the world's own.
//!
//! `deliveries.bin` is one record after the other, big-endian: received_ms i64, topic (u16 length, bytes), payload (u32
//! length, bytes).

use crate::fleet::{Move, Registration};
use crate::outbox::Delivery;
use crate::plan::Plan;
use crate::scene::SceneTruth;
use crate::truth::TruthEvent;
use crate::world::World;
use phusong_protocol::{Topic, limits};
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// What `registrations.json` holds.
#[derive(Debug, Serialize)]
pub struct Setup<'a> {
    /// Says that none of this was measured.
    pub source: &'static str,
    pub plan: &'a Plan,
    pub registrations: Vec<Registration>,
    pub moves: &'a [Move],
}

/// What `run --truth` writes.
#[derive(Debug, Serialize)]
pub struct TruthFile<'a> {
    pub source: &'static str,
    pub plan: &'a Plan,
    /// What the map has to show, where there is a scene.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scene: Option<SceneTruth>,
    pub events: &'a [TruthEvent],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    pub deliveries: u64,
    pub bytes: u64,
}

#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("{path}: {source}", path = .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{path}: record {record}: {what}", path = .path.display())]
    Record { path: PathBuf, record: u64, what: &'static str },
}

/// Writes everything; `progress` hears of each delivery.
pub fn write(world: &World, dir: &Path, mut progress: impl FnMut(&Delivery)) -> Result<Written, WriteError> {
    write_setup(world, dir)?;
    save(&dir.join("truth.json"), json(&world.truth()))?;
    let path = dir.join("deliveries.bin");
    let mut file = BufWriter::new(at(&path, File::create(&path))?);
    let mut written = Written::default();
    for delivery in world.deliveries() {
        at(&path, put(&mut file, &delivery))?;
        written.deliveries += 1;
        written.bytes += delivery.payload.len() as u64;
        progress(&delivery);
    }
    at(&path, file.flush())?;
    Ok(written)
}

/// What a collector is set up with: `areas.geojson` and `registrations.json`.
pub fn write_setup(world: &World, dir: &Path) -> Result<(), WriteError> {
    at(dir, std::fs::create_dir_all(dir))?;
    let setup = Setup {
        source: crate::geography::SOURCE,
        plan: world.plan(),
        registrations: world.registrations(),
        moves: world.moves(),
    };
    save(&dir.join("areas.geojson"), world.areas())?;
    save(&dir.join("registrations.json"), json(&setup))
}

/// The truth of a world that runs, with its plan and its scene.
pub fn write_truth(world: &World, path: &Path) -> Result<(), WriteError> {
    let (plan, scene, events) = (world.plan(), world.scene(), world.truth());
    save(path, json(&TruthFile { source: crate::geography::SOURCE, plan, scene, events }))
}

fn save(path: &Path, text: String) -> Result<(), WriteError> {
    at(path, std::fs::write(path, text))
}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, WriteError> {
    result.map_err(|source| WriteError::File { path: path.to_owned(), source })
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("writing JSON to memory cannot fail")
}

fn put(to: &mut impl Write, delivery: &Delivery) -> io::Result<()> {
    to.write_all(&delivery.received_ms.to_be_bytes())?;
    to.write_all(&(delivery.topic.len() as u16).to_be_bytes())?;
    to.write_all(delivery.topic.as_bytes())?;
    to.write_all(&(delivery.payload.len() as u32).to_be_bytes())?;
    to.write_all(&delivery.payload)
}

/// Reads `deliveries.bin` back, one at a time.
pub fn read_deliveries(path: &Path) -> Result<impl Iterator<Item = Result<Delivery, WriteError>> + use<>, WriteError> {
    let mut file = BufReader::new(at(path, File::open(path))?);
    let (path, mut record) = (path.to_owned(), 0);
    Ok(std::iter::from_fn(move || {
        record += 1;
        take(&mut file).transpose().map(|result| {
            result.map_err(|source| match source.kind() {
                io::ErrorKind::UnexpectedEof => {
                    WriteError::Record { path: path.clone(), record, what: "the file ends inside it" }
                }
                io::ErrorKind::InvalidData => WriteError::Record { path: path.clone(), record, what: "is no delivery" },
                _ => WriteError::File { path: path.clone(), source },
            })
        })
    }))
}

fn take(from: &mut impl Read) -> io::Result<Option<Delivery>> {
    let mut received = [0; 8];
    // An end before the first byte is the end; any later one is damage.
    if from.read(&mut received[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut received[1..])?;
    let mut length = [0; 2];
    from.read_exact(&mut length)?;
    let mut topic = vec![0; usize::from(u16::from_be_bytes(length))];
    from.read_exact(&mut topic)?;
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    let topic = String::from_utf8(topic).map_err(|_| io::ErrorKind::InvalidData)?;
    let parsed = Topic::parse(&topic).filter(|_| length <= limits::BATCH_BYTES).ok_or(io::ErrorKind::InvalidData)?;
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok(Some(Delivery { received_ms: i64::from_be_bytes(received), topic, probe: parsed.probe, payload }))
}
