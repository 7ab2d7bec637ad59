//! What the tests share.

use std::cell::RefCell;
use std::rc::Rc;

use babelwire_client::{Backoff, Client, Config, Event, Options, State};
use gloo_timers::future::TimeoutFuture;
use std::time::Duration;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen(inline_js = r#"
// What the browser thinks of its network depends on the machine that runs the tests.
let online = true;
Object.defineProperty(navigator, "onLine", { get: () => online });
export function browser_thinks(value) {
    online = value;
}
export async function http(method, url, body) {
    const response = await fetch(url, {
        method,
        body,
        headers: body === undefined ? {} : { "content-type": "application/json" },
    });
    return [response.status, await response.text()];
}
export function blob_of_mebibytes(count) {
    const mebibyte = new Uint8Array(1024 * 1024).fill(97);
    return new Blob(Array(count).fill(mebibyte), { type: "text/plain" });
}
export function dispatch(target, kind) {
    (target === "window" ? window : document).dispatchEvent(new Event(kind));
}
"#)]
extern "C" {
    #[wasm_bindgen(catch, js_name = http)]
    async fn http_js(method: &str, url: &str, body: Option<&str>) -> Result<JsValue, JsValue>;
    fn blob_of_mebibytes(count: u32) -> web_sys::Blob;
    fn dispatch(target: &str, kind: &str);
    fn browser_thinks(online: bool);
}

const WEBSOCKET: Option<&str> = option_env!("BABELWIRE_TEST_WS");
const ORIGIN: Option<&str> = option_env!("BABELWIRE_TEST_HTTP");

/// The server's WebSocket.
pub(crate) fn websocket() -> &'static str {
    WEBSOCKET.expect("compile the tests with BABELWIRE_TEST_WS: see tests/README.md")
}

/// A URL of the server.
pub(crate) fn url(path: &str) -> String {
    let origin = ORIGIN.expect("compile the tests with BABELWIRE_TEST_HTTP: see tests/README.md");
    format!("{origin}/{path}")
}

/// Where nobody listens: a port that only root can have, that nothing is registered for, and that
/// browsers don't forbid.
pub(crate) const NOBODY: &str = "127.0.0.1:61";

/// The status and body of the server's answer.
pub(crate) async fn http(method: &str, path: &str, body: Option<&str>) -> (u16, String) {
    let answer = http_js(method, &url(path), body).await.expect("an answer");
    let answer: js_sys::Array = answer.unchecked_into();
    let status = answer.get(0).as_f64().expect("a status");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    (status as u16, answer.get(1).as_string().expect("a text"))
}

pub(crate) fn mebibytes(count: u32) -> web_sys::Blob {
    blob_of_mebibytes(count)
}

/// The browser's network goes or comes, and it says so.
pub(crate) fn network(online: bool) {
    browser_thinks(online);
    dispatch("window", if online { "online" } else { "offline" });
}

/// The browser has an opinion of its network that it keeps to itself until it is asked.
pub(crate) fn network_quietly(online: bool) {
    browser_thinks(online);
}

/// What the browser says when somebody looks at the tab.
pub(crate) fn look() {
    dispatch("document", "visibilitychange");
}

/// Bytes of wasm's memory.
pub(crate) fn wasm_memory() -> f64 {
    let memory: js_sys::WebAssembly::Memory = wasm_bindgen::memory().unchecked_into();
    let buffer: js_sys::ArrayBuffer = memory.buffer().unchecked_into();
    f64::from(buffer.byte_length())
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    for _ in 0..1500 {
        if so() {
            return;
        }
        TimeoutFuture::new(10).await;
    }
    panic!("not within 15 s: {what}");
}

/// Lets everything happen that is due now.
pub(crate) async fn settle() {
    for _ in 0..3 {
        TimeoutFuture::new(0).await;
    }
}

/// What a callback heard.
pub(crate) struct Heard<T>(Rc<RefCell<Vec<T>>>);

impl<T> Clone for Heard<T> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<T> Heard<T> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn push(&self, item: T) {
        self.0.borrow_mut().push(item);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(crate) fn any(&self, so: impl FnMut(&T) -> bool) -> bool {
        self.0.borrow().iter().any(so)
    }

    pub(crate) fn map<U>(&self, pick: impl FnMut(&T) -> Option<U>) -> Vec<U> {
        self.0.borrow().iter().filter_map(pick).collect()
    }
}

impl Heard<Event> {
    /// The texts of the frames that came in.
    pub(crate) fn frames(&self) -> Vec<String> {
        self.map(|event| match event {
            Event::Frame { payload, .. } => payload.text().map(ToOwned::to_owned),
            _ => None,
        })
    }

    /// The states that were entered.
    pub(crate) fn states(&self) -> Vec<&'static str> {
        self.map(|event| match event {
            Event::Changed { to, .. } => Some(to.as_str()),
            _ => None,
        })
    }
}

const FAKE: Option<&str> = option_env!("BABELWIRE_TEST_FAKE");

/// A stage of the fake gateway: a little world of its own.
pub(crate) struct Fake {
    stage: &'static str,
}

impl Fake {
    /// An empty stage, whatever an earlier run left there.
    pub(crate) async fn new(stage: &'static str) -> Self {
        let fake = Self { stage };
        fake.call("DELETE", "", None).await;
        fake
    }

    fn origin() -> &'static str {
        FAKE.expect("compile the tests with BABELWIRE_TEST_FAKE: see tests/README.md")
    }

    /// Its WebSocket.
    pub(crate) fn url(&self) -> String {
        format!("{}/{}", Self::origin(), self.stage)
    }

    async fn call(&self, method: &str, path: &str, body: Option<&str>) -> (u16, String) {
        let url = format!("{}/_control/{}{path}", Self::origin(), self.stage);
        let answer = http_js(method, &url, body).await.expect("an answer");
        let answer: js_sys::Array = answer.unchecked_into();
        let status = answer.get(0).as_f64().expect("a status");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        (status as u16, answer.get(1).as_string().expect("a text"))
    }

    /// Steers it.
    pub(crate) async fn post(&self, call: &str, body: &str) {
        let (status, answer) = self.call("POST", &format!("/{call}"), Some(body)).await;
        assert!((200..300).contains(&status), "{call}: {status} {answer}");
    }

    /// Asks it, for JSON.
    pub(crate) async fn get(&self, call: &str) -> String {
        let (status, answer) = self.call("GET", &format!("/{call}"), None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// One of the numbers of `connections`.
    pub(crate) async fn count(&self, name: &str) -> u64 {
        let answer: serde_json::Value =
            serde_json::from_str(&self.get("connections").await).expect("JSON");
        answer[name].as_u64().expect("a number")
    }
}

/// Milliseconds of a clock that never goes back.
pub(crate) fn now() -> f64 {
    web_sys::window().unwrap().performance().unwrap().now()
}

/// Options with waits of milliseconds.
pub(crate) fn eager(url: &str) -> Options {
    let mut options = Options::new(url);
    options.config = Config {
        backoff: Backoff {
            base: Duration::from_millis(50),
            cap: Duration::from_millis(200),
        },
        ..Config::default()
    };
    options
}

/// A client of the server, and what it hears.
pub(crate) fn client() -> (Client, Heard<Event>) {
    client_with(eager(websocket()))
}

pub(crate) fn client_with(options: Options) -> (Client, Heard<Event>) {
    let heard = Heard::new();
    let ear = heard.clone();
    let client = Client::connect(options, move |event| ear.push(event));
    (client, heard)
}

pub(crate) async fn open(client: &Client) {
    until("the client is open", || client.state().is_open()).await;
}

/// The gateway's id of the client's present connection, from the error frame that an unknown
/// route is answered with.
pub(crate) async fn connection_id(client: &Client, heard: &Heard<Event>) -> String {
    let before = heard.frames().len();
    let _sent = client.send_text(r#"{"action":"no such route"}"#);
    let id = || {
        heard.frames()[before..].iter().find_map(|text| {
            let frame = serde_json::from_str::<babelwire_wire::GatewayError>(text).ok()?;
            Some(frame.connection_id)
        })
    };
    until("the gateway names the connection", || id().is_some()).await;
    id().unwrap()
}

/// The path of a connection under `@connections`.
pub(crate) fn connection_path(id: &str) -> String {
    let id: String = js_sys::encode_uri_component(id).into();
    format!("live/@connections/{id}")
}

/// The state's name is one of these, for assertions on what is shown.
pub(crate) fn is(client: &Client, state: &str) -> bool {
    State::as_str(&client.state()) == state
}
