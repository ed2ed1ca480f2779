//! Why there is no connection, as a closed set: each kind tells a person where to look.

use crate::tls::{CertificateFault, TlsError, certificate_fault};
use std::io;

/// Why a session could not be opened, or ended.
#[derive(Debug, thiserror::Error)]
pub enum MqttError {
    #[error("{0}")]
    Config(String),
    #[error("broker: {0}")]
    TlsSetup(#[from] TlsError),
    #[error("the name {host} does not resolve")]
    Dns { host: String },
    #[error("{address} refuses connections: is the broker running, is the port right?")]
    ConnectionRefused { address: String },
    #[error("{address} did not answer in time")]
    Timeout { address: String },
    #[error("there is no way to {address}")]
    Unreachable { address: String },
    #[error("the broker's certificate {0}")]
    Certificate(CertificateFault),
    #[error("TLS: {0}")]
    Tls(String),
    #[error("the broker refuses user name or password (CONNACK {code})")]
    BadLogin { code: &'static str },
    #[error("the broker does not let this probe in: user name or password may be wrong (CONNACK {code})")]
    NotAuthorized { code: &'static str },
    #[error("the broker takes no connection now (CONNACK {code})")]
    Unavailable { code: &'static str },
    #[error("the broker does not speak this protocol version (CONNACK {code}); set broker.protocol")]
    ProtocolVersion { code: &'static str },
    #[error("the broker refuses the connection (CONNACK {code})")]
    Refused { code: &'static str },
    #[error("the broker refuses the subscription to the probe's own topics: check its ACL")]
    SubscriptionRefused,
    #[error("the broker ended the connection: {0}")]
    Lost(String),
    #[error("the connection broke: {0}")]
    Io(io::ErrorKind),
    #[error("the broker stopped answering")]
    Stuck,
}

/// Where an I/O error of the connection comes from.
pub(super) fn from_io(error: &io::Error, host: &str, address: &str) -> MqttError {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return from_tls(inner);
    }
    let address = address.to_owned();
    match error.kind() {
        io::ErrorKind::ConnectionRefused => MqttError::ConnectionRefused { address },
        io::ErrorKind::TimedOut => MqttError::Timeout { address },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => MqttError::Unreachable { address },
        // The resolver's errors have no kind of their own.
        _ if error.to_string().contains("lookup") => MqttError::Dns { host: host.to_owned() },
        kind => MqttError::Io(kind),
    }
}

pub(super) fn from_tls(error: &rustls::Error) -> MqttError {
    match certificate_fault(error) {
        Some(fault) => MqttError::Certificate(fault),
        None => MqttError::Tls(error.to_string()),
    }
}

fn from_rumqttc_tls(error: &rumqttc::TlsError, host: &str, address: &str) -> MqttError {
    match error {
        rumqttc::TlsError::Io(io) => from_io(io, host, address),
        rumqttc::TlsError::TLS(tls) => from_tls(tls),
        other => MqttError::Tls(other.to_string()),
    }
}

/// MQTT 5, section 3.2.2.2.
fn refused_v5(code: rumqttc::v5::mqttbytes::v5::ConnectReturnCode) -> MqttError {
    use rumqttc::v5::mqttbytes::v5::ConnectReturnCode as C;
    match code {
        C::BadUserNamePassword => MqttError::BadLogin { code: "134, bad user name or password" },
        C::NotAuthorized => MqttError::NotAuthorized { code: "135, not authorized" },
        C::Banned => MqttError::NotAuthorized { code: "138, banned" },
        C::ServerUnavailable | C::ServiceUnavailable => MqttError::Unavailable { code: "136, server unavailable" },
        C::ServerBusy => MqttError::Unavailable { code: "137, server busy" },
        C::ConnectionRateExceeded => MqttError::Unavailable { code: "159, connection rate exceeded" },
        C::QuotaExceeded => MqttError::Unavailable { code: "151, quota exceeded" },
        C::UnsupportedProtocolVersion | C::RefusedProtocolVersion => {
            MqttError::ProtocolVersion { code: "132, unsupported protocol version" }
        }
        C::ClientIdentifierNotValid | C::BadClientId => MqttError::Refused { code: "133, client identifier" },
        C::RetainNotSupported => MqttError::Refused { code: "154, retain not supported" },
        C::QoSNotSupported => MqttError::Refused { code: "155, QoS not supported" },
        C::UseAnotherServer | C::ServerMoved => MqttError::Refused { code: "156, use another server" },
        _ => MqttError::Refused { code: "128, unspecified" },
    }
}

/// MQTT 3.1.1, section 3.2.2.3.
fn refused_v311(code: rumqttc::ConnectReturnCode) -> MqttError {
    use rumqttc::ConnectReturnCode as C;
    match code {
        C::BadUserNamePassword => MqttError::BadLogin { code: "4, bad user name or password" },
        C::NotAuthorized => MqttError::NotAuthorized { code: "5, not authorized" },
        C::ServiceUnavailable => MqttError::Unavailable { code: "3, server unavailable" },
        C::RefusedProtocolVersion => MqttError::ProtocolVersion { code: "1, unacceptable protocol version" },
        C::BadClientId => MqttError::Refused { code: "2, client identifier" },
        C::Success => MqttError::Refused { code: "0" },
    }
}

pub(super) fn from_v5(error: rumqttc::v5::ConnectionError, host: &str, address: &str) -> MqttError {
    use rumqttc::v5::{ConnectionError as E, StateError as S};
    match error {
        E::Io(io) | E::MqttState(S::Io(io)) => from_io(&io, host, address),
        E::Tls(tls) => from_rumqttc_tls(&tls, host, address),
        E::Timeout(_) => MqttError::Timeout { address: address.to_owned() },
        E::ConnectionRefused(code) | E::MqttState(S::ConnFail { reason: code }) => refused_v5(code),
        E::MqttState(S::ServerDisconnect { reason_code, reason_string }) => {
            MqttError::Lost(format!("{reason_code:?} {}", reason_string.unwrap_or_default()).trim_end().to_owned())
        }
        E::MqttState(S::AwaitPingResp) => MqttError::Stuck,
        other => MqttError::Lost(other.to_string()),
    }
}

pub(super) fn from_v311(error: rumqttc::ConnectionError, host: &str, address: &str) -> MqttError {
    use rumqttc::{ConnectionError as E, StateError as S};
    match error {
        E::Io(io) | E::MqttState(S::Io(io)) => from_io(&io, host, address),
        E::Tls(tls) => from_rumqttc_tls(&tls, host, address),
        E::NetworkTimeout | E::FlushTimeout => MqttError::Timeout { address: address.to_owned() },
        E::ConnectionRefused(code) => refused_v311(code),
        E::MqttState(S::AwaitPingResp) => MqttError::Stuck,
        other => MqttError::Lost(other.to_string()),
    }
}
