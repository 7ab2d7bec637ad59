use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use babelwire_client::yew::{
    ConnectionProvider, UseConnectionHandle, use_action, use_connection, use_events, use_inbox,
    use_messages, use_status,
};
use babelwire_client::{
    CallOptions, Client, Event, Incoming, Options, Payload, SendOutcome, Shared, State,
};
use babelwire_wire::Action;
use serde::Deserialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_test::wasm_bindgen_test;
use yew::platform::time::sleep;
use yew::prelude::*;

use crate::support::{Fake, Heard, eager, settle, until};

#[wasm_bindgen(inline_js = r#"
// The last socket that was made, so that a test can have many frames arrive in one task.
let last;
globalThis.WebSocket = class extends WebSocket {
    constructor(...how) {
        super(...how);
        last = this;
    }
};
export async function arrive_one_by_one(count, frame) {
    for (let number = 0; number < count; number++) {
        last.dispatchEvent(new MessageEvent("message", { data: frame.replace("%", number) }));
        for (let turn = 0; turn < 10; turn++) await null;
    }
}
export function arrive(count, frame) {
    for (let number = 0; number < count; number++) {
        last.dispatchEvent(new MessageEvent("message", { data: frame.replace("%", number) }));
    }
}
"#)]
extern "C" {
    /// As `arrive`, with an end of the microtasks between frames, as between those of a server:
    /// whatever renders in a microtask can render after each.
    async fn arrive_one_by_one(count: u32, frame: &str);
    /// Frames arrive on the last socket, all of them in this task; `%` is the number of each.
    fn arrive(count: u32, frame: &str);
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Numbered {
    number: u32,
}

/// Renders one of a test's components.
type Show = fn(&World) -> Html;

/// What the page of a test shows, and what its components report.
#[derive(Clone, Default)]
struct World {
    view: Rc<RefCell<View>>,
    root: Rc<RefCell<Option<web_sys::Element>>>,
    render: Rc<RefCell<Option<UseForceUpdateHandle>>>,
    renders: Rc<Cell<u32>>,
    numbers: Rc<RefCell<Vec<u32>>>,
    words: Rc<RefCell<Vec<String>>>,
    connection: Rc<RefCell<Option<UseConnectionHandle>>>,
    action: Rc<RefCell<Option<Callback<Action, SendOutcome>>>>,
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.view, &other.view)
    }
}

#[derive(Clone, Default)]
struct View {
    to: Option<Rc<Options>>,
    shared: Option<Shared>,
    url: String,
    grace: Option<Duration>,
    components: Vec<(u32, Show)>,
}

#[derive(PartialEq, Properties)]
struct In {
    world: World,
}

impl World {
    /// A page with a provider of this endpoint.
    fn new(url: &str) -> Self {
        let world = Self::default();
        world.view.borrow_mut().to = Some(Rc::new(eager(url)));
        world
    }

    fn mount(&self) -> AppHandle<Page> {
        let document = web_sys::window().unwrap().document().unwrap();
        let root = document.create_element("div").unwrap();
        document.body().unwrap().append_child(&root).unwrap();
        self.root.replace(Some(root.clone()));
        let world = self.clone();
        ::yew::Renderer::<Page>::with_root_and_props(root, In { world }).render()
    }

    /// The page shows these components, each under its key.
    async fn show(&self, components: &[(u32, Show)]) {
        self.view.borrow_mut().components = components.to_vec();
        self.render().await;
    }

    async fn render(&self) {
        let render = self.render.borrow().clone();
        render.expect("the page is there").force_update();
        settle().await;
    }

    fn element(&self, selector: &str) -> Option<web_sys::Element> {
        self.root
            .borrow()
            .as_ref()?
            .query_selector(selector)
            .unwrap()
    }

    fn text(&self, selector: &str) -> String {
        let text = self.element(selector).and_then(|it| it.text_content());
        text.unwrap_or_default()
    }

    fn connection(&self) -> UseConnectionHandle {
        self.connection
            .borrow()
            .clone()
            .expect("a component that has it")
    }

    async fn open(&self) {
        until("the connection is open", || {
            let connection = self.connection.borrow();
            connection
                .as_ref()
                .is_some_and(|connection| connection.state().is_open())
        })
        .await;
    }
}

#[component]
fn Page(props: &In) -> Html {
    let render = use_force_update();
    props.world.render.replace(Some(render));
    let view = props.world.view.borrow().clone();
    let children = view.components.iter().map(|(key, component)| {
        html! { <div key={*key}>{ component(&props.world) }</div> }
    });
    let grace = view.grace.unwrap_or(Duration::from_millis(100));
    if let Some(shared) = view.shared {
        return html! {
            <ConnectionProvider to={shared}>{ for children }</ConnectionProvider>
        };
    }
    match view.to {
        Some(options) => html! {
            <ConnectionProvider to={options} {grace}>{ for children }</ConnectionProvider>
        },
        None => html! {
            <ConnectionProvider to={view.url.clone()} {grace}>{ for children }</ConnectionProvider>
        },
    }
}

#[component]
fn Holder(props: &In) -> Html {
    props.world.connection.replace(Some(use_connection()));
    Html::default()
}

fn holder(world: &World) -> Html {
    html! { <Holder world={world.clone()} /> }
}

#[component]
fn Counter(props: &In) -> Html {
    let world = props.world.clone();
    world.renders.set(world.renders.get() + 1);
    let count = use_state(|| 0);
    let numbers = Rc::clone(&world.numbers);
    let setter = count.setter();
    use_messages(move |incoming: Incoming<Numbered>| {
        if let Some(message) = incoming.message() {
            numbers.borrow_mut().push(message.number);
            setter.set(numbers.borrow().len());
        }
    });
    html! { <output id="count">{ *count }</output> }
}

fn counter(world: &World) -> Html {
    html! { <Counter world={world.clone()} /> }
}

#[wasm_bindgen_test]
async fn a_thousand_frames_in_one_task_are_a_thousand_deliveries_and_one_render() {
    let fake = Fake::new("yew-thousand").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    world.show(&[(1, holder), (2, counter)]).await;
    world.open().await;
    settle().await;
    let before = world.renders.get();
    arrive_one_by_one(1000, r#"{"number":%}"#).await;
    until("a thousand deliveries", || {
        world.numbers.borrow().len() == 1000
    })
    .await;
    settle().await;
    assert_eq!(*world.numbers.borrow(), (0..1000).collect::<Vec<_>>());
    assert_eq!(world.renders.get() - before, 1);
    assert_eq!(world.text("#count"), "1000");
    app.destroy();
}

#[wasm_bindgen_test]
async fn frames_of_a_server_that_come_one_task_each_are_delivered_once_and_in_order() {
    let fake = Fake::new("yew-frames").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    world.show(&[(1, holder), (2, counter), (3, counter)]).await;
    world.open().await;
    for number in 0..300 {
        let data = format!(r#"{{"number":{number}}}"#);
        let outcome = world.connection().send(&Action::EchoMessage { data });
        assert_eq!(outcome, SendOutcome::Sent);
    }
    // Two components, each of which hears all of them.
    until("all deliveries", || world.numbers.borrow().len() == 600).await;
    settle().await;
    let twice: Vec<u32> = (0..300).flat_map(|number| [number, number]).collect();
    assert_eq!(*world.numbers.borrow(), twice);
    app.destroy();
}

#[component]
fn Inbox(props: &In) -> Html {
    let inbox = use_inbox::<Numbered>(3);
    props.world.renders.set(props.world.renders.get() + 1);
    let clear = {
        let inbox = inbox.clone();
        move |_| inbox.clear()
    };
    html! {
        <>
            <p id="inbox">{ for inbox.iter().map(|it| html! { <b>{ it.number }{ " " }</b> }) }</p>
            <button id="clear" onclick={clear}>{ "Clear" }</button>
        </>
    }
}

#[wasm_bindgen_test]
async fn an_inbox_keeps_the_last_messages_and_renders_once_for_a_batch() {
    let fake = Fake::new("yew-inbox").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    let inbox: Show = |world| html! { <Inbox world={world.clone()} /> };
    world.show(&[(1, holder), (2, inbox)]).await;
    world.open().await;
    let before = world.renders.get();
    arrive(100, r#"{"number":%}"#);
    arrive(1, "not a message");
    until("the last three", || world.text("#inbox") == "97 98 99 ").await;
    assert_eq!(world.renders.get() - before, 1);
    let clear = world.element("#clear").expect("a button");
    wasm_bindgen::JsCast::unchecked_into::<web_sys::HtmlElement>(clear).click();
    until("none", || world.text("#inbox").is_empty()).await;
    app.destroy();
}

#[component]
fn Status(props: &In) -> Html {
    let status = use_status();
    props
        .world
        .words
        .borrow_mut()
        .push(status.as_str().to_owned());
    html! { <p id="status">{ status.as_str() }</p> }
}

fn status(world: &World) -> Html {
    html! { <Status world={world.clone()} /> }
}

#[wasm_bindgen_test]
async fn a_status_is_shown_as_it_changes() {
    let fake = Fake::new("yew-status").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    world.show(&[(1, status), (2, holder)]).await;
    until("connected", || world.text("#status") == "open").await;
    assert_eq!(*world.words.borrow(), ["connecting", "open"]);
    world.connection().close();
    until("closed", || world.text("#status") == "closed").await;
    world.connection().retry_now();
    until("connected again", || world.text("#status") == "open").await;
    app.destroy();
}

#[wasm_bindgen_test]
async fn the_first_component_dials_and_the_last_to_leave_closes_after_the_grace_time() {
    let fake = Fake::new("yew-shared").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    assert_eq!(fake.count("dials").await, 0, "nobody uses it yet");

    world.show(&[(1, holder), (2, counter), (3, status)]).await;
    world.open().await;
    world
        .show(&[(1, holder), (2, counter), (3, status), (4, counter)])
        .await;
    assert_eq!(fake.count("dials").await, 1, "all of them share one socket");

    // Other components in the place of these, in one tick.
    world.show(&[(5, holder), (6, status)]).await;
    world.show(&[(7, counter), (8, holder)]).await;
    sleep(Duration::from_millis(200)).await;
    assert!(world.connection().state().is_open());
    assert_eq!(fake.count("dials").await, 1, "mounted anew, dialled once");

    let connection = world.connection.take().expect("a handle");
    let client = connection.client().expect("a client").clone();
    drop(connection);
    world.show(&[]).await;
    until("the grace time is over", || client.state() == State::Closed).await;

    world.show(&[(9, holder)]).await;
    world.open().await;
    assert_eq!(fake.count("dials").await, 2);
    app.destroy();
}

#[wasm_bindgen_test]
async fn another_url_is_dialled_exactly_once_and_the_old_connection_closes() {
    let (one, other) = (Fake::new("yew-url-1").await, Fake::new("yew-url-2").await);
    let world = World::default();
    world.view.borrow_mut().url = one.url();
    world.view.borrow_mut().grace = Some(Duration::from_secs(3600));
    let app = world.mount();
    settle().await;
    world.show(&[(1, holder), (2, status), (3, counter)]).await;
    world.open().await;
    let old = world.connection().client().expect("a client").clone();

    world.view.borrow_mut().url = other.url();
    world.render().await;
    until("the old one closes", || old.state() == State::Closed).await;
    world.open().await;
    assert_ne!(world.connection().client(), Some(&old));
    for _ in 0..5 {
        // Rendered again, with the same URL in another string.
        world.render().await;
    }
    assert_eq!(
        (one.count("dials").await, other.count("dials").await),
        (1, 1)
    );
    until("the new one's state is shown", || {
        world.text("#status") == "open"
    })
    .await;
    arrive(3, r#"{"number":%}"#);
    until("its frames", || world.numbers.borrow().len() == 3).await;
    assert_eq!(one.count("open").await, 0);

    // The provider goes, and the connection with it, without a grace time.
    let new = world.connection().client().expect("a client").clone();
    app.destroy();
    until("it closes", || new.state() == State::Closed).await;
}

#[wasm_bindgen_test]
async fn a_connection_that_others_use_as_well_outlives_the_provider() {
    let fake = Fake::new("yew-given").await;
    let shared = Shared::with_grace(eager(&fake.url()), Duration::ZERO);
    let world = World::default();
    world.view.borrow_mut().shared = Some(shared.clone());
    let app = world.mount();
    settle().await;
    assert!(shared.client().is_none(), "nobody uses it yet");
    world.show(&[(1, holder), (2, counter)]).await;
    world.open().await;
    let lease = shared.lease();
    assert_eq!(world.connection().client(), Some(&*lease));
    drop(world.connection.take());
    app.destroy();
    until("the components are gone", || shared.users() == 1).await;
    settle().await;
    assert!(lease.state().is_open());
    assert_eq!(fake.count("dials").await, 1);
    drop(lease);
    until("it closes", || {
        shared.client().map(Client::state) == Some(State::Closed)
    })
    .await;
}

#[component]
fn Leaver(props: &In) -> Html {
    let world = props.world.clone();
    use_messages(move |_: Incoming<Numbered>| {
        world.words.borrow_mut().push("heard".to_owned());
        // This very component, and its neighbour, are taken away as soon as may be.
        world.view.borrow_mut().components.clear();
        if let Some(render) = &*world.render.borrow() {
            render.force_update();
        }
    });
    let world = props.world.clone();
    use_events(move |event| {
        if matches!(event, Event::Frame { .. }) {
            world.words.borrow_mut().push("heard too".to_owned());
        }
    });
    Html::default()
}

#[wasm_bindgen_test]
async fn a_component_may_be_taken_away_by_what_it_hears() {
    let fake = Fake::new("yew-leave").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    let leaver: Show = |world| html! { <Leaver world={world.clone()} /> };
    world.show(&[(1, leaver), (2, holder), (3, leaver)]).await;
    world.open().await;
    let client = world.connection().client().expect("a client").clone();
    arrive(1, r#"{"number":%}"#);
    until("it heard", || world.words.borrow().len() == 4).await;
    drop(world.connection.take());
    arrive(10, r#"{"number":%}"#);
    until("the last has left", || client.state() == State::Closed).await;
    assert_eq!(world.words.borrow().len(), 4, "who left hears nothing");
    app.destroy();
}

#[wasm_bindgen_test]
async fn the_whole_page_may_be_destroyed_by_what_it_hears() {
    let fake = Fake::new("yew-destroy").await;
    let world = World::new(&fake.url());
    let app = Rc::new(Cell::new(Some(world.mount())));
    settle().await;
    world.show(&[(1, holder), (2, counter)]).await;
    world.open().await;
    let connection = world.connection();
    let client = connection.client().expect("a client").clone();
    let heard = Heard::new();
    let (ear, own) = (heard.clone(), Rc::clone(&app));
    let listener = client.listen(move |event| {
        if matches!(event, Event::Frame { .. }) {
            if let Some(app) = own.take() {
                app.destroy();
            }
            ear.push(());
        }
    });
    arrive(5, r#"{"number":%}"#);
    until("it is gone", || client.state() == State::Closed).await;
    settle().await;
    assert_eq!(world.numbers.borrow().len(), 0);
    assert!(heard.len() >= 1);
    assert!(matches!(
        connection.send(&Action::Ping {
            data: String::new()
        }),
        SendOutcome::Rejected(_)
    ));
    drop(listener);
}

#[component]
fn Sender(props: &In) -> Html {
    props.world.action.replace(Some(use_action()));
    props.world.renders.set(props.world.renders.get() + 1);
    Html::default()
}

#[wasm_bindgen_test]
async fn an_action_says_what_became_of_it_and_is_the_same_callback_at_every_render() {
    let fake = Fake::new("yew-action").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    let sender: Show = |world| html! { <Sender world={world.clone()} /> };
    world.show(&[(1, sender), (2, counter), (3, holder)]).await;
    let send = world.action.borrow().clone().expect("a callback");
    let echo = |data: &str| Action::EchoMessage {
        data: data.to_owned(),
    };
    assert!(!matches!(
        send.emit(echo(r#"{"number":1}"#)),
        SendOutcome::Rejected(_)
    ));
    world.open().await;
    assert_eq!(send.emit(echo(r#"{"number":2}"#)), SendOutcome::Sent);
    assert!(matches!(
        send.emit(echo(&"x".repeat(40_000))),
        SendOutcome::Rejected(_)
    ));
    until("both come back", || *world.numbers.borrow() == [1, 2]).await;
    world.render().await;
    assert_eq!(world.action.borrow().as_ref(), Some(&send));
    assert_eq!(
        world.connection().send_payload(Payload::from("raw")),
        SendOutcome::Sent
    );
    app.destroy();
}

#[wasm_bindgen_test]
async fn a_call_is_made_from_a_handle_and_its_answer_is_no_message() {
    let fake = Fake::new("yew-call").await;
    let world = World::new(&fake.url());
    let app = world.mount();
    settle().await;
    world.show(&[(1, holder), (2, counter)]).await;
    let options = CallOptions {
        correlation: Some("mine".to_owned()),
        ..CallOptions::default()
    };
    let data = r#"{"correlationId":"mine","number":7}"#.to_owned();
    let call = world
        .connection()
        .call_with::<Numbered>(&Action::EchoMessage { data }, options);
    assert_eq!(call.await, Ok(Numbered { number: 7 }));
    arrive(1, r#"{"number":1%}"#);
    until("the next message", || world.numbers.borrow().len() == 1).await;
    assert_eq!(*world.numbers.borrow(), [10]);
    app.destroy();
}
