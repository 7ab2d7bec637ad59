//! What a backend with a WebSocket alone has to say.

use yew::prelude::*;

use super::parts::paragraph;
use crate::store::State;
use crate::words::{Text, fill, say};

/// The news, newest first.
pub(super) fn live_news(state: &State) -> Html {
    html! {
        <section class="news" aria-label={say(Text::News)}>
            <h2>{ say(Text::News) }</h2>
            if state.news.is_empty() {
                { paragraph("note", say(Text::NoNews)) }
            }
            <ul>
                { for state.news.iter().map(|news| html! {
                    <li key={news.number} dir="auto">
                        { paragraph("", news.event.message.clone()) }
                        { paragraph("note", fill(Text::NewsPlace, &[&news.event.bucket_key, &news.event.bucket_name])) }
                    </li>
                }) }
            </ul>
        </section>
    }
}
