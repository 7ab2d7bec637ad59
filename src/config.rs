//! `config.json`: where this deployment's backend is.

use babelwire_wire::config::Config;
use babelwire_wire::from_json;

use crate::api::Api;
use crate::words::{Text, Trouble};

/// Fetches `config.json` from beside the page and reads it. Its URLs may be relative to the page.
pub fn load(then: impl FnOnce(Result<Config, Trouble>) + 'static) {
    Api::new(".").file("config.json", |text| {
        then(match text {
            Ok(text) => read(&text),
            Err(trouble) if trouble.refused => Err(missing()),
            Err(_) => Err(Trouble::lasting(
                Text::ConfigNotFetched,
                Text::ConfigNotFetchedAdvice,
            )),
        });
    });
}

/// Reads the file's text.
pub fn read(text: &str) -> Result<Config, Trouble> {
    let config: Config = from_json(text).map_err(|misfit| match misfit.field() {
        "websocketUrl" | "object of JSON" => {
            Trouble::lasting(Text::ConfigUnreadable, Text::ConfigUnreadableAdvice)
        }
        _ => Trouble::lasting(Text::ConfigSignIn, Text::ConfigSignInAdvice),
    })?;
    if config.websocket_url.is_empty() {
        return Err(unusable_websocket());
    }
    Ok(config)
}

fn missing() -> Trouble {
    Trouble::lasting(Text::ConfigMissing, Text::ConfigMissingAdvice)
}

/// The WebSocket's URL is none.
pub fn unusable_websocket() -> Trouble {
    Trouble::lasting(Text::ConfigWebSocket, Text::ConfigWebSocketAdvice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_api_is_a_live_console() {
        let config = read(r#"{"websocketUrl":"wss://a.example/dev"}"#).unwrap();
        assert_eq!(config.api_url, None);
    }

    #[test]
    fn a_wrong_sign_in_says_what_it_has_to_be() {
        for sign_in in [
            "true",
            "{}",
            r#"{"authorizeUrl":"https://id.example/auth","tokenUrl":"https://id.example/token"}"#,
        ] {
            let text = [r#"{"websocketUrl":"live","signIn":"#, sign_in, "}"].concat();
            let trouble = read(&text).unwrap_err();
            assert!(trouble.title().contains("signIn"), "{sign_in}");
            for name in ["authorizeUrl", "tokenUrl", "clientId", "reload"] {
                assert!(trouble.detail().contains(name), "{sign_in}: {name}");
            }
        }
    }

    #[test]
    fn a_wrong_file_says_what_it_has_to_be() {
        for text in [
            "",
            "<!doctype html>",
            "{}",
            r#"{"apiUrl":"api"}"#,
            r#"{"websocketUrl":7}"#,
        ] {
            let trouble = read(text).unwrap_err();
            assert!(trouble.detail().contains("websocketUrl"), "{text}");
            assert!(trouble.detail().contains("reload"), "{text}");
        }
        let trouble = read(r#"{"websocketUrl":""}"#).unwrap_err();
        assert!(trouble.title().contains("websocketUrl"));
    }
}
