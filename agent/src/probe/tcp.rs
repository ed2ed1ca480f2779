//! One TCP handshake (RFC 9293), timed.
//!
//! In: an address, a port, the uplink's interface. Out: a [`TcpReading`], or the failure with the time it took: a
//! refusal proves that the way works. Refuses to know: what runs on the port; nothing is sent. Limits: one socket, the
//! timeout it was built with.

use super::{BoxFuture, Probe, ProbeError, micros};
use phusong_protocol::{FailureKind, Reading, TcpReading};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::net::TcpSocket;

/// Connects once to one address.
#[derive(Debug, Clone)]
pub struct TcpProbe {
    pub address: SocketAddr,
    pub interface: Option<String>,
    pub timeout: Duration,
}

/// A socket for this address that leaves by the interface, where there is one.
pub(super) fn socket(address: SocketAddr, interface: Option<&str>) -> std::io::Result<TcpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    if let Some(interface) = interface {
        socket.bind_device(Some(interface.as_bytes()))?;
    }
    Ok(TcpSocket::from_std_stream(socket.into()))
}

impl TcpProbe {
    async fn connect(&self) -> Result<Reading, ProbeError> {
        let socket = socket(self.address, self.interface.as_deref()).map_err(|e| ProbeError::from_io(&e))?;
        let began = Instant::now();
        let result = tokio::time::timeout(self.timeout, socket.connect(self.address)).await;
        let elapsed = began.elapsed();
        let failed = |error: ProbeError| ProbeError { sent: Some(1), elapsed: Some(elapsed), ..error };
        match result {
            Ok(Ok(_stream)) => Ok(Reading::Tcp(TcpReading { connect_us: micros(elapsed) })),
            Ok(Err(error)) => Err(failed(ProbeError::from_io(&error))),
            Err(_) => Err(failed(ProbeError::new(FailureKind::Timeout, None))),
        }
    }
}

impl Probe for TcpProbe {
    fn measure(&mut self) -> BoxFuture<'_, Result<Reading, ProbeError>> {
        Box::pin(self.connect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn measured(address: SocketAddr, interface: Option<&str>) -> Result<Reading, ProbeError> {
        let interface = interface.map(str::to_owned);
        TcpProbe { address, interface, timeout: Duration::from_secs(5) }.measure().await
    }

    #[tokio::test]
    async fn a_listening_port_gives_the_time_of_the_handshake() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(host) else {
                assert!(host.starts_with('['), "every machine has 127.0.0.1");
                eprintln!("skipped {host}: this machine has no IPv6 loopback");
                continue;
            };
            let address = listener.local_addr().expect("it is bound");
            let Ok(Reading::Tcp(reading)) = measured(address, Some("lo")).await else {
                panic!("{host} did not answer");
            };
            assert!(reading.connect_us < 5_000_000);
        }
    }

    #[tokio::test]
    async fn a_closed_port_is_refused_and_says_how_long_that_took() {
        let address = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
            listener.local_addr().expect("it is bound")
        };
        let error = measured(address, None).await.expect_err("nobody listens");
        assert_eq!(error.kind, FailureKind::Refused);
        assert!(error.elapsed.is_some() && error.sent == Some(1));
    }

    #[tokio::test]
    async fn an_interface_that_is_not_there_is_a_missing_device() {
        let address = "127.0.0.1:9".parse().expect("an address");
        let error = measured(address, Some("nosuch0")).await.expect_err("no such interface");
        assert_eq!(error.kind, FailureKind::DeviceMissing);
    }
}
