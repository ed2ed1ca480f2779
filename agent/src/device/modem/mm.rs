//! Modems that ModemManager drives, over D-Bus: it has the ports, we listen and ask.
//!
//! In: ModemManager's objects, the tables that name its modems, questions. Out: [`Said`]s; a change of registration
//! when its signal arrives. Refuses to know: AT, QMI, MBIM. Limits: [`MODEMS`] modems; a modem is enabled, its signal
//! polling and its location sources are set up, nothing else is changed; a daemon or a bus that is gone is waited for.

mod causes;
mod job;
mod levels;
mod link;
mod modem;
mod nmea;
mod receiver;
mod value;
mod words;

pub use link::Bus;

use super::{Ask, Event, ModemKey, Said};
use crate::config::ModemConfig;
use crate::device::clock::mono_ms;
use job::{Answer, Job, carry_out};
use link::{Caller, Interfaces, Link, News, Refusal};
use modem::{Modem, Step};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// As many as the tracker keeps.
pub const MODEMS: usize = super::picture::MODEMS;
/// Between two tries to reach the bus.
const BUS_AGAIN: Duration = Duration::from_secs(5);
/// Signals of one change arrive one after the other.
const SETTLE: Duration = Duration::from_millis(40);
/// ModemManager probes a modem for so long before it shows it.
const PROBES_MS: u64 = 45_000;
const GONE: &str = "ModemManager is gone";

/// Reads every modem that ModemManager knows, for as long as anybody listens.
pub async fn run(configs: Vec<ModemConfig>, bus: Bus, out: mpsc::Sender<Said>, mut asks: mpsc::Receiver<Ask>) {
    let mut watch = Watch::new(configs, out);
    loop {
        match Link::open(&bus).await {
            Ok(link) => {
                if watch.session(link, &mut asks).await.is_err() {
                    return;
                }
                tracing::warn!("the connection to the bus ended; modems of ModemManager are not seen until it is back");
            }
            Err(e) => {
                tracing::debug!(error = %e, "no bus");
                if watch.absent("there is no system bus").await.is_err() {
                    return;
                }
            }
        }
        if watch.wait(&mut asks).await.is_err() {
            return;
        }
    }
}

/// Nobody listens any more.
struct Unheard;

struct Finished {
    modem: u64,
    job: Job,
    answer: Result<Answer, Refusal>,
}

struct Watch {
    configs: Vec<ModemConfig>,
    out: mpsc::Sender<Said>,
    /// By path.
    modems: BTreeMap<String, Modem>,
    count: u64,
    /// Tables whose modem was never there, or is said to be away.
    said_absent: Vec<String>,
    jobs: JoinSet<Finished>,
}

enum Heard {
    News(Option<News>),
    Asked(Option<Ask>),
    Finished(Finished),
    Due,
}

impl Watch {
    fn new(configs: Vec<ModemConfig>, out: mpsc::Sender<Said>) -> Self {
        Watch { configs, out, modems: BTreeMap::new(), count: 0, said_absent: Vec::new(), jobs: JoinSet::new() }
    }

    /// Until the bus is tried again.
    async fn wait(&self, asks: &mut mpsc::Receiver<Ask>) -> Result<(), Unheard> {
        let again = tokio::time::Instant::now() + BUS_AGAIN;
        while let Ok(ask) = tokio::time::timeout_at(again, asks.recv()).await {
            if let Ask::Scan(modem) = ask.ok_or(Unheard)? {
                let why = "there is no system bus".into();
                self.say(&modem, Event::ScanFailed { why, elapsed_ms: 0 }).await?;
            }
        }
        Ok(())
    }

    /// Until the bus is gone.
    async fn session(&mut self, mut link: Link, asks: &mut mpsc::Receiver<Ask>) -> Result<(), Unheard> {
        let caller = link.caller.clone();
        if link.runs() {
            self.discover(&caller).await;
        } else {
            self.absent("ModemManager does not run").await?;
        }
        let mut patience_ends = mono_ms() + PROBES_MS;
        loop {
            self.step(&caller).await?;
            if link.runs() && mono_ms() >= patience_ends {
                patience_ends = u64::MAX;
                self.absent("ModemManager does not know it").await?;
            }
            let due =
                self.modems.values().map(|modem| modem.due(mono_ms())).min().unwrap_or(u64::MAX).min(patience_ends);
            let heard = self.listen(&mut link, asks, due).await;
            match heard {
                Heard::News(None) => break,
                Heard::News(Some(news)) => {
                    if matches!(news, News::Started) {
                        patience_ends = mono_ms() + PROBES_MS;
                    }
                    self.hear(news, &caller).await?;
                    // More of the same change is on its way.
                    let settled = tokio::time::Instant::now() + SETTLE;
                    while let Ok(Some(news)) = tokio::time::timeout_at(settled, link.next()).await {
                        self.hear(news, &caller).await?;
                    }
                }
                Heard::Asked(None) => return Err(Unheard),
                Heard::Asked(Some(ask)) => self.asked(&ask, &caller).await?,
                Heard::Finished(finished) => self.finished(finished).await?,
                Heard::Due => {}
            }
        }
        self.jobs.abort_all();
        self.vanish_all("the system bus is gone").await
    }

    async fn listen(&mut self, link: &mut Link, asks: &mut mpsc::Receiver<Ask>, due: u64) -> Heard {
        let span = Duration::from_millis(due.saturating_sub(mono_ms()).min(3_600_000));
        tokio::select! {
            news = link.next() => Heard::News(news),
            ask = asks.recv() => Heard::Asked(ask),
            Some(Ok(finished)) = self.jobs.join_next(), if !self.jobs.is_empty() => Heard::Finished(finished),
            () = tokio::time::sleep(span) => Heard::Due,
        }
    }

    async fn hear(&mut self, news: News, caller: &Caller) -> Result<(), Unheard> {
        match news {
            News::Started => self.discover(caller).await,
            News::Stopped => {
                self.jobs.abort_all();
                self.vanish_all(GONE).await?;
            }
            News::Added { path, interfaces } => self.found(path, interfaces),
            News::Removed { path, interfaces } => {
                if interfaces.iter().any(|name| name == "Modem") {
                    if let Some(modem) = self.modems.remove(&path) {
                        self.say(&modem.key, Event::Vanished { why: "ModemManager lost it".into() }).await?;
                        self.said_absent.push(modem.key.0);
                    }
                } else if let Some(modem) = self.modems.get_mut(&path) {
                    modem.removed(&interfaces);
                }
            }
            News::Changed { path, interface, changed, gone } => {
                if let Some(modem) = self.modems.get_mut(&path) {
                    modem.changed(&interface, changed, &gone);
                } else {
                    let _ = self.modems.values_mut().any(|modem| modem.part_changed(&path, &changed, &gone));
                }
            }
            News::State { path, reason } => {
                if let Some(modem) = self.modems.get_mut(&path) {
                    modem.state_changed(reason);
                }
            }
        }
        Ok(())
    }

    async fn discover(&mut self, caller: &Caller) {
        match caller.modems().await {
            Ok(all) => all.into_iter().for_each(|(path, interfaces)| self.found(path, interfaces)),
            // Those that it finds later are said one by one.
            Err(why) => tracing::warn!(%why, "ModemManager does not show its modems"),
        }
    }

    fn found(&mut self, path: String, interfaces: Interfaces) {
        if let Some(modem) = self.modems.get_mut(&path) {
            modem.added(interfaces);
            return;
        }
        let Some(props) = interfaces.get("Modem") else { return };
        if self.modems.len() >= MODEMS {
            tracing::warn!(%path, "more than {MODEMS} modems; this one is left out");
            return;
        }
        let config = self.config_of(props).cloned();
        let key = config.as_ref().map_or_else(|| self.free_name(&words::own_name(props)), |config| config.name.clone());
        let pace = config.map_or((30_000, 300_000), |config| (config.signal_ms, config.neighbours_ms));
        self.said_absent.retain(|name| *name != key);
        self.count += 1;
        self.modems.insert(path, Modem::new(ModemKey(key), self.count, pace, interfaces, mono_ms()));
    }

    /// The table that names this device, else one that names none and has no modem yet.
    fn config_of(&self, props: &value::Props) -> Option<&ModemConfig> {
        let taken = |config: &&ModemConfig| !self.modems.values().any(|modem| modem.key.0 == config.name);
        let device = |config: &ModemConfig| config.device.as_ref().map(|device| device.to_string_lossy().into_owned());
        let mut free = self.configs.iter().filter(taken);
        let named = free.clone().find(|config| device(config).is_some_and(|device| words::is_device(props, &device)));
        named.or_else(|| free.find(|config| config.device.is_none()))
    }

    fn free_name(&self, name: &str) -> String {
        let taken = |name: &str| {
            self.modems.values().any(|modem| modem.key.0 == name)
                || self.configs.iter().any(|config| config.name == name)
        };
        let numbered = (2..).map(|number| format!("{name}-{number}"));
        std::iter::once(name.to_owned()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    async fn asked(&mut self, ask: &Ask, caller: &Caller) -> Result<(), Unheard> {
        let (Ask::Refresh(key) | Ask::Pace { modem: key, .. } | Ask::Scan(key)) = ask;
        let found = self.modems.values_mut().find(|modem| modem.key == *key);
        let Some(modem) = found else {
            if matches!(ask, Ask::Scan(_)) {
                let why = "ModemManager does not know it".to_owned();
                self.say(key, Event::ScanFailed { why, elapsed_ms: 0 }).await?;
            }
            return Ok(());
        };
        match ask {
            Ask::Refresh(_) => modem.refresh(mono_ms()),
            Ask::Pace { signal_ms, .. } => modem.pace(*signal_ms, mono_ms()),
            Ask::Scan(_) => {
                let step = modem.scan(mono_ms());
                let path = self.modems.iter().find(|(_, modem)| modem.key == *key).map(|(path, _)| path.clone());
                self.take(path.unwrap_or_default(), step, caller).await?;
            }
        }
        Ok(())
    }

    async fn finished(&mut self, finished: Finished) -> Result<(), Unheard> {
        let Finished { modem, job, answer } = finished;
        let Some(modem) = self.modems.values_mut().find(|one| one.number == modem) else { return Ok(()) };
        if answer == Err(Refusal::Forbidden) {
            tracing::warn!(modem = %modem.key.0, ?job, "polkit does not let us ask ModemManager; see docs/modems.md");
        }
        let events = modem.done(&job, answer, mono_ms());
        let key = modem.key.clone();
        for event in events {
            self.say(&key, event).await?;
        }
        Ok(())
    }

    async fn step(&mut self, caller: &Caller) -> Result<(), Unheard> {
        let now = mono_ms();
        let steps: Vec<_> = self.modems.iter_mut().map(|(path, modem)| (path.clone(), modem.step(now))).collect();
        for (path, step) in steps {
            self.take(path, step, caller).await?;
        }
        Ok(())
    }

    async fn take(&mut self, path: String, step: Step, caller: &Caller) -> Result<(), Unheard> {
        let Some(modem) = self.modems.get(&path) else { return Ok(()) };
        let (key, number) = (modem.key.clone(), modem.number);
        for job in step.jobs {
            let (caller, path) = (caller.clone(), path.clone());
            self.jobs.spawn(async move {
                let answer = carry_out(&caller, &path, &job).await;
                Finished { modem: number, job, answer }
            });
        }
        for event in step.events {
            self.say(&key, event).await?;
        }
        Ok(())
    }

    async fn vanish_all(&mut self, why: &str) -> Result<(), Unheard> {
        for (_, modem) in std::mem::take(&mut self.modems) {
            self.say(&modem.key, Event::Vanished { why: why.into() }).await?;
            self.said_absent.push(modem.key.0);
        }
        Ok(())
    }

    /// Says once of each table without a modem that it has none.
    async fn absent(&mut self, why: &str) -> Result<(), Unheard> {
        let here = |name: &String| self.modems.values().any(|modem| modem.key.0 == *name);
        let names = self.configs.iter().map(|config| config.name.clone());
        let absent: Vec<String> = names.filter(|name| !here(name) && !self.said_absent.contains(name)).collect();
        for name in absent {
            self.say(&ModemKey(name.clone()), Event::Vanished { why: why.into() }).await?;
            self.said_absent.push(name);
        }
        Ok(())
    }

    async fn say(&self, modem: &ModemKey, what: Event) -> Result<(), Unheard> {
        let said = Said { modem: modem.clone(), at_mono_ms: mono_ms(), what };
        self.out.send(said).await.map_err(|_| Unheard)
    }
}
