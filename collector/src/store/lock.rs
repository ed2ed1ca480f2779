//! The lock on a data directory: one collector at a time, and a second one is told which.
//!
//! The kernel drops the lock when its holder dies, however it dies; the text in the file is for people only.

use super::error::StoreError;
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;

/// Held while a collector runs.
#[derive(Debug)]
pub struct DirLock {
    _file: File,
}

impl DirLock {
    pub fn take(dir: &Path) -> Result<Self, StoreError> {
        let path = dir.join("lock");
        let io = |source| StoreError::Io { path: path.clone(), source };
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let mut by = String::new();
                // At most a line: the file may be anything.
                let _ = file.take(200).read_to_string(&mut by);
                let by = by.trim();
                let by = if by.is_empty() { "another collector" } else { by };
                return Err(StoreError::InUse { dir: dir.to_path_buf(), by: by.to_string() });
            }
            Err(errno) => return Err(io(errno.into())),
        }
        file.set_len(0).map_err(io)?;
        file.rewind().map_err(io)?;
        writeln!(file, "phusong-collector, process {}", std::process::id()).map_err(io)?;
        Ok(DirLock { _file: file })
    }
}
