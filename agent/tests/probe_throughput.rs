//! Bandwidth tests against a back end that paces itself, floods, stalls or lies, counted at the back end's own sockets.

use phusong_agent::attempt::{Means, attempt};
use phusong_agent::budget::{Ledger, Month};
use phusong_agent::config::Config;
use phusong_agent::device::clock;
use phusong_agent::plan::Plan;
use phusong_agent::publish::WallClock;
use phusong_protocol::{Attempt, Failure, FailureKind, Outcome, Reading, ThroughputReading};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;

/// Far longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// 1 December 2026, midnight in Vietnam.
const DECEMBER_MS: i64 = 1_796_058_000_000;

/// What the back end does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Does {
    /// What LibreSpeed does, as fast as it goes.
    Serve,
    /// The same, so many bytes a second.
    Pace(usize),
    /// Says that this is its length, and sends without end.
    Flood(&'static str),
    /// So many bytes of the body and then nothing.
    Stall(usize),
    /// This and the end.
    Say(&'static str),
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// A back end on a free port of loopback, and every socket it ever had.
struct BackEnd {
    port: u16,
    sockets: Arc<Mutex<Vec<OwnedFd>>>,
}

impl BackEnd {
    async fn start(does: Does) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        if matches!(does, Does::Pace(_)) {
            // What arrives is held back by it, not by the kernel behind its back.
            socket.set_recv_buffer_size(32 * 1024).expect("a socket");
            socket.set_send_buffer_size(32 * 1024).expect("a socket");
        }
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener: TcpListener = socket.listen(16).expect("it listens");
        let port = listener.local_addr().expect("bound").port();
        let sockets: Arc<Mutex<Vec<OwnedFd>>> = Arc::default();
        let kept = Arc::clone(&sockets);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let twin = stream.as_fd().try_clone_to_owned().expect("a descriptor");
                kept.lock().expect("nobody panicked").push(twin);
                tokio::spawn(serve(stream, does));
            }
        });
        BackEnd { port, sockets }
    }

    fn connections(&self) -> usize {
        self.sockets.lock().expect("nobody panicked").len()
    }

    /// Bytes that passed at all sockets, payload both ways, as the kernel counts them at this end: what was sent twice twice.
    fn passed(&self) -> u64 {
        let sockets = self.sockets.lock().expect("nobody panicked");
        let of = |socket: &OwnedFd| {
            let large = |at: usize| u64::from_ne_bytes(info(socket)[at..at + 8].try_into().expect("eight bytes"));
            // bytes_received and bytes_sent of `struct tcp_info`.
            large(128) + large(200)
        };
        sockets.iter().map(of).sum()
    }
}

#[allow(unsafe_code)]
fn info(socket: &OwnedFd) -> [u8; 256] {
    let mut info = [0u8; 256];
    let mut length = 256;
    // SAFETY: the descriptor is open, and the kernel writes at most 256 bytes into the array.
    let result = unsafe {
        let to = info.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), libc::IPPROTO_TCP, libc::TCP_INFO, to, &raw mut length)
    };
    assert_eq!(result, 0);
    info
}

async fn serve(mut stream: TcpStream, does: Does) {
    // A client that went away is no fault of the server's.
    let _gone = converse(&mut stream, does).await;
}

async fn converse(stream: &mut TcpStream, does: Does) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let down = text.starts_with("GET /backend/garbage.php?ckSize=");
    assert!(down || text.starts_with("POST /backend/empty.php HTTP/1.1\r\n"), "{text}");
    let units = text.split("ckSize=").nth(1).and_then(|rest| rest.split(' ').next()).unwrap_or("0");
    let bytes = units.parse::<usize>().expect("a number") << 20;
    let length = format!("Content-Length: {bytes}\r\n");
    match does {
        Does::Serve if down => send(stream, &length, bytes, None).await?,
        Does::Pace(rate) if down => send(stream, &length, bytes, Some(rate)).await?,
        // It also sends while it should listen.
        Does::Flood(length) => send(stream, length, usize::MAX, None).await?,
        Does::Stall(bytes) if down => {
            send(stream, &length, bytes, None).await?;
            while stream.read(&mut [0; 64]).await? > 0 {}
        }
        Does::Say(text) => stream.write_all(text.as_bytes()).await?,
        Does::Stall(bytes) => take(stream, &request, Some(bytes), None).await?,
        Does::Serve => take(stream, &request, None, None).await?,
        Does::Pace(rate) => take(stream, &request, None, Some(rate)).await?,
    }
    stream.shutdown().await
}

async fn send(stream: &mut TcpStream, length: &str, bytes: usize, rate: Option<usize>) -> std::io::Result<()> {
    stream.write_all(format!("HTTP/1.1 200 OK\r\n{length}\r\n").as_bytes()).await?;
    let piece = vec![b'x'; rate.map_or(64 * 1024, |rate| rate / 50)];
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let mut left = bytes;
    while left > 0 {
        if rate.is_some() {
            pace.tick().await;
        }
        let here = left.min(piece.len());
        stream.write_all(&piece[..here]).await?;
        left -= here;
    }
    Ok(())
}

/// Takes a chunked body, or only so many bytes of it; answers at its end.
async fn take(stream: &mut TcpStream, request: &[u8], most: Option<usize>, rate: Option<usize>) -> std::io::Result<()> {
    let mut piece = vec![0; rate.map_or(64 * 1024, |rate| rate / 50)];
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let (mut taken, mut tail) = (0, request.to_vec());
    while !tail.ends_with(b"0\r\n\r\n") {
        if most.is_some_and(|most| taken >= most) {
            std::future::pending::<()>().await;
        }
        if rate.is_some() {
            pace.tick().await;
        }
        let length = stream.read(&mut piece).await?;
        if length == 0 {
            return Ok(());
        }
        taken += length;
        tail.extend_from_slice(&piece[..length]);
        tail.drain(..tail.len().saturating_sub(5));
    }
    stream.write_all(OK.as_bytes()).await
}

/// A probe with one bandwidth test on loopback, at a time of its own.
struct Probe {
    dir: PathBuf,
    wall: watch::Sender<WallClock>,
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Probe {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("phusong-throughput-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let probe = Probe { dir, wall: watch::Sender::new(WallClock::default()) };
        probe.set_clock(Some(DECEMBER_MS));
        probe
    }

    fn set_clock(&self, now_ms: Option<i64>) {
        let synced_offset_ms = now_ms.map(|now_ms| now_ms - clock::mono_ms() as i64);
        self.wall.send_replace(WallClock { synced_offset_ms, floor_unix_ms: 0 });
    }

    fn ledger(&self) -> Ledger {
        Ledger::of(&self.dir)
    }

    fn used(&self, at_ms: i64) -> u64 {
        self.ledger().used(Month::of(at_ms), "lo").expect("it can be read")
    }

    async fn run(&self, port: u16, lines: &str) -> Outcome {
        let text = format!(
            "site = \"lab\"\nprobe = \"p1\"\ndata_dir = {:?}\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n\
             [[uplink]]\ninterface = \"lo\"\n[[target]]\nname = \"speed\"\nkind = \"throughput\"\n\
             host = \"http://127.0.0.1:{port}/backend/\"\n{lines}",
            self.dir
        );
        let config = Config::parse("lab", &text).expect("a good file");
        let means = Means { wall: Some(self.wall.subscribe()), ..Means::default() };
        attempt(&Plan::of(&config).lanes[0], &means, None).await.outcome.expect("there is something to measure")
    }

    async fn reads(&self, port: u16, lines: &str) -> ThroughputReading {
        match self.run(port, lines).await {
            Outcome::Reading(Reading::Throughput(reading)) => reading,
            other => panic!("{lines}: {other:?}"),
        }
    }

    async fn fails(&self, port: u16, lines: &str) -> Failure {
        match self.run(port, lines).await {
            Outcome::Failure(failure) => failure,
            other => panic!("{lines}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_steady_way_has_its_speed_in_both_directions() {
    const RATE: usize = 1_000_000;
    let (backend, probe) = (BackEnd::start(Does::Pace(RATE)).await, Probe::new("steady"));
    let reading = probe.reads(backend.port, "seconds_max = 3\n").await;
    let near = |bps: Option<u64>| bps.is_some_and(|bps| (6_000_000..10_000_000).contains(&bps));
    assert!(near(reading.down_bps) && near(reading.up_bps), "{reading:?}");
    assert!(!reading.early && reading.method == "librespeed", "{reading:?}");
    assert!((5_500..7_500).contains(&reading.elapsed_ms), "{reading:?}");
    for (direction, down, up) in [("down", true, false), ("up", false, true)] {
        let reading = probe.reads(backend.port, &format!("seconds_max = 2\ndirection = \"{direction}\"\n")).await;
        assert_eq!((reading.down_bps.is_some(), reading.up_bps.is_some()), (down, up), "{direction}");
    }
}

#[tokio::test]
async fn whatever_the_back_end_does_no_test_takes_more_than_its_cap_and_all_of_it_is_counted() {
    let lies = ["", "Content-Length: 1048576\r\n", "Content-Length: 99999999999\r\n"];
    let chunks = "Transfer-Encoding: chunked\r\n\r\nfffffff\r\n";
    let floods = lies.into_iter().chain([chunks]).map(Does::Flood);
    let all = floods.chain([Does::Serve, Does::Stall(300_000), Does::Stall(0)]).chain([Does::Say(OK)]);
    for does in all {
        for (direction, bytes_max) in [("down", 1_000_000), ("down", 9_000_000), ("up", 3_000_000), ("both", 8_000_000)]
        {
            let (backend, probe) = (BackEnd::start(does).await, Probe::new("cap"));
            let lines = format!("direction = \"{direction}\"\nbytes_max = {bytes_max}\ntimeout_ms = 400\n");
            let outcome = probe.run(backend.port, &lines).await;
            let shown = format!("{does:?} {direction} {bytes_max}: {outcome:?}");
            let used = probe.used(DECEMBER_MS);
            assert!(backend.connections() > 0 && used <= bytes_max, "{shown}: {used} used");
            assert!(backend.passed() <= used, "{shown}: {} passed, {used} counted", backend.passed());
            match outcome {
                Outcome::Reading(Reading::Throughput(reading)) => assert_eq!(reading.bytes, used, "{shown}"),
                Outcome::Failure(failure) => assert_eq!(failure.of, Attempt::Throughput, "{shown}"),
                Outcome::Reading(_) => panic!("{shown}"),
            }
            if matches!(does, Does::Serve) {
                assert!(backend.passed() >= bytes_max / 3, "{shown}: {} passed", backend.passed());
            }
        }
    }
}

#[tokio::test]
async fn what_its_cap_ended_at_once_is_a_verdict() {
    let (backend, probe) = (BackEnd::start(Does::Serve).await, Probe::new("early"));
    let reading = probe.reads(backend.port, "bytes_max = 4000000\n").await;
    assert!(reading.early && reading.down_bps.is_some() && reading.up_bps.is_some(), "{reading:?}");
}

#[tokio::test]
async fn a_back_end_that_fails_is_a_failure_that_says_how() {
    let page = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nlogin";
    let away = "HTTP/1.1 302 Found\r\nLocation: http://login.wifi.example/\r\nContent-Length: 0\r\n\r\n";
    let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n";
    for (does, direction, kind, said) in [
        (Does::Stall(0), "down", FailureKind::Timeout, "down: waiting"),
        (Does::Stall(100_000), "down", FailureKind::Timeout, "down: a silence"),
        (Does::Stall(0), "up", FailureKind::Timeout, "up: a silence"),
        (Does::Say(busy), "both", FailureKind::HttpStatus, "down: status 503"),
        (Does::Say(busy), "up", FailureKind::HttpStatus, "up: status 503"),
        (Does::Say(page), "down", FailureKind::Portal, "down: 5 bytes instead of"),
        (Does::Say(OK), "up", FailureKind::Portal, "up: answered before it had the body"),
        (Does::Say(away), "down", FailureKind::Portal, "down: status 302 to http://login.wifi.example/"),
        (Does::Say("SSH-2.0-x\r\n"), "down", FailureKind::Malformed, "down: no HTTP"),
        (Does::Say(""), "down", FailureKind::Reset, "down: the server ended"),
    ] {
        let (backend, probe) = (BackEnd::start(does).await, Probe::new("fails"));
        let lines = format!("direction = \"{direction}\"\ntimeout_ms = 400\n");
        let failure = probe.fails(backend.port, &lines).await;
        assert_eq!((failure.of, failure.kind), (Attempt::Throughput, kind), "{does:?} {direction}: {failure:?}");
        assert!(failure.detail.as_ref().is_some_and(|detail| detail.starts_with(said)), "{does:?}: {failure:?}");
    }
    let closed = TcpListener::bind("127.0.0.1:0").await.expect("a free port").local_addr().expect("bound").port();
    let probe = Probe::new("closed");
    let failure = probe.fails(closed, "").await;
    assert_eq!(failure.kind, FailureKind::Refused);
    assert!(probe.used(DECEMBER_MS) < 5_000, "a refusal costs next to nothing");
}

#[tokio::test]
async fn a_month_that_is_spent_stays_spent_until_the_next_one_also_over_restarts_and_clocks() {
    let (backend, probe) = (BackEnd::start(Does::Serve).await, Probe::new("month"));
    let lines = "direction = \"down\"\nbytes_max = 2000000\nmonth_bytes = 5000000\n";
    let mut tests = 0;
    let refused = loop {
        match probe.run(backend.port, lines).await {
            Outcome::Failure(failure) => break failure,
            Outcome::Reading(_) => tests += 1,
        }
        assert!(tests < 20 && backend.passed() <= 5_000_000, "{tests} tests, {} bytes", backend.passed());
    };
    assert!(tests >= 2 && refused.kind == FailureKind::Budget, "{tests}: {refused:?}");
    assert!(refused.detail.is_some_and(|detail| detail.contains("of 5000000 bytes of 2026-12 are spent")));
    let connections = backend.connections();

    // November is another month, and a clock that comes back finds December as it was.
    probe.set_clock(Some(DECEMBER_MS - 60_000));
    assert!(matches!(probe.run(backend.port, lines).await, Outcome::Reading(_)));
    probe.set_clock(Some(DECEMBER_MS + 86_400_000));
    assert_eq!(probe.fails(backend.port, lines).await.kind, FailureKind::Budget);
    // Without a clock nobody knows who would pay.
    probe.set_clock(None);
    let failure = probe.fails(backend.port, lines).await;
    assert_eq!(failure.kind, FailureKind::Budget);
    assert!(failure.detail.is_some_and(|detail| detail.contains("clock")));
    probe.set_clock(Some(DECEMBER_MS + 31 * 86_400_000));
    assert!(matches!(probe.run(backend.port, lines).await, Outcome::Reading(_)));
    assert_eq!(backend.connections(), connections + 2, "what is refused connects to nobody");

    std::fs::write(probe.dir.join("throughput-budget.json"), "{").expect("writable");
    assert_eq!(probe.fails(backend.port, lines).await.kind, FailureKind::Budget, "a damaged file is no empty one");
}

#[tokio::test]
async fn a_test_that_is_cut_off_counts_in_full_and_was_counted_before_it_began() {
    let (backend, probe) = (BackEnd::start(Does::Stall(50_000)).await, Probe::new("cut"));
    let lines = "direction = \"down\"\nbytes_max = 2000000\nmonth_bytes = 5000000\ntimeout_ms = 30000\n";
    for cut in 1..=2 {
        let running = probe.run(backend.port, lines);
        let connected = async {
            while backend.connections() < cut {
                tokio::task::yield_now().await;
            }
        };
        // Dropping it is what a kill does to it: nothing of it runs any more.
        tokio::select! {
            outcome = running => panic!("it ended: {outcome:?}"),
            reached = tokio::time::timeout(PATIENCE, connected) => reached.expect("in time"),
        }
        assert_eq!(probe.used(DECEMBER_MS), cut as u64 * 2_000_000);
    }
    assert_eq!(probe.fails(backend.port, lines).await.kind, FailureKind::Budget);
}
