//! When a modem may search for operators, and when a technology check is due.
//!
//! In: the time, what else goes on, results. Out: questions, writes, or [`NotNow`]. Refuses to know: how a modem
//! searches, how bytes are transferred. Limits: a scan ends after [`SCAN_MS`]; one check at a time.

use super::modem::{in_service, raw};
use super::radio::reading;
use super::{Do, Failed, Tracker, Transferred};
use crate::device::modem::{Ask, ModemKey, ModemState, Said};
use crate::probe::ProbeError;
use phusong_protocol::{
    Attempt, BearerState, FailureKind, Outcome, RadioReading, Reading, Scan, ScanEntry, Taken, Technology,
    TechnologyCheck, limits,
};
use std::collections::HashSet;

/// Two to three minutes occur.
pub const SCAN_MS: u64 = 300_000;
/// What did not fit is tried again this much later.
const AGAIN_MS: u64 = 60_000;
/// The first check comes this soon after the modem has service, and within the next hour at most.
const FIRST_CHECK_MS: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// Why something that was asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotNow {
    #[error("no modem of this name is known")]
    NoSuchModem,
    #[error("the modem is not there")]
    NotPresent,
    #[error("the modem said no signal in the last 10 s")]
    NoSignal,
    #[error("the modem repeats the same numbers while nothing answers: that is no signal")]
    Stale,
    #[error("a scan runs already")]
    Scanning,
    #[error("the modem carries the uplink that reports leave by; a scan would cut it")]
    CarriesUplink,
    #[error("a survey runs")]
    Surveying,
    #[error("a bandwidth test or a commissioning record runs")]
    Testing,
    #[error("a technology check runs")]
    Checking,
    #[error("there is no [radio_check] in the configuration")]
    NoCheck,
    #[error("nobody says that this device can do 5G: neither the modem nor setup.bands")]
    NotAble,
    #[error("the modem has no service or no data connection")]
    NoService,
    #[error("the modem's network interface is not known; set `interface` in its [[modem]]")]
    NoInterface,
}

#[derive(Debug, Clone, Copy)]
pub struct Scanning {
    pub began_mono_ms: u64,
    pub demanded: bool,
}

#[derive(Debug)]
pub struct Checking {
    pub began_mono_ms: u64,
    /// Technologies that showed since it began.
    pub seen: Vec<Technology>,
}

impl Checking {
    fn begun(began_mono_ms: u64) -> Self {
        Checking { began_mono_ms, seen: Vec::new() }
    }

    pub fn see(&mut self, technologies: impl Iterator<Item = Technology>) {
        for technology in technologies {
            if !self.seen.contains(&technology) {
                self.seen.push(technology);
            }
        }
    }
}

/// Technologies that the device may use; empty where nobody says.
fn able(state: &ModemState, bands: &[String]) -> Vec<Technology> {
    if !state.identity.able.is_empty() {
        return state.identity.able.iter().take(limits::CELLS).copied().collect();
    }
    let bands = if state.identity.bands.is_empty() { bands } else { &state.identity.bands };
    let any = |prefix: char| bands.iter().any(|band| band.starts_with(prefix));
    let of_band = [('B', Technology::Lte), ('n', Technology::Nr)];
    of_band.into_iter().filter(|(prefix, _)| any(*prefix)).map(|(_, technology)| technology).collect()
}

pub(super) fn is_nr(technology: &Technology) -> bool {
    matches!(technology, Technology::Nr | Technology::NrNsa | Technology::NrSa)
}

/// Whether a technology would show in what the source reads: what cannot show is not missing. A source that does not
/// know what it shows is taken at its word about what the device may use, and at what it showed before.
fn can_show(state: &ModemState, shown: &HashSet<Technology>, technology: &Technology) -> bool {
    let same = |other: &Technology| other == technology || (is_nr(other) && is_nr(technology));
    let said = if state.identity.shows.is_empty() { &state.identity.able } else { &state.identity.shows };
    said.iter().any(same) || shown.iter().any(same)
}

impl Tracker {
    /// Whether anything runs that a scan or a check would spoil.
    fn idle(&self, key: &ModemKey) -> Result<&ModemState, NotNow> {
        let modem = self.modems.get(key).ok_or(NotNow::NoSuchModem)?;
        let state = self.picture.modems.get(key).filter(|_| modem.present).ok_or(NotNow::NotPresent)?;
        if modem.scanning.is_some() {
            return Err(NotNow::Scanning);
        }
        if modem.checking.is_some() {
            return Err(NotNow::Checking);
        }
        if self.world.surveying {
            return Err(NotNow::Surveying);
        }
        if self.world.tries.testing || self.world.accepting {
            return Err(NotNow::Testing);
        }
        Ok(state)
    }

    /// Whether a commissioning record may begin.
    pub fn may_accept(&self, key: &ModemKey) -> Result<(), NotNow> {
        self.idle(key).map(|_| ())
    }

    fn serves(state: &ModemState) -> bool {
        let registered = state.registration.as_ref().is_some_and(|known| in_service(&known.value));
        let bearer = state.bearer.as_ref().map(|known| known.value.state);
        registered && !matches!(bearer, Some(BearerState::Disconnected | BearerState::Refused))
    }

    fn may_scan(&self, key: &ModemKey) -> Result<(), NotNow> {
        let state = self.idle(key)?;
        let interface = self.modems.get(key).and_then(|modem| modem.interface.as_ref());
        // Where nobody says which interface it carries, it may be the one.
        let carries = interface.is_none() || interface == self.world.default_interface.as_ref();
        if carries && Self::serves(state) { Err(NotNow::CarriesUplink) } else { Ok(()) }
    }

    /// Somebody wants to know who is there; [`Do::Scanned`] tells.
    pub fn scan(&mut self, now: u64, key: &ModemKey) -> Result<Vec<Do>, NotNow> {
        self.may_scan(key)?;
        Ok(self.begin_scan(now, key, true))
    }

    fn begin_scan(&mut self, now: u64, key: &ModemKey, demanded: bool) -> Vec<Do> {
        let Some(modem) = self.modems.get_mut(key) else { return Vec::new() };
        modem.scanning = Some(Scanning { began_mono_ms: now, demanded });
        modem.next_scan_ms = modem.scan_ms.map(|ms| now.saturating_add(ms));
        self.judge(key);
        vec![Do::Ask(Ask::Scan(key.clone()))]
    }

    pub(super) fn scan_when_due(&mut self, now: u64, key: &ModemKey, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get(key) else { return };
        if let Some(scanning) = modem.scanning {
            if now.saturating_sub(scanning.began_mono_ms) >= SCAN_MS {
                self.scan_ends(now, now, key, "no answer", out);
            }
            return;
        }
        if modem.next_scan_ms.is_none_or(|at| now < at) {
            return;
        }
        match self.may_scan(key) {
            Ok(()) => out.extend(self.begin_scan(now, key, false)),
            Err(why) => {
                tracing::debug!(modem = key.0, %why, "a scan is put off");
                let Some(modem) = self.modems.get_mut(key) else { return };
                modem.next_scan_ms = Some(now.saturating_add(AGAIN_MS));
                // Said once for each time that it was due, not at each further try.
                if !modem.scan_put_off && modem.present {
                    modem.scan_put_off = true;
                    let detail = why.to_string();
                    let failed = Failed { of: Attempt::Scan, kind: FailureKind::Busy, detail, elapsed_ms: None };
                    out.push(self.failure(key, now, false, failed));
                }
            }
        }
    }

    pub(super) fn scanned(
        &mut self,
        said: &Said,
        entries: &[ScanEntry],
        elapsed_ms: u32,
        line: Option<&str>,
        out: &mut Vec<Do>,
    ) {
        let entries = entries.iter().take(limits::CELLS).cloned().collect();
        let scan = Scan { entries, elapsed_ms, raw: raw(line) };
        self.scan_ended(&said.modem, Ok(scan.clone()), out);
        out.push(self.write(&said.modem, said.at_mono_ms, false, Outcome::Reading(Reading::Scan(scan))));
    }

    /// The modem is gone, or was not asked: a search that runs is over.
    pub(super) fn scan_ends(&mut self, now: u64, at: u64, key: &ModemKey, why: &str, out: &mut Vec<Do>) {
        let Some(scanning) = self.modems.get(key).and_then(|modem| modem.scanning) else { return };
        let elapsed_ms = u32::try_from(now.saturating_sub(scanning.began_mono_ms)).unwrap_or(u32::MAX);
        self.scan_failed(at, key, why, elapsed_ms, out);
    }

    /// The source did not take the question.
    pub fn scan_was_lost(&mut self, now: u64, key: &ModemKey) -> Vec<Do> {
        let mut out = Vec::new();
        self.scan_ends(now, now, key, "the modem's reader is busy", &mut out);
        self.judge(key);
        out
    }

    /// It says for how long the modem was off its network; a search that was given up before is said already.
    pub(super) fn scan_failed(&mut self, at: u64, key: &ModemKey, why: &str, elapsed_ms: u32, out: &mut Vec<Do>) {
        if self.modems.get(key).is_none_or(|modem| modem.scanning.is_none()) {
            return;
        }
        self.scan_ended(key, Err(why.to_owned()), out);
        let late = u64::from(elapsed_ms) >= SCAN_MS;
        let kind = if late { FailureKind::Timeout } else { FailureKind::Denied };
        let failed = Failed { of: Attempt::Scan, kind, detail: why.to_owned(), elapsed_ms: Some(elapsed_ms) };
        out.push(self.failure(key, at, false, failed));
    }

    fn scan_ended(&mut self, key: &ModemKey, result: Result<Scan, String>, out: &mut Vec<Do>) {
        let Some(modem) = self.modems.get_mut(key) else { return };
        modem.scan_put_off = false;
        if modem.scanning.take().is_some_and(|scanning| scanning.demanded) {
            out.push(Do::Scanned { modem: key.clone(), result });
        }
    }

    fn may_check(&self, key: &ModemKey) -> Result<String, NotNow> {
        if self.settings.check.is_none() {
            return Err(NotNow::NoCheck);
        }
        let state = self.idle(key)?;
        if !able(state, &self.settings.bands).iter().any(is_nr) {
            return Err(NotNow::NotAble);
        }
        if !Self::serves(state) {
            return Err(NotNow::NoService);
        }
        self.modems.get(key).and_then(|modem| modem.interface.clone()).ok_or(NotNow::NoInterface)
    }

    /// A technology check now; [`Tracker::checked`] hears of its end.
    pub fn check(&mut self, now: u64, key: &ModemKey) -> Result<Vec<Do>, NotNow> {
        let interface = self.may_check(key)?;
        let mut out = Vec::new();
        if let Some(modem) = self.modems.get_mut(key) {
            modem.checking = Some(Checking::begun(now));
        }
        self.set_pace(now, key, &mut out);
        out.push(Do::Ask(Ask::Refresh(key.clone())));
        out.push(Do::Check { modem: key.clone(), interface });
        Ok(out)
    }

    pub(super) fn check_when_due(&mut self, now: u64, key: &ModemKey, out: &mut Vec<Do>) {
        let Some(per_day) = self.settings.check.as_ref().map(|check| u64::from(check.per_day.max(1))) else { return };
        let period_ms = DAY_MS / per_day;
        let due_ms = self.modems.get(key).and_then(|modem| modem.next_check_ms);
        let due = match due_ms {
            // Not before there is something to check, and not all probes of a village at once.
            None if self.may_check(key).is_ok() => {
                let spread = (period_ms / 12).clamp(1, 3_600_000);
                Some(now.saturating_add(FIRST_CHECK_MS + self.settings.seed % spread))
            }
            None => None,
            Some(at) if now < at => return,
            Some(_) => match self.check(now, key) {
                Ok(begun) => {
                    out.extend(begun);
                    Some(now.saturating_add(period_ms))
                }
                Err(_) => Some(now.saturating_add(AGAIN_MS)),
            },
        };
        if let (Some(at), Some(modem)) = (due, self.modems.get_mut(key)) {
            modem.next_check_ms = Some(at);
        }
    }

    fn able(&self, key: &ModemKey) -> Vec<Technology> {
        self.picture.modems.get(key).map(|state| able(state, &self.settings.bands)).unwrap_or_default()
    }

    fn can_show(&self, key: &ModemKey, technology: &Technology) -> bool {
        let known = self.picture.modems.get(key).zip(self.modems.get(key));
        known.is_some_and(|(state, modem)| can_show(state, &modem.shown, technology))
    }

    /// A check has ended: one sample, with what was seen meanwhile. Where the modem showed nothing, nothing is refuted.
    pub fn checked(&mut self, now: u64, key: &ModemKey, result: Result<Transferred, ProbeError>) -> Vec<Do> {
        let mut out = Vec::new();
        let Some(checking) = self.modems.get_mut(key).and_then(|modem| modem.checking.take()) else { return out };
        match result {
            Err(error) => out.push(self.failure(key, now, false, error.into())),
            Ok(Transferred { elapsed_ms, .. }) if checking.seen.is_empty() => {
                let detail = "technology check: the modem showed no signal while it ran".to_owned();
                let (kind, elapsed_ms) = (FailureKind::Timeout, Some(elapsed_ms));
                out.push(self.failure(key, now, false, Failed { of: Attempt::Radio, kind, detail, elapsed_ms }));
            }
            Ok(Transferred { down_bps, elapsed_ms, bytes }) => {
                let mut able = self.able(key);
                able.retain(|technology| self.can_show(key, technology));
                let heard = self.modems.get(key).and_then(|modem| modem.radio.heard.as_ref());
                let since = heard.filter(|(at, _)| *at > checking.began_mono_ms);
                let last = since.map(|(_, signal)| reading(signal, Some(Taken::Check)));
                let check = Some(TechnologyCheck { down_bps, elapsed_ms, bytes, able, seen: checking.seen });
                let radio = RadioReading { taken: Some(Taken::Check), check, ..last.unwrap_or_default() };
                out.push(self.write(key, now, false, Outcome::Reading(Reading::Radio(radio))));
            }
        }
        self.set_pace(now, key, &mut out);
        out
    }
}
