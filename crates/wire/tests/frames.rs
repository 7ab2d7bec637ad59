//! Frames and bodies as they cross the network, to the letter.

#![allow(clippy::unwrap_used, missing_docs)]

use babelwire_wire::rest::{Created, Languages, Listing};
use babelwire_wire::{
    Action, Failure, Fields, Frame, Inbound, ObjectEvent, Push, Segment, Status, Translation,
};
use proptest::prelude::*;
use serde_json::{Value, json};

fn meaning(text: &str) -> Frame {
    Inbound::parse(text.to_owned()).frame
}

fn translation(name: String, status: Status, revision: u64) -> Translation {
    Translation {
        id: "t1".to_owned(),
        name,
        size: 1024,
        source: "en".to_owned(),
        target: "es".to_owned(),
        charset: Some("UTF-8".to_owned()),
        status,
        done: 3,
        total: 12,
        error: (status == Status::Failed).then(|| Failure {
            title: "No text".to_owned(),
            detail: "This is a picture.".to_owned(),
        }),
        created_at: "2026-01-31T12:00:00Z".to_owned(),
        updated_at: "2026-01-31T12:00:02Z".to_owned(),
        revision,
    }
}

#[test]
fn actions_are_written_as_the_gateway_routes_them() {
    let text = |action: &Action| serde_json::to_value(action).unwrap();
    let id = "t1".to_owned();
    for (action, expected) in [
        (
            Action::EchoMessage {
                data: "hi".to_owned(),
            },
            json!({"action": "echomessage", "data": "hi"}),
        ),
        (
            Action::Ping {
                data: "1".to_owned(),
            },
            json!({"action": "ping", "data": "1"}),
        ),
        (
            Action::Subscribe {
                translation_id: id.clone(),
                from: 7,
            },
            json!({"action": "subscribe", "translationId": "t1", "from": 7}),
        ),
        (
            Action::Unsubscribe { translation_id: id },
            json!({"action": "unsubscribe", "translationId": "t1"}),
        ),
    ] {
        assert_eq!(text(&action), expected);
        assert_eq!(serde_json::from_value::<Action>(expected).unwrap(), action);
    }
}

#[test]
fn the_articles_frame_is_understood_and_ours_has_all_of_its_fields() {
    let article = r#"{"bucketName":"b","bucketKey":"a b.txt","message":"came"}"#;
    let Frame::Object(event) = meaning(article) else {
        panic!("{article}")
    };
    assert_eq!((event.bucket_key.as_str(), event.event), ("a b.txt", None));
    let ours = Push::Object(ObjectEvent {
        event: Some("ObjectCreated:Put".to_owned()),
        bucket_name: "b".to_owned(),
        bucket_key: "a b.txt".to_owned(),
        message: "came".to_owned(),
        sequencer: Some("0A".to_owned()),
        translation_id: Some("t1".to_owned()),
    });
    assert_eq!(
        serde_json::to_value(ours).unwrap(),
        json!({"type": "object", "event": "ObjectCreated:Put", "bucketName": "b",
               "bucketKey": "a b.txt", "message": "came", "sequencer": "0A",
               "translationId": "t1"})
    );
}

#[test]
fn the_gateways_own_error_is_no_event_of_ours() {
    let text = r#"{"message": "Forbidden", "connectionId":"TXzPWdnOjoECGjA=", "requestId":"r"}"#;
    assert!(matches!(meaning(text), Frame::GatewayError(error) if error.message == "Forbidden"));
}

#[test]
fn what_is_not_known_is_kept_raw() {
    for text in [
        "hello",
        "[1,2]",
        "null",
        r#"{"type":"weather","data":"rain"}"#,
        r#"{"type":"pong"}"#,
        r#"{"type":"translation","translation":{"id":"t1"}}"#,
        r#"{"message":"Forbidden"}"#,
    ] {
        let inbound = Inbound::parse(text.to_owned());
        assert_eq!((inbound.frame, inbound.raw.as_str()), (Frame::Raw, text));
    }
    let strange = translation("a".to_owned(), Status::Done, 1);
    let mut strange = serde_json::to_value(Push::Translation {
        translation: strange,
    })
    .unwrap();
    strange["translation"]["status"] = json!("pondering");
    assert_eq!(meaning(&strange.to_string()), Frame::Raw);
}

#[test]
fn unknown_fields_disturb_nobody() {
    let text = r#"{"type":"pong","data":"x","total":"many","more":{"deep":[1.5,null]}}"#;
    assert_eq!(
        meaning(text),
        Frame::Pong {
            data: "x".to_owned()
        }
    );
}

#[test]
fn bodies_read_as_they_are_documented() {
    let languages: Languages = serde_json::from_value(json!({
        "translator": "apertium", "detect": false,
        "pairs": [{"source": "en", "target": "es"},
                  {"source": "en", "target": "fr", "via": ["es"]}]}))
    .unwrap();
    assert_eq!(languages.pairs[1].via, ["es"]);
    let snapshot = serde_json::to_value(translation("a".to_owned(), Status::AwaitingUpload, 1));
    let snapshot: Value = snapshot.unwrap();
    assert_eq!(snapshot["status"], "awaiting-upload");
    assert_eq!(snapshot["error"], Value::Null);
    let created: Created = serde_json::from_value(json!({"translation": snapshot, "upload": {
        "method": "PUT", "url": "/u", "headers": {"a": "b"},
        "expiresAt": "2026-01-31T13:00:00Z"}}))
    .unwrap();
    assert_eq!(created.upload.headers, [("a".to_owned(), "b".to_owned())]);
    let back = serde_json::to_value(&created.upload).unwrap();
    assert_eq!(back["headers"], json!({"a": "b"}));
    let listing: Listing = serde_json::from_value(json!({
        "translations": [snapshot], "removed": ["t0"], "next": null, "cursor": "c"}))
    .unwrap();
    assert_eq!((listing.translations.len(), listing.next), (1, None));
}

#[test]
fn a_field_can_be_looked_at_before_the_whole_is_understood() {
    let fields =
        Fields::parse(r#"{"deep":{"data":"no"},"number":7,"data":"a\u00e9","none":null}"#).unwrap();
    assert_eq!(fields.get_text("data"), Some("aé"));
    for (name, there) in [
        ("number", true),
        ("deep", true),
        ("none", true),
        ("no", false),
    ] {
        assert_eq!((fields.get_text(name), fields.has(name)), (None, there));
    }
    for text in ["", "7", "[]", r#""data""#, r#"{"data":"x""#] {
        assert!(Fields::parse(text).is_err(), "{text}");
    }
}

fn status() -> impl Strategy<Value = Status> {
    prop::sample::select(vec![
        Status::AwaitingUpload,
        Status::Queued,
        Status::Translating,
        Status::Done,
        Status::Failed,
        Status::Cancelled,
    ])
}

proptest! {
    #[test]
    fn a_snapshot_arrives_as_it_was_sent(name in any::<String>(), status in status(), revision in 0..1_u64 << 53) {
        let translation = translation(name, status, revision);
        let push = Push::Translation { translation: translation.clone() };
        let text = serde_json::to_string(&push).unwrap();
        prop_assert_eq!(meaning(&text), Frame::Translation(translation));
        prop_assert_eq!(Status::parse(status.as_str()), Some(status));
    }

    #[test]
    fn segments_arrive_as_they_were_sent(texts in prop::collection::vec(any::<String>(), 0..9)) {
        let segments: Vec<Segment> = (0_u64..)
            .zip(texts)
            .map(|(index, text)| Segment { index, source: [index, index + 1], text })
            .collect();
        let (translation_id, total) = ("t1".to_owned(), 9);
        let push = Push::Segments { translation_id: translation_id.clone(), total, segments: segments.clone() };
        let text = serde_json::to_string(&push).unwrap();
        prop_assert_eq!(meaning(&text), Frame::Segments { translation_id, total, segments });
    }

    #[test]
    fn no_text_is_an_error(text in any::<String>()) {
        prop_assert_eq!(Inbound::parse(text.clone()).raw, text);
    }
}
