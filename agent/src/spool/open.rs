//! Opening a spool: reading back what earlier starts left, and what this start must say about them.

use super::cursor::{self, CursorState, Settled};
use super::format::SegmentName;
use super::segment::{Scanned, Segment, scan};
use super::{Counts, EpochState, OpenError, Opened, Spool, SpoolConfig, Start, pick, room};
use crate::disk::Disk;
use phusong_protocol::{DropClass, Epoch, Outcome, Previous, ProbeId, Ranges, Reading, Sample};
use std::collections::BTreeMap;
use std::io;

/// What the files say, before any of it is acted on.
#[derive(Default)]
pub(super) struct Found {
    pub segments: BTreeMap<u64, Segment>,
    pub epochs: BTreeMap<Epoch, EpochState>,
    pub cursor: Option<(u64, CursorState)>,
    /// Files of a segment's name without a whole header, and their bytes.
    pub headless: Vec<(SegmentName, u64)>,
    pub torn_bytes: u64,
    pub reserve: bool,
    /// The last durable id: of the newest epoch, by the files or by the cursor, whichever is younger.
    last: Option<Previous>,
    next_ordinal: u64,
}

fn at<T>(doing: &'static str, name: &str, result: io::Result<T>) -> Result<T, OpenError> {
    result.map_err(|source| OpenError::Io { doing, name: name.to_owned(), source })
}

/// Reads everything and changes nothing. A file that goes away meanwhile was acknowledged by the running agent.
pub(super) fn survey(disk: &dyn Disk) -> Result<Found, OpenError> {
    let names = at("listing", "the directory", disk.list())?;
    let mut found = Found {
        cursor: at("reading", "cursor", cursor::read(disk, &names))?,
        reserve: names.iter().any(|name| name == room::RESERVE),
        ..Found::default()
    };
    let mut segments: Vec<SegmentName> = names.iter().filter_map(|name| SegmentName::parse(name)).collect();
    segments.sort_by_key(|name| name.ordinal);
    found.next_ordinal = segments.last().map_or(0, |name| name.ordinal + 1);
    for name in segments {
        match found.read_segment(disk, name) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => at("reading", &name.to_string(), result)?,
        }
    }
    if let Some((_, state)) = &found.cursor {
        found.next_ordinal = found.next_ordinal.max(state.next_ordinal);
        for settled in &state.settled {
            found.epochs.entry(settled.epoch).or_default().settled.union(&settled.ranges);
        }
    }
    found.last = found.last_durable();
    found.prefer_newer_copies();
    for segment in found.segments.values_mut() {
        segment.settle(&found.epochs.entry(segment.epoch).or_default().settled);
    }
    Ok(found)
}

impl Found {
    fn read_segment(&mut self, disk: &dyn Disk, name: SegmentName) -> io::Result<()> {
        let epochs = &mut self.epochs;
        let mut newest_raw = Vec::new();
        let scanned = scan(disk, name, |_, _, body| match name.class {
            DropClass::Summary | DropClass::Evidence => {
                if let Ok(sample) = Sample::from_record(body) {
                    learn(epochs, &sample);
                }
            }
            DropClass::Raw => body.clone_into(&mut newest_raw),
            DropClass::Bandwidth | DropClass::Radio => {}
        })?;
        match scanned {
            Scanned::Segment(mut segment, _) => {
                self.torn_bytes += segment.file_len - segment.len;
                if let Ok(sample) = Sample::from_record(&newest_raw) {
                    segment.newest_wall_ms = sample.wall_ms;
                }
                self.segments.insert(name.ordinal, segment);
            }
            Scanned::Headless { file_len } => {
                self.torn_bytes += file_len;
                self.headless.push((name, file_len));
            }
        }
        Ok(())
    }

    /// After a failed fdatasync or a move to the quarantine a sample stands in two files.
    fn prefer_newer_copies(&mut self) {
        let mut seen: BTreeMap<Epoch, Ranges> = BTreeMap::new();
        for segment in self.segments.values_mut().rev() {
            let seen = seen.entry(segment.epoch).or_default();
            if !segment.seqs.within(seen).is_empty() {
                segment.seqs = (&segment.seqs.without(seen)).into();
            }
            segment.seqs.runs().for_each(|(first, last)| seen.insert(first, last));
        }
    }

    /// Quarantine files say nothing here: they are younger than what is in them.
    fn last_durable(&self) -> Option<Previous> {
        let known = self.cursor.as_ref().and_then(|(_, state)| state.last);
        let younger_from = self.cursor.as_ref().map_or(0, |(_, state)| state.next_ordinal);
        let published = || self.segments.values().filter(|s| !s.name.quarantined);
        let newest = published().rev().find(|s| s.seqs.count() > 0);
        let on_disk = newest.map(|newest| {
            let of_epoch = published().filter(|s| s.epoch == newest.epoch);
            let last_seq = of_epoch.filter_map(|s| s.seqs.last()).max().unwrap_or(0);
            (newest.name.ordinal, Previous { epoch: newest.epoch, last_seq })
        });
        match (known, on_disk) {
            (Some(known), Some((_, disk))) if known.epoch == disk.epoch => {
                Some(Previous { last_seq: known.last_seq.max(disk.last_seq), ..known })
            }
            (Some(known), Some((ordinal, disk))) => Some(if ordinal >= younger_from { disk } else { known }),
            (known, disk) => known.or(disk.map(|d| d.1)),
        }
    }

    /// Ids below the last durable one of their epoch that never were: a cut fell between two fdatasyncs.
    fn never_durable(&self) -> Vec<(Epoch, Ranges)> {
        match &self.cursor {
            // Without the whole cursor an acknowledged id looks the same.
            None => return Vec::new(),
            Some((_, state)) if state.partial => return Vec::new(),
            Some(_) => {}
        }
        let mut known: BTreeMap<Epoch, Ranges> = BTreeMap::new();
        for segment in self.segments.values() {
            let ranges = known.entry(segment.epoch).or_default();
            segment.seqs.runs().for_each(|(first, last)| ranges.insert(first, last));
        }
        if let Some(last) = self.last {
            known.entry(last.epoch).or_default().insert(last.last_seq, last.last_seq);
        }
        let holes = known.into_iter().filter_map(|(epoch, mut ranges)| {
            let top = ranges.last()?;
            if let Some(state) = self.epochs.get(&epoch) {
                ranges.union(&state.settled);
                ranges.union(&state.explained);
            }
            let mut holes = ranges.holes(0);
            holes.remove(top, u64::MAX);
            (!holes.is_empty()).then_some((epoch, holes))
        });
        holes.collect()
    }
}

/// What one durable sample says about others.
fn learn(epochs: &mut BTreeMap<Epoch, EpochState>, sample: &Sample) {
    if let Some(replaced) = pick::replaces(sample) {
        epochs.entry(replaced.epoch).or_default().explained.union(&replaced.ranges);
    }
    if let Outcome::Reading(Reading::Drop(drop)) = &sample.outcome {
        epochs.entry(drop.epoch).or_default().settled.union(&drop.ranges);
    }
}

/// The spool as it stands, its cursor, and the ids that were never durable.
type FromDisk = (Spool, Option<CursorState>, Vec<(Epoch, Ranges)>);

impl Spool {
    /// Opens a spool for a new start. What earlier starts left is never written again; this one makes new segments.
    pub fn open(disk: Box<dyn Disk>, config: SpoolConfig, start: Start) -> Result<(Spool, Opened), OpenError> {
        let (mut spool, before, never_durable) = Spool::from_disk(disk, config, start.probe)?;
        let opened = Opened {
            prev: spool.last,
            start: before.as_ref().map_or(0, |state| state.start).saturating_add(1),
            clean: before.as_ref().is_none_or(|state| state.clean),
            same_boot: before.and_then(|state| state.boot_id).zip(start.boot_id).map(|(a, b)| a == b),
            torn_bytes: spool.counts.torn_bytes,
        };
        spool.epoch = start.epoch;
        spool.boot_id = start.boot_id;
        spool.start = opened.start;
        spool.clean = false;
        spool.make_earlier_durable(opened.prev)?;
        for (epoch, ranges) in never_durable {
            // Raw rounds are written first, so what a cut leaves out is hardly ever one.
            spool.to_declare.insert((DropClass::Evidence, epoch), ranges);
        }
        at("preallocating", "cursor", cursor::prepare(spool.disk.as_mut()))?;
        spool.restore_reserve();
        at("writing", "cursor", spool.save_cursor())?;
        at("writing", "the directory", spool.disk.sync_dir())?;
        Ok((spool, opened))
    }

    /// Opens a spool only to apply acknowledgements: no start, no new epoch, and appending is refused.
    pub fn open_for_acks(disk: Box<dyn Disk>, config: SpoolConfig, probe: ProbeId) -> Result<Spool, OpenError> {
        let (mut spool, ..) = Spool::from_disk(disk, config, probe)?;
        at("preallocating", "cursor", cursor::prepare(spool.disk.as_mut()))?;
        Ok(spool)
    }

    fn from_disk(disk: Box<dyn Disk>, config: SpoolConfig, probe: ProbeId) -> Result<FromDisk, OpenError> {
        let found = survey(disk.as_ref())?;
        let never_durable = found.never_durable();
        let last = found.last;
        let (generation, before) = found.cursor.unzip();
        let state = before.clone().unwrap_or_default();
        let mut spool = Spool {
            disk,
            config,
            probe,
            epoch: Epoch::FOREIGN,
            boot_id: state.boot_id,
            start: state.start,
            clean: state.clean,
            next_seq: 0,
            last,
            next_ordinal: found.next_ordinal,
            generation: generation.unwrap_or(0),
            cursor_dirty: false,
            segments: found.segments,
            stray_bytes: 0,
            active: Default::default(),
            pending: Default::default(),
            pending_bytes: 0,
            fresh_bytes: 0,
            epochs: found.epochs,
            to_declare: Default::default(),
            stamp: None,
            reserve: found.reserve,
            now_unix_ms: None,
            counts: Counts { torn_bytes: found.torn_bytes, ..Counts::default() },
        };
        spool.clear_headless(&found.headless);
        Ok((spool, before, never_durable))
    }

    /// A file without even a header never held a durable sample; anything longer is kept for a person to look at.
    fn clear_headless(&mut self, headless: &[(SegmentName, u64)]) {
        for (name, file_len) in headless {
            let empty = *file_len <= super::format::HEADER_LEN;
            if !(empty && self.disk.unlink(&name.to_string()).is_ok()) {
                self.stray_bytes += file_len;
                self.counts.unreadable_files += 1;
            }
        }
    }

    /// After a kill the newest epoch's last bytes may be in the page cache only; they count as durable from here on.
    fn make_earlier_durable(&mut self, prev: Option<Previous>) -> Result<(), OpenError> {
        let Some(prev) = prev else { return Ok(()) };
        let paths: Vec<String> =
            self.segments.values().filter(|s| s.epoch == prev.epoch).map(|segment| segment.path()).collect();
        for path in paths {
            at("syncing", &path, self.disk.sync(&path))?;
        }
        at("syncing", "the directory", self.disk.sync_dir())
    }

    /// Writes the cursor and makes it durable.
    pub(super) fn save_cursor(&mut self) -> io::Result<()> {
        self.forget_gone_epochs();
        let settled = self.epochs.iter().filter(|(_, state)| !state.settled.is_empty());
        let state = CursorState {
            start: self.start,
            clean: self.clean,
            boot_id: self.boot_id,
            last: self.last,
            next_ordinal: self.next_ordinal,
            settled: settled.map(|(e, state)| Settled { epoch: *e, ranges: state.settled.clone() }).collect(),
            partial: false,
        };
        cursor::write(self.disk.as_mut(), self.generation + 1, &state)?;
        self.generation += 1;
        self.cursor_dirty = false;
        Ok(())
    }

    /// An epoch without segments matters only while it is this one or the last one.
    fn forget_gone_epochs(&mut self) {
        let (current, last) = (self.epoch, self.last.map(|prev| prev.epoch));
        let segments = &self.segments;
        let to_declare = &self.to_declare;
        self.epochs.retain(|epoch, _| {
            *epoch == current
                || Some(*epoch) == last
                || segments.values().any(|s| s.epoch == *epoch)
                || to_declare.keys().any(|(_, e)| e == epoch)
        });
    }
}
