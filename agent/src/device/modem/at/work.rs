//! The readings that come round: registration, serving cell, SIM, bearer, neighbours.
//!
//! In: answers. Out: events. Refuses to know: what a reading means for coverage. Limits: each kind by its own time, the
//! serving cell at most once a second; what a modem does not know is left out, its other answers stay.

use super::causes::{self, Cause};
use super::mind::DOMAINS;
use super::session::{Answer, Session, Stop};
use super::{bounded, reply, sim};
use crate::device::clock::mono_ms;
use crate::device::modem::decode::{Decoded, Kind, Service};
use crate::device::modem::{Bearer, Event, Sim};
use phusong_protocol::{BearerState, RadioCell, SimState, Technology};

/// Changes are reported; this is for those that were not.
const REGISTRATION_MS: u64 = 10_000;
/// For modems that report nothing.
const REGISTRATION_ALONE_MS: u64 = 2_000;
const SIM_MS: u64 = 60_000;
const SIM_BUSY_MS: u64 = 30_000;
const BEARER_MS: u64 = 30_000;
const CESQ_WITH_NR: usize = 9;
/// Neighbours of one reading.
const NEIGHBOURS: usize = 32;
/// Access points that carry no data of users.
const NOT_DATA: [&str; 4] = ["ims", "sos", "xcap", "emergency"];

fn left(done: Option<u64>, every_ms: u64, now: u64) -> u64 {
    done.map_or(0, |at| (at + every_ms).saturating_sub(now))
}

impl Session<'_> {
    /// Does what is due; says for how long nothing is.
    pub(super) async fn work(&mut self) -> Result<u64, Stop> {
        let registration_ms = if self.reports { REGISTRATION_MS } else { REGISTRATION_ALONE_MS };
        let due = |done, every_ms| left(done, every_ms, mono_ms()) == 0;
        if due(self.done.registration, registration_ms) {
            self.read_registration().await?;
        }
        if due(self.done.serving, self.signal_ms) {
            self.read_serving().await?;
        }
        let sim_ms = if self.done.busy_since.is_some() { SIM_BUSY_MS } else { SIM_MS };
        if due(self.done.sim, sim_ms) {
            self.read_sim().await?;
        }
        if due(self.done.bearer, BEARER_MS) {
            self.read_bearer().await?;
        }
        if !self.done.settings {
            self.done.settings = true;
            self.details().await?;
        }
        if due(self.done.neighbours, self.config.neighbours_ms) {
            self.read_neighbours().await?;
        }
        let now = mono_ms();
        let lefts = [
            left(self.done.registration, registration_ms, now),
            left(self.done.serving, self.signal_ms, now),
            left(self.done.sim, if self.done.busy_since.is_some() { SIM_BUSY_MS } else { SIM_MS }, now),
            left(self.done.bearer, BEARER_MS, now),
            left(self.done.neighbours, self.config.neighbours_ms, now),
        ];
        Ok(lefts.into_iter().min().unwrap_or(REGISTRATION_MS))
    }

    pub(super) async fn read_registration(&mut self) -> Result<(), Stop> {
        for domain in DOMAINS {
            // The lines are heard while they come.
            self.ask(&format!("AT{domain}?")).await?;
        }
        if self.mind.is_registered() {
            let chosen = self.ask("AT+COPS?").await?.parts().join("\n");
            if let Some(chosen) = self.decode(&chosen).first() {
                self.mind.operator(chosen, mono_ms());
            }
        } else if self.mind.is_denied_without_cause()
            && let Some(Cause::Mobility(cause)) = self.last_failure().await?.as_deref().and_then(causes::of)
        {
            self.mind.cause(cause, mono_ms());
        }
        self.done.registration = Some(mono_ms());
        // Without registration the serving cell's reading comes next and says whose cell it is.
        if self.mind.is_registered() || self.done.serving.is_some() { self.settle(true).await } else { Ok(()) }
    }

    pub(super) async fn read_serving(&mut self) -> Result<(), Stop> {
        let level = |one: &Decoded| one.rsrp_dbm.is_some() || one.rssi_dbm.is_some() || one.rscp_dbm.is_some();
        let mut objects = Vec::new();
        for command in self.family.serving() {
            let parts = self.ask(command).await?.parts();
            objects.extend(self.decode(&parts.join("\n")));
        }
        let no_service = objects.iter().any(|one| one.service == Some(Service::None));
        // Branches without a cell are of a cell that is gone.
        if let Some(command) = self.family.branches().filter(|_| !no_service && objects.iter().any(level)) {
            let parts = self.ask(command).await?.parts();
            objects.extend(self.decode(&parts.join("\n")).into_iter().filter(|one| !one.branches_dbm.is_empty()));
        }
        for command in ["AT+CESQ", "AT+CSQ"] {
            let answered = objects.iter().any(level) || (no_service && !objects.is_empty());
            if !answered {
                let parts = self.ask(command).await?.parts();
                objects.extend(self.decode(&parts.join("\n")));
                self.learn_what_shows(&parts).await?;
            }
        }
        self.done.serving = Some(mono_ms());
        if !objects.is_empty() {
            let signal = self.mind.signal(&objects, mono_ms());
            self.say(Event::Signal(signal)).await?;
        }
        // A change that came meanwhile waits for its own reading.
        if self.done.registration.is_some() { self.settle(true).await } else { Ok(()) }
    }

    /// A `+CESQ` with nine values has places for 5G, one with six has none (TS 27.007 8.69).
    async fn learn_what_shows(&mut self, parts: &[String]) -> Result<(), Stop> {
        let with_nr = |line: &String| line.starts_with("+CESQ") && reply::fields(line).len() >= CESQ_WITH_NR;
        if self.identity.shows.contains(&Technology::Nr) || !parts.iter().any(with_nr) {
            return Ok(());
        }
        self.identity.shows.push(Technology::Nr);
        self.say(Event::Present(self.identity.clone())).await
    }

    pub(super) async fn read_neighbours(&mut self) -> Result<(), Stop> {
        let mut found: Vec<RadioCell> = Vec::new();
        let mut raw = Vec::new();
        let mut answered = false;
        for command in self.family.neighbours() {
            let Answer::Parts(parts) = self.ask(command).await? else { continue };
            answered = true;
            let objects = self.decode(&parts.join("\n"));
            // Further carriers of an aggregation are heard beside the serving cell.
            let carrier = |one: &Decoded| one.kind == Some(Kind::Signal) && one.raw.contains("\"SCC\"");
            let cells = objects.iter().filter(|one| one.kind == Some(Kind::Neighbour) || carrier(one));
            found.extend(cells.filter(|one| one.pci.is_some() || one.has_level()).map(Decoded::cell));
            raw.extend(parts);
        }
        found.truncate(NEIGHBOURS);
        self.done.neighbours = Some(mono_ms());
        if answered {
            let raw = Some(bounded(&raw.join("\n"))).filter(|raw| !raw.is_empty());
            self.say(Event::Neighbours { cells: found, raw }).await?;
        }
        Ok(())
    }

    pub(super) async fn read_sim(&mut self) -> Result<(), Stop> {
        let now = mono_ms();
        self.done.sim = Some(now);
        let (mut state, raw) = match self.ask("AT+CPIN?").await? {
            Answer::Parts(parts) => {
                let Some(line) = parts.first() else { return Ok(()) };
                (sim::state(line), line.clone())
            }
            Answer::Refused(refusal) => (sim::refused(&refusal), format!("AT+CPIN? {refusal:?}")),
            Answer::Nothing => return Ok(()),
        };
        if state == SimState::Busy {
            let since = *self.done.busy_since.get_or_insert(now);
            if now.saturating_sub(since) >= SIM_BUSY_MS {
                state = SimState::Absent;
            }
        } else {
            self.done.busy_since = None;
        }
        let known = self.mind.known_sim().is_some();
        let before = self.mind.known_sim().map(|sim| (sim.state, sim.plmn.clone(), sim.operator.clone()));
        let (mut plmn, mut operator) = (None, None);
        match before {
            Some((SimState::Ready, known @ Some(_), name)) if state == SimState::Ready => {
                (plmn, operator) = (known, name)
            }
            _ if state == SimState::Ready => (plmn, operator) = self.home().await?,
            _ => {}
        }
        if let Some(sim) = self.mind.sim(Sim { state, plmn, operator, raw: Some(bounded(&raw)) }, now) {
            if known {
                self.forgive();
            }
            (self.done.registration, self.done.serving) = (None, None);
            self.say(Event::Sim(sim)).await?;
        }
        Ok(())
    }

    /// The SIM's network and its name. The number of the subscriber stays in this function.
    async fn home(&mut self) -> Result<(Option<String>, Option<String>), Stop> {
        let file = self.ask(sim::READ_AD).await?.parts();
        let digits = file.first().and_then(|line| sim::mnc_digits(line));
        let subscriber = self.ask("AT+CIMI").await?.parts();
        let plmn = subscriber.iter().find_map(|line| sim::plmn(line, digits));
        let name = self.ask(sim::READ_SPN).await?.parts();
        Ok((plmn, name.first().and_then(|line| sim::name(line))))
    }

    pub(super) async fn read_bearer(&mut self) -> Result<(), Stop> {
        self.done.bearer = Some(mono_ms());
        let Answer::Parts(states) = self.ask("AT+CGACT?").await? else { return Ok(()) };
        let contexts = self.ask("AT+CGDCONT?").await?.parts();
        let apn_of = |id: &str| {
            let fields = contexts.iter().map(|line| reply::fields(line)).find(|fields| fields.first() == Some(&id));
            fields.and_then(|fields| fields.get(2).map(|apn| (*apn).to_owned())).filter(|apn| !apn.is_empty())
        };
        let data = |apn: &Option<String>| {
            apn.as_deref().is_none_or(|apn| !NOT_DATA.iter().any(|no| apn.eq_ignore_ascii_case(no)))
        };
        let all = states.iter().filter_map(|line| match reply::fields(line)[..] {
            [id, state, ..] => Some((apn_of(id), state == "1")),
            _ => None,
        });
        let mut usable = all.filter(|(apn, _)| data(apn));
        let first = usable.next();
        let active = first.clone().into_iter().chain(usable).find(|(_, active)| *active);
        let connected = active.is_some();
        let apn = active.or(first).and_then(|(apn, _)| apn);
        let failure = self.last_failure().await?;
        let (mut state, mut cause) = (BearerState::Disconnected, None);
        if connected {
            state = BearerState::Connected;
            self.old_failure = Some(failure.clone());
        } else if failure != *self.old_failure.get_or_insert_with(|| failure.clone())
            && let Some(Cause::Session(number)) = failure.as_deref().and_then(causes::of)
            && causes::refuses(number)
        {
            (state, cause) = (BearerState::Refused, Some(number));
        }
        let raw = states.join("\n") + "\n" + failure.as_deref().filter(|_| !connected).unwrap_or("");
        let raw = Some(bounded(raw.trim())).filter(|raw| !raw.is_empty());
        let interface = self.config.interface.clone();
        match self.mind.bearer(Bearer { state, interface, apn, cause, raw }) {
            Some(bearer) => self.say(Event::Bearer(bearer)).await,
            None => Ok(()),
        }
    }

    async fn last_failure(&mut self) -> Result<Option<String>, Stop> {
        Ok(self.ask("AT+CEER").await?.parts().into_iter().next())
    }
}
