//! `/api/v1` over a store that is known to the last row: what is told, what is filtered, how lists go on.

mod api_world;
mod ingest_world;

use api_world::{Commune, WINDOW};
use ingest_world::NOW;
use serde_json::{Value, json};
use std::time::Instant;

/// The values at this place of every item, as text.
fn all(answer: &Value, list: &str, field: &str) -> Vec<String> {
    let items = answer[list].as_array().unwrap_or_else(|| panic!("{list} is no list: {answer}"));
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    items.iter().map(|item| text(item.pointer(field).unwrap_or(&Value::Null))).collect()
}

#[test]
fn a_hamlet_has_the_state_of_its_best_cellular_network_and_names_come_out_composed() {
    let commune = Commune::new();
    let answer = commune.found("/api/v1/hamlets");
    assert_eq!(all(&answer, "items", "/code"), ["kv", "nc", "x"]);
    let hamlet = &answer["items"][1];
    assert_eq!((&hamlet["name"], &hamlet["label"]), (&json!("Nà Chèn"), &json!("xóm")));
    // Dead at one place and good at the other is weak; VinaPhone is weak, too; the fixed link makes no level.
    assert_eq!((&hamlet["grade"], &hamlet["level"], &hamlet["places"]), (&json!("weak"), &json!(2), &json!(2)));
    let viettel = &hamlet["networks"][0];
    assert_eq!(
        (&viettel["network"], &viettel["places_disagree"], &viettel["n"]),
        (&json!("viettel"), &json!(true), &json!(2))
    );
    assert_eq!(viettel["last_known_at"], json!("2027-01-15T08:00:00Z"));
    assert_eq!(viettel["last_known_at_ms"], json!(NOW));
    assert_eq!(all(viettel, "open_gaps", "/key"), ["0000000000000010"]);
    let vinaphone = &hamlet["networks"][1];
    assert_eq!((&vinaphone["grade"], &vinaphone["reason"]), (&json!("weak"), &json!("slow")));
    assert_eq!(all(hamlet, "links", "/network"), ["fixed:vnpt"]);
    assert_eq!(hamlet["links"][0]["grade"], json!("good"));
    // What was good an hour ago is unknown now, and is said to be that old.
    let stale = &answer["items"][0];
    assert_eq!((&stale["grade"], &stale["level"], &stale["network"]), (&json!("unknown"), &json!(0), &json!(null)));
    assert_eq!(stale["networks"][0]["last_known_at"], json!("2027-01-15T07:05:00Z"));
    assert_eq!(all(stale, "open_blinds", "/cause"), ["power"]);
}

#[test]
fn filters_leave_what_was_asked_for() {
    let commune = Commune::new();
    let check = |path: &str, field: &str, wanted: &[&str]| {
        let answer = commune.found(&format!("/api/v1/{path}"));
        assert_eq!(all(&answer, "items", field), wanted, "{path}");
    };
    check("areas", "/code", &["cb", "kv", "nc", "td", "x"]);
    check("areas?parent=td", "/code", &["kv", "nc"]);
    check("areas?parent=", "/code", &["cb"]);
    check("areas?label=x%C3%B3m", "/code", &["kv", "nc"]);
    check("areas?valid_at=2020-01-01", "/code", &["cb", "old", "td", "x"]);
    check("hamlets?area=td", "/code", &["kv", "nc"]);
    check("hamlets?grade=unknown", "/code", &["kv", "x"]);
    check("hamlets?network=viettel", "/code", &["kv", "nc"]);
    check("hamlets?network=fixed:vnpt&grade=good", "/code", &["nc"]);
    check("hamlets?network=mobifone", "/code", &[]);
    check("gaps", "/key", &["0000000000000010", "0000000000000012", "0000000000000011"]);
    check("gaps?area=nc&network=viettel", "/key", &["0000000000000010", "0000000000000011"]);
    check("gaps?area=cb&place=2", "/key", &["0000000000000012"]);
    check("gaps?area=kv", "/key", &[]);
    check("gaps?open=true", "/key", &["0000000000000010"]);
    check("gaps?open=false&cause=backhaul", "/key", &["0000000000000012"]);
    check("gaps?network=mobifone", "/key", &[]);
    check("gaps?from=2027-01-15T07:00:00Z", "/key", &["0000000000000010"]);
    check("gaps?to=2027-01-15T07:00:00%2B00:00", "/key", &["0000000000000012", "0000000000000011"]);
    check("blinds", "/hamlet/name", &["Khâu Vai", "Nà Chèn"]);
    check("remotes", "/target/name", &["vnnic"]);
    check("remotes", "/key", &["7fffffffffffffff"]);
    check("probes", "/id", &["khau-vai-1", "mobile-1", "na-chen-1", "na-chen-2"]);
    check("probes?site=thanh-dinh&retired=false&limit=1", "/id", &["khau-vai-1"]);
    check("probes?retired=true", "/id", &[]);
    check("observations?probe=na-chen-1&kind=failure", "/seq", &["0000000000000005", "0000000000000002"]);
    check("observations?probe=nobody", "/seq", &[]);
    check(
        "observations?probe=na-chen-1&from=2027-01-15T07:50:00Z&to=2027-01-15T08:00:00Z",
        "/at",
        &["2027-01-15T07:55:00Z", "2027-01-15T07:50:00Z"],
    );
    check("dead-letters", "/reason", &["wrong_site"]);
    check("dead-letters?probe=khau-vai-1", "/reason", &[]);
    check("changes?after=4", "/id", &["5", "6"]);
}

#[test]
fn a_list_in_pages_is_the_list() {
    let commune = Commune::new();
    for (list, field) in [
        ("areas", "/code"),
        ("hamlets", "/code"),
        ("gaps", "/key"),
        ("blinds", "/key"),
        ("probes", "/id"),
        ("observations", "/id"),
        ("observations?kind=failure", "/id"),
        ("dead-letters", "/id"),
    ] {
        let path = format!("/api/v1/{list}{}", if list.contains('?') { "&" } else { "?" });
        let whole = all(&commune.found(&path), "items", field);
        assert!(!whole.is_empty(), "{list}");
        for limit in [1, 2] {
            let (mut pages, mut next) = (Vec::new(), String::new());
            for _ in 0..20 {
                let page = commune.found(&format!("{path}limit={limit}{next}"));
                pages.extend(all(&page, "items", field));
                let Some(cursor) = page["next_cursor"].as_str() else { break };
                next = format!("&cursor={cursor}");
            }
            assert_eq!(pages, whole, "{list} by {limit}");
        }
    }
    let (mut seen, mut after) = (Vec::new(), 0);
    for _ in 0..8 {
        let page = commune.found(&format!("/api/v1/changes?limit=1&after={after}"));
        seen.extend(all(&page, "items", "/id"));
        after = page["next_after"].as_i64().expect("a number");
    }
    assert_eq!((seen.len(), after), (6, 6));
}

#[test]
fn a_gap_is_told_with_its_cause_its_proof_and_its_samples() {
    let commune = Commune::new();
    let answer = commune.found("/api/v1/gaps?limit=1");
    let wanted = json!({
        "key": "0000000000000010", "kind": "gap", "case": 16, "network": "viettel", "target": null,
        "from": "2027-01-15T07:40:00Z", "from_ms": NOW - 1_200_000, "to": null, "to_ms": null,
        "end_unobserved": false, "observed_dead_s": 900, "upper_s": 1200,
        "cause": "backhaul", "confidence": "certain", "proof": "gateway_answered",
        "evidence": [{"epoch": "abc0000000000001", "seq": "0000000000000010"}], "cause_evidence": [],
        "place": {"id": 3, "label": "Nà Chèn", "lat": 22.281, "lon": 106.454},
        "probe": "na-chen-2", "site": "thanh-dinh", "hamlet": {"code": "nc", "name": "Nà Chèn"}, "policy": 1,
    });
    assert_eq!(answer["items"][0], wanted);
}

#[test]
fn a_hamlet_shows_its_day_and_its_month() {
    let commune = Commune::new();
    let answer = commune.found("/api/v1/hamlets/nc");
    assert_eq!(all(&answer, "places", "/probe"), ["na-chen-1", "na-chen-2"]);
    assert_eq!(answer["places"][0]["supply"], json!("trạm biến áp 1"));
    assert_eq!(all(&answer, "windows", "/network"), ["fixed:vnpt", "viettel", "vinaphone", "viettel"]);
    let viettel = &answer["windows"][1];
    assert_eq!((&viettel["from_ms"], &viettel["step_s"]), (&json!((WINDOW - 288) * 300_000), &json!(300)));
    let levels = viettel["levels"].as_array().expect("a list");
    assert_eq!(levels.len(), 289);
    assert_eq!(levels[285..], [json!(2), json!(null), json!(3), json!(null)]);
    assert_eq!(
        viettel["reasons"].as_array().expect("a list")[285..],
        [json!("loss"), json!(null), json!(null), json!(null)]
    );
    assert_eq!(all(&answer, "interruptions", "/kind"), ["gap", "remote", "gap", "gap", "blind"]);
}

#[test]
fn a_probe_tells_its_places_its_clock_and_how_late_it_is() {
    let mut commune = Commune::new();
    commune.world.now_ms = NOW + 90_000;
    let answer = commune.found("/api/v1/probes/na-chen-1");
    assert_eq!(answer["probe"]["last_contact"], json!("2027-01-15T08:00:00Z"));
    // Of its ids 0 to 9 three never came, and the last one is a dead letter.
    assert_eq!((&answer["probe"]["missing"], &answer["probe"]["dead_letters"]), (&json!(3), &json!(1)));
    assert_eq!(answer["places"][0]["hamlet"], json!({"code": "nc", "name": "Nà Chèn"}));
    assert_eq!(
        answer["clock"],
        json!({"synced": true, "at_state": "stamped", "wall_ahead_ms": 0, "anchor_err_ms": null})
    );
    // The oldest of its six windows lies 25 minutes back.
    assert_eq!(answer["delivery_delay_max_ms"], json!(1_500_000));
    assert_eq!(all(&answer, "newest", "/kind"), ["failure", "tcp"]);
    let silent = commune.found("/api/v1/probes/mobile-1");
    assert_eq!((&silent["clock"], &silent["delivery_delay_max_ms"]), (&json!(null), &json!(null)));
}

#[test]
fn the_map_is_geojson_with_states() {
    let commune = Commune::new();
    let reply = commune.get("/api/v1/map/hamlets.geojson?area=td");
    assert_eq!(reply.header("content-type"), "application/geo+json");
    let parsed: geojson::FeatureCollection = reply.text.parse().expect("GeoJSON");
    assert_eq!(parsed.features.len(), 2);
    let answer = reply.json();
    let point = &answer["features"][0];
    assert_eq!(point["geometry"], json!({"type": "Point", "coordinates": [106.46, 22.29]}));
    assert_eq!((&point["properties"]["radius_m"], &point["properties"]["level"]), (&json!(500.0), &json!(0)));
    assert_eq!(point["properties"]["open_blind_since"], json!("2027-01-15T07:05:00Z"));
    assert_eq!(point["properties"]["place_blind_since_ms"], json!(NOW - 3_300_000));
    let polygon = &answer["features"][1];
    assert_eq!((&polygon["geometry"]["type"], &polygon["id"]), (&json!("Polygon"), &json!("nc")));
    assert_eq!((&polygon["properties"]["level"], &polygon["properties"]["grade"]), (&json!(2), &json!("weak")));
    assert_eq!(polygon["properties"]["open_gap_since"], json!("2027-01-15T07:40:00Z"));
    assert_eq!(polygon["properties"]["place_blind_since"], json!(null));
    let viettel = &polygon["properties"]["networks"][0];
    assert_eq!((&viettel["level"], &viettel["open_gap_since"]), (&json!(2), &json!("2027-01-15T07:40:00Z")));
    assert_eq!(polygon["properties"]["networks"][1]["reason"], json!("slow"));
    let nowhere = commune.found("/api/v1/map/hamlets.geojson?area=x");
    assert_eq!(nowhere["features"][0]["geometry"], json!(null));
}

#[test]
fn before_anything_is_derived_lists_are_empty_and_hamlets_unknown() {
    let commune = Commune::ground();
    for list in ["gaps", "blinds", "remotes", "changes"] {
        assert_eq!(commune.found(&format!("/api/v1/{list}"))["items"], json!([]), "{list}");
    }
    let answer = commune.found("/api/v1/hamlets");
    assert_eq!(all(&answer, "items", "/grade"), ["unknown", "unknown", "unknown"]);
    assert_eq!(commune.found("/api/v1/hamlets/nc")["windows"], json!([]));
}

#[test]
fn a_page_among_rows_of_another_kind_ends_and_goes_on() {
    let commune = Commune::ground();
    // 30,000 handshakes of one probe lie between its boot-like failure and now.
    commune.sql(
        "phusong.db",
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO observation (probe_ref, epoch_ref, seq, at_ms, at_state, received_ms, wall_ms, synced, kind, body)
         SELECT o.probe_ref, o.epoch_ref, 1000 + i, o.at_ms + 60000 + i, 1, o.received_ms, o.wall_ms, 1, o.kind, o.body
           FROM n CROSS JOIN observation o JOIN probe p ON p.id = o.probe_ref
          WHERE p.name = 'na-chen-1' AND o.seq = 4",
    );
    let first = commune.found("/api/v1/observations?probe=na-chen-1&kind=failure&to=2027-01-15T08:00:00Z");
    assert_eq!(first["items"], json!([]));
    let cursor = first["next_cursor"].as_str().expect("it goes on");
    let path = format!("/api/v1/observations?probe=na-chen-1&kind=failure&to=2027-01-15T08:00:00Z&cursor={cursor}");
    let second = commune.found(&path);
    assert_eq!(all(&second, "items", "/seq"), ["0000000000000002"]);
    assert_eq!(second["next_cursor"], json!(null));
}

/// 32 probes more, each with a month of windows on two networks and 300 gaps, and a day of observations.
fn a_month_of_36_probes(commune: &Commune) {
    let numbers = |n: i64| format!("WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {n})");
    let of_probes = numbers(31);
    commune.sql(
        "phusong.db",
        &format!(
            "BEGIN;
             {of_probes} INSERT INTO probe (id, name, site_ref, created_ms) SELECT 100 + i, 'more-' || i, 1, 0 FROM n;
             {of_probes} INSERT INTO place (id, probe_ref, from_ms, lat, lon, area_ref)
                SELECT 100 + i, 100 + i, 0, 22.28, 106.45, 3 + i % 2 FROM n;
             {of_probes} INSERT INTO epoch (id, probe_ref, epoch) SELECT 100 + i, 100 + i, 5 FROM n;
             {} INSERT INTO observation (probe_ref, epoch_ref, seq, at_ms, at_state, received_ms, wall_ms, synced, kind,
                                         body)
                SELECT p.id, p.id, i, {NOW} - i * 60000, 1, {NOW}, 0, 1, o.kind, o.body
                  FROM n CROSS JOIN probe p CROSS JOIN observation o
                 WHERE p.id >= 100 AND o.id = (SELECT min(id) FROM observation);
             COMMIT;",
            numbers(1_440)
        ),
    );
    commune.sql(
        "derived.db",
        &format!(
            "BEGIN;
             {} INSERT INTO window SELECT 100 + p.value, 1 + p.value % 2, {WINDOW} - 1 - i, 3, 8, 1, 1, x''
                FROM n CROSS JOIN json_each('[{}]') p;
             INSERT INTO last_known SELECT place_ref, network_ref, max(no), 3 FROM window WHERE place_ref >= 100
                GROUP BY 1, 2;
             {} INSERT INTO interruption
                SELECT 1000000 + 1000 * p.value + i, 1, 100 + p.value, 1, NULL, {WINDOW} - 30 * i, ({WINDOW} - 30 * i) * 300000,
                       ({WINDOW} - 30 * i + 3) * 300000, 0, 900, 'unknown', 'none', 'nothing', x'', x'', 1, 1
                  FROM n CROSS JOIN json_each('[{}]') p;
             COMMIT;",
            numbers(8_640),
            (0..32).map(|i| i.to_string()).collect::<Vec<_>>().join(","),
            numbers(300),
            (0..32).map(|i| i.to_string()).collect::<Vec<_>>().join(","),
        ),
    );
}

#[test]
fn answers_over_a_month_of_36_probes_come_soon() {
    let commune = Commune::new();
    a_month_of_36_probes(&commune);
    for path in [
        "areas",
        "hamlets",
        "hamlets/nc",
        "map/hamlets.geojson",
        "gaps",
        "gaps?limit=1000",
        "gaps?open=true",
        "gaps?area=nc&limit=1000",
        "observations",
        "observations?limit=1000",
        "observations?kind=failure",
        "probes",
        "probes/more-1",
        "changes",
    ] {
        let path = format!("/api/v1/{path}");
        commune.found(&path);
        let begun = Instant::now();
        let bytes = commune.get(&path).text.len();
        let took = begun.elapsed();
        eprintln!("{path}: {took:?}, {bytes} bytes");
        // Milliseconds on an idle machine; a walk without an index would take longer than on any busy one.
        assert!(took.as_secs() < 2, "{path}: {took:?}");
    }
}
