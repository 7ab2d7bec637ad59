//! `config.json`: where a deployment's backend is.

use serde::{Deserialize, Serialize};

use crate::fields::{Fields, FromFields, Value, serde_through_fields};

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
    /// Where people sign in, for a backend that takes no one else. Without it nobody is asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_in: Option<SignIn>,
}

/// Where people sign in: an OAuth 2.0 authorization server that gives out tokens for an
/// authorization code with PKCE (RFC 6749 section 4.1, RFC 7636), to a public client that is this
/// page. All URLs are resolved like [`Config::websocket_url`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Fields", rename_all = "camelCase")]
pub struct SignIn {
    /// The authorization endpoint (RFC 6749 section 3.1). A query that it has is kept, so what a
    /// server wants beside the standard's parameters (`resource`, `audience`) can stand there.
    pub authorize_url: String,
    /// The token endpoint (RFC 6749 section 3.2). It has to answer the page's origin (CORS).
    pub token_url: String,
    /// The client's id; the page's own address has to be one of its redirection URIs.
    pub client_id: String,
    /// The scope to ask for (RFC 6749 section 3.3): names separated by spaces. The server's own
    /// default where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Where the browser goes when somebody signs out, as it is, so that the server ends its own
    /// session as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logout_url: Option<String>,
}

/// The name of the field with a [`SignIn`].
const SIGN_IN: &str = "signIn";

impl FromFields for Config {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            websocket_url: fields.text("websocketUrl"),
            api_url: fields.text_if_any("apiUrl"),
            sign_in: match fields.take(SIGN_IN) {
                Value::Nothing => None,
                Value::Fields(mut within) => Some(fields.one_of(&mut within)),
                // To go on without would be to open what was meant to be shut.
                _ => {
                    fields.misfit(SIGN_IN);
                    None
                }
            },
        }
    }
}

impl FromFields for SignIn {
    fn from_fields(fields: &mut Fields) -> Self {
        Self {
            authorize_url: fields.text("authorizeUrl"),
            token_url: fields.text("tokenUrl"),
            client_id: fields.text("clientId"),
            scope: fields.text_if_any("scope"),
            logout_url: fields.text_if_any("logoutUrl"),
        }
    }
}

serde_through_fields!(Config, SignIn);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_json;

    fn with_sign_in(sign_in: &str) -> Result<Config, String> {
        let json = format!(r#"{{"websocketUrl":"live","apiUrl":"api","signIn":{sign_in}}}"#);
        from_json(&json).map_err(|misfit| misfit.to_string())
    }

    #[test]
    fn a_backend_for_everybody_names_no_sign_in() {
        let config: Config = from_json(r#"{"websocketUrl":"live"}"#).unwrap();
        assert_eq!(config.sign_in, None);
        assert_eq!(with_sign_in("null").unwrap().sign_in, None);
        assert_eq!(
            serde_json::to_string(&config).unwrap(),
            r#"{"websocketUrl":"live"}"#
        );
    }

    #[test]
    fn a_sign_in_is_read_and_written_as_it_stands() {
        let json = r#"{"authorizeUrl":"https://id.example/auth","tokenUrl":"https://id.example/token","clientId":"page","scope":"openid","logoutUrl":"https://id.example/out"}"#;
        let config = with_sign_in(json).unwrap();
        let sign_in = config.sign_in.as_ref().unwrap();
        assert_eq!(sign_in.authorize_url, "https://id.example/auth");
        assert_eq!(sign_in.scope.as_deref(), Some("openid"));
        assert_eq!(serde_json::to_string(sign_in).unwrap(), json);
        let again: Config = serde_json::from_value(serde_json::to_value(&config).unwrap()).unwrap();
        assert_eq!(again, config);
    }

    #[test]
    fn a_sign_in_that_is_none_is_never_taken_for_no_sign_in() {
        let missing = [
            (r#"{"tokenUrl":"t","clientId":"c"}"#, "authorizeUrl"),
            (r#"{"authorizeUrl":"a","clientId":"c"}"#, "tokenUrl"),
            (r#"{"authorizeUrl":"a","tokenUrl":"t"}"#, "clientId"),
            (
                r#"{"authorizeUrl":"a","tokenUrl":"t","clientId":7}"#,
                "clientId",
            ),
            ("true", "signIn"),
            (r#""https://id.example""#, "signIn"),
            ("[]", "signIn"),
        ];
        for (sign_in, name) in missing {
            let misfit = with_sign_in(sign_in).unwrap_err();
            assert!(misfit.contains(name), "{sign_in}: {misfit}");
        }
    }
}
