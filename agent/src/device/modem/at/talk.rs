//! Lines to and from a port.
//!
//! In: commands, bytes of the port. Out: lines, one at a time, until a moment. Refuses to know: what lines mean. Limits:
//! what the port says while nobody listens waits in the kernel; one read of 512 bytes waits here.

use super::lines::Lines;
use super::port::Port;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Quiet for so long: what was under way is over.
const QUIET: Duration = Duration::from_millis(150);
/// Lines that are thrown away until it is quiet.
const LATE_LINES: usize = 200;

/// The port is gone.
#[derive(Debug)]
pub struct Gone(pub String);

pub struct Talk {
    port: Port,
    lines: Lines,
    waiting: VecDeque<String>,
}

impl Talk {
    pub fn new(port: Port) -> Self {
        Talk { port, lines: Lines::default(), waiting: VecDeque::new() }
    }

    /// Nothing is lost when the call is dropped. `None`: the moment came.
    pub async fn line(&mut self, until: Instant) -> Result<Option<String>, Gone> {
        loop {
            if let Some(line) = self.waiting.pop_front() {
                return Ok(Some(line));
            }
            let mut bytes = [0; 512];
            match timeout_at(until, self.port.serial.read(&mut bytes)).await {
                Err(_) => return Ok(None),
                Ok(Ok(0)) => return Err(Gone("the port was closed".into())),
                Ok(Ok(read)) => self.waiting.extend(self.lines.push(&bytes[..read])),
                Ok(Err(error)) => return Err(Gone(format!("the port is gone: {error}"))),
            }
        }
    }

    /// `false`: the port took it not before the moment.
    pub async fn write(&mut self, command: &str, until: Instant) -> Result<bool, Gone> {
        let bytes = format!("{command}\r");
        match timeout_at(until, self.port.serial.write_all(bytes.as_bytes())).await {
            Err(_) => Ok(false),
            Ok(Ok(())) => Ok(true),
            Ok(Err(error)) => Err(Gone(format!("the port is gone: {error}"))),
        }
    }

    /// What still comes of an answer that was given up, until it is quiet.
    pub async fn late(&mut self) -> Result<Vec<String>, Gone> {
        let mut late = Vec::new();
        while late.len() < LATE_LINES {
            match self.line(Instant::now() + QUIET).await? {
                Some(line) => late.push(line),
                None => break,
            }
        }
        self.lines.forget();
        Ok(late)
    }

    pub fn overlong(&self) -> u64 {
        self.lines.overlong()
    }
}
