//! The REST interface, as the page calls it.

use std::cell::Cell;
use std::rc::Rc;

use babelwire_wire::rest::Problem;
use babelwire_wire::{Failure, FromFields, from_json};
use gloo_net::http::Request;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{RequestCache, RequestInit, Response};

use crate::words::{Text, Trouble};

/// The REST interface of one backend.
#[derive(Debug, Clone)]
pub struct Api {
    /// Absolute or relative to the page, without a slash at the end.
    base: String,
    person: Option<Person>,
}

/// Somebody whom a backend knows.
#[derive(Debug, Clone)]
struct Person {
    subject: Rc<str>,
    send: Send,
}

/// Sends a request with what shows who asks; gives a promise of the response.
pub type Send = fn(web_sys::Request) -> Promise;

/// What to ask.
#[derive(Debug)]
pub struct Call {
    method: &'static str,
    path: String,
    body: Option<String>,
    /// Whether the answer's bytes are wanted as they are, not as text.
    bytes: bool,
}

impl Call {
    /// A GET of that path, given in pieces.
    pub fn get(path: &[&str]) -> Self {
        Self {
            method: "GET",
            path: path.concat(),
            body: None,
            bytes: false,
        }
    }

    /// A POST to that path, perhaps with a body of JSON.
    pub fn post(path: &[&str], body: Option<String>) -> Self {
        Self {
            method: "POST",
            body,
            ..Self::get(path)
        }
    }

    /// A DELETE of that path.
    pub fn delete(path: &[&str]) -> Self {
        Self {
            method: "DELETE",
            ..Self::get(path)
        }
    }
}

/// Answers a GET of that path without the backend, with text or bytes, if it can.
pub type AnswerInstead = fn(path: &str, bytes: bool) -> Option<Promise>;

thread_local! {
    static ANSWER_INSTEAD: Cell<Option<AnswerInstead>> = const { Cell::new(None) };
}

/// Has what can be answered without the backend answered so.
pub fn answer_instead_with(answer: AnswerInstead) {
    ANSWER_INSTEAD.set(Some(answer));
}

impl Api {
    /// The interface under that URL.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.trim_end_matches('/').to_owned(),
            person: None,
        }
    }

    /// The interface under that URL as somebody who has signed in sees it: all requests to it go
    /// through `send`.
    #[must_use]
    pub fn signed(base: &str, subject: &str, send: Send) -> Self {
        Self {
            person: Some(Person {
                subject: subject.into(),
                send,
            }),
            ..Self::new(base)
        }
    }

    /// Who asks, as the backend names them; nobody in particular where nobody signs in.
    pub fn subject(&self) -> Option<&Rc<str>> {
        self.person.as_ref().map(|person| &person.subject)
    }

    /// Asks for what is at an address that [`Api::download_url`] gave; gives a promise of the
    /// response, whatever it is.
    pub fn open(&self, url: &str) -> Result<Promise, JsValue> {
        let request = web_sys::Request::new_with_str(url)?;
        if let Some(send) = self.sender() {
            return Ok(send(request));
        }
        let window = web_sys::window().ok_or(JsValue::UNDEFINED)?;
        Ok(window.fetch_with_request(&request))
    }

    fn sender(&self) -> Option<Send> {
        self.person.as_ref().map(|person| person.send)
    }

    /// Its address: absolute or relative to the page.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Asks the backend itself for what is under that path: text, or bytes.
    pub async fn get(&self, path: String, bytes: bool) -> Result<JsValue, Trouble> {
        let url = [&self.base, "/", &path].concat();
        let call = Call {
            bytes,
            ..Call::get(&[&path])
        };
        fetch(&url, &call, self.sender()).await
    }

    /// Where the whole result can be downloaded.
    pub fn result_url(&self, id: &str) -> String {
        self.download_url(id, "/result")
    }

    /// Where something of a translation can be downloaded: a path that begins with a slash.
    pub fn download_url(&self, id: &str, what: &str) -> String {
        [&self.base, "/translations/", id, what].concat()
    }

    /// Deletes what is under that path, and has the browser see to it when the page is gone.
    pub fn delete_while_leaving(&self, path: &[&str]) {
        let url = [&self.base, "/", &path.concat()].concat();
        let init = RequestInit::new();
        init.set_method("DELETE");
        // A plain object takes any property.
        let _ = js_sys::Reflect::set(&init, &"keepalive".into(), &JsValue::TRUE);
        // Nobody is left to hear the answer.
        if let Some(send) = self.sender() {
            if let Ok(request) = web_sys::Request::new_with_str_and_init(&url, &init) {
                let _ = send(request);
            }
        } else if let Some(window) = web_sys::window() {
            let _ = window.fetch_with_str_and_init(&url, &init);
        }
    }

    /// Fetches a file beside the page.
    pub fn file(&self, name: &str, then: impl FnOnce(Result<String, Trouble>) + 'static) {
        self.text(Call::get(&[name]), then);
    }

    /// Fetches the original bytes. They stay with the browser, outside the page's own memory.
    pub fn source(&self, id: &str, then: impl FnOnce(Result<Uint8Array, Trouble>) + 'static) {
        self.bytes(Call::get(&["translations/", id, "/source"]), then);
    }

    /// Asks, and gives the answer's bytes, which stay with the browser.
    pub fn bytes(&self, call: Call, then: impl FnOnce(Result<Uint8Array, Trouble>) + 'static) {
        let call = Call {
            bytes: true,
            ..call
        };
        self.send(
            call,
            Box::new(move |body| then(body.map(|body| Uint8Array::new(&body)))),
        );
    }

    /// Asks, and gives the answer's text.
    pub fn text(&self, call: Call, then: impl FnOnce(Result<String, Trouble>) + 'static) {
        self.send(
            call,
            Box::new(move |body| then(body.map(|body| body.as_string().unwrap_or_default()))),
        );
    }

    /// The only future of the page: each `async fn` is a state machine of its own in the wasm.
    fn send(&self, call: Call, then: Box<dyn FnOnce(Result<JsValue, Trouble>)>) {
        let url = [&self.base, "/", &call.path].concat();
        let sender = self.sender();
        let instead = ANSWER_INSTEAD.get().filter(|_| call.method == "GET");
        let instead = instead.and_then(|answer| answer(&call.path, call.bytes));
        spawn_local(async move {
            then(match instead {
                Some(answer) => JsFuture::from(answer).await.map_err(|_| out_of_reach()),
                None => fetch(&url, &call, sender).await,
            });
        });
    }
}

async fn fetch(url: &str, call: &Call, sender: Option<Send>) -> Result<JsValue, Trouble> {
    let Ok(request) = request(url, call) else {
        return Err(out_of_reach());
    };
    let response: Response = if let Some(send) = sender {
        match JsFuture::from(send(request)).await {
            Ok(response) => response.unchecked_into(),
            Err(_) => return Err(out_of_reach()),
        }
    } else {
        match Request::from(request).send().await {
            Ok(response) => response.into(),
            Err(_) => return Err(out_of_reach()),
        }
    };
    let ok = response.ok();
    let body = if ok && call.bytes {
        response.array_buffer()
    } else {
        response.text()
    };
    let body = match body {
        Ok(body) => JsFuture::from(body).await,
        Err(error) => Err(error),
    };
    if ok {
        return body.map_err(|_| cut_off());
    }
    let text = body.ok().and_then(|body| body.as_string());
    Err(refusal(response.status(), &text.unwrap_or_default()))
}

/// Made without gloo-net's builder, which takes every URL apart and puts it together again: half a
/// kilobyte for each visitor.
fn request(url: &str, call: &Call) -> Result<web_sys::Request, JsValue> {
    let init = RequestInit::new();
    init.set_method(call.method);
    init.set_cache(RequestCache::NoCache);
    if let Some(body) = &call.body {
        init.set_body(&body.into());
    }
    let request = web_sys::Request::new_with_str_and_init(url, &init)?;
    if call.body.is_some() {
        request.headers().set("Content-Type", "application/json")?;
    }
    Ok(request)
}

/// Reads an answer.
pub fn read<T: FromFields>(text: Result<String, Trouble>) -> Result<T, Trouble> {
    from_json(&text?).map_err(|_| Trouble::passing(Text::AnswerStrange, Text::AnswerStrangeAdvice))
}

fn out_of_reach() -> Trouble {
    Trouble::passing(Text::ServerOutOfReach, Text::ServerOutOfReachAdvice)
}

fn cut_off() -> Trouble {
    Trouble::passing(Text::AnswerCutOff, Text::TryAgain)
}

/// What an answer that is no success means for a person. Where the backend says it itself, its words
/// are the better ones, as long as the page speaks its language.
pub fn refusal(status: u16, body: &str) -> Trouble {
    let refused = (400..500).contains(&status) && !matches!(status, 408 | 425 | 429);
    let (what, advice) = match status {
        404 | 410 => (Text::TroubleGone, Text::TroubleGoneAdvice),
        409 => (Text::TroubleConflict, Text::TroubleConflictAdvice),
        413 => (Text::TroubleTooLarge, Text::TroubleTooLargeAdvice),
        _ if refused => (Text::ServerRefused, Text::ServerRefusedAdvice),
        _ => (Text::ServerBusy, Text::ServerBusyAdvice),
    };
    let mut trouble = Trouble::passing(what, advice);
    trouble.refused = refused;
    trouble.gone = matches!(status, 404 | 410);
    match from_json::<Problem>(body) {
        Ok(Problem { title, detail, .. }) => trouble.in_words_of(Failure { title, detail }),
        Err(_) => trouble,
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
        assert_eq!(trouble.title(), "Too large");
        assert_eq!(trouble.detail(), "At most 50 MB.");
        assert!(trouble.refused);
    }

    #[test]
    fn a_broken_proxy_is_trouble_that_may_pass_and_its_html_is_never_shown() {
        let trouble = refusal(502, "<html>nginx</html>");
        assert!(!trouble.refused);
        assert!(!trouble.title().contains("nginx") && !trouble.detail().contains("nginx"));
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
