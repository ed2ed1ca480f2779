//! A download at a pace: it keeps a modem connected for ten seconds and costs what that needs.
//!
//! In: a URL, its address, the uplink's interface. Out: bytes and time of the body, or the failure; and what it cost,
//! also where it failed. Refuses to know: modems, budgets. Limits: [`TIME`] from the first byte on, [`BYTES`] of body,
//! and of what the server sends ahead no more than the receive buffer holds.

use super::meter::Meter;
use crate::probe::http::answer::Answer;
use crate::probe::http::{Url, of_stream, secure};
use crate::probe::{ProbeError, tcp};
use phusong_protocol::FailureKind;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub const TIME: Duration = Duration::from_secs(10);
/// 1.04 Mbit/s for ten seconds: just above the megabit at which "no 5G" may be said.
pub const BYTES: u64 = 1_300_000;
/// Half of it is the kernel's own; the rest keeps the pace over a way of half a second.
const BUFFER_BYTES: u64 = 160 * 1024;
const PIECE_BYTES: usize = 16 * 1024;
const STEP: Duration = Duration::from_millis(25);

#[derive(Debug, Clone)]
pub struct Paced {
    pub url: Url,
    pub address: SocketAddr,
    pub interface: Option<String>,
    pub ca_file: Option<PathBuf>,
    pub floor_unix_ms: i64,
    /// For the connection, for TLS, for the answer to begin; and for a silence in the middle.
    pub patience: Duration,
}

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Got {
    pub bytes: u64,
    pub elapsed: Duration,
}

impl Paced {
    /// Adds to `cost` what the connection cost, however it ended.
    pub async fn download(&self, cost: &mut u64) -> Result<Got, ProbeError> {
        let began = Instant::now();
        *cost += super::APART_BYTES;
        let timeout = || ProbeError::new(FailureKind::Timeout, None);
        let connecting = async {
            let socket = tcp::socket(self.address, self.interface.as_deref()).map_err(|e| ProbeError::from_io(&e))?;
            let connected = tokio::time::timeout(self.patience, socket.connect(self.address)).await;
            connected.map_err(|_| timeout())?.map_err(|e| ProbeError::from_io(&e))
        };
        let stream = connecting.await.map_err(|error: ProbeError| error.in_phase("connecting"))?;
        let over = Meter::over(&stream, self.address, Some(BUFFER_BYTES));
        let meter = over.map_err(|e| ProbeError::new(FailureKind::Denied, e.to_string()))?;
        let result = if self.url.tls {
            let securing = secure(&self.url, self.ca_file.as_deref(), self.floor_unix_ms, stream);
            match tokio::time::timeout(self.patience, securing).await {
                Ok(Ok(stream)) => self.fetch(stream).await,
                Ok(Err(error)) => Err(error.in_phase("TLS")),
                Err(_) => Err(timeout().in_phase("TLS")),
            }
        } else {
            self.fetch(stream).await
        };
        *cost += meter.cost().unwrap_or(2 * BYTES);
        result.map_err(|error| ProbeError { sent: Some(1), elapsed: Some(began.elapsed()), ..error })
    }

    async fn fetch<S: AsyncRead + AsyncWrite + Unpin>(&self, mut stream: S) -> Result<Got, ProbeError> {
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: phusong-agent/{}\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
            self.url.path,
            self.url.authority(),
            env!("CARGO_PKG_VERSION")
        );
        stream.write_all(request.as_bytes()).await.map_err(|e| of_stream(&e))?;
        stream.flush().await.map_err(|e| of_stream(&e))?;
        let (mut answer, mut piece) = (Answer::new(usize::MAX, false), vec![0; PIECE_BYTES]);
        let mut first = None::<Instant>;
        loop {
            let at = first.map(|first| first.elapsed()).unwrap_or_default();
            let got = answer.body_bytes as u64;
            if at >= TIME {
                return Ok(Got { bytes: got, elapsed: at });
            }
            // As much as the pace allows by now, and a first piece before there is a clock.
            let allowed = (BYTES as f64 * at.as_secs_f64() / TIME.as_secs_f64()) as u64 + PIECE_BYTES as u64 / 4;
            let room = usize::try_from(allowed.min(BYTES).saturating_sub(got)).unwrap_or(PIECE_BYTES).min(PIECE_BYTES);
            if room == 0 {
                tokio::time::sleep(STEP).await;
                continue;
            }
            let read = tokio::time::timeout(self.patience, stream.read(&mut piece[..room])).await;
            let length = match read {
                Err(_) => return Err(ProbeError::new(FailureKind::Timeout, None).in_phase("a silence")),
                Ok(Err(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => 0,
                Ok(read) => read.map_err(|e| of_stream(&e))?,
            };
            let malformed = |broken: String| ProbeError::new(FailureKind::Malformed, broken);
            let whole = length == 0 || answer.take(&piece[..length]).map_err(|broken| malformed(broken.to_string()))?;
            judge(&answer)?;
            if whole && (answer.body_bytes as u64) < BYTES {
                let why = format!("the answer ends after {} bytes; the URL must give {BYTES}", answer.body_bytes);
                return Err(malformed(why));
            }
            if first.is_none() && answer.body_bytes > 0 {
                first = Some(Instant::now());
            }
        }
    }
}

/// Anything but a 200 is not the file.
fn judge(answer: &Answer) -> Result<(), ProbeError> {
    match answer.status() {
        None | Some(200) => Ok(()),
        Some(status @ (511 | 300..=399)) => Err(ProbeError::new(FailureKind::Portal, format!("status {status}"))),
        Some(status) => Err(ProbeError::new(FailureKind::HttpStatus, format!("status {status}"))),
    }
}
