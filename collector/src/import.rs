//! What comes as a file: logs of phones and of other tools (the rooms below), and spools.
//!
//! A spool: `phusong-agent spool export` -> here -> an ack file for `phusong-agent spool ack`.
//! In: `PSX1`, site and probe (each a length byte and text), then batches (u32 big-endian length and payload). Out:
//! the same rows as through the broker, and the acknowledgements as JSON, one message a line. Importing a file twice
//! changes nothing. Limits: one batch in memory for each group of a transaction.

mod format;

mod clock;
mod map;
mod mapped;

mod rows;

mod load;
mod refused;

pub use format::{Format, FormatError, recognise};
pub use load::{Home, LoadError, Loaded, Progress, preview, sims, store};
pub use map::Map;
pub use refused::Refused;
pub use rows::{At, Rows, RowsError};

use crate::ingest::{Counters, Decoded, Done, Engine, Fate, Incoming};
use crate::store::{Store, StoreError};
use phusong_protocol::{AckMessage, Channel, ProbeId, SiteId, Topic, limits};
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

const MAGIC: &[u8; 4] = b"PSX1";
/// Batches of one transaction.
const GROUP: usize = 16;
/// A collector that runs beside gets its turn at the store.
const YIELD: Duration = Duration::from_millis(20);

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("byte {at}: {what}")]
    Format { at: u64, what: &'static str },
    #[error("byte {at}: {source}")]
    Read { at: u64, source: std::io::Error },
    #[error("the ack file: {0}")]
    Ack(std::io::Error),
    #[error(
        "the store took nothing ({why}); what was acknowledged before is committed: make room and import the file again"
    )]
    Refused { why: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    pub batches: u64,
    pub stored: u64,
    pub duplicate: u64,
    pub dead_letters: u64,
    /// The probe is not registered here.
    pub unauthorised: u64,
}

/// Reads an export to its end. `progress` is called after each transaction with the batches so far.
pub fn run(
    store: Store,
    from: impl Read,
    mut acks: impl Write,
    now_ms: i64,
    mut progress: impl FnMut(u64),
) -> Result<Imported, ImportError> {
    let mut file = Export { from, at: 0 };
    let topic = file.header()?.to_string();
    let counters = Arc::new(Counters::default());
    let mut engine = Engine::new(store, Arc::clone(&counters));
    let mut batches = 0;
    loop {
        let mut group = Vec::with_capacity(GROUP);
        while group.len() < GROUP
            && let Some(payload) = file.batch()?
        {
            group.push(Decoded::of(Incoming { topic: topic.clone(), payload, received_ms: now_ms, token: 0 }));
        }
        if group.is_empty() {
            break;
        }
        let mut said = Ok(());
        engine.group(&group, now_ms, &mut |done| said = write_acks(&mut acks, done));
        said.map_err(ImportError::Ack)?;
        if let Some(why) = counters.degraded() {
            return Err(ImportError::Refused { why });
        }
        batches += group.len() as u64;
        progress(batches);
        std::thread::sleep(YIELD);
    }
    acks.flush().map_err(ImportError::Ack)?;
    let dead = [Fate::Rejected, Fate::Conflict, Fate::WrongSite, Fate::WrongTopic, Fate::TooOld, Fate::Violation];
    let dead = dead.into_iter().chain([Fate::UnknownReading, Fate::TooManyContexts]);
    Ok(Imported {
        batches,
        stored: counters.get(Fate::Stored) + counters.get(Fate::Uncertain),
        duplicate: counters.get(Fate::Duplicate),
        dead_letters: dead.map(|fate| counters.get(fate)).sum(),
        unauthorised: counters.get(Fate::Unauthorised),
    })
}

fn write_acks(to: &mut impl Write, done: Done) -> std::io::Result<()> {
    for entries in done.acks.chunks(limits::ACK_ENTRIES) {
        to.write_all(&AckMessage::new(entries.to_vec()).to_json())?;
        to.write_all(b"\n")?;
    }
    Ok(())
}

struct Export<R> {
    from: R,
    at: u64,
}

impl<R: Read> Export<R> {
    fn header(&mut self) -> Result<Topic, ImportError> {
        let not_ours = "this is no export of `phusong-agent spool export` (it would begin with PSX1)";
        let mut magic = [0; 4];
        if !self.fill(&mut magic, not_ours)? || magic != *MAGIC {
            return Err(ImportError::Format { at: 0, what: not_ours });
        }
        let named = self.at;
        let site: SiteId = self.name()?.parse().map_err(|_| bad_name(named))?;
        let named = self.at;
        let probe: ProbeId = self.name()?.parse().map_err(|_| bad_name(named))?;
        Ok(Topic::new(&site, &probe, Channel::Batch))
    }

    fn name(&mut self) -> Result<String, ImportError> {
        let mut len = [0];
        let at = self.at;
        let cut = "the file ends inside its header";
        let whole = self.fill(&mut len, cut)?;
        let mut text = vec![0; usize::from(len[0])];
        if !whole || !self.fill(&mut text, cut)? && !text.is_empty() {
            return Err(ImportError::Format { at, what: cut });
        }
        String::from_utf8(text).map_err(|_| bad_name(at))
    }

    /// `None` at the end of the file.
    fn batch(&mut self) -> Result<Option<Vec<u8>>, ImportError> {
        let at = self.at;
        let mut len = [0; 4];
        if !self.fill(&mut len, "the file ends inside a batch's length: copy it again")? {
            return Ok(None);
        }
        let len = u32::from_be_bytes(len) as usize;
        if !(1..=limits::BATCH_BYTES).contains(&len) {
            return Err(ImportError::Format { at, what: "a batch has 1 to 65,536 bytes: the file is damaged" });
        }
        let mut payload = vec![0; len];
        let cut = "the file ends inside a batch: copy it again; what came before is taken";
        if self.fill(&mut payload, cut)? { Ok(Some(payload)) } else { Err(ImportError::Format { at, what: cut }) }
    }

    /// False when the file ends before the first byte.
    fn fill(&mut self, to: &mut [u8], cut: &'static str) -> Result<bool, ImportError> {
        let mut done = 0;
        while done < to.len() {
            match self.from.read(&mut to[done..]) {
                Ok(0) if done == 0 => return Ok(false),
                Ok(0) => return Err(ImportError::Format { at: self.at, what: cut }),
                Ok(n) => {
                    done += n;
                    self.at += n as u64;
                }
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(ImportError::Read { at: self.at, source }),
            }
        }
        Ok(true)
    }
}

fn bad_name(at: u64) -> ImportError {
    ImportError::Format { at, what: "site and probe are 1 to 32 of a-z, 0-9 and '-'" }
}
