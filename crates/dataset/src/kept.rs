//! Columns of a list that go through to the output as they are.

use serde::{Deserialize, Serialize};

/// A column that the outputs repeat, by the name it has in the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptColumn {
    /// Its name in the list.
    pub name: String,
    /// What its values are.
    pub kind: KeptKind,
}

/// What the values of a kept column are. Every value may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptKind {
    /// UTF-8.
    Text,
    /// A signed 64-bit integer.
    Integer,
    /// A 64-bit float (IEEE 754).
    Float,
    /// True or false.
    Boolean,
}

/// One value of a kept column.
#[derive(Debug, Clone, PartialEq)]
pub enum KeptValue {
    /// Of a [`KeptKind::Text`] column.
    Text(String),
    /// Of a [`KeptKind::Integer`] column.
    Integer(i64),
    /// Of a [`KeptKind::Float`] column.
    Float(f64),
    /// Of a [`KeptKind::Boolean`] column.
    Boolean(bool),
}

impl KeptValue {
    /// The value in JSON. JSON has no infinity and no NaN (RFC 8259 section 6): they become `null`.
    pub fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Text(text) => text.as_str().into(),
            Self::Integer(integer) => (*integer).into(),
            Self::Float(float) => (*float).into(),
            Self::Boolean(boolean) => (*boolean).into(),
        }
    }

    /// The kind of column it belongs to.
    pub fn kind(&self) -> KeptKind {
        match self {
            Self::Text(_) => KeptKind::Text,
            Self::Integer(_) => KeptKind::Integer,
            Self::Float(_) => KeptKind::Float,
            Self::Boolean(_) => KeptKind::Boolean,
        }
    }
}
