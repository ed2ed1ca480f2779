//! The log: English lines on stderr, where journald takes them.
//!
//! In: `PHUSONG_LOG`, as `info` or `phusong_agent=debug,rumqttc=warn`. Out: the global subscriber. Refuses to know:
//! files, rotation. Limits: none of its own.

use std::io::IsTerminal;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;

/// Sets the log up; a second call changes nothing.
pub fn init() {
    let wanted = std::env::var("PHUSONG_LOG").ok();
    let filter = wanted.as_deref().and_then(|text| text.parse::<Targets>().ok());
    let fallback = || Targets::new().with_default(LevelFilter::WARN).with_target("phusong_agent", LevelFilter::INFO);
    let terminal = std::io::stderr().is_terminal();
    let builder = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(std::io::stderr)
        .with_ansi(terminal && cfg!(feature = "full"))
        .with_target(false);
    // journald stamps every line itself.
    let set = if terminal {
        tracing::subscriber::set_global_default(builder.finish().with(filter.unwrap_or_else(fallback)))
    } else {
        tracing::subscriber::set_global_default(builder.without_time().finish().with(filter.unwrap_or_else(fallback)))
    };
    if set.is_err() {
        tracing::debug!("the log was set up before");
    }
    if let Some(text) = wanted.filter(|text| text.parse::<Targets>().is_err()) {
        tracing::warn!(PHUSONG_LOG = text, "is no filter such as `info` or `phusong_agent=debug`; the default is used");
    }
}
