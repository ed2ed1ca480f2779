//! What a connection has cost so far and may still cost, as the kernel counts it (`TCP_INFO`), and the bounds that make
//! the second figure small.
//!
//! In: a connected socket. Out: bytes at the level of IP. Refuses to know: HTTP, TLS, budgets. Limits: Linux 4.19 or
//! newer; what the other side sends twice without need is counted by its headers only.
//!
//! The kernel takes what arrives up to the size of its receive buffer, whether it is read or not: a server that sends
//! more than it was asked for can fill it. So that buffer is fixed to a share of what may be spent, and all of it
//! counts as spent until the connection has ended in order.

use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::net::TcpStream;

/// Headers of a segment: 20 bytes of TCP, 12 of its timestamps, 20 or 40 of IP.
const HEADERS_V4: u64 = 52;
const HEADERS_V6: u64 = 72;
/// Unsent bytes that may wait in the kernel: what is decided late is sent late.
const UNSENT_BYTES: libc::c_int = 128 * 1024;
/// `SO_BUF_LOCK` (Linux 5.14): the receive buffer keeps its size.
const SO_BUF_LOCK: libc::c_int = 72;
const SOCK_RCVBUF_LOCK: libc::c_int = 2;
/// Lengths of `struct tcp_info` that hold what is read of it.
const INFO_BYTES: usize = 256;
const INFO_LEAST: usize = 216;

/// Watches one connection through a descriptor of its own; when it is dropped the connection is cut, unless it ended in
/// order.
#[derive(Debug)]
pub struct Meter {
    socket: OwnedFd,
    headers: u64,
    /// Size of the receive buffer.
    buffer: u64,
    in_order: bool,
}

/// The figures of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    pub received: u64,
    pub sent: u64,
    /// Of those sent, how many arrived.
    pub acked: u64,
    again: u64,
    unsent: u64,
    /// Here, and not read by us yet.
    unread: u64,
    segments: u64,
    mss: u64,
    pub rtt: Duration,
}

impl Meter {
    /// `window`: bytes that may be on their way to us at any time; `None` where nothing much is expected.
    pub fn over(stream: &TcpStream, peer: SocketAddr, window: Option<u64>) -> io::Result<Self> {
        let socket = stream.as_fd().try_clone_to_owned()?;
        set(&socket, libc::IPPROTO_TCP, libc::TCP_NOTSENT_LOWAT, UNSENT_BYTES)?;
        if let Some(window) = window {
            fix_buffer(&socket, window)?;
        }
        let buffer = SockRef::from(&socket).recv_buffer_size()? as u64;
        let headers = if peer.is_ipv6() { HEADERS_V6 } else { HEADERS_V4 };
        let meter = Meter { socket, headers, buffer, in_order: false };
        meter.figures()?;
        Ok(meter)
    }

    pub fn figures(&self) -> io::Result<Figures> {
        Figures::read(&self.socket)
    }

    /// What passed.
    pub fn passed(&self, figures: &Figures) -> u64 {
        figures.received + figures.sent + figures.segments * self.headers
    }

    /// What may still pass, whatever the other side does, if we neither send nor read anything more: what the receive
    /// buffer has room for, and all that is on its way from us, once more.
    pub fn pending(&self, figures: &Figures) -> u64 {
        let flight = (figures.sent - figures.again.min(figures.sent)).saturating_sub(figures.acked);
        let most = self.buffer.saturating_sub(figures.unread) + figures.unsent + flight;
        most + most.div_ceil(figures.mss.max(536)) * self.headers
    }

    /// About how many bytes may be on their way to us: half of the buffer is the kernel's own.
    pub fn window(&self) -> u64 {
        self.buffer / 2
    }

    /// The other side has ended, too: nothing more will pass.
    pub fn ended_in_order(&mut self) {
        self.in_order = true;
    }

    /// What the connection cost, for good.
    pub fn cost(&self) -> Option<u64> {
        let figures = self.figures().ok()?;
        Some(self.passed(&figures) + if self.in_order { 0 } else { self.pending(&figures) })
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if !self.in_order {
            // A reset instead of a goodbye: nothing that waits is sent any more. It fails on a socket that is gone.
            let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
        }
    }
}

impl Figures {
    #[allow(unsafe_code)] // No safe wrapper of TCP_INFO with these counters exists among our dependencies.
    fn read(socket: &OwnedFd) -> io::Result<Self> {
        let mut info = [0u8; INFO_BYTES];
        let mut length = INFO_BYTES as libc::socklen_t;
        // SAFETY: the descriptor is open; the kernel writes at most `length` bytes into `info`, any of which are valid.
        let result = unsafe {
            libc::getsockopt(
                socket.as_raw_fd(),
                libc::IPPROTO_TCP,
                libc::TCP_INFO,
                info.as_mut_ptr().cast(),
                &raw mut length,
            )
        };
        if result != 0 {
            return Err(io::Error::last_os_error());
        }
        if (length as usize) < INFO_LEAST {
            let why = "this kernel does not count the bytes of a connection; it must be Linux 4.19 or newer";
            return Err(io::Error::new(io::ErrorKind::Unsupported, why));
        }
        let unread = rustix::io::ioctl_fionread(socket)?;
        Ok(Figures { unread, ..Self::of(&info) })
    }

    /// Offsets are those of `struct tcp_info` in `linux/tcp.h`, which only ever grows at its end.
    fn of(info: &[u8; INFO_BYTES]) -> Self {
        let small = |at: usize| u64::from(u32::from_ne_bytes(info[at..at + 4].try_into().expect("four bytes")));
        let large = |at: usize| u64::from_ne_bytes(info[at..at + 8].try_into().expect("eight bytes"));
        Figures {
            mss: small(16).min(small(20).max(536)),
            rtt: Duration::from_micros(small(68)),
            acked: large(120),
            received: large(128),
            segments: small(136) + small(140),
            unsent: small(144),
            unread: 0,
            sent: large(200),
            again: large(208),
        }
    }
}

/// Fixes the receive buffer to what a window needs. A plain SO_RCVBUF stops at `net.core.rmem_max`, which is 208 KiB on
/// most systems and slows every way longer than a few milliseconds; a low-water mark grows the buffer without that bound
/// (tcp_set_rcvlowat), and the lock keeps it there.
fn fix_buffer(socket: &OwnedFd, window: u64) -> io::Result<()> {
    let wanted = libc::c_int::try_from(window).unwrap_or(libc::c_int::MAX);
    let fixed = set(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, wanted)
        .and_then(|()| set(socket, libc::SOL_SOCKET, SO_BUF_LOCK, SOCK_RCVBUF_LOCK));
    set(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, 1)?;
    let socket = SockRef::from(socket);
    if fixed.is_err() || socket.recv_buffer_size()? as u64 > 3 * window {
        socket.set_recv_buffer_size(window as usize)?;
    }
    Ok(())
}

#[allow(unsafe_code)] // No safe wrapper of these options exists among our dependencies.
fn set(socket: &OwnedFd, level: libc::c_int, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let length = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the descriptor is open, and the kernel reads `length` bytes of a number that lives until the call returns.
    let result = unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, (&raw const value).cast(), length) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn what_a_flooding_peer_can_send_stays_within_what_was_foretold() {
        const WINDOW: u64 = 256 * 1024;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let peer = listener.local_addr().expect("bound");
        let (stream, accepted) = tokio::join!(TcpStream::connect(peer), listener.accept());
        let (stream, mut flood) = (stream.expect("it listens"), accepted.expect("it came").0);
        let meter = Meter::over(&stream, peer, Some(WINDOW)).expect("a kernel that counts");
        let before = meter.figures().expect("open");
        let foretold = meter.passed(&before) + meter.pending(&before);
        let block = vec![1u8; 1 << 20];
        // Nobody reads: it ends when the kernel takes nothing more.
        let flooding = async { while flood.write_all(&block).await.is_ok() {} };
        let _full = tokio::time::timeout(Duration::from_millis(500), flooding).await;
        let after = meter.figures().expect("open");
        assert!(after.received > WINDOW / 2, "{after:?}");
        assert!(meter.passed(&after) <= foretold, "{after:?}: {} > {foretold}", meter.passed(&after));
        assert!(meter.window() >= WINDOW / 2 && meter.window() <= 2 * WINDOW, "{}", meter.window());
    }
}
