//! A modem that is a program: a state machine behind AT commands, for the real ModemManager and for our own AT source.
//!
//! ModemManager reaches it over an abstract Unix socket, everybody else over a pty. Its replies follow from one
//! [`State`], and a change of state is said in the unsolicited lines that the host asked for.

mod answers;
mod engine;
mod port;
mod state;
mod vendor;

pub use state::{Bearer, Cell, Family, NrLeg, Operator, Rat, Service, SimCard, State};

use super::tempdir::TempDir;
use anyhow::{Context, Result};
use engine::Modem;
use port::{Order, Port};
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

/// Where it can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// Two abstract sockets of names of their own: ModemManager dials on one and asks on the other.
    Abstract,
    /// A pty behind a link in a directory of its own.
    Pty,
}

enum Place {
    Sockets([String; 2]),
    /// The link, in its directory.
    Pty(TempDir),
}

pub struct VirtualModem {
    place: Place,
    number: u16,
    plugged: Option<Plugged>,
    /// While it is unplugged.
    drawer: Option<Modem>,
}

struct Plugged {
    orders: Sender<(Order, Sender<()>)>,
    wake: UnixStream,
    thread: JoinHandle<Modem>,
}

impl VirtualModem {
    /// Speaks 27.007 alone, and is registered with a good signal.
    pub fn start(listen: Listen) -> Result<Self> {
        Self::start_as(listen, Family::Generic, State::good())
    }

    pub fn start_as(listen: Listen, family: Family, state: State) -> Result<Self> {
        static COUNT: AtomicU16 = AtomicU16::new(1);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let place = match listen {
            Listen::Abstract => {
                let name = |port| format!("abstract:phusong-{}-{number}-{port}", std::process::id());
                Place::Sockets([name("at"), name("data")])
            }
            Listen::Pty => Place::Pty(TempDir::new("modem")?),
        };
        let mut modem = VirtualModem { place, number, plugged: None, drawer: Some(Modem::new(family, state, number)) };
        modem.plug()?;
        Ok(modem)
    }

    /// The first socket's name with its `abstract:`, or the path of the port.
    pub fn path(&self) -> String {
        self.paths().swap_remove(0)
    }

    pub fn paths(&self) -> Vec<String> {
        match &self.place {
            Place::Sockets(names) => names.to_vec(),
            Place::Pty(dir) => vec![dir.join("ttyAT").display().to_string()],
        }
    }

    pub fn imei(&self) -> String {
        answers::imei(self.number)
    }

    /// Takes a new state; what that makes the modem say has been sent when this returns.
    pub fn set(&mut self, state: State) {
        self.change(move |modem| modem.set(state));
    }

    /// Whether it hears and does not answer.
    pub fn mute(&mut self, mute: bool) {
        self.change(move |modem| {
            modem.mute = mute;
            vec![]
        });
    }

    /// Sends these bytes, whatever they are: noise, half lines, unsolicited lines of a maker.
    pub fn say(&self, bytes: &[u8]) {
        self.order(Order::Say(bytes.to_vec()));
    }

    /// `> ` what it heard, `< ` what it said, oldest first.
    pub fn log(&self) -> Vec<String> {
        let (to, from) = channel();
        self.order(Order::Log(to));
        from.recv().or_else(|_| self.drawer.as_ref().map(Modem::log).ok_or(())).unwrap_or_default()
    }

    /// Takes it off its port: the port is gone, and whoever had it open reads its end.
    pub fn unplug(&mut self) {
        let Some(plugged) = self.plugged.take() else { return };
        plugged.order(Order::End);
        self.drawer = plugged.thread.join().ok();
        if let Place::Pty(_) = &self.place {
            let _ = std::fs::remove_file(self.path());
        }
    }

    /// Puts it back as a modem that was switched on anew.
    pub fn plug(&mut self) -> Result<()> {
        let port = match &self.place {
            Place::Sockets(names) => Port::sockets(names)?,
            Place::Pty(dir) => Port::pty(&dir.join("ttyAT"))?,
        };
        let mut modem = self.drawer.take().context("it is plugged already")?;
        modem.power_up();
        let (orders, inbox) = channel();
        let (wake, woken) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        let thread = std::thread::Builder::new()
            .name("virtual-modem".into())
            .spawn(move || port.serve(modem, &inbox, &woken))
            .context("a thread for the modem")?;
        self.plugged = Some(Plugged { orders, wake, thread });
        Ok(())
    }

    fn change(&mut self, change: impl FnOnce(&mut Modem) -> Vec<String> + Send + 'static) {
        match &mut self.drawer {
            // Nobody is there to hear what it says.
            Some(modem) => drop(change(modem)),
            None => self.order(Order::Change(Box::new(change))),
        }
    }

    fn order(&self, order: Order) {
        if let Some(plugged) = &self.plugged {
            plugged.order(order);
        }
    }
}

impl Plugged {
    /// Returns when it is done.
    fn order(&self, order: Order) {
        let (done, heard) = channel();
        if self.orders.send((order, done)).is_ok() && (&self.wake).write_all(b"!").is_ok() {
            let _ = heard.recv();
        }
    }
}

impl Drop for VirtualModem {
    fn drop(&mut self) {
        self.unplug();
    }
}
