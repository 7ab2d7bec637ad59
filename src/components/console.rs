//! Frames in and out, for whoever wants to see them.

use wasm_bindgen::JsCast;
use web_sys::{Element, HtmlInputElement};
use yew::prelude::*;

use super::parts::{field, paragraph};
use crate::runtime::Store;
use crate::store::{Direction, Line, Msg, State};
use crate::words::{self, Text, fill, say};

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    store: Store,
    /// The newest line.
    newest: u32,
}

impl Props {
    pub(super) fn new(store: &Store, state: &State) -> Self {
        Self {
            store: store.clone(),
            newest: state.frames.back().map_or(0, |line| line.number),
        }
    }
}

#[derive(Default)]
pub(super) struct Console {
    action: NodeRef,
    data: NodeRef,
    frames: NodeRef,
}

impl Component for Console {
    type Message = ();
    type Properties = Props;

    fn create(_: &Context<Self>) -> Self {
        Self::default()
    }

    fn view(&self, ctx: &Context<Self>) -> Html {
        let store = &ctx.props().store;
        let state = store.state();
        let onsubmit = {
            let (store, action, data) = (store.clone(), self.action.clone(), self.data.clone());
            Callback::from(move |event: SubmitEvent| {
                event.prevent_default();
                store.dispatch(Msg::Say {
                    action: text(&action),
                    data: text(&data),
                });
            })
        };
        html! {
            <section class="console" id="console" aria-label={say(Text::Console)}>
                <form {onsubmit}>
                    { field(say(Text::Action), input(&self.action)) }
                    { field(say(Text::Data), input(&self.data)) }
                    <button type="submit">{ say(Text::Send) }</button>
                </form>
                <div ref={self.frames.clone()} class="frames" role="log" aria-label={say(Text::Frames)} tabindex="0">
                    { for state.frames.iter().map(|line| frame(line)) }
                </div>
            </section>
        }
    }

    fn rendered(&mut self, _: &Context<Self>, first: bool) {
        if first && let Some(action) = self.action.get() {
            // Once: what somebody types is theirs.
            action
                .unchecked_into::<HtmlInputElement>()
                .set_value("echomessage");
        }
        if let Some(frames) = self.frames.get() {
            let frames: Element = frames.unchecked_into();
            frames.set_scroll_top(frames.scroll_height());
        }
    }
}

fn input(element: &NodeRef) -> Html {
    html! { <input ref={element} type="text" autocomplete="off" autocapitalize="off" /> }
}

fn text(field: &NodeRef) -> String {
    field
        .get()
        .map(|field| field.unchecked_into::<HtmlInputElement>().value())
        .unwrap_or_default()
}

fn frame(line: &Line) -> Html {
    let (way, words) = match line.direction {
        Direction::In => ("in", Text::FrameReceived),
        Direction::Out => ("out", Text::FrameSent),
        Direction::Queued => ("out", Text::FrameQueued),
        Direction::Refused(_) => ("refused", Text::FrameRefused),
        Direction::Note => ("note", Text::FrameNote),
    };
    // What becomes of the connection is told by the library, which speaks English.
    let lang = matches!(line.direction, Direction::Note).then_some("en");
    html! {
        <div key={line.number} class="frame" data-way={way}>
            <span class="way">{ say(words) }</span>
            <code dir="auto" {lang}>{ line.text.clone() }</code>
            if line.bytes > line.text.len() {
                { paragraph("note", fill(Text::FrameCut, &[&words::size(line.bytes as u64)])) }
            }
            if let Direction::Refused(why) = &line.direction {
                { paragraph("note warn", why.clone()) }
            }
        </div>
    }
}
