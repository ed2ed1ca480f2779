//! A program and what it prints.
//!
//! In: its name and arguments. Out: its lines as they come, the last line that it wrote to its standard error, how it
//! ended. Refuses to know: what the lines mean. Limits: 4 KiB a line, [`ERROR_BYTES`] of errors; it and all that it
//! started are killed with this value.

use crate::device::modem::at::lines::Lines;
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep};

const ERROR_BYTES: usize = 200;
/// Between the end of its output and its own.
const END: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

pub struct Program {
    /// Taken at the end.
    child: Option<Child>,
    output: Pipe,
    errors: Pipe,
    last_error: Option<String>,
}

struct Pipe {
    receiver: Option<Receiver>,
    lines: Lines,
    waiting: VecDeque<String>,
}

/// How a program ended.
pub struct Ended {
    pub well: bool,
    /// Its last words, else its code.
    pub why: String,
}

impl Pipe {
    fn new(end: impl Into<OwnedFd>) -> io::Result<Self> {
        Ok(Pipe {
            receiver: Some(Receiver::from_owned_fd(end.into())?),
            lines: Lines::default(),
            waiting: VecDeque::new(),
        })
    }

    /// Whether it is still open; nothing is lost when the call is dropped.
    async fn read(&mut self) -> bool {
        let Some(receiver) = &self.receiver else { return false };
        let mut bytes = [0; 1024];
        let read = match receiver.readable().await.and_then(|()| receiver.try_read(&mut bytes)) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => 0,
        };
        if read == 0 {
            // A last line without its end.
            self.waiting.extend(self.lines.push(b"\n"));
            self.receiver = None;
            return false;
        }
        self.waiting.extend(self.lines.push(&bytes[..read]));
        true
    }

    fn is_open(&self) -> bool {
        self.receiver.is_some()
    }
}

impl Program {
    pub fn start(command: &[String]) -> io::Result<Self> {
        let (name, arguments) = command.split_first().ok_or(io::ErrorKind::InvalidInput)?;
        let mut child = Command::new(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let output = Pipe::new(child.stdout.take().expect("it was asked for"))?;
        let errors = Pipe::new(child.stderr.take().expect("it was asked for"))?;
        Ok(Program { child: Some(child), output, errors, last_error: None })
    }

    /// The next line; `None` when it says no more. Nothing is lost when the call is dropped.
    pub async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.output.waiting.pop_front() {
                return Some(line);
            }
            if !self.output.is_open() {
                return None;
            }
            tokio::select! {
                _ = self.output.read() => {}
                _ = self.errors.read(), if self.errors.is_open() => self.keep_error(),
            }
        }
    }

    fn keep_error(&mut self) {
        if let Some(line) = self.errors.waiting.drain(..).next_back() {
            self.last_error = Some(line.chars().take(ERROR_BYTES).collect());
        }
    }

    /// After its last line: waits a little for its end, then ends it.
    pub async fn end(mut self) -> Ended {
        let until = Instant::now() + END;
        let mut status = None;
        while status.is_none() && Instant::now() < until {
            status = self.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if status.is_none() {
                sleep(LOOK).await;
            }
        }
        // What it wrote at its end.
        while self.errors.is_open() && tokio::time::timeout(LOOK, self.errors.read()).await.unwrap_or(false) {}
        self.keep_error();
        let well = status.is_some_and(|status| status.success());
        Ended { well, why: self.last_error.take().unwrap_or_else(|| ending(status)) }
    }
}

fn ending(status: Option<ExitStatus>) -> String {
    status.map_or("it closed its output and did not end".to_owned(), |status| format!("it ended with {status}"))
}

impl Drop for Program {
    fn drop(&mut self) {
        // The group, so that a script's own programs end, too; it may be gone.
        let Some(mut child) = self.child.take() else { return };
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        if !matches!(child.try_wait(), Ok(Some(_))) {
            // A program that hangs in a driver ends late; nobody waits for it but this thread.
            let _ = std::thread::Builder::new().spawn(move || child.wait());
        }
    }
}
