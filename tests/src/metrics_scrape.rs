//! One scrape over loopback as Prometheus makes it, without its parser: bytes and time.
//!
//! In: a port, a path. Out: the body without its chunks, and how long it took from the first byte of the question to the
//! last of the answer. Refuses to know: what is scraped. Limits: [`BODY`].

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

/// Bytes of an answer: more is a mistake.
const BODY: usize = 256 * 1024 * 1024;

pub struct Scrape {
    pub text: String,
    pub seconds: f64,
}

impl Scrape {
    pub fn of(port: u16, path: &str) -> Result<Self> {
        let started = Instant::now();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting")?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut bytes = Vec::with_capacity(32 * 1024 * 1024);
        stream.take(BODY as u64).read_to_end(&mut bytes).context("reading the answer")?;
        let seconds = started.elapsed().as_secs_f64();
        ensure!(bytes.len() < BODY, "{path} answers more than {BODY} bytes");
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").context("no HTTP answer")?;
        let head = String::from_utf8_lossy(&bytes[..end]).to_ascii_lowercase();
        ensure!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
        let body = &bytes[end + 4..];
        let body = if head.contains("transfer-encoding: chunked") { unchunked(body)? } else { body.to_vec() };
        Ok(Scrape { text: String::from_utf8(body).context("not UTF-8")?, seconds })
    }

    /// Lines that are no comments.
    pub fn series(&self) -> usize {
        self.text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count()
    }

    /// Every line: name with its labels as written, and value. A series that stands there twice is an error.
    pub fn values(&self) -> Result<BTreeMap<&str, f64>> {
        let mut all = BTreeMap::new();
        for line in self.text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').with_context(|| format!("no value: {line}"))?;
            let value = value.parse().with_context(|| format!("no number: {line}"))?;
            ensure!(all.insert(name, value).is_none(), "twice: {name}");
        }
        Ok(all)
    }
}

/// The content of a chunked body (RFC 9112, 7.1). One that lacks its last chunk was broken off.
fn unchunked(mut rest: &[u8]) -> Result<Vec<u8>> {
    let mut body = Vec::with_capacity(rest.len());
    loop {
        let Some(end) = rest.windows(2).position(|two| two == b"\r\n") else { bail!("the answer was broken off") };
        let size = std::str::from_utf8(&rest[..end]).ok().and_then(|text| usize::from_str_radix(text, 16).ok());
        let size = size.context("a chunk without its size")?;
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(end + 2..end + 2 + size).context("the answer was broken off")?;
        body.extend_from_slice(chunk);
        rest = rest.get(end + 4 + size..).context("the answer was broken off")?;
    }
}
