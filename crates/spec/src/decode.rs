//! From the tree to the types of `file`, through serde.

use serde::de::value::{Error, MapDeserializer, SeqDeserializer, StrDeserializer, U32Deserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, Visitor};
use serde::forward_to_deserialize_any;

use crate::field::{FIELD, TEXT};
use crate::scalar::ScalarKind;
use crate::yaml::{Content, Node};

/// Decodes `node`; `None` when it is not even a mapping. Fields of a wrong type are left empty.
pub(crate) fn decode<T: DeserializeOwned>(node: &Node) -> Option<T> {
    T::deserialize(Tree(node)).ok()
}

#[derive(Clone, Copy)]
struct Tree<'tree>(&'tree Node);

impl IntoDeserializer<'_> for Tree<'_> {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Tree<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0.content {
            Content::List(items) => visitor.visit_seq(SeqDeserializer::new(items.iter().map(Tree))),
            Content::Map(entries) => {
                visitor.visit_map(MapDeserializer::new(entries.iter().map(|(key, value)| (key.text.as_str(), Tree(value)))))
            }
            Content::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => visitor.visit_unit(),
                ScalarKind::Boolean(value) => visitor.visit_bool(value),
                ScalarKind::Integer(value) => visitor.visit_i64(value),
                ScalarKind::Number => visitor.visit_f64(scalar.text.parse().map_err(de::Error::custom)?),
                ScalarKind::Text => visitor.visit_str(&scalar.text),
            },
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_struct<V: Visitor<'de>>(self, name: &'static str, _: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        if name == FIELD { visitor.visit_map(WithPlace { node: self.0, next: 0 }) } else { self.deserialize_any(visitor) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Error> {
        match &self.0.content {
            Content::Scalar(scalar) if name == TEXT && scalar.kind != ScalarKind::Null => visitor.visit_str(&scalar.text),
            _ if name == TEXT => Err(de::Error::custom("not a scalar")),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match &self.0.content {
            Content::Scalar(scalar) => {
                let word: StrDeserializer<'_, Error> = scalar.text.as_str().into_deserializer();
                word.deserialize_enum(name, variants, visitor)
            }
            _ => Err(de::Error::custom("not a word")),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map
        identifier ignored_any
    }
}

/// Place of a node, place of its key (or its own again), and its value, in this order.
struct WithPlace<'tree> {
    node: &'tree Node,
    next: usize,
}

const NAMES: [&str; 7] = ["line", "column", "width", "keyLine", "keyColumn", "keyWidth", "value"];

impl<'de> MapAccess<'de> for WithPlace<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        let Some(name) = NAMES.get(self.next) else { return Ok(None) };
        let name: StrDeserializer<'_, Error> = (*name).into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        self.next += 1;
        let place = self.node.place;
        let key = self.node.key.unwrap_or(place);
        let number = |value: u32| -> U32Deserializer<Error> { value.into_deserializer() };
        match self.next {
            1 => seed.deserialize(number(place.line)),
            2 => seed.deserialize(number(place.column)),
            3 => seed.deserialize(number(place.width)),
            4 => seed.deserialize(number(key.line)),
            5 => seed.deserialize(number(key.column)),
            6 => seed.deserialize(number(key.width)),
            _ => seed.deserialize(Tree(self.node)),
        }
    }
}
