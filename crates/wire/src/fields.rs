//! How the types of this crate are read from JSON.
//!
//! A derived `Deserialize` is compiled for each struct anew, and brings in whatever it takes to
//! say that a float was found where a text was wanted: a page that reads ten structs downloads
//! some 20 KB (Brotli) for it. Here one generic value is read for all of them, and each type picks
//! its fields. What is understood is the same: unknown fields are passed over, `null` is as good
//! as no value.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value, as far as the types of this crate need one.
pub(crate) enum Value {
    /// No value, `null`, or a number that counts nothing: negative, or with a fraction.
    Nothing,
    Bool(bool),
    Number(u64),
    Text(String),
    List(Vec<Value>),
    Fields(Fields),
}

/// A JSON object, opaque outside this crate.
pub struct Fields(Vec<(String, Value)>);

/// What [`from_json`] did not find: valid JSON, an object, or a field of its type.
#[derive(Debug)]
pub struct Misfit(&'static str);

/// Reads one of this crate's types. As `serde_json::from_str`, but compiled once for all of them.
pub fn from_json<T: TryFrom<Fields, Error = Misfit>>(json: &str) -> Result<T, Misfit> {
    T::try_from(parse(json)?)
}

fn parse(json: &str) -> Result<Fields, Misfit> {
    serde_json::from_str(json).map_err(|_| Misfit("JSON object"))
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`")?;
        f.write_str(self.0)?;
        f.write_str("` is missing or not of its type")
    }
}

impl Misfit {
    pub(crate) const fn of(name: &'static str) -> Self {
        Self(name)
    }
}

impl Fields {
    /// Whether there is a field of that name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(field, _)| field == name)
    }

    /// Takes a field's value out.
    pub(crate) fn take(&mut self, name: &str) -> Value {
        let place = self.0.iter().position(|(field, _)| field == name);
        place.map_or(Value::Nothing, |place| self.0.swap_remove(place).1)
    }

    /// A text that may be missing; a value of another type is as good as missing.
    pub(crate) fn text_if_any(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> Result<String, Misfit> {
        self.text_if_any(name).ok_or(Misfit(name))
    }

    pub(crate) fn number(&mut self, name: &'static str) -> Result<u64, Misfit> {
        match self.take(name) {
            Value::Number(number) => Ok(number),
            _ => Err(Misfit(name)),
        }
    }

    /// An HTTP status.
    pub(crate) fn status(&mut self, name: &'static str) -> Result<u16, Misfit> {
        u16::try_from(self.number(name)?).map_err(|_| Misfit(name))
    }

    pub(crate) fn is_true(&mut self, name: &str) -> bool {
        matches!(self.take(name), Value::Bool(true))
    }

    pub(crate) fn fields(&mut self, name: &'static str) -> Result<Self, Misfit> {
        match self.take(name) {
            Value::Fields(fields) => Ok(fields),
            _ => Err(Misfit(name)),
        }
    }

    fn values(&mut self, name: &'static str) -> Result<Vec<Value>, Misfit> {
        match self.take(name) {
            Value::List(values) => Ok(values),
            _ => Err(Misfit(name)),
        }
    }

    /// A list of objects.
    pub(crate) fn list<T: TryFrom<Self, Error = Misfit>>(
        &mut self,
        name: &'static str,
    ) -> Result<Vec<T>, Misfit> {
        let mut items = Vec::new();
        for value in self.values(name)? {
            let Value::Fields(fields) = value else {
                return Err(Misfit(name));
            };
            items.push(T::try_from(fields)?);
        }
        Ok(items)
    }

    /// A list of texts, empty when missing.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, Misfit> {
        let mut texts = Vec::new();
        if self.has(name) {
            for value in self.values(name)? {
                let Value::Text(text) = value else {
                    return Err(Misfit(name));
                };
                texts.push(text);
            }
        }
        Ok(texts)
    }

    /// Two numbers.
    pub(crate) fn range(&mut self, name: &'static str) -> Result<[u64; 2], Misfit> {
        match self.values(name)?.as_slice() {
            [Value::Number(start), Value::Number(end)] => Ok([*start, *end]),
            _ => Err(Misfit(name)),
        }
    }

    /// All fields that are texts.
    pub(crate) fn into_texts(self) -> impl Iterator<Item = (String, String)> {
        self.0.into_iter().filter_map(|(name, value)| match value {
            Value::Text(text) => Some((name, text)),
            _ => None,
        })
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Fields(fields) => Ok(fields),
            _ => Err(D::Error::custom("not a JSON object")),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything)
    }
}

struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(u64::try_from(value).map_or(Value::Nothing, Value::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = access.next_element()? {
            values.push(value);
        }
        Ok(Value::List(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut fields = Vec::new();
        while let Some(field) = access.next_entry()? {
            fields.push(field);
        }
        Ok(Value::Fields(Fields(fields)))
    }
}
