//! The log: lines on stderr, with a level that can be changed while running.
//!
//! In: the level of the configuration. Out: stderr, with colours only on a terminal and without a time under
//! systemd, whose journal has its own. Refuses to know: what is logged.

use crate::config::Level;
use std::io::IsTerminal;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Changes the level of the running process.
#[derive(Debug, Clone)]
pub struct LogLevel(reload::Handle<LevelFilter, Registry>);

impl LogLevel {
    pub fn set(&self, level: Level) {
        // Fails only when the subscriber is gone, and then nothing is logged anyway.
        let _ = self.0.reload(filter(level));
    }
}

/// Installs the log of the process; a second call keeps the first one.
pub fn start(level: Level) -> LogLevel {
    let (level, handle) = reload::Layer::new(filter(level));
    let journal = std::env::var_os("JOURNAL_STREAM").is_some();
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false).with_ansi(std::io::stderr().is_terminal());
    let log = Registry::default().with(level);
    let _ = if journal {
        tracing::subscriber::set_global_default(log.with(lines.without_time()))
    } else {
        tracing::subscriber::set_global_default(log.with(lines))
    };
    LogLevel(handle)
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    }
}
