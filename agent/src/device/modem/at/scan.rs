//! A search for operators, when it is asked for.
//!
//! In: answers of `+COPS=?`, or of the vendor's scan where it is known. Out: [`Event::Scanned`], or why not. Refuses to
//! know: whether this is the moment for it. Limits: [`PATIENCE`] for all of it; nothing else is sent meanwhile.

use super::session::{Answer, Session, Stop};
use super::{bounded, cut};
use crate::device::clock::mono_ms;
use crate::device::modem::Event;
use crate::device::modem::decode::Decoded;
use phusong_protocol::{ScanEntry, limits};
use std::time::Duration;

/// Two to three minutes occur.
const PATIENCE: Duration = Duration::from_secs(300);
const BACK: Duration = Duration::from_secs(120);

impl Session<'_> {
    pub(super) async fn scan(&mut self) -> Result<(), Stop> {
        let began = mono_ms();
        let model = self.model().map(str::to_owned);
        let mut why = "the modem knows no scan".to_owned();
        let mut found = None;
        for command in self.family.scans(model.as_deref()) {
            let left = PATIENCE.saturating_sub(Duration::from_millis(mono_ms().saturating_sub(began)));
            match self.ask_within(command, left).await {
                Ok(Answer::Parts(parts)) => {
                    found = Some(parts.join("\n"));
                    break;
                }
                Ok(Answer::Refused(refusal)) => why = format!("{command}: refused, {refusal:?}"),
                Ok(Answer::Nothing) => why = format!("{command}: no answer"),
                Err(stop) => {
                    let why = format!("{command}: the modem went away");
                    self.say(Event::ScanFailed { why, elapsed_ms: since(began) }).await?;
                    self.searched();
                    return Err(stop);
                }
            }
        }
        self.searched();
        match found {
            Some(reply) => {
                let entries = entries(&self.decode(&reply));
                let raw = Some(bounded(&reply)).filter(|raw| !raw.is_empty());
                self.say(Event::Scanned { entries, elapsed_ms: since(began), raw }).await?;
            }
            None => self.say(Event::ScanFailed { why, elapsed_ms: since(began) }).await?,
        }
        self.back_to_automatic().await
    }

    /// Some modems stay without a network after a scan; only then the choice is given back to them.
    async fn back_to_automatic(&mut self) -> Result<(), Stop> {
        let chosen = self.ask("AT+COPS?").await?.parts();
        let deregistered = chosen.iter().any(|line| super::reply::fields(line).first() == Some(&"2"));
        if deregistered {
            self.ask_within("AT+COPS=0", BACK).await?;
        }
        Ok(())
    }

    /// It had no time to answer, and what was known is old.
    fn searched(&mut self) {
        self.patient();
        (self.done.registration, self.done.serving) = (None, None);
    }
}

fn since(began: u64) -> u32 {
    u32::try_from(mono_ms().saturating_sub(began)).unwrap_or(u32::MAX)
}

/// Each operator once for each technology.
fn entries(objects: &[Decoded]) -> Vec<ScanEntry> {
    let mut entries: Vec<ScanEntry> = Vec::new();
    for one in objects {
        let Some((mcc, mnc)) = one.mcc.as_ref().zip(one.mnc.as_ref()) else { continue };
        let entry = ScanEntry {
            plmn: format!("{mcc}-{mnc}"),
            name: one.name.as_deref().map(|name| cut(name, limits::STRING_BYTES)),
            technology: one.technology,
        };
        let known = entries.iter().any(|old| old.plmn == entry.plmn && old.technology == entry.technology);
        if !known && entries.len() < limits::CELLS {
            entries.push(entry);
        }
    }
    entries
}
