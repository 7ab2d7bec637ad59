//! A stack of the functions' own programs, over moto and a fake of Translate.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    reason = "every test binary has a copy of this and uses a part of it"
)]
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a test ends with a panic"
)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use babelwire_aws::fake_translate::{Behaviour, Fake, router};
use babelwire_cloud::cloud::{Auth, Cloud, Options};
use babelwire_cloud::runtime::{Function, InvokeError};
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use crate::peers::{Peer, own_name};

/// How long something may take that is waited for. A busy machine is slow.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    pub cloud: Cloud,
    pub fake: Arc<Fake>,
    pub http: reqwest::Client,
}

/// How a stage differs from a plain one.
#[derive(Default)]
pub struct Setup {
    /// Whether queues feed the functions.
    pub sources: bool,
    pub function_timeout: Option<Duration>,
    pub environment: Vec<(&'static str, &'static str)>,
    /// How long Translate takes.
    pub delay: Duration,
    pub auth: Option<Auth>,
}

impl Stage {
    pub async fn set(setup: Setup) -> Self {
        let fake = Arc::new(Fake {
            behaviour: Behaviour {
                delay: setup.delay,
                ..Behaviour::default()
            },
            ..Fake::default()
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let translate = format!("http://{}", listener.local_addr().unwrap());
        let app = router(Arc::clone(&fake));
        tokio::spawn(async move { axum::serve(listener, app).await });
        let programs = Path::new(env!("CARGO_BIN_EXE_babelwire-rest"));
        let environment = setup.environment.iter();
        let cloud = Cloud::start(Options {
            listen: ([127, 0, 0, 1], 0).into(),
            peer: Peer::moto().url.clone(),
            translate,
            functions: programs.parent().unwrap().to_owned(),
            template: Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/template.yaml"),
            stack: own_name(&format!("stage{}", std::process::id())),
            ui: None,
            function_timeout: setup.function_timeout,
            environment: environment
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            sources: setup.sources,
            auth: setup.auth,
        })
        .await
        .unwrap();
        Self {
            cloud,
            fake,
            http: reqwest::Client::new(),
        }
    }

    pub fn function(&self, name: &str) -> &Function {
        let id = format!("{name}Function");
        self.cloud
            .function(&id)
            .unwrap_or_else(|| panic!("there is no {id}"))
    }

    /// What a function answers to an event.
    pub async fn invoke(&self, name: &str, event: &Value) -> Result<Value, InvokeError> {
        let answer = self.function(name).invoke(event.to_string()).await?;
        Ok(serde_json::from_slice(&answer.payload).unwrap())
    }

    /// Calls REST as a browser does.
    pub async fn get(&self, path: &str) -> Value {
        let url = format!("{}/api/{path}", self.cloud.origin());
        let answer = self.http.get(&url).send().await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.status());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Announces a file; the answer is the translation and where to send its bytes.
    pub async fn announce(&self, name: &str, size: usize) -> Value {
        let url = format!("{}/api/translations", self.cloud.origin());
        let body = json!({"name": name, "size": size, "source": "en", "target": "es"});
        let request = self
            .http
            .post(&url)
            .header("content-type", "application/json");
        let answer = request.body(body.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    /// Sends a file's bytes to its signed URL.
    pub async fn put(&self, upload: &Value, bytes: impl Into<reqwest::Body>) {
        let mut request = self.http.put(upload["url"].as_str().unwrap());
        for (name, value) in upload["headers"].as_object().unwrap() {
            request = request.header(name, value.as_str().unwrap());
        }
        let answer = request.body(bytes).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
    }

    pub async fn translation(&self, id: &str) -> Value {
        self.get(&format!("translations/{id}")).await
    }

    /// Waits until a translation is as wanted.
    pub async fn until(&self, id: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        let waiting = async {
            loop {
                last = self.translation(id).await;
                if is_so(&last) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let met = tokio::time::timeout(PATIENCE * 2, waiting).await.is_ok();
        if !met {
            for (name, function) in self.cloud.functions() {
                println!("── {name}\n{}", function.log().join("\n"));
            }
            panic!("it never came to that: {last}");
        }
        last
    }

    /// The finished text, from wherever REST says it is.
    pub async fn result(&self, id: &str) -> String {
        let url = format!("{}/api/translations/{id}/result", self.cloud.origin());
        let answer = self.http.get(&url).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.text().await.unwrap()
    }

    /// The bodies of all messages that wait in a queue; they are taken out of it.
    pub async fn drain(&self, queue: &str) -> Vec<Value> {
        let url = self.cloud.queue_url(queue);
        let mut bodies = Vec::new();
        loop {
            let input = json!({"QueueUrl": url, "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0});
            let received = self
                .cloud
                .peer()
                .sqs("ReceiveMessage", &input)
                .await
                .unwrap();
            let messages = received["Messages"].as_array().cloned().unwrap_or_default();
            if messages.is_empty() {
                return bodies;
            }
            for message in messages {
                let input = json!({"QueueUrl": url, "ReceiptHandle": message["ReceiptHandle"]});
                self.cloud
                    .peer()
                    .sqs("DeleteMessage", &input)
                    .await
                    .unwrap();
                let body = message["Body"].as_str().unwrap();
                bodies.push(serde_json::from_str(body).unwrap());
            }
        }
    }

    /// Connects as a page does.
    pub async fn connect(&self) -> Socket {
        let (socket, _) = connect_async(self.cloud.socket_url()).await.unwrap();
        Socket(socket)
    }
}

pub struct Socket(pub WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// The next frame that is as wanted; others are passed over.
    pub async fn next(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        let waiting = async {
            loop {
                let message = self.0.next().await.unwrap().unwrap();
                let Ok(text) = message.to_text() else {
                    continue;
                };
                let frame = serde_json::from_str(text).unwrap_or(Value::String(text.to_owned()));
                if is_so(&frame) {
                    return frame;
                }
            }
        };
        tokio::time::timeout(PATIENCE, waiting)
            .await
            .expect("the frame comes")
    }

    pub async fn send(&mut self, frame: &Value) {
        use futures::SinkExt;
        self.0.send(frame.to_string().into()).await.unwrap();
    }
}

/// A recorded event, with what differs from stack to stack put in.
pub fn event(name: &str, of: &[(&str, &str)]) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/events")
        .join(name);
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (placeholder, value) in of {
        text = text.replace(placeholder, value);
    }
    serde_json::from_str(&text).unwrap()
}
