//! The first contact: every host of a code is tried, and the one-time secret exchanged for a lasting password.
//!
//! In: a code, the floor of the clock. Out: [`Joined`], or the [`Failure`] that says most. Refuses to know: files.
//! Secrets are sent only to a server that has proved itself, where the code says how. Limits: the constants below.

use crate::config::Config;
use crate::mqtt::{BrokerConfig, Connect, MqttError, Session, SessionEvent};
use crate::tls::{CertificateFault, Pinned, pinned_config};
use phusong_protocol::{Channel, Command, CommandBody, JoinCode};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// For a TCP connection; a satellite with a busy modem takes seconds.
const REACH: Duration = Duration::from_secs(20);
/// From the subscription to the lasting password; the collector writes it to its disk first.
const HAND_OVER: Duration = Duration::from_secs(20);
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What was learned.
pub struct Joined {
    /// As a broker's URL.
    pub url: String,
    pub password: String,
    /// The authority's certificate (DER), where the code knew its fingerprint.
    pub authority: Option<Vec<u8>>,
}

/// Why nothing came of it; of several hosts the first in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    Refused { host: String },
    Clock { host: String },
    Fingerprint { host: String },
    Silent { host: String },
    NoWay { hosts: Vec<(String, String)> },
}

/// The broker's URL of a host.
pub fn url(code: &JoinCode, host: &str) -> String {
    let scheme = if code.tls { "mqtts" } else { "mqtt" };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("{scheme}://{host}:{}", code.port)
}

pub async fn exchange(code: &JoinCode, floor_unix_ms: i64) -> Result<Joined, Failure> {
    let mut reached = JoinSet::new();
    for host in code.hosts.clone() {
        let port = code.port;
        reached.spawn(async move {
            let connected = tokio::time::timeout(REACH, TcpStream::connect((host.as_str(), port))).await;
            let why = match connected {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {} s", REACH.as_secs())),
            };
            (host, why)
        });
    }
    let mut failures: Vec<Failure> = Vec::new();
    let mut no_way = Vec::new();
    // In the order in which they answer: one after the other, or they would push each other out of the broker.
    while let Some(tried) = reached.join_next().await {
        let Ok((host, why)) = tried else { continue };
        let error = match why {
            None => match attempt(code, &host, floor_unix_ms).await {
                Ok(joined) => return Ok(joined),
                Err(error) => error,
            },
            Some(why) => {
                no_way.push((host, why));
                continue;
            }
        };
        match classify(&error, &host) {
            // It has proved to be the right collector: no other host will say otherwise.
            Some(refused @ Failure::Refused { .. }) if code.ca_sha256.is_some() => return Err(refused),
            Some(failure) => failures.push(failure),
            None => no_way.push((host, error.to_string())),
        }
    }
    Err(failures.into_iter().min_by_key(rank).unwrap_or(Failure::NoWay { hosts: no_way }))
}

fn rank(failure: &Failure) -> u8 {
    match failure {
        Failure::Refused { .. } => 0,
        Failure::Clock { .. } => 1,
        Failure::Fingerprint { .. } => 2,
        Failure::Silent { .. } => 3,
        Failure::NoWay { .. } => 4,
    }
}

fn classify(error: &MqttError, host: &str) -> Option<Failure> {
    let host = host.to_owned();
    match error {
        MqttError::BadLogin { .. } | MqttError::NotAuthorized { .. } => Some(Failure::Refused { host }),
        MqttError::Certificate(CertificateFault::Expired | CertificateFault::NotYetValid) => {
            Some(Failure::Clock { host })
        }
        MqttError::Certificate(_) => Some(Failure::Fingerprint { host }),
        MqttError::Stuck => Some(Failure::Silent { host }),
        _ => None,
    }
}

async fn attempt(code: &JoinCode, host: &str, floor_unix_ms: i64) -> Result<Joined, MqttError> {
    let pinned = code.ca_sha256.map(Pinned::new);
    let tls = pinned.clone().map(|pinned| pinned_config(pinned, floor_unix_ms)).transpose()?;
    let mut broker = BrokerConfig::new(&url(code, host));
    broker.username = Some(code.probe.to_string());
    broker.password = Some(code.secret.reveal().to_owned());
    let (site, probe) = (&code.site, &code.probe);
    let connect = Connect { broker: &broker, site, probe, will: None, keep_alive: KEEP_ALIVE, floor_unix_ms, tls };
    let session = Session::open_to(connect, &[Channel::Command]).await?;
    let password = match code.one_time {
        true => match tokio::time::timeout(HAND_OVER, handed_over(session, code)).await {
            Ok(password) => password?,
            Err(_) => return Err(MqttError::Stuck),
        },
        false => code.secret.reveal().to_owned(),
    };
    let authority = pinned.and_then(|pinned| pinned.authority()).map(|certificate| certificate.to_vec());
    Ok(Joined { url: broker.url, password, authority })
}

/// Waits for the one command that a joining probe gets.
async fn handed_over(mut session: Session, code: &JoinCode) -> Result<String, MqttError> {
    loop {
        match session.events.recv().await {
            Some(SessionEvent::Message(Channel::Command, payload)) => {
                let command: Option<Command> = serde_json::from_slice(&payload).ok();
                // Without a synced clock a command is good within its connection, and this is it.
                if let Some(CommandBody::Credentials { username, password }) = command.map(|command| command.body)
                    && username == code.probe.as_str()
                {
                    return Ok(password.reveal().to_owned());
                }
            }
            Some(SessionEvent::Ended(error)) => return Err(error),
            Some(_) => {}
            None => return Err(MqttError::Stuck),
        }
    }
}

/// The configuration with the one broker of it that takes this probe.
pub async fn lets_in(mut config: Config, floor_unix_ms: i64) -> Option<Config> {
    for (number, broker) in config.brokers().ok()?.iter().enumerate() {
        let (site, probe) = (&config.site, &config.probe);
        let connect = Connect { broker, site, probe, will: None, keep_alive: KEEP_ALIVE, floor_unix_ms, tls: None };
        if Session::open_to(connect, &[Channel::Command]).await.is_ok() {
            config.brokers = vec![config.brokers.swap_remove(number)];
            return Some(config);
        }
    }
    None
}
