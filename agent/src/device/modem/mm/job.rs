//! What is asked of ModemManager, and how long it may take.
//!
//! In: a [`Job`]. Out: its [`Answer`]. Refuses to know: when it is due. Limits: a patience for each kind.

use super::link::{Caller, PATIENCE, Refusal};
use super::value::{Props, Value};
use std::collections::BTreeMap;
use std::time::Duration;

const ENABLE: Duration = Duration::from_secs(120);
/// For what the modem itself is asked.
const SLOW: Duration = Duration::from_secs(30);
/// 2 to 3 minutes occur.
const SCAN: Duration = Duration::from_secs(300);

/// Something to ask ModemManager; each takes a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Job {
    Enable,
    /// `Signal.Setup`, seconds.
    Setup(u32),
    /// `Location.Setup`: sources, and whether it tells everybody, as it is.
    Sources(u32, bool),
    /// `Location.SetGpsRefreshRate(1)`.
    Refresh,
    Look,
    Cells,
    Scan,
    /// All properties of a SIM, of a bearer.
    Card(String),
    Bearer(String),
}

#[derive(Debug, PartialEq)]
pub enum Answer {
    Done,
    Props(Props),
    Places(BTreeMap<u32, Value>),
    List(Vec<Props>),
}

pub async fn carry_out(caller: &Caller, path: &str, job: &Job) -> Result<Answer, Refusal> {
    let done = |()| Answer::Done;
    match job {
        Job::Enable => caller.tell(path, ("Modem", "Enable"), &true, ENABLE).await.map(done),
        Job::Setup(rate) => caller.tell(path, ("Modem.Signal", "Setup"), rate, SLOW).await.map(done),
        Job::Sources(bits, signals) => {
            caller.tell(path, ("Modem.Location", "Setup"), &(*bits, *signals), SLOW).await.map(done)
        }
        Job::Refresh => caller.tell(path, ("Modem.Location", "SetGpsRefreshRate"), &1_u32, PATIENCE).await.map(done),
        Job::Look => caller.location(path).await.map(Answer::Places),
        Job::Cells => caller.list(path, ("Modem", "GetCellInfo"), SLOW).await.map(Answer::List),
        Job::Scan => caller.list(path, ("Modem.Modem3gpp", "Scan"), SCAN).await.map(Answer::List),
        Job::Card(path) => caller.all(path, "Sim").await.map(Answer::Props),
        Job::Bearer(path) => caller.all(path, "Bearer").await.map(Answer::Props),
    }
}
