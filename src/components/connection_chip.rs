//! Whether news arrives.

use yew::prelude::*;

use super::parts::button;
use crate::runtime::{Store, seconds_left};
use crate::store::{Link, Msg, State};
use crate::words::{self, Text, fill, plural, say};

/// The connection in words, and a way not to wait. The seconds are not part of the status: they
/// would be read out one by one.
pub(super) fn connection_chip(store: &Store, state: &State) -> Html {
    let link = state.link;
    let try_now = (matches!(link, Link::Waiting | Link::Closed) && !state.session.is_out())
        .then(|| button("quiet", say(Text::TryNow), store, |_| Msg::TryNow));
    html! {
        <div class="connection">
            { for try_now }
            <span class="chip">
                <span role="status">{ words::link(link) }</span>
                if let Some(seconds) = seconds_left(link) {
                    <span aria-hidden="true">
                        { fill(Text::ReconnectingIn, &[&plural(Text::Seconds, seconds)]) }
                    </span>
                }
            </span>
        </div>
    }
}
