//! What a request asks: its query parameters, checked one by one.
//!
//! In: the query string. Out: the type that the documentation is made of too, so that what is documented is what is
//! taken; or a problem that names the parameter and what would be right.

use super::page::{self, Cursor};
use super::when;
use crate::http::problem::Problem;
use axum::extract::{FromRequestParts, Path, Query};
use axum::http::request::Parts;
use std::collections::BTreeMap;
use utoipa::IntoParams;

/// Items of an answer where nothing else is asked for, and at most.
pub const LIMIT: usize = 100;
pub const LIMIT_MAX: usize = 1_000;
/// Bytes of a value.
const VALUE_BYTES: usize = 512;

/// The parameters as they were given, each once.
#[derive(Debug, Default)]
pub struct Given(BTreeMap<String, String>);

/// A documented set of parameters.
pub trait Question: IntoParams + Sized {
    fn read(given: &Given) -> Result<Self, Problem>;
}

/// The checked parameters of a request.
pub struct Asked<T>(pub T);

/// The last part of the path.
pub struct Named(pub String);

/// For routes without parameters.
#[derive(Debug, IntoParams)]
pub struct Nothing {}

impl Question for Nothing {
    fn read(_: &Given) -> Result<Self, Problem> {
        Ok(Nothing {})
    }
}

impl<S: Send + Sync, T: Question> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri);
        let Query(pairs) = pairs.map_err(|_| Problem::bad_value("?", "", "write name=value pairs, percent-encoded"))?;
        let known: Vec<String> = T::into_params(|| None).into_iter().map(|parameter| parameter.name).collect();
        let mut given = Given::default();
        for (name, value) in pairs {
            if !known.contains(&name) {
                return Err(Problem::unknown_parameter(&name.chars().take(64).collect::<String>(), &known));
            }
            if value.len() > VALUE_BYTES {
                return Err(Problem::bad_value(&name, &value, "at most 512 bytes are allowed"));
            }
            if given.0.insert(name.clone(), value.clone()).is_some() {
                return Err(Problem::bad_value(&name, &value, "give it once"));
            }
        }
        T::read(&given).map(Asked)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| Problem::not_found())?;
        Ok(Named(name))
    }
}

impl Given {
    /// As it stands; an empty one is none.
    pub fn text(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }

    /// Also an empty one.
    pub fn raw(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// What `read` makes of it; `right` says what it takes.
    pub fn parsed<T>(
        &self,
        name: &str,
        right: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.raw(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| Problem::bad_value(name, value, right))
    }

    pub fn moment(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.parsed(name, "write 2026-11-22 or 2026-11-22T10:00:00Z", when::parse)
    }

    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        self.parsed(name, "write true or false", |value| value.parse().ok())
    }

    pub fn one_of(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let right = format!("write one of {}", words.join(", "));
        self.parsed(name, &right, |value| words.iter().find(|word| **word == value).copied())
    }

    pub fn id(&self, name: &str) -> Result<Option<i64>, Problem> {
        self.parsed(name, "write a whole number from 0", |value| value.parse().ok().filter(|id| *id >= 0))
    }

    pub fn limit(&self) -> Result<usize, Problem> {
        let in_range = |value: &str| value.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        Ok(self.parsed("limit", "write a whole number from 1 to 1000", in_range)?.unwrap_or(LIMIT))
    }

    /// The cursor, if it is one of this list.
    pub fn cursor<T: Cursor>(&self, list: &str) -> Result<Option<T>, Problem> {
        self.raw("cursor").map(|text| page::decode(list, text).ok_or_else(Problem::bad_cursor)).transpose()
    }
}
