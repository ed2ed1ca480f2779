//! What a request may ask, how a bad one is answered, and that the document says the same as the answers.

mod api_world;
mod ingest_world;

use api_world::Commune;
use axum::body::Body;
use axum::http::Request;
use serde_json::{Map, Value, json};

fn routes(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().map(|(path, item)| (path.clone(), item["get"].clone())).collect()
}

fn parameters(operation: &Value) -> Vec<String> {
    let all = operation["parameters"].as_array().cloned().unwrap_or_default();
    let asked = all.iter().filter(|parameter| parameter["in"] == json!("query"));
    asked.map(|parameter| parameter["name"].as_str().expect("a name").to_owned()).collect()
}

fn bad(kind: &str, title: &str, parameter: &str, detail: &str) -> Value {
    json!({"type": format!("urn:phusong:problem:{kind}"), "title": title, "status": 400, "detail": detail,
           "parameter": parameter})
}

fn value(parameter: &str, detail: &str) -> Value {
    bad("bad-value", "Bad value", parameter, detail)
}

fn missing(detail: &str) -> Value {
    json!({"type": "urn:phusong:problem:not-found", "title": "Not found", "status": 404, "detail": detail})
}

/// Each with its answer, to the letter; `gaps`: a cursor of another list than the one it is used for.
fn bad_questions(gaps: &str) -> Vec<(String, Value)> {
    let cursor = "A cursor is `next_cursor` of an answer of this route, unchanged; leave it out to begin anew.";
    let others = format!("blinds?cursor={gaps}");
    let all = [
        (
            "changes?since=1",
            bad(
                "unknown-parameter",
                "Unknown parameter",
                "since",
                "`since` is no parameter of this route; it takes after, limit.",
            ),
        ),
        (
            "hamlets/nc?x=",
            bad("unknown-parameter", "Unknown parameter", "x", "`x` is no parameter of this route; it takes none."),
        ),
        ("gaps?limit=0", value("limit", "`limit` cannot be `0`: write a whole number from 1 to 1000.")),
        ("gaps?limit=1001", value("limit", "`limit` cannot be `1001`: write a whole number from 1 to 1000.")),
        ("gaps?limit=5&limit=6", value("limit", "`limit` cannot be `6`: give it once.")),
        (
            "gaps?from=yesterday",
            value("from", "`from` cannot be `yesterday`: write 2026-11-22 or 2026-11-22T10:00:00Z."),
        ),
        ("blinds?open=yes", value("open", "`open` cannot be `yes`: write true or false.")),
        ("blinds?place=a", value("place", "`place` cannot be `a`: write a whole number from 0.")),
        (
            "gaps?cause=weather",
            value(
                "cause",
                "`cause` cannot be `weather`: write one of no_coverage, site_down, \
            backhaul, remote, power, device, sim, bearer, plan, unknown.",
            ),
        ),
        ("hamlets?grade=bad", value("grade", "`grade` cannot be `bad`: write one of unknown, dead, weak, good.")),
        (
            "hamlets?area=nowhere",
            value(
                "area",
                "`area` cannot be `nowhere`: write the code of an area that is valid now; GET /api/v1/areas lists them.",
            ),
        ),
        (
            "hamlets?area=old",
            value(
                "area",
                "`area` cannot be `old`: write the code of an area that is valid now; GET /api/v1/areas lists them.",
            ),
        ),
        (
            "gaps?area=nowhere",
            value("area", "`area` cannot be `nowhere`: write the code of an area; GET /api/v1/areas lists them."),
        ),
        ("dead-letters?probe=N%C3%A0", value("probe", "`probe` cannot be `Nà`: write 1 to 32 of a-z, 0-9 and '-'.")),
        ("gaps?cursor=!", bad("bad-cursor", "Bad cursor", "cursor", cursor)),
        (others.as_str(), bad("bad-cursor", "Bad cursor", "cursor", cursor)),
        ("probes/nobody", missing("There is no probe `nobody`; GET /api/v1/probes lists those that are.")),
        ("hamlets/td", missing("There is no hamlet `td`; GET /api/v1/hamlets lists those that are.")),
        (
            "nothing",
            json!({"type": "about:blank", "title": "There is nothing here", "status": 404,
            "detail": "GET /openapi.json lists what there is."}),
        ),
    ];
    all.map(|(path, wanted)| (path.to_owned(), wanted)).into()
}

#[test]
fn a_bad_question_is_answered_with_what_would_be_right() {
    let commune = Commune::new();
    let gaps = commune.found("/api/v1/gaps?limit=1")["next_cursor"].as_str().expect("more").to_owned();
    for (path, wanted) in bad_questions(&gaps) {
        let reply = commune.get(&format!("/api/v1/{path}"));
        assert_eq!(reply.json(), wanted, "{path}");
        assert_eq!(json!(reply.status), wanted["status"], "{path}");
        assert_eq!(reply.header("content-type"), "application/problem+json", "{path}");
    }
    let post = Request::post("/api/v1/gaps").body(Body::empty()).expect("a request");
    let refused = commune.ask(post);
    assert_eq!((refused.status, &refused.json()["title"]), (405, &json!("Only GET")));
}

#[test]
fn where_a_token_is_configured_the_api_and_its_document_ask_for_it() {
    let commune = Commune::new().with_token("0123456789abcdef");
    for path in ["/api/v1/hamlets", "/api/v1/nothing", "/openapi.json"] {
        let reply = commune.get(path);
        assert_eq!((reply.status, reply.header("www-authenticate")), (401, "Bearer"), "{path}");
        let request = Request::get(path).header("authorization", "Bearer 0123456789abcdef").body(Body::empty());
        assert_ne!(commune.ask(request.expect("a request")).status, 401, "{path}");
    }
}

/// Lets no field pass that the schema does not name.
fn close(schema: &mut Value) {
    if let Some(object) = schema.as_object_mut() {
        if object.contains_key("properties") {
            object.insert("additionalProperties".into(), json!(false));
        }
        object.values_mut().for_each(close);
    } else if let Some(list) = schema.as_array_mut() {
        list.iter_mut().for_each(close);
    }
}

#[test]
fn every_route_stands_in_the_document_and_answers_as_it_says() {
    let commune = Commune::new();
    let document = commune.found("/openapi.json");
    let mut components = document["components"].clone();
    close(&mut components);
    let ids: Map<String, Value> =
        [("{code}", "nc"), ("{id}", "na-chen-1")].map(|(part, id)| (part.to_owned(), json!(id))).into_iter().collect();
    let check = |path: &str, operation: &Value| {
        let reply = commune.get(path);
        let kind = reply.header("content-type").split(';').next().unwrap_or_default();
        let schema = &operation["responses"][reply.status.to_string()]["content"][kind]["schema"];
        assert!(schema.is_object(), "{path} answers {} {kind}, which is not documented", reply.status);
        if kind == "text/plain" {
            return;
        }
        let mut whole = schema.clone();
        whole["components"] = components.clone();
        let validator = jsonschema::validator_for(&whole).unwrap_or_else(|e| panic!("{path}: {e}"));
        let answer = reply.json();
        let wrong: Vec<String> =
            validator.iter_errors(&answer).map(|e| format!("{} at {}", e, e.instance_path())).collect();
        assert!(wrong.is_empty(), "{path}: {wrong:#?}");
        if reply.status == 200 && path.starts_with("/api/") {
            assert_eq!(reply.header("cache-control"), "no-store", "{path}");
        }
    };
    let mut asked = 0;
    for (path, operation) in routes(&document) {
        // Answers without an end are held by tests/web.rs.
        let endless = operation.pointer("/responses/200/content/text~1event-stream").is_some();
        let real = ids.iter().fold(path.clone(), |path, (part, id)| path.replace(part, id.as_str().expect("text")));
        if !endless {
            check(&real, &operation);
        }
        check(&format!("{real}?nonsense=1"), &operation);
        if path != real {
            check(&path.replace(['{', '}'], ""), &operation);
        }
        asked += 1;
    }
    assert_eq!(asked, 21);
}

#[test]
fn the_guide_explains_every_route_and_every_parameter() {
    let guide = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/api.md");
    let guide = std::fs::read_to_string(guide).expect("it is part of the source");
    let document = Commune::ground().found("/openapi.json");
    let mut missing = Vec::new();
    for (path, operation) in routes(&document) {
        if !guide.contains(&format!("`GET {path}`")) {
            missing.push(path.clone());
        }
        let untold = parameters(&operation).into_iter().filter(|name| !guide.contains(&format!("`{name}`")));
        missing.extend(untold.map(|name| format!("{path}?{name}=")));
    }
    assert!(missing.is_empty(), "docs/api.md says nothing of {missing:#?}");
}
