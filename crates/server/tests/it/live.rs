use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use babelwire_wire::{Frame, ObjectEvent, Segment, Status};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use crate::support::{Backend, Socket, is_done};

fn subscribe(id: &str, from: u64) -> Value {
    json!({"action": "subscribe", "translationId": id, "from": from})
}

fn segments_in(frames: &[Frame], id: &str) -> BTreeMap<u64, Segment> {
    let mut all = BTreeMap::new();
    for frame in frames {
        if let Frame::Segments {
            translation_id,
            segments,
            ..
        } = frame
        {
            assert_eq!(translation_id, id);
            all.extend(segments.iter().map(|s| (s.index, s.clone())));
        }
    }
    all
}

#[tokio::test]
async fn an_echo_reaches_everybody_as_it_is() {
    let backend = Backend::start(&[]).await;
    let mut sockets = Vec::new();
    for _ in 0..20 {
        sockets.push(Socket::open(&backend.api).await);
    }
    // One that went without a word holds up nobody.
    drop(sockets.pop());
    for text in ["Hello, <b>everybody</b> \u{1f600}\n", "{\"type\":\"x\"}"] {
        let echo = json!({"action": "echomessage", "data": text});
        sockets[0].send(&echo).await;
        for socket in &mut sockets {
            assert_eq!(socket.text().await, text);
        }
    }
    backend.stop().await;
}

#[tokio::test]
async fn a_ping_is_answered_to_its_sender_alone() {
    let backend = Backend::start(&[]).await;
    let mut one = Socket::open(&backend.api).await;
    let mut two = Socket::open(&backend.api).await;
    one.send(&json!({"action": "ping", "data": "a \"b\""}))
        .await;
    assert_eq!(one.text().await, r#"{"type":"pong","data":"a \"b\""}"#);
    one.send(&json!({"action": "ping"})).await;
    assert_eq!(one.text().await, r#"{"type":"pong","data":""}"#);
    assert_eq!(two.so_far().await, []);
    backend.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_answered_and_the_socket_lives() {
    let backend = Backend::start(&[]).await;
    let mut socket = Socket::open(&backend.api).await;
    for (text, words) in [
        (r#"{"action":"subscribe"}"#, "missing field `translationId`"),
        (r#"{"action":"subscribe","translationId":7}"#, "integer `7`"),
        (
            r#"{"action":"subscribe","translationId":"x","from":-1}"#,
            "-1",
        ),
        (
            r#"{"action":"subscribe","translationId":"nobody"}"#,
            "nobody",
        ),
        (
            r#"{"action":"unsubscribe"}"#,
            "missing field `translationId`",
        ),
        (r#"{"action":"echomessage"}"#, "missing field `data`"),
        (r#"{"action":"echomessage","data":{"a":1}}"#, "map"),
        (r#"{"action":"ping","data":1}"#, "integer `1`"),
    ] {
        socket.send_text(text).await;
        let raw = socket.text().await;
        let answer: Value = serde_json::from_str(&raw).unwrap();
        assert_eq!(answer["type"], "error", "{raw}");
        let sent: Value = serde_json::from_str(text).unwrap();
        assert_eq!(answer["action"], sent["action"]);
        let detail = answer["detail"].as_str().unwrap();
        assert!(detail.contains(words), "{detail}");
    }
    for text in [
        "hello",
        "[]",
        "{}",
        r#"{"action":"nothing"}"#,
        r#"{"action":"$connect"}"#,
        r#"{"action":{"a":1}}"#,
        &format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000)),
    ] {
        socket.send_text(text).await;
        match socket.frame().await {
            Frame::GatewayError(error) => assert_eq!(error.message, "Forbidden"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(socket.so_far().await, []);
    socket
        .send_text(&json!({"action": "ping", "data": "x".repeat(33 * 1024)}).to_string())
        .await;
    match socket.message().await {
        Message::Close(Some(close)) => assert_eq!(close.code, CloseCode::Size),
        other => panic!("{other:?}"),
    }
    backend.stop().await;
}

#[tokio::test]
async fn segments_arrive_while_the_rest_is_being_translated() {
    let backend = Backend::start(&["--pseudo-delay-ms=10"]).await;
    let api = &backend.api;
    let mut socket = Socket::open(api).await;
    let text: String = (0..1500).fold(String::new(), |text, n| {
        text + &format!("This is paragraph number {n}.\n\n")
    });
    let created = api.announce("a.txt", text.len()).await;
    let id = created.translation.id.as_str();
    socket.send(&subscribe(id, 0)).await;
    assert!(matches!(socket.frame().await, Frame::Translation(_)));

    let started = Instant::now();
    let put = api.put(&created.upload.url, text.clone()).await;
    assert_eq!(put.status(), 200);
    let uploaded = Instant::now();
    let mut frames = socket
        .until(|frame| matches!(frame, Frame::Segments { .. }))
        .await;
    assert!(uploaded.elapsed() < Duration::from_secs(2));
    frames.extend(socket.until(is_done).await);
    let took = started.elapsed();

    // Every segment once at least, each with its place in the text.
    let segments = segments_in(&frames, id);
    assert_eq!(segments.len(), 1500);
    for (index, segment) in &segments {
        let [start, end] = segment.source.map(|at| usize::try_from(at).unwrap());
        assert_eq!(
            text[start..end],
            format!("This is paragraph number {index}.")
        );
        assert!(segment.text.contains(&index.to_string()));
    }

    // Snapshots: in order of their revision, they go one way, at a bearable rate.
    let mut snapshots: Vec<_> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Translation(translation) => Some(translation.clone()),
            _ => None,
        })
        .collect();
    snapshots.sort_by_key(|t| t.revision);
    assert!(
        snapshots
            .windows(2)
            .all(|two| two[0].revision < two[1].revision)
    );
    assert!(snapshots.windows(2).all(|two| two[0].done <= two[1].done));
    let statuses: Vec<_> = snapshots.iter().map(|t| t.status).collect();
    assert_eq!(statuses[0], Status::Queued);
    let progress = statuses
        .iter()
        .filter(|s| **s == Status::Translating)
        .count();
    assert!(progress >= 3, "{progress} in {took:?}");
    let most = took.as_millis() / 333 + 5;
    assert!(progress as u128 <= most, "{progress} in {took:?}");
    let last = snapshots.last().unwrap();
    assert_eq!(
        (last.status, last.done, last.total),
        (Status::Done, 1500, 1500)
    );

    // Objects: the source and the result came to exist, and the frame says so as S3 does.
    let objects: Vec<&ObjectEvent> = frames
        .iter()
        .filter_map(|frame| match frame {
            Frame::Object(event) => Some(event),
            _ => None,
        })
        .collect();
    let source = objects.iter().find(|o| o.bucket_name == "sources").unwrap();
    assert_eq!(source.event.as_deref(), Some("ObjectCreated:Put"));
    assert_eq!(source.bucket_key, format!("{id}/a.txt"));
    assert_eq!(source.translation_id.as_deref(), Some(id));
    assert!(source.sequencer.as_ref().is_some_and(|s| !s.is_empty()));
    assert!(source.message.contains("a.txt"));
    backend.stop().await;
}

#[tokio::test]
async fn who_comes_late_gets_the_segments_from_where_it_says() {
    let backend = Backend::start(&[]).await;
    let api = &backend.api;
    let text = "A paragraph of its own.\n\n".repeat(3000);
    let id = api.upload("a.txt", text.as_bytes()).await.id;
    api.done(&id).await;
    let mut socket = Socket::open(api).await;
    socket.send(&subscribe(&id, 1000)).await;
    let is_last = |frame: &Frame| match frame {
        Frame::Segments { segments, .. } => segments.iter().any(|s| s.index == 2999),
        _ => false,
    };
    let frames = socket.until(is_last).await;
    let segments = segments_in(&frames, &id);
    assert_eq!(
        segments.keys().copied().collect::<Vec<_>>(),
        (1000..3000).collect::<Vec<_>>()
    );
    assert!(frames.iter().all(|frame| match frame {
        Frame::Segments { total, .. } => *total == 3000,
        _ => true,
    }));
    backend.stop().await;
}

#[tokio::test]
async fn who_unsubscribed_gets_no_more_and_others_do() {
    let backend = Backend::start(&["--pseudo-delay-ms=20"]).await;
    let api = &backend.api;
    let mut gone = Socket::open(api).await;
    let mut stays = Socket::open(api).await;
    let text = "A paragraph of its own.\n\n".repeat(1000);
    let created = api.announce("a.txt", text.len()).await;
    let id = created.translation.id.as_str();
    for socket in [&mut gone, &mut stays] {
        socket.send(&subscribe(id, 0)).await;
        socket.so_far().await;
    }
    api.put(&created.upload.url, text).await;
    gone.find(|frame| matches!(frame, Frame::Segments { .. }).then_some(()))
        .await;
    gone.send(&json!({"action": "unsubscribe", "translationId": id}))
        .await;
    let rest = gone.until(is_done).await;
    let all = stays.until(is_done).await;
    assert_eq!(segments_in(&all, id).len(), 1000);
    assert!(segments_in(&rest, id).len() < 500);
    backend.stop().await;
}

#[tokio::test]
async fn everybody_hears_of_every_file_and_of_its_end() {
    let backend = Backend::start(&[]).await;
    let api = &backend.api;
    let mut one = Socket::open(api).await;
    let mut two = Socket::open(api).await;
    let id = api.upload("a.txt", b"Hello.\n").await.id;
    let mut revisions = Vec::new();
    for socket in [&mut one, &mut two] {
        let frames = socket.until(is_done).await;
        // Nobody subscribed: no segments.
        assert_eq!(segments_in(&frames, &id).len(), 0);
        revisions.push(match frames.last() {
            Some(Frame::Translation(translation)) => translation.revision,
            other => panic!("{other:?}"),
        });
    }
    let path = format!("/api/translations/{id}");
    api.send(Method::DELETE, &path).await;
    for (socket, last) in [(&mut one, revisions[0]), (&mut two, revisions[1])] {
        let mut revision = None;
        let mut deleted = Vec::new();
        while revision.is_none() || deleted.len() < 2 {
            match socket.frame().await {
                Frame::Removed {
                    translation_id,
                    revision: removed,
                } => {
                    assert_eq!(translation_id, id);
                    revision = Some(removed);
                }
                Frame::Object(event) if event.event.as_deref() == Some("ObjectRemoved:Delete") => {
                    assert_eq!(event.bucket_key, format!("{id}/a.txt"));
                    deleted.push(event.bucket_name);
                }
                Frame::Object(_) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(revision.unwrap() > last);
        deleted.sort();
        assert_eq!(deleted, ["results", "sources"]);
    }
    backend.stop().await;
}

#[tokio::test]
async fn an_idle_socket_is_closed_as_the_gateway_does() {
    let backend = Backend::start(&["--socket-idle-ms=200"]).await;
    let mut socket = Socket::open(&backend.api).await;
    match socket.message().await {
        Message::Close(Some(close)) => assert_eq!(close.code, CloseCode::Away),
        other => panic!("{other:?}"),
    }
    backend.stop().await;
}
