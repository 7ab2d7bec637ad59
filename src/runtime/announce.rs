//! What a person who listens to the page is told, said in a live region: at most one message a
//! second, so that each is heard to its end.

use std::cell::{Cell, RefCell};

use gloo_timers::callback::Timeout;

use super::element;
use crate::announcer::Announcer;
use crate::store::State;

/// The live region, which `index.html` has: one that comes with its text is not heard.
const REGION: &str = "announcer";

/// The time between two messages, in milliseconds.
const PAUSE: u32 = 1_000;

/// How many pauses a message stays for whoever reads instead of listening.
const KEPT_FOR: u8 = 5;

thread_local! {
    static ANNOUNCER: RefCell<Announcer> = RefCell::default();
    /// The pauses since the last message, while there is a next one.
    static PAUSES: Cell<Option<u8>> = const { Cell::new(None) };
}

/// Tells of the files whose state changed. To be called after each batch.
pub(super) fn look(state: &State) {
    ANNOUNCER.with_borrow_mut(|announcer| announcer.look(&state.rows));
    speak();
}

/// Tells something that is of no file, such as that a text was copied.
pub fn announce(text: String) {
    ANNOUNCER.with_borrow_mut(|announcer| announcer.say(text));
    speak();
}

/// Says what there is to say: now if nothing was said for a while, else when the pause is over.
fn speak() {
    if PAUSES.get().is_none() && say_next() {
        pause();
    }
}

/// Says the next thing, if there is one.
fn say_next() -> bool {
    let message = ANNOUNCER.with_borrow_mut(Announcer::next_message);
    if let Some(message) = &message {
        show(message);
        PAUSES.set(Some(0));
    }
    message.is_some()
}

fn pause() {
    Timeout::new(PAUSE, || {
        let pauses = PAUSES.get().unwrap_or_default() + 1;
        if !say_next() {
            if pauses > KEPT_FOR {
                PAUSES.set(None);
                return show("");
            }
            PAUSES.set(Some(pauses));
        }
        pause();
    })
    .forget();
}

fn show(message: &str) {
    if let Some(region) = element(REGION) {
        // The same text twice is no change, and would be heard once.
        let same = region.text_content().as_deref() == Some(message);
        let text = if same && !message.is_empty() {
            [message, "\u{a0}"].concat()
        } else {
            message.to_owned()
        };
        region.set_text_content(Some(&text));
    }
}
