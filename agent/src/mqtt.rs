//! MQTT 5 and 3.1.1, by a client that is thrown away at the first odd thing: the spool and the collector's
//! acknowledgement carry the truth, never the client's own state.
//!
//! In: a broker, an identity, payloads. Out: one [`Session`] and its events, or an [`MqttError`] of a closed set.
//! Refuses to know: samples, the spool, when to try again. Limits: 16 publishes on the way, 64 events waiting.

mod config;
mod error;

mod session;
mod wire;

pub use config::{Address, BrokerConfig, Protocol};
pub use error::MqttError;
pub use session::{Connect, Session, SessionEvent};
