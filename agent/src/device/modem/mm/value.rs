//! What D-Bus carries, as plain values.
//!
//! In: variants off the wire. Out: [`Value`]s and [`Props`] with typed looks at them. Refuses to know: what any of them
//! means. Limits: what has another type than the one asked for is absent, as what is not there at all.

use std::collections::BTreeMap;
use zbus::{OwnedVariant, Variant};

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Bool(bool),
    Int(i64),
    Real(f64),
    /// Texts, object paths, signatures.
    Text(String),
    /// Arrays and structures.
    List(Vec<Value>),
    Map(Vec<(Value, Value)>),
    /// Descriptors: nothing of ModemManager's is one.
    Other,
}

/// Properties of an interface, or any dictionary of texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Props(pub BTreeMap<String, Value>);

impl From<&Variant<'_>> for Value {
    fn from(variant: &Variant<'_>) -> Self {
        match variant {
            Variant::Bool(v) => Value::Bool(*v),
            Variant::U8(v) => Value::Int((*v).into()),
            Variant::I16(v) => Value::Int((*v).into()),
            Variant::U16(v) => Value::Int((*v).into()),
            Variant::I32(v) => Value::Int((*v).into()),
            Variant::U32(v) => Value::Int((*v).into()),
            Variant::I64(v) => Value::Int(*v),
            Variant::U64(v) => i64::try_from(*v).map_or(Value::Other, Value::Int),
            Variant::F64(v) => Value::Real(*v),
            Variant::Str(v) => Value::Text(v.to_string()),
            Variant::Signature(v) => Value::Text(v.to_string()),
            Variant::ObjectPath(v) => Value::Text(v.to_string()),
            Variant::Variant(inner) => Value::from(&**inner),
            Variant::Array(items) => Value::List(items.inner().iter().map(Value::from).collect()),
            Variant::Structure(fields) => Value::List(fields.fields().iter().map(Value::from).collect()),
            Variant::Dict(entries) => {
                Value::Map(entries.iter().map(|(key, value)| (Value::from(key), Value::from(value))).collect())
            }
            _ => Value::Other,
        }
    }
}

impl Value {
    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    pub fn int(&self) -> Option<i64> {
        match self {
            Value::Int(value) => Some(*value),
            _ => None,
        }
    }

    pub fn list(&self) -> &[Value] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// As a dictionary of texts.
    pub fn props(&self) -> Props {
        let Value::Map(entries) = self else { return Props::default() };
        let entries = entries.iter().filter_map(|(key, value)| Some((key.text()?.to_owned(), value.clone())));
        Props(entries.collect())
    }
}

impl Props {
    pub fn new(dictionary: impl IntoIterator<Item = (String, OwnedVariant)>) -> Self {
        Props(dictionary.into_iter().map(|(key, value)| (key, Value::from(&*value))).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// Empty texts are absent.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub fn owned(&self, key: &str) -> Option<String> {
        self.text(key).map(str::to_owned)
    }

    pub fn int(&self, key: &str) -> Option<i64> {
        self.get(key)?.int()
    }

    pub fn bits(&self, key: &str) -> u32 {
        self.int(key).and_then(|value| u32::try_from(value).ok()).unwrap_or(0)
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// Finite numbers alone.
    pub fn real(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Real(value) => Some(*value).filter(|value| value.is_finite()),
            Value::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    pub fn list(&self, key: &str) -> &[Value] {
        self.get(key).map_or(&[], Value::list)
    }

    /// An object's path; `/` is none.
    pub fn path(&self, key: &str) -> Option<&str> {
        self.text(key).filter(|path| *path != "/")
    }

    /// Takes what changed and forgets what was invalidated.
    pub fn take(&mut self, changed: Props, gone: &[String]) {
        self.0.extend(changed.0);
        gone.iter().for_each(|key| drop(self.0.remove(key)));
    }
}
