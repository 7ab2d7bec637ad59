//! The program, steered over HTTP as a browser's tests do.

use std::process::Stdio;

use reqwest::{Client as Http, Method, Response, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use crate::client::{ABNORMAL, Client, try_dial};

struct Program {
    /// Killed with this.
    _child: Child,
    address: String,
    http: Http,
}

impl Program {
    async fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_babelwire-fake-gateway"))
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.next_line().await.unwrap().unwrap();
        Self {
            _child: child,
            address,
            http: Http::new(),
        }
    }

    async fn call(&self, method: Method, path: &str, body: impl Into<String>) -> Response {
        let url = format!("http://{}/_control/{path}", self.address);
        let request = self.http.request(method, url).body(body.into());
        request.send().await.unwrap()
    }

    async fn post(&self, path: &str, body: impl Into<String>) -> Value {
        let response = self.call(Method::POST, path, body).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.call(Method::GET, path, "").await;
        response.json().await.unwrap()
    }

    async fn dial(&self, stage: &str) -> Client {
        let client = try_dial(format!("ws://{}/{stage}", self.address)).await;
        client.unwrap()
    }

    /// Asks until this many are open.
    async fn is_open(&self, stage: &str, open: u64) -> Value {
        loop {
            let connections = self.get(&format!("{stage}/connections")).await;
            if connections["open"] == open {
                return connections;
            }
        }
    }
}

#[tokio::test]
async fn rules_are_posted_listed_and_deleted() {
    let program = Program::start(&[]).await;
    let one = r#"{"on":{"event":"dial"},"then":{"refuse":503},"times":1}"#;
    assert_eq!(program.post("t-1/rules", one).await, json!({"rules": [1]}));
    let url = format!("ws://{}/t-1", program.address);
    assert_eq!(try_dial(url).await.err(), Some(503));

    let two = r#" [{"on":{"event":"toClient","fields":{"type":"pong"}},"then":"drop"},
                   {"on":{"event":"fromClient","text":"bye"},"then":{"close":[4000,"so long"]}}]"#;
    assert_eq!(
        program.post("t-1/rules", two).await,
        json!({"rules": [2, 3]})
    );
    let mut client = program.dial("t-1").await;
    client.send(r#"{"action":"ping"}"#).await;
    client.echo("after the lost pong").await;
    assert_eq!(client.text().await, "after the lost pong");
    client.echo("bye").await;
    assert_eq!(client.end().await, (4000, "so long".to_owned()));

    let rules = program.get("t-1/rules").await;
    let applied: Vec<u64> = rules["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["applied"].as_u64().unwrap())
        .collect();
    assert_eq!(applied, [1, 1, 1]);
    let deleted = program.call(Method::DELETE, "t-1/rules", "").await;
    assert_eq!(deleted.status(), StatusCode::NO_CONTENT);
    assert_eq!(program.get("t-1/rules").await, json!({"rules": []}));
}

#[tokio::test]
async fn connections_are_told_closed_cut_silenced_and_counted() {
    let program = Program::start(&[]).await;
    let mut first = program.dial("t-1").await;
    program.is_open("t-1", 1).await;
    let mut second = program.dial("t-1").await;
    program.is_open("t-1", 2).await;

    assert_eq!(
        program.post("t-1/broadcast", "news").await,
        json!({"connections": 2})
    );
    assert_eq!(first.text().await, "news");
    assert_eq!(second.text().await, "news");
    assert_eq!(
        program.post("t-1/broadcast?connection=2", "for you").await,
        json!({"connections": 1})
    );
    assert_eq!(second.text().await, "for you");

    let close = r#"{"code":4005,"reason":"enough","connection":1}"#;
    assert_eq!(
        program.post("t-1/close", close).await,
        json!({"connections": 1})
    );
    assert_eq!(first.end().await, (4005, "enough".to_owned()));

    assert_eq!(
        program.post("t-1/silence", "").await,
        json!({"connections": 1})
    );
    second.echo("unheard").await;
    assert_eq!(program.post("t-1/cut", "").await, json!({"connections": 1}));
    assert_eq!(second.end().await.0, ABNORMAL);

    let connections = program.is_open("t-1", 0).await;
    assert_eq!(connections["dials"], 2);
    assert_eq!(connections["framesToClients"], 3);
    assert_eq!(connections["framesFromClients"], 0);
    assert_eq!(
        connections["connections"][0]["end"],
        json!({"how": "byGateway", "code": 4005, "reason": "enough"})
    );
    assert_eq!(connections["connections"][1]["end"], json!({"how": "cut"}));
    let frames = program.get("t-1/frames").await;
    assert_eq!(frames["frames"][2]["frame"], "for you");
}

#[tokio::test]
async fn a_call_without_a_stage_is_for_the_default_one_and_stages_can_be_forgotten() {
    let program = Program::start(&["--stage", "prod"]).await;
    let mut client = program.dial("prod").await;
    program.is_open("prod", 1).await;
    assert_eq!(
        program.post("broadcast", "news").await,
        json!({"connections": 1})
    );
    assert_eq!(client.text().await, "news");

    let forgotten = program.call(Method::DELETE, "prod", "").await;
    assert_eq!(forgotten.status(), StatusCode::NO_CONTENT);
    assert_eq!(client.end().await.0, ABNORMAL);
    assert_eq!(program.get("prod/connections").await["dials"], 0);
    let unknown = program.call(Method::DELETE, "never-used", "").await;
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_page_of_any_origin_may_steer() {
    let program = Program::start(&[]).await;
    let url = format!("http://{}/_control/t-1/rules", program.address);
    let preflight = program
        .http
        .request(Method::OPTIONS, &url)
        .header("origin", "http://127.0.0.1:8000")
        .header("access-control-request-method", "DELETE")
        .header("access-control-request-private-network", "true")
        .send()
        .await
        .unwrap();
    let header = |name| preflight.headers().get(name).unwrap().to_str().unwrap();
    assert_eq!(header("access-control-allow-origin"), "*");
    assert_eq!(header("access-control-allow-methods"), "*");
    assert_eq!(header("access-control-allow-private-network"), "true");
}

#[tokio::test]
async fn a_call_that_makes_no_sense_is_answered_with_what_is_wrong() {
    let program = Program::start(&[]).await;
    for (path, body, part) in [
        (
            "t-1/rules",
            r#"{"on":{"event":"dial"},"then":"explode"}"#,
            "explode",
        ),
        (
            "t-1/rules",
            r#"{"on":{"event":"dial","test":"x"},"then":"cut"}"#,
            "test",
        ),
        (
            "t-1/rules",
            r#"[{"on":{"event":"dial"},"then":"double"}]"#,
            "only for frames",
        ),
        (
            "t-1/rules",
            r#"{"on":{"event":"fromClient","query":"x"},"then":"drop"}"#,
            "query",
        ),
        (
            "t-1/rules",
            r#"{"on":{"event":"fromClient","probability":1.5},"then":"drop"}"#,
            "1.5",
        ),
        (
            "t-1/rules",
            r#"{"on":{"event":"dial","nth":0},"then":"cut"}"#,
            "from 1",
        ),
        (
            "t-1/rules",
            r#"{"on":{"event":"dial"},"then":"cut","times":-1}"#,
            "times",
        ),
        ("t-1/close", r#"{"code":1006}"#, "cut"),
        ("t-1/cut", r#"{"connections":1}"#, "connections"),
        ("t 1/cut", "", "stage"),
    ] {
        let response = program.call(Method::POST, path, body).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{path} {body}");
        let error: Value = response.json().await.unwrap();
        let error = error["error"].as_str().unwrap();
        assert!(error.contains(part), "{path} {body}: {error}");
    }
    assert_eq!(program.get("t-1/rules").await, json!({"rules": []}));
}
