//! `config.json`: where a deployment's backend is.

use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields, serde_through_fields};

/// The content of `config.json`, fetched beside `index.html` when the page starts, so that one
/// build of the page serves every deployment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct Config {
    /// The WebSocket's URL, stage included; resolved against the page's own address, so `live`
    /// becomes `wss://host/live`.
    pub websocket_url: String,
    /// The base URL of the REST interface; resolved like [`Config::websocket_url`]. Without it
    /// the page is a live console for a backend that has a WebSocket alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_url: Option<String>,
}

impl FromFields for Config {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            websocket_url: fields.text("websocketUrl"),
            api_url: fields.text_if_any("apiUrl"),
        }
    }
}

serde_through_fields!(Config);
