//! The two files of credentials: reading them when they changed, replacing them under a lock.
//!
//! In: `<data_dir>/broker/{passwd,joins}`. Out: what they say, and the files as a whole. Refuses to know: when a
//! secret is good for what. A line that cannot be read is left where it is and said once per reading. Mode 0600,
//! owner of the data directory. Limits: [`password::FILE_BYTES`] each.

use crate::password::{self, Fresh, Hashed};
use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use std::collections::{BTreeMap, HashMap};
use std::fs::{DirBuilder, File};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const MODE: u32 = 0o600;

/// One exchange that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Join {
    pub secret: Hashed,
    pub until_ms: i64,
    pub stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The code was given out.
    Offered,
    /// A lasting password was handed over for it, and not used yet.
    Handed,
}

impl Join {
    pub fn holds(&self, now_ms: i64) -> bool {
        now_ms < self.until_ms
    }

    /// `probe:$7$101$salt$hash:until_ms:offered|handed`
    fn line(&self, probe: &str) -> String {
        let stage = match self.stage {
            Stage::Offered => "offered",
            Stage::Handed => "handed",
        };
        format!("{probe}:{}:{}:{stage}\n", self.secret, self.until_ms)
    }

    fn parse(line: &str) -> Option<(String, Self)> {
        let mut parts = line.split(':');
        let (probe, secret) = (parts.next()?, Hashed::parse(parts.next()?)?);
        let until_ms = parts.next()?.parse().ok()?;
        let stage = match parts.next()? {
            "offered" => Stage::Offered,
            "handed" => Stage::Handed,
            _ => return None,
        };
        parts.next().is_none().then(|| (probe.to_owned(), Join { secret, until_ms, stage }))
    }
}

/// What both files say, as of the last reading.
#[derive(Debug)]
pub struct Files {
    directory: PathBuf,
    owner: (u32, u32),
    passwd: Watched<HashMap<String, Hashed>>,
    joins: Watched<BTreeMap<String, Join>>,
}

impl Files {
    pub fn open(data_dir: &Path) -> anyhow::Result<Self> {
        let directory = data_dir.join("broker");
        let making = || format!("making {}", directory.display());
        DirBuilder::new().recursive(true).mode(0o700).create(&directory).with_context(making)?;
        let meta = std::fs::metadata(data_dir).with_context(|| format!("reading {}", data_dir.display()))?;
        let owner = (meta.uid(), meta.gid());
        // What root made in a service's directory is the service's.
        if std::fs::metadata(&directory).with_context(making)?.uid() != owner.0 {
            std::os::unix::fs::chown(&directory, Some(owner.0), Some(owner.1)).with_context(making)?;
        }
        let (passwd, joins) = (Watched::of(directory.join("passwd")), Watched::of(directory.join("joins")));
        Ok(Files { directory, owner, passwd, joins })
    }

    /// Reads what another process has replaced.
    pub fn refresh(&mut self) -> anyhow::Result<()> {
        let user = |line: &str| {
            let (user, hash) = line.split_once(':')?;
            Some((user.to_owned(), Hashed::parse(hash)?))
        };
        self.passwd.refresh(user)?;
        self.joins.refresh(Join::parse)
    }

    /// Reads, changes and writes while no other process does.
    pub fn change<T>(&mut self, work: impl FnOnce(&mut Self) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let path = self.directory.join("credentials.lock");
        let locking = || format!("locking {}", path.display());
        let mut options = File::options();
        let lock = options.write(true).create(true).truncate(false).mode(MODE).open(&path).with_context(locking)?;
        if lock.metadata().with_context(locking)?.uid() != self.owner.0 {
            std::os::unix::fs::fchown(&lock, Some(self.owner.0), Some(self.owner.1)).with_context(locking)?;
        }
        flock(&lock, FlockOperation::LockExclusive).with_context(locking)?;
        self.refresh()?;
        let done = work(self);
        drop(lock);
        done
    }

    pub fn lasting(&self, user: &str) -> Option<&Hashed> {
        self.passwd.content.get(user)
    }

    pub fn join(&self, user: &str) -> Option<&Join> {
        self.joins.content.get(user)
    }

    pub fn joins(&self) -> usize {
        self.joins.content.len()
    }

    pub fn put_lasting(&mut self, lines: HashMap<&str, Option<Hashed>>) -> anyhow::Result<()> {
        if lines.iter().all(|(user, hashed)| hashed.is_none() && !self.passwd.content.contains_key(*user)) {
            return Ok(());
        }
        let lines = lines.into_iter().map(|(user, hashed)| (user, hashed.map(|hashed| format!("{user}:{hashed}"))));
        password::put_lines(&self.passwd.file, lines.collect(), self.fresh())?;
        self.refresh()
    }

    /// Also forgets what ended before `now_ms`.
    pub fn put_joins<'a>(
        &mut self,
        changes: impl IntoIterator<Item = (&'a str, Option<Join>)>,
        now_ms: i64,
    ) -> anyhow::Result<()> {
        let before = self.joins.content.clone();
        let mut joins = before.clone();
        for (probe, join) in changes {
            match join {
                Some(join) => drop(joins.insert(probe.to_owned(), join)),
                None => drop(joins.remove(probe)),
            }
        }
        joins.retain(|_, join| join.holds(now_ms));
        if joins == before {
            return Ok(());
        }
        let text: String = joins.iter().map(|(probe, join)| join.line(probe)).collect();
        let file = &self.joins.file;
        password::replace(file, &text, self.fresh()).with_context(|| format!("writing {}", file.display()))?;
        self.refresh()
    }

    fn fresh(&self) -> Fresh {
        Fresh { mode: MODE, owner: Some(self.owner) }
    }
}

/// What a replaced file cannot share with the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// A file of lines and what it said when it was read.
#[derive(Debug)]
struct Watched<T> {
    file: PathBuf,
    stamp: Option<Stamp>,
    content: T,
}

impl<T: Default> Watched<T> {
    fn of(file: PathBuf) -> Self {
        Watched { file, stamp: None, content: T::default() }
    }

    fn refresh<V>(&mut self, parse: impl Fn(&str) -> Option<(String, V)>) -> anyhow::Result<()>
    where
        T: Extend<(String, V)>,
    {
        let reading = || format!("reading {}", self.file.display());
        let stamp = |meta: &std::fs::Metadata| {
            let (inode, bytes, modified) = (meta.ino(), meta.len(), (meta.mtime(), meta.mtime_nsec()));
            Stamp { inode, bytes, modified }
        };
        match std::fs::metadata(&self.file) {
            Ok(meta) if self.stamp == Some(stamp(&meta)) => return Ok(()),
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                (self.stamp, self.content) = (None, T::default());
                return Ok(());
            }
            Err(e) => return Err(e).with_context(reading),
        }
        // The stamp is of the very file that is read.
        let mut file = File::open(&self.file).with_context(reading)?;
        let now = stamp(&file.metadata().with_context(reading)?);
        if now.bytes > password::FILE_BYTES {
            bail!("{} has {} bytes; at most {} are read", self.file.display(), now.bytes, password::FILE_BYTES);
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(reading)?;
        let mut content = T::default();
        for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            match parse(line) {
                Some(entry) => content.extend([entry]),
                None => tracing::warn!("{}:{}: this line is no credential of ours", self.file.display(), index + 1),
            }
        }
        (self.stamp, self.content) = (Some(now), content);
        Ok(())
    }
}
