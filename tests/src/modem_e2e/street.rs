//! The way behind a modem's network interface: a cable into a namespace of its own, with a page and an echo at its end.
//!
//! In: a number. Out: an interface of this machine and two addresses behind it; what answers there is steered by hand.
//! Limits: needs root; 200 streets.

use crate::harness::netns::{self, NetNs};
use anyhow::{Context, Result};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Of the names of the namespaces; the interfaces have the same names in every run.
const PREFIX: &str = "pmw";
/// The cable's other end.
const FAR: &str = "far0";

/// What the page holds; a portal's does not.
pub const WORD: &str = "phu-song";

/// How the way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Road {
    Open,
    /// Every page is the operator's.
    Portal,
    /// The link is up and nothing answers.
    Silent,
    /// No data connection: the interface has no carrier.
    Cut,
}

pub struct Street {
    world: NetNs,
    number: u8,
    portal: Arc<AtomicBool>,
}

/// Removes the streets of runs that were cut short.
pub fn sweep() -> Result<()> {
    for name in netns::left_behind(PREFIX) {
        // The cable first and by name: the kernel takes its time with what a namespace held.
        let _cut = run(&format!("ip -n {name} link delete {FAR}"));
        run(&format!("ip netns delete {name}"))?;
    }
    Ok(())
}

impl Street {
    pub fn new(number: u8) -> Result<Self> {
        let world = NetNs::new(&format!("{PREFIX}{}-{number}", std::process::id()))?;
        let street = Street { world, number, portal: Arc::new(AtomicBool::new(false)) };
        let near = street.interface();
        run(&format!("ip link add {near} type veth peer name {FAR} netns {}", street.world.name()))?;
        run(&format!("ip address add 10.93.{number}.2/24 dev {near}"))?;
        run(&format!("ip link set {near} up"))?;
        street.world.run(&format!("ip address add 10.93.{number}.1/24 dev {FAR}"))?;
        street.world.run(&format!("ip address add {}/24 dev {FAR}", street.page()))?;
        street.world.run(&format!("ip link set {FAR} up"))?;
        street.serve()?;
        Ok(street)
    }

    pub fn interface(&self) -> String {
        format!("pme{}", self.number)
    }

    /// Answers echoes.
    pub fn echo(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 93, self.number, 1)
    }

    /// Serves the page on port 80.
    pub fn page(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 93, self.number, 9)
    }

    pub fn set(&self, road: Road) -> Result<()> {
        self.portal.store(road == Road::Portal, Ordering::Relaxed);
        let _none = self.world.run("nft delete table inet quiet");
        self.world.run(&format!("ip link set {FAR} {}", if road == Road::Cut { "down" } else { "up" }))?;
        if road == Road::Silent {
            // A firewall that drops everything is a network that answers nothing.
            self.world.run("nft add table inet quiet")?;
            let mut command = self.world.command("nft");
            command.args([
                "add",
                "chain",
                "inet",
                "quiet",
                "in",
                "{ type filter hook input priority 0; policy drop; }",
            ]);
            let done = command.status().context("nft")?;
            anyhow::ensure!(done.success(), "nft: {done}");
        }
        Ok(())
    }

    /// One page for everybody, for as long as the namespace lasts.
    fn serve(&self) -> Result<()> {
        let path = format!("/run/netns/{}", self.world.name());
        let namespace = File::open(&path).with_context(|| path.clone())?;
        let (page, portal) = (self.page(), Arc::clone(&self.portal));
        let (told, bound) = std::sync::mpsc::channel();
        std::thread::Builder::new().name("street".into()).spawn(move || {
            let entered = move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network));
            let listener = entered.map_err(std::io::Error::from).and_then(|()| TcpListener::bind((page, 80)));
            match listener {
                Ok(listener) => {
                    drop(told.send(Ok(())));
                    listener.incoming().flatten().for_each(|stream| answer(stream, portal.load(Ordering::Relaxed)));
                }
                Err(error) => drop(told.send(Err(error))),
            }
        })?;
        bound.recv().context("the street's thread ended")?.context("a page in the namespace")
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        // The namespace takes the other end with it.
        let _gone = run(&format!("ip link delete {}", self.interface()));
    }
}

fn answer(mut stream: TcpStream, portal: bool) {
    let body = if portal { "Goi cuoc da het" } else { WORD };
    let length = body.len();
    let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let _bounded = stream.set_read_timeout(Some(Duration::from_secs(2)));
    // The question fits in one piece; whoever went away asks again.
    let _gone = stream.read(&mut [0; 2_048]).and_then(|_| stream.write_all(text.as_bytes()));
}

fn run(line: &str) -> Result<()> {
    let mut words = line.split_whitespace();
    let program = words.next().context("a program")?;
    let output = std::process::Command::new(program).args(words).output().with_context(|| line.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(output.status.success(), "{line}: {said}");
    Ok(())
}
