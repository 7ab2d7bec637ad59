//! JSON, written by hand where every byte of code is downloaded.

/// An object of JSON that is written field by field.
///
/// For pages: what `serde_json` writes with is a kilobyte of each first visit, and a page sends
/// flat objects of a few texts and numbers. Elsewhere, serialize.
///
/// ```
/// use babelwire_wire::Object;
///
/// let frame = Object::new().text("action", "ping").text("data", "\"hello\"").end();
/// assert_eq!(frame, r#"{"action":"ping","data":"\"hello\""}"#);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Object {
    fields: String,
}

impl Object {
    /// An object without fields.
    pub const fn new() -> Self {
        Self {
            fields: String::new(),
        }
    }

    /// Adds a text.
    #[must_use]
    pub fn text(mut self, name: &str, value: &str) -> Self {
        self.name(name);
        quote(&mut self.fields, value);
        self
    }

    /// Adds a number.
    #[must_use]
    pub fn number(mut self, name: &str, value: u64) -> Self {
        self.name(name);
        self.fields.push_str(&value.to_string());
        self
    }

    fn name(&mut self, name: &str) {
        self.fields
            .push(if self.fields.is_empty() { '{' } else { ',' });
        quote(&mut self.fields, name);
        self.fields.push(':');
    }

    /// The object's text.
    pub fn end(mut self) -> String {
        if self.fields.is_empty() {
            self.fields.push('{');
        }
        self.fields.push('}');
        self.fields
    }
}

/// RFC 8259, section 7: quotation marks, reverse solidi and control characters are escaped.
fn quote(into: &mut String, text: &str) {
    into.push('"');
    for character in text.chars() {
        let short = match character {
            '"' | '\\' => character,
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\0'..='\x1f' => {
                let code = u32::from(character);
                into.push_str("\\u00");
                for digit in [code >> 4, code & 15] {
                    into.extend(char::from_digit(digit, 16));
                }
                continue;
            }
            _ => {
                into.push(character);
                continue;
            }
        };
        into.push('\\');
        into.push(short);
    }
    into.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_written_is_read_as_it_was() {
        let all: String = (0..0x250)
            .chain(0x1f600..0x1f610)
            .filter_map(char::from_u32)
            .collect();
        let json = Object::new()
            .text("text", &all)
            .text(&all, "")
            .number("most", u64::MAX)
            .end();
        let read: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        assert_eq!(read["text"], all);
        assert_eq!(read[&all], "");
        assert_eq!(read["most"], u64::MAX);
        assert_eq!(read.as_object().expect("an object").len(), 3);
    }

    #[test]
    fn a_page_announces_a_file_in_the_words_of_serde() {
        for charset in [None, Some("utf-8".to_owned())] {
            let body = crate::rest::CreateTranslation {
                name: "a \"b\"\n\u{1}\\.txt".to_owned(),
                size: 12,
                source: "auto".to_owned(),
                target: "es".to_owned(),
                charset,
            };
            let by_serde = serde_json::to_string(&body).expect("it serializes");
            assert_eq!(body.to_json(), by_serde);
        }
    }

    #[test]
    fn an_object_may_be_empty() {
        assert_eq!(Object::new().end(), "{}");
    }
}
