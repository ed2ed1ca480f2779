//! One GET over HTTP/1.1, its phases apart.
//!
//! In: a URL, the address its host resolved to and how long that took, the uplink's interface, what is expected.
//! Out: an [`HttpReading`], or the failure with the phase it ended in and the time it took. Refuses to know: redirects
//! (they are an answer, not followed), cookies, caches, proxies. Limits: one connection, one deadline over everything,
//! the body up to a bound; no TLS session is resumed, so each attempt pays for a whole handshake.
//!
//! Somebody else's page (a portal) is told by what no honest server says: plain HTTP that leads to another host, or an
//! answer that is not the expected one.

pub mod answer;
mod url;

pub use url::Url;

use super::{BoxFuture, Probe, ProbeError, micros, tcp};
use crate::tls::{certificate_fault, client_config};
use answer::Answer;
use phusong_protocol::{FailureKind, HttpReading, Reading};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Read at once.
const PIECE_BYTES: usize = 8 * 1024;

/// What the answer must be; empty where anything is good.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    pub status: Option<u16>,
    /// A text that the body holds.
    pub body: Option<String>,
}

/// Fetches one URL from one address.
#[derive(Debug, Clone)]
pub struct HttpProbe {
    pub url: Url,
    pub address: SocketAddr,
    pub interface: Option<String>,
    /// How long the name took, where there was one to look up.
    pub looked_up: Option<Duration>,
    /// For everything, the look-up included.
    pub timeout: Duration,
    pub expected: Expected,
    /// The most that is read of the body.
    pub body_bytes: usize,
    /// PEM of the authorities to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Certificates are checked at no earlier time.
    pub floor_unix_ms: i64,
}

/// The part that an attempt is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Connect,
    Tls,
    Answer,
    Body,
}

/// How far an attempt came.
#[derive(Debug)]
struct Progress {
    phase: Phase,
    connect: Option<Duration>,
    tls: Option<Duration>,
    first_byte: Option<Duration>,
}

impl Phase {
    fn word(self) -> &'static str {
        match self {
            Phase::Connect => "connecting",
            Phase::Tls => "TLS",
            Phase::Answer => "waiting for the answer",
            Phase::Body => "reading the body",
        }
    }
}

impl HttpProbe {
    async fn get(&self) -> Result<Reading, ProbeError> {
        let began = Instant::now();
        let looked_up = self.looked_up.unwrap_or_default();
        let mut progress = Progress { phase: Phase::Connect, connect: None, tls: None, first_byte: None };
        let left = self.timeout.saturating_sub(looked_up);
        let result = match tokio::time::timeout(left, self.fetch(&mut progress)).await {
            Ok(result) => result,
            Err(_) => Err(ProbeError::new(FailureKind::Timeout, None)),
        };
        let elapsed = looked_up + began.elapsed();
        let failed = |error: ProbeError| ProbeError {
            sent: Some(1),
            elapsed: Some(elapsed),
            ..error.in_phase(progress.phase.word())
        };
        let answer = result.map_err(failed)?;
        let status = self.judge(&answer).map_err(|error| ProbeError {
            sent: Some(1),
            elapsed: Some(elapsed),
            ..error.in_phase("answer")
        })?;
        Ok(Reading::Http(HttpReading {
            status,
            total_us: micros(elapsed),
            dns_us: self.looked_up.map(micros),
            connect_us: progress.connect.map(micros),
            tls_us: progress.tls.map(micros),
            first_byte_us: progress.first_byte.map(micros),
            body_bytes: Some(answer.body_bytes as u64),
        }))
    }

    async fn fetch(&self, progress: &mut Progress) -> Result<Answer, ProbeError> {
        let began = Instant::now();
        let socket = tcp::socket(self.address, self.interface.as_deref()).map_err(|e| ProbeError::from_io(&e))?;
        let stream = socket.connect(self.address).await.map_err(|e| ProbeError::from_io(&e))?;
        progress.connect = Some(began.elapsed());
        if !self.url.tls {
            return self.exchange(stream, progress).await;
        }
        progress.phase = Phase::Tls;
        let began = Instant::now();
        let stream = secure(&self.url, self.ca_file.as_deref(), self.floor_unix_ms, stream).await?;
        progress.tls = Some(began.elapsed());
        self.exchange(stream, progress).await
    }

    async fn exchange<S>(&self, mut stream: S, progress: &mut Progress) -> Result<Answer, ProbeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        progress.phase = Phase::Answer;
        let asked = Instant::now();
        stream.write_all(self.request().as_bytes()).await.map_err(|e| of_stream(&e))?;
        stream.flush().await.map_err(|e| of_stream(&e))?;
        let mut answer = Answer::new(self.body_bytes, self.expected.body.is_some());
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = match stream.read(&mut piece).await {
                Ok(length) => length,
                // Many servers end a TLS stream without saying so.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(of_stream(&error)),
            };
            if length == 0 && answer.ends_here() {
                return Ok(answer);
            }
            if length == 0 {
                return Err(ProbeError::new(FailureKind::Reset, "the server ended the connection".to_owned()));
            }
            progress.first_byte.get_or_insert_with(|| asked.elapsed());
            let whole = answer.take(&piece[..length]);
            if whole.map_err(|broken| ProbeError::new(FailureKind::Malformed, broken.to_string()))? {
                return Ok(answer);
            }
            if answer.status().is_some() {
                progress.phase = Phase::Body;
            }
        }
    }

    fn request(&self) -> String {
        format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: phusong-agent/{}\r\nAccept: */*\r\n\
             Accept-Encoding: identity\r\nConnection: close\r\n\r\n",
            self.url.path,
            self.url.authority(),
            env!("CARGO_PKG_VERSION")
        )
    }

    /// The status, where the answer is what was asked for.
    fn judge(&self, answer: &Answer) -> Result<u16, ProbeError> {
        let status = answer.status().unwrap_or_default();
        let portal = |why: String| Err(ProbeError::new(FailureKind::Portal, why));
        // RFC 6585, 6: 511 is what an honest portal says.
        if status == 511 {
            return portal("status 511".to_owned());
        }
        match self.expected.status {
            Some(expected) if expected == status => {}
            _ if status >= 400 => return Err(ProbeError::new(FailureKind::HttpStatus, format!("status {status}"))),
            Some(expected) => return portal(format!("status {status} instead of {expected}")),
            None if (300..400).contains(&status) && !self.url.tls => {
                let to = answer.location().and_then(|location| self.url.host_of_redirect(location));
                if let Some(host) = to.filter(|host| !self.url.is_site_of(host)) {
                    return portal(format!("status {status} leads to {host}"));
                }
            }
            None => {}
        }
        match &self.expected.body {
            Some(text) if !answer.holds(text) => portal(format!("status {status} without the expected text")),
            _ => Ok(status),
        }
    }
}

/// Trusts the public authorities, or those of a file instead; at no earlier time than the floor.
pub(super) async fn secure(
    url: &Url,
    ca_file: Option<&Path>,
    floor_unix_ms: i64,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, ProbeError> {
    let tls = |why: String| ProbeError::new(FailureKind::Tls, why);
    let config = client_config(ca_file, floor_unix_ms).map_err(|e| tls(e.to_string()))?;
    let name = url.server_name().ok_or_else(|| tls("the host is no name of a certificate".to_owned()))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|e| of_stream(&e))
}

/// An error of the stream under HTTP, which may be TLS.
pub(super) fn of_stream(error: &io::Error) -> ProbeError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(tls) => {
            let why =
                certificate_fault(tls).map_or_else(|| tls.to_string(), |fault| format!("the certificate {fault}"));
            ProbeError::new(FailureKind::Tls, why)
        }
        None => ProbeError::from_io(error),
    }
}

impl Probe for HttpProbe {
    fn measure(&mut self) -> BoxFuture<'_, Result<Reading, ProbeError>> {
        Box::pin(self.get())
    }
}
