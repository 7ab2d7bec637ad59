//! What a backend with a WebSocket alone has to say.

use yew::prelude::*;

use crate::store::State;

/// The news, newest first.
pub(super) fn live_news(state: &State) -> Html {
    html! {
        <section class="news" aria-label="News">
            <h2>{ "News" }</h2>
            if state.news.is_empty() {
                <p class="note">{ "Nothing yet. What the backend tells of its objects appears here by itself." }</p>
            }
            <ul>
                { for state.news.iter().map(|news| html! {
                    <li key={news.number}>
                        <p dir="auto">{ news.event.message.clone() }</p>
                        <p class="note"><bdi>{ news.event.bucket_key.clone() }</bdi>{ " in " }<bdi>{ news.event.bucket_name.clone() }</bdi></p>
                    </li>
                }) }
            </ul>
        </section>
    }
}
