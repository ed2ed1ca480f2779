//! The device under the agent: clocks, supply, boot, network, load. Everything is read, nothing is set.

pub mod boot;
pub mod clock;
pub mod gpsd;
pub mod load;
pub mod modem;
pub mod net;
pub mod position;
pub mod power;
