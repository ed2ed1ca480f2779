//! Publishes as fast as a broker takes it, over bare sockets: nothing of a client stands in the way.
//!
//! In: topics with payloads. Out: when the broker has acknowledged the last. Refuses to know: what the payloads say.
//! Limits: 65,535 messages in flight per connection, the packet ids there are.

use super::packet::{CONNACK, PUBACK, Packet, connect, disconnect, publish};
use anyhow::{Context, Result, bail};
use std::io::{BufReader, BufWriter, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

pub type Messages = Arc<Vec<(String, Vec<u8>)>>;

pub struct Flood(Vec<JoinHandle<Result<()>>>);

impl Flood {
    /// Shares `messages` among `connections`, all of one topic to the same (a probe has one), logs in, and lets go.
    pub fn start(port: u16, login: (&str, &str), messages: &Messages, connections: usize) -> Result<Self> {
        let mut threads = Vec::new();
        for number in 0..connections {
            let stream = log_in(port, login, number)?;
            let messages = Arc::clone(messages);
            threads.push(std::thread::spawn(move || send(&stream, &messages, number, connections)));
        }
        Ok(Flood(threads))
    }

    /// Waits until the broker has acknowledged everything.
    pub fn wait(self) -> Result<()> {
        for thread in self.0 {
            thread.join().unwrap_or_else(|_| bail!("a publisher panicked"))?;
        }
        Ok(())
    }
}

fn log_in(port: u16, (user, password): (&str, &str), number: usize) -> Result<TcpStream> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting")?;
    stream.set_nodelay(true)?;
    stream.write_all(&connect(&format!("flood-{number}-{:x}", fastrand::u32(..)), user, password))?;
    let answer = Packet::read(&mut stream)?.context("the broker closed the connection")?;
    anyhow::ensure!(answer.kind() == CONNACK && answer.bytes.last() == Some(&0), "the broker refused: {answer:?}");
    Ok(stream)
}

/// The share of connection `number`. A second thread reads the answers, so that neither side blocks the other.
fn send(stream: &TcpStream, messages: &Messages, number: usize, connections: usize) -> Result<()> {
    let share = |topic: &str| crc32fast::hash(topic.as_bytes()) as usize % connections;
    let ours = || messages.iter().filter(|(topic, _)| share(topic) == number);
    let total = ours().count();
    let answered = Arc::new(AtomicUsize::new(0));
    let (reader, counted) = (stream.try_clone()?, Arc::clone(&answered));
    let answers = std::thread::spawn(move || count_answers(&reader, total, &counted));
    let mut writer = BufWriter::with_capacity(256 * 1024, stream);
    for (number, (topic, payload)) in ours().enumerate() {
        let id = u16::try_from(number % 65_535).expect("below 65,535") + 1;
        while number - answered.load(Ordering::Relaxed) >= 65_000 {
            writer.flush()?;
            std::thread::yield_now();
        }
        writer.write_all(&publish(topic, id, payload))?;
    }
    writer.flush()?;
    answers.join().unwrap_or_else(|_| bail!("the reader panicked"))?;
    writer.write_all(&disconnect())?;
    Ok(writer.flush()?)
}

fn count_answers(stream: &TcpStream, total: usize, answered: &AtomicUsize) -> Result<()> {
    let mut reader = BufReader::with_capacity(64 * 1024, stream);
    while answered.load(Ordering::Relaxed) < total {
        let packet = Packet::read(&mut reader)?.context("the broker closed the connection")?;
        if packet.kind() == PUBACK {
            answered.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
