//! A real WebSocket client.

use std::time::Duration;

use babelwire_testkit::Stage;
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

/// What `onclose` of a browser says of an end without a close frame.
pub(crate) const ABNORMAL: u16 = 1006;

pub(crate) struct Client {
    pub(crate) socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The subprotocol that was chosen.
    pub(crate) protocol: Option<String>,
}

/// What takes longer will not happen: a machine under load is slow, not this slow.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), what)
        .await
        .expect("this did not happen within 30 s")
}

/// Dials, and says how it was refused: with its status, or 0 for an end without an answer.
pub(crate) async fn try_dial(request: impl IntoClientRequest + Unpin) -> Result<Client, u16> {
    match soon(connect_async(request)).await {
        Ok((socket, response)) => Ok(Client {
            socket,
            protocol: response
                .headers()
                .get("sec-websocket-protocol")
                .map(|value| value.to_str().unwrap().to_owned()),
        }),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(Error::Io(_) | Error::Protocol(_)) => Err(0),
        Err(error) => panic!("{error}"),
    }
}

/// Dials, and waits until the gateway counts it as open.
pub(crate) async fn dial(stage: &Stage) -> Client {
    let before = stage.seen().open();
    let client = try_dial(stage.url()).await.unwrap();
    stage.until(|seen| seen.open() > before).await.unwrap();
    client
}

impl Client {
    pub(crate) async fn send(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    pub(crate) async fn echo(&mut self, text: &str) {
        let frame = serde_json::json!({"action": "echomessage", "data": text});
        self.send(&frame.to_string()).await;
    }

    /// The next text frame.
    pub(crate) async fn text(&mut self) -> String {
        match soon(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            other => panic!("no text frame but {other:?}"),
        }
    }

    pub(crate) async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            texts.push(self.text().await);
        }
        texts
    }

    /// What still comes, and the code and reason at the end.
    pub(crate) async fn rest(&mut self) -> (Vec<String>, u16, String) {
        let mut texts = Vec::new();
        let (mut code, mut reason) = (ABNORMAL, String::new());
        while let Some(Ok(message)) = soon(self.socket.next()).await {
            match message {
                Message::Text(text) => texts.push(text.as_str().to_owned()),
                Message::Close(None) => code = 1005,
                Message::Close(Some(frame)) => {
                    code = frame.code.into();
                    reason = frame.reason.to_string();
                }
                other => panic!("{other:?}"),
            }
        }
        (texts, code, reason)
    }

    /// The code and reason with which the connection ends, with nothing before it.
    pub(crate) async fn end(&mut self) -> (u16, String) {
        let (texts, code, reason) = self.rest().await;
        assert_eq!(texts, Vec::<String>::new());
        (code, reason)
    }

    pub(crate) async fn close(mut self, code: u16, reason: &str) {
        let frame = CloseFrame {
            code: CloseCode::from(code),
            reason: reason.to_owned().into(),
        };
        self.socket.close(Some(frame)).await.unwrap();
        while let Some(Ok(_)) = soon(self.socket.next()).await {}
    }
}
