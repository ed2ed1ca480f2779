//! Starts a task for each source and knows which of them a question belongs to.
//!
//! In: the tables of the file. Out: words of all sources over one channel. Refuses to know: what they say. Limits:
//! [`ASKS`] questions wait for a source; one more is given back.

use crate::config::{ModemConfig, ModemSource};
use crate::device::modem::{Ask, ModemKey, Said, at, command, termux};
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Questions that wait for a source.
const ASKS: usize = 16;

pub struct Sources {
    by_name: BTreeMap<ModemKey, mpsc::Sender<Ask>>,
    /// ModemManager's, for every modem that no table names.
    others: Option<mpsc::Sender<Ask>>,
    /// Ended when this is dropped.
    tasks: JoinSet<()>,
}

impl Sources {
    pub fn start(modems: &[ModemConfig], out: &mpsc::Sender<Said>) -> Self {
        let mut sources = Sources { by_name: BTreeMap::new(), others: None, tasks: JoinSet::new() };
        for modem in modems.iter().filter(|modem| modem.source != ModemSource::ModemManager) {
            let (to, asks) = mpsc::channel(ASKS);
            sources.by_name.insert(ModemKey(modem.name.clone()), to);
            sources.start_one(modem.clone(), out.clone(), asks);
        }
        let managed: Vec<ModemConfig> =
            modems.iter().filter(|modem| modem.source == ModemSource::ModemManager).cloned().collect();
        if !managed.is_empty() {
            let (to, asks) = mpsc::channel(ASKS);
            sources.others = Some(to);
            sources.start_manager(managed, out.clone(), asks);
        }
        sources
    }

    fn start_one(&mut self, modem: ModemConfig, out: mpsc::Sender<Said>, asks: mpsc::Receiver<Ask>) {
        match modem.source {
            ModemSource::At => self.tasks.spawn(at::run(modem, out, asks)),
            ModemSource::Termux => self.tasks.spawn(termux::run(modem, out, asks)),
            ModemSource::Command => self.tasks.spawn(command::run(modem, out, asks)),
            // All of its modems together, by one task.
            ModemSource::ModemManager => return,
        };
    }

    #[cfg(feature = "modemmanager")]
    fn start_manager(&mut self, modems: Vec<ModemConfig>, out: mpsc::Sender<Said>, asks: mpsc::Receiver<Ask>) {
        use crate::device::modem::mm::{self, Bus};
        self.tasks.spawn(mm::run(modems, Bus::System, out, asks));
    }

    /// The check of the configuration refuses such tables in this build.
    #[cfg(not(feature = "modemmanager"))]
    fn start_manager(&mut self, modems: Vec<ModemConfig>, _out: mpsc::Sender<Said>, _asks: mpsc::Receiver<Ask>) {
        tracing::error!(modems = modems.len(), "this build cannot ask ModemManager");
    }

    /// Gives the question back where nobody takes it.
    pub fn ask(&self, ask: Ask) -> Result<(), Ask> {
        let (Ask::Refresh(modem) | Ask::Pace { modem, .. } | Ask::Scan(modem)) = &ask;
        let Some(to) = self.by_name.get(modem).or(self.others.as_ref()) else { return Err(ask) };
        to.try_send(ask).map_err(|full| full.into_inner())
    }
}
