//! A server to test, and clients.

use std::path::Path;
use std::time::Duration;

use babelwire_server::{Options, Server};
use babelwire_wire::rest::Created;
use babelwire_wire::{Frame, Inbound, Status, Translation};
use clap::Parser;
use futures::{SinkExt, StreamExt};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything may take before a test gives up on it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A server in this process, on a port of its own.
pub(crate) struct Backend {
    pub(crate) api: Api,
    pub(crate) data: TempDir,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), babelwire_server::Error>>,
}

impl Backend {
    pub(crate) async fn start(arguments: &[&str]) -> Self {
        Self::start_on(tempfile::tempdir().unwrap(), arguments).await
    }

    pub(crate) async fn start_on(data: TempDir, arguments: &[&str]) -> Self {
        let server = Server::start(options(data.path(), arguments))
            .await
            .unwrap();
        let api = Api::new(format!("http://{}", server.address()));
        let (stop, stopped) = oneshot::channel::<()>();
        let running = tokio::spawn(server.run(async move {
            let _ = stopped.await;
        }));
        Self {
            api,
            data,
            stop: Some(stop),
            running,
        }
    }

    pub(crate) fn ask_to_stop(&mut self) {
        let _ = self.stop.take().unwrap().send(());
    }

    pub(crate) async fn ended(self) -> TempDir {
        within(self.running).await.unwrap().unwrap();
        self.data
    }

    pub(crate) async fn stop(mut self) -> TempDir {
        self.ask_to_stop();
        self.ended().await
    }
}

pub(crate) fn options(data: &Path, arguments: &[&str]) -> Options {
    let data = data.to_str().unwrap();
    let always = [
        "babelwire-server",
        "--listen=127.0.0.1:0",
        "--translator=pseudo",
        "--data",
        data,
    ];
    Options::parse_from(always.iter().chain(arguments))
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, future)
        .await
        .expect("it takes too long")
}

/// A client of REST.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) origin: String,
    pub(crate) client: Client,
}

impl Api {
    pub(crate) fn new(origin: String) -> Self {
        Self {
            origin,
            client: Client::builder().no_proxy().build().unwrap(),
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.origin))
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Response {
        self.request(method, path).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path).await
    }

    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        assert!(response.status().is_success(), "{response:?}");
        response.json().await.unwrap()
    }

    pub(crate) async fn create(&self, body: &Value) -> Response {
        self.request(Method::POST, "/api/translations")
            .json(body)
            .send()
            .await
            .unwrap()
    }

    pub(crate) async fn announce(&self, name: &str, size: usize) -> Created {
        let body = json!({"name": name, "size": size, "source": "en", "target": "es"});
        let response = self.create(&body).await;
        assert_eq!(response.status(), 201, "{name}");
        response.json().await.unwrap()
    }

    pub(crate) async fn put(&self, url: &str, bytes: impl Into<reqwest::Body>) -> Response {
        self.client.put(url).body(bytes).send().await.unwrap()
    }

    /// Announces and uploads a file.
    pub(crate) async fn upload(&self, name: &str, bytes: &[u8]) -> Translation {
        let created = self.announce(name, bytes.len()).await;
        let response = self.put(&created.upload.url, bytes.to_vec()).await;
        assert_eq!(response.status(), 200, "{:?}", response.text().await);
        created.translation
    }

    pub(crate) async fn translation(&self, id: &str) -> Translation {
        self.get(&format!("/api/translations/{id}"))
            .await
            .json()
            .await
            .unwrap()
    }

    /// Waits until a translation is as it should be.
    pub(crate) async fn wait(&self, id: &str, is: impl Fn(&Translation) -> bool) -> Translation {
        let mut last = None;
        for _ in 0..LIMIT.as_millis() / 10 {
            let translation = self.translation(id).await;
            if is(&translation) {
                return translation;
            }
            last = Some(translation);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it stays {last:?}");
    }

    pub(crate) async fn done(&self, id: &str) -> Translation {
        let translation = self.wait(id, |t| t.status.is_final()).await;
        assert_eq!(translation.status, Status::Done, "{translation:?}");
        translation
    }

    pub(crate) async fn result(&self, id: &str) -> Vec<u8> {
        let response = self.get(&format!("/api/translations/{id}/result")).await;
        assert_eq!(response.status(), 200);
        response.bytes().await.unwrap().to_vec()
    }
}

/// Asserts that an answer is a problem document of this status, and gives its words.
pub(crate) async fn problem(response: Response, status: u16) -> String {
    assert_eq!(response.status(), status, "{response:?}");
    let content_type = response.headers()["content-type"].to_str().unwrap();
    assert_eq!(content_type, "application/problem+json");
    let problem: babelwire_wire::rest::Problem = response.json().await.unwrap();
    assert_eq!(problem.status, status);
    assert!(!problem.title.is_empty() && problem.detail.len() > 20);
    problem.detail
}

/// A client of the WebSocket.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(api: &Api) -> Self {
        let url = format!("{}/live", api.origin.replace("http:", "ws:"));
        let (socket, _) = within(tokio_tungstenite::connect_async(url)).await.unwrap();
        Self(socket)
    }

    pub(crate) async fn send(&mut self, action: &Value) {
        self.send_text(&action.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn message(&mut self) -> Message {
        within(self.0.next()).await.unwrap().unwrap()
    }

    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    pub(crate) async fn frame(&mut self) -> Frame {
        Inbound::parse(self.text().await).frame
    }

    /// The next frame that `pick` picks; the others are passed over.
    pub(crate) async fn find<T>(&mut self, pick: impl Fn(Frame) -> Option<T>) -> T {
        loop {
            if let Some(found) = pick(self.frame().await) {
                return found;
            }
        }
    }

    /// All frames until `last` says that this was the last, with it.
    pub(crate) async fn until(&mut self, last: impl Fn(&Frame) -> bool) -> Vec<Frame> {
        let mut frames = Vec::new();
        loop {
            let text = self.text().await;
            assert!(text.len() <= 32 * 1024, "a frame of {} bytes", text.len());
            let frame = Inbound::parse(text).frame;
            let is_last = last(&frame);
            frames.push(frame);
            if is_last {
                return frames;
            }
        }
    }

    /// Everything that was sent to this client so far, by way of a ping.
    pub(crate) async fn so_far(&mut self) -> Vec<Frame> {
        self.send(&json!({"action": "ping", "data": "so far"}))
            .await;
        let mut frames = self
            .until(|frame| matches!(frame, Frame::Pong { data } if data == "so far"))
            .await;
        frames.pop();
        frames
    }
}

pub(crate) fn is_done(frame: &Frame) -> bool {
    matches!(frame, Frame::Translation(translation) if translation.status == Status::Done)
}
