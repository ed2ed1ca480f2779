//! Pages of a list and the cursors between them.
//!
//! A cursor holds where the page before ended: nothing is kept for it here, and rows that come later never shift it.
//! To callers it is opaque. Each names its list, so that one of another list is refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T: ToSchema> {
    pub items: Vec<T>,
    /// For `?cursor=`: where the list goes on; null at its end.
    pub next_cursor: Option<String>,
}

/// A position in a list, as text without a line feed.
pub trait Cursor: Sized {
    fn write(&self) -> String;
    fn read(text: &str) -> Option<Self>;
}

/// By a name.
impl Cursor for String {
    fn write(&self) -> String {
        self.clone()
    }

    fn read(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

/// By a row.
impl Cursor for i64 {
    fn write(&self) -> String {
        self.to_string()
    }

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

/// By a moment and a row or key.
impl Cursor for (i64, i64) {
    fn write(&self) -> String {
        format!("{} {}", self.0, self.1)
    }

    fn read(text: &str) -> Option<Self> {
        let (first, second) = text.split_once(' ')?;
        Some((first.parse().ok()?, second.parse().ok()?))
    }
}

pub fn encode(list: &str, at: &impl Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}\n{}", at.write()))
}

pub fn decode<T: Cursor>(list: &str, text: &str) -> Option<T> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (of, at) = text.split_once('\n')?;
    if of == list { T::read(at) } else { None }
}

impl<T: ToSchema> Page<T> {
    /// Of rows of which one more than `limit` was asked for; `at` says where a row stands.
    pub fn of<R, C: Cursor>(
        list: &str,
        mut rows: Vec<R>,
        limit: usize,
        at: impl Fn(&R) -> C,
        item: impl FnMut(R) -> T,
    ) -> Self {
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next_cursor = rows.last().filter(|_| more).map(|row| encode(list, &at(row)));
        Page { items: rows.into_iter().map(item).collect(), next_cursor }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_by_its_own_list_only() {
        let text = encode("gaps", &(-5i64, i64::MAX));
        assert_eq!(decode("gaps", &text), Some((-5i64, i64::MAX)));
        assert_eq!(decode::<(i64, i64)>("blinds", &text), None);
        assert_eq!(decode::<(i64, i64)>("gaps", &encode("gaps", &"đ".to_owned())), None);
        assert_eq!(decode("areas", &encode("areas", &"thôn Đắk".to_owned())), Some("thôn Đắk".to_owned()));
        for bad in ["", "!", "Z2Fwcw", "đ"] {
            assert_eq!(decode::<i64>("gaps", bad), None, "{bad}");
        }
    }
}
