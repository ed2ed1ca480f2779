//! `/`: the web page, out of the binary.
//!
//! In: GET for the page and its assets. Out: the files of `web/dist` as they were embedded, gzipped for whoever takes
//! that. Refuses to know what the page shows; it asks the API like anybody else. No token is needed here: the page asks
//! its reader for one. Built without the page, it says so and how to build it.

use super::Sources;
use super::problem::Problem;
use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use rust_embed::{EmbeddedFile, RustEmbed};

/// What `make web` made; empty where it was not run.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Dist;

/// Everything from this very server: no other one is ever asked. Scripts, styles and workers are files; pictures are made
/// on the spot (`blob:`) or stand in the library's style sheet (`data:`).
const POLICY: &str = "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; \
     img-src 'self' data: blob:; connect-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Names of assets hold their hash: what has this name never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";
/// To be asked for each time, so that a new collector shows its own page.
const ASK_AGAIN: &str = "no-cache";

const NO_PAGE: &str = "<!doctype html>\n<html lang=\"vi\"><meta charset=\"utf-8\"><title>Phủ Sóng</title>\n\
     <p>Bộ thu này được biên dịch không kèm trang web. Chạy <code>make web build</code> trong mã nguồn (cần Node.js và \
     npm) rồi khởi động lại. API vẫn dùng được: <a href=\"/openapi.json\">/openapi.json</a>.</p>\n\
     <p lang=\"en\">This collector was built without its web page. Run <code>make web build</code> in the source (it \
     needs Node.js and npm) and start it again. The API works: <a href=\"/openapi.json\">/openapi.json</a>.</p>\n";

/// The page's routes; to be merged outside of what asks for a token.
pub fn routes() -> Router<Sources> {
    Router::new().route("/", get(index)).route("/favicon.svg", get(favicon)).route("/assets/{name}", get(asset))
}

async fn index(headers: HeaderMap) -> Response {
    Dist::get("index.html").map_or_else(no_page, |page| file("index.html", page, &headers, ASK_AGAIN))
}

fn no_page() -> Response {
    guarded((StatusCode::NOT_IMPLEMENTED, of_type(content_type("index.html")), NO_PAGE).into_response())
}

async fn favicon(headers: HeaderMap) -> Response {
    found("favicon.svg", &headers, ASK_AGAIN)
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    found(&format!("assets/{name}"), &headers, FOR_EVER)
}

fn found(name: &str, headers: &HeaderMap, keep: &'static str) -> Response {
    // The packed form has no address of its own.
    match Dist::get(name).filter(|_| !name.ends_with(".gz")) {
        Some(found) => file(name, found, headers, keep),
        None => Problem::not_found().into_response(),
    }
}

fn file(name: &str, plain: EmbeddedFile, asked: &HeaderMap, keep: &'static str) -> Response {
    let tag = tag(&plain);
    let known = asked.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let mut response = if known.is_some_and(|known| known.split(',').any(|one| one.trim() == tag)) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body(name, plain, asked)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hexadecimal digits in quotes"));
    guarded(response)
}

fn body(name: &str, plain: EmbeddedFile, asked: &HeaderMap) -> Response {
    let packed = Dist::get(&format!("{name}.gz")).filter(|_| takes_gzip(asked));
    match packed {
        Some(packed) => {
            let encoding = [(header::CONTENT_ENCODING, "gzip")];
            (of_type(content_type(name)), encoding, packed.data).into_response()
        }
        None => (of_type(content_type(name)), plain.data).into_response(),
    }
}

/// Weak: the packed and the plain form share it.
fn tag(file: &EmbeddedFile) -> String {
    let digits = file.metadata.sha256_hash()[..12].iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("W/\"{digits}\"")
}

/// Whether gzip is among what is accepted, and not with a weight of nothing.
fn takes_gzip(asked: &HeaderMap) -> bool {
    let accepted = asked.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|one| {
        let (name, weight) = one.split_once(';').unwrap_or((one, ""));
        let refused = weight.trim().strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
        ["gzip", "*"].contains(&name.trim()) && !refused
    })
}

fn of_type(kind: &'static str) -> [(header::HeaderName, &'static str); 1] {
    [(header::CONTENT_TYPE, kind)]
}

/// Browsers run a module, and a worker, only when it is said to be JavaScript.
fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// What a browser must not do with it.
fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn built_without_the_page_it_says_so_in_both_languages_and_how_to_build_it() {
        let answer = no_page();
        assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/html; charset=utf-8");
        let body = axum::body::to_bytes(answer.into_body(), 4_096).await.expect("it is in memory");
        let body = String::from_utf8_lossy(&body);
        assert!(body.contains("không kèm trang web") && body.contains("without its web page"), "{body}");
        assert_eq!(body.matches("make web build").count(), 2);
    }

    #[test]
    fn gzip_goes_to_whoever_takes_it_and_to_nobody_else() {
        for (asked, wanted) in [
            (Some("gzip, deflate, br, zstd"), true),
            (Some("br;q=1.0, gzip;q=0.8"), true),
            (Some("*"), true),
            (Some("gzip;q=0"), false),
            (Some("br"), false),
            (Some(""), false),
            (None, false),
        ] {
            let mut headers = HeaderMap::new();
            asked.into_iter().for_each(|value| {
                headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            });
            assert_eq!(takes_gzip(&headers), wanted, "{asked:?}");
        }
    }
}
