//! Rows of a file into the store, many to a transaction, through the writer that batches go through.
//!
//! In: [`Rows`]. Out: what was stored, what was there, what was refused and why. Refuses to know: formats, terminals.
//! One thread reads, this one writes. Importing a file again changes nothing. Limits: [`QUEUE`] chunks of [`CHUNK`]
//! rows wait, [`GROUP`] of them are a transaction.

use super::refused::Refused;
use super::rows::{At, Position, Rows, RowsError};
use crate::ingest::observation;
use crate::phones::Sims;
use crate::store::{Observation, ProbeRef, Store, StoreError};
use phusong_protocol::limits::FUTURE_SKEW_MS;
use phusong_protocol::{Epoch, Sample};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Rows that change hands at once.
const CHUNK: usize = 8_192;
const QUEUE: usize = 2;
/// Ids are hashes: a transaction writes every page of their index that it touches, so a few large ones write less.
const GROUP: usize = 4;
/// A collector that runs beside gets its turn at the store.
const YIELD: Duration = Duration::from_millis(20);
/// Rows of a phone that are read back to know which SIM it held when.
const KNOWN_ROWS: u32 = 200_000;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error(transparent)]
    Rows(#[from] RowsError),
    #[error("the store took no more; what was stored before stays: import the file again when there is room")]
    Store(#[from] StoreError),
    #[error("the thread that reads cannot be started")]
    Thread(#[source] std::io::Error),
}

/// What an import of rows came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Loaded {
    pub rows: u64,
    pub stored: u64,
    pub duplicate: u64,
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    pub rows: u64,
    /// Of what was read, 0 to 1.
    pub share: f64,
}

#[derive(Default)]
struct Chunk {
    places: Vec<At>,
    observations: Vec<Observation>,
    refused: Vec<(At, String)>,
    rows: u64,
    position: u64,
}

/// What is the same for every row.
#[derive(Debug, Clone, Copy)]
pub struct Home {
    pub probe: ProbeRef,
    pub now_ms: i64,
    /// Whether a collector runs beside.
    pub beside: bool,
}

/// The SIMs that a phone's stored rows name, unless somebody says which it was.
pub fn sims(store: &mut Store, probe: ProbeRef, said: Option<String>) -> Result<Sims, StoreError> {
    if said.is_some() {
        return Ok(Sims::said(said));
    }
    let mut sims = Sims::default();
    for (at_ms, uplink) in store.writer().latest_uplinks(probe, KNOWN_ROWS)? {
        sims.learn(&uplink.interface, at_ms, uplink.sim_plmn.as_deref());
    }
    Ok(sims)
}

/// Stores every row. `file` is its name in what is refused.
pub fn store(
    store: &mut Store,
    rows: Rows,
    sims: &mut Sims,
    home: Home,
    file: &str,
    refused: &mut Refused,
    progress: &mut dyn FnMut(Progress),
) -> Result<Loaded, LoadError> {
    let mut loaded = Loaded::default();
    through(rows, sims, home.now_ms, &mut |group, share| {
        commit(store, home, file, &group, refused, &mut loaded)?;
        progress(Progress { rows: loaded.rows, share });
        if home.beside {
            std::thread::sleep(YIELD);
        }
        Ok(())
    })?;
    Ok(loaded)
}

/// Reads every row and stores none: what would be refused, and the first that would be stored.
pub fn preview(
    rows: Rows,
    sims: &mut Sims,
    now_ms: i64,
    (file, first): (&str, usize),
    refused: &mut Refused,
    progress: &mut dyn FnMut(Progress),
) -> Result<(u64, Vec<(At, Observation)>), LoadError> {
    let (mut count, mut shown) = (0, Vec::new());
    through(rows, sims, now_ms, &mut |group, share| {
        for chunk in group {
            count += chunk.rows;
            chunk.refused.iter().for_each(|(at, why)| refused.note(file, &at.to_string(), why));
            let left = first - shown.len();
            shown.extend(chunk.places.into_iter().zip(chunk.observations).take(left));
        }
        progress(Progress { rows: count, share });
        Ok(())
    })?;
    Ok((count, shown))
}

/// Hands groups of chunks over, in the order of the file.
fn through(
    rows: Rows,
    sims: &mut Sims,
    now_ms: i64,
    take: &mut dyn FnMut(Vec<Chunk>, f64) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let total = rows.total().max(1) as f64;
    let (to, from) = sync_channel(QUEUE);
    std::thread::scope(|scope| {
        let reading = std::thread::Builder::new().name("import-read".into());
        let reading = reading.spawn_scoped(scope, move || read(rows, sims, now_ms, &to)).map_err(LoadError::Thread)?;
        let mut taken = Ok(());
        while let Some(group) = gather(&from) {
            let position = group.last().map_or(0, |chunk| chunk.position);
            taken = take(group, (position as f64 / total).min(1.0));
            if taken.is_err() {
                break;
            }
        }
        // The reader ends when nobody listens.
        drop(from);
        let read = reading.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        taken?;
        Ok(read?)
    })
}

fn gather(from: &Receiver<Chunk>) -> Option<Vec<Chunk>> {
    let group: Vec<Chunk> = from.iter().take(GROUP).collect();
    (!group.is_empty()).then_some(group)
}

fn read(mut rows: Rows, sims: &mut Sims, now_ms: i64, to: &SyncSender<Chunk>) -> Result<(), RowsError> {
    let position: Position = rows.position();
    let mut chunk = Chunk::default();
    loop {
        let item = rows.read();
        let ended = !matches!(item, Ok(Some(_)));
        if ended || chunk.rows as usize >= CHUNK {
            chunk.position = position.get();
            let full = std::mem::take(&mut chunk);
            if full.rows > 0 && to.send(full).is_err() {
                return Ok(());
            }
        }
        // What came before an error is stored all the same.
        let Some(item) = item? else { return Ok(()) };
        chunk.rows += 1;
        match item.outcome.and_then(|sample| in_time(sample, now_ms)) {
            Err(why) => chunk.refused.push((item.place, why)),
            Ok(sample) => {
                let mut one = observation(sample, Epoch::FOREIGN);
                one.uplink = one.uplink.take().map(|uplink| sims.settle(one.kind, one.wall_ms, uplink));
                chunk.places.push(item.place);
                chunk.observations.push(one);
            }
        }
    }
}

/// A log that is read today ends before now; one that does not is read by the wrong zone.
fn in_time(sample: Sample, now_ms: i64) -> Result<Sample, String> {
    let ahead_ms = sample.wall_ms.saturating_sub(now_ms);
    if ahead_ms <= FUTURE_SKEW_MS {
        return Ok(sample);
    }
    Err(format!("its time lies {:.1} h ahead of now: is the time zone right?", ahead_ms as f64 / 3_600_000.0))
}

fn commit(
    store: &mut Store,
    home: Home,
    file: &str,
    group: &[Chunk],
    refused: &mut Refused,
    loaded: &mut Loaded,
) -> Result<(), LoadError> {
    let writer = store.writer();
    writer.begin(home.now_ms)?;
    let mut applied = Vec::with_capacity(group.len());
    for chunk in group {
        match writer.store(home.probe, Epoch::FOREIGN, home.now_ms, &chunk.observations) {
            Ok(one) => applied.push(one),
            Err(error) => {
                writer.rollback();
                return Err(error.into());
            }
        }
    }
    if let Err(error) = writer.commit() {
        writer.rollback();
        return Err(error.into());
    }
    for (chunk, applied) in group.iter().zip(applied) {
        loaded.rows += chunk.rows;
        loaded.stored += applied.stored_rows;
        loaded.duplicate += applied.duplicate_rows;
        chunk.refused.iter().for_each(|(at, why)| refused.note(file, &at.to_string(), why));
        for (at, refusal) in applied.refused {
            refused.note(file, &chunk.places[at].to_string(), refusal.explained().1);
        }
    }
    Ok(())
}
