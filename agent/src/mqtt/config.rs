//! One `[[broker]]` table of the configuration.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Protocol {
    /// MQTT 5.
    #[default]
    #[serde(rename = "5")]
    V5,
    /// MQTT 3.1.1.
    #[serde(rename = "3.1.1")]
    V311,
}

/// A broker that may carry this probe.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerConfig {
    /// `mqtt://host[:1883]` or `mqtts://host[:8883]`.
    pub url: String,
    /// Absent: the probe's id, which is what the ACL of `docs/wire.md` expects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// PEM file of the authorities to trust instead of the built-in public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    #[serde(default)]
    pub protocol: Protocol,
}

impl fmt::Debug for BrokerConfig {
    /// Without the password: this ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerConfig")
            .field("url", &self.url)
            .field("username", &self.username)
            .field("ca_file", &self.ca_file)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// A broker URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub tls: bool,
    pub host: String,
    pub port: u16,
}

impl BrokerConfig {
    pub fn new(url: &str) -> Self {
        BrokerConfig { url: url.to_owned(), username: None, password: None, ca_file: None, protocol: Protocol::V5 }
    }

    /// The URL taken apart; the message says what would be right.
    pub fn address(&self) -> Result<Address, String> {
        let wrong = || format!("broker.url = {:?}: must be mqtt://host[:port] or mqtts://host[:port]", self.url);
        let (scheme, rest) = self.url.split_once("://").ok_or_else(wrong)?;
        let (tls, default_port) = match scheme {
            "mqtt" => (false, 1883),
            "mqtts" => (true, 8883),
            _ => return Err(wrong()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            // The colons of a bare IPv6 address are no port.
            Some((host, port)) if !host.ends_with(':') && (!host.contains(':') || host.ends_with(']')) => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (rest, default_port),
        };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        let good = !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || "-._:".contains(c));
        if good { Ok(Address { tls, host: host.to_owned(), port }) } else { Err(wrong()) }
    }

    pub fn check(&self) -> Result<(), String> {
        let address = self.address()?;
        match (&self.ca_file, address.tls) {
            (Some(_), false) => Err(format!("broker.ca_file with {}: only mqtts:// checks certificates", self.url)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_url_is_taken_apart_or_refused_with_what_would_be_right() {
        let cases = [
            ("mqtt://localhost", Some((false, "localhost", 1883))),
            ("mqtts://broker.example.vn:8884/", Some((true, "broker.example.vn", 8884))),
            ("mqtt://[::1]:1884", Some((false, "::1", 1884))),
            ("mqtt://[::1]", Some((false, "::1", 1883))),
            ("mqtt://", None),
            ("http://localhost", None),
            ("mqtt://localhost:x", None),
            ("localhost:1883", None),
            ("mqtt://user@localhost", None),
        ];
        for (url, expected) in cases {
            let got = BrokerConfig::new(url).address();
            match expected {
                Some((tls, host, port)) => assert_eq!(got, Ok(Address { tls, host: host.into(), port }), "{url}"),
                None => assert!(got.is_err_and(|e| e.contains("must be mqtt://host")), "{url}"),
            }
        }
    }
}
