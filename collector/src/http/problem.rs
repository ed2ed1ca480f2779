//! Errors at HTTP as RFC 9457 problems: what the caller may know, and nothing of the inside.
//!
//! Problems of a question name the parameter and what would be right. Their `type` is a name under [`TYPES`] that
//! programs may compare; those of HTTP itself are `about:blank`.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::borrow::Cow;
use utoipa::{IntoResponses, ToSchema};

/// What the types of our own problems begin with.
const TYPES: &str = "urn:phusong:problem:";

#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    /// Absent: `about:blank`.
    kind: Option<&'static str>,
    title: &'static str,
    detail: Cow<'static, str>,
    parameter: Option<String>,
}

/// The body of a problem (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// `about:blank`, or a name that programs may compare.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: &'static str,
    pub status: u16,
    /// A sentence for a person: what is wrong and what would be right.
    pub detail: String,
    /// The parameter that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
}

/// The problems that every route may answer with.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "it is the documentation of [`Problem`] and is read by its derive alone")]
pub enum Problems {
    /// An unknown parameter, a bad value, a bad cursor.
    #[response(status = 400, content_type = "application/problem+json")]
    Question(ProblemBody),
    /// A token is needed.
    #[response(status = 401, content_type = "application/problem+json")]
    Token(ProblemBody),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    Absent(ProblemBody),
    /// The collector could not answer; its log says why.
    #[response(status = 500, content_type = "application/problem+json")]
    Internal(ProblemBody),
}

impl Problem {
    pub fn unauthorised() -> Self {
        let detail = "Send the header `Authorization: Bearer <http.token of the collector's configuration>`.";
        Self::of_http(StatusCode::UNAUTHORIZED, "A token is needed", detail)
    }

    pub fn not_found() -> Self {
        let detail = "GET /openapi.json lists what there is.";
        Self::of_http(StatusCode::NOT_FOUND, "There is nothing here", detail)
    }

    pub fn method_not_allowed() -> Self {
        let detail = "Everything here is read with GET.";
        Self::of_http(StatusCode::METHOD_NOT_ALLOWED, "Only GET", detail)
    }

    pub fn busy() -> Self {
        let detail = "As many bandwidth tests run as are allowed at once; ask again after `Retry-After` seconds.";
        Self::of_http(StatusCode::SERVICE_UNAVAILABLE, "Too many tests at once", detail)
    }

    pub fn used_up() -> Self {
        let detail = "This address has had its bytes or its time; ask again after `Retry-After` seconds.";
        Self::of_http(StatusCode::TOO_MANY_REQUESTS, "Enough for this hour", detail)
    }

    pub fn internal() -> Self {
        let detail = "The collector's log says why.";
        Self::of_http(StatusCode::INTERNAL_SERVER_ERROR, "The collector could not answer", detail)
    }

    /// Every listener's place at the events is taken.
    pub fn no_seat() -> Self {
        let detail =
            "As many listeners as can be served are connected; ask again in a minute, or poll /api/v1/changes.";
        Self::of_http(StatusCode::SERVICE_UNAVAILABLE, "Too many listeners", detail)
    }

    /// `known`: the parameters that there are.
    pub fn unknown_parameter(name: &str, known: &[String]) -> Self {
        let detail = match known {
            [] => format!("`{name}` is no parameter of this route; it takes none."),
            known => format!("`{name}` is no parameter of this route; it takes {}.", known.join(", ")),
        };
        Self::of_question("unknown-parameter", "Unknown parameter", detail, Some(name))
    }

    /// `right`: what would be right, as "write true or false".
    pub fn bad_value(name: &str, value: &str, right: &str) -> Self {
        let value: String = value.chars().take(64).collect();
        Self::of_question("bad-value", "Bad value", format!("`{name}` cannot be `{value}`: {right}."), Some(name))
    }

    pub fn bad_cursor() -> Self {
        let detail = "A cursor is `next_cursor` of an answer of this route, unchanged; leave it out to begin anew.";
        Self::of_question("bad-cursor", "Bad cursor", detail.into(), Some("cursor"))
    }

    /// `what`: "probe", "hamlet".
    pub fn no_such(what: &str, id: &str, listed: &str) -> Self {
        let id: String = id.chars().take(64).collect();
        let detail = format!("There is no {what} `{id}`; GET {listed} lists those that are.");
        Problem { status: StatusCode::NOT_FOUND, ..Self::of_question("not-found", "Not found", detail, None) }
    }

    fn of_http(status: StatusCode, title: &'static str, detail: &'static str) -> Self {
        Problem { status, kind: None, title, detail: detail.into(), parameter: None }
    }

    fn of_question(kind: &'static str, title: &'static str, detail: String, parameter: Option<&str>) -> Self {
        let parameter = parameter.map(str::to_owned);
        Problem { status: StatusCode::BAD_REQUEST, kind: Some(kind), title, detail: detail.into(), parameter }
    }

    fn body(self) -> ProblemBody {
        ProblemBody {
            kind: self.kind.map_or_else(|| "about:blank".to_owned(), |kind| format!("{TYPES}{kind}")),
            title: self.title,
            status: self.status.as_u16(),
            detail: self.detail.into_owned(),
            parameter: self.parameter,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status;
        let body = serde_json::to_string(&self.body()).expect("texts and a number can be written");
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
