//! The code that a technician pastes into a new probe: where the collector is, how it proves itself, who the probe is.
//!
//! In: one line of text, perhaps wrapped by a messenger. Out: a checked [`JoinCode`], or what is wrong with the line.
//! Refuses to know: clocks, sockets, whether the secret still holds. Limits: below.
//!
//! `phusong1:` and, in base64url without padding, a CBOR array followed by its CRC-32 (big endian). Later versions may
//! append to the array; what they mean otherwise gets another number. White space within the line means nothing.

use crate::id::{ProbeId, SiteId};
use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use minicbor::{Decode, Encode};
use std::fmt;
use std::str::FromStr;

const PREFIX: &str = "phusong1:";
/// Letters of a code without white space: the largest QR code takes less than 3,000 bytes.
pub const CODE_CHARS: usize = 2_048;
/// As many as an agent's configuration has brokers.
pub const HOSTS: usize = 8;
/// RFC 1035, 2.3.4.
const HOST_BYTES: usize = 253;
const SECRET_BYTES: usize = 128;
const CRC_BYTES: usize = 4;

/// What a probe needs to join an installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinCode {
    /// Names or addresses of the broker, tried all.
    pub hosts: Vec<String>,
    pub port: u16,
    /// SHA-256 of the certificate (DER) of the broker's authority. Absent: the public authorities.
    pub ca_sha256: Option<[u8; 32]>,
    pub tls: bool,
    pub site: SiteId,
    pub probe: ProbeId,
    /// The MQTT password.
    pub secret: Secret,
    /// Whether the secret is only good for being exchanged.
    pub one_time: bool,
    /// When a one-time secret ends.
    pub expires_ms: Option<i64>,
}

/// Why a line is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    #[error("there is no code")]
    Empty,
    #[error("the code has {chars} letters; at most {CODE_CHARS} are allowed")]
    TooLong { chars: usize },
    #[error("a code begins with {PREFIX}")]
    Start,
    #[error("the code is of version {version}; this program reads version 1")]
    Version { version: u32 },
    #[error("letter {at} of the code is {found:?}; only a-z, A-Z, 0-9, '-' and '_' follow {PREFIX}")]
    Letter { at: usize, found: char },
    #[error("the end of the code is missing")]
    Incomplete,
    #[error("a letter of the code is wrong, missing or too many")]
    Mistyped,
    #[error("the code's {field} {rule}")]
    Content { field: &'static str, rule: &'static str },
}

/// The array of version 1. Positions are never given another meaning.
#[derive(Encode, Decode)]
#[cbor(array)]
struct Wire {
    #[n(0)]
    hosts: Vec<String>,
    #[n(1)]
    port: u16,
    #[n(2)]
    ca_sha256: Option<minicbor::bytes::ByteArray<32>>,
    #[n(3)]
    tls: bool,
    #[n(4)]
    site: String,
    #[n(5)]
    probe: String,
    #[n(6)]
    secret: String,
    #[n(7)]
    one_time: bool,
    #[n(8)]
    expires_ms: Option<i64>,
}

impl JoinCode {
    /// Whether a reader would take this code.
    pub fn check(&self) -> Result<(), JoinError> {
        let wrong = |field, rule| Err(JoinError::Content { field, rule });
        if self.hosts.is_empty() || self.hosts.len() > HOSTS {
            return wrong("hosts", "must be 1 to 8");
        }
        let good = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
        if self.hosts.iter().any(|host| host.is_empty() || host.len() > HOST_BYTES || !host.chars().all(good)) {
            return wrong("hosts", "must be names or addresses of a-z, 0-9, '-', '_', '.' and ':'");
        }
        if self.port == 0 {
            return wrong("port", "must be 1 to 65535");
        }
        if self.ca_sha256.is_some() && !self.tls {
            return wrong("fingerprint", "is of no use without TLS");
        }
        let secret = self.secret.reveal();
        if secret.is_empty() || secret.len() > SECRET_BYTES || secret.chars().any(char::is_control) {
            return wrong("secret", "must have 1 to 128 bytes and no control characters");
        }
        Ok(())
    }

    fn decode(bytes: &[u8]) -> Result<Self, JoinError> {
        let content = |field, rule| JoinError::Content { field, rule };
        let mut decoder = minicbor::Decoder::new(bytes);
        let wire: Wire = decoder.decode().map_err(|_| content("content", "cannot be read"))?;
        let code = JoinCode {
            hosts: wire.hosts,
            port: wire.port,
            ca_sha256: wire.ca_sha256.map(|sha256| *sha256),
            tls: wire.tls,
            site: wire.site.parse().map_err(|_| content("site", "must be 1 to 32 of a-z, 0-9 and '-'"))?,
            probe: wire.probe.parse().map_err(|_| content("probe", "must be 1 to 32 of a-z, 0-9 and '-'"))?,
            secret: Secret::new(wire.secret),
            one_time: wire.one_time,
            expires_ms: wire.expires_ms,
        };
        code.check().map(|()| code)
    }
}

impl fmt::Display for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wire = Wire {
            hosts: self.hosts.clone(),
            port: self.port,
            ca_sha256: self.ca_sha256.map(Into::into),
            tls: self.tls,
            site: self.site.to_string(),
            probe: self.probe.to_string(),
            secret: self.secret.reveal().to_owned(),
            one_time: self.one_time,
            expires_ms: self.expires_ms,
        };
        let mut bytes = minicbor::to_vec(&wire).expect("writing to memory cannot fail");
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for JoinCode {
    type Err = JoinError;

    fn from_str(text: &str) -> Result<Self, JoinError> {
        // Bounded before anything is copied: white space may be as much again.
        if text.len() > 8 * CODE_CHARS {
            return Err(JoinError::TooLong { chars: text.chars().count() });
        }
        let line: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let chars = line.chars().count();
        if chars == 0 {
            return Err(JoinError::Empty);
        }
        if chars > CODE_CHARS {
            return Err(JoinError::TooLong { chars });
        }
        let Some(body) = line.strip_prefix(PREFIX) else { return Err(start(&line)) };
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if let Some((at, found)) = body.chars().enumerate().find(|(_, c)| !good(*c)) {
            return Err(JoinError::Letter { at: PREFIX.len() + at + 1, found });
        }
        let bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_| cut_or_mistyped(body))?;
        let Some(split) = bytes.len().checked_sub(CRC_BYTES) else { return Err(JoinError::Incomplete) };
        let (content, crc) = bytes.split_at(split);
        if crc32fast::hash(content).to_be_bytes() != crc {
            return Err(cut_or_mistyped(body));
        }
        JoinCode::decode(content)
    }
}

/// What is wrong with a line that does not begin as ours do.
fn start(line: &str) -> JoinError {
    let version = line.strip_prefix("phusong").and_then(|rest| rest.split_once(':'));
    match version.and_then(|(digits, _)| digits.parse().ok()) {
        Some(version) if version != 1 => JoinError::Version { version },
        _ if PREFIX.starts_with(line) => JoinError::Incomplete,
        _ => JoinError::Start,
    }
}

/// CBOR knows its own length: what stops before it, was cut off.
fn cut_or_mistyped(body: &str) -> JoinError {
    // Whole groups of four letters are whole bytes.
    let whole = URL_SAFE_NO_PAD.decode(&body[..body.len() / 4 * 4]).unwrap_or_default();
    let mut decoder = minicbor::Decoder::new(&whole);
    let (read, at) = (decoder.skip(), decoder.position());
    let ends_early = match read {
        Ok(()) => body.len() * 3 / 4 < at + CRC_BYTES,
        Err(error) => error.is_end_of_input(),
    };
    if ends_early { JoinError::Incomplete } else { JoinError::Mistyped }
}
