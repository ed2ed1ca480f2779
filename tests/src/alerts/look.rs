//! A look at what a server of this machine says now.
//!
//! In: a port on loopback. Out: the body of a page; a hamlet's level as `/metrics/coverage` has it.

use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// The body of a 200. Of HTTP 1.0, so that it comes in one piece.
pub fn page(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").context("no HTTP answer")?;
    ensure!(head.split(' ').nth(1) == Some("200"), "{path}: {head}");
    Ok(body.to_owned())
}

/// 0 unknown, 1 dead, 2 weak, 3 good; none where the collector says nothing of this hamlet.
pub fn level(collector_port: u16, hamlet: &str) -> Option<u8> {
    let text = page(collector_port, "/metrics/coverage").ok()?;
    let label = format!("hamlet=\"{hamlet}\"");
    let line = text.lines().find(|line| line.starts_with("phusong_hamlet_coverage_level{") && line.contains(&label))?;
    line.rsplit_once(' ')?.1.parse().ok()
}
