//! What this device keeps, as a person sees it.

use babelwire::store::{
    Effect, KeptEffect, KeptMsg, KeptText, Link, Msg, Permission, Remembered, View,
};
use babelwire_wire::{Status, Translation};
use wasm_bindgen_test::wasm_bindgen_test;

use crate::support::{Page, translation};

fn done(id: &str, name: &str) -> Translation {
    Translation {
        done: 1960,
        ..translation(id, name, Status::Done, 5)
    }
}

async fn with_kept(names: &[&str]) -> Page {
    let page = Page::ready().await;
    page.tell(Msg::Kept(KeptMsg::Texts(vec![], vec![]))).await;
    for name in names {
        let snapshot = done(name, name);
        page.push(&snapshot).await;
        let bytes = 1_500_000;
        page.tell(Msg::Kept(KeptMsg::Stored(
            KeptText { snapshot, bytes }.into(),
        )))
        .await;
    }
    page.asked();
    page
}

fn kept_effects(page: &Page) -> Vec<KeptEffect> {
    let asked = page.asked().into_iter().filter_map(|effect| match effect {
        Effect::Kept(effect) => Some(effect),
        _ => None,
    });
    asked.collect()
}

#[wasm_bindgen_test]
async fn a_row_says_that_its_text_is_kept_and_has_it_forgotten() {
    let page = with_kept(&["a.txt"]).await;
    page.push(&done("T2", "b.txt")).await;
    assert!(
        page.one(".kept-here")
            .text_content()
            .unwrap()
            .contains("Kept on this device")
    );
    assert!(!page.has_button("Forget b.txt"));
    page.button("Forget a.txt").click();
    page.shown().await;
    assert_eq!(
        kept_effects(&page),
        [KeptEffect::Forget {
            ids: vec!["a.txt".to_owned()],
            wanted: true
        }]
    );
    assert!(!page.has_button("Forget a.txt"));
}

#[wasm_bindgen_test]
async fn the_settings_say_how_much_is_kept_and_have_all_of_it_forgotten() {
    let page = with_kept(&["a.txt", "b.txt"]).await;
    let summary = page.one(".keeping summary").text_content().unwrap();
    assert_eq!(summary, "Kept on this device: 2 texts, 3 MB");
    page.button("Forget everything").click();
    page.shown().await;
    let effects = kept_effects(&page);
    assert!(
        matches!(&effects[..], [KeptEffect::Forget { ids, wanted: true }, KeptEffect::RememberKeeping(false)] if ids.len() == 2),
        "{effects:?}"
    );
    assert!(!page.has_button("Forget everything"));
    page.one(".keeping input[type=checkbox]").click();
    page.shown().await;
    assert_eq!(kept_effects(&page), [KeptEffect::RememberKeeping(true)]);
}

#[wasm_bindgen_test]
async fn nobody_is_asked_about_notifications_before_they_press_the_button() {
    let page = Page::ready().await;
    page.tell(Msg::Kept(KeptMsg::Remembered(Remembered {
        permission: Permission::Open,
        ..Remembered::default()
    })))
    .await;
    assert!(
        !page.has_button("Tell me when it is done"),
        "nothing to wait for"
    );
    page.push(&translation("T1", "a.txt", Status::Translating, 2))
        .await;
    assert_eq!(kept_effects(&page), []);
    page.button("Tell me when it is done").click();
    page.shown().await;
    assert_eq!(kept_effects(&page), [KeptEffect::AskPermission]);
    page.tell(Msg::Kept(KeptMsg::Permission(Permission::Denied)))
        .await;
    assert!(!page.has_button("Tell me when it is done"));
}

#[wasm_bindgen_test]
async fn the_view_of_the_last_visit_is_the_one_that_is_chosen() {
    let page = Page::ready().await;
    page.push(&done("T1", "a.txt")).await;
    page.tell(Msg::Kept(KeptMsg::Remembered(Remembered {
        view: Some(View::Source),
        ..Remembered::default()
    })))
    .await;
    page.tell(Msg::Kept(KeptMsg::Address(Some("T1".to_owned()))))
        .await;
    let view = page.one(".views label:has(input:checked)");
    assert_eq!(view.text_content().unwrap().trim(), "Source");
}

#[wasm_bindgen_test]
async fn the_status_of_the_connection_is_a_word_and_no_clock() {
    let page = Page::ready().await;
    page.tell(Msg::Link(Link::Waiting)).await;
    let status = page.one(".connection [role=status]");
    assert_eq!(status.text_content().unwrap(), "Reconnecting");
    for hidden in page.all(".connection [aria-hidden=true]") {
        assert!(!status.contains(Some(&hidden)));
    }
    assert!(page.has_button("Try now"));
}
