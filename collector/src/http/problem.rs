//! Errors at HTTP as RFC 9457 problems: what the caller may know, and nothing of the inside.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

#[derive(Debug, Clone, Copy)]
pub struct Problem {
    status: StatusCode,
    title: &'static str,
    detail: &'static str,
}

impl Problem {
    pub fn unauthorised() -> Self {
        let detail = "Send the header `Authorization: Bearer <http.token of the collector's configuration>`.";
        Problem { status: StatusCode::UNAUTHORIZED, title: "A token is needed", detail }
    }

    pub fn not_found() -> Self {
        let detail = "There are /healthz, /readyz and /metrics.";
        Problem { status: StatusCode::NOT_FOUND, title: "There is nothing here", detail }
    }

    pub fn method_not_allowed() -> Self {
        let detail = "Everything here is read with GET.";
        Problem { status: StatusCode::METHOD_NOT_ALLOWED, title: "Only GET", detail }
    }

    pub fn internal() -> Self {
        let detail = "The collector's log says why.";
        Problem { status: StatusCode::INTERNAL_SERVER_ERROR, title: "The collector could not answer", detail }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = json!({
            "type": "about:blank",
            "title": self.title,
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        let mut response = (self.status, body.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        }
        response
    }
}
