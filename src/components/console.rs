//! Frames in and out, for whoever wants to see them.

use web_sys::{Element, HtmlInputElement};
use yew::prelude::*;

use crate::runtime::Store;
use crate::store::{Direction, Msg, State};
use crate::words;

#[derive(PartialEq, Properties)]
pub(super) struct Props {
    pub(super) store: Store,
    /// The number of the newest frame: whatever is shown is known by it.
    pub(super) newest: Option<u32>,
}

impl Props {
    pub(super) fn new(store: &Store, state: &State) -> Self {
        Self {
            store: store.clone(),
            newest: state.frames.back().map(|line| line.number),
        }
    }
}

#[component(Console)]
pub(super) fn console(props: &Props) -> Html {
    let (action, data, log) = (use_node_ref(), use_node_ref(), use_node_ref());
    let send = {
        let (store, action, data) = (props.store.clone(), action.clone(), data.clone());
        Callback::from(move |event: SubmitEvent| {
            event.prevent_default();
            let text = |field: &NodeRef| {
                field
                    .cast::<HtmlInputElement>()
                    .map(|field| field.value())
                    .unwrap_or_default()
            };
            store.dispatch(Msg::Say {
                action: text(&action),
                data: text(&data),
            });
        })
    };
    {
        // Follows the newest frame.
        let log = log.clone();
        use_effect_with(props.newest, move |_| {
            if let Some(log) = log.cast::<Element>() {
                log.set_scroll_top(log.scroll_height());
            }
        });
    }
    let state = props.store.state();
    html! {
        <section class="console" id="console" aria-label="Console">
            <form onsubmit={send}>
                <label class="field"><span>{ "Action" }</span>
                    <input ref={action} type="text" value="echomessage" autocomplete="off" spellcheck="false" autocapitalize="off" />
                </label>
                <label class="field wide"><span>{ "Data" }</span>
                    <input ref={data} type="text" autocomplete="off" />
                </label>
                <button type="submit">{ "Send" }</button>
            </form>
            <div ref={log} class="frames" role="log" aria-label="Frames" aria-live="off" tabindex="0">
                { for state.frames.iter().map(|line| {
                    let (class, arrow) = match line.direction {
                        Direction::In => ("in", "Received"),
                        Direction::Out => ("out", "Sent"),
                        Direction::Queued => ("out", "Waits to be sent"),
                        Direction::Refused(_) => ("refused", "Not sent"),
                    };
                    html! {
                        <div key={line.number} class={classes!("frame", class)}>
                            <span class="way">{ arrow }</span>
                            <code dir="auto">{ line.text.clone() }</code>
                            if line.bytes > line.text.len() {
                                <span class="note">{ "… " }{ words::size(line.bytes as u64) }{ " in all" }</span>
                            }
                            if let Direction::Refused(why) = &line.direction {
                                <span class="note warn">{ why.clone() }</span>
                            }
                        </div>
                    }
                }) }
            </div>
        </section>
    }
}
