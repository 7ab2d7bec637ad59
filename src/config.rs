//! `config.json`: where this deployment's backend is.

use babelwire_wire::config::Config;
use babelwire_wire::from_json;

use crate::api::Api;
use crate::store::Trouble;

/// Fetches `config.json` from beside the page and reads it. Its URLs may be relative to the page.
pub fn load(then: impl FnOnce(Result<Config, Trouble>) + 'static) {
    Api::new(".").file("config.json", |text| {
        then(match text {
            Ok(text) => read(&text),
            Err(trouble) if trouble.refused => Err(missing()),
            Err(_) => Err(trouble(
                "config.json could not be fetched",
                "See whether you are connected, then reload the page.",
            )),
        });
    });
}

/// Reads the file's text.
pub fn read(text: &str) -> Result<Config, Trouble> {
    let config: Config = from_json(text).map_err(|_| {
        trouble(
            "config.json can't be read",
            "It has to be JSON with a websocketUrl and, where the backend can translate, an \
             apiUrl, such as {\"websocketUrl\": \"live\", \"apiUrl\": \"api\"}. Correct it, then \
             reload the page.",
        )
    })?;
    if config.websocket_url.is_empty() {
        return Err(unusable_websocket());
    }
    Ok(config)
}

fn missing() -> Trouble {
    trouble(
        "config.json is missing",
        "It belongs beside index.html and says where the backend is, such as {\"websocketUrl\": \
         \"live\", \"apiUrl\": \"api\"}. Put it there, then reload the page.",
    )
}

/// The WebSocket's URL is none.
pub fn unusable_websocket() -> Trouble {
    trouble(
        "The websocketUrl in config.json can't be used",
        "It has to be an address, whole (such as wss://example.com/prod) or relative to this page \
         (such as live). Correct it, then reload the page.",
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_an_api_is_a_live_console() {
        let config = read(r#"{"websocketUrl":"wss://a.example/dev"}"#).unwrap();
        assert_eq!(config.api_url, None);
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
            assert!(trouble.detail.contains("websocketUrl"), "{text}");
            assert!(trouble.detail.contains("reload"), "{text}");
        }
        let trouble = read(r#"{"websocketUrl":""}"#).unwrap_err();
        assert!(trouble.title.contains("websocketUrl"));
    }
}
