use std::{sync::Arc, time::Duration};

use babelwire_gateway::{Error, Gateway, Limits};
use futures::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    sync::Notify,
    time::{Instant, sleep},
};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::{
        CloseFrame,
        frame::{
            Frame,
            coding::{CloseCode, Data, OpCode},
        },
    },
};

use crate::harness::{Host, hang, ok, request, seconds_since};

const GOING_AWAY: (u16, &str) = (1001, "Going away");

fn pair((code, reason): &(u16, String)) -> (u16, &str) {
    (*code, reason)
}

#[tokio::test(start_paused = true)]
async fn ten_idle_minutes_end_a_connection_and_no_ping_is_sent_before() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    let began = Instant::now();
    // `closed` wants the close frame to be the first of all frames.
    assert_eq!(pair(&client.closed().await), GOING_AWAY);
    assert_eq!(seconds_since(began), 600);
    assert_eq!(host.left().await, (1001, "Going away".to_owned()));
    assert!(host.connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn traffic_in_either_direction_keeps_a_connection() {
    let host = Host::new(Gateway::builder().route("nothing", |_| async { ok("") }));
    let mut client = host.client().await;
    let nine_minutes = Duration::from_secs(9 * 60);

    sleep(nine_minutes).await;
    client.send(r#"{"action":"nothing"}"#).await;
    sleep(nine_minutes).await;
    client.stream.send(Message::Ping("".into())).await.unwrap();
    assert!(client.stream.next().await.unwrap().unwrap().is_pong());
    sleep(nine_minutes).await;
    client.stream.send(Message::Pong("".into())).await.unwrap();
    sleep(nine_minutes).await;
    host.connections
        .post_to_connection(&host.only_id(), "news")
        .await
        .unwrap();
    assert_eq!(client.text().await, "news");

    let began = Instant::now();
    assert_eq!(pair(&client.closed().await), GOING_AWAY);
    assert_eq!(seconds_since(began), 600);
}

#[tokio::test(start_paused = true)]
async fn two_hours_end_a_connection_whatever_its_traffic() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    let began = Instant::now();
    let (connections, id) = (host.connections.clone(), host.only_id());
    tokio::spawn(async move {
        loop {
            sleep(Duration::from_secs(300)).await;
            if connections
                .post_to_connection(&id, "still here")
                .await
                .is_err()
            {
                break;
            }
        }
    });
    let frame = loop {
        match client.stream.next().await.unwrap().unwrap() {
            Message::Text(_) => {}
            Message::Close(frame) => break frame.unwrap(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((u16::from(frame.code), &*frame.reason), GOING_AWAY);
    assert_eq!(seconds_since(began), 7200);
}

#[tokio::test(start_paused = true)]
async fn a_binary_frame_is_closed_with_1003() {
    let host = Host::new(Gateway::builder());
    let mut client = host.client().await;
    client
        .stream
        .send(Message::binary(vec![1, 2, 3]))
        .await
        .unwrap();
    assert_eq!(client.closed().await.0, 1003);
    assert_eq!(host.left().await.0, 1003);
}

fn text_of(size: usize) -> String {
    let text = format!(r#"{{"action":"size","data":"{}"}}"#, "x".repeat(size - 27));
    assert_eq!(text.len(), size);
    text
}

fn sizes() -> Host {
    Host::new(
        Gateway::builder().route_with_response("size", |event| async move {
            ok(&event.body.unwrap().len().to_string())
        }),
    )
}

#[tokio::test(start_paused = true)]
async fn a_frame_of_32_kib_passes_and_one_byte_more_is_closed_with_1009() {
    let host = sizes();
    let mut client = host.client().await;
    client.send(&text_of(32 * 1024)).await;
    assert_eq!(client.text().await, "32768");
    client.send(&text_of(32 * 1024 + 1)).await;
    assert_eq!(client.closed().await.0, 1009);
    assert_eq!(host.left().await.0, 1009);
}

/// Sends a text in frames of at most 32 KiB.
async fn send_in_frames(client: &mut crate::harness::Client, text: &str) {
    let chunks: Vec<_> = text.as_bytes().chunks(32 * 1024).collect();
    for (index, chunk) in chunks.iter().enumerate() {
        let kind = if index == 0 {
            Data::Text
        } else {
            Data::Continue
        };
        let last = index + 1 == chunks.len();
        let frame = Frame::message(chunk.to_vec(), OpCode::Data(kind), last);
        client.stream.feed(Message::Frame(frame)).await.unwrap();
    }
    client.stream.flush().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_message_of_128_kib_passes_and_one_byte_more_is_closed_with_1009() {
    let host = sizes();
    let mut client = host.client().await;
    send_in_frames(&mut client, &text_of(128 * 1024)).await;
    assert_eq!(client.text().await, "131072");
    send_in_frames(&mut client, &text_of(128 * 1024 + 1)).await;
    assert_eq!(client.closed().await.0, 1009);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_still_sending_a_huge_frame_gets_to_see_1009() {
    let host = sizes();
    // A pipe far smaller than the frame: the client is in the middle of it when it is refused.
    let client = host.dial(request("/live"), 1024).await.unwrap();
    let mut io = client.stream.into_inner();
    let size = 4 * 1024 * 1024_u64;
    io.write_all(&[0x81, 0xff]).await.unwrap();
    io.write_all(&size.to_be_bytes()).await.unwrap();
    io.write_all(&[0, 0, 0, 0]).await.unwrap();
    for _ in 0..size / 1024 {
        io.write_all(&[b'x'; 1024]).await.unwrap();
    }
    let mut header = [0; 4];
    io.read_exact(&mut header).await.unwrap();
    assert_eq!(
        (header[0], u16::from_be_bytes([header[2], header[3]])),
        (0x88, 1009)
    );
}

#[tokio::test(start_paused = true)]
async fn text_that_is_not_utf_8_is_closed_with_1007() {
    for broken in [
        b"\xff".to_vec(),
        b"ok \xc3".to_vec(),
        b"\xed\xa0\x80".to_vec(),
    ] {
        let host = Host::new(Gateway::builder());
        let mut client = host.client().await;
        let frame = Frame::message(broken, OpCode::Data(Data::Text), true);
        client.stream.send(Message::Frame(frame)).await.unwrap();
        assert_eq!(client.closed().await.0, 1007);
        assert_eq!(host.left().await.0, 1007);
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_protocol_is_closed_with_1002() {
    let unmasked = b"\x81\x02hi".as_slice();
    let reserved_bit = b"\xc1\x80\0\0\0\0";
    let lone_continuation = b"\x80\x80\0\0\0\0";
    let unknown_opcode = b"\x83\x80\0\0\0\0";
    let fragmented_ping = b"\x09\x80\0\0\0\0";
    for bytes in [
        unmasked,
        reserved_bit,
        lone_continuation,
        unknown_opcode,
        fragmented_ping,
    ] {
        let host = Host::new(Gateway::builder());
        let mut io = host.client().await.stream.into_inner();
        io.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        io.read_to_end(&mut answer).await.unwrap();
        assert_eq!(&answer[..1], b"\x88", "{bytes:?}");
        assert_eq!(answer[2..4], 1002_u16.to_be_bytes(), "{bytes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_clients_close_is_answered_and_told_to_disconnect() {
    let host = Host::new(Gateway::builder());
    let frame = CloseFrame {
        code: CloseCode::Library(4321),
        reason: "enough".into(),
    };
    let mut client = host.client().await;
    let id = host.only_id();
    assert_eq!(client.close(Some(frame.clone())).await, Some(frame));
    let event = host.left_event().await;
    let context = &event.request_context;
    assert_eq!(context.event_type.as_deref(), Some("DISCONNECT"));
    assert_eq!(context.route_key.as_deref(), Some("$disconnect"));
    assert_eq!(context.connection_id.as_deref(), Some(&*id));
    assert_eq!(context.disconnect_status_code, Some(4321));
    assert_eq!(context.disconnect_reason.as_deref(), Some("enough"));

    assert_eq!(host.client().await.close(None).await, None);
    assert_eq!(
        host.left().await,
        (1005, "Client-side close frame status not set".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn a_network_that_fails_is_1006() {
    let host = Host::new(Gateway::builder());
    drop(host.client().await);
    assert_eq!(host.left().await, (1006, String::new()));
    assert!(host.connections.is_empty());
}

#[tokio::test(start_paused = true)]
async fn delete_sends_what_was_posted_before_and_then_1000() {
    let host = Host::new(Gateway::builder());
    let mut client = host.dial(request("/live"), 64).await.unwrap();
    let id = host.only_id();
    for text in ["one", "two", &"x".repeat(1000)] {
        host.connections
            .post_to_connection(&id, text.to_owned())
            .await
            .unwrap();
    }
    host.connections.delete_connection(&id).unwrap();
    assert_eq!(host.connections.get_connection(&id), Err(Error::Gone));
    assert_eq!(host.connections.delete_connection(&id), Err(Error::Gone));
    assert_eq!(
        host.connections.post_to_connection(&id, "late").await,
        Err(Error::Gone)
    );
    assert_eq!(client.text().await, "one");
    assert_eq!(client.text().await, "two");
    assert_eq!(client.text().await.len(), 1000);
    assert_eq!(client.closed().await, (1000, String::new()));
    assert_eq!(host.left().await.0, 1000);
}

#[tokio::test(start_paused = true)]
async fn shutdown_closes_everyone_with_1001_and_waits_for_work_in_hand() {
    let (at_work, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (tell, report) = (at_work.clone(), done.clone());
    let host = Host::new(Gateway::builder().route("work", move |_| {
        let (tell, report) = (tell.clone(), report.clone());
        async move {
            tell.notify_one();
            sleep(Duration::from_secs(3)).await;
            report.notify_one();
            ok("")
        }
    }));
    let (mut one, mut two) = (host.client().await, host.client().await);
    one.send(r#"{"action":"work"}"#).await;
    at_work.notified().await;
    let began = Instant::now();
    let (clean, first, second) = tokio::join!(
        host.connections.shutdown(Duration::from_secs(10)),
        one.closed(),
        two.closed(),
    );
    assert_eq!((pair(&first), pair(&second)), (GOING_AWAY, GOING_AWAY));
    assert!(clean);
    assert_eq!(seconds_since(began), 3);
    tokio::time::timeout(Duration::ZERO, done.notified())
        .await
        .expect("work cut short");
    assert_eq!((host.left().await.0, host.left().await.0), (1001, 1001));
    let late = host.dial(request("/live"), 4096).await.err().unwrap();
    assert_eq!(late.status, 503);
}

#[tokio::test(start_paused = true)]
async fn shutdown_does_not_wait_for_ever() {
    let host = Host::new(Gateway::builder().route("hang", hang));
    let mut client = host.client().await;
    client.send(r#"{"action":"hang"}"#).await;
    client.hears_nothing_for(Duration::from_secs(1)).await;
    let began = Instant::now();
    let (clean, _) = tokio::join!(
        host.connections.shutdown(Duration::from_secs(2)),
        client.closed()
    );
    assert!(!clean, "a handler was still running");
    assert_eq!(seconds_since(began), 2);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_answer_the_close_frame_is_dropped() {
    let limits = Limits {
        close_timeout: Duration::from_secs(5),
        ..Limits::default()
    };
    let host = Host::new(Gateway::builder().limits(limits));
    let client = host.client().await;
    let began = Instant::now();
    host.connections.delete_connection(&host.only_id()).unwrap();
    assert_eq!(host.left().await.0, 1000);
    assert_eq!(seconds_since(began), 5);
    drop(client);
}
