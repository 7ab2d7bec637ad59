//! `config.json`: where this deployment's backend is.

use babelwire_wire::config::Config;
use gloo_net::http::RequestBuilder;
use web_sys::{RequestCache, Url};

use crate::store::Trouble;

/// A deployment's backend, with absolute URLs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// The WebSocket, `ws` or `wss`.
    pub websocket: String,
    /// The REST interface, if there is one.
    pub api: Option<String>,
}

/// Fetches `config.json` from beside the page and reads it.
pub async fn load() -> Result<Backend, Trouble> {
    let page = web_sys::window()
        .and_then(|window| window.document()?.base_uri().ok()?)
        .unwrap_or_default();
    let Ok(request) = RequestBuilder::new("config.json")
        .cache(RequestCache::NoCache)
        .build()
    else {
        return Err(missing());
    };
    let response = request.send().await.map_err(|_| {
        trouble(
            "config.json could not be fetched",
            "See whether you are connected, then reload the page.",
        )
    })?;
    if !response.ok() {
        return Err(missing());
    }
    let text = response.text().await.map_err(|_| missing())?;
    resolve(&read(&text)?, &page)
}

/// Reads the file's text.
pub fn read(text: &str) -> Result<Config, Trouble> {
    serde_json::from_str(text).map_err(|error| {
        let mut detail = "It has to be JSON with a websocketUrl and, where there is one, an apiUrl, \
                          such as {\"websocketUrl\": \"live\", \"apiUrl\": \"api\"}. What is wrong: "
            .to_owned();
        detail.push_str(&error.to_string());
        trouble("config.json can't be read", &detail)
    })
}

/// Makes its URLs absolute.
pub fn resolve(config: &Config, page: &str) -> Result<Backend, Trouble> {
    let websocket =
        absolute(&config.websocket_url, page).ok_or_else(|| unusable("websocketUrl"))?;
    match websocket.protocol().as_str() {
        "http:" => websocket.set_protocol("ws:"),
        "https:" => websocket.set_protocol("wss:"),
        "ws:" | "wss:" => {}
        _ => return Err(unusable("websocketUrl")),
    }
    let api = match &config.api_url {
        None => None,
        Some(url) => {
            let url = absolute(url, page)
                .filter(|url| matches!(url.protocol().as_str(), "http:" | "https:"))
                .ok_or_else(|| unusable("apiUrl"))?;
            Some(url.href())
        }
    };
    Ok(Backend {
        websocket: websocket.href(),
        api,
    })
}

fn absolute(url: &str, page: &str) -> Option<Url> {
    if url.is_empty() {
        return None;
    }
    Url::new_with_base(url, page).ok()
}

fn missing() -> Trouble {
    trouble(
        "config.json is missing",
        "It belongs beside index.html and says where the backend is, such as {\"websocketUrl\": \
         \"live\", \"apiUrl\": \"api\"}. Put it there, then reload the page.",
    )
}

fn unusable(name: &str) -> Trouble {
    let title = ["The ", name, " in config.json can't be used"].concat();
    trouble(
        &title,
        "It has to be an address, whole (such as https://example.com/api) or relative to this \
         page (such as api). Correct it, then reload the page.",
    )
}

fn trouble(title: &str, detail: &str) -> Trouble {
    Trouble {
        title: title.to_owned(),
        detail: detail.to_owned(),
        refused: true,
        gone: false,
    }
}
