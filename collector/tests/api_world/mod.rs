//! A commune in a store of its own, known to the last row, and its API without a socket, for the tests beside.
//!
//! Ground data goes through the engine and the registrar, derived rows stand as the shelf's tables hold them.

// Each test file is a crate of its own and uses its part of this.
#![allow(dead_code)]

use crate::ingest_world::{NOW, SITE, World, batch, probe, sample, site};
use phusong_collector::config::Secret;
use phusong_collector::http::{Api, Readiness, Sources, router};
use phusong_collector::store::derived::Shelf;
use phusong_collector::store::{NewProbe, Readers, Standing};
use phusong_coverage::Place;
use phusong_protocol::{Attempt, Clock, Epoch, Failure, FailureKind, Outcome, Reading, Sample, Target, TcpReading};
use rusqlite::Connection;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::watch;
use tower::ServiceExt;

/// The window that begins now; times of the commune are told in windows before it.
pub const WINDOW: i64 = NOW / 300_000;
pub const EPOCH: Epoch = Epoch(0xabc0_0000_0000_0001);
/// A hamlet's name as some files hold it: decomposed.
const NA_CHEN: &str = "Na\u{300} Che\u{300}n";

pub struct Commune {
    pub world: World,
    router: axum::Router,
}

/// Status, content type and body of an answer.
pub struct Reply {
    pub status: u16,
    pub headers: axum::http::HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("ASCII"))
    }
}

impl Commune {
    /// Areas, probes and samples; nothing derived yet.
    pub fn ground() -> Self {
        let mut world = World::new(&[]);
        areas(&world);
        let standing = |hamlet: &str, supply: Option<&str>| Standing {
            at: Place::new(22.281, 106.454).expect("it lies in Vietnam"),
            hamlet: Some(hamlet.into()),
            supply: supply.map(str::to_owned),
        };
        let mut registrar = world.registrar();
        for (name, place) in [
            ("khau-vai-1", Some(standing("kv", None))),
            ("mobile-1", None),
            ("na-chen-1", Some(standing("nc", Some("trạm biến áp 1")))),
            ("na-chen-2", Some(standing("nc", None))),
        ] {
            let new = NewProbe { probe: probe(name), site: site(SITE), label: Some(NA_CHEN.into()), place };
            registrar.add(&new, NOW - 86_400_000).expect("a new probe");
        }
        let samples: Vec<Sample> = (0..6).map(measured).collect();
        world.send("na-chen-1", batch("na-chen-1", EPOCH, &samples));
        world.send("khau-vai-1", batch("khau-vai-1", Epoch(7), &samples[..3]));
        // A batch on another site's topic is set aside.
        world.send_on("phusong/v1/elsewhere/na-chen-1/batch", batch("na-chen-1", EPOCH, &[measured(9)]));
        let router = router(sources(&world, None));
        Commune { world, router }
    }

    /// The same with everything derived.
    pub fn new() -> Self {
        let commune = Self::ground();
        let shelf = Shelf::open(commune.world.dir.path(), NOW).expect("a new file");
        shelf.db.execute_batch(&derived()).expect("the schema has these columns");
        commune
    }

    pub fn with_token(self, token: &str) -> Self {
        let router = router(sources(&self.world, Some(token)));
        Commune { router, ..self }
    }

    pub fn sql(&self, file: &str, sql: &str) {
        let db = Connection::open(self.world.dir.path().join(file)).expect("it is there");
        db.execute_batch(sql).expect("good SQL");
    }

    pub fn ask(&self, request: axum::http::Request<axum::body::Body>) -> Reply {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let response = self.router.clone().oneshot(request).await.expect("it never fails");
            let (parts, body) = response.into_parts();
            let bytes = axum::body::to_bytes(body, 64 << 20).await.expect("the whole body");
            let text = String::from_utf8(bytes.to_vec()).expect("UTF-8");
            Reply { status: parts.status.as_u16(), headers: parts.headers, text }
        })
    }

    pub fn get(&self, path: &str) -> Reply {
        let request = axum::http::Request::get(path).body(axum::body::Body::empty());
        self.ask(request.expect("a good path"))
    }

    /// What is there.
    pub fn found(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(reply.status, 200, "{path}: {}", reply.text);
        reply.json()
    }
}

/// One sample each window, the last one just now; every third failed.
fn measured(seq: u64) -> Sample {
    let outcome = match seq % 3 {
        2 => Outcome::Failure(Failure {
            of: Attempt::Tcp,
            kind: FailureKind::Timeout,
            detail: None,
            sent: None,
            elapsed_us: None,
        }),
        _ => Outcome::Reading(Reading::Tcp(TcpReading { connect_us: 1_000 })),
    };
    Sample {
        wall_ms: NOW - 300_000 * (5 - seq as i64).max(0),
        clock: Clock { synced: true, age_s: Some(1) },
        target: Some(Arc::new(Target {
            name: "vnnic".into(),
            host: "203.119.8.1:443".into(),
            address: None,
            tags: Vec::new(),
        })),
        outcome,
        ..sample(seq, 1, 1_000_000 + 300_000 * seq, Reading::Tcp(TcpReading { connect_us: 1 }))
    }
}

fn areas(world: &World) {
    let db = Connection::open(world.dir.path().join("phusong.db")).expect("it is there");
    let square = r#"{"type":"Polygon","coordinates":[[[106.4,22.2],[106.5,22.2],[106.5,22.3],[106.4,22.2]]]}"#;
    let ended = NOW - 2 * 86_400_000;
    let sql = format!(
        "INSERT INTO area (id, code, parent_ref, name, label, valid_from_ms, valid_to_ms, lat, lon, radius_m, geometry,
                           population)
         VALUES (1, 'cb', NULL, 'Cao Bằng', 'tỉnh', NULL, NULL, NULL, NULL, NULL, NULL, NULL),
                (2, 'td', 1, 'Thanh Định', 'xã', NULL, NULL, NULL, NULL, NULL, NULL, 5000),
                (3, 'nc', 2, '{NA_CHEN}', 'xóm', {ended}, NULL, 22.28, 106.45, NULL, '{square}', 300),
                (4, 'kv', 2, 'Khâu Vai', 'xóm', {ended}, NULL, 22.29, 106.46, 500.0, NULL, 200),
                (5, 'old', 2, 'Nà Chèn Khâu Vai', 'xóm', NULL, {ended}, NULL, NULL, NULL, NULL, NULL),
                (6, 'x', 1, 'Khác', 'xã', NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
    );
    db.execute_batch(&sql).expect("the schema has these columns");
}

/// Places: 1 khau-vai-1, 2 na-chen-1, 3 na-chen-2. Networks: 1 viettel, 2 vinaphone, 3 fixed:vnpt.
fn derived() -> String {
    let before = |windows: i64| WINDOW - windows;
    let at = |windows: i64| (WINDOW - windows) * 300_000;
    let id = |seq: u64| format!("x'{:016x}{seq:016x}'", EPOCH.0);
    let mut sql =
        "INSERT INTO network (id, name) VALUES (1, 'viettel'), (2, 'vinaphone'), (3, 'fixed:vnpt');".to_owned();
    // Viettel: good at one place, dead at the other. VinaPhone: weak. The fixed link: good. Khâu Vai: an hour old.
    for (place, network, no, grade, reason) in [
        (2, 1, before(3), 2, 6),
        (2, 1, before(1), 3, 8),
        (3, 1, before(1), 1, 4),
        (2, 2, before(2), 2, 7),
        (2, 3, before(1), 3, 8),
        (1, 1, before(12), 3, 8),
    ] {
        sql += &format!("INSERT INTO window VALUES ({place}, {network}, {no}, {grade}, {reason}, 0, 1, x'');");
        sql += &format!("INSERT OR REPLACE INTO last_known VALUES ({place}, {network}, {no}, {grade});");
    }
    for (key, kind, place, network, target, from, to, cause, confidence, proof) in [
        (0x10, 1, 3, "1", "NULL", at(4), "NULL".to_owned(), "backhaul", "certain", "gateway_answered"),
        (0x11, 1, 3, "1", "NULL", at(50), at(40).to_string(), "unknown", "none", "nothing"),
        (0x12, 1, 2, "3", "NULL", at(50), at(45).to_string(), "backhaul", "likely", "link_up"),
        (0x13, 2, 1, "NULL", "NULL", at(11), "NULL".to_owned(), "power", "guess", "unclean_reboot"),
        (0x14, 2, 2, "1", "NULL", at(90), at(80).to_string(), "sim", "likely", "nothing"),
        (i64::MAX, 3, 2, "1", "1", at(30), at(20).to_string(), "remote", "certain", "others_answered"),
    ] {
        let (first, ids) = (from / 300_000, id(key.cast_unsigned() % 97));
        sql += &format!(
            "INSERT INTO interruption VALUES ({key}, {kind}, {place}, {network}, {target}, {first}, {from}, {to}, 0,
                900, '{cause}', '{confidence}', '{proof}', {ids}, x'', {}, 1);",
            key % 1_000
        );
        sql += &format!(
            "INSERT INTO changes (made_ms, what, key, case_ref, place_ref, network_ref, target_ref, from_ms, to_ms,
                cause, confidence)
             VALUES ({NOW}, 'gap_opened', {key}, 1, {place}, {network}, {target}, {from}, {to}, '{cause}',
                '{confidence}');"
        );
    }
    sql
}

pub fn sources(world: &World, token: Option<&str>) -> Sources {
    let readiness = || Readiness {
        ready: true,
        state: "ok",
        mqtt_connected: true,
        store_ok: true,
        queue_messages: 0,
        queue_fill: 0.0,
        disk_free_bytes: None,
        store_forecast: None,
        reasons: vec![],
    };
    // The channel's value stays after its sender is gone.
    let (_, token) = watch::channel(token.map(|token| Secret(token.into())));
    Sources {
        readiness: Arc::new(readiness),
        metrics: Arc::new(|| Ok("phusong_x 1\n".to_owned())),
        api: Api::new(Readers::of(world.dir.path()), || NOW),
        token,
    }
}
