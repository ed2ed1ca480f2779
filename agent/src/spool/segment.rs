//! One segment: its index in memory, reading its records, and scanning it at the start.

use super::format::{HEADER_LEN, RECORD_HEAD, RecordFault, SegmentName, read_header, read_record, record_len};
use super::seqset::SeqSet;
use crate::disk::Disk;
use phusong_protocol::{DropClass, Epoch, Ranges};
use std::io;

/// Records between two entries of the sparse index lie at most about this far apart.
const SPARSE_BYTES: u64 = 16 * 1024;
/// Read at once; a largest record fits.
const CHUNK: usize = 32 * 1024;

/// What is known of one segment without reading it.
#[derive(Debug)]
pub(super) struct Segment {
    pub name: SegmentName,
    pub epoch: Epoch,
    /// Bytes up to the end of the last good record.
    pub len: u64,
    /// Bytes it takes, a torn tail included.
    pub file_len: u64,
    /// The samples it answers for: a sample found twice belongs to the newer copy.
    pub seqs: SeqSet,
    /// Seq and offset of a record every [`SPARSE_BYTES`].
    sparse: Vec<(u64, u32)>,
    /// Wall clock of the newest record, as it stood then.
    pub newest_wall_ms: i64,
    /// How many of `seqs` nothing has settled.
    pub unsettled: u64,
}

impl Segment {
    pub fn new(name: SegmentName, epoch: Epoch) -> Self {
        Segment {
            name,
            epoch,
            len: HEADER_LEN,
            file_len: HEADER_LEN,
            seqs: SeqSet::default(),
            sparse: Vec::new(),
            newest_wall_ms: i64::MIN,
            unsettled: 0,
        }
    }

    pub fn class(&self) -> DropClass {
        self.name.class
    }

    /// Notes a record that stands at the end of what was known; false when it does not come after the last.
    pub fn push(&mut self, seq: u64, bytes: u64) -> bool {
        if !self.seqs.push(seq) {
            return false;
        }
        if self.sparse.last().is_none_or(|(_, offset)| self.len - u64::from(*offset) >= SPARSE_BYTES) {
            self.sparse.push((seq, self.len as u32));
        }
        self.len += bytes;
        true
    }

    /// Where to begin reading for `seq`.
    fn offset_before(&self, seq: u64) -> u64 {
        let at = self.sparse.partition_point(|entry| entry.0 <= seq);
        at.checked_sub(1).map_or(HEADER_LEN, |at| u64::from(self.sparse[at].1))
    }

    /// Reads the records of `wanted`, in order, until `each` says stop. An error of the disk or a record that is
    /// damaged meanwhile ends the reading; the caller sees what is missing.
    pub fn read(
        &self,
        disk: &dyn Disk,
        wanted: &Ranges,
        mut each: impl FnMut(u64, &[u8]) -> bool,
    ) -> Result<(), ReadFault> {
        let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(()) };
        let mut records = Records::new(self.name, self.offset_before(first), self.len);
        while let Some((seq, body)) = records.next(disk)? {
            if seq > last || (wanted.contains(seq) && !each(seq, body)) {
                break;
            }
        }
        Ok(())
    }

    /// Bytes of memory, about.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.seqs.memory() + self.sparse.capacity() * size_of::<(u64, u32)>()
    }

    pub fn path(&self) -> String {
        self.name.to_string()
    }

    pub fn settle(&mut self, settled: &Ranges) {
        self.unsettled = self.seqs.without(settled).count();
    }
}

/// Why reading stopped before the end.
#[derive(Debug)]
pub(super) enum ReadFault {
    Io(io::Error),
    Record(RecordFault),
}

/// Walks the records of one file without holding more than a chunk of it.
pub(super) struct Records {
    path: String,
    /// Of the next record.
    pub offset: u64,
    end: u64,
    buffer: Vec<u8>,
    /// Offset in the file of the first byte of `buffer`.
    base: u64,
}

impl Records {
    pub fn new(name: SegmentName, offset: u64, end: u64) -> Self {
        Records { path: name.to_string(), offset, end, buffer: Vec::new(), base: offset }
    }

    /// The next record, `None` at the end.
    pub fn next(&mut self, disk: &dyn Disk) -> Result<Option<(u64, &[u8])>, ReadFault> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let mut head = [0; RECORD_HEAD];
        head.copy_from_slice(self.bytes(disk, RECORD_HEAD)?);
        let len = record_len(&head).map_err(ReadFault::Record)?;
        self.bytes(disk, len)?;
        let at = (self.offset - self.base) as usize;
        // `offset` stays at a record that is none.
        let (seq, body) = read_record(&self.buffer[at..at + len]).map_err(ReadFault::Record)?;
        self.offset += len as u64;
        Ok(Some((seq, body)))
    }

    /// The `len` bytes at `offset`.
    fn bytes(&mut self, disk: &dyn Disk, len: usize) -> Result<&[u8], ReadFault> {
        let short = ReadFault::Record(RecordFault::Short);
        if self.offset + len as u64 > self.end {
            return Err(short);
        }
        let held = self.base + self.buffer.len() as u64;
        if self.offset < self.base || self.offset + len as u64 > held {
            let want = CHUNK.min((self.end - self.offset) as usize);
            self.buffer.resize(want, 0);
            let filled = disk.read(&self.path, self.offset, &mut self.buffer).map_err(ReadFault::Io)?;
            self.buffer.truncate(filled);
            self.base = self.offset;
        }
        let at = (self.offset - self.base) as usize;
        self.buffer.get(at..at + len).ok_or(short)
    }
}

/// What a file of a segment's name turned out to be.
pub(super) enum Scanned {
    /// The index, and the fault and offset at which its good records end early.
    Segment(Segment, Option<(u64, RecordFault)>),
    /// The header is not whole: nothing in it was ever durable, or it is damaged.
    Headless { file_len: u64 },
}

/// Reads a whole segment, checking every record; `each` sees them.
pub(super) fn scan(disk: &dyn Disk, name: SegmentName, mut each: impl FnMut(Epoch, u64, &[u8])) -> io::Result<Scanned> {
    let path = name.to_string();
    let file_len = disk.len(&path)?;
    let mut head = [0; HEADER_LEN as usize];
    let filled = disk.read(&path, 0, &mut head)?;
    let Some(epoch) = read_header(&head[..filled], name.class) else {
        return Ok(Scanned::Headless { file_len });
    };
    let mut segment = Segment::new(name, epoch);
    segment.file_len = file_len;
    let mut records = Records::new(name, HEADER_LEN, file_len);
    let fault = loop {
        let at = records.offset;
        match records.next(disk) {
            Ok(None) => break None,
            Ok(Some((seq, body))) => {
                if !segment.push(seq, (RECORD_HEAD + body.len()) as u64) {
                    break Some((at, RecordFault::Order));
                }
                each(epoch, seq, body);
            }
            Err(ReadFault::Record(fault)) => break Some((at, fault)),
            Err(ReadFault::Io(error)) => return Err(error),
        }
    };
    segment.seqs.shrink();
    segment.sparse.shrink_to_fit();
    Ok(Scanned::Segment(segment, fault))
}
