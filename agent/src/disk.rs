//! The few things a spool asks of a directory, and the real directory that does them.
//!
//! In: names, offsets and bytes. Out: bytes and the kernel's own errors (`ENOSPC`, `EIO`), never swallowed.
//! Refuses to know: records, samples, which file matters. Limits: names are plain file names of one flat directory.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A flat directory of files. What a power cut keeps, exactly:
///
/// - the content of a file: what was in it when [`sync`](Disk::sync) last returned Ok; of later writes any part or none;
/// - the existence of a file: as of the last [`sync_dir`](Disk::sync_dir) that returned Ok; later creations and
///   removals may or may not have happened;
/// - a call that returned an error may have done its work in part.
pub trait Disk: Send {
    /// The names of all files, in any order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// The length of a file in bytes.
    fn len(&self, name: &str) -> io::Result<u64>;

    /// Fills `buffer` from `offset` on and returns how much; less than the buffer only at the end of the file.
    fn read(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Makes a new empty file; an error when the name is taken. The name is durable after [`sync_dir`](Disk::sync_dir).
    fn create(&mut self, name: &str) -> io::Result<()>;

    /// Adds bytes to the end of an existing file. They are durable after [`sync`](Disk::sync).
    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// fdatasync: makes the whole content of the file durable, and its length.
    fn sync(&mut self, name: &str) -> io::Result<()>;

    /// fsync of the directory: makes creations and removals durable.
    fn sync_dir(&mut self) -> io::Result<()>;

    /// Takes a file away. Durable after [`sync_dir`](Disk::sync_dir).
    fn unlink(&mut self, name: &str) -> io::Result<()>;

    /// Makes sure that a file of this name exists and owns at least `bytes` bytes of the medium.
    fn preallocate(&mut self, name: &str, bytes: u64) -> io::Result<()>;

    /// Writes over the beginning of an existing file, in place, and never shortens it: inside what was preallocated
    /// it needs no further room. Durable after [`sync`](Disk::sync); a cut before that may leave any mixture.
    fn write_slot(&mut self, name: &str, bytes: &[u8]) -> io::Result<()>;
}

/// Why a spool directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("{path}: another phusong-agent is writing this spool; stop it first (reading commands need not wait)")]
    Locked { path: PathBuf },
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
}

/// Name of the lock file; it is no part of the spool.
const LOCK: &str = "lock";

/// A directory of this machine.
pub struct RealDisk {
    dir: PathBuf,
    /// `None`: opened for reading, every change is refused.
    lock: Option<File>,
    /// Files open for appending: one a chain, so a handful.
    open: HashMap<String, File>,
}

/// Handles kept open; more are closed and opened again.
const OPEN_FILES: usize = 8;

impl RealDisk {
    /// For the one writer: makes the directory where needed and holds an exclusive `flock` on `<dir>/lock` for life.
    pub fn exclusive(dir: &Path) -> Result<Self, DiskError> {
        let io = |source| DiskError::Io { path: dir.to_path_buf(), source };
        fs::create_dir_all(dir).map_err(io)?;
        let path = dir.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(io)?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(RealDisk { dir: dir.to_path_buf(), lock: Some(lock), open: HashMap::new() }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(DiskError::Locked { path }),
            Err(errno) => Err(DiskError::Io { path, source: errno.into() }),
        }
    }

    /// For commands that only look; works while the agent runs.
    pub fn read_only(dir: &Path) -> Result<Self, DiskError> {
        fs::read_dir(dir).map_err(|source| DiskError::Io { path: dir.to_path_buf(), source })?;
        Ok(RealDisk { dir: dir.to_path_buf(), lock: None, open: HashMap::new() })
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Bytes that an ordinary user may still write on this file system.
    pub fn free_bytes(dir: &Path) -> io::Result<u64> {
        let stat = rustix::fs::statvfs(dir)?;
        Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
    }

    fn writable(&self) -> io::Result<()> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(io::Error::new(io::ErrorKind::PermissionDenied, "the spool was opened for reading only")),
        }
    }

    fn handle(&mut self, name: &str) -> io::Result<&File> {
        self.writable()?;
        if !self.open.contains_key(name) {
            if self.open.len() >= OPEN_FILES {
                self.open.clear();
            }
            let file = OpenOptions::new().append(true).open(self.dir.join(name))?;
            self.open.insert(name.to_owned(), file);
        }
        Ok(&self.open[name])
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let (true, Ok(name)) = (entry.file_type()?.is_file(), entry.file_name().into_string())
                && name != LOCK
            {
                names.push(name);
            }
        }
        Ok(names)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        fs::metadata(self.dir.join(name)).map(|meta| meta.len())
    }

    fn read(&self, name: &str, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let file = File::open(self.dir.join(name))?;
        let mut filled = 0;
        while filled < buffer.len() {
            match file.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(filled)
    }

    fn create(&mut self, name: &str) -> io::Result<()> {
        self.writable()?;
        OpenOptions::new().write(true).create_new(true).open(self.dir.join(name)).map(drop)
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write;
        self.handle(name)?.write_all(bytes)
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        self.handle(name)?.sync_data()
    }

    fn sync_dir(&mut self) -> io::Result<()> {
        self.writable()?;
        File::open(&self.dir)?.sync_all()
    }

    fn unlink(&mut self, name: &str) -> io::Result<()> {
        self.writable()?;
        self.open.remove(name);
        fs::remove_file(self.dir.join(name))
    }

    fn preallocate(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        self.writable()?;
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.dir.join(name))?;
        match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes) {
            Ok(()) => Ok(()),
            // UBIFS and JFFS2 (OpenWrt) cannot; written zeros are the next best thing.
            Err(rustix::io::Errno::OPNOTSUPP) => fill(&file, bytes),
            Err(errno) => Err(errno.into()),
        }
    }

    fn write_slot(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.writable()?;
        OpenOptions::new().write(true).open(self.dir.join(name))?.write_all_at(bytes, 0)
    }
}

fn fill(file: &File, bytes: u64) -> io::Result<()> {
    let zeros = [0; 4096];
    let mut at = file.metadata()?.len();
    while at < bytes {
        let n = zeros.len().min((bytes - at) as usize);
        file.write_all_at(&zeros[..n], at)?;
        at += n as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_writer_is_refused_and_a_reader_is_not() {
        let dir = std::env::temp_dir().join(format!("phusong-disk-{}", std::process::id()));
        let first = RealDisk::exclusive(&dir).expect("an empty directory");
        assert!(matches!(RealDisk::exclusive(&dir), Err(DiskError::Locked { .. })));
        let mut reader = RealDisk::read_only(&dir).expect("it exists");
        assert_eq!(reader.create("x").map_err(|e| e.kind()), Err(io::ErrorKind::PermissionDenied));
        assert_eq!(first.list().expect("readable"), Vec::<String>::new(), "the lock is no spool file");
        drop(first);
        let mut again = RealDisk::exclusive(&dir).expect("the lock went with its holder");
        again.create("x").expect("new");
        again.append("x", b"abc").expect("open");
        again.sync("x").expect("a file system");
        again.preallocate("x", 10).expect("room");
        again.write_slot("x", b"Z").expect("in place");
        let mut buffer = [0; 16];
        assert_eq!(again.read("x", 0, &mut buffer).expect("there"), 10);
        assert_eq!(&buffer[..4], b"Zbc\0");
        fs::remove_dir_all(&dir).expect("ours");
    }
}
