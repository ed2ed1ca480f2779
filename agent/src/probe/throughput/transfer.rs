//! One transfer over one connection, down or up, until its time or its bytes are over.
//!
//! In: an address, the back end's URL, bounds. Out: a [`Speed`], or the failure with the phase it ended in; and what it
//! cost, also where it failed. Refuses to know: budgets, months. Limits: [`Bounds`]; memory of a piece each way.

use super::meter::{Figures, Meter};
use super::speed::{Ended, Marks, STEP, Speed};
use crate::probe::http::answer::Answer;
use crate::probe::http::{Url, of_stream, secure};
use crate::probe::{ProbeError, tcp};
use phusong_protocol::FailureKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

/// Read at once.
const PIECE_BYTES: usize = 64 * 1024;
/// What one more read makes room for, with its headers.
const ROOM_BYTES: u64 = (PIECE_BYTES + PIECE_BYTES / 8) as u64;
/// Of an upload's body; fits into a TLS record.
const CHUNK_BYTES: usize = 16 * 1024 - 16;
/// Unit of the back end's `ckSize`, and the most of it.
const UNIT_BYTES: u64 = 1 << 20;
const UNITS_MAX: u64 = 1_024;
/// A back end whose answer is shorter than this is somebody else's page.
const PAGE_BYTES: usize = 256 * 1024;
/// Of an upload's own receive buffer: an answer is short.
const ANSWER_BYTES: u32 = 16 * 1024;
/// How long an upload that is over waits for the answer to it.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// What looking up a name, knocking in vain, and the last goodbye cost at most.
pub const APART_BYTES: u64 = 2_000;
/// What TLS may hold back before the kernel sees it.
const TLS_BYTES: u64 = 80 * 1024;

/// One end of the line.
#[derive(Debug, Clone)]
pub struct Server {
    /// The URL that `garbage.php` and `empty.php` stand under.
    pub base: Url,
    pub address: SocketAddr,
    pub interface: Option<String>,
    /// PEM of the authorities to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Certificates are checked at no earlier time.
    pub floor_unix_ms: i64,
}

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Everything on this connection, both ways, headers included.
    pub bytes: u64,
    /// From the first byte on.
    pub time: Duration,
    /// For the connection, for TLS, for the answer to begin; and for a silence in the middle.
    pub patience: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Down,
    Up,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.read(to).await,
            Stream::Tls(stream) => stream.read(to).await,
        }
    }

    async fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        match self {
            Stream::Plain(stream) => stream.write(from).await,
            Stream::Tls(stream) => stream.write(from).await,
        }
    }

    async fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.flush().await,
            Stream::Tls(stream) => stream.flush().await,
        }
    }
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::Down => "down",
            Way::Up => "up",
        }
    }
}

fn timeout() -> ProbeError {
    ProbeError::new(FailureKind::Timeout, None)
}

fn of_io(error: &std::io::Error) -> ProbeError {
    match error.kind() {
        std::io::ErrorKind::Unsupported => ProbeError::new(FailureKind::Denied, error.to_string()),
        _ => of_stream(error),
    }
}

impl Server {
    /// Adds to `cost` what the connection cost, however it ended.
    pub async fn transfer(&self, way: Way, bounds: Bounds, cost: &mut u64) -> Result<Speed, ProbeError> {
        *cost += APART_BYTES;
        let began = Instant::now();
        let connected = self.connect(way, bounds).await;
        let result = match connected {
            Err(error) => Err(error.in_phase("connecting")),
            Ok((stream, mut meter)) => {
                let result = self.run(way, stream, &mut meter, bounds).await;
                // Where the kernel no longer says, all of it may have passed.
                *cost += meter.cost().unwrap_or(bounds.bytes);
                result
            }
        };
        result.map_err(|error| ProbeError {
            sent: Some(1),
            elapsed: Some(began.elapsed()),
            ..error.in_phase(way.word())
        })
    }

    async fn connect(&self, way: Way, bounds: Bounds) -> Result<(TcpStream, Meter), ProbeError> {
        let socket = tcp::socket(self.address, self.interface.as_deref()).map_err(|e| ProbeError::from_io(&e))?;
        if way == Way::Up {
            socket.set_recv_buffer_size(ANSWER_BYTES).map_err(|e| ProbeError::from_io(&e))?;
        }
        let connecting = tokio::time::timeout(bounds.patience, socket.connect(self.address));
        let stream = connecting.await.map_err(|_| timeout())?.map_err(|e| ProbeError::from_io(&e))?;
        // A quarter of what may be spent lies in the buffer, half of which is the kernel's own.
        let window = (way == Way::Down).then(|| (bounds.bytes / 8).clamp(64 << 10, 4 << 20));
        let meter = Meter::over(&stream, self.address, window).map_err(|e| of_io(&e))?;
        Ok((stream, meter))
    }

    async fn run(&self, way: Way, stream: TcpStream, meter: &mut Meter, bounds: Bounds) -> Result<Speed, ProbeError> {
        let mut bounds = bounds;
        let mut stream = if self.base.tls {
            bounds.bytes = bounds.bytes.saturating_sub(TLS_BYTES);
            let securing = secure(&self.base, self.ca_file.as_deref(), self.floor_unix_ms, stream);
            let secured =
                tokio::time::timeout(bounds.patience, securing).await.map_err(|_| timeout().in_phase("TLS"))?;
            Stream::Tls(Box::new(secured.map_err(|error| error.in_phase("TLS"))?))
        } else {
            Stream::Plain(stream)
        };
        match way {
            Way::Down => self.down(&mut stream, meter, bounds).await,
            Way::Up => self.up(&mut stream, meter, bounds).await,
        }
    }

    async fn down(&self, stream: &mut Stream, meter: &mut Meter, bounds: Bounds) -> Result<Speed, ProbeError> {
        let units = (bounds.bytes / UNIT_BYTES).clamp(1, UNITS_MAX);
        let asked = usize::try_from(units * UNIT_BYTES).unwrap_or(usize::MAX);
        let request = self.request("GET", &format!("/garbage.php?ckSize={units}"), "");
        send(stream, request.as_bytes(), bounds.patience).await?;
        let mut answer = Answer::new(asked, false);
        let (mut piece, mut marks, mut first) = (vec![0; PIECE_BYTES], Marks::default(), None::<Instant>);
        let mut fastest_rtt = Duration::MAX;
        loop {
            let left = first.map_or(Duration::MAX, |first| bounds.time.saturating_sub(first.elapsed()));
            let read = tokio::time::timeout(left.min(bounds.patience), stream.read(&mut piece)).await;
            let ended = match read {
                Err(_) if left <= bounds.patience => Some(Ended::Time),
                Err(_) => return Err(timeout().in_phase(if first.is_some() { "a silence" } else { "waiting" })),
                Ok(Err(error)) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(of_io(&error)),
                Ok(Ok(0) | Err(_)) => {
                    whole(&answer, asked)?;
                    meter.ended_in_order();
                    Some(Ended::Bytes)
                }
                Ok(Ok(length)) => self.took(&mut answer, &piece[..length], asked)?.then_some(Ended::Bytes),
            };
            let figures = meter.figures().map_err(|e| of_io(&e))?;
            fastest_rtt = fastest_rtt.min(figures.rtt);
            if first.is_none() && answer.body_bytes > 0 {
                first = Some(Instant::now());
            }
            let at = first.map(|first| first.elapsed()).unwrap_or_default();
            marks.add(at, answer.body_bytes as u64);
            let spent = meter.passed(&figures) + meter.pending(&figures) + ROOM_BYTES >= bounds.bytes;
            let over = at >= bounds.time;
            if let Some(ended) = ended.or(spent.then_some(Ended::Bytes)).or(over.then_some(Ended::Time)) {
                let speed = marks.speed(at, answer.body_bytes as u64, ended).ok_or_else(nothing_came)?;
                return Ok(honest(speed, meter.window(), fastest_rtt));
            }
        }
    }

    /// Whether all that was asked for is here.
    fn took(&self, answer: &mut Answer, piece: &[u8], asked: usize) -> Result<bool, ProbeError> {
        let all = answer.take(piece).map_err(|broken| ProbeError::new(FailureKind::Malformed, broken.to_string()))?;
        self.judge(answer)?;
        if all {
            whole(answer, asked)?;
        }
        Ok(all)
    }

    /// A status that is no 200 is a failure, as soon as it is here.
    fn judge(&self, answer: &Answer) -> Result<(), ProbeError> {
        match answer.status() {
            None | Some(200) => Ok(()),
            Some(status @ (511 | 300..=399)) => {
                let to = answer.location().map(|to| format!(" to {to}")).unwrap_or_default();
                Err(ProbeError::new(FailureKind::Portal, format!("status {status}{to}")))
            }
            Some(status) => Err(ProbeError::new(FailureKind::HttpStatus, format!("status {status}"))),
        }
    }

    async fn up(&self, stream: &mut Stream, meter: &mut Meter, bounds: Bounds) -> Result<Speed, ProbeError> {
        let head = "Content-Type: application/octet-stream\r\nTransfer-Encoding: chunked\r\n";
        send(stream, self.request("POST", "/empty.php", head).as_bytes(), bounds.patience).await?;
        let before = meter.figures().map_err(|e| of_io(&e))?;
        let mut sending =
            Sending { first: Instant::now(), before, marks: Marks::default(), moved: (Instant::now(), 0) };
        // Room for the end of the body and for the answer to it.
        let soft = Bounds { bytes: bounds.bytes - bounds.bytes / 16, ..bounds };
        let (ended, at, answered) = self.pour(stream, meter, soft, &mut sending).await?;
        let acked = sending.moved.1;
        self.answer(stream, meter, bounds, answered).await?;
        sending.marks.speed(at, acked, ended).ok_or_else(nothing_came)
    }

    /// Sends chunks until time or bytes are over, or the other side speaks; says when that was.
    async fn pour(
        &self,
        stream: &mut Stream,
        meter: &Meter,
        bounds: Bounds,
        sending: &mut Sending,
    ) -> Result<(Ended, Duration, Answered), ProbeError> {
        let mut chunk = chunk();
        let mut written = 0;
        loop {
            match tokio::time::timeout(STEP, stream.write(&chunk[written..])).await {
                Err(_) => {}
                // A server that does not want more says why before it closes, and the answer may still be here.
                Ok(Err(_)) => return Ok((Ended::Bytes, sending.first.elapsed(), Answered::Early)),
                Ok(Ok(length)) => written += length,
            }
            let figures = meter.figures().map_err(|e| of_io(&e))?;
            let spoke = matches!(stream, Stream::Plain(_)) && figures.received > sending.before.received;
            sending.look(&figures, bounds.patience)?;
            let at = sending.first.elapsed();
            if spoke {
                return Ok((Ended::Bytes, at, Answered::Early));
            }
            let whole = written == chunk.len();
            if whole {
                random(&mut chunk);
                written = 0;
            }
            let spent = meter.passed(&figures) + meter.pending(&figures) + CHUNK_BYTES as u64 >= bounds.bytes;
            if spent || at >= bounds.time {
                let mut rest = if whole { Vec::new() } else { chunk[written..].to_vec() };
                rest.extend_from_slice(b"0\r\n\r\n");
                let ended = if spent { Ended::Bytes } else { Ended::Time };
                let answered = match send(stream, &rest, ANSWER_WITHIN).await {
                    Ok(()) => Answered::Awaited,
                    Err(error) if error.kind == FailureKind::Timeout => Answered::Cut,
                    Err(_) => Answered::Early,
                };
                return Ok((ended, at, answered));
            }
        }
    }

    /// Waits for the answer to an upload, and cuts the connection where that would cost too much.
    async fn answer(
        &self,
        stream: &mut Stream,
        meter: &mut Meter,
        bounds: Bounds,
        answered: Answered,
    ) -> Result<(), ProbeError> {
        let (mut answer, mut piece) = (Answer::new(ANSWER_BYTES as usize, false), vec![0; ANSWER_BYTES as usize]);
        let began = Instant::now();
        while answered != Answered::Cut && began.elapsed() < ANSWER_WITHIN {
            let read = tokio::time::timeout(STEP, stream.read(&mut piece)).await;
            let length = match read {
                Err(_) => 0,
                Ok(Ok(0)) => break,
                Ok(Ok(length)) => length,
                Ok(Err(_)) => break,
            };
            let whole = length > 0 && self.took(&mut answer, &piece[..length], 0)?;
            if answer.status() == Some(200) && answered == Answered::Awaited {
                // Only an end says that nothing more will come.
                let end = tokio::time::timeout(STEP, stream.read(&mut piece)).await;
                if whole && matches!(end, Ok(Ok(0))) {
                    meter.ended_in_order();
                }
                return Ok(());
            }
            let figures = meter.figures().map_err(|e| of_io(&e))?;
            if meter.passed(&figures) + meter.pending(&figures) + 2 * u64::from(ANSWER_BYTES) >= bounds.bytes {
                break;
            }
        }
        match (answer.status(), answered) {
            (Some(200), Answered::Early) => {
                Err(ProbeError::new(FailureKind::Portal, "answered before it had the body".to_owned()))
            }
            (None, Answered::Early) => {
                Err(ProbeError::new(FailureKind::Reset, "the server ended the connection".to_owned()))
            }
            // It took what we sent, and a slow way may hold the answer longer than we wait.
            _ => Ok(()),
        }
    }

    fn request(&self, method: &str, file: &str, more: &str) -> String {
        format!(
            "{method} {}{file} HTTP/1.1\r\nHost: {}\r\nUser-Agent: phusong-agent/{}\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\n{more}Connection: close\r\n\r\n",
            self.base.path.trim_end_matches('/'),
            self.base.authority(),
            env!("CARGO_PKG_VERSION")
        )
    }
}

/// Whether the answer of an upload comes when it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Awaited,
    /// Before the body's end, or instead of it.
    Early,
    /// The way is so slow that the body's end did not get out.
    Cut,
}

/// How far an upload is.
struct Sending {
    first: Instant,
    before: Figures,
    marks: Marks,
    /// When something last arrived, and how much.
    moved: (Instant, u64),
}

impl Sending {
    fn look(&mut self, figures: &Figures, patience: Duration) -> Result<(), ProbeError> {
        let acked = figures.acked.saturating_sub(self.before.acked);
        self.marks.add(self.first.elapsed(), acked);
        if acked > self.moved.1 {
            self.moved = (Instant::now(), acked);
        } else if self.moved.0.elapsed() >= patience {
            return Err(timeout().in_phase("a silence"));
        }
        Ok(())
    }
}

async fn send(stream: &mut Stream, bytes: &[u8], within: Duration) -> Result<(), ProbeError> {
    let all = async {
        let mut written = 0;
        while written < bytes.len() {
            written += stream.write(&bytes[written..]).await?;
        }
        stream.flush().await
    };
    let sent = tokio::time::timeout(within, all).await.map_err(|_| timeout().in_phase("sending"))?;
    sent.map_err(|e| of_io(&e))
}

/// An answer that ended before anything like what was asked for is a page.
fn whole(answer: &Answer, asked: usize) -> Result<(), ProbeError> {
    if answer.status().is_none() {
        return Err(ProbeError::new(FailureKind::Reset, "the server ended the connection".to_owned()));
    }
    if answer.body_bytes >= asked.min(PAGE_BYTES) {
        return Ok(());
    }
    let why = format!("{} bytes instead of {asked}", answer.body_bytes);
    Err(ProbeError::new(FailureKind::Portal, why))
}

fn nothing_came() -> ProbeError {
    let why = "not one byte fits between what is reserved; raise bytes_max".to_owned();
    ProbeError::new(FailureKind::Budget, why)
}

/// A speed that our own window allowed at most is a verdict.
fn honest(speed: Speed, window: u64, rtt: Duration) -> Speed {
    let most = u128::from(window) * 8 * 1_000_000 / rtt.as_micros().max(1);
    Speed { early: speed.early || u128::from(speed.bps) * 10 >= most * 8, ..speed }
}

/// One chunk of a chunked body (RFC 9112, 7.1) of random bytes, which nothing on the way can make smaller.
fn chunk() -> Vec<u8> {
    let mut chunk = format!("{CHUNK_BYTES:x}\r\n").into_bytes();
    chunk.resize(chunk.len() + CHUNK_BYTES, 0);
    chunk.extend_from_slice(b"\r\n");
    random(&mut chunk);
    chunk
}

/// Fills the data between the two line ends anew.
fn random(chunk: &mut [u8]) {
    let length = chunk.len();
    fastrand::fill(&mut chunk[length - 2 - CHUNK_BYTES..length - 2]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_is_one_of_http_and_never_the_same() {
        let mut one = chunk();
        let (size, rest) = one.split_at(one.iter().position(|b| *b == b'\n').expect("a line") + 1);
        assert_eq!(usize::from_str_radix(std::str::from_utf8(size).expect("ASCII").trim_end(), 16), Ok(CHUNK_BYTES));
        assert!(rest.len() == CHUNK_BYTES + 2 && rest.ends_with(b"\r\n"));
        let before = one.clone();
        random(&mut one);
        assert!(one != before && one[..size_line(&one)] == before[..size_line(&before)]);
    }

    fn size_line(chunk: &[u8]) -> usize {
        chunk.len() - CHUNK_BYTES - 2
    }

    #[test]
    fn what_the_window_allows_at_most_is_no_speed() {
        let speed = |bps| Speed { bps, elapsed: Duration::from_secs(5), early: false };
        // 625,000 bytes in 100 ms are 50 Mbit/s.
        let early = |bps| honest(speed(bps), 625_000, Duration::from_millis(100)).early;
        assert!(early(45_000_000) && !early(30_000_000));
    }
}
