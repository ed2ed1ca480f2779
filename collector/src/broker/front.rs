//! The broker's door: takes connections, speaks TLS, and hands the clear stream on to the library over loopback.
//!
//! In: connections of probes. Out: the same, in the clear, each entered into [`Guests`] under the port from which the
//! library sees it. Refuses to know: MQTT, passwords. Limits: connections at once, time for the TLS handshake and for
//! the login; the library itself waits for a first packet for ever.

use super::counters::{Counters, Refusal};
use super::guests::Guests;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// For the TLS handshake, and again for the login: a slow link takes some round trips of a second or two.
const PATIENCE: Duration = Duration::from_secs(30);
/// For what is still under way when one side has ended.
const FAREWELL: Duration = Duration::from_secs(2);
/// After an error that concerns no single connection, as too many open files.
const RECOVER: Duration = Duration::from_millis(100);
/// A dead peer behind a NAT is found so long after its last word; MQTT's own keepalive may be switched off.
const KEEPALIVE: Duration = Duration::from_secs(300);

/// What all doors share.
#[derive(Clone)]
pub struct Hall {
    /// The library's listener.
    pub inside: SocketAddr,
    pub guests: Arc<Guests>,
    pub places: Arc<Semaphore>,
    pub counters: Arc<Counters>,
}

/// Takes connections until its runtime ends.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, hall: Hall) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let Ok(place) = Arc::clone(&hall.places).try_acquire_owned() else {
                    hall.counters.refuse(Refusal::Full);
                    continue;
                };
                let (tls, hall) = (tls.clone(), hall.clone());
                tokio::spawn(async move {
                    receive(stream, peer, tls, &hall).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("the broker could not take a connection: {error}");
                tokio::time::sleep(RECOVER).await;
            }
        }
    }
}

async fn receive(stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, hall: &Hall) {
    let pause = hall.guests.pause(peer.ip(), Instant::now());
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    // Comfort only: a connection without them works.
    let _ = stream.set_nodelay(true);
    let _ = rustix::net::sockopt::set_socket_keepalive(&stream, true);
    let _ = rustix::net::sockopt::set_tcp_keepidle(&stream, KEEPALIVE);
    match tls {
        None => hand_on(stream, peer, hall).await,
        Some(tls) => match timeout(PATIENCE, tls.accept(stream)).await {
            Ok(Ok(stream)) => hand_on(stream, peer, hall).await,
            Ok(Err(_)) | Err(_) => hall.counters.refuse(Refusal::Tls),
        },
    }
}

async fn hand_on(stream: impl AsyncRead + AsyncWrite, peer: SocketAddr, hall: &Hall) {
    let inside = match inner_connection(hall.inside).await {
        Ok(inside) => inside,
        Err(error) => return tracing::warn!("the broker cannot reach itself on {}: {error}", hall.inside),
    };
    let (inside, port) = inside;
    let room = hall.guests.enter(port, peer.ip());
    let too_late = async {
        if timeout(PATIENCE, room.guest.wait_logged_in()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = relay(stream, inside) => {}
        () = too_late => hall.counters.refuse(Refusal::Silent),
    }
}

async fn inner_connection(inside: SocketAddr) -> std::io::Result<(TcpStream, u16)> {
    let stream = TcpStream::connect(inside).await?;
    stream.set_nodelay(true)?;
    let port = stream.local_addr()?.port();
    Ok((stream, port))
}

/// Until one side ends. A client that goes is known to the library at once; what the library still has to say to it,
/// and then its end, is passed on.
async fn relay(outside: impl AsyncRead + AsyncWrite, inside: TcpStream) {
    let (mut from_client, mut to_client) = split(outside);
    let (mut from_library, mut to_library) = inside.into_split();
    let up = async {
        let _ = copy(&mut from_client, &mut to_library).await;
        let _ = to_library.shutdown().await;
    };
    let down = async {
        let _ = copy(&mut from_library, &mut to_client).await;
        let _ = timeout(FAREWELL, to_client.shutdown()).await;
    };
    tokio::pin!(up, down);
    tokio::select! {
        () = &mut down => {}
        () = &mut up => {
            let _ = timeout(FAREWELL, down).await;
        }
    }
}
