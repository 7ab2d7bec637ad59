//! A chat: what one says, everybody hears.

use babelwire_client::SendOutcome;
use babelwire_client::yew::{ConnectionProvider, use_connection, use_inbox, use_status};
use serde_json::json;
use web_sys::HtmlInputElement;
use yew::prelude::*;

#[derive(serde::Deserialize)]
struct Said {
    name: String,
    text: String,
}

#[component]
fn Chat() -> Html {
    let connection = use_connection();
    let status = use_status();
    let said = use_inbox::<Said>(200);
    let problem = use_state(String::new);
    let (name, text) = (use_node_ref(), use_node_ref());
    let onsubmit = {
        let (name, text, problem) = (name.clone(), text.clone(), problem.clone());
        move |event: SubmitEvent| {
            event.prevent_default();
            let value = |node: &NodeRef| Some(node.cast::<HtmlInputElement>()?.value());
            // The gateway's route `echomessage` sends `data` to everybody who is connected.
            let data = json!({"name": value(&name), "text": value(&text)}).to_string();
            problem.set(
                match connection.send(&json!({"action": "echomessage", "data": data})) {
                    SendOutcome::Rejected(why) => why.to_string(),
                    SendOutcome::Sent | SendOutcome::Queued(_) => String::new(),
                },
            );
        }
    };
    html! {
        <form {onsubmit}>
            <p role="status">{ status.as_str() }</p>
            <ol>{ for said.iter().map(|it| html! { <li><b>{ &it.name }</b>{ ": " }{ &it.text }</li> }) }</ol>
            <input ref={name} aria-label="Name" value="Anna" required=true />
            <input ref={text} aria-label="Message" required=true />
            <button>{ "Send" }</button>
            <p role="alert">{ (*problem).clone() }</p>
        </form>
    }
}

#[component]
fn App() -> Html {
    html! { <ConnectionProvider to="live"><Chat /></ConnectionProvider> }
}

fn main() {
    yew::Renderer::<App>::new().render();
}
