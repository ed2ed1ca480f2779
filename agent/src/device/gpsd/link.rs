//! The connection to gpsd, for as long as the agent runs.
//!
//! In: an address. Out: [`Heard`]s over a bounded channel. Refuses to know: samples, configuration. Limits: one
//! connection; tried again after [`FIRST`], doubling to [`MOST`]; a gpsd that is silent for [`SILENCE`] counts as gone,
//! and a position that nobody can confirm counts as lost.

use super::{Ear, Heard, LINE_BYTES, parse};
use crate::device::clock;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const FIRST: Duration = Duration::from_secs(1);
const MOST: Duration = Duration::from_secs(60);
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// gpsd reports at least once a second while a receiver speaks; without a receiver it says nothing at all.
const SILENCE: Duration = Duration::from_secs(60);
/// Asked anew on each connection: gpsd forgets a client with its socket.
const WATCH: &[u8] = b"?WATCH={\"enable\":true,\"json\":true};\n";

/// Runs until nobody listens any more.
pub async fn follow(address: String, to: mpsc::Sender<Heard>) {
    let mut wait = FIRST;
    let mut complained = false;
    loop {
        let mut ear = Ear::default();
        let mut heard = false;
        let ended = listen(&address, &mut ear, &to, &mut heard).await;
        if to.is_closed() || to.send(Heard::Lost).await.is_err() {
            return;
        }
        if heard {
            (wait, complained) = (FIRST, false);
        }
        if !complained {
            tracing::warn!(address, error = %ended, "gpsd gives no positions; it is asked again and again");
            complained = true;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(MOST);
    }
}

/// Listens on one connection until it ends, and says why. `heard`: whether any report came.
async fn listen(address: &str, ear: &mut Ear, to: &mpsc::Sender<Heard>, heard: &mut bool) -> io::Error {
    let connected = tokio::time::timeout(CONNECT_WITHIN, TcpStream::connect(address)).await;
    let stream = match connected {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return error,
        Err(_) => return io::ErrorKind::TimedOut.into(),
    };
    let mut stream = BufReader::with_capacity(LINE_BYTES, stream);
    if let Err(error) = stream.write_all(WATCH).await {
        return error;
    }
    let mut line = Vec::new();
    loop {
        match tokio::time::timeout(SILENCE, next_line(&mut stream, &mut line)).await {
            Ok(Ok(true)) => {}
            Ok(Ok(false)) => return io::ErrorKind::UnexpectedEof.into(),
            Ok(Err(error)) => return error,
            Err(_) => return io::ErrorKind::TimedOut.into(),
        }
        let Some(report) = std::str::from_utf8(&line).ok().and_then(parse) else { continue };
        *heard = true;
        if let Some(said) = ear.hear(report, clock::mono_ms())
            && to.send(said).await.is_err()
        {
            return io::ErrorKind::BrokenPipe.into();
        }
    }
}

/// Reads up to the end of a line; false at the end of the stream. A line beyond the bound is read and left empty.
async fn next_line(from: &mut BufReader<TcpStream>, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let mut too_long = false;
    loop {
        let part = from.fill_buf().await?;
        if part.is_empty() {
            return Ok(false);
        }
        let end = part.iter().position(|byte| *byte == b'\n');
        let taken = end.map_or(part.len(), |at| at + 1);
        too_long |= line.len() + taken > LINE_BYTES;
        if !too_long {
            line.extend_from_slice(&part[..taken]);
        }
        from.consume(taken);
        if end.is_some() {
            if too_long {
                line.clear();
            }
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    const TPV: &str = "{\"class\":\"TPV\",\"device\":\"d\",\"mode\":3,\"lat\":21.5,\"lon\":105.5}\r\n";

    #[tokio::test]
    async fn positions_come_again_after_a_reconnect_and_a_line_without_end_hurts_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (to, mut heard) = mpsc::channel(8);
        let following = tokio::spawn(follow(address, to));
        for round in 0..2 {
            let (mut client, _) = listener.accept().await.expect("it connects");
            let mut asked = String::new();
            BufReader::new(&mut client).read_line(&mut asked).await.expect("it asks");
            assert!(asked.starts_with("?WATCH="), "{round}: {asked}");
            let long = format!("{}\n", "x".repeat(3 * LINE_BYTES));
            client.write_all(long.as_bytes()).await.expect("it reads on");
            client.write_all(TPV.as_bytes()).await.expect("it reads on");
            assert!(matches!(heard.recv().await, Some(Heard::Fix(fix)) if fix.lat == 21.5));
            drop(client);
            assert_eq!(heard.recv().await, Some(Heard::Lost));
        }
        following.abort();
    }
}
