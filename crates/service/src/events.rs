//! S3's event notifications, read and written.
//!
//! Source: "Event message structure" in the Amazon S3 user guide.

use babelwire_wire::ObjectEvent;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Orders the events of one object. S3: compare as text after padding the shorter one with zeros
/// on the right.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequencer(String);

impl Sequencer {
    /// Normalises a sequencer: without the zeros on its right, in upper case, so that the order
    /// of the texts is S3's order.
    pub fn new(sequencer: &str) -> Self {
        Self(sequencer.trim_end_matches('0').to_ascii_uppercase())
    }

    /// The normalised text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// One record of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The event's name without `s3:`, such as `ObjectCreated:Put`.
    pub name: String,
    /// The bucket's name.
    pub bucket: String,
    /// The object's key, decoded.
    pub key: String,
    /// Orders the events of this key.
    pub sequencer: Sequencer,
    /// The object's size in bytes; a deletion has none.
    pub size: Option<u64>,
    /// The object's entity tag; a deletion has none.
    pub etag: Option<String>,
}

/// A record that is not an object's event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// The notification is not JSON.
    #[error("an object notification is not JSON: {0}")]
    NotJson(String),
    /// A field is missing or of another type.
    #[error("a record of an object notification has no usable `{0}`")]
    Field(&'static str),
}

impl Event {
    /// Whether the object came to exist.
    pub fn is_created(&self) -> bool {
        self.name.starts_with("ObjectCreated:")
    }

    /// The id of the translation that the object belongs to: the key's first part.
    pub fn translation_id(&self) -> &str {
        self.key
            .split_once('/')
            .map_or(self.key.as_str(), |(id, _)| id)
    }

    /// Reads every record of a notification. A notification without records (S3 sends a test
    /// event when it is set up) has none.
    pub fn parse_all(notification: &str) -> Vec<Result<Self, EventError>> {
        match serde_json::from_str::<Value>(notification) {
            Ok(value) => match value.get("Records") {
                Some(Value::Array(records)) => records.iter().map(Self::parse).collect(),
                Some(_) => vec![Err(EventError::Field("Records"))],
                None => Vec::new(),
            },
            Err(error) => vec![Err(EventError::NotJson(error.to_string()))],
        }
    }

    fn parse(record: &Value) -> Result<Self, EventError> {
        let text = |pointer: &str, name| {
            record
                .pointer(pointer)
                .and_then(Value::as_str)
                .ok_or(EventError::Field(name))
        };
        let name = text("/eventName", "eventName")?;
        Ok(Self {
            name: name.strip_prefix("s3:").unwrap_or(name).to_owned(),
            bucket: text("/s3/bucket/name", "s3.bucket.name")?.to_owned(),
            key: decode_key(text("/s3/object/key", "s3.object.key")?),
            sequencer: Sequencer::new(text("/s3/object/sequencer", "s3.object.sequencer")?),
            size: record.pointer("/s3/object/size").and_then(Value::as_u64),
            etag: record
                .pointer("/s3/object/eTag")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }

    /// The notification that S3 would send of this event alone.
    pub fn to_notification(&self, now: Timestamp) -> String {
        let mut object = json!({
            "key": encode_key(&self.key),
            "sequencer": self.sequencer.as_str(),
        });
        if let Value::Object(fields) = &mut object {
            if let Some(size) = self.size {
                fields.insert("size".to_owned(), size.into());
            }
            if let Some(etag) = &self.etag {
                fields.insert("eTag".to_owned(), etag.as_str().into());
            }
        }
        json!({
            "Records": [{
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": "local",
                "eventTime": crate::rfc3339(now),
                "eventName": self.name,
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "babelwire",
                    "bucket": {
                        "name": self.bucket,
                        "arn": format!("arn:aws:s3:::{}", self.bucket),
                    },
                    "object": object,
                },
            }],
        })
        .to_string()
    }

    /// The frame that tells the page.
    pub fn to_frame(&self) -> ObjectEvent {
        let name = self.key.split_once('/').map_or("", |(_, name)| name);
        let what = if self.is_created() {
            "came to exist"
        } else {
            "was deleted"
        };
        ObjectEvent {
            event: Some(self.name.clone()),
            bucket_name: self.bucket.clone(),
            bucket_key: self.key.clone(),
            message: format!("{name} in {} {what}.", self.bucket),
            sequencer: Some(self.sequencer.as_str().to_owned()),
            translation_id: Some(self.translation_id().to_owned()),
        }
    }
}

/// Decodes a key: `+` is a space, then `%XX`. Bytes that are no UTF-8 become U+FFFD.
fn decode_key(encoded: &str) -> String {
    let hex = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let bytes = encoded.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let escape = bytes
            .get(at + 1)
            .zip(bytes.get(at + 2))
            .filter(|_| byte == b'%')
            .and_then(|(&high, &low)| Some(hex(high)? * 16 + hex(low)?));
        if let Some(value) = escape {
            decoded.push(value);
            at += 3;
        } else {
            decoded.push(if byte == b'+' { b' ' } else { byte });
            at += 1;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Encodes a key as S3 does: `application/x-www-form-urlencoded`, with `/` left as it is.
fn encode_key(key: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte));
            }
            b' ' => encoded.push('+'),
            _ => {
                // Writing to a String cannot fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(key: &str) -> Event {
        Event {
            name: "ObjectCreated:Put".to_owned(),
            bucket: "sources".to_owned(),
            key: key.to_owned(),
            sequencer: Sequencer::new("0A1"),
            size: Some(3),
            etag: Some("abc".to_owned()),
        }
    }

    #[test]
    fn every_record_of_a_real_notification_is_read() {
        // The example of the S3 user guide, with a second record of a deletion.
        let notification = r#"{"Records":[
            {"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-west-2",
             "eventTime":"1970-01-01T00:00:00.000Z","eventName":"ObjectCreated:Put",
             "userIdentity":{"principalId":"AIDAJDPLRKLG7UEXAMPLE"},
             "requestParameters":{"sourceIPAddress":"127.0.0.1"},
             "responseElements":{"x-amz-request-id":"C3D13FE58DE4C810"},
             "s3":{"s3SchemaVersion":"1.0","configurationId":"testConfigRule",
                   "bucket":{"name":"mybucket","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},
                             "arn":"arn:aws:s3:::mybucket"},
                   "object":{"key":"id/Happy+%C3%A9t%C3%A9%2B.jpg","size":1024,
                             "eTag":"d41d8cd98f00b204e9800998ecf8427e",
                             "sequencer":"0055AED6DCD90281E5"}}},
            {"eventName":"s3:ObjectRemoved:Delete",
             "s3":{"bucket":{"name":"mybucket"},
                   "object":{"key":"id/a","sequencer":"0055aed6dcd90281e6"}}}]}"#;
        let events: Vec<_> = Event::parse_all(notification)
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_eq!(events[0].key, "id/Happy été+.jpg");
        assert_eq!(events[0].size, Some(1024));
        assert!(events[0].is_created());
        assert_eq!(events[1].name, "ObjectRemoved:Delete");
        assert_eq!((events[1].size, &events[1].etag), (None, &None));
        assert!(events[0].sequencer < events[1].sequencer);
    }

    #[test]
    fn a_bad_record_does_not_hide_the_good_ones() {
        let mut notification: Value =
            serde_json::from_str(&event("id/a").to_notification(Timestamp::UNIX_EPOCH)).unwrap();
        let records = notification["Records"].as_array_mut().unwrap();
        records.insert(0, json!({"eventName": 7}));
        records.push(json!(null));
        let events = Event::parse_all(&notification.to_string());
        assert_eq!(events[0], Err(EventError::Field("eventName")));
        assert_eq!(events[1], Ok(event("id/a")));
        assert_eq!(events[2], Err(EventError::Field("eventName")));
        assert!(matches!(
            Event::parse_all("{")[0],
            Err(EventError::NotJson(_))
        ));
    }

    #[test]
    fn the_test_event_of_s3_has_no_records() {
        let test = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Bucket":"b"}"#;
        assert_eq!(Event::parse_all(test), []);
    }

    #[test]
    fn sequencers_compare_after_padding_on_the_right() {
        let (a, b) = (Sequencer::new("0055AED6"), Sequencer::new("0055AED601"));
        assert!(a < b);
        assert_eq!(a, Sequencer::new("0055aed600"));
        assert!(Sequencer::new("01F") > Sequencer::new("01"));
        assert!(Sequencer::new("02") > Sequencer::new("01FFFF"));
    }

    proptest::proptest! {
        #[test]
        fn any_key_survives_the_notification(key in ".*") {
            let sent = event(&key);
            let notification = sent.to_notification(Timestamp::UNIX_EPOCH);
            proptest::prop_assert_eq!(Event::parse_all(&notification), vec![Ok(sent)]);
        }

        #[test]
        fn no_key_makes_decoding_fail(key in "[%+0-9a-fA-F/ é]*") {
            decode_key(&key);
        }

        #[test]
        fn normalised_sequencers_keep_the_order_of_padded_ones(
            a in "[0-9A-F]{1,12}", b in "[0-9A-F]{1,12}",
        ) {
            let padded = format!("{a:0<12}").cmp(&format!("{b:0<12}"));
            proptest::prop_assert_eq!(Sequencer::new(&a).cmp(&Sequencer::new(&b)), padded);
        }
    }
}
