//! The first words with a modem: echo off, errors as numbers, who it is, reports of changes on.
//!
//! In: its answers. Out: [`Identity`], said as soon as maker and model are known. Refuses to know: service. Limits: sets
//! reports and formats alone: never the operator, the radio or the bearer.

use super::mind::DOMAINS;
use super::model::Family;
use super::session::{Answer, Session, Stop};
use super::settings::Settings;
use super::{cut, reply};
use crate::device::modem::{Event, Identity};

/// Modes of registration reports: with cell and reject cause, with cell, alone.
const MODES: [u8; 3] = [3, 2, 1];
const NAME_BYTES: usize = 64;

impl Session<'_> {
    pub(super) async fn introduce(&mut self) -> Result<(), Stop> {
        self.ask("ATE0").await?;
        self.ask("AT+CMEE=1").await?;
        let manufacturer = self.name("AT+CGMI").await?;
        let model = self.name("AT+CGMM").await?;
        let asked_as = self.config.model.as_deref().or(model.as_deref());
        // A model that the configuration names decides alone.
        let maker = manufacturer.as_deref().filter(|_| self.config.model.is_none());
        self.family = Family::of(maker, asked_as);
        self.identity = Identity {
            source: "at".into(),
            manufacturer,
            model,
            interface: self.config.interface.clone(),
            shows: self.family.shows(),
            ..Identity::default()
        };
        self.say(Event::Present(self.identity.clone())).await?;
        self.reports = false;
        for domain in DOMAINS {
            for mode in MODES {
                if let Answer::Parts(_) = self.ask(&format!("AT{domain}={mode}")).await? {
                    self.reports = true;
                    break;
                }
            }
        }
        self.ask("AT+COPS=3,2").await?;
        self.ask("AT+CGEREP=2,1").await?;
        if let Some(command) = self.family.sim_reports() {
            self.ask(command).await?;
        }
        Ok(())
    }

    /// What is asked when the first readings are done: the firmware, what the settings allow.
    pub(super) async fn details(&mut self) -> Result<(), Stop> {
        let before = self.identity.clone();
        self.identity.firmware = self.name("AT+CGMR").await?;
        let mut settings = Settings::default();
        for command in self.family.settings() {
            self.ask(command).await?.parts().iter().for_each(|line| settings.hear(line));
        }
        self.identity.able = settings.able();
        self.identity.bands = settings.bands();
        if self.identity != before {
            self.say(Event::Present(self.identity.clone())).await?;
        }
        Ok(())
    }

    async fn name(&mut self, command: &str) -> Result<Option<String>, Stop> {
        let parts = self.ask(command).await?.parts();
        let value = |line: &String| cut(reply::value(line).trim_matches('"'), NAME_BYTES);
        Ok(parts.iter().map(value).find(|name| !name.is_empty()))
    }
}
