//! Frames and bodies as they cross the network, to the letter.

#![allow(clippy::unwrap_used, missing_docs)]

use babelwire_wire::rest::{Created, Found, Languages, Listing, Proof, Reason, Rows, Suspicion};
use babelwire_wire::{
    Action, Failure, Fields, Frame, Inbound, ObjectEvent, Push, Segment, Status, Translation,
    look_frame,
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
        failed: revision % 2,
        total: 12,
        ahead: (status == Status::Queued).then_some(revision),
        error: (status == Status::Failed).then(|| Failure {
            title: "No text".to_owned(),
            detail: "This is a picture.".to_owned(),
        }),
        created_at: "2026-01-31T12:00:00Z".to_owned(),
        updated_at: "2026-01-31T12:00:02Z".to_owned(),
        started_at: (status == Status::Translating).then(|| "2026-01-31T12:00:01Z".to_owned()),
        finished_at: status.is_final().then(|| "2026-01-31T12:00:02Z".to_owned()),
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
            Action::Look {
                translation_id: id.clone(),
                from: 7,
                to: 40,
                view: String::new(),
            },
            json!({"action": "look", "translationId": "t1", "from": 7, "to": 40}),
        ),
        (
            Action::Look {
                translation_id: id.clone(),
                from: 7,
                to: 40,
                view: "tab 1".to_owned(),
            },
            json!({"action": "look", "translationId": "t1", "from": 7, "to": 40,
                   "view": "tab 1"}),
        ),
        (
            Action::Unsubscribe {
                translation_id: id.clone(),
                view: None,
            },
            json!({"action": "unsubscribe", "translationId": "t1"}),
        ),
        (
            Action::Unsubscribe {
                translation_id: id,
                view: Some("tab 1".to_owned()),
            },
            json!({"action": "unsubscribe", "translationId": "t1", "view": "tab 1"}),
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
fn what_says_nothing_is_left_out_and_read_as_nothing() {
    let mut plain = translation("a".to_owned(), Status::AwaitingUpload, 2);
    plain.finished_at = None;
    let plain_json = serde_json::to_value(&plain).unwrap();
    for name in ["failed", "ahead", "startedAt", "finishedAt"] {
        assert_eq!(plain_json.get(name), None, "{name}");
    }
    assert_eq!(
        serde_json::from_value::<Translation>(plain_json).unwrap(),
        plain
    );
    let segment: Segment =
        serde_json::from_value(json!({"index": 1, "source": [0, 1], "text": "x"})).unwrap();
    assert!(!segment.failed);
    assert_eq!(
        serde_json::to_value(&segment).unwrap(),
        json!({"index": 1, "source": [0, 1], "text": "x"})
    );
}

#[test]
fn a_page_looks_in_the_words_of_serde() {
    for view in ["", "a \"view\""] {
        let (translation_id, view) = ("t1".to_owned(), view.to_owned());
        let (from, to) = (3, 1003);
        let frame = look_frame(&translation_id, from, to, &view);
        let action = Action::Look {
            translation_id,
            from,
            to,
            view,
        };
        assert_eq!(frame, serde_json::to_string(&action).unwrap());
    }
}

#[test]
fn what_the_reader_asks_for_reads_as_it_is_documented() {
    let json = json!({"total": 2, "rows": [
        {"index": 0, "source": [0, 2], "sourceText": "Hi", "text": null},
        {"index": 1, "source": [3, 5], "sourceText": "Yo", "text": "", "failed": true}]});
    let rows: Rows = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(
        (rows.rows[0].text.as_deref(), rows.rows[0].failed),
        (None, false)
    );
    assert_eq!(
        (rows.rows[1].text.as_deref(), rows.rows[1].failed),
        (Some(""), true)
    );
    assert_eq!(serde_json::to_value(rows).unwrap(), json);

    let json = json!({"total": 9, "matches": [3, 17]});
    let found: Found = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(found.matches, [3, 17]);
    assert_eq!(serde_json::to_value(found).unwrap(), json);
    assert!(serde_json::from_value::<Found>(json!({"total": 9, "matches": ["3"]})).is_err());

    let json = json!({"paragraphs": {"source": 3, "result": 3},
        "numbers": {"source": 2, "kept": 1}, "urls": {"source": 0, "kept": 0},
        "suspiciousTotal": 1, "suspicious": [{"index": 3, "reasons": Reason::ALL}]});
    let proof: Proof = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(proof.suspicious[0].reasons, Reason::ALL);
    assert_eq!(serde_json::to_value(proof).unwrap(), json);
    let newer = json!({"index": 3, "reasons": ["rude", "empty"]});
    let newer: Suspicion = serde_json::from_value(newer).unwrap();
    assert_eq!(newer.reasons, [Reason::Empty]);
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
            .map(|(index, text)| Segment { index, source: [index, index + 1], text, failed: index % 2 == 1 })
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
