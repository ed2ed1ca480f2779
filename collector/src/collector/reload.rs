//! SIGHUP: read the file again; take over what can change while running, or keep the old configuration and say so.

use crate::config::{self, Config, Secret};
use crate::logging::LogLevel;
use crate::mqtt::Client;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// The configuration that holds.
pub struct Live {
    file: PathBuf,
    config: Config,
    level: LogLevel,
}

impl Live {
    pub fn new(file: &Path, config: Config, level: LogLevel) -> Self {
        Live { file: file.to_owned(), config, level }
    }

    pub async fn reload(&mut self, client: &Client, token: &watch::Sender<Option<Secret>>) {
        let new = match config::load(&self.file) {
            Ok(new) => new,
            Err(error) => return tracing::error!("not reloaded, the old configuration holds: {error}"),
        };
        // Whether a token is needed depends on the address, and the address does not change while running.
        if !self.config.http.listen.ip().is_loopback() && new.http.token.is_none() {
            let why = "http.token is missing, and http.listen only becomes loopback by a restart";
            return tracing::error!("not reloaded, the old configuration holds: {why}");
        }
        let later = needing_restart(&self.config, &new);
        self.level.set(new.log.level);
        client.set_ack_interval_ms(new.ingest.ack_interval_ms).await;
        token.send_replace(new.http.token.clone());
        self.config.log = new.log;
        self.config.ingest.ack_interval_ms = new.ingest.ack_interval_ms;
        (self.config.http.token, self.config.http.token_file) = (new.http.token, new.http.token_file);
        if later.is_empty() {
            tracing::info!("reloaded {}", self.file.display());
        } else {
            tracing::warn!("reloaded {}; these changes need a restart: {}", self.file.display(), later.join(", "));
        }
    }
}

/// The changed keys that only a restart takes over.
fn needing_restart(old: &Config, new: &Config) -> Vec<&'static str> {
    let (a, b) = (&old.ingest, &new.ingest);
    let changed = [
        ("data_dir", old.data_dir != new.data_dir),
        ("[mqtt]", old.mqtt != new.mqtt),
        ("[broker]", old.broker != new.broker),
        ("http.listen", old.http.listen != new.http.listen),
        ("ingest.queue_messages", a.queue_messages != b.queue_messages),
        ("ingest.queue_bytes", a.queue_bytes != b.queue_bytes),
        ("ingest.group_commit_rows", a.group_commit_rows != b.group_commit_rows),
        ("ingest.group_commit_ms", a.group_commit_ms != b.group_commit_ms),
        ("[dead_letters]", old.dead_letters != new.dead_letters),
        ("[retention]", old.retention != new.retention),
    ];
    changed.into_iter().filter(|(_, differs)| *differs).map(|(key, _)| key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_keys_that_a_restart_is_needed_for_are_named() {
        let old = Config::default();
        let mut new = old.clone();
        new.log.level = config::Level::Debug;
        new.ingest.ack_interval_ms = 1_000;
        new.http.token = Some(Secret("0123456789abcdef".into()));
        assert!(needing_restart(&old, &new).is_empty());
        new.mqtt.keepalive_s = 60;
        new.ingest.queue_messages = 16;
        assert_eq!(needing_restart(&old, &new), ["[mqtt]", "ingest.queue_messages"]);
    }
}
