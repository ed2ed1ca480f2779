//! The port that a virtual modem sits on: abstract Unix sockets, or a pty behind a link of a lasting name.

use super::engine::{Modem, Reply};
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

/// Between two looks at a pty that nobody has open.
const CLOSED: Duration = Duration::from_millis(20);
/// A line of a host is never longer.
const LINE: usize = 4_096;

/// Does something to the modem; what that makes it say.
pub type Change = Box<dyn FnOnce(&mut Modem) -> Vec<String> + Send>;

/// What a test asks of a modem that runs.
pub enum Order {
    Change(Change),
    /// These bytes, as they are.
    Say(Vec<u8>),
    Log(Sender<Vec<String>>),
    End,
}

/// One who speaks with the modem.
struct Line {
    fd: OwnedFd,
    heard: Vec<u8>,
    waiting: Option<(Instant, String)>,
    /// Nobody has the pty open.
    closed_at: Option<Instant>,
    gone: bool,
}

impl Line {
    fn new(fd: OwnedFd) -> Result<Self> {
        fcntl_setfl(&fd, OFlags::NONBLOCK)?;
        Ok(Line { fd, heard: Vec::new(), waiting: None, closed_at: None, gone: false })
    }

    /// Sends what fits; a serial port loses the rest.
    fn send(&self, text: &[u8]) {
        let _ = rustix::io::write(&self.fd, text);
    }

    /// When it is to be looked at without anything to read.
    fn due(&self) -> Option<Instant> {
        let thought = self.waiting.as_ref().map(|(due, _)| *due);
        thought.or(self.closed_at.map(|at| at + CLOSED))
    }

    fn serve(&mut self, modem: &mut Modem, pty: bool) {
        if let Some((_, text)) = self.waiting.take_if(|(due, _)| *due <= Instant::now()) {
            self.send(text.as_bytes());
        }
        let mut buffer = [0; 1024];
        match rustix::io::read(&self.fd, &mut buffer) {
            Ok(n) if n > 0 => {
                self.closed_at = None;
                self.heard.extend_from_slice(&buffer[..n]);
            }
            Err(Errno::AGAIN | Errno::INTR) => self.closed_at = None,
            _ if pty => {
                self.heard.clear();
                self.closed_at = Some(Instant::now());
            }
            _ => self.gone = true,
        }
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\r').filter(|_| self.waiting.is_none()) {
            let line: Vec<u8> = self.heard.drain(..=end).filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
            if let Some(Reply { text, after }) = modem.hear(&String::from_utf8_lossy(&line)) {
                if after.is_zero() {
                    self.send(text.as_bytes());
                } else {
                    self.waiting = Some((Instant::now() + after, text));
                }
            }
        }
        if self.heard.len() > LINE {
            self.heard.clear();
        }
    }
}

pub struct Port {
    /// None: a pty.
    listeners: Vec<UnixListener>,
    lines: Vec<Line>,
}

impl Port {
    pub fn sockets(names: &[String]) -> Result<Self> {
        let bind = |name: &String| -> Result<UnixListener> {
            let address = SocketAddr::from_abstract_name(name)?;
            let listener = UnixListener::bind_addr(&address).with_context(|| format!("abstract socket {name:?}"))?;
            listener.set_nonblocking(true)?;
            Ok(listener)
        };
        Ok(Port { listeners: names.iter().map(bind).collect::<Result<_>>()?, lines: vec![] })
    }

    /// A raw pty; `link` leads to it.
    pub fn pty(link: &Path) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?.into_string()?;
        // Its settings stay for as long as the master is open.
        let mut settings = tcgetattr(&master)?;
        settings.make_raw();
        tcsetattr(&master, OptionalActions::Now, &settings)?;
        std::os::unix::fs::symlink(&name, link).with_context(|| link.display().to_string())?;
        Ok(Port { listeners: vec![], lines: vec![Line::new(master)?] })
    }

    /// Serves until it is told to end, then gives the modem back; every port is closed then.
    pub fn serve(mut self, mut modem: Modem, orders: &Receiver<(Order, Sender<()>)>, wake: &UnixStream) -> Modem {
        let pty = self.listeners.is_empty();
        loop {
            while let Ok((order, done)) = orders.try_recv() {
                let end = matches!(order, Order::End);
                self.obey(order, &mut modem);
                let _ = done.send(());
                if end {
                    return modem;
                }
            }
            self.wait(wake);
            let mut drained = [0; 64];
            let _ = rustix::io::read(wake, &mut drained);
            let new = self.listeners.iter().filter_map(|listener| listener.accept().ok());
            self.lines.extend(new.filter_map(|(stream, _)| Line::new(stream.into()).ok()));
            self.lines.iter_mut().for_each(|line| line.serve(&mut modem, pty));
            self.lines.retain(|line| !line.gone);
        }
    }

    fn obey(&mut self, order: Order, modem: &mut Modem) {
        match order {
            Order::Change(change) => {
                let lines = change(modem);
                let text: String = lines.iter().map(|line| format!("\r\n{line}\r\n")).collect();
                self.lines.iter().filter(|_| !modem.mute).for_each(|line| line.send(text.as_bytes()));
            }
            Order::Say(bytes) => self.lines.iter().for_each(|line| line.send(&bytes)),
            Order::Log(to) => drop(to.send(modem.log())),
            Order::End => {}
        }
    }

    /// Until something is to be read, or a line is due.
    fn wait(&self, wake: &UnixStream) {
        let listeners = self.listeners.iter().map(AsFd::as_fd);
        let lines = self.lines.iter().filter(|line| line.closed_at.is_none()).map(|line| line.fd.as_fd());
        let all = std::iter::once(wake.as_fd()).chain(listeners).chain(lines);
        let mut watched: Vec<PollFd<'_>> = all.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let due = self.lines.iter().filter_map(Line::due).min();
        let span = due.map(|due| due.saturating_duration_since(Instant::now()));
        let span = span.and_then(|span| Timespec::try_from(span).ok());
        let _ = poll(&mut watched, span.as_ref());
    }
}
