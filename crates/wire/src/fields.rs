//! How the types of this crate are read from JSON.
//!
//! A derived `Deserialize` is compiled for each struct anew, and brings in whatever it takes to
//! say that a float was found where a text was wanted: a page that reads ten structs downloads
//! some 20 KB (Brotli) for it. Here one generic value is read for all of them, and each type picks
//! its fields. What is understood is the same: unknown fields are passed over, `null` is as good
//! as no value.

use std::fmt;
use std::sync::OnceLock;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A JSON value, as far as the types of this crate need one.
pub enum Value {
    /// No value, `null`, or a number that counts nothing: negative, or with a fraction.
    Nothing,
    /// `true` or `false`.
    Bool(bool),
    /// A number that counts something.
    Number(u64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Value>),
    /// An object.
    Fields(Fields),
}

/// A JSON object, opaque outside this crate.
///
/// A field that is missing or not of its type reads as an empty one and is noted; [`from_json`]
/// tells in the end. Ending each read with `?` instead would be three times the code.
pub struct Fields {
    fields: Vec<(String, Value)>,
    misfit: Option<Misfit>,
}

/// What [`from_json`] did not find: an object of JSON, or a field of its type.
#[derive(Debug)]
pub struct Misfit(&'static str);

impl Misfit {
    /// The name of the field that is missing or not of its type; `object of JSON` where all of it
    /// is none.
    pub const fn field(&self) -> &'static str {
        self.0
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`")?;
        f.write_str(self.0)?;
        f.write_str("` is missing or not of its type")
    }
}

/// Lets serde read types the same way: `#[serde(try_from = "Fields")]`.
macro_rules! serde_through_fields {
    ($($type:ty),+ $(,)?) => {$(
        impl TryFrom<$crate::Fields> for $type {
            type Error = $crate::Misfit;

            fn try_from(fields: $crate::Fields) -> Result<Self, $crate::Misfit> {
                fields.into_whole()
            }
        }
    )+};
}
pub(crate) use serde_through_fields;

/// What can be read with [`from_json`].
pub trait FromFields: Sized {
    /// Takes its fields; whatever does not fit is noted.
    #[doc(hidden)]
    fn from_fields(fields: &mut Fields) -> Self;
}

/// Reads one of this crate's types. As `serde_json::from_str`, but compiled once for all of them.
pub fn from_json<T: FromFields>(json: &str) -> Result<T, Misfit> {
    parse(json)?.into_whole()
}

fn parse(json: &str) -> Result<Fields, Misfit> {
    let value = match PARSER.get() {
        Some(parser) => parser(json),
        None => own_parser(json),
    };
    match value {
        Some(Value::Fields(fields)) => Ok(fields),
        _ => Err(Misfit("object of JSON")),
    }
}

static PARSER: OnceLock<fn(&str) -> Option<Value>> = OnceLock::new();

/// Has all JSON read by the platform's own parser from here on, which answers `None` to what is
/// not JSON. A second one is not taken.
///
/// A browser brings one. To bring another would cost each visitor of a page 6 KB, so on
/// WebAssembly there is no other: nothing is understood before one is lent.
pub fn lend_parser(parser: fn(&str) -> Option<Value>) {
    // The first one stays.
    let _ = PARSER.set(parser);
}

#[cfg(not(target_arch = "wasm32"))]
fn own_parser(json: &str) -> Option<Value> {
    serde_json::from_str(json).ok()
}

#[cfg(target_arch = "wasm32")]
fn own_parser(_: &str) -> Option<Value> {
    None
}

impl Fields {
    /// The fields of an object, in any order.
    pub const fn new(fields: Vec<(String, Value)>) -> Self {
        Self {
            fields,
            misfit: None,
        }
    }

    /// The fields of a JSON object, for who wants to look at some before deciding what it is.
    pub fn parse(json: &str) -> Result<Self, Misfit> {
        parse(json)
    }

    /// The text in the field of that name, if there is such a field and it is a text.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        self.fields.iter().find_map(|(field, value)| match value {
            Value::Text(text) if field == name => Some(text.as_str()),
            _ => None,
        })
    }

    /// The number in the field of that name, if there is such a field and it counts something.
    pub fn get_number(&self, name: &str) -> Option<u64> {
        self.fields.iter().find_map(|(field, value)| match value {
            Value::Number(number) if field == name => Some(*number),
            _ => None,
        })
    }

    /// The type that these are the fields of.
    pub(crate) fn into_whole<T: FromFields>(mut self) -> Result<T, Misfit> {
        let whole = T::from_fields(&mut self);
        match self.misfit {
            None => Ok(whole),
            Some(misfit) => Err(misfit),
        }
    }

    /// Notes that a field does not fit.
    pub(crate) fn misfit(&mut self, name: &'static str) {
        self.misfit.get_or_insert(Misfit(name));
    }

    /// Whether there is a field of that name.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(field, _)| field == name)
    }

    /// Takes a field's value out.
    pub(crate) fn take(&mut self, name: &str) -> Value {
        let place = self.fields.iter().position(|(field, _)| field == name);
        place.map_or(Value::Nothing, |place| self.fields.swap_remove(place).1)
    }

    /// A text that may be missing; a value of another type is as good as missing.
    pub(crate) fn text_if_any(&mut self, name: &str) -> Option<String> {
        match self.take(name) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn text(&mut self, name: &'static str) -> String {
        self.text_if_any(name).unwrap_or_else(|| {
            self.misfit(name);
            String::new()
        })
    }

    /// A number that may be missing; a value of another type is as good as missing.
    pub(crate) fn number_if_any(&mut self, name: &str) -> Option<u64> {
        match self.take(name) {
            Value::Number(number) => Some(number),
            _ => None,
        }
    }

    pub(crate) fn number(&mut self, name: &'static str) -> u64 {
        self.number_if_any(name).unwrap_or_else(|| {
            self.misfit(name);
            0
        })
    }

    pub(crate) fn is_true(&mut self, name: &str) -> bool {
        matches!(self.take(name), Value::Bool(true))
    }

    /// An object that may be missing.
    pub(crate) fn fields_if_any(&mut self, name: &str) -> Option<Self> {
        match self.take(name) {
            Value::Fields(fields) => Some(fields),
            _ => None,
        }
    }

    /// An object within this one.
    pub(crate) fn within<T: FromFields>(&mut self, name: &'static str) -> T {
        let mut fields = self.fields_if_any(name).unwrap_or_else(|| {
            self.misfit(name);
            Self::new(Vec::new())
        });
        self.one_of(&mut fields)
    }

    /// Reads an object that is part of this one.
    pub(crate) fn one_of<T: FromFields>(&mut self, fields: &mut Self) -> T {
        let whole = T::from_fields(fields);
        if let Some(misfit) = fields.misfit.take() {
            self.misfit.get_or_insert(misfit);
        }
        whole
    }

    fn values(&mut self, name: &'static str) -> Vec<Value> {
        if let Value::List(values) = self.take(name) {
            values
        } else {
            self.misfit(name);
            Vec::new()
        }
    }

    /// A list of objects.
    pub(crate) fn list<T: FromFields>(&mut self, name: &'static str) -> Vec<T> {
        let mut items = Vec::new();
        for value in self.values(name) {
            if let Value::Fields(mut fields) = value {
                items.push(self.one_of(&mut fields));
            } else {
                self.misfit(name);
            }
        }
        items
    }

    /// Takes out a list of texts, empty when missing.
    pub fn texts(&mut self, name: &'static str) -> Vec<String> {
        let mut texts = Vec::new();
        if self.has(name) {
            for value in self.values(name) {
                if let Value::Text(text) = value {
                    texts.push(text);
                } else {
                    self.misfit(name);
                }
            }
        }
        texts
    }

    /// A list of numbers.
    pub(crate) fn numbers(&mut self, name: &'static str) -> Vec<u64> {
        let mut numbers = Vec::new();
        for value in self.values(name) {
            if let Value::Number(number) = value {
                numbers.push(number);
            } else {
                self.misfit(name);
            }
        }
        numbers
    }

    /// Two numbers.
    pub(crate) fn range(&mut self, name: &'static str) -> [u64; 2] {
        if let [Value::Number(start), Value::Number(end)] = *self.values(name) {
            [start, end]
        } else {
            self.misfit(name);
            [0, 0]
        }
    }

    /// Takes out the texts in an object that may be missing, each with its field's name, in the
    /// order of the JSON.
    pub fn pairs(&mut self, name: &str) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        if let Value::Fields(object) = self.take(name) {
            for (name, value) in object.fields {
                if let Value::Text(text) = value {
                    pairs.push((name, text));
                }
            }
        }
        pairs
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
        Ok(Value::Fields(Fields::new(fields)))
    }
}
