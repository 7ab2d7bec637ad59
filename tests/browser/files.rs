//! Languages, the connection and the list of files.

use babelwire::store::{Command, Effect, Link, Mode, Msg, Picked, Trouble};
use babelwire_wire::rest::{Created, Upload};
use babelwire_wire::{Failure, Status, Translation};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::{Event, EventInit, HtmlSelectElement};

use crate::support::{Mutations, Page, languages, translation};

fn select(page: &Page, label: &str) -> HtmlSelectElement {
    let labels = page.all("label");
    let label = labels
        .iter()
        .find(|found| found.text_content().unwrap().starts_with(label))
        .unwrap();
    label
        .query_selector("select")
        .unwrap()
        .unwrap()
        .unchecked_into()
}

async fn choose(page: &Page, select: &HtmlSelectElement, value: &str) {
    select.set_value(value);
    let init = EventInit::new();
    init.set_bubbles(true);
    select
        .dispatch_event(&Event::new_with_event_init_dict("change", &init).unwrap())
        .unwrap();
    page.shown().await;
}

fn options(select: &HtmlSelectElement) -> Vec<String> {
    let options = select.options();
    (0..options.length())
        .map(|index| options.item(index).unwrap().text_content().unwrap())
        .collect()
}

#[wasm_bindgen_test]
async fn languages_have_names_and_only_those_that_can_be_reached_are_offered() {
    let page = Page::ready().await;
    let (from, into) = (
        select(&page, "Translate from"),
        select(&page, "Translate into"),
    );
    assert_eq!(options(&from), ["English", "Spanish"]);
    assert_eq!(options(&into), ["French (via Spanish)", "Spanish"]);
    assert_eq!((from.value(), into.value()), ("en".into(), "es".into()));
    choose(&page, &into, "fr").await;
    assert!(page.text().contains("By way of Spanish"));
    assert!(page.button("Swap languages").has_attribute("disabled"));
    choose(&page, &from, "es").await;
    assert_eq!(options(&into), ["English"]);
}

#[wasm_bindgen_test]
async fn swapping_shows_in_both_selects_even_after_a_person_chose() {
    let page = Page::ready().await;
    let (from, into) = (
        select(&page, "Translate from"),
        select(&page, "Translate into"),
    );
    choose(&page, &into, "fr").await;
    choose(&page, &into, "es").await;
    page.button("Swap languages").click();
    page.shown().await;
    assert_eq!((from.value(), into.value()), ("es".into(), "en".into()));
}

#[wasm_bindgen_test]
async fn the_connection_is_told_in_words_and_on_the_root_element() {
    let page = Page::ready().await;
    let root = web_sys::window()
        .unwrap()
        .document()
        .unwrap()
        .document_element()
        .unwrap();
    for (link, words, name) in [
        (Link::Connecting, "Connecting", "connecting"),
        (Link::Open, "Connected", "open"),
        (Link::Waiting, "Reconnecting", "waiting"),
        (Link::Redialling, "Reconnecting", "connecting"),
        (Link::Offline, "You are offline", "offline"),
        (Link::Closed, "Disconnected", "closed"),
    ] {
        page.tell(Msg::Link(link)).await;
        assert_eq!(page.one("[role=status]").text_content().unwrap(), words);
        assert_eq!(root.get_attribute("data-connection").unwrap(), name);
    }
    page.asked();
    page.button("Try now").click();
    page.shown().await;
    assert_eq!(page.asked(), [Effect::ConnectNow]);
}

#[wasm_bindgen_test]
async fn a_file_shows_from_the_moment_it_is_chosen_and_through_all_its_states() {
    let page = Page::ready().await;
    page.tell(Msg::Chosen(vec![Picked {
        file: 0,
        name: "a.txt".to_owned(),
        size: 2_500_000,
    }]))
    .await;
    let item = || {
        page.one("ul[aria-label=Files] > li")
            .text_content()
            .unwrap()
    };
    let progress = "progress[aria-label='Progress of a.txt']";
    assert!(item().contains("Preparing to upload"));
    assert!(!page.one(progress).has_attribute("value"));
    page.tell(Msg::Created {
        key: 1,
        result: Ok(Created {
            translation: Translation {
                done: 0,
                total: 0,
                ..translation("T1", "a.txt", Status::AwaitingUpload, 1)
            },
            upload: Upload {
                method: "PUT".to_owned(),
                url: "u".to_owned(),
                headers: Vec::new(),
                expires_at: "2026-01-01T00:00:00Z".to_owned(),
            },
        }),
    })
    .await;
    page.tell(Msg::Progress {
        key: 1,
        sent: 1_000_000,
    })
    .await;
    assert!(item().contains("Uploading, 1 of 2.5 MB"), "{}", item());
    assert_eq!(
        page.one(progress).get_attribute("value").unwrap(),
        "1000000"
    );
    page.push(&translation("T1", "a.txt", Status::Translating, 2))
        .await;
    assert!(item().contains("Translating, 412 of 1,960 paragraphs"));
    assert_eq!(page.one(progress).get_attribute("max").unwrap(), "1960");
    page.button("Cancel a.txt").click();
    page.shown().await;
    assert_eq!(
        page.asked().last(),
        Some(&Effect::Command {
            key: 1,
            id: "T1".to_owned(),
            command: Command::Cancel
        })
    );
    page.push(&translation("T1", "a.txt", Status::Done, 3))
        .await;
    assert!(item().contains("Done, 1,960 paragraphs"));
    assert!(page.all(progress).is_empty());
    for name in ["Open a.txt", "Download a.txt", "Delete a.txt"] {
        page.button(name);
    }
    assert!(!page.has_button("Cancel a.txt") && !page.has_button("Retry a.txt"));
    page.push(&Translation {
        error: Some(Failure {
            title: "Not a text file".to_owned(),
            detail: "Choose a text file.".to_owned(),
        }),
        ..translation("T1", "a.txt", Status::Failed, 4)
    })
    .await;
    assert!(item().contains("Failed: Not a text file. Choose a text file."));
    page.button("Retry a.txt");
}

#[wasm_bindgen_test]
async fn a_name_with_markup_is_shown_as_text() {
    let page = Page::ready().await;
    let name = "<img src=x onerror=\"document.title='owned'\">.txt";
    page.push(&translation("T1", name, Status::Done, 1)).await;
    assert!(page.text().contains(name));
    assert!(page.all("img").is_empty());
    page.button(&format!("Delete {name}"));
}

#[wasm_bindgen_test]
async fn a_thousand_frames_in_one_task_are_one_render() {
    let page = Page::ready().await;
    page.push(&translation("T1", "a.txt", Status::Translating, 1))
        .await;
    let mutations = Mutations::of(&page);
    for revision in 2..1002 {
        let snapshot = Translation {
            done: revision,
            ..translation("T1", "a.txt", Status::Translating, revision)
        };
        page.store.dispatch(Msg::Frame(babelwire_wire::Inbound {
            raw: String::new(),
            frame: babelwire_wire::Frame::Translation(snapshot),
        }));
    }
    page.shown().await;
    assert!(page.text().contains("Translating, 1,001 of 1,960"));
    assert_eq!(mutations.count(), 1);
}

#[wasm_bindgen_test]
async fn a_row_that_did_not_change_is_left_alone() {
    let page = Page::ready().await;
    for id in ["T1", "T2"] {
        page.push(&translation(id, id, Status::Translating, 1))
            .await;
    }
    let before = page.all("ul[aria-label=Files] > li");
    page.push(&translation("T1", "T1", Status::Done, 2)).await;
    let after = page.all("ul[aria-label=Files] > li");
    assert!(before == after, "the items are the same elements");
}

#[wasm_bindgen_test]
async fn the_demonstration_is_labelled_wherever_its_text_is() {
    let page = Page::ready().await;
    page.tell(Msg::Languages(Ok(languages("pseudo")))).await;
    assert!(page.text().contains("Demo text, not a translation"));
    page.push(&translation("T1", "a.txt", Status::Done, 1))
        .await;
    let item = page.one("ul[aria-label=Files] > li");
    assert!(
        item.text_content()
            .unwrap()
            .contains("Demo text, not a translation")
    );
    page.button("Open a.txt").click();
    page.shown().await;
    let reader = page.one("section[aria-labelledby=reader-region]");
    assert!(
        reader
            .text_content()
            .unwrap()
            .contains("Demo text, not a translation")
    );
}

#[wasm_bindgen_test]
async fn a_page_that_is_not_configured_says_so_in_words() {
    let page = Page::new();
    for text in ["<!doctype html>", r#"{"apiUrl":"api"}"#] {
        let trouble: Trouble = babelwire::config::read(text).unwrap_err();
        page.tell(Msg::Configured(Err(trouble))).await;
        assert!(page.text().contains("config.json can't be read"));
        assert_eq!(page.one("h1").text_content().unwrap(), "Babelwire");
        assert!(!page.has_button("Choose text files"));
    }
}

#[wasm_bindgen_test]
async fn a_backend_without_rest_has_no_upload_and_its_console_open() {
    let page = Page::new();
    page.tell(Msg::Configured(Ok(Mode::LiveConsole))).await;
    page.frame(r#"{"bucketName":"b","bucketKey":"k.txt","message":"A new file"}"#)
        .await;
    assert!(!page.has_button("Choose text files"));
    let news = page.one("section[aria-label=News]").text_content().unwrap();
    assert!(news.contains("A new file") && news.contains("k.txt"));
    page.one("section[aria-label=Console]");
}
