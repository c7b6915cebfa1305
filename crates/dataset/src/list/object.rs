//! The members asked for of one JSON object, without building the others.

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The most keys that are collected for a message.
const MAX_KEYS: usize = 64;

/// What was found.
pub(super) struct Members<'a> {
    /// One for each name asked for. Of a repeated key the last counts.
    pub(super) values: Vec<Option<Value<'a>>>,
    /// The first keys, if they were asked for.
    pub(super) keys: Vec<String>,
}

/// A value as the text has it.
pub(super) struct Value<'a>(&'a RawValue);

impl Value<'_> {
    pub(super) fn is_string(&self) -> bool {
        self.0.get().starts_with('"')
    }

    /// A string's text, `None` for `null`, and the JSON text of anything else.
    pub(super) fn text(&self) -> Result<Option<String>, String> {
        match self.0.get() {
            "null" => Ok(None),
            text if text.starts_with('"') => serde_json::from_str(text).map(Some).map_err(|e| not_json(&e)),
            text => Ok(Some(text.to_owned())),
        }
    }
}

/// Reads an object; answers what is wrong with the text if it is none.
pub(super) fn read_members<'a>(
    text: &'a str,
    names: &[String],
    wants_keys: bool,
) -> Result<Members<'a>, String> {
    let mut json = serde_json::Deserializer::from_str(text);
    let object = Object { names, wants_keys };
    let members = object.deserialize(&mut json).and_then(|members| json.end().map(|()| members));
    members.map_err(|e| not_json(&e))
}

fn not_json(error: &serde_json::Error) -> String {
    let message = error.to_string().replace(" at line 1 column ", " at column ");
    format!("not a JSON object: {message}")
}

struct Object<'n> {
    names: &'n [String],
    wants_keys: bool,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Members<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = std::iter::repeat_with(|| None).take(self.names.len()).collect::<Vec<_>>();
        let mut keys = Vec::new();
        while let Some(found) =
            map.next_key_seed(Key { names: self.names, keys: self.wants_keys.then_some(&mut keys) })?
        {
            match found {
                Some(at) => values[at] = Some(Value(map.next_value()?)),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(Members { values, keys })
    }
}

/// A key's position among the names.
struct Key<'n, 'k> {
    names: &'n [String],
    keys: Option<&'k mut Vec<String>>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        if let Some(keys) = self.keys
            && keys.len() < MAX_KEYS
        {
            keys.push(key.to_owned());
        }
        Ok(self.names.iter().position(|name| name == key))
    }
}
