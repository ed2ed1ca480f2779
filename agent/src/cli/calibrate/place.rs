//! One place of a calibration: readings gathered from the running agent, and what the reference says there.
//!
//! In: the agent's lines, a person or numbers. Out: a [`Place`], or why the whole cannot go on. Refuses to know: offsets
//! of other places, files. Limits: a modem is waited for [`MODEM_WITHIN`]; its state is said every [`SAID_EACH_MS`].

use super::super::Speaker;
use super::super::aim::{Pace, paced};
use crate::aim::leg::{Pin, Slot, legs};
use crate::calibrate::{PLACES, Place, Readings, Reference, place, typed};
use crate::config::{Config, SetupConfig};
use crate::control::{Client, Lines, Seen};
use crate::device::clock;
use crate::device::modem::ModemKey;
use crate::text::CalibrateText;
use std::io::IsTerminal;
use std::time::Duration;
use tokio::time::{Instant, timeout};

const MODEM_WITHIN: Duration = Duration::from_secs(30);
const SAID_EACH_MS: u64 = 30_000;

/// Where the reference's levels come from.
pub enum Beside {
    Modem(String),
    Levels(Vec<f32>),
    Asked,
}

/// What a calibration is made with.
pub struct Bench<'a> {
    said: &'a Speaker,
    client: Client,
    own: ModemKey,
    beside: Beside,
    setup: SetupConfig,
    place_ms: u64,
    at_terminal: bool,
    /// Held: both modems are read each second for as long as this lasts.
    _pace: Vec<Pace>,
}

impl<'a> Bench<'a> {
    pub async fn set_up(
        said: &'a Speaker,
        config: &Config,
        modem: Option<&str>,
        beside: Beside,
        place_ms: u64,
    ) -> Result<Bench<'a>, CalibrateText> {
        let client = Client::of(&config.data_dir);
        let mut watch = client.watch().await.map_err(lost)?;
        let reference = if let Beside::Modem(name) = &beside { Some(ModemKey(name.clone())) } else { None };
        let own = chosen(&mut watch, modem, reference.as_ref()).await?;
        let mut pace = Vec::new();
        for modem in [Some(&own), reference.as_ref()].into_iter().flatten() {
            pace.push(paced(&client, modem).await.map_err(lost)?);
        }
        let setup = config.setup.clone().unwrap_or_default();
        let at_terminal = std::io::stdin().is_terminal();
        Ok(Bench { said, client, own, beside, setup, place_ms, at_terminal, _pace: pace })
    }

    pub fn modem(&self) -> &str {
        &self.own.0
    }

    /// Measures place `n`, from 0, until it counts.
    pub async fn place(&self, n: usize) -> Result<Place, CalibrateText> {
        if self.at_terminal {
            self.tell(&CalibrateText::Go { place: n + 1, of: PLACES });
            line().await?;
            if matches!(self.beside, Beside::Asked) {
                self.tell(&CalibrateText::NoteReference);
            }
        }
        loop {
            let (own, beside) = self.gather().await?;
            let reference = match &self.beside {
                Beside::Modem(_) => Reference::Modem(&beside),
                Beside::Levels(levels) => Reference::Typed(levels[n]),
                Beside::Asked => Reference::Typed(self.asked(n).await?),
            };
            match place(&own, reference, &self.setup, self.place_ms) {
                Ok(place) => return Ok(place),
                Err(error) if self.at_terminal => {
                    self.tell(&CalibrateText::Bad(error));
                    self.tell(&CalibrateText::Again);
                    line().await?;
                }
                Err(error) => return Err(CalibrateText::Bad(error)),
            }
        }
    }

    fn tell(&self, text: &CalibrateText) {
        println!("{}", self.said.say(text));
    }

    async fn asked(&self, n: usize) -> Result<f32, CalibrateText> {
        loop {
            self.tell(&CalibrateText::TypeReference { place: n + 1 });
            match typed(&line().await?) {
                Some(dbm) => return Ok(dbm),
                None => self.tell(&CalibrateText::NotALevel),
            }
        }
    }

    /// Own readings and the reference's for as long as a place lasts.
    async fn gather(&self) -> Result<(Readings, Readings), CalibrateText> {
        let (mut own, mut beside) = (Readings::default(), Readings::default());
        let other = if let Beside::Modem(name) = &self.beside { Some(ModemKey(name.clone())) } else { None };
        let end = Instant::now() + Duration::from_millis(self.place_ms);
        let mut said_ms: Option<u64> = None;
        // Looked at anew: nothing that was said while somebody walked is of this place.
        let mut watch = self.client.watch().await.map_err(lost)?;
        let since_ms = clock::mono_ms();
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            let seen = match timeout(left, watch.next()).await {
                Err(_) => break,
                Ok(seen) => seen.map_err(lost)?.ok_or_else(|| lost("—"))?,
            };
            let level = hear(&mut own, &seen, &self.own, since_ms);
            other.iter().for_each(|other| drop(hear(&mut beside, &seen, other, since_ms)));
            let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            if said_ms.is_none_or(|before| before.saturating_sub(left_ms) >= SAID_EACH_MS) {
                said_ms = Some(left_ms);
                let (cell, level) = level.unwrap_or_default();
                self.tell(&CalibrateText::SoFar { left_ms, level, cell, readings: own.count() });
            }
        }
        Ok((own, beside))
    }
}

/// Takes the anchor's reading in, if it is of this place, and says what it is.
fn hear(readings: &mut Readings, seen: &Seen, modem: &ModemKey, since_ms: u64) -> Option<(String, Option<f32>)> {
    let state = seen.picture.modems.get(modem).filter(|state| state.present)?;
    let at_ms = state.signal.as_ref()?.at_mono_ms;
    let (_, leg) = legs(state).into_iter().find(|(slot, _)| *slot == Slot::Anchor)?;
    if at_ms >= since_ms {
        readings.hear(at_ms, &leg);
    }
    Some((cell(&leg.pin), leg.level.map(|(_, dbm)| dbm)))
}

/// "B3 PCI 123".
pub fn cell(pin: &Pin) -> String {
    let pci = pin.pci.map(|pci| format!("PCI {pci}"));
    let words: Vec<String> = [pin.band.clone(), pci].into_iter().flatten().collect();
    if words.is_empty() { "PCI —".to_owned() } else { words.join(" ") }
}

/// The named modem, else the first that is not the reference; once both are there.
async fn chosen(
    watch: &mut Lines<Seen>,
    modem: Option<&str>,
    reference: Option<&ModemKey>,
) -> Result<ModemKey, CalibrateText> {
    let deadline = Instant::now() + MODEM_WITHIN;
    let missing = |name: &Option<String>| {
        name.clone().map_or(CalibrateText::NoModem, |modem| CalibrateText::ModemMissing { modem })
    };
    let mut absent = modem.map(str::to_owned);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(seen) = timeout(left, watch.next()).await else { return Err(missing(&absent)) };
        let modems = seen.map_err(lost)?.ok_or_else(|| lost("—"))?.picture.modems;
        if let Some(reference) = reference.filter(|reference| !modems.contains_key(*reference)) {
            absent = Some(reference.0.clone());
            continue;
        }
        let mut names = modems.into_keys().filter(|name| Some(name) != reference);
        let found = names.find(|name| modem.is_none_or(|wanted| name.0 == wanted));
        match found {
            Some(own) => return Ok(own),
            None => absent = modem.map(str::to_owned),
        }
    }
}

fn lost(why: impl ToString) -> CalibrateText {
    CalibrateText::Lost { why: why.to_string() }
}

/// One line of the keyboard; its end is the end of the calibration.
async fn line() -> Result<String, CalibrateText> {
    let read = || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).map(|bytes| (bytes > 0).then_some(line))
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(Some(line))) => Ok(line),
        _ => Err(CalibrateText::NoAnswer),
    }
}
