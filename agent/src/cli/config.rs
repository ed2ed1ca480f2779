//! `config show` and `config check`.
//!
//! In: the file. Out: the configuration in force, or what is wrong with it. Refuses to know: the network.
//! Limits: one file.

use super::Speaker;
use crate::text::Finding;
use std::process::ExitCode;

pub(super) fn show(said: &Speaker) -> ExitCode {
    match said.load() {
        Ok(config) => {
            print!("{}", config.show());
            ExitCode::SUCCESS
        }
        Err(exit) => exit,
    }
}

pub(super) fn check(said: &Speaker) -> ExitCode {
    match said.load() {
        Ok(config) => {
            let file = said.file.display().to_string();
            let (targets, uplinks) = (config.targets.len(), config.uplinks.len());
            let brokers = config.brokers.len();
            println!("{}", said.say(&Finding::ConfigGood { file, targets, uplinks, brokers }));
            ExitCode::SUCCESS
        }
        Err(exit) => exit,
    }
}
