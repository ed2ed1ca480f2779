//! One device: a modem that is a program, the agent that reads it, the street behind it.
//!
//! In: a lab, a number, a way. Out: a running agent whose modem does what a case says. Refuses to know: what is right.
//! The clock of the machine may have no keeper: the witness says to the agent that it has one.

use super::case::Turn;
use super::street::{Road, Street, WORD};

use crate::harness::virtual_modem::{Family, Listen, SimCard, State, VirtualModem};
use crate::harness::{Agent, Lab, ModemManager, TargetConfig, binary};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// How the agent reaches its modem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Manager,
    Serial,
}

impl Way {
    pub fn word(self) -> &'static str {
        match self {
            Way::Manager => "manager",
            Way::Serial => "serial",
        }
    }
}

pub struct Device {
    pub probe: String,
    pub way: Way,
    pub agent: Agent,
    pub modem: VirtualModem,
    manager: Option<ModemManager>,
    street: Street,
    plugged: bool,
    /// What it holds as far as ModemManager knows.
    card: SimCard,
}

/// What one start needs to know.
pub struct Plan<'a> {
    pub lab: &'a Lab,
    pub probe: &'a str,
    pub way: Way,
    pub number: u8,
    pub state: State,
    /// More tables of the agent's file.
    pub extra: String,
}

impl Device {
    /// Everything runs when this returns; whether the agent has seen its modem is another matter.
    pub fn start(plan: Plan<'_>) -> Result<Device> {
        let street = Street::new(plan.number)?;
        let card = plan.state.sim.clone();
        let dir = plan.lab.path().join(format!("{}-device", plan.probe));
        std::fs::create_dir_all(&dir)?;
        let (modem, manager) = match plan.way {
            Way::Serial => (VirtualModem::start_as(Listen::Pty, Family::Quectel, plan.state)?, None),
            Way::Manager => {
                let modem = VirtualModem::start_as(Listen::Abstract, Family::Generic, plan.state)?;
                let manager = ModemManager::start(&dir)?;
                manager.add("m0", "generic", &modem)?;
                (modem, Some(manager))
            }
        };
        let source = match plan.way {
            Way::Serial => format!("source = \"at\"\ndevice = {:?}\n", modem.path()),
            Way::Manager => "source = \"modemmanager\"\n".into(),
        };
        let interface = street.interface();
        let mut config = plan.lab.agent_config(plan.probe);
        config.extra = format!(
            "[[modem]]\nname = \"m1\"\n{source}interface = {interface:?}\nsignal_ms = 2000\nneighbours_ms = 10000\n\
             [[uplink]]\ninterface = {interface:?}\nkind = \"cellular\"\n\
             [[target]]\nname = \"page\"\nkind = \"http\"\nhost = \"http://{}/\"\nexpect_body = {WORD:?}\n\
             period_ms = 10000\ntimeout_ms = 2000\ntags = [\"public-service\"]\n{}",
            street.page(),
            plan.extra
        );
        let echo = street.echo().to_string();
        config.targets =
            vec![TargetConfig { period_ms: 10_000, count: 5, timeout_ms: 1_500, ..TargetConfig::icmp("echo", &echo) }];
        (config.summary_ms, config.health_ms) = (60_000, 60_000);
        let environment = environment(manager.as_ref(), &config.data_dir)?;
        let environment: Vec<(&str, &str)> =
            environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let agent = Agent::start(config, &environment)?;
        Ok(Device { probe: plan.probe.into(), way: plan.way, agent, modem, manager, street, plugged: true, card })
    }

    /// Puts the device into a case.
    pub fn turn(&mut self, turn: &Turn, road: Road) -> Result<()> {
        self.street.set(road)?;
        match turn {
            Turn::Set(state) => {
                // Most modems hear of a new SIM, or of none, when they are switched on: ModemManager asks no earlier.
                let hears = self.way == Way::Serial || self.card == state.sim;
                if self.plugged && !hears {
                    self.unplug()?;
                }
                self.card = state.sim.clone();
                self.modem.set(state.clone());
                if !self.plugged {
                    self.plug()?;
                }
            }
            Turn::Unplug => self.unplug()?,
            Turn::Daemon => {
                let manager = self.manager.as_mut().context("only ModemManager is a daemon")?;
                manager.kill9()?;
                self.modem.set(State::good());
                if !self.plugged {
                    self.modem.plug()?;
                    self.plugged = true;
                }
                manager.launch()?;
                manager.add("m0", "generic", &self.modem)?;
            }
        }
        Ok(())
    }

    /// Without udev nobody tells the daemon that a port is gone.
    fn unplug(&mut self) -> Result<()> {
        self.modem.unplug();
        self.plugged = false;
        self.manager.as_ref().map_or(Ok(()), |manager| manager.removed("m0"))
    }

    /// Puts the modem back; ModemManager is shown it anew.
    fn plug(&mut self) -> Result<()> {
        self.modem.plug()?;
        self.plugged = true;
        self.manager.as_ref().map_or(Ok(()), |manager| manager.add("m0", "generic", &self.modem))
    }

    /// Asks the network for a bearer, as a router's connection script would.
    pub fn dial(&self) {
        if let Some(manager) = &self.manager {
            // Refused is what some cases want.
            let _refused = manager.mmcli(&["-m", "any", "--simple-connect=apn=v-internet"]);
        }
    }

    pub fn manager_log(&self) -> Option<String> {
        self.manager.as_ref().map(ModemManager::log_text)
    }
}

/// Where the witness writes which samples became durable.
pub fn witness_log(data_dir: &Path) -> PathBuf {
    data_dir.with_extension("witness")
}

/// For an agent whose clock somebody keeps and whose writes are witnessed, on this daemon's bus.
pub fn environment(manager: Option<&ModemManager>, data_dir: &Path) -> Result<Vec<(String, String)>> {
    let text = |path: PathBuf| path.display().to_string();
    let mut all = vec![
        ("LD_PRELOAD".to_owned(), text(binary("libphusong_witness.so")?)),
        ("PHUSONG_WITNESS_SYNCED".to_owned(), "1".to_owned()),
        ("PHUSONG_WITNESS_DIR".to_owned(), text(data_dir.join("spool"))),
        ("PHUSONG_WITNESS_LOG".to_owned(), text(witness_log(data_dir))),
    ];
    all.extend(manager.map(|manager| ("DBUS_SYSTEM_BUS_ADDRESS".to_owned(), manager.address().to_owned())));
    Ok(all)
}
