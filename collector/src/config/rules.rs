//! What a configuration must satisfy beyond its types. One rule, one message that says what would be right.
//!
//! In: a [`Config`] as read. Out: nothing, or the first broken rule with its field. Refuses to know: files, lines.

use super::load::Broken;
use super::{Config, Secret};
use phusong_protocol::limits;

/// Short tokens can be guessed over a network.
const TOKEN_BYTES: usize = 16;
/// Least days of retention: what is shorter loses late samples, the year's comparison, what a reader has not seen.
const RAW_DAYS: u32 = 30;
const DERIVED_DAYS: u32 = 400;
const CHANGES_DAYS: u32 = 30;
/// What fits the code that a probe is shown.
const HOSTS: usize = 8;
/// A century.
const MOST_DAYS: u32 = 36_500;

pub(super) fn check(config: &Config) -> Result<(), Broken> {
    mqtt(config)?;
    broker(config)?;
    http(config)?;
    speed(config)?;
    ingest(config)?;
    dead_letters(config)?;
    retention(config)?;
    if config.data_dir.as_os_str().is_empty() {
        return broken("data_dir", "is empty: write the directory of the database, such as /var/lib/phusong-collector");
    }
    Ok(())
}

fn broken(field: &'static str, rule: impl Into<String>) -> Result<(), Broken> {
    Err(Broken { field, rule: rule.into() })
}

fn mqtt(config: &Config) -> Result<(), Broken> {
    let mqtt = &config.mqtt;
    if let Some(Err(rule)) = mqtt.url.as_deref().map(broker_address) {
        return broken("mqtt.url", rule);
    }
    if mqtt.password.is_some() && mqtt.password_file.is_some() {
        return broken("mqtt.password", "stands beside password_file: write one of the two");
    }
    let has_password = mqtt.password.is_some() || mqtt.password_file.is_some();
    if has_password && mqtt.username.is_none() {
        return broken("mqtt.username", "is missing: a password needs the username that it belongs to");
    }
    if mqtt.ca_file.is_some() && !mqtt.tls() {
        return broken("mqtt.ca_file", "is not used without TLS: write the url as mqtts://..., or remove ca_file");
    }
    if mqtt.url.is_none() && mqtt.username.is_some() {
        let rule =
            "is the login at an external broker, and there is none: write its url, or remove username and password";
        return broken("mqtt.username", rule);
    }
    if mqtt.share_group.contains(['/', '+', '#', ' ']) || mqtt.share_group.len() > limits::ID_BYTES {
        let rule = "is no name of at most 32 bytes without '/', '+', '#' and blanks; \"\" subscribes plainly";
        return broken("mqtt.share_group", rule);
    }
    within("mqtt.receive_maximum", mqtt.receive_maximum.into(), 1, 20_000)?;
    within("mqtt.keepalive_s", mqtt.keepalive_s.into(), 5, 1_200)
}

fn broker(config: &Config) -> Result<(), Broken> {
    let broker = &config.broker;
    if broker.plain_listen.is_some_and(|address| !address.ip().is_loopback()) {
        let rule = "is not loopback, and passwords must not cross a network in the clear: \
                    write 127.0.0.1:1883; probes elsewhere use broker.listen";
        return broken("broker.plain_listen", rule);
    }
    if broker.hosts.len() > HOSTS {
        return broken("broker.hosts", format!("{} are too many: write at most {HOSTS}", broker.hosts.len()));
    }
    if let Some(host) = broker.hosts.iter().find(|host| !is_host(host)) {
        let rule =
            format!("`{host}` is no name and no address: write them as in [\"collector.example.vn\", \"203.0.113.7\"]");
        return broken("broker.hosts", rule);
    }
    within("broker.connections", broker.connections as u64, 8, 50_000)?;
    within("broker.packet_bytes", broker.packet_bytes.into(), limits::BATCH_BYTES as u64 + 1_024, 1 << 20)?;
    within("broker.inflight", broker.inflight.into(), 1, 1_000)?;
    within("broker.queue_messages", broker.queue_messages as u64, 16, 100_000)
}

/// A DNS name or an address, without brackets and without a port.
pub(crate) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let inner = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (1..=63).contains(&label.len()) && inner && !label.starts_with('-') && !label.ends_with('-')
    };
    text.parse::<std::net::IpAddr>().is_ok() || text.len() <= 253 && text.split('.').all(label)
}

fn http(config: &Config) -> Result<(), Broken> {
    let http = &config.http;
    if http.token.is_some() && http.token_file.is_some() {
        return broken("http.token", "stands beside token_file: write one of the two");
    }
    if let Some(Err(rule)) = http.token.as_ref().map(token) {
        return broken("http.token", rule);
    }
    if !http.listen.ip().is_loopback() && http.token.is_none() && http.token_file.is_none() {
        let rule = "is not loopback, and nobody may read it anonymously from elsewhere: \
                    write token or token_file, or listen on 127.0.0.1:8480";
        return broken("http.listen", rule);
    }
    Ok(())
}

fn speed(config: &Config) -> Result<(), Broken> {
    let speed = &config.speed;
    within("speed.concurrency", speed.concurrency as u64, 1, 64)?;
    within("speed.hour_bytes", speed.hour_bytes, 1_000_000, 1 << 44)?;
    within("speed.rate_bytes_s", speed.rate_bytes_s, 100_000, 10_000_000_000)
}

fn ingest(config: &Config) -> Result<(), Broken> {
    let ingest = &config.ingest;
    within("ingest.queue_messages", ingest.queue_messages as u64, 16, 1_000_000)?;
    within("ingest.queue_bytes", ingest.queue_bytes as u64, 16 * limits::BATCH_BYTES as u64, 1 << 36)?;
    within("ingest.group_commit_rows", ingest.group_commit_rows as u64, 1, 100_000)?;
    within("ingest.group_commit_ms", ingest.group_commit_ms, 1, 5_000)?;
    within("ingest.ack_interval_ms", ingest.ack_interval_ms, 10, 10_000)
}

fn dead_letters(config: &Config) -> Result<(), Broken> {
    let bounds = &config.dead_letters;
    within("dead_letters.per_probe_bytes", bounds.per_probe_bytes, limits::BATCH_BYTES as u64, 1 << 40)?;
    within("dead_letters.total_bytes", bounds.total_bytes, limits::BATCH_BYTES as u64, 1 << 44)?;
    if bounds.total_bytes < bounds.per_probe_bytes {
        let rule = format!("{} is less than per_probe_bytes = {}", bounds.total_bytes, bounds.per_probe_bytes);
        return broken("dead_letters.total_bytes", rule + ": the bound of all is at least the bound of one");
    }
    Ok(())
}

fn retention(config: &Config) -> Result<(), Broken> {
    let days = &config.retention;
    kept("retention.raw_days", days.raw_days, RAW_DAYS, "probes deliver what they spooled for weeks")?;
    kept("retention.derived_days", days.derived_days, DERIVED_DAYS, "reports compare with the year before")?;
    kept("retention.changes_days", days.changes_days, CHANGES_DAYS, "their readers may have stood still for weeks")?;
    kept("retention.replayed_letters_days", days.replayed_letters_days, 1, "a replay is looked at afterwards")?;
    if days.derived_days < days.raw_days {
        let rule = format!("{} is less than raw_days = {}", days.derived_days, days.raw_days);
        let why = ": windows are kept at least as long as the observations that they were made of";
        return broken("retention.derived_days", rule + why);
    }
    Ok(())
}

fn kept(field: &'static str, days: u32, least: u32, why: &str) -> Result<(), Broken> {
    if (least..=MOST_DAYS).contains(&days) {
        return Ok(());
    }
    broken(field, format!("{days} days are out of bounds: write {least} to {MOST_DAYS}; {why}"))
}

fn within(field: &'static str, value: u64, least: u64, most: u64) -> Result<(), Broken> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    broken(field, format!("{value} is out of bounds: write {least} to {most}"))
}

pub(super) fn token(token: &Secret) -> Result<(), String> {
    let Secret(text) = token;
    if text.len() < TOKEN_BYTES || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!(
            "a token has at least {TOKEN_BYTES} visible ASCII characters; make one: openssl rand -hex 32"
        ));
    }
    Ok(())
}

/// Host and port of `mqtt://host[:port]` or `mqtts://host[:port]`; an IPv6 address stands in brackets.
pub(super) fn broker_address(url: &str) -> Result<(String, u16), String> {
    let right = "write mqtt://host:1883, or mqtts://host:8883 for TLS";
    let (rest, default_port) = match (url.strip_prefix("mqtt://"), url.strip_prefix("mqtts://")) {
        (Some(rest), _) => (rest, 1883),
        (_, Some(rest)) => (rest, 8883),
        _ => return Err(format!("`{url}` is no broker: {right}")),
    };
    if rest.contains('@') {
        return Err(format!("holds credentials: {right}, and the rest in username and password"));
    }
    let after_host = if rest.starts_with('[') { rest.find(']').map_or(0, |at| at + 1) } else { 0 };
    let (host, port) = match rest[after_host..].rfind(':') {
        Some(at) => (&rest[..after_host + at], &rest[after_host + at + 1..]),
        None => (rest, ""),
    };
    let host_is_name = !host.is_empty() && !host.contains(['/', ' ', '?', '#']);
    let port = if port.is_empty() { Ok(default_port) } else { port.parse::<u16>() };
    match port {
        Ok(port) if host_is_name && port > 0 => Ok((host.to_owned(), port)),
        _ => Err(format!("`{url}` has no host or no port: {right}")),
    }
}
