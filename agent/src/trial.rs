//! A configuration from afar is on trial: without an acknowledgement of the collector after it, the last good returns.
//!
//! In: offers, the number of acknowledgements so far, the boot clock. Out: what to apply and what to say in the
//! status. Refuses to know: what a configuration means, MQTT. Limits: one trial at a time, one file beside the spool.

use crate::probe::bounded;
use crate::publish::Applied;
use phusong_protocol::DesiredConfig;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};

/// How long a new configuration has to prove that the probe still reaches the collector.
pub const TRIAL_MS: u64 = 15 * 60_000;

/// What survives a restart. A trial does not: the last good configuration is in force until the offer comes again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    revision: u64,
    toml: Option<String>,
    /// The revision that did not prove itself, so that the retained message does not start it over.
    refused: Option<u64>,
    note: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Trying {
    revision: u64,
    toml: String,
    until_mono_ms: u64,
    acks_before: u64,
}

/// The state of remote configuration.
#[derive(Debug, Clone)]
pub struct Trial {
    file: PathBuf,
    kept: Kept,
    trying: Option<Trying>,
}

/// What to do after an offer or a look at the clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing changes.
    Nothing,
    /// The configuration on trial is now the good one.
    Proved,
    /// Put this in force; `None` stands for what the file says.
    Return(Option<String>),
}

impl Trial {
    pub fn load(data_dir: &Path) -> Self {
        let file = data_dir.join("remote-config.json");
        let kept = std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Trial { file, kept: kept.unwrap_or_default(), trying: None }
    }

    /// The last good configuration, for the start.
    pub fn good(&self) -> Option<&str> {
        self.kept.toml.as_deref()
    }

    /// What is in force now.
    pub fn in_force(&self) -> Option<&str> {
        self.trying.as_ref().map(|t| t.toml.as_str()).or(self.good())
    }

    /// Whether the offer is new; an old or refused one is not even parsed.
    pub fn is_new(&self, offer: &DesiredConfig) -> bool {
        let in_force = self.trying.as_ref().map_or(self.kept.revision, |t| t.revision);
        offer.revision != in_force && self.kept.refused != Some(offer.revision)
    }

    /// The offer passed its checks and was put in force.
    pub fn begin(&mut self, offer: DesiredConfig, now_mono_ms: u64, acks: u64) {
        let until_mono_ms = now_mono_ms.saturating_add(TRIAL_MS);
        self.kept.note = Some(format!("revision {} is on trial", offer.revision));
        self.trying = Some(Trying { revision: offer.revision, toml: offer.toml, until_mono_ms, acks_before: acks });
    }

    /// The offer broke a rule.
    pub fn refuse(&mut self, revision: u64, why: &str) {
        self.kept.refused = Some(revision);
        self.kept.note = Some(bounded(format!("revision {revision} refused: {why}")));
        self.store();
    }

    /// Looks whether the trial has come to its end.
    pub fn look(&mut self, now_mono_ms: u64, acks: u64) -> Verdict {
        let Some(trying) = &self.trying else { return Verdict::Nothing };
        let proved = acks > trying.acks_before;
        if !proved && now_mono_ms < trying.until_mono_ms {
            return Verdict::Nothing;
        }
        let Some(trying) = self.trying.take() else { return Verdict::Nothing };
        if proved {
            self.kept.revision = trying.revision;
            self.kept.toml = Some(trying.toml);
            self.kept.note = None;
        } else {
            self.kept.refused = Some(trying.revision);
            let minutes = TRIAL_MS / 60_000;
            self.kept.note = Some(format!("revision {} taken back: no ack in {minutes} min", trying.revision));
        }
        self.store();
        if proved { Verdict::Proved } else { Verdict::Return(self.kept.toml.clone()) }
    }

    pub fn applied(&self) -> Applied {
        let revision = self.trying.as_ref().map_or(self.kept.revision, |t| t.revision);
        Applied { revision, note: self.kept.note.clone() }
    }

    /// A configuration that cannot be kept is lost at the next start only, and is then offered again.
    fn store(&self) {
        let write = || {
            let fresh = self.file.with_extension("new");
            let mut file = std::fs::File::create(&fresh)?;
            file.write_all(&serde_json::to_vec(&self.kept).map_err(std::io::Error::other)?)?;
            file.sync_data()?;
            std::fs::rename(&fresh, &self.file)
        };
        if let Err(error) = write() {
            tracing::warn!(file = %self.file.display(), %error, "the remote configuration was not kept");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(revision: u64) -> DesiredConfig {
        DesiredConfig { v: 1, revision, toml: format!("# {revision}") }
    }

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("phusong-trial-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temp is writable");
        dir
    }

    #[test]
    fn an_acknowledged_configuration_stays_over_a_restart() {
        let dir = dir("stays");
        let mut trial = Trial::load(&dir);
        assert!(trial.is_new(&offer(3)));
        trial.begin(offer(3), 1_000, 5);
        assert!(!trial.is_new(&offer(3)));
        assert_eq!(trial.look(2_000, 5), Verdict::Nothing);
        assert_eq!(Trial::load(&dir).good(), None, "a trial does not survive");
        assert_eq!(trial.look(3_000, 6), Verdict::Proved);
        let again = Trial::load(&dir);
        assert_eq!(again.good(), Some("# 3"));
        assert_eq!(again.applied(), Applied { revision: 3, note: None });
        std::fs::remove_dir_all(dir).expect("own directory");
    }

    #[test]
    fn without_an_acknowledgement_the_last_good_one_returns_and_the_bad_one_is_not_tried_again() {
        let dir = dir("returns");
        let mut trial = Trial::load(&dir);
        trial.begin(offer(3), 0, 0);
        assert_eq!(trial.look(1, 1), Verdict::Proved);
        trial.begin(offer(4), 1_000, 1);
        assert_eq!(trial.in_force(), Some("# 4"));
        assert_eq!(trial.look(1_000 + TRIAL_MS - 1, 1), Verdict::Nothing);
        assert_eq!(trial.look(1_000 + TRIAL_MS, 1), Verdict::Return(Some("# 3".into())));
        assert!(!trial.is_new(&offer(4)));
        assert!(trial.is_new(&offer(5)));
        let applied = Trial::load(&dir).applied();
        assert_eq!(applied.revision, 3);
        assert_eq!(applied.note.as_deref(), Some("revision 4 taken back: no ack in 15 min"));
        std::fs::remove_dir_all(dir).expect("own directory");
    }

    #[test]
    fn a_configuration_that_breaks_a_rule_is_refused_with_the_reason() {
        let dir = dir("refused");
        let mut trial = Trial::load(&dir);
        trial.refuse(9, "target[0].port: a tcp target needs a port");
        assert!(!trial.is_new(&offer(9)));
        let note = trial.applied().note.expect("a reason");
        assert!(note.starts_with("revision 9 refused: target[0].port"), "{note}");
        std::fs::remove_dir_all(dir).expect("own directory");
    }
}
