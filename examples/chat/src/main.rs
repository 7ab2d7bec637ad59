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
    let inputs = [use_node_ref(), use_node_ref()];
    let onsubmit = {
        let (inputs, problem) = (inputs.clone(), problem.clone());
        move |event: SubmitEvent| {
            event.prevent_default();
            let it = inputs.each_ref().map(NodeRef::cast::<HtmlInputElement>);
            let [Some(name), Some(text)] = it else { return };
            // The gateway's route `echomessage` sends `data` to everybody who is connected.
            let data = json!({"name": name.value(), "text": text.value()}).to_string();
            let outcome = connection.send(&json!({"action": "echomessage", "data": data}));
            if let SendOutcome::Rejected(why) = outcome {
                problem.set(why.to_string());
            } else {
                problem.set(String::new());
                text.set_value("");
            }
        }
    };
    html! {
        <form {onsubmit}>
            <p role="status">{ status.as_str() }</p>
            <ol>{ for said.iter().map(|it| html! { <li><b>{ &it.name }</b>{ ": " }{ &it.text }</li> }) }</ol>
            <input ref={&inputs[0]} placeholder="Name" required=true />
            <input ref={&inputs[1]} placeholder="Message" required=true />
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
