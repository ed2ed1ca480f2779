//! A password on the wire: written there in the clear (TLS hides it), and never into a log.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A password. Its `Debug` says nothing; [`Secret::reveal`] says it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
