//! Who publishes for whom: one connection for each probe, or one user for all.
//!
//! In: templates of user and password, or a CSV file `probe,username,password`. Out: [`Account`]s. Refuses to know:
//! connections. Limits: every registered probe must stand in the file; others in it are left alone.

use crate::fleet::Registration;
use crate::publish::Login;
use phusong_protocol::ProbeId;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What stands for the probe's name in a template.
const PROBE: &str = "{probe}";
const ONE_FOR_ALL: &str = "phusong-simulator";

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Whose messages it carries; `None`: everybody's.
    pub probe: Option<ProbeId>,
    /// The client's identifier at the broker.
    pub client: String,
    pub user: String,
    pub password: String,
}

#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    #[error("{path}: {source}", path = .path.display())]
    File { path: PathBuf, source: csv::Error },
    #[error("{path}: has no line for probe {probe}; write probe,username,password for each", path = .path.display())]
    Missing { path: PathBuf, probe: ProbeId },
}

#[derive(Deserialize)]
struct Line {
    probe: ProbeId,
    username: String,
    password: String,
}

impl Login {
    /// One account for each probe where the user's name holds `{probe}`, else one for all.
    pub fn accounts(&self, registrations: &[Registration]) -> Vec<Account> {
        if !self.user.contains(PROBE) {
            let (user, password) = (self.user.clone(), self.password.clone());
            return vec![Account { probe: None, client: ONE_FOR_ALL.to_owned(), user, password }];
        }
        let account = |registration: &Registration| {
            let name = registration.probe.as_str();
            let filled = |template: &str| template.replace(PROBE, name);
            let (user, password) = (filled(&self.user), filled(&self.password));
            Account { probe: Some(registration.probe.clone()), client: name.to_owned(), user, password }
        };
        registrations.iter().map(account).collect()
    }
}

/// The accounts of these probes from a file with the columns `probe`, `username`, `password`.
pub fn accounts(path: &Path, registrations: &[Registration]) -> Result<Vec<Account>, AccountError> {
    let bad = |source| AccountError::File { path: path.to_owned(), source };
    let mut file = csv::Reader::from_path(path).map_err(bad)?;
    let lines: Vec<Line> = file.deserialize().collect::<Result<_, _>>().map_err(bad)?;
    let mut known: BTreeMap<ProbeId, Line> = lines.into_iter().map(|line| (line.probe.clone(), line)).collect();
    let account = |registration: &Registration| {
        let probe = &registration.probe;
        let missing = || AccountError::Missing { path: path.to_owned(), probe: probe.clone() };
        let Line { probe, username: user, password } = known.remove(probe).ok_or_else(missing)?;
        Ok(Account { client: probe.as_str().to_owned(), probe: Some(probe), user, password })
    };
    registrations.iter().map(account).collect()
}
