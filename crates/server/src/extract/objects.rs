//! JSON as the interface means it, where serde sees it otherwise. It takes an array for a struct's values in their order, at any
//! depth: there is no such form, and a client that sends one has made a mistake. And it refuses `5.0` for a whole number,
//! which JSON does not tell from `5`.

use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};
use std::fmt;

/// Reads as what it wraps does, but for arrays in place of objects, and whole numbers with a point.
pub(super) struct Strict<T>(pub(super) T);

/// What a visitor wants.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Struct,
    Integer,
    Other,
}

/// A visitor of what it wants.
struct Seen<V>(V, Wanted);

const fn any<V>(visitor: V) -> Seen<V> {
    Seen(visitor, Wanted::Other)
}

/// 2⁶³: all whole numbers nearer to 0 that a float can be are within 64 bits. Its negative is as well, but so is told of integers
/// beyond, which are floats here already.
const END: f64 = 9_223_372_036_854_775_808.0;

macro_rules! forward {
    ($wanted:ident: $($method:ident($($arg:ident: $type:ty),*);)+) => {
        $(fn $method<V: Visitor<'de>>(self, $($arg: $type,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($arg,)* Seen(visitor, Wanted::$wanted))
        })+
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Strict<D> {
    type Error = D::Error;

    forward! { Integer:
        deserialize_i8();
        deserialize_i16();
        deserialize_i32();
        deserialize_i64();
        deserialize_i128();
        deserialize_u8();
        deserialize_u16();
        deserialize_u32();
        deserialize_u64();
        deserialize_u128();
    }

    forward! { Struct:
        deserialize_struct(name: &'static str, fields: &'static [&'static str]);
    }

    forward! { Other:
        deserialize_any();
        deserialize_bool();
        deserialize_f32();
        deserialize_f64();
        deserialize_char();
        deserialize_str();
        deserialize_string();
        deserialize_bytes();
        deserialize_byte_buf();
        deserialize_option();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_newtype_struct(name: &'static str);
        deserialize_seq();
        deserialize_tuple(len: usize);
        deserialize_tuple_struct(name: &'static str, len: usize);
        deserialize_map();
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
        deserialize_identifier();
        deserialize_ignored_any();
    }

    fn is_human_readable(&self) -> bool {
        self.0.is_human_readable()
    }
}

macro_rules! forward_values {
    ($($method:ident: $type:ty;)+) => {
        $(fn $method<E: Error>(self, value: $type) -> Result<V::Value, E> {
            self.0.$method(value)
        })+
    };
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Seen<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.1 == Wanted::Struct { f.write_str("an object") } else { self.0.expecting(f) }
    }

    forward_values! {
        visit_bool: bool;
        visit_i64: i64;
        visit_i128: i128;
        visit_u64: u64;
        visit_u128: u128;
        visit_str: &str;
        visit_borrowed_str: &'de str;
        visit_string: String;
        visit_bytes: &[u8];
        visit_borrowed_bytes: &'de [u8];
        visit_byte_buf: Vec<u8>;
    }

    #[allow(clippy::cast_possible_truncation, reason = "it is whole and within the range")]
    fn visit_f64<E: Error>(self, value: f64) -> Result<V::Value, E> {
        let is_whole = self.1 == Wanted::Integer && value.fract() == 0.0 && value.abs() < END;
        if is_whole { self.0.visit_i64(value as i64) } else { self.0.visit_f64(value) }
    }

    fn visit_none<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Strict(value))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, value: D) -> Result<V::Value, D::Error> {
        self.0.visit_newtype_struct(Strict(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<V::Value, A::Error> {
        if self.1 == Wanted::Struct {
            return Err(A::Error::invalid_type(Unexpected::Other("an array"), &"an object"));
        }
        self.0.visit_seq(Strict(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Strict(fields))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, value: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(Strict(value))
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Strict<S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<S::Value, D::Error> {
        self.0.deserialize(Strict(from))
    }
}

impl<'de, A: SeqAccess<'de>> SeqAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_element_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.0.next_value_seed(Strict(seed))
    }

    fn size_hint(&self) -> Option<usize> {
        self.0.size_hint()
    }
}

impl<'de, A: EnumAccess<'de>> EnumAccess<'de> for Strict<A> {
    type Error = A::Error;
    type Variant = Strict<A::Variant>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self::Variant), A::Error> {
        let (value, variant) = self.0.variant_seed(seed)?;
        Ok((value, Strict(variant)))
    }
}

impl<'de, A: VariantAccess<'de>> VariantAccess<'de> for Strict<A> {
    type Error = A::Error;

    fn unit_variant(self) -> Result<(), A::Error> {
        self.0.unit_variant()
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, A::Error> {
        self.0.newtype_variant_seed(Strict(seed))
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, A::Error> {
        self.0.tuple_variant(len, any(visitor))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, A::Error> {
        self.0.struct_variant(fields, Seen(visitor, Wanted::Struct))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default)]
    struct Inner {
        a: i64,
        any: Option<serde_json::Value>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Outer {
        one: Option<Inner>,
        #[serde(default)]
        many: Vec<Inner>,
    }

    fn read(text: &str) -> Result<Outer, serde_json::Error> {
        Outer::deserialize(Strict(&mut serde_json::Deserializer::from_str(text)))
    }

    #[test]
    fn an_array_is_no_object_at_any_depth() {
        for text in ["[null, []]", r#"{"one": []}"#, r#"{"one": [1]}"#, r#"{"many": [{}, [2]]}"#] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with("invalid type: an array, expected an object"), "{text}: {error}");
        }
    }

    #[test]
    fn a_whole_number_may_have_a_point() {
        let a = |text: &str| read(&format!(r#"{{"one": {{"a": {text}}}}}"#)).map(|read| read.one.unwrap().a);
        assert_eq!(a("5.0").unwrap(), 5);
        assert_eq!(a("-5e2").unwrap(), -500);
        assert_eq!(a("-9223372036854774784.0").unwrap(), -9_223_372_036_854_774_784);
        assert_eq!(a("-9223372036854775808").unwrap(), i64::MIN);
        for text in ["5.5", "1e300", "9223372036854775808.0", "-9223372036854775809"] {
            assert!(a(text).is_err(), "{text}");
        }
    }

    #[test]
    fn all_else_reads_as_ever() {
        let text = r#"{"one": {"a": 1, "any": [1, {"b": [[]]}]}, "many": [{"a": 2}]}"#;
        assert_eq!(read(text).unwrap(), serde_json::from_str(text).unwrap());
        assert_eq!(read(r#"{"one": null}"#).unwrap(), Outer { one: None, many: Vec::new() });
    }
}
