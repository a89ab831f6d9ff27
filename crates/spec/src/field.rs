//! A field of the cluster file: a value that may be missing or wrong, and its place.

use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, MapAccess, Visitor};
use serde::{Serialize, Serializer};

use crate::report::{Located, Place};

/// Name by which [`crate::decode`] knows that a place is wanted with the value.
pub(crate) const FIELD: &str = "$barque::Field";
/// Name by which [`crate::decode`] knows that any scalar is taken as written.
pub(crate) const TEXT: &str = "$barque::Text";

/// A field. Decoding one never fails: a value of the wrong type leaves `value` empty, and [`crate::structure`] has reported it.
#[derive(Debug, Clone)]
pub(crate) struct Field<T> {
    /// The value.
    pub(crate) value: Option<T>,
    /// Its place; `None` when the field is not in the file.
    pub(crate) place: Option<Place>,
    /// Place of its key; that of the value when it has none (an entry of a list).
    pub(crate) key: Option<Place>,
}

impl<T> Default for Field<T> {
    fn default() -> Self {
        Self { value: None, place: None, key: None }
    }
}

impl<T> Field<T> {
    /// Whether there is no value (used to keep it out of the schema's defaults).
    pub(crate) fn is_absent(&self) -> bool {
        self.value.is_none()
    }

    /// The value with its place, or with `parent` when it is a default.
    pub(crate) fn located(self, parent: Place) -> Option<Located<T>> {
        let place = self.place.unwrap_or(parent);
        self.value.map(|value| Located { value, place })
    }

    /// The value, borrowed, with its place, or with `parent` when it is a default.
    pub(crate) fn at(&self, parent: Place) -> Option<Located<&T>> {
        self.value.as_ref().map(|value| Located { value, place: self.place.unwrap_or(parent) })
    }
}

impl<T: DeserializeOwned> Field<T> {
    /// The section with its place; one that is missing or wrong counts as empty.
    pub(crate) fn section(self, parent: Place) -> Option<Located<T>> {
        let place = self.place.unwrap_or(parent);
        self.value.or_else(empty).map(|value| Located { value, place })
    }
}

/// A default for `serde`.
pub(crate) fn default<T, U: Into<T>>(value: U) -> Field<T> {
    Field { value: Some(value.into()), place: None, key: None }
}

/// A section of which every field has its default.
pub(crate) fn empty<T: DeserializeOwned>() -> Option<T> {
    let nothing = std::iter::empty::<(&str, &str)>();
    T::deserialize(MapDeserializer::<_, serde::de::value::Error>::new(nothing)).ok()
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // `Option` is what makes serde supply a missing field without `#[serde(default)]`, which would make it optional in the schema.
        deserializer.deserialize_option(FieldVisitor(PhantomData))
    }
}

struct FieldVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for FieldVisitor<T> {
    type Value = Field<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(Field::default())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_struct(FIELD, &["place", "key", "value"], self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut number = || -> Result<u32, A::Error> { map.next_entry::<String, u32>().map(|entry| entry.map_or(1, |(_, number)| number)) };
        let place = Place { line: number()?, column: number()?, width: number()? };
        let key = Place { line: number()?, column: number()?, width: number()? };
        let value = map.next_entry::<String, T>().ok().flatten().map(|(_, value)| value);
        Ok(Field { value, place: Some(place), key: Some(key) })
    }
}

impl<T: Serialize> Serialize for Field<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Field<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        T::schema_id()
    }

    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// A scalar of any type, as written: `30`, `true` and `"30"` are all texts here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) String);

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TEXT, TextVisitor)
    }
}

struct TextVisitor;

impl Visitor<'_> for TextVisitor {
    type Value = Text;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, a number, `true` or `false`")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(text.to_owned()))
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}
