//! Names and numbers that identify sites, probes, starts of an agent, boots of a device and samples.

use crate::limits::ID_BYTES;
use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Why a piece of text is no identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    #[error("{what} {text:?} must be 1 to 32 of a-z, 0-9 and '-'")]
    Name { what: &'static str, text: String },
    #[error("{text:?} is not 16 hexadecimal digits")]
    Hex { text: String },
    #[error("{text:?} is not a UUID such as 3f2504e0-4f89-11d3-9a0c-0305e82c3301")]
    Uuid { text: String },
}

fn checked_name(what: &'static str, text: &str) -> Result<Box<str>, IdError> {
    let good =
        (1..=ID_BYTES).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'));
    if good { Ok(text.into()) } else { Err(IdError::Name { what, text: text.chars().take(64).collect() }) }
}

/// A device that runs an agent; unique in one installation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProbeId(Box<str>);

/// A named group of probes; part of the topic.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SiteId(Box<str>);

impl ProbeId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SiteId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ProbeId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        checked_name("probe", text).map(ProbeId)
    }
}

impl FromStr for SiteId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        checked_name("site", text).map(SiteId)
    }
}

impl TryFrom<String> for ProbeId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl TryFrom<String> for SiteId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<ProbeId> for String {
    fn from(id: ProbeId) -> String {
        id.0.into()
    }
}

impl From<SiteId> for String {
    fn from(id: SiteId) -> String {
        id.0.into()
    }
}

impl fmt::Display for ProbeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// 64 random bits drawn at each start of an agent. It orders nothing. Zero is reserved for foreign records.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(try_from = "String", into = "String")]
pub struct Epoch(#[n(0)] pub u64);

impl Epoch {
    /// The epoch of records that carry no id of ours (scripts, phone apps, imported logs).
    pub const FOREIGN: Epoch = Epoch(0);

    pub fn is_foreign(self) -> bool {
        self == Self::FOREIGN
    }
}

impl FromStr for Epoch {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_hex16(text).map(Epoch)
    }
}

impl TryFrom<String> for Epoch {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Epoch> for String {
    fn from(epoch: Epoch) -> String {
        epoch.to_string()
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epoch({self})")
    }
}

pub(crate) fn parse_hex16(text: &str) -> Result<u64, IdError> {
    let good = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let bad = || IdError::Hex { text: text.chars().take(32).collect() };
    if !good {
        return Err(bad());
    }
    u64::from_str_radix(text, 16).map_err(|_| bad())
}

/// serde form of a u64 in JSON: 16 hex digits, since JSON readers lose integers above 2^53.
pub(crate) mod hex16 {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u64, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&format_args!("{value:016x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
        let text = String::deserialize(from)?;
        super::parse_hex16(&text).map_err(D::Error::custom)
    }
}

/// The kernel's id of one boot of the device.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Encode, Decode, Serialize, Deserialize)]
#[cbor(transparent)]
#[serde(try_from = "String", into = "String")]
pub struct BootId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

impl FromStr for BootId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bad = || IdError::Uuid { text: text.chars().take(64).collect() };
        let dashes = [8, 13, 18, 23];
        let well_formed = text.len() == 36
            && text
                .bytes()
                .enumerate()
                .all(|(i, b)| if dashes.contains(&i) { b == b'-' } else { b.is_ascii_hexdigit() });
        if !well_formed {
            return Err(bad());
        }
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        let value = u128::from_str_radix(&digits, 16).map_err(|_| bad())?;
        Ok(BootId(value.to_be_bytes()))
    }
}

impl TryFrom<String> for BootId {
    type Error = IdError;
    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<BootId> for String {
    fn from(id: BootId) -> String {
        id.to_string()
    }
}

impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BootId({self})")
    }
}

/// The id of a sample in one installation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleId {
    pub probe: ProbeId,
    pub epoch: Epoch,
    pub seq: u64,
}

impl fmt::Display for SampleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{:016x}", self.probe, self.epoch, self.seq)
    }
}

/// The seq of a record that carries no id of ours: the first 64 bits of SHA-256 over probe and content, so that the
/// same record sent twice, or met again in a log, is one sample.
pub fn foreign_seq(probe: &ProbeId, content: &[u8]) -> u64 {
    let mut hash = Sha256::new();
    hash.update(probe.as_str().as_bytes());
    hash.update([0]);
    hash.update(content);
    let digest = hash.finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}
