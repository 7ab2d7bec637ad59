//! Frames as no backend would write them: real ones, torn, spliced and stuffed, the same in every
//! run. `crates/wire/fuzz` goes on from here for as long as one likes.

use std::time::Duration;

use babelwire_client_core::{
    Call, CallOptions, Calls, CallsConfig, Connection, Generation, Instant, Output, recognise,
};
use babelwire_wire::{Frame, Inbound};

use crate::world::Dice;

const CASES: usize = 200_000;

/// What a backend sends, and an answer to a call.
const REAL: [&str; 10] = [
    r#"{"type":"object","event":"ObjectCreated:Put","bucketName":"texts","bucketKey":"t1/a b.txt","message":"came","sequencer":"0055AED6DCD90281E5","translationId":"t1"}"#,
    r#"{"bucketName":"texts","bucketKey":"t1/a.txt","message":"came"}"#,
    r#"{"type":"translation","translation":{"id":"t1","name":"año.txt","size":1024,"source":"en","target":"es","charset":"UTF-8","status":"failed","done":3,"total":12,"error":{"title":"No text","detail":"A picture."},"createdAt":"2026-01-31T12:00:00Z","updatedAt":"2026-01-31T12:00:02Z","revision":7}}"#,
    r#"{"type":"removed","translationId":"t1","revision":8}"#,
    r#"{"type":"segments","translationId":"t1","total":2,"segments":[{"index":0,"source":[0,41],"text":"Hola"},{"index":1,"source":[42,50],"text":"\u00bfqu\u00e9 tal?"}]}"#,
    r#"{"type":"pong","data":"hb-7"}"#,
    r#"{"message": "Forbidden", "connectionId":"TXzPWdnOjoECGjA=", "requestId":"TXzPXFvqDoEFWzg="}"#,
    r#"{"message": "Internal server error", "connectionId":"TXzPWdnOjoECGjA=", "requestId":"x"}"#,
    r#"{"correlationId":"CORRELATION","answer":{"deep":[1.5,null,true]}}"#,
    "any other text",
];

/// What parsers stumble over.
const STONES: [&str; 24] = [
    "\"",
    "\\",
    "\\u",
    "\\ud800",
    "\\u0000",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "-1",
    "1e999",
    "18446744073709551616",
    "9007199254740993",
    "0.1",
    "true",
    "\u{feff}",
    "\u{202e}",
    "\0",
    "\"type\":",
    "\"correlationId\":\"CORRELATION\",",
    "{\"type\":\"pong\",\"data\":",
];

struct Vandal {
    dice: Dice,
}

impl Vandal {
    fn below(&mut self, end: usize) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            reason = "small, and not negative"
        )]
        let number = (self.dice.roll().get() * end as f64) as usize;
        number
    }

    fn place(&mut self, text: &str) -> usize {
        let end = text.len() + 1;
        let place = self.below(end);
        let boundary = (0..=place)
            .rev()
            .find(|place| text.is_char_boundary(*place));
        boundary.unwrap_or(0)
    }

    fn range(&mut self, text: &str) -> std::ops::Range<usize> {
        let (one, other) = (self.place(text), self.place(text));
        one.min(other)..one.max(other)
    }

    fn real(&mut self) -> &'static str {
        REAL[self.below(REAL.len())]
    }

    fn frame(&mut self) -> String {
        let mut text = self.real().to_owned();
        for _ in 0..self.below(4) {
            self.damage(&mut text);
        }
        text
    }

    fn damage(&mut self, text: &mut String) {
        match self.below(8) {
            0 => {
                let range = self.range(text);
                text.replace_range(range, "");
            }
            1 => {
                let range = self.range(text);
                let again = text[range].to_owned();
                let place = self.place(text);
                text.insert_str(place, &again);
            }
            2..=3 => {
                let place = self.place(text);
                let stone = STONES[self.below(STONES.len())];
                text.insert_str(place, stone);
            }
            4 => {
                // One byte is another, and what is no UTF-8 then becomes some.
                let mut bytes = std::mem::take(text).into_bytes();
                let place = self.below(bytes.len().max(1));
                let other = u8::try_from(self.below(256)).unwrap();
                if let Some(byte) = bytes.get_mut(place) {
                    *byte = other;
                }
                *text = String::from_utf8_lossy(&bytes).into_owned();
            }
            5 => {
                let other = self.real();
                let (range, place) = (self.range(other), self.place(text));
                text.insert_str(place, &other[range]);
            }
            6 => {
                let end = self.place(text);
                text.truncate(end);
            }
            _ => {
                // Deeper than any parser goes.
                let (place, depth) = (self.place(text), self.below(300));
                let brackets = if depth % 2 == 0 { "[" } else { "{\"a\":" };
                text.insert_str(place, &brackets.repeat(depth));
            }
        }
    }
}

/// The bytes of all texts in a frame, and how many things it lists.
fn weight(frame: &Frame) -> (usize, usize) {
    let option = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match frame {
        Frame::Object(event) => (
            event.bucket_name.len()
                + event.bucket_key.len()
                + event.message.len()
                + option(&event.event)
                + option(&event.sequencer)
                + option(&event.translation_id),
            0,
        ),
        Frame::Translation(translation) => (
            translation.id.len()
                + translation.name.len()
                + translation.source.len()
                + translation.target.len()
                + option(&translation.charset)
                + translation.created_at.len()
                + translation.updated_at.len(),
            0,
        ),
        Frame::Removed { translation_id, .. } => (translation_id.len(), 0),
        Frame::Segments {
            translation_id,
            segments,
            ..
        } => {
            let texts: usize = segments.iter().map(|segment| segment.text.len()).sum();
            (translation_id.len() + texts, segments.len())
        }
        Frame::Pong { data } => (data.len(), 0),
        Frame::GatewayError(error) => (
            error.message.len() + error.connection_id.len() + error.request_id.len(),
            0,
        ),
        Frame::Raw => (0, 0),
    }
}

fn a_socket() -> Generation {
    let mut connection = Connection::new(babelwire_client_core::Config::default());
    connection.connect(Instant::default());
    let Some(Output::Dial { generation, .. }) = connection.poll_output() else {
        panic!("the driver is told to dial");
    };
    generation
}

/// Begins a call and sends it.
fn call(calls: &mut Calls, now: Instant, socket: Generation) -> Call {
    let call = calls.start(CallOptions::default()).unwrap();
    calls.handle_sent(now, call.id, socket);
    call
}

#[test]
fn two_hundred_thousand_damaged_frames_break_nothing_and_weigh_no_more_than_they_are_long() {
    let socket = a_socket();
    let mut vandal = Vandal {
        dice: Dice::new(42),
    };
    let mut calls = Calls::new(CallsConfig::default(), "k3x9".to_owned());
    let mut now = Instant::default();
    let mut open = call(&mut calls, now, socket);
    let (mut understood, mut raw, mut answers, mut errors, mut replies) = (0, 0, 0, 0, 0);
    for _ in 0..CASES {
        now = now + Duration::from_millis(50);
        calls.handle_timeout(now);
        let text = vandal.frame().replace("CORRELATION", &open.correlation);

        let taken = calls.handle_frame(now, socket, &text);
        let mut ended = 0;
        while let Some(outcome) = calls.poll_outcome() {
            ended += 1;
            assert_eq!(outcome.call, open.id);
            match outcome.result {
                Ok(answer) => {
                    assert!(taken && answer == text && text.contains(&open.correlation));
                    answers += 1;
                }
                Err(_) => errors += 1,
            }
        }
        assert!(ended <= 1 && calls.pending() + ended == 1, "{text}");
        if ended == 1 {
            open = call(&mut calls, now, socket);
        }

        replies += usize::from(recognise(&text).is_some());

        let inbound = Inbound::parse(text.clone());
        assert_eq!(inbound.raw, text);
        let (bytes, things) = weight(&inbound.frame);
        assert!(bytes <= text.len(), "{text}");
        // The shortest segment is `{"index":0,"source":[0,0],"text":""}`.
        assert!(things * 36 <= text.len(), "{text}");
        if inbound.frame == Frame::Raw {
            raw += 1;
        } else {
            understood += 1;
        }
    }
    // The damage is neither too light nor too heavy to be of use.
    let least = CASES / 200;
    for kind in [understood, raw, answers, errors, replies] {
        assert!(
            kind >= least,
            "{:?}",
            [understood, raw, answers, errors, replies]
        );
    }
}
