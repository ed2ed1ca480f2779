//! A disk in memory that knows what a power cut leaves.
//!
//! In: the calls of the agent's [`Disk`]. Out: what they ask for, and after [`SimDisk::power_cut`] only what was
//! durable: every byte not yet synced is discarded, a random prefix of the last write may stay (also behind a hole of zeros,
//! as delayed allocation leaves it), creations and removals not yet synced happened or did not. The witness of the
//! simulated week sits in [`Disk::sync`]: it notes each record of a segment once the call returns.
//! Refuses to know: what the spool does with its files. Limits: files fit in memory; one flat directory.

use crate::faults::account::Created;
use crate::faults::witness_log;
use phusong_agent::disk::Disk;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[path = "../witness/src/segment.rs"]
mod segment;

/// The same medium for everybody who holds a clone: the spool of one boot after the other, and the test.
#[derive(Clone, Default)]
pub struct SimDisk(Arc<Mutex<Medium>>);

#[derive(Default)]
struct Medium {
    files: Vec<File>,
    /// The directory as the running system sees it, and as the medium has it.
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Creations and removals since the last sync of the directory, in order.
    pending: Vec<NameChange>,
    /// Calls that still change something before the power goes.
    fuse: Option<u64>,
    is_dark: bool,
    room: Option<u64>,
    sync: SyncMode,
    changes: u64,
    witness: Created,
}

/// What `sync` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncMode {
    #[default]
    Honest,
    /// Says Ok and makes nothing durable: the fdatasync is as good as removed.
    Lies,
    /// Fails as Linux does: what was waiting is marked clean, so a later sync that succeeds does not bring it to the
    /// medium either. Reads still see it until the cache lets go of it.
    Fails,
}

/// One inode.
#[derive(Default)]
struct File {
    durable: Vec<u8>,
    current: Vec<u8>,
    /// Since the last sync, in order.
    changes: Vec<Change>,
    /// Whether `current` shows bytes that a failed sync gave up.
    failed: bool,
    /// Bytes of a segment whose records the witness has.
    witnessed: usize,
}

#[derive(Clone)]
struct Change {
    at: usize,
    bytes: Vec<u8>,
}

enum NameChange {
    Create(String, usize),
    Remove(String),
}

impl Change {
    /// Writes the first `length` bytes; what lies between the end and `at` becomes zeros.
    fn apply(&self, content: &mut Vec<u8>, length: usize) {
        let end = self.at + length;
        if length > 0 && content.len() < end {
            content.resize(end, 0);
        }
        if length > 0 {
            content[self.at..end].copy_from_slice(&self.bytes[..length]);
        }
    }
}

impl SimDisk {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn set_sync(&self, mode: SyncMode) {
        self.lock().sync = mode;
    }

    /// At most this many bytes in all files; `None`: no bound.
    pub fn set_room(&self, bytes: Option<u64>) {
        self.lock().room = bytes;
    }

    /// The power goes in the middle of the call that comes after `calls` more changing ones.
    pub fn arm(&self, calls: u64) {
        self.lock().fuse = Some(calls);
    }

    /// The power goes now.
    pub fn lose_power(&self) {
        self.lock().is_dark = true;
    }

    /// The power was only away for the process that is dead now: everything is as it was written.
    pub fn regain_power(&self) {
        self.lock().is_dark = false;
    }

    /// What a sync could not bring to the medium leaves the cache. Were it still there for the next process, a sync of
    /// that one would succeed and prove nothing: nobody above the kernel can tell.
    pub fn evict_failed(&self) {
        self.lock().files.iter_mut().for_each(File::evict_failed);
    }

    /// Bytes in all files.
    pub fn used(&self) -> u64 {
        self.lock().used()
    }

    /// Whether the power is gone: every call fails until [`SimDisk::power_cut`] brings it back.
    pub fn is_dark(&self) -> bool {
        self.lock().is_dark
    }

    /// Calls so far that changed something.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Every sample whose sync returned.
    pub fn witnessed(&self) -> Created {
        self.lock().witness.clone()
    }

    /// Brings the power back: only what was durable is there, and what the cut chose to keep.
    pub fn power_cut(&self, random: &mut fastrand::Rng) {
        let mut medium = self.lock();
        medium.fuse = None;
        medium.is_dark = false;
        medium.names = medium.names_after_cut(random);
        medium.durable_names = medium.names.clone();
        medium.pending.clear();
        for file in &mut medium.files {
            file.cut(random);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Medium> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl File {
    fn cut(&mut self, random: &mut fastrand::Rng) {
        if let Some((last, earlier)) = self.changes.split_last() {
            let kept = random.usize(0..=last.bytes.len());
            match random.u8(0..3) {
                0 => {}
                // The last write reached the medium in part, those before it did not.
                1 => last.apply(&mut self.durable, kept),
                // A log: all that was written, torn in the last write.
                _ => {
                    earlier.iter().for_each(|change| change.apply(&mut self.durable, change.bytes.len()));
                    last.apply(&mut self.durable, kept);
                }
            }
        }
        self.changes.clear();
        self.failed = false;
        self.current.clone_from(&self.durable);
        // What the witness saw stays seen, but a shorter file is parsed again from where it now ends.
        self.witnessed = self.witnessed.min(self.durable.len());
    }

    fn evict_failed(&mut self) {
        if std::mem::take(&mut self.failed) {
            self.current.clone_from(&self.durable);
            self.changes.iter().for_each(|change| change.apply(&mut self.current, change.bytes.len()));
            self.witnessed = self.witnessed.min(self.durable.len());
        }
    }

    fn write(&mut self, at: usize, bytes: &[u8]) {
        let change = Change { at, bytes: bytes.to_vec() };
        change.apply(&mut self.current, bytes.len());
        self.changes.push(change);
    }
}

impl Medium {
    /// Each change of a name happened or not; one that builds on a change of the same name that did not, did not.
    fn names_after_cut(&self, random: &mut fastrand::Rng) -> BTreeMap<String, usize> {
        let mut names = self.durable_names.clone();
        let mut stuck = BTreeSet::new();
        for change in &self.pending {
            let (NameChange::Create(name, _) | NameChange::Remove(name)) = change;
            if random.bool() || stuck.contains(name) {
                stuck.insert(name.clone());
                continue;
            }
            match change {
                NameChange::Create(name, file) => names.insert(name.clone(), *file),
                NameChange::Remove(name) => names.remove(name),
            };
        }
        names
    }

    /// Before each change: counts it, burns the fuse. `Ok(true)`: this very call is cut in the middle.
    fn step(&mut self) -> Result<bool> {
        self.has_power()?;
        self.changes += 1;
        match &mut self.fuse {
            Some(0) => {
                self.is_dark = true;
                Ok(true)
            }
            Some(left) => {
                *left -= 1;
                Ok(false)
            }
            None => Ok(false),
        }
    }

    fn has_power(&self) -> Result<()> {
        if self.is_dark { Err(dark()) } else { Ok(()) }
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.names.get(name).copied().ok_or_else(|| Error::new(ErrorKind::NotFound, name.to_owned()))
    }

    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].current.len() as u64).sum()
    }

    fn has_room(&self, more: usize) -> Result<()> {
        match self.room {
            Some(room) if more > 0 && self.used() + more as u64 > room => Err(Error::from_raw_os_error(libc::ENOSPC)),
            _ => Ok(()),
        }
    }

    fn add_name(&mut self, name: &str) -> usize {
        let file = self.files.len();
        self.files.push(File::default());
        self.names.insert(name.to_owned(), file);
        self.pending.push(NameChange::Create(name.to_owned(), file));
        file
    }

    /// A write that the power may cut short: it is then in the cache as far as it came.
    fn put(&mut self, index: usize, at: usize, bytes: &[u8]) -> Result<()> {
        let cut = self.step()?;
        let more = (at + bytes.len()).saturating_sub(self.files[index].current.len());
        self.has_room(more)?;
        self.files[index].write(at, bytes);
        if cut { Err(dark()) } else { Ok(()) }
    }

    /// Notes every whole record of a segment up to its present end.
    fn witness(&mut self, name: &str, index: usize) {
        let header_bytes = segment::HEADER_BYTES as usize;
        let Some(stem) = name.strip_suffix(".seg") else { return };
        let file = &mut self.files[index];
        let header = file.current.first_chunk().and_then(segment::Header::parse);
        let from = file.witnessed.max(header_bytes);
        if let (false, Some(header), Some(fresh)) = (stem.is_empty(), header, file.current.get(from..)) {
            let (lines, taken) = segment::lines(&header, fresh);
            file.witnessed = from + taken as usize;
            witness_log::read(&lines, &mut self.witness);
        }
    }
}

fn dark() -> Error {
    Error::other("the power is gone")
}

impl Disk for SimDisk {
    fn list(&self) -> Result<Vec<String>> {
        let medium = self.lock();
        medium.has_power()?;
        Ok(medium.names.keys().cloned().collect())
    }

    fn len(&self, name: &str) -> Result<u64> {
        let medium = self.lock();
        medium.has_power()?;
        Ok(medium.files[medium.index(name)?].current.len() as u64)
    }

    fn read(&self, name: &str, offset: u64, buffer: &mut [u8]) -> Result<usize> {
        let medium = self.lock();
        medium.has_power()?;
        let content = &medium.files[medium.index(name)?].current;
        let rest = content.get(offset as usize..).unwrap_or(&[]);
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        Ok(length)
    }

    fn create(&mut self, name: &str) -> Result<()> {
        let mut medium = self.lock();
        let cut = medium.step()?;
        if medium.names.contains_key(name) {
            return Err(Error::new(ErrorKind::AlreadyExists, name.to_owned()));
        }
        medium.add_name(name);
        if cut { Err(dark()) } else { Ok(()) }
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut medium = self.lock();
        medium.has_power()?;
        let index = medium.index(name)?;
        let at = medium.files[index].current.len();
        medium.put(index, at, bytes)
    }

    fn sync(&mut self, name: &str) -> Result<()> {
        let mut medium = self.lock();
        let cut = medium.step()?;
        let index = medium.index(name)?;
        if cut {
            return Err(dark());
        }
        if medium.sync == SyncMode::Fails {
            medium.files[index].changes.clear();
            medium.files[index].failed = true;
            return Err(Error::from_raw_os_error(libc::EIO));
        }
        if medium.sync == SyncMode::Honest {
            let file = &mut medium.files[index];
            for change in std::mem::take(&mut file.changes) {
                change.apply(&mut file.durable, change.bytes.len());
            }
        }
        medium.witness(name, index);
        Ok(())
    }

    fn sync_dir(&mut self) -> Result<()> {
        let mut medium = self.lock();
        if medium.step()? {
            return Err(dark());
        }
        match medium.sync {
            SyncMode::Fails => Err(Error::from_raw_os_error(libc::EIO)),
            SyncMode::Lies => Ok(()),
            SyncMode::Honest => {
                medium.pending.clear();
                medium.durable_names = medium.names.clone();
                Ok(())
            }
        }
    }

    fn unlink(&mut self, name: &str) -> Result<()> {
        let mut medium = self.lock();
        let cut = medium.step()?;
        medium.index(name)?;
        medium.names.remove(name);
        medium.pending.push(NameChange::Remove(name.to_owned()));
        if cut { Err(dark()) } else { Ok(()) }
    }

    fn preallocate(&mut self, name: &str, bytes: u64) -> Result<()> {
        let mut medium = self.lock();
        medium.has_power()?;
        let index = match medium.index(name) {
            Ok(index) => index,
            Err(_) => medium.add_name(name),
        };
        let length = medium.files[index].current.len();
        let more = usize::try_from(bytes).unwrap_or(usize::MAX).saturating_sub(length);
        medium.put(index, length, &vec![0; more])
    }

    fn write_slot(&mut self, name: &str, bytes: &[u8]) -> Result<()> {
        let mut medium = self.lock();
        medium.has_power()?;
        let index = medium.index(name)?;
        medium.put(index, 0, bytes)
    }
}
