//! Frames in and out.

use babelwire::store::{Effect, Msg};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::HtmlInputElement;

use crate::support::Page;

async fn open() -> Page {
    let page = Page::ready().await;
    page.button("Console").click();
    page.shown().await;
    page
}

fn fields(page: &Page) -> (HtmlInputElement, HtmlInputElement) {
    let mut inputs = page.all("section[aria-label=Console] input").into_iter();
    (
        inputs.next().unwrap().unchecked_into(),
        inputs.next().unwrap().unchecked_into(),
    )
}

#[wasm_bindgen_test]
async fn the_button_says_whether_the_console_is_open() {
    let page = Page::ready().await;
    let expanded = || {
        page.button("Console")
            .get_attribute("aria-expanded")
            .unwrap()
    };
    assert_eq!(expanded(), "false");
    assert!(page.all("section[aria-label=Console]").is_empty());
    page.button("Console").click();
    page.shown().await;
    assert_eq!(expanded(), "true");
    page.one("section[aria-label=Console] [role=log][aria-label=Frames]");
}

#[wasm_bindgen_test]
async fn it_sends_what_is_typed_and_arriving_frames_do_not_disturb_the_typing() {
    let page = open().await;
    let (action, data) = fields(&page);
    assert_eq!(action.value(), "echomessage");
    action.set_value("ping");
    data.set_value("a \"b\"");
    page.frame("hello").await;
    assert_eq!(
        (action.value(), data.value()),
        ("ping".into(), "a \"b\"".into())
    );
    page.button("Send").click();
    page.shown().await;
    assert_eq!(
        page.asked(),
        [Effect::Send(
            r#"{"action":"ping","data":"a \"b\""}"#.to_owned()
        )]
    );
}

#[wasm_bindgen_test]
async fn frames_are_text_whatever_they_say() {
    let page = open().await;
    page.frame("<b>raw</b>").await;
    page.tell(Msg::Sent("{\"action\":\"ping\"}".to_owned()))
        .await;
    page.tell(Msg::Refused {
        text: "x".to_owned(),
        why: "The message is too large.".to_owned(),
    })
    .await;
    let log = page.one("[role=log]").text_content().unwrap();
    for part in [
        "<b>raw</b>",
        "{\"action\":\"ping\"}",
        "The message is too large.",
    ] {
        assert!(log.contains(part), "{log}");
    }
    assert!(page.all("[role=log] b").is_empty());
}
