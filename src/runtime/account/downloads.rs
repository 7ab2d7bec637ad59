//! Downloads: a link's own request has no token, so the page fetches what it leads to.

use gloo_timers::callback::Timeout;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{Blob, Element, HtmlAnchorElement, MouseEvent, Response, Url};

use super::{Store, window};
use crate::api::refusal;
use crate::oauth::file_name;
use crate::store::{Msg, Trouble};
use crate::words::{Text, fill, sentence};

/// How long the browser has to begin saving it, in milliseconds.
const SAVING: u32 = 60_000;

/// The middle button.
const MIDDLE: i16 = 1;

/// Takes care of links to what the backend gives to people alone, for as long as the page is there.
/// Whoever takes such a link away first is left to it.
pub(super) fn watch(store: &Store) {
    let Some(window) = window() else { return };
    let store = store.clone();
    let heard = Closure::<dyn FnMut(MouseEvent)>::new(move |event: MouseEvent| {
        if !event.default_prevented() {
            pressed(&store, &event);
        }
    });
    for kind in ["click", "auxclick"] {
        // Fails for no listener that is a function.
        let _ = window.add_event_listener_with_callback(kind, heard.as_ref().unchecked_ref());
    }
    heard.forget();
}

fn pressed(store: &Store, event: &MouseEvent) {
    if event.type_() == "auxclick" && event.button() != MIDDLE {
        return;
    }
    let target = event
        .target()
        .and_then(|target| target.dyn_into::<Element>().ok());
    let link = target.and_then(|target| target.closest("a[download]").ok().flatten());
    let link = link.and_then(|link| link.dyn_into::<HtmlAnchorElement>().ok());
    let (Some(link), Some(api)) = (link, store.api()) else {
        return;
    };
    let href = link.href();
    let Some(path) = whole(api.base()).and_then(|base| {
        let path = href.strip_prefix(&base)?.strip_prefix("/translations/")?;
        Some(path.to_owned())
    }) else {
        return;
    };
    event.prevent_default();
    let (id, what) = path.split_once('/').unwrap_or((&path, ""));
    let known = {
        let state = store.state();
        let row = state.rows.iter().find(|row| row.id() == Some(id));
        row.map(|row| {
            let name = if what.starts_with("result") {
                row.result_name()
            } else {
                [&*row.name, ".html"].concat()
            };
            (row.name.to_string(), name)
        })
    };
    let (file, name) = known.unwrap_or_default();
    let store = store.clone();
    spawn_local(async move {
        let saved = match api.open(&href) {
            Ok(coming) => match JsFuture::from(coming).await {
                Ok(response) => save(response.unchecked_into(), name).await,
                Err(_) => Err(out_of_reach()),
            },
            Err(_) => Err(out_of_reach()),
        };
        if let Err(trouble) = saved {
            let notice = fill(Text::NotDownloaded, &[&file, &sentence(&trouble)]);
            store.dispatch(Msg::Notice(notice.into()));
        }
    });
}

fn out_of_reach() -> Trouble {
    Trouble::passing(Text::ServerOutOfReach, Text::ServerOutOfReachAdvice)
}

/// An address as a link has it.
fn whole(url: &str) -> Option<String> {
    let base = window()?.document()?.base_uri().ok()??;
    Some(Url::new_with_base(url, &base).ok()?.href())
}

async fn save(response: Response, known: String) -> Result<(), Trouble> {
    let cut_off = || Trouble::passing(Text::AnswerCutOff, Text::TryAgain);
    if !response.ok() {
        let text = match response.text() {
            Ok(text) => JsFuture::from(text).await.ok(),
            Err(_) => None,
        };
        let text = text.and_then(|text| text.as_string()).unwrap_or_default();
        return Err(refusal(response.status(), &text));
    }
    let disposition = response.headers().get("Content-Disposition").ok().flatten();
    let decode = |text: &str| js_sys::decode_uri_component(text).ok().map(String::from);
    // From another origin the header can be read only if it is exposed.
    let name = disposition.and_then(|disposition| file_name(&disposition, decode));
    let blob = response.blob().map_err(|_| cut_off())?;
    let blob: Blob = JsFuture::from(blob)
        .await
        .and_then(JsCast::dyn_into)
        .map_err(|_| cut_off())?;
    hand_over(&blob, &name.unwrap_or(known)).map_err(|_| cut_off())
}

fn hand_over(blob: &Blob, name: &str) -> Result<(), JsValue> {
    let url = Url::create_object_url_with_blob(blob)?;
    let document = window().and_then(|window| window.document());
    let link = document.ok_or(JsValue::UNDEFINED)?.create_element("a")?;
    let link: HtmlAnchorElement = link.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    Timeout::new(SAVING, move || {
        // Fails for no URL.
        let _ = Url::revoke_object_url(&url);
    })
    .forget();
    Ok(())
}
