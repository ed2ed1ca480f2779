//! A look at the modems without a running agent.
//!
//! In: the tables of the file. Out: what their sources said within a time. Refuses to know: samples. Limits: it ends as
//! soon as each table's modem said its signal or that it is gone, and at its deadline.

use super::sources::Sources;
use crate::config::ModemConfig;
use crate::device::modem::{ModemKey, ModemState, Picture, QUEUE};
use std::time::Duration;
use tokio::sync::mpsc;

/// Reads the modems for at most this long. Not while an agent runs: a port has one owner.
pub async fn look(modems: &[ModemConfig], within: Duration) -> Picture {
    let mut picture = Picture::default();
    let (out, mut said) = mpsc::channel(QUEUE);
    let _sources = Sources::start(modems, &out);
    let listening = async {
        while let Some(word) = said.recv().await {
            picture.hear(&word);
            let told = |modem: &ModemConfig| picture.modems.get(&ModemKey(modem.name.clone())).is_some_and(is_whole);
            if modems.iter().all(told) {
                return;
            }
        }
    };
    // Whatever is known by then is all that there is.
    let _ = tokio::time::timeout(within, listening).await;
    picture
}

fn is_whole(state: &ModemState) -> bool {
    let gone = !state.present && state.trouble.is_some();
    gone || (state.registration.is_some() && state.signal.is_some() && state.sim.is_some())
}
