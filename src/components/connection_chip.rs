//! Whether news arrives.

use yew::prelude::*;

use crate::runtime::Store;
use crate::store::{Link, Msg};
use crate::words;

/// The connection in words, and a way not to wait.
pub(super) fn connection_chip(store: &Store, link: Link) -> Html {
    let try_now = matches!(link, Link::Waiting | Link::Closed).then(|| {
        let onclick = store.on(|_: MouseEvent| Msg::TryNow);
        html! { <button type="button" class="quiet" {onclick}>{ "Try now" }</button> }
    });
    html! {
        <div class="connection">
            { for try_now }
            <span class="chip" role="status">{ words::link(link) }</span>
        </div>
    }
}
