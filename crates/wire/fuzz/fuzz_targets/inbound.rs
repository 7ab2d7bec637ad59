//! Any text as a frame from the backend: it is understood or kept raw, and never loses a byte.

#![no_main]

use babelwire_wire::{Frame, Inbound, Push};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let inbound = Inbound::parse(text.to_owned());
    assert_eq!(inbound.raw, text);
    // What was understood is understood again when it is said again.
    let push = match inbound.frame.clone() {
        Frame::Object(event) => Push::Object(event),
        Frame::Translation(translation) => Push::Translation { translation },
        Frame::Removed {
            translation_id,
            revision,
        } => Push::Removed {
            translation_id,
            revision,
        },
        Frame::Segments {
            translation_id,
            total,
            segments,
        } => Push::Segments {
            translation_id,
            total,
            segments,
        },
        Frame::Pong { data } => Push::Pong { data },
        Frame::GatewayError(_) | Frame::Raw => return,
    };
    let Ok(again) = serde_json::to_string(&push) else {
        panic!("{push:?} cannot be written");
    };
    assert_eq!(Inbound::parse(again).frame, inbound.frame);
});
