//! Whether news arrives.

use yew::prelude::*;

use super::parts::button;
use crate::runtime::Store;
use crate::store::{Link, Msg};
use crate::words::{self, Text, say};

/// The connection in words, and a way not to wait.
pub(super) fn connection_chip(store: &Store, link: Link) -> Html {
    let try_now = matches!(link, Link::Waiting | Link::Closed)
        .then(|| button("quiet", say(Text::TryNow), store, |_| Msg::TryNow));
    html! {
        <div class="connection">
            { for try_now }
            <span class="chip" role="status">{ words::link(link) }</span>
        </div>
    }
}
