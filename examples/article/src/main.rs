//! The article's page: it connects when it is mounted, and shows what comes to the bucket.

use babelwire_client::yew::{ConnectionProvider, use_connection, use_inbox};
use yew::prelude::*;

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    bucket_name: String,
    bucket_key: String,
    message: String,
}

#[component]
fn Notifications() -> Html {
    let connection = use_connection();
    let notifications = use_inbox::<Notification>(100);
    let greet = move |_| {
        let hello = r#"{"bucketName": "page", "bucketKey": "button", "message": "Hello, all"}"#;
        let echo = serde_json::json!({"action": "echomessage", "data": hello});
        let _sent_or_queued = connection.send(&echo);
    };
    let item = |it: std::rc::Rc<Notification>| {
        html! { <li>{ &it.message }{ " " }<code>{ &it.bucket_name }{ "/" }{ &it.bucket_key }</code></li> }
    };
    html! { <><button onclick={greet}>{ "Greet all" }</button><ul>{ for notifications.iter().map(item) }</ul></> }
}

#[component]
fn App() -> Html {
    html! { <ConnectionProvider to="live"><Notifications /></ConnectionProvider> }
}

fn main() {
    yew::Renderer::<App>::new().render();
}
