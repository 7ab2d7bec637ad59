//! The REST interface, as the page calls it.

use babelwire_wire::Translation;
use babelwire_wire::rest::{
    CreateTranslation, Created, Languages, Listing, OneTranslation, Problem, Segments,
};
use gloo_net::http::{Method, RequestBuilder, Response};
use js_sys::Uint8Array;
use serde::de::DeserializeOwned;
use wasm_bindgen_futures::JsFuture;

use crate::store::{Command, SEGMENTS_PAGE, Trouble};

/// The REST interface of one backend.
#[derive(Debug, Clone)]
pub struct Api {
    /// Absolute, without a slash at the end.
    base: String,
}

impl Api {
    /// The interface under that absolute URL.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
        }
    }

    /// Where the whole result can be downloaded.
    pub fn result_url(&self, id: &str) -> String {
        self.url(&["translations/", id, "/result"])
    }

    /// What can be translated into what.
    pub async fn languages(&self) -> Result<Languages, Trouble> {
        read(self.call(Method::GET, &["languages"], None).await)
    }

    /// The translations that changed after a cursor, or all of them; a page of them.
    pub async fn listing(
        &self,
        since: Option<&str>,
        after: Option<&str>,
    ) -> Result<Listing, Trouble> {
        let mut path = "translations".to_owned();
        let mut separator = '?';
        for (name, value) in [("changedSince=", since), ("after=", after)] {
            if let Some(value) = value {
                path.push(separator);
                path.push_str(name);
                path.push_str(&String::from(js_sys::encode_uri_component(value)));
                separator = '&';
            }
        }
        read(self.call(Method::GET, &[&path], None).await)
    }

    /// Announces a file.
    pub async fn create(&self, body: &CreateTranslation) -> Result<Created, Trouble> {
        // Strings and a number always serialize.
        let body = serde_json::to_string(body).unwrap_or_default();
        read(self.call(Method::POST, &["translations"], Some(body)).await)
    }

    /// Cancels, retries or deletes a translation; gives its snapshot where the backend does.
    pub async fn command(
        &self,
        id: &str,
        command: Command,
    ) -> Result<Option<Translation>, Trouble> {
        let (method, action) = match command {
            Command::Cancel => (Method::POST, "/cancel"),
            Command::Retry => (Method::POST, "/retry"),
            Command::Delete => (Method::DELETE, ""),
        };
        let answer = self
            .call(method, &["translations/", id, action], None)
            .await;
        let text = match answer {
            // Somebody else was quicker.
            Err(trouble) if trouble.gone && command == Command::Delete => return Ok(None),
            answer => answer?,
        };
        if text.is_empty() {
            return Ok(None);
        }
        read::<OneTranslation>(Ok(text)).map(|answer| Some(answer.translation))
    }

    /// A page of segments, from an index on.
    pub async fn segments(&self, id: &str, from: u64) -> Result<Segments, Trouble> {
        let (from, limit) = (from.to_string(), SEGMENTS_PAGE.to_string());
        let path = [
            "translations/",
            id,
            "/segments?from=",
            &from,
            "&limit=",
            &limit,
        ];
        read(self.call(Method::GET, &path, None).await)
    }

    /// The original bytes. They stay with the browser, outside the page's own memory.
    pub async fn source(&self, id: &str) -> Result<Uint8Array, Trouble> {
        let response = self
            .send(Method::GET, &["translations/", id, "/source"], None)
            .await?;
        let response: web_sys::Response = response.into();
        let buffer = JsFuture::from(response.array_buffer().map_err(|_| cut_off())?)
            .await
            .map_err(|_| cut_off())?;
        Ok(Uint8Array::new(&buffer))
    }

    fn url(&self, path: &[&str]) -> String {
        [&self.base, "/", &path.concat()].concat()
    }

    async fn call(
        &self,
        method: Method,
        path: &[&str],
        body: Option<String>,
    ) -> Result<String, Trouble> {
        let response = self.send(method, path, body).await?;
        response.text().await.map_err(|_| cut_off())
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        body: Option<String>,
    ) -> Result<Response, Trouble> {
        let builder = RequestBuilder::new(&self.url(path)).method(method);
        let request = match body {
            Some(body) => builder
                .header("Content-Type", "application/json")
                .body(body),
            None => builder.build(),
        };
        let Ok(request) = request else {
            return Err(unreachable_backend());
        };
        let response = request.send().await.map_err(|_| unreachable_backend())?;
        if response.ok() {
            return Ok(response);
        }
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        Err(refusal(status, &text))
    }
}

fn read<T: DeserializeOwned>(text: Result<String, Trouble>) -> Result<T, Trouble> {
    serde_json::from_str(&text?).map_err(|_| {
        Trouble::passing(
            "The server's answer makes no sense to this page",
            "The two may be of different versions. Reload the page.",
        )
    })
}

fn unreachable_backend() -> Trouble {
    Trouble::passing(
        "The server can't be reached",
        "See whether you are connected, then try again.",
    )
}

fn cut_off() -> Trouble {
    Trouble::passing("The server's answer was cut off", "Try again.")
}

/// What an answer that is no success means for a person.
pub fn refusal(status: u16, body: &str) -> Trouble {
    let refused = (400..500).contains(&status) && !matches!(status, 408 | 425 | 429);
    let gone = matches!(status, 404 | 410);
    match serde_json::from_str::<Problem>(body) {
        Ok(problem) => Trouble {
            title: problem.title,
            detail: problem.detail,
            refused,
            gone,
        },
        Err(_) if refused => Trouble {
            title: "The server refused this".to_owned(),
            detail: "It did not say why.".to_owned(),
            refused,
            gone,
        },
        Err(_) => Trouble::passing("The server can't do this now", "Try again in a while."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_document_is_told_in_its_own_words() {
        let body =
            r#"{"type":"about:blank","title":"Too large","status":413,"detail":"At most 50 MB."}"#;
        let trouble = refusal(413, body);
        assert_eq!(trouble.title, "Too large");
        assert_eq!(trouble.detail, "At most 50 MB.");
        assert!(trouble.refused);
    }

    #[test]
    fn a_broken_proxy_is_trouble_that_may_pass_and_its_html_is_never_shown() {
        let trouble = refusal(502, "<html>nginx</html>");
        assert!(!trouble.refused);
        assert!(!trouble.title.contains("nginx") && !trouble.detail.contains("nginx"));
    }

    #[test]
    fn too_many_requests_is_worth_another_try() {
        assert!(!refusal(429, "").refused);
        assert!(refusal(404, "").refused && refusal(404, "").gone);
    }

    #[test]
    fn a_base_with_a_slash_at_its_end_makes_no_double_slash() {
        assert_eq!(
            Api::new("https://a.example/api/").result_url("T1"),
            "https://a.example/api/translations/T1/result"
        );
    }
}
