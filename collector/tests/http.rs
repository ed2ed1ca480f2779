//! `/healthz`, `/readyz`, `/metrics` over a real socket: answers, refusals, problems.

use phusong_collector::config::Secret;
use phusong_collector::http::{Api, Bounded, Readiness, Sources, serve};
use phusong_collector::store::Readers;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const TOKEN: &str = "0123456789abcdef";

struct Server {
    address: SocketAddr,
    token: watch::Sender<Option<Secret>>,
    stop: watch::Sender<bool>,
    runtime: tokio::runtime::Runtime,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
}

fn readiness(ready: bool) -> Readiness {
    Readiness {
        ready,
        state: if ready { "ok" } else { "degraded" },
        mqtt_connected: ready,
        store_ok: true,
        queue_messages: 0,
        queue_fill: 0.0,
        disk_free_bytes: Some(1),
        store_forecast: None,
        reasons: if ready { vec![] } else { vec!["no connection to the broker".into()] },
    }
}

impl Server {
    fn start(ready: bool, token: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("loopback");
        let listener = Bounded::new(listener, 4);
        let address = listener.address().expect("bound");
        let (token, token_out) = watch::channel(token.map(|token| Secret(token.into())));
        let (stop, stop_out) = watch::channel(false);
        let metrics = move || if ready { Ok("phusong_x 1\n".to_owned()) } else { Err("the disk burns".to_owned()) };
        let sources = Sources {
            readiness: Arc::new(move || readiness(ready)),
            metrics: Arc::new(metrics),
            api: Api::new(Readers::of(Path::new("nowhere")), || 0),
            token: token_out,
        };
        let task = runtime.spawn(serve(listener, sources, stop_out));
        Server { address, token, stop, runtime, task }
    }

    fn ask(&self, request: &str, header: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).expect("listens");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
        write!(stream, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n").expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        let status = answer.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, answer)
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), "")
    }
}

#[test]
fn a_ready_collector_says_so_with_its_figures() {
    let server = Server::start(true, None);
    assert_eq!(server.get("/healthz").0, 200);
    let (status, body) = server.get("/readyz");
    assert_eq!(status, 200);
    assert!(body.contains("\"ready\":true") && body.contains("\"disk_free_bytes\":1"), "{body}");
    let (status, body) = server.get("/metrics");
    assert_eq!(status, 200);
    assert!(body.contains("text/plain; version=0.0.4") && body.ends_with("phusong_x 1\n"), "{body}");
}

#[test]
fn a_degraded_collector_answers_503_with_its_reasons() {
    let server = Server::start(false, None);
    assert_eq!(server.get("/healthz").0, 200);
    let (status, body) = server.get("/readyz");
    assert_eq!(status, 503);
    assert!(body.contains("no connection to the broker"), "{body}");
}

#[test]
fn errors_are_problems_that_say_what_to_do_and_nothing_of_the_inside() {
    let server = Server::start(false, None);
    for (request, status) in [("GET /nowhere", 404), ("POST /metrics", 405), ("GET /metrics", 500)] {
        let (got, answer) = server.ask(request, "");
        assert_eq!(got, status, "{request}");
        assert!(answer.contains("application/problem+json"), "{answer}");
        assert!(answer.contains(&format!("\"status\":{status}")), "{answer}");
        assert!(!answer.contains("burns"), "{answer}");
    }
}

#[test]
fn where_a_token_is_configured_nobody_reads_without_it() {
    let server = Server::start(true, Some(TOKEN));
    let bearer = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for path in ["/healthz", "/readyz", "/metrics", "/nowhere"] {
        let (status, answer) = server.get(path);
        assert_eq!(status, 401, "{path}");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    assert_eq!(server.ask("GET /metrics", &bearer("0123456789abcdeX")).0, 401);
    assert_eq!(server.ask("GET /metrics", &bearer("")).0, 401);
    assert_eq!(server.ask("GET /metrics", &bearer(TOKEN)).0, 200);
    // A reload changes it at once.
    server.token.send_replace(Some(Secret("another-token-of-16".into())));
    assert_eq!(server.ask("GET /metrics", &bearer(TOKEN)).0, 401);
}

#[test]
fn a_connection_beyond_the_bound_waits_until_another_one_ends() {
    let server = Server::start(true, None);
    let idle: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(server.address).expect("listens")).collect();
    let mut fifth = TcpStream::connect(server.address).expect("the kernel's queue takes it");
    write!(fifth, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").expect("sent");
    fifth.set_read_timeout(Some(Duration::from_millis(200))).expect("a socket");
    assert!(fifth.read(&mut [0; 1]).is_err(), "answered beyond the bound");
    drop(idle);
    fifth.set_read_timeout(Some(Duration::from_secs(10))).expect("a socket");
    let mut answer = String::new();
    fifth.read_to_string(&mut answer).expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[test]
fn it_ends_when_told_to() {
    let server = Server::start(true, None);
    server.stop.send_replace(true);
    let ended = server.runtime.block_on(async { tokio::time::timeout(Duration::from_secs(10), server.task).await });
    assert!(matches!(ended, Ok(Ok(Ok(())))), "{ended:?}");
}
