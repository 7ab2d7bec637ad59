//! What a backend with a WebSocket alone has to say.

use yew::prelude::*;

use super::parts::paragraph;
use crate::store::State;

/// The news, newest first.
pub(super) fn live_news(state: &State) -> Html {
    html! {
        <section class="news" aria-label="News">
            <h2>{ "News" }</h2>
            if state.news.is_empty() {
                { paragraph("note", "Nothing yet. What the backend tells of its objects appears here by itself.") }
            }
            <ul>
                { for state.news.iter().map(|news| html! {
                    <li key={news.number} dir="auto">
                        { paragraph("", news.event.message.clone()) }
                        { paragraph("note", [&news.event.bucket_key, " in ", &news.event.bucket_name].concat()) }
                    </li>
                }) }
            </ul>
        </section>
    }
}
