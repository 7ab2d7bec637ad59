//! Languages, the connection and the list of files.

use babelwire::store::{
    Beginning, Command, Effect, FilesEffect, FilesMsg, Link, Mode, Msg, Peek, Picked, Reading,
    Trouble,
};
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

fn peeked(file: u32, peek: Peek) -> Msg {
    Msg::Files(FilesMsg::Peeked {
        file,
        beginning: Beginning::Text(peek),
    })
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
        modified: 0,
        in_folder: false,
    }]))
    .await;
    let item = || {
        page.one("ul[aria-label=Files] > li")
            .text_content()
            .unwrap()
    };
    let progress = "progress[aria-label='Progress of a.txt']";
    assert!(item().contains("Being looked at"));
    page.tell(peeked(
        0,
        Peek {
            line: "The first line.".into(),
            encodings: Vec::new(),
        },
    ))
    .await;
    assert!(item().contains("Preparing to upload") && item().contains("The first line."));
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
        now: 0,
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

fn picked(file: u32, name: &str) -> Picked {
    Picked {
        file,
        name: name.to_owned(),
        size: 900,
        modified: 0,
        in_folder: false,
    }
}

#[wasm_bindgen_test]
async fn a_file_in_doubt_shows_its_first_line_in_each_encoding_and_takes_another() {
    let page = Page::ready().await;
    page.tell(Msg::Chosen(vec![picked(0, "a.txt")])).await;
    let reading = |encoding: &str, line: &str| Reading {
        encoding: encoding.into(),
        line: line.into(),
    };
    page.tell(peeked(
        0,
        Peek {
            line: "吾輩は猫である。".into(),
            encodings: vec![
                reading("Shift_JIS", "吾輩は猫である。"),
                reading("windows-1252", "Œá”y"),
            ],
        },
    ))
    .await;
    assert!(
        page.text()
            .contains("Looks like Shift_JIS. Wrong? Change it.")
    );
    let select: HtmlSelectElement = page
        .one("select[aria-label='Encoding of a.txt']")
        .unchecked_into();
    assert_eq!(
        options(&select),
        ["Shift_JIS: 吾輩は猫である。", "windows-1252: Œá”y"]
    );
    assert_eq!(select.value(), "Shift_JIS");
    page.asked();
    choose(&page, &select, "windows-1252").await;
    assert!(page.text().contains("Read as windows-1252."));
    assert_eq!(
        page.one("[data-look=file-line]").text_content().unwrap(),
        "Œá”y"
    );
}

#[wasm_bindgen_test]
async fn a_deleted_file_can_be_had_back_and_keeps_the_focus_where_it_was() {
    let page = Page::ready().await;
    page.push(&translation("T1", "a.txt", Status::Done, 1))
        .await;
    let delete = page.button("Delete a.txt");
    delete.focus().unwrap();
    delete.click();
    page.shown().await;
    assert!(!page.has_button("Open a.txt") && !page.has_button("Download a.txt"));
    let document = web_sys::window().unwrap().document().unwrap();
    let focused = document.active_element().unwrap();
    assert!(
        focused.is_same_node(Some(&delete)),
        "a second press deletes"
    );
    assert_eq!(page.asked(), [Effect::Files(FilesEffect::AwaitUndo(1))]);

    // Whoever is at the button is not hurried.
    let undo = page.button("Undo deleting a.txt");
    undo.focus().unwrap();
    page.shown().await;
    page.tell(Msg::Files(FilesMsg::Due(1))).await;
    assert_eq!(page.asked(), []);
    undo.click();
    page.shown().await;
    page.button("Open a.txt");
    assert_eq!(page.asked(), []);
}

#[wasm_bindgen_test]
async fn of_a_thousand_files_those_in_view_are_in_the_document_and_each_knows_its_place() {
    let page = Page::ready().await;
    let files = (0..1_000).map(|file| picked(file, &format!("{file:04}.txt")));
    page.tell(Msg::Chosen(files.collect())).await;
    page.shown().await;
    let items = page.all("ul[aria-label=Files] > li");
    assert!((10..200).contains(&items.len()), "{}", items.len());
    assert_eq!(items[0].get_attribute("aria-posinset").unwrap(), "1");
    assert_eq!(items[0].get_attribute("aria-setsize").unwrap(), "1000");

    let list = page.one("ul[aria-label=Files]");
    let height = list.get_bounding_client_rect().height();
    assert!(height > 50_000.0, "room for all: {height}");
    list.scroll_into_view_with_bool(false);
    for _ in 0..6 {
        page.shown().await;
    }
    page.button("Delete 0999.txt");
    assert!(!page.has_button("Delete 0000.txt"));
    assert!(page.all("ul[aria-label=Files] > li").len() < 200);
}

#[wasm_bindgen_test]
async fn up_to_a_hundred_files_are_all_in_the_document() {
    let page = Page::ready().await;
    let files = (0..100).map(|file| picked(file, &format!("{file:03}.txt")));
    page.tell(Msg::Chosen(files.collect())).await;
    assert_eq!(page.all("ul[aria-label=Files] > li").len(), 100);
    page.button("Delete 099.txt");
}

#[wasm_bindgen_test]
async fn all_files_are_summed_up_and_their_results_come_in_one_archive() {
    let page = Page::ready().await;
    page.push(&translation("T1", "a.txt", Status::Done, 1))
        .await;
    assert!(page.all(".summary").is_empty(), "one file is its own sum");
    page.push(&translation("T2", "b.txt", Status::Translating, 1))
        .await;
    assert!(page.text().contains("2 files, 1 done"));
    page.button("Download all").click();
    page.shown().await;
    assert!(page.text().contains("Packing 0 of 1"));
    assert!(matches!(
        &page.asked()[..],
        [Effect::Files(FilesEffect::Pack(all))] if all.len() == 1
    ));
}

#[wasm_bindgen_test]
async fn more_languages_are_ticked_and_taken_away() {
    let page = Page::ready().await;
    page.button("More languages").click();
    page.shown().await;
    let tick = page.one("#more-languages input");
    tick.click();
    page.shown().await;
    assert_eq!(page.store.state().targets().len(), 2);
    page.button("Remove French").click();
    page.shown().await;
    assert_eq!(page.store.state().targets().len(), 1);
}
