//! A modem at the other end of a pseudo terminal: it answers by a script, says things unasked, is unplugged.
//!
//! In: replies by command, as lines. Out: what the source said, what it asked. Refuses to know: what the lines mean.

#![allow(clippy::unwrap_used)]

use phusong_agent::config::{ModemConfig, ModemSource};
use phusong_agent::device::modem::{Ask, Event, ModemKey, QUEUE, Said, at};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the modem answers and what it was asked.
#[derive(Default)]
pub struct Script {
    replies: BTreeMap<String, String>,
    asked: Vec<String>,
    echo: bool,
    /// Each byte by itself.
    in_pieces: bool,
}

pub struct Modem {
    pub script: Arc<Mutex<Script>>,
    port: Option<Port>,
    /// What the source is told to open; it points to the terminal of the day.
    pub path: PathBuf,
}

struct Port {
    master: Arc<AsyncFd<File>>,
    task: JoinHandle<()>,
}

/// The controlling end, and the path of the other one.
#[allow(unsafe_code)] // Pseudo terminals by the C library: no safe wrapper among our dependencies.
fn open_terminal() -> (File, PathBuf) {
    let mut name = [0_u8; 128];
    // SAFETY: the descriptor is checked and owned from then on; the buffer's length is given with it.
    let master = unsafe {
        let fd = libc::posix_openpt(libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NONBLOCK);
        assert!(fd >= 0, "{}", std::io::Error::last_os_error());
        let master = OwnedFd::from_raw_fd(fd);
        assert_eq!(libc::grantpt(fd), 0);
        assert_eq!(libc::unlockpt(fd), 0);
        assert_eq!(libc::ptsname_r(fd, name.as_mut_ptr().cast(), name.len()), 0);
        master
    };
    let end = name.iter().position(|byte| *byte == 0).unwrap();
    (master.into(), PathBuf::from(std::str::from_utf8(&name[..end]).unwrap()))
}

#[allow(unsafe_code)] // What tokio asks of a descriptor, a File keeps by its type.
fn register(file: File) -> AsyncFd<File> {
    // SAFETY: the file owns its descriptor and gives it to nobody.
    unsafe { AsyncFd::register(file).unwrap() }
}

/// A directory that goes with the test.
pub struct TempDir(PathBuf);

impl TempDir {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("phusong-modem-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        TempDir(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Modem {
    /// Not plugged in yet.
    pub fn new(dir: &Path, replies: &[(&str, &str)]) -> Self {
        let replies = replies.iter().map(|(command, reply)| ((*command).into(), (*reply).into())).collect();
        let script = Arc::new(Mutex::new(Script { replies, ..Script::default() }));
        Modem { script, port: None, path: dir.join("ttyModem") }
    }

    pub fn plug_in(&mut self) {
        let (master, slave) = open_terminal();
        let _ = std::fs::remove_file(&self.path);
        std::os::unix::fs::symlink(&slave, &self.path).unwrap();
        // Held open, so that the source may close its end and open it again.
        let held = File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(&slave).unwrap();
        let master = Arc::new(register(master));
        self.script.lock().unwrap().echo = true;
        let task = tokio::spawn(answer(master.clone(), held, self.script.clone()));
        self.port = Some(Port { master, task });
    }

    pub async fn unplug(&mut self) {
        let port = self.port.take().unwrap();
        std::fs::remove_file(&self.path).unwrap();
        port.task.abort();
        let _ = port.task.await;
    }

    pub fn reply(&self, command: &str, reply: &str) {
        self.script.lock().unwrap().replies.insert(command.into(), reply.into());
    }

    pub fn in_pieces(&self) {
        self.script.lock().unwrap().in_pieces = true;
    }

    pub fn asked(&self) -> Vec<String> {
        self.script.lock().unwrap().asked.clone()
    }

    pub fn times_asked(&self, command: &str) -> usize {
        self.asked().iter().filter(|asked| *asked == command).count()
    }

    /// Unasked, as it stands.
    pub async fn says(&self, bytes: &str) {
        write(&self.port.as_ref().unwrap().master, bytes.as_bytes()).await;
    }
}

async fn write(master: &AsyncFd<File>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut guard = master.writable().await.unwrap();
        if let Ok(written) = guard.try_io(|file| file.get_ref().write(bytes)) {
            bytes = &bytes[written.unwrap()..];
        }
    }
}

async fn answer(master: Arc<AsyncFd<File>>, _held: File, script: Arc<Mutex<Script>>) {
    let mut line = Vec::new();
    loop {
        let mut buffer = [0; 256];
        let mut guard = master.readable().await.unwrap();
        let Ok(read) = guard.try_io(|file| file.get_ref().read(&mut buffer)) else { continue };
        drop(guard);
        for byte in &buffer[..read.unwrap_or(0)] {
            if *byte != b'\r' {
                line.push(*byte);
                continue;
            }
            let command = String::from_utf8(std::mem::take(&mut line)).unwrap();
            let (text, in_pieces) = reply_to(&mut script.lock().unwrap(), &command);
            if in_pieces {
                for byte in text.as_bytes() {
                    write(&master, std::slice::from_ref(byte)).await;
                    tokio::task::yield_now().await;
                }
            } else {
                write(&master, text.as_bytes()).await;
            }
        }
    }
}

/// Lines of a reply stand between empty ones, as modems do; an empty reply is silence.
fn reply_to(script: &mut Script, command: &str) -> (String, bool) {
    script.asked.push(command.into());
    let fallback = if ["AT", "ATE0", "AT+CMEE=1"].contains(&command) { "OK" } else { "ERROR" };
    let reply = script.replies.get(command).map_or(fallback, String::as_str).to_owned();
    let mut text = if script.echo && !reply.is_empty() { format!("{command}\r") } else { String::new() };
    reply.lines().for_each(|line| text += &format!("\r\n{line}\r\n"));
    script.echo &= command != "ATE0" || reply.is_empty();
    (text, script.in_pieces)
}

/// The source under test and what it said.
pub struct Source {
    events: mpsc::Receiver<Said>,
    pub asks: mpsc::Sender<Ask>,
    pub heard: Vec<Event>,
    task: JoinHandle<()>,
}

impl Drop for Source {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub fn key() -> ModemKey {
    ModemKey("m".into())
}

pub fn config(path: &Path) -> ModemConfig {
    ModemConfig {
        name: "m".into(),
        source: ModemSource::At,
        device: Some(path.into()),
        interface: Some("wwan0".into()),
        model: None,
        command: Vec::new(),
        signal_ms: 1_000,
        neighbours_ms: 10_000,
        scan_ms: None,
    }
}

impl Source {
    pub fn start(path: &Path) -> Self {
        let (out, events) = mpsc::channel(QUEUE);
        let (asks, asked) = mpsc::channel(4);
        let task = tokio::spawn(at::run(config(path), out, asked));
        Source { events, asks, heard: Vec::new(), task }
    }

    /// The first event from now on that `wanted` takes.
    pub async fn until<T>(&mut self, what: &str, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                let said = self.events.recv().await.expect("the source ended");
                assert_eq!(said.modem, key());
                self.heard.push(said.what.clone());
                if let Some(found) = wanted(&said.what) {
                    return found;
                }
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("waited in vain for {what}; heard {:#?}", self.heard),
        }
    }
}
