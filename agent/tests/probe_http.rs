//! One GET against real servers, plain and TLS, from a `[[target]]` table to the reading or failure of the wire.

use phusong_agent::attempt::{Means, attempt};
use phusong_agent::config::Config;
use phusong_agent::plan::Plan;
use phusong_agent::publish::WallClock;
use phusong_protocol::{Attempt, Failure, FailureKind, HttpReading, Outcome, Reading};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

/// What a server does with a request.
#[derive(Debug, Clone)]
enum Does {
    Answer(&'static str),
    /// Answers with the request as its body.
    Echo,
    /// Speaks before it is asked.
    Blurt(&'static str),
    /// Says this much and nothing more until the client goes.
    Hang(&'static str),
    /// Says this much and cuts the connection.
    Reset(&'static str),
    /// Says this much, then bytes without end.
    Endless(&'static str),
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

async fn converse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, does: &Does) -> std::io::Result<()> {
    if let Does::Blurt(text) = does {
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await?;
    }
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    match does {
        Does::Blurt(_) => {}
        Does::Answer(text) => stream.write_all(text.as_bytes()).await?,
        Does::Echo => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", request.len());
            stream.write_all(&[head.as_bytes(), &request].concat()).await?;
        }
        Does::Hang(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await?;
            while stream.read(&mut [0; 64]).await? > 0 {}
        }
        Does::Reset(text) => {
            stream.write_all(text.as_bytes()).await?;
            stream.flush().await?;
            return Ok(());
        }
        Does::Endless(text) => {
            stream.write_all(text.as_bytes()).await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
    }
    stream.shutdown().await
}

async fn serve_one(mut stream: TcpStream, does: Does, tls: Option<TlsAcceptor>) {
    // A client that went away is no fault of the server's.
    let _gone = match tls {
        None => converse(&mut stream, &does).await,
        Some(tls) => match tls.accept(stream).await {
            Ok(mut stream) => converse(&mut stream, &does).await,
            Err(error) => Err(error),
        },
    };
}

/// A server on a free port of loopback, for as long as the test runs.
async fn serve(does: Does, tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if matches!(does, Does::Reset(_)) {
                socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("a TCP socket lingers");
            }
            tokio::spawn(serve_one(stream, does.clone(), tls.clone()));
        }
    });
    port
}

/// One attempt at the target that these lines describe.
async fn outcome(lines: &str, means: &Means) -> Outcome {
    let text = format!(
        "site = \"lab\"\nprobe = \"p1\"\n[[broker]]\nurl = \"mqtt://127.0.0.1:1\"\n\
         [[target]]\nname = \"page\"\nkind = \"http\"\nfamily = \"4\"\n{lines}"
    );
    let config = Config::parse("lab", &text).expect("a good file");
    let attempted = attempt(&Plan::of(&config).lanes[0], means, None).await;
    attempted.outcome.expect("there is something to measure")
}

async fn read(lines: &str) -> HttpReading {
    match outcome(lines, &Means::default()).await {
        Outcome::Reading(Reading::Http(reading)) => reading,
        other => panic!("{lines}: {other:?}"),
    }
}

async fn fails(lines: &str) -> Failure {
    match outcome(lines, &Means::default()).await {
        Outcome::Failure(failure) => failure,
        other => panic!("{lines}: {other:?}"),
    }
}

/// The failure of a target whose server does this: its kind and the beginning of its detail.
async fn check(does: Does, more: &str, kind: FailureKind, detail: &str) {
    let shown = format!("{does:?} {more}");
    let port = serve(does, None).await;
    let failure = fails(&format!("host = \"http://127.0.0.1:{port}/\"\ntimeout_ms = 1000\n{more}")).await;
    assert_eq!((failure.of, failure.kind, failure.sent), (Attempt::Http, kind, Some(1)), "{shown}: {failure:?}");
    assert!(failure.detail.as_ref().is_some_and(|said| said.starts_with(detail)), "{shown}: {failure:?}");
    let elapsed_us = failure.elapsed_us.expect("each failure says how long it took");
    assert_eq!(elapsed_us >= 1_000_000, kind == FailureKind::Timeout, "{shown}: {failure:?}");
}

#[tokio::test]
async fn a_page_is_read_with_its_phases_apart() {
    let port = serve(Does::Answer(OK), None).await;
    let page = read(&format!("host = \"http://127.0.0.1:{port}/\"\n")).await;
    assert_eq!((page.status, page.body_bytes, page.dns_us, page.tls_us), (200, Some(5), None, None));
    let phases = page.connect_us.expect("it connected") + page.first_byte_us.expect("it answered");
    assert!(phases <= page.total_us, "{page:?}");

    let page = read(&format!("host = \"http://localhost:{port}/\"\n")).await;
    assert!(page.dns_us.is_some_and(|dns_us| dns_us < page.total_us), "{page:?}");
}

#[tokio::test]
async fn the_request_names_path_query_and_host_and_asks_for_a_plain_body() {
    let port = serve(Does::Echo, None).await;
    let host = format!("host = \"http://127.0.0.1:{port}/a/b?c=d\"\n");
    let start = format!("GET /a/b?c=d HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\nUser-Agent: phusong-agent/");
    for text in [&start, "\\r\\nAccept-Encoding: identity\\r\\nConnection: close\\r\\n\\r\\n"] {
        assert_eq!(read(&format!("{host}expect_body = \"{text}\"\n")).await.status, 200);
    }
}

#[tokio::test]
async fn a_body_is_read_up_to_its_bound_and_no_further() {
    let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n";
    let cases = [
        (Does::Answer(chunks), "expect_body = \"hello world\"\n", 11),
        (Does::Answer("HTTP/1.0 200 OK\r\n\r\nto the end"), "expect_body = \"the end\"\n", 10),
        (Does::Answer("HTTP/1.1 204 No Content\r\n\r\n"), "expect_status = 204\n", 0),
        (Does::Endless("HTTP/1.1 200 OK\r\n\r\n"), "", 65_536),
        (Does::Endless("HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n"), "body_bytes = 1024\n", 1_024),
        (Does::Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n"), "", 65_536),
        (Does::Hang("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"), "", 2),
    ];
    for (does, more, bytes) in cases {
        let shown = format!("{does:?}");
        let port = serve(does, None).await;
        let page = read(&format!("host = \"http://127.0.0.1:{port}/\"\n{more}")).await;
        assert_eq!(page.body_bytes, Some(bytes), "{shown}");
    }
}

#[tokio::test]
async fn a_server_that_hangs_is_a_timeout_that_names_the_phase() {
    let timeout = FailureKind::Timeout;
    check(Does::Hang(""), "", timeout, "waiting for the answer").await;
    check(Does::Hang("HTTP/1.1 200 OK\r\nX:"), "", timeout, "waiting for the answer").await;
    check(Does::Hang("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"), "", timeout, "reading the body").await;
    let port = serve(Does::Hang(""), None).await;
    let failure = fails(&format!("host = \"https://127.0.0.1:{port}/\"\ntimeout_ms = 300\n")).await;
    assert_eq!((failure.kind, failure.detail.as_deref()), (FailureKind::Timeout, Some("TLS")));
}

#[tokio::test]
async fn a_host_that_takes_no_connection_is_a_timeout_while_connecting() {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
    let listener = socket.listen(1).expect("it listens");
    let address = listener.local_addr().expect("bound");
    // Nobody accepts: once the queue is full, the kernel drops what knocks.
    let mut knocked = Vec::new();
    while let Ok(stream) = tokio::time::timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        knocked.push(stream.expect("the queue takes it"));
    }
    let failure = fails(&format!("host = \"http://{address}/\"\ntimeout_ms = 300\n")).await;
    assert_eq!((failure.kind, failure.detail.as_deref()), (FailureKind::Timeout, Some("connecting")));
    assert!(failure.elapsed_us.is_some_and(|us| (300_000..3_000_000).contains(&us)), "{failure:?}");
}

#[tokio::test]
async fn a_cut_connection_is_a_reset_and_what_is_no_http_is_malformed() {
    let reset = FailureKind::Reset;
    check(Does::Reset(""), "", reset, "waiting for the answer: ").await;
    check(Does::Answer(""), "", reset, "waiting for the answer: the server ended").await;
    let short = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel";
    check(Does::Answer(short), "", reset, "reading the body: the server ended").await;
    check(Does::Answer("SSH-2.0-x\r\n"), "", FailureKind::Malformed, "waiting for the answer: no HTTP").await;
}

#[tokio::test]
async fn a_status_from_400_on_is_a_failure_unless_it_is_the_expected_one() {
    let error = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n";
    check(Does::Answer(error), "", FailureKind::HttpStatus, "answer: status 500").await;
    check(Does::Answer(error), "expect_status = 200\n", FailureKind::HttpStatus, "answer: status 500").await;
    let port = serve(Does::Answer(error), None).await;
    let page = read(&format!("host = \"http://127.0.0.1:{port}/\"\nexpect_status = 500\n")).await;
    assert_eq!(page.status, 500);
}

#[tokio::test]
async fn somebody_elses_page_is_a_portal() {
    let portal = FailureKind::Portal;
    let away = "HTTP/1.1 302 Found\r\nLocation: http://login.wifi.example/?to=x\r\nContent-Length: 0\r\n\r\n";
    check(Does::Answer(away), "", portal, "answer: status 302 leads to login.wifi.example").await;
    check(Does::Answer(OK), "expect_status = 204\n", portal, "answer: status 200 instead of 204").await;
    check(Does::Answer(OK), "expect_body = \"xin chào\"\n", portal, "answer: status 200 without").await;
    let honest = "HTTP/1.1 511 Network Authentication Required\r\nContent-Length: 0\r\n\r\n";
    check(Does::Answer(honest), "", portal, "answer: status 511").await;
}

#[tokio::test]
async fn a_redirect_that_is_no_portal_is_a_reading_and_is_not_followed() {
    let home = "HTTP/1.1 301 Moved\r\nLocation: /home\r\nContent-Length: 0\r\n\r\n";
    let away = "HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n";
    for (answer, more, status) in [(home, "", 301), (away, "expect_status = 302\n", 302)] {
        let port = serve(Does::Answer(answer), None).await;
        let page = read(&format!("host = \"http://127.0.0.1:{port}/\"\n{more}")).await;
        assert_eq!((page.status, page.body_bytes), (status, Some(0)));
    }
}

#[tokio::test]
async fn what_stands_in_the_way_before_the_request_is_told_apart() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("bound").port()
    };
    let failure = fails(&format!("host = \"http://127.0.0.1:{closed}/\"\n")).await;
    assert_eq!((failure.kind, failure.sent), (FailureKind::Refused, Some(1)));
    assert!(failure.detail.is_some_and(|said| said.starts_with("connecting: ")) && failure.elapsed_us.is_some());

    let failure = fails("host = \"http://no-such-host.invalid/\"\n").await;
    assert_eq!((failure.kind, failure.sent), (FailureKind::Dns, None));
    assert!(failure.detail.is_some_and(|said| said.starts_with("resolving: ")) && failure.elapsed_us.is_some());

    let port = serve(Does::Answer(OK), None).await;
    let failure = fails(&format!("host = \"http://127.0.0.1:{port}/\"\n[[uplink]]\ninterface = \"nosuch0\"\n")).await;
    assert_eq!(failure.kind, FailureKind::DeviceMissing);
    let page = read(&format!("host = \"http://127.0.0.1:{port}/\"\n[[uplink]]\ninterface = \"lo\"\n")).await;
    assert_eq!(page.status, 200);
}

/// An authority of the test's own, its file, and a server's certificate from it.
struct Pki {
    dir: PathBuf,
    acceptor: TlsAcceptor,
}

impl Drop for Pki {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

impl Pki {
    fn new(test: &str, name: &str, ends_in: i32) -> Self {
        let dir = std::env::temp_dir().join(format!("phusong-http-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("a directory");
        let ca_key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("no names");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        std::fs::write(dir.join("ca.pem"), ca.self_signed(&ca_key).expect("signed").pem()).expect("written");
        let key = KeyPair::generate().expect("a key");
        let mut server = CertificateParams::new(vec![name.to_owned()]).expect("a good name");
        server.not_before = date_time_ymd(2019, 1, 1);
        server.not_after = date_time_ymd(ends_in, 1, 1);
        let certificate = server.signed_by(&key, &Issuer::new(ca, ca_key)).expect("signed");
        let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring does TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from(certificate.der().to_vec())],
                PrivateKeyDer::try_from(key.serialize_der()).expect("a PKCS 8 key"),
            )
            .expect("a certificate with its key");
        Pki { dir, acceptor: TlsAcceptor::from(Arc::new(config)) }
    }

    /// Lines of a target at `port` that trusts this authority.
    fn target(&self, port: u16) -> String {
        format!("host = \"https://localhost:{port}/\"\nca_file = {:?}\n", self.dir.join("ca.pem"))
    }
}

#[tokio::test]
async fn a_page_over_tls_has_a_time_of_its_handshake() {
    let pki = Pki::new("good", "localhost", 2090);
    let port = serve(Does::Answer(OK), Some(pki.acceptor.clone())).await;
    let page = read(&pki.target(port)).await;
    assert_eq!((page.status, page.body_bytes), (200, Some(5)));
    assert!(page.tls_us.is_some_and(|tls_us| 0 < tls_us && tls_us < page.total_us), "{page:?}");

    // Who holds the certificate may send its visitors where it likes.
    let away = "HTTP/1.1 302 Found\r\nLocation: https://other.example/\r\n\r\n";
    let port = serve(Does::Answer(away), Some(pki.acceptor.clone())).await;
    assert_eq!(read(&pki.target(port)).await.status, 302);
    let port = serve(Does::Reset("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhel"), Some(pki.acceptor.clone())).await;
    assert_eq!(fails(&pki.target(port)).await.kind, FailureKind::Reset);
}

#[tokio::test]
async fn a_certificate_that_is_not_good_is_a_tls_failure_that_says_what_is_wrong() {
    let expired = Pki::new("expired", "localhost", 2020);
    let other = Pki::new("other", "other.example", 2090);
    let good = Pki::new("foreign", "localhost", 2090);
    for (pki, trusts, said) in [
        (&expired, true, "TLS: the certificate has expired"),
        (&other, true, "TLS: the certificate is for another name"),
        (&good, false, "TLS: the certificate was issued by an authority that is not trusted here"),
    ] {
        let port = serve(Does::Answer(OK), Some(pki.acceptor.clone())).await;
        let plain = format!("host = \"https://localhost:{port}/\"\n");
        let failure = fails(&if trusts { pki.target(port) } else { plain }).await;
        assert_eq!((failure.kind, failure.sent), (FailureKind::Tls, Some(1)), "{failure:?}");
        assert!(failure.detail.is_some_and(|detail| detail.starts_with(said)), "{said}");
        assert!(failure.elapsed_us.is_some());
    }
    let port = serve(Does::Blurt("SSH-2.0-x\r\n"), None).await;
    assert_eq!(fails(&good.target(port)).await.kind, FailureKind::Tls, "no TLS behind this port");
    let failure = fails(&format!("host = \"https://localhost:{port}/\"\nca_file = \"/no/such/file.pem\"\n")).await;
    assert!(failure.detail.is_some_and(|detail| detail.starts_with("TLS: ca_file /no/such/file.pem")));
}

#[tokio::test]
async fn certificates_are_checked_at_no_earlier_time_than_the_floor() {
    let pki = Pki::new("floor", "localhost", 2090);
    let port = serve(Does::Answer(OK), Some(pki.acceptor.clone())).await;
    // 2096, after the certificate's end.
    let wall = watch::Sender::new(WallClock { synced_offset_ms: None, floor_unix_ms: 4_000_000_000_000 });
    let means = Means { wall: Some(wall.subscribe()), ..Means::default() };
    let Outcome::Failure(failure) = outcome(&pki.target(port), &means).await else { panic!("it was accepted") };
    assert!(failure.detail.is_some_and(|detail| detail.contains("has expired")));
}
