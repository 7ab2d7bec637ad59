//! The reader.

use babelwire::source_text::SourceText;
use babelwire::store::{Effect, Msg, ReaderEffect, ReaderMsg, View};
use babelwire_wire::rest::{Found, Kept, Proof, Reason, Sides, Suspicion};
use babelwire_wire::{Segment, Status, Translation};
use js_sys::Uint8Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::HtmlInputElement;

use crate::support::{Page, translation};

/// `a.txt` open, three paragraphs of which the second is still to come.
async fn reading(bytes: &[u8], charset: &str) -> Page {
    let page = Page::ready().await;
    let snapshot = Translation {
        done: 2,
        total: 3,
        charset: Some(charset.to_owned()),
        ..translation("T1", "a.txt", Status::Translating, 1)
    };
    page.push(&snapshot).await;
    page.button("Open a.txt").click();
    page.shown().await;
    assert!(page.asked().contains(&Effect::FetchSource {
        id: "T1".to_owned(),
        charset: charset.to_owned()
    }));
    let text = SourceText::decode(&Uint8Array::from(bytes), charset).unwrap();
    page.store.set_text("T1".to_owned(), text);
    page.tell(Msg::Source {
        id: "T1".to_owned(),
        result: Ok(()),
    })
    .await;
    page
}

async fn segments(page: &Page, total: u64, segments: Vec<Segment>) {
    let push = babelwire_wire::Push::Segments {
        translation_id: "T1".to_owned(),
        total,
        segments,
    };
    page.frame(&serde_json::to_string(&push).unwrap()).await;
}

fn segment(index: u64, source: [u64; 2], text: &str) -> Segment {
    Segment {
        index,
        source,
        text: text.to_owned(),
        failed: false,
    }
}

fn cells(page: &Page) -> Vec<(String, String)> {
    let text = |selector: &str, pair: &web_sys::HtmlElement| {
        pair.query_selector(selector)
            .unwrap()
            .map(|cell| cell.text_content().unwrap())
            .unwrap_or_default()
    };
    page.all(".pair")
        .iter()
        .map(|pair| (text(".from", pair), text(".into", pair)))
        .collect()
}

#[wasm_bindgen_test]
async fn source_and_translation_stand_side_by_side_in_place() {
    let page = reading("\u{feff}Año\n\nDos\n\nTres".as_bytes(), "utf-8").await;
    segments(
        &page,
        3,
        vec![segment(2, [11, 15], "Three"), segment(0, [0, 4], "Year")],
    )
    .await;
    assert_eq!(
        cells(&page),
        [
            ("Año".to_owned(), "Year".to_owned()),
            ("Dos".to_owned(), "…".to_owned()),
            ("Tres".to_owned(), "Three".to_owned()),
        ]
    );
    segments(&page, 3, vec![segment(1, [6, 9], "Two")]).await;
    assert_eq!(cells(&page)[1], ("Dos".to_owned(), "Two".to_owned()));
    let into = page.all(".into");
    assert_eq!(into[0].lang(), "es");
    assert_eq!(into[0].get_attribute("dir").unwrap(), "auto");
}

#[wasm_bindgen_test]
async fn a_source_in_a_legacy_encoding_is_read_as_the_backend_reads_it() {
    // "ñ é" in windows-1252; the ranges count UTF-8.
    let page = reading(&[0xf1, b'\n', 0xe9], "windows-1252").await;
    segments(
        &page,
        2,
        vec![segment(0, [0, 2], "n"), segment(1, [3, 5], "e")],
    )
    .await;
    assert_eq!(cells(&page)[0].0, "ñ");
    assert_eq!(cells(&page)[1].0, "é");
}

#[wasm_bindgen_test]
async fn a_person_chooses_what_is_shown() {
    let page = reading(b"One", "utf-8").await;
    segments(&page, 1, vec![segment(0, [0, 3], "Uno")]).await;
    let choose = |name: &'static str| {
        let labels = page.all("[role=radiogroup][aria-label=View] label");
        let label = labels
            .into_iter()
            .find(|label| label.text_content().unwrap() == name)
            .unwrap();
        let input = label.query_selector("input").unwrap().unwrap();
        input.unchecked_into::<HtmlInputElement>().click();
    };
    choose("Translation");
    page.shown().await;
    assert!(page.all(".from").is_empty() && page.all(".into").len() == 1);
    choose("Source");
    page.shown().await;
    assert!(page.all(".from").len() == 1 && page.all(".into").is_empty());
    choose("Both");
    page.shown().await;
    assert!(page.all(".from").len() == 1 && page.all(".into").len() == 1);
}

#[wasm_bindgen_test]
async fn opening_moves_the_focus_to_the_heading_and_the_text_is_never_markup() {
    let page = reading(b"<i>One</i>", "utf-8").await;
    segments(&page, 1, vec![segment(0, [0, 10], "<script>uno</script>")]).await;
    let heading = page.one("section[aria-labelledby=reader-region] h2");
    assert_eq!(heading.text_content().unwrap(), "a.txt");
    let focused = web_sys::window()
        .unwrap()
        .document()
        .unwrap()
        .active_element()
        .unwrap();
    assert!(focused == *heading.unchecked_ref::<web_sys::Element>());
    assert_eq!(
        cells(&page),
        [("<i>One</i>".to_owned(), "<script>uno</script>".to_owned())]
    );
    assert!(page.all(".text script, .text i").is_empty());
}

/// Thirty thousand paragraphs, each of them "x" in the source.
async fn reading_many() -> Page {
    let page = reading(b"x", "utf-8").await;
    let many = (0..30_000)
        .map(|index| {
            segment(
                index,
                [0, 1],
                &format!("Paragraph {index}, long enough to be one."),
            )
        })
        .collect();
    segments(&page, 30_000, many).await;
    settled(&page).await;
    page
}

/// Waits until the rows that are shown are those that are needed.
async fn settled(page: &Page) {
    for _ in 0..20 {
        page.shown().await;
    }
}

/// How far below the upper edge of the text a row is; nothing of one that is not there.
fn below(page: &Page, text: &str) -> Option<f64> {
    let edge = page.one(".text").get_bounding_client_rect().top();
    page.all(".pair").into_iter().find_map(|pair| {
        let has = pair.text_content().unwrap().contains(text);
        has.then(|| pair.get_bounding_client_rect().top() - edge)
    })
}

fn is_in_view(page: &Page, text: &str) -> bool {
    let height = f64::from(page.one(".text").client_height());
    below(page, text).is_some_and(|below| (-1.0..height).contains(&below))
}

fn press(target: &web_sys::HtmlElement, key: &str, ctrl: bool) -> bool {
    let init = web_sys::KeyboardEventInit::new();
    init.set_key(key);
    init.set_ctrl_key(ctrl);
    init.set_bubbles(true);
    init.set_cancelable(true);
    let event = web_sys::KeyboardEvent::new_with_keyboard_event_init_dict("keydown", &init);
    target.dispatch_event(&event.unwrap()).unwrap()
}

fn focused() -> web_sys::Element {
    let document = web_sys::window().unwrap().document().unwrap();
    document.active_element().unwrap()
}

#[wasm_bindgen_test]
async fn of_a_long_text_only_rows_near_to_the_view_are_in_the_document() {
    let page = reading_many().await;
    let rows = page.all(".pair");
    assert!((3..300).contains(&rows.len()), "{} rows", rows.len());
    assert_eq!(rows[0].get_attribute("aria-posinset").unwrap(), "1");
    assert_eq!(rows[0].get_attribute("aria-setsize").unwrap(), "30000");
    let text = page.one(".text");
    assert!(
        text.scroll_height() > 500_000,
        "the scroll bar has them all"
    );

    for (part, row) in [(2, 15_000), (4, 7500)] {
        text.set_scroll_top(text.scroll_height() / part);
        settled(&page).await;
        let near =
            (row - 500..row + 500).any(|index| is_in_view(&page, &format!("Paragraph {index},")));
        assert!(near, "rows about {row} are in view");
        assert!(page.all(".pair").len() < 300);
    }
    // Rows that are measured on the way there may make it longer.
    for _ in 0..20 {
        text.set_scroll_top(text.scroll_height());
        settled(&page).await;
        if is_in_view(&page, "Paragraph 29999,") {
            break;
        }
    }
    assert!(is_in_view(&page, "Paragraph 29999,"));
    text.set_scroll_top(0);
    settled(&page).await;
    assert_eq!(below(&page, "Paragraph 0,").map(f64::round), Some(1.0));
}

#[wasm_bindgen_test]
async fn text_that_arrives_above_does_not_move_what_is_read() {
    let page = reading(b"x", "utf-8").await;
    let every_other = (0..3000)
        .filter(|index| index % 2 == 0)
        .map(|index| segment(index, [0, 1], &format!("Paragraph {index}, short.")))
        .collect();
    segments(&page, 3000, every_other).await;
    let text = page.one(".text");
    text.set_scroll_top(text.scroll_height() / 2);
    settled(&page).await;
    let edge = text.get_bounding_client_rect().top();
    let read = page
        .all(".pair")
        .into_iter()
        .find(|pair| pair.get_bounding_client_rect().top() >= edge)
        .unwrap();
    let before = read.get_bounding_client_rect().top();
    let place = read.get_attribute("aria-posinset").unwrap();
    let row: u64 = place.parse().unwrap();
    let long = "and it is much longer than the row that was there before it came ".repeat(20);
    let missing = (0..row - 1)
        .filter(|index| index % 2 == 1)
        .map(|index| segment(index, [0, 1], &format!("Paragraph {index}, {long}")))
        .collect();
    segments(&page, 3000, missing).await;
    settled(&page).await;
    let after = page.one(&format!(".pair[aria-posinset='{place}']"));
    let moved = after.get_bounding_client_rect().top() - before;
    assert!(moved.abs() < 1.0, "row {place} moved by {moved} pixels");
}

#[wasm_bindgen_test]
async fn few_rows_are_all_in_the_document() {
    let page = reading(b"x", "utf-8").await;
    let some = (0..150)
        .map(|index| segment(index, [0, 1], "A paragraph."))
        .collect();
    segments(&page, 150, some).await;
    assert_eq!(page.all(".pair").len(), 150);
    assert!(
        page.all("[aria-setsize]").is_empty(),
        "they count themselves"
    );
}

#[wasm_bindgen_test]
async fn another_view_keeps_the_place() {
    let page = reading_many().await;
    page.tell(Msg::Reader(ReaderMsg::Jump { row: 20_000 }))
        .await;
    settled(&page).await;
    assert!(is_in_view(&page, "Paragraph 20000,"));
    assert_eq!(
        focused().get_attribute("aria-posinset").as_deref(),
        Some("20001"),
        "who follows a link is where it leads"
    );
    for view in [View::Translation, View::Both] {
        page.tell(Msg::View(view)).await;
        settled(&page).await;
        assert!(is_in_view(&page, "Paragraph 20000,"), "{view:?}");
    }
}

#[wasm_bindgen_test]
async fn the_focus_stays_in_the_text_when_its_row_is_far_away() {
    let page = reading_many().await;
    page.tell(Msg::Reader(ReaderMsg::Jump { row: 500 })).await;
    settled(&page).await;
    let text = page.one(".text");
    text.set_scroll_top(text.scroll_height());
    settled(&page).await;
    assert!(focused() == *text.unchecked_ref::<web_sys::Element>());
}

#[wasm_bindgen_test]
async fn a_very_long_paragraph_is_cut_between_what_people_take_for_characters() {
    // The cut after 2000 characters falls into the family.
    let family = "👨\u{200d}👩\u{200d}👧";
    let long = ["x".repeat(1998), family.to_owned(), "y".repeat(3000)].concat();
    let page = reading(b"x", "utf-8").await;
    segments(&page, 1, vec![segment(0, [0, 1], &long)]).await;
    assert_eq!(
        cells(&page)[0].1,
        ["x".repeat(1998), "…".to_owned()].concat()
    );
    page.button("Show all of it").click();
    page.shown().await;
    assert_eq!(cells(&page)[0].1, long);
    assert!(!page.has_button("Show all of it"));
    assert_eq!(
        focused().get_attribute("class").as_deref(),
        Some("pair"),
        "its button is gone, and the focus where its text is"
    );
}

#[wasm_bindgen_test]
async fn what_is_found_is_marked_and_escape_leads_back() {
    let page = reading_many().await;
    let text = page.one(".text");
    text.focus().unwrap();
    assert!(
        !press(&text, "f", true),
        "the browser's own find stays closed"
    );
    page.shown().await;
    let input = page.one(".find input");
    assert!(focused() == *input.unchecked_ref::<web_sys::Element>());
    page.tell(Msg::Reader(ReaderMsg::Find("PARAGRAPH 12345".to_owned())))
        .await;
    assert!(
        page.asked()
            .contains(&Effect::Reader(ReaderEffect::FindHere {
                id: "T1".to_owned(),
                query: "PARAGRAPH 12345".into(),
                view: View::Both,
            }))
    );
    page.tell(Msg::Reader(ReaderMsg::Found {
        id: "T1".to_owned(),
        query: "PARAGRAPH 12345".into(),
        from: 0,
        result: Ok(Found {
            total: 1,
            matches: vec![12_345],
        }),
    }))
    .await;
    settled(&page).await;
    assert_eq!(page.one("#find-state").text_content().unwrap(), "1 of 1");
    assert_eq!(
        page.one("mark[data-current]").text_content().unwrap(),
        "Paragraph 12345"
    );
    assert!(is_in_view(&page, "Paragraph 12345,"));
    press(&input, "Escape", false);
    page.shown().await;
    assert!(page.all(".find, mark").is_empty());
    assert!(focused() == *text.unchecked_ref::<web_sys::Element>());
    assert!(
        is_in_view(&page, "Paragraph 12345,"),
        "what was found stays in view"
    );
}

#[wasm_bindgen_test]
async fn a_short_text_leaves_find_to_the_browser() {
    let page = reading(b"One", "utf-8").await;
    segments(&page, 1, vec![segment(0, [0, 3], "Uno")]).await;
    assert!(press(&page.one(".text"), "f", true));
    page.shown().await;
    assert!(page.all(".find").is_empty());
    page.button("Find").click();
    page.shown().await;
    page.one(".find input");
}

#[wasm_bindgen_test]
async fn the_proof_says_what_it_found_and_leads_there() {
    let page = reading_many().await;
    assert!(!page.has_button("Proof"), "nothing is proved yet");
    page.tell(Msg::Reader(ReaderMsg::Proof {
        id: "T1".to_owned(),
        result: Ok(Proof {
            paragraphs: Sides {
                source: 30_000,
                result: 30_000,
            },
            numbers: Kept {
                source: 30_000,
                kept: 29_999,
            },
            urls: Kept { source: 0, kept: 0 },
            suspicious_total: 1,
            suspicious: vec![Suspicion {
                index: 4000,
                reasons: vec![Reason::Numbers, Reason::Unchanged],
            }],
        }),
    }))
    .await;
    page.button("Proof").click();
    page.shown().await;
    let proof = page.one("#proof").text_content().unwrap();
    assert!(proof.contains("30,000 paragraphs in, 30,000 out. 29,999 of 30,000 numbers kept."));
    assert!(proof.contains("a number is missing, the same as the source"));
    page.one("#proof a").click();
    settled(&page).await;
    assert!(is_in_view(&page, "Paragraph 4000,"));
    page.asked();
    page.button("Translate this again").click();
    page.shown().await;
    assert_eq!(
        page.asked(),
        [Effect::Reader(ReaderEffect::Again {
            id: "T1".to_owned(),
            index: 4000
        })]
    );
    assert!(!page.has_button("Translate this again"), "it is under way");
}

#[wasm_bindgen_test]
async fn who_wants_the_newest_text_is_taken_along_until_they_scroll() {
    let page = reading(b"x", "utf-8").await;
    let some = |from: u64, to: u64| -> Vec<Segment> {
        (from..to)
            .map(|index| segment(index, [0, 1], &format!("Paragraph {index}, long enough.")))
            .collect()
    };
    segments(&page, 9000, some(0, 1000)).await;
    settled(&page).await;
    assert!(
        is_in_view(&page, "Paragraph 0,"),
        "nobody is taken along unasked"
    );
    page.button("Jump to newest").click();
    settled(&page).await;
    assert!(is_in_view(&page, "Paragraph 999,"));
    assert!(!page.has_button("Jump to newest"));
    segments(&page, 9000, some(1000, 2000)).await;
    settled(&page).await;
    assert!(is_in_view(&page, "Paragraph 1999,"));
    let text = page.one(".text");
    text.set_scroll_top(text.scroll_top() - 300);
    settled(&page).await;
    let place = text.scroll_top();
    segments(&page, 9000, some(2000, 3000)).await;
    settled(&page).await;
    assert_eq!(text.scroll_top(), place);
    assert!(page.has_button("Jump to newest"));
}

#[wasm_bindgen_test]
async fn closing_the_reader_gives_the_list_back() {
    let page = reading(b"One", "utf-8").await;
    page.button("Close").click();
    page.shown().await;
    assert!(
        page.all("section[aria-labelledby=reader-region]")
            .is_empty()
    );
    assert_eq!(
        page.asked(),
        [Effect::Unsubscribe {
            id: "T1".to_owned()
        }]
    );
}
